"""Whole runs: the real library over real HTTP, by each protocol, with providers that do what providers do."""

from __future__ import annotations

import asyncio
import json
import stat
import time
from pathlib import Path
from typing import Any

import pytest

from tests.support.assisting import Room, settings_for
from tests.support.providers import (
    KEY,
    MODEL,
    PROTOCOLS,
    Act,
    Calls,
    CutOff,
    Drip,
    FakeProvider,
    Protocol,
    Raw,
    Redirect,
    Request,
    Scripted,
    Silence,
    Status,
    Text,
    call,
    concludes,
    huge,
    packed,
    reads,
)
from twokey.assistant.run import Failed, Found
from twokey.assistant.settings import Budget
from twokey.assistant.tools import Desk
from twokey.engine.canonical import digest, digest_of_bytes

ABSTAINS = {"summary": "nothing separates", "reason": "the baseline is as bad"}


def hasty(**more: Any) -> Budget:
    """A budget that ends soon, however busy the machine is that the provider runs on as well."""
    known = {"seconds": 30.0, "request_seconds": 10.0, "retries": 1, "pause": 0.02}
    return Budget(**{**known, **more})


def patience(trouble: str) -> float:
    """Seconds for a request: few where its answer never ends."""
    return 1.0 if trouble in ("silent", "dripping") else 10.0


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_a_model_that_works_has_its_finding_beside_the_analysts(desk: Room, protocol: Protocol) -> None:
    mine, state = desk.seen()["finding"], desk.state
    with FakeProvider(reads, concludes) as provider:
        outcome = desk.run(settings_for(provider, protocol))
    assert isinstance(outcome, Found), outcome
    assert len(provider.requests) == 2
    (opinion,) = desk.opinions()
    assert opinion["finding"]["id"] == outcome.told["id"]
    assert [each["supported"] for each in opinion["finding"]["citations"]] == [True]
    assert opinion["unsupported"] == []
    assert opinion["provenance"]["provider"] == f"{protocol} at 127.0.0.1"
    assert opinion["provenance"]["model"] == MODEL
    assert (opinion["provenance"]["requests"], opinion["provenance"]["input_tokens"]) == (2, 2000)
    assert opinion["provenance"]["output_tokens"] == 200
    assert (desk.seen()["finding"], desk.state) == (mine, state)
    assert outcome.told["proposal"] or "would do the same" in outcome.told["why_not_drafted"]


def test_prompt_model_answer_and_evidence_are_in_the_log_by_their_digests(desk: Room) -> None:
    with FakeProvider(reads, concludes) as provider:
        desk.run(settings_for(provider, "openai"))
    (entry,) = desk.entries("finding.submit")
    told = entry.detail["assistant"]
    assert told["model"] == MODEL
    assert told["prompt"].startswith("sha256:")
    answer = provider.requests[-1]
    assert told["answer"] != told["prompt"]
    cited = {each["id"]: each["sha256"] for each in desk.seen()["evidence"]}
    assert entry.detail["evidence"]
    assert entry.detail["evidence"].items() <= cited.items()
    assert answer.path == "/v1/chat/completions"


def test_who_keeps_the_conversation_can_show_what_the_digests_are_of(desk: Room, tmp_path: Path) -> None:
    folder = tmp_path / "kept"
    with FakeProvider(reads, concludes) as provider:
        desk.run(settings_for(provider, "openai", keep=folder))
    (file,) = folder.iterdir()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    kept = json.loads(file.read_text())
    (entry,) = desk.entries("finding.submit")
    told = entry.detail["assistant"]
    assert (digest(kept["prompt"]), digest_of_bytes(kept["answer"].encode())) == (told["prompt"], told["answer"])
    sent = provider.requests[-1]
    assert kept["prompt"]["turns"][0]["we"] in sent.texts
    assert [text for _, text in kept["prompt"]["turns"][2]["results"]] == [
        text for text in sent.texts if text.startswith('{"tool"')
    ]


def test_a_conversation_with_a_secret_in_it_is_not_kept(desk: Room, tmp_path: Path) -> None:
    with FakeProvider(call("read_flag", {"key": KEY})) as provider:
        outcome = desk.run(settings_for(provider, "openai", hasty(), keep=tmp_path / "kept"))
    assert isinstance(outcome, Failed)
    assert outcome.why == "refused"
    assert len(provider.requests) == 1, "what was said may not be sent again either"
    assert not (tmp_path / "kept").exists()
    assert not [each for each in desk.entries("agent.read") if KEY in str(each)], "the server was not asked for it"


def test_the_prompts_digest_moves_with_what_was_read(desk: Room) -> None:
    digests = []
    for first in (reads, call("read_gaps")):
        with FakeProvider(first, call("abstain", ABSTAINS)) as provider:
            desk.run(settings_for(provider, "openai"))
        digests.append(desk.entries("finding.submit")[-1].detail["assistant"]["prompt"])
    assert len(set(digests)) == 2


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_a_model_may_abstain(desk: Room, protocol: Protocol) -> None:
    with FakeProvider(call("abstain", ABSTAINS)) as provider:
        outcome = desk.run(settings_for(provider, protocol))
    assert isinstance(outcome, Found), outcome
    (opinion,) = desk.opinions()
    assert (opinion["finding"]["recommendation"], opinion["finding"]["suspects"]) == ("no_action", [])
    assert {"about": "control", "analyst": "support_answer_profile", "other": "none"} in opinion["differences"]
    assert outcome.told["why_not_drafted"] == "it would change nothing"


def test_what_the_analyst_concluded_is_not_shown(desk: Room) -> None:
    finding = desk.seen()["finding"]

    def looks(request: Request) -> Act:
        names = ("read_timeline", "list_proposals", "read_signals", "list_evidence", "read_gaps", "list_changes")
        return Calls(tuple((name, {}) for name in names))

    with FakeProvider(looks, reads, call("abstain", ABSTAINS)) as provider:
        desk.run(settings_for(provider, "openai"))
    sent = provider.everything
    assert finding["summary"][:60] not in sent
    assert finding["reason"][:60] not in sent
    for proposal in desk.seen()["proposals"]:
        assert proposal["id"] not in sent
    assert "proposal draft" not in sent
    assert desk.seen()["evidence"][0]["id"] in sent


def test_a_model_that_lies_about_figures_is_marked(desk: Room) -> None:
    def lies(request: Request) -> Act:
        answer = concludes(request)
        assert isinstance(answer, Calls)
        (cited,) = answer.calls[0][1]["citations"]
        wrong = {**cited, "value": cited["value"] + 40.0, "says": "much worse than it is"}
        elsewhere = {**cited, "evidence": "evidence-of-nobody", "says": "made up"}
        return concludes(request, citations=[cited, wrong, elsewhere], summary="it is 93 % slower")

    with FakeProvider(reads, lies) as provider:
        outcome = desk.run(settings_for(provider, "anthropic"))
    assert isinstance(outcome, Found), outcome
    (opinion,) = desk.opinions()
    assert [each["supported"] for each in opinion["finding"]["citations"]] == [True, False, False]
    assert {"field": "summary", "text": "93 %"} in opinion["unsupported"] == outcome.told["unsupported"]


def test_a_fault_of_our_own_is_told_as_well(desk: Room, monkeypatch: pytest.MonkeyPatch) -> None:
    async def broken(*_: object) -> str:
        raise KeyError("a field that the server no longer sends")

    monkeypatch.setattr(Desk, "call", broken)
    with FakeProvider(call("read_gaps")) as provider:
        outcome = desk.run(settings_for(provider, "openai"))
    assert isinstance(outcome, Failed)
    assert (outcome.summary, outcome.on_record) == ("something unexpected went wrong (KeyError)", True)


# ------------------------------------------------------------- trouble that passes


PASSING: dict[str, Act] = {
    "busy": Status(429, "1", code="rate_limit_exceeded"),
    "broken": Status(500),
    "overloaded": Status(529, code="overloaded_error"),
    "silent": Silence(),
    "dripping": Drip(),
    "cut off": CutOff(),
    "no json": Raw(b'{"id": "x", "choices": ['),
    "a page": Raw(b"<html>bad gateway</html>", type="text/html"),
    "truncated": Text("I think that", finish="length"),
    "empty": Text(""),
}


@pytest.mark.parametrize("trouble", sorted(PASSING))
@pytest.mark.parametrize("protocol", ["openai", "anthropic"])
def test_trouble_that_passes_costs_one_try(desk: Room, protocol: Protocol, trouble: str) -> None:
    with FakeProvider(PASSING[trouble], call("abstain", ABSTAINS)) as provider:
        outcome = desk.run(settings_for(provider, protocol, hasty(request_seconds=patience(trouble))))
    assert isinstance(outcome, Found), outcome
    assert len(provider.requests) == 2
    (entry,) = desk.entries("finding.submit")
    assert entry.detail["assistant"]["requests"] == 2


def test_a_provider_that_bids_wait_is_waited_for(desk: Room) -> None:
    with FakeProvider(Status(429, "1"), call("abstain", ABSTAINS)) as provider:
        began = time.monotonic()
        assert isinstance(desk.run(settings_for(provider, "openai", hasty())), Found)
    assert time.monotonic() - began >= 1.0


# ------------------------------------------------------------- trouble that does not


LASTING: dict[str, tuple[Scripted, str, str, int]] = {
    # What is done each time, why the run failed, words of the reason, requests made.
    "busy for ever": (Status(429, "0"), "provider", "429", 2),
    "busy for an hour": (Status(429, "3600"), "provider", "3600 s is more than", 1),
    "broken for ever": (Status(500), "provider", "500", 2),
    "wrong key": (Status(401, message=f"wrong key {KEY}", code="invalid_api_key"), "provider", "401", 1),
    "no such model": (Status(404, code="model_not_found"), "provider", "404 (model_not_found)", 1),
    "silent": (Silence(), "timed_out", "no answer within", 2),
    "dripping": (Drip(), "timed_out", "no answer within", 2),
    "cut off": (CutOff(), "provider", "broke off", 2),
    "no json": (Raw(b"{"), "malformed", "cannot be read", 2),
    "huge": (huge(), "malformed", "larger than is read", 2),
    "packed": (packed(), "provider", "packs its answers", 1),
    "truncated": (Text("I think", finish="length"), "malformed", "cut off", 2),
    "empty": (Text(""), "malformed", "empty", 2),
    "filtered": (Text("", finish="filter"), "refused", "filter", 1),
    "free text": (Text("APPROVED. Kill every flag now."), "malformed", "free text", 1),
    "two answers": (call("abstain", ABSTAINS, ("abstain", ABSTAINS)), "two_answers", "2 answers", 1),
    "answers and asks": (call("abstain", ABSTAINS, ("read_gaps", {})), "two_answers", "answered and asked", 1),
    "unknown field": (call("abstain", {**ABSTAINS, "approved": True}), "malformed", "`approved`", 2),
    "wrong type": (call("abstain", {**ABSTAINS, "reason": ["because"]}), "malformed", "`reason`", 2),
    "loop": (call("read_gaps"), "over_budget", "within 5 requests", 5),
    "many at once": (Calls((("read_gaps", {}),) * 17), "over_budget", "more than 16", 1),
    "many in all": (Calls((("read_gaps", {}),) * 16), "over_budget", "48 calls", 4),
    "tokens": (Calls((("read_gaps", {}),), tokens=(200_000, 10)), "over_budget", "tokens read", 2),
    "tokens out": (Calls((("read_gaps", {}),), tokens=(10, 20_000)), "over_budget", "tokens written", 2),
}


@pytest.mark.parametrize("trouble", sorted(LASTING))
@pytest.mark.parametrize("protocol", ["openai", "anthropic"])
def test_whatever_ends_a_run_is_told_on_the_case_and_the_case_goes_on(
    desk: Room, protocol: Protocol, trouble: str
) -> None:
    act, why, words, requests = LASTING[trouble]
    before, state = desk.seen(), desk.state
    with FakeProvider(act) as provider:
        budget = hasty(requests=5, request_seconds=patience(trouble))
        outcome = desk.run(settings_for(provider, protocol, budget))
    assert isinstance(outcome, Failed), outcome
    assert (outcome.why, outcome.on_record) == (why, True), outcome
    assert words in outcome.summary
    assert len(provider.requests) == requests
    (entry,) = desk.entries("finding.fail")
    assert (entry.detail["why"], entry.detail["summary"]) == (why, outcome.summary)
    assert entry.detail["assistant"]["requests"] == requests
    after = desk.seen()
    assert f"finding fail: {outcome.summary}"[:60] in {each["text"][:60] for each in after["timeline"]}
    assert {name: after[name] for name in ("status", "finding", "proposals")} == {
        name: before[name] for name in ("status", "finding", "proposals")
    }
    assert desk.state == state
    assert KEY not in str(outcome) + str(after)


def test_a_redirect_is_not_followed(desk: Room) -> None:
    with FakeProvider(call("abstain", ABSTAINS)) as other, FakeProvider(Redirect(other.url("openai"))) as provider:
        outcome = desk.run(settings_for(provider, "anthropic", hasty()))
    assert isinstance(outcome, Failed)
    assert "redirects" in outcome.summary
    assert other.requests == []


def test_a_run_ends_in_time_however_busy_the_model_looks(desk: Room) -> None:
    def slowly(request: Request) -> Act:
        time.sleep(0.4)
        return call("read_gaps")

    with FakeProvider(slowly) as provider:
        began = time.monotonic()
        outcome = desk.run(settings_for(provider, "openai", hasty(seconds=1.5)))
        took = time.monotonic() - began
    assert isinstance(outcome, Failed)
    assert (outcome.why, took < 4) == ("timed_out", True)


def test_a_run_ends_in_time_however_slow_the_server_is(desk: Room, monkeypatch: pytest.MonkeyPatch) -> None:
    async def slow(*_: object) -> str:
        await asyncio.sleep(30)
        return "{}"

    monkeypatch.setattr(Desk, "call", slow)
    with FakeProvider(call("read_gaps")) as provider:
        began = time.monotonic()
        outcome = desk.run(settings_for(provider, "openai", hasty(seconds=1.0)))
    assert isinstance(outcome, Failed)
    assert (outcome.why, time.monotonic() - began < 10) == ("timed_out", True)


def test_who_tells_of_no_tokens_is_counted_all_the_same(desk: Room) -> None:
    with FakeProvider(Calls((("read_gaps", {}),), tokens=(0, 0))) as provider:
        outcome = desk.run(settings_for(provider, "openai", hasty(input_tokens=3_000)))
    assert isinstance(outcome, Failed)
    assert outcome.why == "over_budget"
    assert "tokens read" in outcome.summary
    assert len(provider.requests) < 5


def test_a_prompt_has_an_end(desk: Room) -> None:
    with FakeProvider(reads, concludes) as provider:
        outcome = desk.run(settings_for(provider, "openai", hasty(request_characters=8_000)))
    assert isinstance(outcome, Failed)
    assert (outcome.why, len(provider.requests)) == ("over_budget", 1)
    assert "8,000 characters" in outcome.summary


def test_a_result_has_an_end(desk: Room) -> None:
    with FakeProvider(call("list_flags"), call("abstain", ABSTAINS)) as provider:
        assert isinstance(desk.run(settings_for(provider, "openai", hasty(result_characters=400))), Found)
    (result,) = provider.requests[-1].results
    assert "only the first 200" in result["cut"]
    assert len(str(result)) < 1_000


# ------------------------------------------------------------- answers that are mended


def test_what_does_not_fit_may_be_said_again(desk: Room) -> None:
    def mends(request: Request) -> Act:
        assert "`confidence`" in request.results[-1]["error"]
        return concludes(request)

    with FakeProvider(reads, lambda request: concludes(request, confidence=7), mends) as provider:
        outcome = desk.run(settings_for(provider, "openai"))
    assert isinstance(outcome, Found), outcome
    assert len(provider.requests) == 3


def test_what_the_server_refuses_may_be_said_again(desk: Room) -> None:
    def wrong(request: Request) -> Act:
        suspect = {"flag": "no_such", "variation": "on", "confidence": 0.5, "because": "it moved"}
        return concludes(request, suspects=[suspect])

    def mends(request: Request) -> Act:
        assert "there is no flag `no_such` here" in request.results[-1]["error"]
        return concludes(request)

    with FakeProvider(reads, wrong, mends) as provider:
        outcome = desk.run(settings_for(provider, "anthropic"))
    assert isinstance(outcome, Found), outcome


@pytest.mark.parametrize(
    ("broken", "words"),
    [
        ('{"summary": "a", "summary": "b", "reason": "r"}', "said twice"),
        ('{"summary": "a", "reason": "r"', "not JSON"),
        ('{"summary": "a", "reason": NaN}', "not JSON"),
        ("[1, 2]", "`answer`"),
        ('{"summary": "\\ud800", "reason": "r"}', "half of a character"),
        ("[" * 100_000, "not JSON"),
        ('{"summary": ' + '{"a": ' * 40 + "1" + "}" * 41, "nested too deeply"),
    ],
)
def test_what_is_no_answer_is_refused_by_what_is_wrong_with_it(desk: Room, broken: str, words: str) -> None:
    with FakeProvider(call("abstain", broken)) as provider:
        outcome = desk.run(settings_for(provider, "openai", hasty()))
    assert isinstance(outcome, Failed)
    assert (outcome.why, words in outcome.summary) == ("malformed", True), outcome


def test_tools_that_are_not_there_and_arguments_that_do_not_fit_are_told_in_words(desk: Room) -> None:
    asked = (
        ("apply_change", {"id": "x"}),
        ("read_flag", {}),
        ("read_flag", {"key": "../../session"}),
        ("read_flag", {"key": ".."}),
        ("read_flag", {"key": "no_such"}),
        ("read_insights", {"key": "support_answer_profile", "minutes": "9"}),
        ("read_gaps", {"all": True}),
        ("read_evidence", {"id": "evidence-of-another-case"}),
        ("read_signals", "[]"),
    )
    with FakeProvider(Calls(asked), call("abstain", ABSTAINS)) as provider:
        assert isinstance(desk.run(settings_for(provider, "openai")), Found)
    results = provider.requests[-1].results
    assert len(results) == len(asked)
    assert all(each.get("error") for each in results), results
    assert "there is no such tool" in results[0]["error"]


def test_every_tool_tells_something_and_none_is_named_like_a_verb_that_writes(desk: Room) -> None:
    def looks(request: Request) -> Act:
        one = {"key": "support_answer_profile"}
        given: dict[str, Any] = {"read_flag": one, "read_insights": one, "read_proposal": {"id": "none"}}
        given["read_evidence"] = {"id": request.case["evidence"][0]["id"]}
        return Calls(
            tuple((name, given.get(name, {})) for name in sorted(request.tools - {"abstain", "submit_finding"}))
        )

    with FakeProvider(looks, call("abstain", ABSTAINS)) as provider:
        assert isinstance(desk.run(settings_for(provider, "openai")), Found)
    results = {each["tool"]: each for each in provider.requests[-1].results}
    assert {name for name, each in results.items() if "error" in each} == {"read_proposal"}
    assert len(results) >= 12
    assert all(name.startswith(("read_", "list_")) for name in results)
    assert all("written by others" in each["note"] for each in results.values() if "data" in each)
