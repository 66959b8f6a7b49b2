"""Findings, decisions, controls and the audit chain: what each of them refuses, and what it notices."""

from __future__ import annotations

import json
from datetime import date, timedelta

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.world import START, initial_state, plain_control, support_control
from twokey.domain.audit import GENESIS, Entry, Happening, link, verify
from twokey.domain.case import Case, CaseStatus
from twokey.domain.control import Kind, State, check_control
from twokey.domain.decision import Choice, Decision, check
from twokey.domain.errors import Conflict, NotFound, Refused
from twokey.domain.evidence import EvidenceKind, make
from twokey.domain.finding import Citation, Finding, Recommendation, ground
from twokey.domain.gate import Gate, GateStatus
from twokey.domain.stages import split_plans, stage_plans
from twokey.domain.state_document import parse_state
from twokey.engine.errors import Invalid

EVIDENCE = make(
    "evidence-1", "case-1", EvidenceKind.METRIC, "figures", START, {"arms": [{"units": 120, "ok": True}], "rate": 0.25}
)


def finding(*citations: Citation) -> Finding:
    return Finding(
        id="finding-1",
        case="case-1",
        author="analyst",
        at=START,
        summary="s",
        recommendation=Recommendation.NO_ACTION,
        reason="r",
        confidence=0.5,
        citations=citations,
    )


@pytest.mark.parametrize(
    ("path", "value", "why_not"),
    [
        ("arms.0.units", 120, ""),
        ("arms.0.ok", True, ""),
        ("rate", 0.25, ""),
        ("rate", 0.26, "it says `0.25` there"),
        ("arms.0.units", True, "it says `120` there"),
        ("arms.0.ok", 1, "it says `True` there"),
        ("arms.1.units", 120, "`arms.1.units` is not in it"),
        ("arms.x", 1, "`arms.x` is not in it"),
        ("rate.deeper", 1, "`rate.deeper` is not in it"),
    ],
)
def test_every_cited_figure_is_read_again(path: str, value: float, why_not: str) -> None:
    (found,) = ground(
        finding(Citation(evidence="evidence-1", path=path, value=value, says="x")), {"evidence-1": EVIDENCE}
    )
    assert found.supported is (not why_not)
    assert found.why_not == why_not


def test_a_figure_that_cites_evidence_that_is_not_there_is_unsupported() -> None:
    (found,) = ground(finding(Citation(evidence="evidence-9", path="rate", value=1, says="x")), {})
    assert not found.supported
    assert "evidence-9" in found.why_not


def a_case(status: CaseStatus) -> Case:
    return Case(
        id="case-1",
        project="p",
        environment="e",
        title="t",
        severity="critical",
        status=status,
        opened_at=START,
        updated_at=START,
    )


def a_decision(choice: Choice = Choice.ROLL_BACK, **changes: object) -> Decision:
    made = Decision(
        case="case-1",
        choice=choice,
        rationale="why",
        outcome="what",
        owner="who",
        review_date=date(2026, 12, 1),
        decided_by="mara",
        decided_at=START,
    )
    return msgspec.structs.replace(made, **changes)


@pytest.mark.parametrize("field", ["rationale", "outcome", "owner"])
def test_a_case_does_not_close_without(field: str) -> None:
    with pytest.raises(Invalid) as caught:
        check(a_case(CaseStatus.WATCHING), a_decision(**{field: "  "}), 0)
    assert caught.value.field == field


def test_a_review_date_lies_ahead() -> None:
    with pytest.raises(Invalid) as caught:
        check(a_case(CaseStatus.WATCHING), a_decision(review_date=date(2026, 11, 1)), 0)
    assert caught.value.field == "review_date"


def test_what_was_done_decides_how_a_case_may_close() -> None:
    assert check(a_case(CaseStatus.WATCHING), a_decision(), 0)
    for status in (CaseStatus.OPEN, CaseStatus.TRIAGED, CaseStatus.ACTING):
        assert check(a_case(status), a_decision(Choice.NO_ACTION), 0)
        with pytest.raises(Conflict, match="nothing was changed"):
            check(a_case(status), a_decision(), 0)
    with pytest.raises(Conflict, match="is live"):
        check(a_case(CaseStatus.WATCHING), a_decision(Choice.NO_ACTION), 0)
    with pytest.raises(Conflict, match="closed already"):
        check(a_case(CaseStatus.CLOSED), a_decision(), 0)
    with pytest.raises(Conflict, match="still open"):
        check(a_case(CaseStatus.WATCHING), a_decision(), 1)


def chain(length: int) -> list[Entry]:
    entries, previous = [], GENESIS
    for index in range(length):
        happening = Happening(action="test", subject=str(index), actor={"id": "a", "kind": "person"})
        entries.append(link(happening, index, previous, START + timedelta(seconds=index)))
        previous = entries[-1].hash
    return entries


def test_an_untouched_chain_holds() -> None:
    result = verify(chain(5))
    assert (result.ok, result.entries, result.head) == (True, 5, chain(5)[-1].hash)
    assert verify([]).head == GENESIS


ALTERATIONS = {
    "content": lambda entry: msgspec.structs.replace(
        entry, happening=msgspec.structs.replace(entry.happening, subject="forged")
    ),
    "time": lambda entry: msgspec.structs.replace(entry, at=entry.at + timedelta(seconds=1)),
    "hash": lambda entry: msgspec.structs.replace(entry, hash="sha256:" + "f" * 64),
    "previous": lambda entry: msgspec.structs.replace(entry, previous="sha256:" + "f" * 64),
    "index": lambda entry: msgspec.structs.replace(entry, index=entry.index + 1),
}


@given(st.integers(0, 7), st.sampled_from(sorted(ALTERATIONS)))
def test_any_altered_entry_is_named(place: int, what: str) -> None:
    entries = chain(8)
    entries[place] = ALTERATIONS[what](entries[place])
    result = verify(entries)
    assert not result.ok
    assert result.broken_at == place
    assert str(place) in result.problem


def test_a_removed_or_swapped_entry_is_noticed() -> None:
    entries = chain(5)
    assert verify(entries[:2] + entries[3:]).broken_at == 2
    assert verify([entries[0], entries[2], entries[1]]).broken_at == 1


@pytest.mark.parametrize(
    ("field", "changes"),
    [
        ("owner", {"owner": " "}),
        ("purpose", {"purpose": ""}),
        ("review_date", {"review_date": None}),
        ("cleanup_condition", {"cleanup_condition": ""}),
        ("permanent_because", {"kind": Kind.PERMANENT}),
        ("caution", {"caution": ("baseline", "no_such")}),
    ],
)
def test_an_incomplete_control_is_refused_by_field(field: str, changes: dict[str, object]) -> None:
    assert check_control(support_control())
    with pytest.raises(Invalid) as caught:
        check_control(msgspec.structs.replace(support_control(), **changes))
    assert caught.value.field.endswith(field)


def test_a_state_publishes_what_is_not_archived() -> None:
    gone = msgspec.structs.replace(plain_control("gone"), archived=True)
    state = initial_state(support_control(), gone)
    assert list(state.snapshot().flags) == ["support_answer_profile"]
    assert state.control("gone").guardrail("x") is None
    assert support_control().guardrail("p95_latency") is not None
    with pytest.raises(Invalid, match="no flag `nope`"):
        state.control("nope")


def document(**changes: object) -> bytes:
    state: State = initial_state()
    made = {
        "format": "twokey-state/1",
        "controls": msgspec.to_builtins(tuple(state.controls.values())),
        "segments": msgspec.to_builtins(tuple(state.segments.values())),
    }
    return json.dumps(made | changes, default=str).encode()


def test_a_state_document_is_read_whole_or_refused_by_field() -> None:
    assert parse_state(document(), "support", "production") == initial_state()
    for body, field in (
        (b"{", "document"),
        (document(format="other/1"), "format"),
        (document(surprise=1), "document"),
        (document(controls=[{}]), "controls[0]"),
    ):
        with pytest.raises(Invalid) as caught:
            parse_state(body, "support", "production")
        assert caught.value.field == field


def test_a_stage_opens_at_every_change_of_shares_and_at_nothing_else() -> None:
    one, two = support_control(1000), support_control(10_000)
    renamed = msgspec.structs.replace(two, owner="somebody else")
    off = msgspec.structs.replace(two, flag=msgspec.structs.replace(two.flag, enabled=False))
    versions = [(9, two), (1, one), (4, two), (6, renamed), (7, off)]
    found = [(each.rule, each.first_revision, each.last_revision) for each in stage_plans(versions)]
    assert found == [("pro-10", 1, 1), ("pro-10", 4, 6), ("pro-10", 9, None)]
    everyone = support_control(100_000)
    assert split_plans([(1, one), (2, everyone), (3, None)], "baseline") == stage_plans([(1, one), (2, None)])[:1]


def test_errors_say_what_to_do() -> None:
    assert "read it again" in str(Conflict("it moved", remedy="read it again"))
    assert str(NotFound("case", "case-1").args[0]) == "there is no case `case-1`"
    gate = Gate(status=GateStatus.REFUSED, sentence="no")
    assert Refused("no", gate).gate is gate
