"""One case from its first alert to its decision, on a clock that only moves when told."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path

import pytest

from tests.support.world import (
    ENVIRONMENT,
    FLAG,
    PRESENT,
    PROJECT,
    START,
    World,
    alert,
    plain_control,
    support_control,
)
from twokey.domain.case import Case, CaseStatus
from twokey.domain.check import Phase
from twokey.domain.decision import Choice, Decision
from twokey.domain.errors import Conflict
from twokey.domain.evidence import EvidenceKind
from twokey.domain.finding import Recommendation, ground
from twokey.domain.operation import Effect, SetEnabled
from twokey.domain.proposal import Proposal, ProposalStatus
from twokey.domain.signal import SignalStatus
from twokey.engine.flag import Prerequisite
from twokey.steps.check_evidence import check
from twokey.steps.close_case import close
from twokey.steps.receive_signal import Outcome, receive
from twokey.steps.review_proposal import approve

HARMED = 0.35


@pytest.fixture(params=["sqlite", "postgresql"])
def world(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[World]:
    """The same case on both control stores."""
    url = request.getfixturevalue("postgresql_url") if request.param == "postgresql" else ""
    made = World(tmp_path, url=url)
    yield made
    made.close()


def the_case(world: World) -> Case:
    with world.store.read() as uow:
        (case,) = uow.cases.where()
        return case


def the_proposal(world: World) -> Proposal:
    with world.store.read() as uow:
        return uow.proposals.where(limit=1)[0]


def a_harmful_rollout(world: World) -> None:
    """Thirty minutes of traffic in which the candidate is slow, then the alert, then whatever the workers do."""
    world.clock.forward(minutes=31)
    world.traffic(3000, slow=0.04, slow_candidate=HARMED)
    receive(world.store, world.service, PROJECT, ENVIRONMENT, [alert(at=world.clock())])
    world.work()


def test_an_alert_becomes_a_case_a_finding_and_the_narrowest_proposal(world: World) -> None:
    a_harmful_rollout(world)
    case, proposal = the_case(world), the_proposal(world)
    with world.store.read() as uow:
        (finding,) = uow.findings.where(case=case.id)
        evidence = {each.id: each for each in uow.evidence.where(case=case.id, limit=500)}
    assert case.status is CaseStatus.ACTING
    assert finding.suspects[0].flag == FLAG
    assert finding.recommendation is Recommendation.REDUCE_TO_INTERNAL
    assert finding.citations
    assert all(each.supported for each in ground(finding, evidence))
    assert any("citation" in each.sentence and "joined" in each.sentence for each in finding.gaps)
    assert proposal.effect is Effect.NARROWS
    assert proposal.reverse.effect is Effect.WIDENS
    assert proposal.required_roles == ("support_ai_platform_owner", "release_manager")
    assert set(proposal.evidence) == set(finding.evidence)
    with world.store.read() as uow:
        (before,) = uow.checks.where(case=case.id)
    assert before.phase is Phase.BEFORE


def test_a_finding_cites_the_audit_entry_of_the_change_that_it_suspects(world: World) -> None:
    a_harmful_rollout(world)
    with world.store.read() as uow:
        (finding,) = uow.findings.where(case=the_case(world).id)
        (cited,) = [
            each for each in uow.evidence.where(case=finding.case, limit=500) if each.kind is EvidenceKind.AUDIT
        ]
        (entry,) = uow.audit.entries(start=int(cited.body["entry"]), limit=1)
    assert (entry.hash, entry.happening.subject) == (cited.body["hash"], cited.body["change"])
    assert entry.happening.action == cited.body["action"] == "change.apply"
    assert f"(audit entry {entry.index}, by system)" in finding.summary
    assert cited.id in finding.evidence


def test_what_would_be_served_in_its_place_is_drafted_off_with_it_and_nothing_widens(tmp_path: Path) -> None:
    """To take the harmful profile back alone would serve everybody an older feature that waits for its baseline."""
    waiting = plain_control("old_answers", prerequisites=(Prerequisite(flag=FLAG, variations=("baseline",)),))
    world = World(tmp_path, support_control(), waiting)
    a_harmful_rollout(world)
    proposal = the_proposal(world)
    assert proposal.effect is Effect.NARROWS
    assert {each.flag for each in proposal.operations if isinstance(each, SetEnabled)} == {FLAG, "old_answers"}
    for who in (world.mara, world.ines):
        approve(world.store, who, proposal.id, proposal.digest, PRESENT)
    assert the_proposal(world).status is ProposalStatus.APPLIED
    world.close()


def test_nothing_changes_before_both_keys_are_turned(world: World) -> None:
    a_harmful_rollout(world)
    proposal, before = the_proposal(world), world.revision
    approve(world.store, world.ines, proposal.id, proposal.digest, PRESENT)
    assert world.revision == before
    assert the_proposal(world).status is ProposalStatus.PENDING
    applied = approve(world.store, world.mara, proposal.id, proposal.digest, PRESENT)
    assert applied.status is ProposalStatus.APPLIED
    assert world.revision == before + 1
    assert the_case(world).status is CaseStatus.WATCHING


def test_after_the_change_customers_get_the_baseline_and_staff_keep_the_candidate(world: World) -> None:
    exposed = next(
        unit
        for number in range(1000)
        if world.served(conversation=(unit := f"c-{number}"), plan="pro", targetingKey="u") == "reranker_v2"
    )
    staff = {"conversation": "s-1", "plan": "pro", "targetingKey": "u-1", "email": "ines@example.com"}
    assert world.served(**staff) == "reranker_v2"
    a_harmful_rollout(world)
    proposal = the_proposal(world)
    for who in (world.mara, world.ines):
        approve(world.store, who, proposal.id, proposal.digest, PRESENT)
    assert world.served(conversation=exposed, plan="pro", targetingKey="u") == "baseline"
    assert world.served(**staff) == "reranker_v2"


def test_evidence_says_breached_before_and_no_harm_after_and_that_it_is_observational(world: World) -> None:
    a_harmful_rollout(world)
    before = check(world.store, world.telemetry, the_case(world).id)
    said = {each.guardrail: each for each in before.verdicts}
    assert (before.phase, str(said["p95_latency"].status)) == (Phase.BEFORE, "breached")
    assert not said["p95_latency"].observational
    assert str(said["citation_failure_rate"].status) == "cannot_judge"
    proposal = the_proposal(world)
    for who in (world.mara, world.ines):
        approve(world.store, who, proposal.id, proposal.digest, PRESENT)
    world.clock.forward(minutes=20)
    world.traffic(2000, slow=0.02, over=timedelta(minutes=19), seed=2)
    world.work(rounds=1)
    after = check(world.store, world.telemetry, the_case(world).id)
    said = {each.guardrail: each for each in after.verdicts}
    assert (after.phase, str(said["p95_latency"].status)) == (Phase.AFTER, "holding")
    assert said["p95_latency"].observational


def test_the_case_closes_with_a_decision_and_the_whole_log_verifies(world: World) -> None:
    a_harmful_rollout(world)
    case, proposal = the_case(world), the_proposal(world)
    with pytest.raises(Conflict, match="still open"):
        close(world.store, world.mara, a_decision(world, case))
    for who in (world.mara, world.ines):
        approve(world.store, who, proposal.id, proposal.digest, PRESENT)
    receive(
        world.store,
        world.service,
        PROJECT,
        ENVIRONMENT,
        [alert(status=SignalStatus.RESOLVED, at=START + timedelta(minutes=31))],
    )
    close(world.store, world.mara, a_decision(world, case))
    assert the_case(world).status is CaseStatus.CLOSED
    with world.store.read() as uow:
        assert uow.audit.verify().ok
        assert uow.signals.where(case=case.id)[0].resolved_at is not None
    assert world.audit("case.close") == [case.id]


def a_decision(world: World, case: Case) -> Decision:
    return Decision(
        case=case.id,
        choice=Choice.ROLL_BACK,
        rationale="both guardrails breached for the candidate",
        outcome="latency is back under its limit",
        owner="support-ai-platform",
        review_date=date(2026, 11, 20),
        decided_by="mara",
        decided_at=world.clock(),
    )


def test_an_outage_that_hits_both_arms_alike_recommends_no_action(world: World) -> None:
    world.clock.forward(minutes=31)
    world.traffic(3000, slow=HARMED)
    receive(world.store, world.service, PROJECT, ENVIRONMENT, [alert(at=world.clock())])
    world.work()
    with world.store.read() as uow:
        (finding,) = uow.findings.where()
        assert uow.proposals.where() == ()
    assert finding.recommendation is Recommendation.NO_ACTION
    assert finding.operations == ()


def test_a_repeat_joins_its_case_and_a_new_firing_after_closing_opens_another(world: World) -> None:
    first = receive(world.store, world.service, PROJECT, ENVIRONMENT, [alert()])
    again = receive(world.store, world.service, PROJECT, ENVIRONMENT, [alert()])
    other = receive(world.store, world.service, PROJECT, ENVIRONMENT, [alert("SupportCorrectionsHigh")])
    assert [each.outcome for each in (*first, *again, *other)] == [Outcome.OPENED, Outcome.REPEATED, Outcome.JOINED]
    case = the_case(world)
    close(
        world.store,
        world.mara,
        Decision(
            case=case.id,
            choice=Choice.RESOLVED_BY_ITSELF,
            rationale="load spike",
            outcome="gone",
            owner="web",
            review_date=date(2026, 11, 20),
            decided_by="mara",
            decided_at=START,
        ),
    )
    world.clock.forward(hours=1)
    anew = receive(world.store, world.service, PROJECT, ENVIRONMENT, [alert(at=world.clock())])
    assert anew[0].outcome is Outcome.OPENED
    assert anew[0].case != case.id


def test_a_resolved_alert_that_nobody_knew_opens_nothing(world: World) -> None:
    receipts = receive(world.store, world.service, PROJECT, ENVIRONMENT, [alert(status=SignalStatus.RESOLVED)])
    assert receipts[0].outcome is Outcome.IGNORED
    with world.store.read() as uow:
        assert uow.cases.where() == ()


def test_telemetry_that_lags_behind_its_alert_is_looked_at_again(world: World) -> None:
    world.clock.forward(minutes=31)
    receive(world.store, world.service, PROJECT, ENVIRONMENT, [alert(at=world.clock())])
    world.work()
    assert the_case(world).status is CaseStatus.TRIAGED
    world.traffic(3000, slow=0.04, slow_candidate=HARMED)
    world.clock.forward(minutes=1)
    world.work()
    assert the_case(world).status is CaseStatus.ACTING
    with world.store.read() as uow:
        assert uow.findings.count(case=the_case(world).id) == 2
