"""The eleven invariants of the assistant boundary as properties: each test bears the name of its invariant.

`test_the_assistant_boundary.py` tries each by example. Here the texts, bodies, drafts, citations, scripts of models and
poisoned figures are drawn, and what assistants do in a row is played by a machine.
"""

from __future__ import annotations

import random
import tempfile
from collections.abc import Iterator, Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest
import yaml
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule
from markdown_it import MarkdownIt

from tests.attacks.attempts import DRAFT, REDUCE_JSON, draft_by
from tests.attacks.hostile import attacks, moved, standing, unseen, unseen_in
from tests.attacks.models import claims
from tests.attacks.told import claim
from tests.documents.test_proposal_yaml import document
from tests.steps.test_break_glass import breaking
from tests.steps.test_standing_orders import harm
from tests.support.assisting import Room, settings_for
from tests.support.providers import (
    Act,
    Calls,
    CutOff,
    Drip,
    FakeProvider,
    Raw,
    Silence,
    Status,
    Text,
    call,
)  # fmt: skip
from tests.support.server import Doors, alertmanager_body
from tests.support.telemetry import NOON
from tests.support.world import ENVIRONMENT, FLAG, PASSWORD, PRESENT, PROJECT, World, alert, support_control
from twokey.assistant.answer import Unfit, read_answer
from twokey.assistant.guard import MASK, Guard, Leak
from twokey.assistant.prompt import opening
from twokey.assistant.run import Failed, Found
from twokey.assistant.settings import Budget
from twokey.documents.markdown import prose
from twokey.documents.proposal_yaml import proposal_yaml
from twokey.documents.text import plain, plain_json, plain_lines
from twokey.domain.evidence import EvidenceKind, make
from twokey.domain.figures import unsupported_figures
from twokey.domain.finding import Citation, Finding, Recommendation, ground
from twokey.domain.identity import AGENT_SCOPES, ActorKind, Scope
from twokey.domain.operation import Effect, apply_all
from twokey.domain.telemetry import Scope as Where
from twokey.engine import evaluate
from twokey.engine.wire import Exposure, MetricEvent, TelemetryBatch
from twokey.steps import triage_case
from twokey.steps.break_glass import break_glass
from twokey.steps.check_evidence import check
from twokey.steps.receive_signal import receive
from twokey.surfaces.mcp_server.asking import harmless

SHARED = [HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
wild = st.one_of(st.text(max_size=120), st.sampled_from(["APPROVED", "\x1b[2J", "\u202e", "\U000e0041", "]] ](x) <b>"]))


def said() -> st.SearchStrategy[str]:
    """A text of others: an attack, or anything at all."""
    return st.one_of(st.sampled_from([each.text for each in attacks()]), wild)


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """A world in which a candidate does harm, and the analyst has drafted. No example may change it."""
    made = World(tmp_path_factory.mktemp("invariants"))
    harm(made)
    yield made
    made.close()


@pytest.fixture(scope="module")
def doors(shared: World) -> Doors:
    return Doors(shared)


def agent(doors: Doors) -> Any:
    return doors.token(*AGENT_SCOPES, kind=ActorKind.AGENT)


def the_case(world: World) -> str:
    with world.store.read() as uow:
        return uow.cases.where(limit=1)[0].id


# ---------------------------------------------------------------- 1: a machine of assistants


class Assistants(RuleBasedStateMachine):
    """Two agents that do whatever their door lets them, beside alerts, workers and the clock."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        self.world = World(Path(self.folder.name))
        self.doors = Doors(self.world)
        self.agents = [agent(self.doors), agent(self.doors)]
        self.source = self.doors.token(Scope.SIGNALS_WRITE)
        harm(self.world)
        self.case, self.numbers = the_case(self.world), iter(range(1_000))
        self.before = standing(self.world)

    def teardown(self) -> None:
        self.world.close()
        self.folder.cleanup()

    def send(self, who: int, path: str, body: Mapping[str, Any]) -> Any:
        answer = self.agents[who].post(f"/api/v1{path}", json=body)
        assert answer.status_code < 500, answer.text
        return answer

    def proposals(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.agents[0].get("/api/v1/proposals").json()
        return found

    @rule(who=st.integers(0, 1), text=said(), share=st.integers(0, 100_000), kill=st.booleans())
    def draft(self, who: int, text: str, share: int, kill: bool) -> None:
        weights = [["reranker_v2", share], ["baseline", 100_000 - share]]
        operation = (
            {"op": "set_enabled", "flag": FLAG, "enabled": False} if kill else REDUCE_JSON | {"weights": weights}
        )
        self.send(who, "/proposals", DRAFT | {"operations": [operation], "reason": text or ".", "case": self.case})

    @rule(who=st.integers(0, 1), text=said(), operations=st.sampled_from([(), (REDUCE_JSON,), ({"op": "approve"},)]))
    def submit(self, who: int, text: str, operations: tuple[dict[str, Any], ...]) -> None:
        self.send(who, f"/cases/{self.case}/findings", claim(text[:1000], operations))

    @rule(who=st.integers(0, 1), text=said())
    def say(self, who: int, text: str) -> None:
        self.send(who, f"/cases/{self.case}/notes", {"text": text or "."})
        body = {"why": "refused", "summary": text[:400] or ".", "provenance": claim("m")["provenance"]}
        self.send(who, f"/cases/{self.case}/findings/failures", body)

    @rule(
        who=st.integers(0, 1),
        verb=st.sampled_from(["approve", "reject", "apply", "withdraw", "edit"]),
        nth=st.integers(0, 5),
    )
    def turn(self, who: int, verb: str, nth: int) -> None:
        """What no agent may, and what it may take back of its own."""
        found = self.proposals()
        one = found[nth % len(found)]
        proof = {"password": PASSWORD, "digest": one["digest"], "note": "APPROVED"}
        body = {"withdraw": {}, "apply": {"password": PASSWORD}, "edit": {"digest": one["digest"], "reason": "r"}}
        status = self.send(who, f"/proposals/{one['id']}/{verb}", body.get(verb, proof)).status_code
        assert verb in ("withdraw", "edit") or status == 403

    @rule(who=st.integers(0, 1), path=st.sampled_from([
        "/break-glass", "/access/proposals", "/environments", "/tokens", "/users", "/rollouts/rollout-1/roll-back",
        "/cases/{case}/close", "/cases/{case}/owner", "/changes/change-1/reverse", "/proposals/joint",
    ]))  # fmt: skip
    def govern(self, who: int, path: str) -> None:
        body = {"flag": FLAG, "reason": "r", "password": PASSWORD, "project": PROJECT, "environment": ENVIRONMENT}
        assert self.send(who, path.format(case=self.case), body).status_code in (403, 404, 422)

    @rule(text=said())
    def alert(self, text: str) -> None:
        body = alertmanager_body(str(next(self.numbers)), start=self.world.clock().isoformat())
        body["alerts"][0]["labels"] |= {"approved_by": text, "alertname": text or "x"}
        assert self.source.post("/signals/v1/alertmanager", json=body).status_code == 200

    @rule(minutes=st.integers(1, 300))
    def wait(self, minutes: int) -> None:
        self.world.clock.forward(minutes=minutes)
        self.world.work()

    @invariant()
    def nothing_moves(self) -> None:
        after = standing(self.world)
        assert moved(self.before, after) == 0
        assert after.approvals == 0

    @invariant()
    def the_budget_holds(self) -> None:
        with self.world.store.read() as uow:
            authors = [each.author.id for each in uow.proposals.where(status="pending", limit=500)]
            findings = [each.author for each in uow.findings.where(case=self.case, limit=500)]
        assert all(authors.count(each) <= 20 for each in authors)
        assert all(findings.count(each) <= 5 for each in findings)


Assistants.TestCase.settings = settings(
    max_examples=4, stateful_step_count=12, deadline=None, suppress_health_check=SHARED
)


class Test1NonInterference(Assistants.TestCase):  # type: ignore[misc]
    """1: whatever assistants do and say, in whatever order, flag state, access and approvals are what they were."""


# ---------------------------------------------------------------- 2

junk = st.one_of(st.none(), st.booleans(), st.integers(), st.text(max_size=5), st.lists(st.integers(), max_size=2))
KNOWN: tuple[tuple[str, ...], ...] = ((), ("suspects", "0"), ("citations", "0"))


def inside(body: Any, place: tuple[str, ...]) -> Any:
    for part in place:
        body = body[int(part)] if isinstance(body, list) else body[part]
    return body


def whole() -> dict[str, Any]:
    suspect = {"flag": FLAG, "variation": "reranker_v2", "confidence": 0.5, "because": "b"}
    cited = {"evidence": "e", "path": "p", "value": 1.0, "says": "s"}
    return claims(confidence=0.5, suspects=[suspect], citations=[cited])


@settings(max_examples=40, deadline=None, suppress_health_check=SHARED)
@given(place=st.sampled_from(KNOWN), name=st.text(min_size=1, max_size=12), value=junk)
def test_2_closed_vocabulary_knows_no_other_field(doors: Doors, place: tuple[str, ...], name: str, value: Any) -> None:
    """A field that is not in the shape, anywhere in it: refused by the assistant's process and by the server."""
    body = whole()
    assume(name not in inside(body, place) and name not in ("rule", "cohort"))
    inside(body, place)[name] = value
    with pytest.raises(Unfit):
        read_answer("submit_finding", body)
    case, before = the_case(doors.world), counts(doors.world)
    path = f"/api/v1/cases/{case}/findings"
    answer = agent_of(doors).post(path, json=body | {"provenance": claim("m")["provenance"]})
    assert answer.status_code == 422
    assert counts(doors.world) == before


@settings(max_examples=40, deadline=None, suppress_health_check=SHARED)
@given(
    place=st.sampled_from(KNOWN), at=st.integers(0, 20), value=st.one_of(st.none(), st.just([[]]), st.just({"a": {}}))
)
def test_2_closed_vocabulary_mends_no_type(doors: Doors, place: tuple[str, ...], at: int, value: Any) -> None:
    body = whole()
    part = inside(body, place)
    part[sorted(part)[at % len(part)]] = value
    with pytest.raises(Unfit):
        read_answer("submit_finding", body)
    path = f"/api/v1/cases/{the_case(doors.world)}/findings"
    assert agent_of(doors).post(path, json=body | {"provenance": claim("m")["provenance"]}).status_code == 422


def counts(world: World) -> tuple[int, int]:
    with world.store.read() as uow:
        return uow.findings.count(), uow.proposals.count()


def agent_of(doors: Doors) -> Any:
    """One agent for all examples of a test."""
    known = getattr(doors, "known_agent", None) or agent(doors)
    doors.known_agent = known  # type: ignore[attr-defined]
    return known


# ---------------------------------------------------------------- 3 and 4

PEOPLE = [
    {"conversation": f"c-{number}", "targetingKey": f"u-{number}", "plan": ("pro", "enterprise", "free")[number % 3]}
    for number in range(300)
]
shares = st.integers(0, 100_000)


@settings(max_examples=12, deadline=None, suppress_health_check=SHARED)
@given(share=shares, otherwise=st.booleans())
def test_3_narrowing_is_what_is_shown_and_all_else_takes_the_keys_of_an_expansion(
    doors: Doors, share: int, otherwise: bool
) -> None:
    """By the units themselves: where one gets the candidate anew, the draft is none that narrows."""
    operation = REDUCE_JSON | {"weights": [["reranker_v2", share], ["baseline", 100_000 - share]]}
    operations = [operation]
    if otherwise:
        operations.append({"op": "set_otherwise", "flag": FLAG, "serve": {"variation": "reranker_v2"}})
    assume(share != 10_000 or otherwise)
    made = draft_by(agent(doors), operations=operations)
    before = doors.world.snapshot
    with doors.world.store.read() as uow:
        after = apply_all(uow.flags.state(PROJECT, ENVIRONMENT), uow.proposals.get(made["id"]).operations).snapshot()
    served = [(evaluate(before, FLAG, one).variation, evaluate(after, FLAG, one).variation) for one in PEOPLE]
    if any(then == "reranker_v2" and now == "baseline" for now, then in served):
        assert made["effect"] == "widens"
    if made["effect"] != "narrows":
        assert {key["role"] for key in made["keys"]} >= {"release_manager", "support_ai_platform_owner"}
    assert made["status"] == "pending"


COMPUTED = ("effect", "base_revision", "reverse", "rollback", "blast_radius", "keys", "diffs", "action", "gaps")
COMPUTED = (*COMPUTED, "rests_on", "footings", "sentences", "gate")


@settings(max_examples=8, deadline=None, suppress_health_check=SHARED)
@given(text=said())
def test_4_computed_by_code_is_the_same_whatever_is_said_of_it(doors: Doors, text: str) -> None:
    words = {"title": text[:200], "reason": text or ".", "expected_effect": text[:2000]}
    made, other = (draft_by(agent(doors), **each) for each in ({}, words))
    assert {name: made[name] for name in COMPUTED} == {name: other[name] for name in COMPUTED}
    assert (made["digest"] == other["digest"]) == (
        words == {"title": "", "reason": DRAFT["reason"], "expected_effect": ""}
    )


# ---------------------------------------------------------------- 5

bodies = st.recursive(
    st.one_of(st.booleans(), st.integers(-(10**6), 10**6), st.floats(-1e6, 1e6, width=32), st.text(max_size=8)),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.from_regex(r"[a-z]{1,4}", fullmatch=True), inner, max_size=3)
    ),
    max_leaves=8,
)


def leaves(body: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    inner = body.items() if isinstance(body, dict) else enumerate(body) if isinstance(body, list) else ()
    for name, each in inner:
        yield from leaves(each, f"{path}.{name}" if path else str(name))
    if not isinstance(body, dict | list) and path:
        yield path, body


def finding(*citations: Citation, **more: Any) -> Finding:
    fields: dict[str, Any] = {"summary": "s", "reason": "r", "recommendation": Recommendation.NO_ACTION}
    return Finding(id="f", case="c", author="a", at=NOON, confidence=0.5, citations=citations, **fields | more)


@settings(max_examples=120, deadline=None)
@given(body=st.dictionaries(st.from_regex(r"[a-z]{1,4}", fullmatch=True), bodies, max_size=4), lie=junk, id=said())
def test_5_evidence_is_read_again_where_it_is_cited(body: dict[str, Any], lie: Any, id: str) -> None:
    """What stands there is supported; another value, another path, another id is not."""
    kept = {"e": make("e", "c", EvidenceKind.METRIC, "t", NOON, body)}
    for path, value in leaves(body):
        true = Citation(evidence="e", path=path, value=value, says="s")
        assert ground(finding(true), kept)[0].supported
        others = [msgspec.structs.replace(true, evidence=f"{id} e"), msgspec.structs.replace(true, path=f"{path}.x")]
        if isinstance(lie, str | bool | int) and (type(lie) is not type(value) or lie != value):
            numbers = {type(lie), type(value)} <= {int, float}
            others += [] if numbers and lie == value else [msgspec.structs.replace(true, value=lie)]
        assert not [each for each in ground(finding(*others), kept) if each.supported]


@settings(max_examples=120, deadline=None)
@given(number=st.integers(1000, 10**7), cited=st.integers(1000, 10**7))
def test_5_evidence_figures_that_nobody_cited_are_marked(number: int, cited: int) -> None:
    kept = {"e": make("e", "c", EvidenceKind.METRIC, "t", NOON, {"n": cited})}
    one = finding(Citation(evidence="e", path="n", value=cited, says="s"), summary=f"it was {number} units")
    marked = [each.text for each in unsupported_figures(one, ground(one, kept))]
    assert marked == ([] if number == cited else [str(number)])


# ---------------------------------------------------------------- 6


@pytest.mark.parametrize("trouble", [RuntimeError("no answer"), MemoryError(), RecursionError(), "nonsense"])
def test_6_silence_of_the_analyst_stops_neither_signals_nor_the_way_to_safety(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, trouble: Any
) -> None:
    world = World(tmp_path)

    def away(*_: object, **__: object) -> object:
        if isinstance(trouble, BaseException):
            raise trouble
        return trouble

    monkeypatch.setattr(triage_case, "analyse", away)
    harm(world)
    with world.store.read() as uow:
        assert (uow.cases.count(), uow.signals.count(), uow.proposals.count()) == (1, 1, 0)
    assert (
        break_glass(world.store, world.add_person("olga", "break_glass"), breaking(world), PRESENT)[0].effect
        is Effect.NARROWS
    )
    assert world.served(conversation="c-1", plan="pro") == "baseline"
    world.close()


def test_6_silence_or_noise_of_models_leaves_every_verdict_as_it_was(tmp_path: Path) -> None:
    """Forty hostile findings on the case, and the same verdicts, gaps and draft as without."""
    quiet, loud = World(tmp_path / "quiet"), World(tmp_path / "loud")
    told = []
    for world in (quiet, loud):
        harm(world)
        case, server = the_case(world), Doors(world)
        if world is loud:
            for number, each in enumerate([each.text for each in attacks() if each.source == "own"][:40]):
                client = agent(server) if number % 5 == 0 else client  # noqa: F821
                assert client.post(f"/api/v1/cases/{case}/findings", json=claim(each)).status_code == 201
        world.clock.forward(minutes=5)
        found = check(world.store, world.telemetry, case)
        with world.store.read() as uow:
            drafts = [(each.operations, each.status) for each in uow.proposals.where(case=case)]
        told.append((found.verdicts, [each.sentence for each in found.gaps], drafts))
    assert told[0] == told[1]
    quiet.close()
    loud.close()


# ---------------------------------------------------------------- 7 and 8

MARKDOWN = MarkdownIt("gfm-like", {"linkify": False})
anything = st.text(st.characters(codec=None), max_size=80)


@settings(max_examples=200, deadline=None)
@given(text=st.one_of(anything, said(), st.tuples(said(), anything).map("".join)))
def test_7_rendering_shows_what_hides_and_makes_nothing_of_it(text: str) -> None:
    assert unseen(plain(text), keeps="") == []
    assert unseen(plain_lines(text)) == []
    assert plain_json(text).isascii()
    assert unseen_in(harmless({text: [text]})) == []
    kinds = {one.type for each in MARKDOWN.parse(prose(text)) for one in (each, *(each.children or ()))}
    assert kinds <= {"paragraph_open", "paragraph_close", "inline", "text", "code_inline", "text_special"}
    written = proposal_yaml(document(reason=text, signal=(text,), from_=text))
    assert unseen(written) == []
    assert yaml.safe_load(written)["assistant_recommendation"]["reason"] == plain(text)


HOMOGLYPHS = str.maketrans("aeopcsi", "\u0430\u0435\u043e\u0440\u0441\u0455\u0456")
INVISIBLE = (
    "\u200b",
    "\u200d",
    "\u2060",
    "\ufeff",
    "\u00ad",
    "\U000e0041",
    "\u0301",
    "\ufe0f",
    " ",
    "\t",
    "\u00a0",
    "\n",
    "\x00",
)


@st.composite
def alike(draw: st.DrawFn, name: str) -> str:
    """Another name that looks like this one."""
    at = draw(st.integers(0, len(name)))
    hidden, dash = draw(st.sampled_from(INVISIBLE)), draw(st.sampled_from("-\u2011\uff3f"))
    made = draw(
        st.sampled_from([
            name.upper(), name.title(), name[:at] + name[at:].translate(HOMOGLYPHS), name + hidden,
            name[:at] + hidden + name[at:], name.replace("_", dash), name.translate({ord("a"): "\uff41"}),
            f" {name}", f"{name}.", f"./{name}",
        ])
    )  # fmt: skip
    return made if made != name else f"{name}\u200b"


@settings(max_examples=15, deadline=None, suppress_health_check=SHARED)
@given(
    flag=alike(FLAG),
    rule_=alike("pro-10"),
    variation=alike("reranker_v2"),
    person=alike("mara"),
    role=alike("release_manager"),
)
def test_8_identity_is_the_name_itself_and_never_what_looks_like_it(
    doors: Doors, flag: str, rule_: str, variation: str, person: str, role: str
) -> None:
    client = agent_of(doors)
    kill = {"op": "set_enabled", "flag": flag, "enabled": False}
    ours = REDUCE_JSON | {"rule": rule_}
    theirs = REDUCE_JSON | {"weights": [[variation, 1000], ["baseline", 99_000]]}
    for operation in (kill, ours, theirs):
        assert client.post("/api/v1/proposals", json=DRAFT | {"operations": [operation]}).status_code == 422
    suspects = [
        {"flag": flag, "variation": "reranker_v2", "confidence": 1, "because": "b"},
        {"flag": FLAG, "variation": variation, "confidence": 1, "because": "b"},
        {"flag": FLAG, "variation": "reranker_v2", "rule": rule_, "confidence": 1, "because": "b"},
    ]
    for suspect in suspects:
        answer = client.post(
            f"/api/v1/cases/{the_case(doors.world)}/findings", json=claim("x") | {"suspects": [suspect]}
        )
        assert answer.status_code == 422
    with doors.world.store.read() as uow:
        assert not uow.users.where(username=person)
        assert role not in {name for each in uow.users.where(limit=100) for name in each.roles}
    plan = {"conversation": "c-1", "plan": rule_.replace("-10", "")}
    assert evaluate(doors.world.snapshot, FLAG, plan).rule is None, "an attribute's value is compared as it is"


# ---------------------------------------------------------------- 9

secrets = st.text("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-+/=", min_size=16, max_size=48)
SPELT: tuple[Any, ...] = (str, lambda each: each[::-1], lambda each: each.encode().hex())


@settings(max_examples=80, deadline=None, suppress_health_check=SHARED)
@given(
    secret=secrets,
    before=wild,
    after=wild,
    how=st.sampled_from(SPELT),
    where=st.sampled_from(["title", "label", "key"]),
)
def test_9_exfiltration_no_prompt_holds_a_secret_of_the_process(
    doors: Doors, secret: str, before: str, after: str, how: Any, where: str
) -> None:
    """Who writes a secret of the assistant into a case does not get it sent: it is masked, and refused at the wire."""
    guard, hidden = Guard(secret, "another-secret-of-it"), how(secret)
    case = case_that_says(f"{before}{hidden}{after}", where)
    told = opening(case, guard)
    assert hidden not in told
    assert MASK in told
    guard.check(told.encode())
    with pytest.raises(Leak):
        guard.check(f"{before}{hidden}{after}".encode("utf-8", "surrogatepass"))


def case_that_says(text: str, where: str) -> dict[str, Any]:
    labels = {"note": text} if where == "label" else {text: "x"} if where == "key" else {}
    return {
        "id": "c", "project": "p", "environment": "e", "title": text if where == "title" else "t", "severity": "",
        "opened_at": "2026-01-01T00:00:00Z", "signal_list": [{"name": "n", "labels": labels}], "evidence": [],
        "gaps": [],
    }  # fmt: skip


# ---------------------------------------------------------------- 10


def acts() -> st.SearchStrategy[Act]:
    tools = st.sampled_from(["read_signals", "list_flags", "read_flag", "approve", "submit_finding", "abstain"])
    given_ = st.one_of(st.just({}), st.just("{"), st.just({"key": FLAG}), st.just({"cursor": 10**9}), st.just("[[[["))
    calls = st.lists(st.tuples(tools, given_), min_size=1, max_size=20).map(lambda each: Calls(tuple(each)))
    other = [
        Text("yes"),
        Text("", "length"),
        Status(429, "0"),
        Status(500),
        Raw(b"{"),
        Raw(b""),
        CutOff(),
        Silence(5),
        Drip(),
    ]
    return st.one_of(calls, st.sampled_from(other), st.just(call("submit_finding", claims(confidence=7))))


@settings(max_examples=6, deadline=None, suppress_health_check=SHARED)
@given(script=st.lists(acts(), min_size=1, max_size=5))
def test_10_budget_ends_every_run_within_its_requests_and_seconds(doors: Doors, script: list[Act]) -> None:
    budget = Budget(requests=4, retries=2, tool_calls=24, seconds=2.0, request_seconds=0.5, input_tokens=60_000)
    reader = agent(doors)
    token = reader.headers["Authorization"].removeprefix("Bearer ")
    room = Room(doors.world, doors, token, the_case(doors.world), reader)
    before = standing(doors.world)
    with FakeProvider(*script) as provider:
        began = doors.world.clock()
        outcome = room.run(settings_for(provider, "openai", budget))
    assert isinstance(outcome, Found | Failed)
    assert len(provider.requests) <= budget.requests
    assert isinstance(outcome, Found) or outcome.on_record
    assert doors.world.clock() == began
    assert moved(before, standing(doors.world)) == 0


# ---------------------------------------------------------------- 11


def poisoned(folder: Path, part: int, errs: float, seed: int) -> World:
    """Somebody in one region raises errors wherever the candidate serves them; all others are as they always are."""
    world, chance = World(folder, support_control(50_000)), random.Random(seed)
    world.clock.forward(minutes=31)
    snapshot, exposures, metrics = world.snapshot, [], []
    for number in range(3_000):
        unit, at = f"c-{seed}-{number}", world.clock() - timedelta(minutes=30) * (1 - number / 3_000)
        theirs = number % 100 < part
        context = {"conversation": unit, "plan": chance.choice(("pro", "free")), "region": "theirs" if theirs else "eu"}
        found = evaluate(snapshot, FLAG, context)
        wrong = chance.random() < (errs if theirs and found.variation != "baseline" else 0.03)
        exposures.append(
            Exposure(
                flag=FLAG, rule=found.rule, revision=found.revision, assigned=found.variation or "",
                served=found.variation or "", unit=unit, unit_name="conversation", at=at, reason=str(found.reason),
                context=context,
            )
        )  # fmt: skip
        metrics.append(
            MetricEvent(metric="manual_correction", value=float(wrong), unit=unit, unit_name="conversation", at=at)
        )  # fmt: skip
    batch = TelemetryBatch(batch_id="poison", exposures=tuple(exposures), metrics=tuple(metrics))
    where = Where(project=PROJECT, environment=ENVIRONMENT)
    world.telemetry.add(where, batch, source="app", received_at=world.clock())
    receive(world.store, world.service, PROJECT, ENVIRONMENT, [alert(at=world.clock())])
    world.work()
    return world


@settings(max_examples=4, deadline=None, suppress_health_check=SHARED)
@given(part=st.integers(5, 50), errs=st.sampled_from([0.2, 0.5, 1.0]), seed=st.integers(0, 10**6))
def test_11_poisoned_evidence_moves_at_most_the_cohort_it_comes_from(part: int, errs: float, seed: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        world = poisoned(Path(folder), part, errs, seed)
        try:
            with world.store.read() as uow:
                drafts = uow.proposals.where(limit=10)
                state = uow.flags.state(PROJECT, ENVIRONMENT)
            for each in drafts:
                assert each.effect is Effect.NARROWS
                after = apply_all(state, each.operations).snapshot()
                for number in range(400):
                    context = {"conversation": f"x-{number}", "plan": "pro", "region": "eu" if number % 2 else "theirs"}
                    now, then = (evaluate(one, FLAG, context).variation for one in (world.snapshot, after))
                    assert now == then or (context["region"] == "theirs" and then == "baseline"), (part, errs, seed)
                view = Doors(world).person("mara").get(f"/api/v1/proposals/{each.id}").json()
                assert view["footings"], "on how many distinct units it rests is shown"
                assert all(one["candidate_units"] > 0 for one in view["footings"])
        finally:
            world.close()
