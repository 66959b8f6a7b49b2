"""Every attack string in every place where others may say something: nothing moves, and nothing unseen is shown.

Two control planes are told something everywhere: one the attacks, the other as many remarks that want nothing. What the
analyst concludes must be the same in both, flags and access must be what they were, and the case goes on. Then what was
told is read in every way that people and agents read it.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterator
from contextlib import redirect_stderr, redirect_stdout
from io import StringIO
from typing import Any
from xml.etree import ElementTree

import httpx
import pytest
import yaml
from markdown_it import MarkdownIt
from mcp import Client

from tests.attacks.hostile import (
    Tally,
    attacks,
    moved,
    ordinary,
    standing,
    texts,
    unseen,
    unseen_in,
)  # fmt: skip
from tests.attacks.told import PLACE, Told
from tests.cli.world import FakeTerminal, Result
from tests.support.server import Doors
from tests.support.world import FLAG, PASSWORD, PASSWORD_HASH, World, support_control
from twokey.cli.main import run
from twokey.cli.runtime import Runtime
from twokey.domain.case import CaseStatus
from twokey.domain.finding import Finding, Recommendation
from twokey.domain.identity import AGENT_SCOPES, Scope
from twokey.surfaces.mcp_server import ApiAsk, create_server
from twokey.surfaces.mcp_server.told import UNTRUSTED


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Told]:
    """A control plane that was told the attacks."""
    made = Told(tmp_path_factory.mktemp("hostile"), texts())
    yield made
    made.close()


@pytest.fixture(scope="module")
def twin(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Told]:
    """One that was told as many remarks that want nothing."""
    made = Told(tmp_path_factory.mktemp("harmless"), ordinary())
    yield made
    made.close()


@pytest.fixture(scope="module")
def talked(told: Told) -> Told:
    """The first one, after those who may read and draft have said it all again."""
    told.talk()
    return told


def concluded(finding: Finding) -> dict[str, Any]:
    """All that a finding says, but for the ids of what was stored and the words that it repeats as cited."""
    return {
        "summary": finding.summary,
        "reason": finding.reason,
        "recommendation": finding.recommendation,
        "operations": finding.operations,
        "suspects": finding.suspects,
        "confidence": finding.confidence,
        "expected_effect": finding.expected_effect,
        "lower_rungs": finding.lower_rungs,
        "title": finding.title,
        "warnings": finding.warnings,
        "gaps": [each.sentence for each in finding.gaps],
        "figures": [each.says for each in finding.citations if not each.path.startswith(("steps.", "name"))],
    }


# ---------------------------------------------------------------- nothing moves


def test_what_the_analyst_concludes_is_the_same_whatever_others_wrote(told: Told, twin: Told) -> None:
    ours, theirs = told.finding(), twin.finding()
    assert concluded(ours) == concluded(theirs)
    assert ours.recommendation is Recommendation.EXCLUDE
    assert ours.suspects[0].cohort["region"] == ("us",), "the cohort is found among a thousand names of attributes"
    assert len(ours.steps) == len(theirs.steps) > 0, "runbook steps are cited as they stand"


def test_none_of_it_is_in_the_analysts_own_words(told: Told) -> None:
    finding = told.finding()
    said = " ".join([finding.summary, finding.reason, finding.title, finding.expected_effect, *finding.lower_rungs])
    assert [each for each in texts() if len(each) > 12 and each in said] == []


def test_no_text_in_any_place_moves_flags_access_or_keys_and_the_case_goes_on(talked: Told, tally: Tally) -> None:
    after = standing(talked.world)
    with talked.world.store.read() as uow:
        case = uow.cases.get(talked.case)
        assert uow.signals.count(case=talked.case) == len(attacks()), "nothing is lost"
        drafts = uow.proposals.where(case=talked.case, limit=500)
        assert uow.audit.verify().ok
        assert uow.tokens.count() == len(talked.secrets), "no token but those of the test"
        assert [each for each in uow.jobs.waiting() if each.problem] == [], "no job failed"
    assert {str(each.status) for each in drafts} == {"pending"}
    assert drafts[-1].finding == talked.finding().id, "the analyst's own draft stands"
    assert set(talked.refused) == {"tool get_flag", "tool preview_change"}, "only what is no key is refused, by name"
    places = [name for name, number in talked.written.items() if number == len(attacks())]
    tally(
        "text in every place",
        texts=len(attacks()),
        places=len(places),
        cases=1,
        went_on=int(case.status is CaseStatus.ACTING),
        state_changes=moved(talked.before, after),
        approvals=after.approvals - talked.before.approvals,
        failures=len(talked.failures),
    )


def test_alerts_that_choose_their_own_workflow_flag_and_service_open_cases_that_conclude_nothing(
    tmp_path_factory: pytest.TempPathFactory, tally: Tally
) -> None:
    """Our own attacks as the labels that joining and hints go by: where nothing separates, nothing is recommended."""
    own = [each.text for each in attacks() if each.source == "own"]
    world = World(tmp_path_factory.mktemp("labels"), support_control())
    before = standing(world)
    alerts = [
        {"status": "firing", "startsAt": world.clock().isoformat(), "fingerprint": str(number),
         "labels": dict.fromkeys(("workflow", "service", "flag", "metric", "alertname"), each)}
        for number, each in enumerate(own)
    ]  # fmt: skip
    client = Doors(world).token(Scope.SIGNALS_WRITE)
    answer = client.post("/signals/v1/alertmanager", json={"version": "4", "alerts": alerts})
    cases = {one["case"] for one in answer.json()["results"]}
    world.work(rounds=1_000)
    with world.store.read() as uow:
        found = [uow.cases.get(each) for each in cases]
        findings = [one for each in cases for one in uow.findings.where(case=each)]
        assert uow.signals.count() == len(own)
        assert uow.proposals.count() == 0
    after = standing(world)
    assert len(findings) == len(cases)
    assert {each.operations for each in findings} == {()}
    tally(
        "labels that choose their case",
        texts=len(own),
        places=5,
        cases=len(found),
        went_on=sum(each.status is CaseStatus.TRIAGED for each in found),
        state_changes=moved(before, after),
        approvals=after.approvals - before.approvals,
    )
    world.close()


# ---------------------------------------------------------------- nothing unseen is shown


MARKDOWN = MarkdownIt("commonmark").enable("table")
OUR_HEADINGS = {
    "Decision record", "Decision", "Proposal", "What was recommended", "What was not known", "Timeline", "Audit",
}  # fmt: skip


class Through(httpx.BaseTransport):
    """The network between a terminal and the doors."""

    def __init__(self, doors: Doors) -> None:
        self.doors = doors

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        headers = {name: value for name, value in request.headers.items() if name != "host"}
        answer = self.doors.client().request(
            request.method, request.url.raw_path.decode(), content=request.content, headers=headers
        )
        kept = [(name, value) for name, value in answer.headers.multi_items() if name != "content-encoding"]
        return httpx.Response(answer.status_code, headers=kept, content=answer.content)


Runs = Callable[..., Result]


@pytest.fixture(scope="module")
def ines(talked: Told, tmp_path_factory: pytest.TempPathFactory) -> Runs:
    """Somebody who signed in at a terminal."""
    home, transport = tmp_path_factory.mktemp("ines"), Through(talked.doors)

    def runs(*arguments: str) -> Result:
        env = {"HOME": str(home), "TERM": "xterm-256color", "COLUMNS": "100", "TWOKEY_URL": "http://127.0.0.1:8080"}
        terminal = FakeTerminal(["ines", "y"], [PASSWORD])
        runtime = Runtime(env=env, terminal=terminal, now=talked.world.clock, transport=transport)
        out, err = StringIO(), StringIO()
        with redirect_stdout(out), redirect_stderr(err):
            code = run(arguments, runtime)
        assert code == 0, err.getvalue()
        return Result(code, out.getvalue(), err.getvalue())

    runs("login")
    return runs


def proposals(told: Told) -> list[str]:
    with told.world.store.read() as uow:
        return [each.id for each in uow.proposals.where(case=told.case, limit=500)]


def leaked(told: Told, shown: str) -> int:
    """How many credentials somebody could read there."""
    return sum(each in shown for each in [*told.secrets, PASSWORD_HASH, PASSWORD])


def test_nothing_unseen_reaches_a_terminal(talked: Told, ines: Runs, tally: Tally) -> None:
    hidden = [number for number, each in enumerate(texts()) if unseen(each)]
    pages = [
        ("case", "list"), ("case", "show", talked.case), ("case", "show", talked.case, "--json"),
        ("case", "record", talked.case), ("case", "record", talked.case, "--json"), ("proposal", "list"),
        ("audit", "list", "--limit", "500"), ("audit", "why", talked.case), ("audit", "export"), ("flag", "list"),
        *(("proposal", "show", each) for each in proposals(talked)[::4]),
        *(("proposal", "show", each, "--yaml") for each in proposals(talked)[:3]),
        *(("flag", "show", f"other_{number}") for number in sorted({at // 60 for at in hidden})[:6]),
    ]  # fmt: skip
    shown = [ines(*each) for each in pages]
    found = {page: unseen(each.out + each.err) for page, each in zip(pages, shown, strict=True)}
    assert {page: each for page, each in found.items() if each} == {}
    assert "\\x1b" in shown[1].out + shown[6].out, "it is written out, not dropped"
    tally(
        "shown in a terminal",
        texts=len(attacks()),
        places=len(pages),
        unseen=sum(map(len, found.values())),
        credentials=sum(leaked(talked, each.out + each.err) for each in shown),
    )


def test_documents_hold_no_link_image_markup_or_line_of_others(talked: Told, twin: Told, tally: Tally) -> None:
    mara = talked.doors.person("mara")
    record = mara.get(f"/api/v1/cases/{talked.case}/record", params={"format": "markdown"}).text
    parsed = MARKDOWN.parse(record)
    kinds = {one.type for each in parsed for one in (each, *(each.children or ()))}
    assert kinds & {"link_open", "image", "html_block", "html_inline", "fence", "code_block"} == set()
    titles = [parsed[at + 1].content for at, each in enumerate(parsed) if each.type == "heading_open"]
    begin = {each.partition(":")[0].partition("`")[0].strip() for each in titles if not each.endswith("?")}
    assert begin <= OUR_HEADINGS
    documents = [record]
    for each in proposals(talked):
        text = mara.get(f"/api/v1/proposals/{each}/document").text
        blocks = yaml.safe_load(text)
        assert [*blocks] == ["operations_signal", "assistant_recommendation"]
        assert [*blocks["assistant_recommendation"]] == [
            "action", "from", "to", "reason", "rollback_command", "evidence_gap", "approval_required_from",
        ]  # fmt: skip
        assert blocks["assistant_recommendation"]["rollback_command"] == f"restore {FLAG} to baseline for production"
        documents.append(text)
    tally(
        "documents in Markdown and YAML",
        texts=len(attacks()),
        places=len(documents),
        unseen=sum(len(unseen(each)) for each in documents),
        credentials=sum(leaked(talked, each) for each in documents),
    )


def test_a_chart_holds_no_markup_of_others(talked: Told, tally: Tally) -> None:
    mara = talked.doors.person("mara")
    place = "/api/v1/projects/support/environments/production/flags"
    charts = [mara.get(f"{place}/{FLAG}/chart.svg", params={"guardrail": "p95_latency"})]
    assert charts[0].status_code == 200, charts[0].text
    drawn = [each.text for each in charts]
    for each in drawn:
        elements = list(ElementTree.fromstring(each).iter())
        assert {one.tag.rpartition("}")[2] for one in elements} <= {"svg", "title", "rect", "line", "text", "polyline"}
        assert not [name for one in elements for name in one.attrib if "href" in name or name.startswith("on")]
    assert "&lt;" in drawn[0], "markers are named by changes elsewhere"
    tally(
        "charts", texts=len(attacks()), places=len(drawn), unseen=sum(len(unseen(each)) for each in drawn),
        credentials=sum(leaked(talked, each) for each in drawn),
    )  # fmt: skip


def test_results_of_tools_are_marked_as_the_words_of_others_and_hide_nothing(talked: Told, tally: Tally) -> None:
    results = asyncio.run(_read_by_tools(talked))
    assert {each["untrusted_text"] for each, _ in results} == {UNTRUSTED}
    hidden = [found for data, text in results for found in (*unseen_in(data), *unseen(text))]
    said = json.dumps([data for data, _ in results])
    assert "APPROVED" in said, "it is told, as data"
    tally(
        "results of tools", texts=len(attacks()), places=len(results), unseen=len(hidden),
        credentials=leaked(talked, said),
    )  # fmt: skip


async def _read_by_tools(told: Told) -> list[tuple[dict[str, Any], str]]:
    reader = told.agent()
    transport = httpx.ASGITransport(told.doors.app)
    read = []
    async with httpx.AsyncClient(transport=transport, base_url="http://twokey.test") as http:
        ask = ApiAsk(http, reader.headers["Authorization"].split()[1])
        server = create_server(lambda: ask, lambda: {str(each) for each in AGENT_SCOPES})
        calls = [
            ("list_cases", {}), ("list_gaps", {"id": told.case}), ("get_runbook_steps", {"id": told.case}),
            ("search_runbooks", {"words": "support_assistant"}), ("list_changes_elsewhere", PLACE),
            ("read_audit", PLACE | {"case": told.case}), ("read_audit", PLACE),
            ("get_case", {"id": told.case}), ("list_flags", PLACE), ("list_stale_controls", PLACE),
            ("get_flag", PLACE | {"key": FLAG}), ("list_proposals", {"case": told.case}), ("list_changes", {}),
            ("get_insights", PLACE | {"key": FLAG}), ("list_rollouts", {}), ("list_experiments", PLACE),
            *(("get_proposal", {"id": each}) for each in proposals(told)[:5]),
        ]  # fmt: skip
        async with Client(server) as client:
            for name, arguments in calls:
                result = await client.call_tool(name, arguments)
                assert not result.is_error, (name, result.content)
                read.append((dict(result.structured_content or {}), " ".join(each.text for each in result.content)))
    return read
