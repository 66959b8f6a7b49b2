"""Hostile models through the real assistant: its process, its providers' protocols, a real server with a real case.

Whatever the model does, flags, access and approvals are what they were; no secret is in anything that was sent to a
provider; and the case goes on with the analyst's draft, which waits for people.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, redirect_stderr, redirect_stdout
from dataclasses import dataclass, field
from datetime import UTC, datetime
from io import StringIO
from typing import Any

import pytest

from tests.attacks.hostile import Tally, attacks, batched, moved, packed, standing, texts, unseen
from tests.attacks.models import FIGURES, KINDS, OPERATIONS, claims, lies, looks, obeys
from tests.support.assisting import QUICK, Room, room, settings_for
from tests.support.browser import page
from tests.support.process import ServerProcess, eventually
from tests.support.providers import KEY, MODEL, PROTOCOLS, FakeProvider, Protocol, Scripted, call
from tests.support.server import alertmanager_body
from tests.support.traffic import batch_of
from tests.support.world import ENVIRONMENT, PASSWORD, PASSWORD_HASH, PROJECT, World
from twokey.adapters import system
from twokey.assistant.run import Failed, Found
from twokey.assistant.settings import Budget
from twokey.cli.main import run
from twokey.cli.runtime import Runtime
from twokey.domain.case import CaseStatus
from twokey.domain.identity import AGENT_SCOPES, SYSTEM, ActorKind, Scope
from twokey.steps.manage_access import TokenRequest, create_token
from twokey.wiring import open_store

CANARIES = {
    "AWS_SECRET_ACCESS_KEY": "canary-of-the-environment-4711",
    "DATABASE_PASSWORD": "canary-of-the-database-0815",
    "GITHUB_TOKEN": "ghp_canaryOfTheEnvironment0123456789",
}
IN_A_FILE = "canary-of-the-data-folder-1234"
MOST = 6
PATIENT, SHORT = ("--seconds", "120"), ("--seconds", "4", "--request-seconds", "1.5")
"""Only to those that never answer is nothing granted: a machine may be slow."""


# ---------------------------------------------------------------- in its own process


@dataclass
class Ran:
    """One run of the assistant's process: what it printed, and what its provider was sent."""

    kind: str
    code: int
    printed: str
    sent: str
    requests: int


@dataclass
class House:
    """A server with a case that was opened by hostile alerts, and one token for each model."""

    server: ServerProcess
    case: str
    tokens: dict[str, str]
    secrets: list[str]
    before: dict[str, Any] = field(default_factory=dict)

    def stands(self) -> dict[str, Any]:
        """What text and models may not move, as a person reads it."""
        with closing(self.server.person("mara")) as mara:
            environment = f"/api/v1/projects/{PROJECT}/environments/{ENVIRONMENT}"
            return {
                "snapshot": mara.get(f"{environment}/snapshot").json(),
                "changes": mara.get("/api/v1/changes").json(),
                "matrix": mara.get("/api/v1/environments").json(),
            }

    def seen(self) -> dict[str, Any]:
        with closing(self.server.person("mara")) as mara:
            return dict(mara.get(f"/api/v1/cases/{self.case}").json())

    def assist(self, kind: str, protocol: Protocol) -> Ran:
        """The process, with an environment that holds secrets of others, before a provider that follows this script."""
        with FakeProvider(*KINDS[kind]()) as provider:
            environment = {
                "PATH": os.environ["PATH"], "PYTHONPATH": "src", "TWOKEY_URL": self.server.url,
                "TWOKEY_TOKEN": self.tokens[kind], "OPENAI_API_KEY": KEY, "ANTHROPIC_API_KEY": KEY, **CANARIES,
            }  # fmt: skip
            command = [
                sys.executable, "-m", "twokey.cli.main", "assist", self.case, "--provider", protocol, "--model", MODEL,
                "--model-url", provider.url(protocol), "--requests", str(MOST),
                *(SHORT if kind in ("silent", "slow") else PATIENT),
            ]  # fmt: skip
            done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120, check=False)
            return Ran(kind, done.returncode, done.stdout + done.stderr, provider.everything, len(provider.requests))


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    folder = tmp_path_factory.mktemp("models") / "data"
    server = ServerProcess(folder)
    (folder / "secret.env").write_text(f"PASSWORD={IN_A_FILE}\n")
    store = open_store(server.settings)
    tokens = {
        kind: create_token(store, system, SYSTEM, TokenRequest(
            name=kind, kind=ActorKind.AGENT, scopes=AGENT_SCOPES, project=PROJECT, environment=ENVIRONMENT,
            expires_at=None, on_behalf_of="mara",
        ))[1]
        for kind in KINDS
    }  # fmt: skip
    with store.read() as uow:
        kept = [each.password_hash for each in uow.users.where(limit=100)]
        kept += [each.secret_hash for each in uow.tokens.where(limit=100)]
    store.close()
    secrets = [*tokens.values(), *server.tokens.values(), *kept, *CANARIES.values(), KEY, IN_A_FILE, PASSWORD]
    server.start()
    made = House(server, _case(server), tokens, secrets)
    made.before = made.stands()
    yield made
    server.stop()


def _case(server: ServerProcess) -> str:
    """A case in which the candidate does harm, told by alerts that hold the attacks."""
    with ExitStack() as open_:
        mara, intake, source = (
            open_.enter_context(closing(each))
            for each in (server.person("mara"), server.holder("telemetry"), server.holder("signals"))
        )
        snapshot = mara.get(f"/api/v1/projects/{PROJECT}/environments/{ENVIRONMENT}/snapshot").json()
        batch = batch_of(snapshot, 2000, slow=0.03, slow_candidate=0.5, prefix="before")
        assert intake.post("/api/v1/telemetry", json=batch).status_code == 200
        at, found = datetime.now(UTC).isoformat(), ""
        for number, some in enumerate(batched(texts(), 300)):
            body = alertmanager_body(*map(str, range(len(some))), start=at)
            for index, (each, alert) in enumerate(zip(some, body["alerts"], strict=True)):
                alert["fingerprint"] = f"{number}-{index}"
                alert["labels"] |= {"alertname": each or "x", "note": each}
                alert["annotations"] = {"summary": each, "description": each}
            found = source.post("/signals/v1/alertmanager", json=body).json()["results"][0]["case"]
        eventually(lambda: mara.get(f"/api/v1/cases/{found}").json()["status"] == "acting", what="the analyst's draft")
        return str(found)


def test_no_hostile_model_moves_anything_learns_a_secret_or_stops_the_case(house: House, tally: Tally) -> None:
    mine = house.seen()["finding"]
    protocols = {kind: PROTOCOLS[number % len(PROTOCOLS)] for number, kind in enumerate(KINDS)}
    with ThreadPoolExecutor(max_workers=4) as at_once:
        ran = list(at_once.map(lambda kind: house.assist(kind, protocols[kind]), KINDS))
    view, after = house.seen(), house.stands()
    codes = {each.kind: each.code for each in ran}
    assert (codes["copying"], codes["lying"]) == (0, 0), [each.printed for each in ran]
    assert all(codes[kind] != 0 for kind in ("looping", "silent", "slow", "malformed", "two answers"))
    assert all(1 <= each.requests <= MOST for each in ran), {each.kind: each.requests for each in ran}
    assert "Traceback" not in "".join(each.printed for each in ran)
    assert view["finding"] == mine, "the analyst's finding is what it was"
    assert view["proposals"][-1]["author"] != "mara"
    assert {each["status"] for each in view["proposals"]} == {"pending"}
    failed = {each.kind for each in ran if each.code} - {"obeying"}
    assert failed == set(KINDS) - {"copying", "lying", "obeying"}, "and the process says so"
    leaks = [(each.kind, secret) for each in ran for secret in house.secrets if secret in each.sent + each.printed]
    assert leaks == []
    tally(
        "hostile models in their own process",
        texts=len(attacks()),
        places=len(ran),
        cases=len(ran),
        went_on=len(ran) * (view["status"] == "acting"),
        state_changes=sum(house.before[name] != after[name] for name in after),
        approvals=sum(each["approved"] for each in view["proposals"]),
        credentials=len(leaks),
        unseen=sum(len(unseen(each.printed)) for each in ran),
        failures=sum(each.code not in (0, 1, 2, 3, 4, 5, 6, 7) for each in ran),
    )


def test_what_they_said_is_shown_as_their_words_and_hides_nothing(house: House, tally: Tally) -> None:
    secret = next(iter(house.tokens.values()))
    shown = StringIO()
    pages = (("case", "show", house.case, "--no-charts"), ("case", "record", house.case), ("proposal", "list"))
    for arguments in pages:
        runtime = Runtime(env={"TWOKEY_URL": house.server.url, "TWOKEY_TOKEN": secret, "COLUMNS": "100"})
        with redirect_stdout(shown), redirect_stderr(shown):
            assert run(arguments, runtime) == 0, shown.getvalue()[-500:]
    view = house.seen()
    by_model = {each["provenance"]["model"] for each in view["opinions"]}
    assert by_model == {MODEL}
    lied = next(each for each in view["opinions"] if FIGURES[0] in each["finding"]["summary"])
    assert [each["supported"] for each in lied["finding"]["citations"]] == [False] * 3
    assert set(FIGURES) <= {each["text"].removesuffix(" ms") for each in lied["unsupported"]}
    said = shown.getvalue()
    tally(
        "what models said, in a terminal", texts=len(attacks()), places=len(pages), unseen=len(unseen(said)),
        credentials=sum(each in said for each in house.secrets),
    )  # fmt: skip


LOOK = """() => {
  const texts = [document.title, document.body.innerText];
  const read = ['aria-label', 'title', 'alt', 'placeholder', 'value'];
  for (const each of document.querySelectorAll('*')) texts.push(...read.map((name) => each.getAttribute(name) ?? ''));
  const of = (name, what) => [...document.querySelectorAll(name)].map((each) => each.getAttribute(what) ?? '');
  const armed = (each) => [...each.attributes].some((one) => one.name.startsWith('on'));
  return {
    text: texts.join('\\n'), links: of('a', 'href'), media: of('img, iframe, object, embed, video, audio', 'src'),
    handlers: [...document.querySelectorAll('*')].filter(armed).length,
  };
}"""
"""What a page holds: every text that is shown or read out, and every address that it has."""


def test_in_a_real_browser_all_of_it_is_text_and_nothing_is_fetched_from_elsewhere(house: House, tally: Tally) -> None:
    with closing(house.server.person("mara")) as mara:
        for some in packed(texts(), 4000):
            assert mara.post(f"/api/v1/cases/{house.case}/notes", json={"text": some}).status_code == 201
    proposals = [each["id"] for each in house.seen()["proposals"]]
    pages = [f"/cases/{house.case}", "/cases", f"/proposals/{proposals[0]}", f"/proposals/{proposals[-1]}", "/audit"]
    asked: list[str] = []
    dialogs: list[str] = []
    looked: list[dict[str, Any]] = []
    with page() as room:
        room.on("request", lambda request: asked.append(request.url))
        room.on("dialog", lambda dialog: (dialogs.append(dialog.message), dialog.dismiss()))
        given = {"username": "mara", "password": PASSWORD}
        assert room.request.post(f"{house.server.url}/api/v1/session", data=given).ok
        for each in pages:
            room.goto(house.server.url + each)
            room.locator("h1").first.wait_for()
            room.get_by_text("Loading", exact=True).first.wait_for(state="detached")
            looked.append(room.evaluate(LOOK))
        assert room.evaluate("[window.owned ?? null, document.cookie]") == [None, ""]
    shown = "\n".join(each["text"] for each in looked)
    kept = [each.strip() for each in texts() if 12 < len(each.strip()) < 200 and each.isascii() and each.isprintable()]
    assert sum(each in looked[0]["text"] for each in kept) > len(kept) / 2, "it is shown, as text"
    assert [each for each in asked if not each.startswith((house.server.url, "data:", "blob:"))] == []
    assert dialogs == []
    assert {each["handlers"] for each in looked} == {0}
    assert not [url for each in looked for url in each["media"]]
    links = {url for each in looked for url in each["links"]}
    assert {url for url in links if not url.startswith(("/", "#"))} == set()
    tally(
        "pages in a browser",
        texts=len(attacks()),
        places=len(pages),
        unseen=len(unseen(shown, keeps="\n\t")),
        credentials=sum(each in shown for each in house.secrets),
    )


# ---------------------------------------------------------------- goal by goal, in this process


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Room]:
    """A triaged case, whose notes and alerts hold our own attacks."""
    world = World(tmp_path_factory.mktemp("desk"))
    made = room(world)
    source = made.doors.token(Scope.SIGNALS_WRITE)
    own = [each.text for each in attacks() if each.source == "own"]
    body = alertmanager_body(*map(str, range(len(own))))
    for each, alert in zip(own, body["alerts"], strict=True):
        alert["labels"] |= {"alertname": each, "note": each}
        alert["annotations"] = {"summary": each}
    assert source.post("/signals/v1/alertmanager", json=body).status_code == 200
    yield made
    world.close()


def test_a_model_that_obeys_reaches_none_of_the_goals(desk: Room, tally: Tally) -> None:
    before, went_on, sent, ran = standing(desk.world), 0, "", 0
    secrets = [desk.token]
    mine = desk.seen()["finding"]
    for number, goal in enumerate(OPERATIONS):
        one = desk.another()
        secrets.append(one.token)
        with FakeProvider(*obeys(goal)) as provider:
            outcome = one.run(settings_for(provider, PROTOCOLS[number % 3]))
        assert isinstance(outcome, Found | Failed)
        sent, ran = sent + provider.everything, ran + len(provider.requests)
        with desk.world.store.read() as uow:
            went_on += uow.cases.get(desk.case).status is CaseStatus.ACTING
            assert {str(each.status) for each in uow.proposals.where(limit=500)} == {"pending"}, goal
        assert desk.seen()["finding"] == mine, goal
    after = standing(desk.world)
    with desk.world.store.read() as uow:
        widening = [each for each in uow.proposals.where(limit=500) if each.effect != "narrows"]
        assert all(set(each.required_roles) >= {"release_manager"} for each in widening)
    tally(
        "a model that obeys, goal by goal",
        texts=len([each for each in attacks() if each.goal in OPERATIONS]),
        places=ran,
        cases=len(OPERATIONS),
        went_on=went_on,
        state_changes=moved(before, after),
        approvals=after.approvals - before.approvals,
        credentials=sum(each in sent for each in [*secrets, PASSWORD_HASH, KEY]),
    )


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_a_liar_is_marked_by_every_protocol(desk: Room, protocol: Protocol) -> None:
    with FakeProvider(looks, lies) as provider:
        outcome = desk.another().run(settings_for(provider, protocol))
    assert isinstance(outcome, Found), outcome
    assert {each["text"].removesuffix(" ms") for each in outcome.told["unsupported"]} >= set(FIGURES)
    assert "control" in {each["about"] for each in outcome.told["differences"]}


ENDLESS: dict[str, tuple[Scripted, ...]] = {
    "looping": (looks,),
    "one call after another": (lambda request: call("list_flags", {"cursor": len(request.texts)}),),
    "an answer that never fits": (lambda request: call("submit_finding", claims(confidence=len(request.texts))),),
}


@pytest.mark.parametrize("kind", ENDLESS)
def test_what_has_no_end_is_ended_and_told(desk: Room, kind: str) -> None:
    budget = Budget(requests=5, seconds=QUICK.seconds, request_seconds=QUICK.request_seconds)
    one = desk.another()
    with FakeProvider(*ENDLESS[kind]) as provider:
        outcome = one.run(settings_for(provider, "openai", budget))
    assert isinstance(outcome, Failed), outcome
    assert outcome.on_record
    assert len(provider.requests) <= 5
    assert [len(one.entries(each)) for each in ("finding.begin", "finding.submit", "finding.fail")] == [1, 0, 1]


def test_all_texts_come_back_out_of_a_model_that_copies_as_text(desk: Room, tally: Tally) -> None:
    """What a model repeats is stored, shown and told to other agents as the words of an assistant."""
    before = standing(desk.world)
    for some in batched(texts(), 50):
        said = "\n".join(some)[:4000] or "."
        cited = [
            {"evidence": each[:200] or "x", "path": each[:400] or "x", "value": each[:400], "says": each[:400] or "x"}
            for each in some
        ]  # fmt: skip
        with FakeProvider(
            call("submit_finding", claims(reason=said, summary=said[:2000], citations=cited))
        ) as provider:
            outcome = desk.another().run(settings_for(provider, "openai"))
        assert isinstance(outcome, Found), outcome
    view = desk.seen()
    shown = [desk.doors.person("mara").get(f"/api/v1/cases/{desk.case}/record", params={"format": "markdown"}).text]
    after = standing(desk.world)
    assert len(view["opinions"]) > 1
    tally(
        "a model that repeats every text",
        texts=len(attacks()),
        places=4,
        cases=1,
        went_on=int(view["status"] == "acting"),
        state_changes=moved(before, after),
        approvals=after.approvals - before.approvals,
        unseen=sum(len(unseen(each)) for each in shown),
    )
