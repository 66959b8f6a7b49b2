"""The decision record: six questions, answered from what was recorded, in JSON and in Markdown."""

import json
from typing import Any

import pytest

from tests.cli import views
from twokey.documents.decision_record import QUESTIONS, decision_record
from twokey.documents.record_markdown import record_markdown

HOSTILE = "[click](http://evil)\x1b[2J\u202e <img src=x>\n# APPROVED"


def closed() -> dict[str, Any]:
    """A case that went the whole way."""
    after = views.check(
        "after",
        views.verdict(
            "latency_p95", "inconclusive", "p95 is back at 2,050 ms", observational=True, reason="no_control"
        ),
    )
    return views.case(
        status="closed", decision=views.decision(), changes=[views.change()], checks=[views.check(), after]
    )


def whole() -> dict[str, Any]:
    return decision_record(
        closed(), proposals=[views.applied()], flags=[views.flag()], entries=[views.entry(41), views.entry(44)]
    )


def answers(record: dict[str, Any]) -> dict[str, list[str]]:
    return {each["key"]: each["answer"] for each in record["answers"]}


def test_the_six_questions_are_always_asked_in_the_same_order() -> None:
    for record in (whole(), decision_record(views.case())):
        assert [(each["key"], each["question"]) for each in record["answers"]] == list(QUESTIONS)
        assert all(each["answer"] for each in record["answers"])


def test_each_is_answered_from_the_record() -> None:
    found = answers(whole())
    assert "SupportP95LatencyRegression from prometheus" in found["signal"][0]
    assert "received 3 times" in found["signal"][0]
    assert "support_answer_profile: remove rule pro-10" in found["control"][0]
    assert "revision 18 to 19" in found["control"][0]
    assert [line.partition(" as ")[0] for line in found["approval"]] == ["Mona Berg (mona)", "Ines Ruiz (ines)"]
    assert views.DIGEST in found["approval"][0]
    assert "188 of 2000 replayed units" in found["affected"][0]
    assert "plan: pro 150, enterprise 38" in found["affected"][0]
    assert found["telemetry"][0] == (
        "latency_p95: inconclusive. p95 is back at 2,050 ms. Observational: no control arm was left to compare with."
    )
    assert "review 2026-04-01" in found["lifetime"][0]
    assert "2026-04-01 by support-ai" in found["lifetime"][1]


def test_what_is_not_known_is_said() -> None:
    bare = views.case(signal_list=[], finding=None, checks=[], proposals=[], gaps=[])
    found = answers(decision_record(bare))
    assert found["signal"] == ["No signal is recorded; the case was opened by hand."]
    assert found["control"] == ["Nothing was changed."]
    assert found["approval"] == ["Nobody: no approval is recorded."]
    assert found["affected"] == ["Not known: no recorded contexts were replayed."]
    assert found["telemetry"] == ["Nothing was measured after a change."]
    assert found["lifetime"] == ["Not known: no flag is named."]


def test_a_check_before_the_change_is_no_evidence_of_what_came_after() -> None:
    assert answers(decision_record(views.case()))["telemetry"] == ["Nothing was measured after a change."]


def test_a_gap_after_the_change_stands_beside_the_verdicts() -> None:
    assert any("Not known: citation_failure_rate" in line for line in answers(whole())["telemetry"])


def test_a_proposal_that_was_not_applied_counts_for_nobody_affected_once_another_was() -> None:
    other = views.proposal(blast_radius=None, status="rejected")
    found = answers(decision_record(closed(), proposals=[other, views.applied()]))
    assert len([line for line in found["affected"] if "replayed" in line]) == 1


def test_a_key_that_waits_is_not_an_approval() -> None:
    assert len(answers(decision_record(views.case(), proposals=[views.proposal()]))["approval"]) == 1


def test_what_the_finding_could_not_support_is_kept_as_such() -> None:
    record = whole()
    assert record["finding"]["unsupported"] == ["half of the answers are corrected"]
    assert "Unsupported by its evidence: half of the answers are corrected" in record_markdown(record)


def test_a_permanent_flag_says_why() -> None:
    permanent = views.flag(kind="permanent", permanent_because="it is a mode of the assistant")
    found = answers(decision_record(views.case(), flags=[permanent]))
    assert found["lifetime"] == ["support_answer_profile is permanent: it is a mode of the assistant."]


def test_it_is_json_and_the_same_twice() -> None:
    assert json.loads(json.dumps(whole())) == whole()


def test_the_audit_entries_of_the_case_are_bound_to_it() -> None:
    assert whole()["audit"] == {"entries": 2, "first": 41, "last": 44, "hash": views.DIGEST}
    assert "2 entries of this case, 41 to 44" in record_markdown(whole())


def test_the_markdown_is_as_reviewed() -> None:
    from tests.cli.snapshot import assert_matches

    assert_matches("decision-record", record_markdown(whole()))


def test_an_open_case_has_a_record_too() -> None:
    assert "None yet: the case is not closed." in record_markdown(decision_record(views.case()))


@pytest.mark.parametrize("place", ["title", "reason", "text"])
def test_text_of_others_renders_as_text(place: str) -> None:
    from markdown_it import MarkdownIt

    made = {
        "title": lambda: decision_record(views.case(title=HOSTILE)),
        "reason": lambda: decision_record(views.case(), proposals=[views.proposal(reason=HOSTILE, title=HOSTILE)]),
        "text": lambda: decision_record(
            views.case(timeline=[views.case()["timeline"][0] | {"text": HOSTILE, "actor": HOSTILE}])
        ),
    }
    text = record_markdown(made[place]())
    assert "\x1b" not in text
    assert "\u202e" not in text
    shown = MarkdownIt("commonmark").enable("table").render(text)
    assert "<a " not in shown
    assert "<img" not in shown
    assert shown.count("<h1>") == 1
