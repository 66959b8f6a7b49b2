"""Undoing as it is needed at 3 a.m.: after other changes, after the case was closed, twice, and of an undo."""

from __future__ import annotations

from datetime import date

import msgspec
import pytest

from tests.attacks.attempts import DRAFT, WIDEN, applied, draft_by, now, turn
from tests.support.server import Doors, problem
from tests.support.world import ENVIRONMENT, FLAG, PASSWORD, PRESENT, PROJECT, World, alert
from twokey.domain.case import CaseStatus
from twokey.domain.change import Cause, Change
from twokey.domain.decision import Choice, Decision
from twokey.domain.errors import Conflict
from twokey.domain.operation import AddRule, ArchiveFlag, EditControl, Effect, RemoveRule, SetEnabled, SetWeights
from twokey.engine.flag import Clause, Operator, Rule, Serve
from twokey.steps.close_case import close
from twokey.steps.draft_proposal import draft
from twokey.steps.receive_signal import receive
from twokey.steps.reverse_change import WayBack, reverse

EVERYBODY = {
    "conversation": "c-1",
    "plan": "free",
    "email": "ines@example.com",
    "targetingKey": "u-1",
}
MORE = SetWeights(flag=FLAG, rule="pro-10", weights=(("reranker_v2", 60_000), ("baseline", 40_000)))
NEW_RULE = AddRule(
    flag=FLAG,
    rule=Rule(
        id="trial",
        clauses=(Clause(attribute="plan", operator=Operator.IN, values=("free",)),),
        serve=Serve(variation="reranker_v2"),
    ),
    position=0,
)


def undo(world: World, change: Change, way: WayBack) -> Change | None:
    return next(iter(reverse(world.store, world.mara, change.id, way, PRESENT).changes), None)


def test_a_change_is_undone_once(world: World) -> None:
    change = applied(world, WIDEN)
    assert undo(world, change, WayBack.REVERSE) is not None
    for way in WayBack:
        with pytest.raises(Conflict, match="nothing is left to undo"):
            undo(world, change, way)


def test_an_undo_is_not_itself_undone_without_keys_of_its_own(world: World) -> None:
    change = applied(world, WIDEN)
    undone = undo(world, change, WayBack.REVERSE)
    assert undone is not None
    assert (undone.cause, undone.undoes) == (Cause.REVERSE, change.id)
    before = world.revision
    with pytest.raises(Conflict):
        undo(world, undone, WayBack.REVERSE)
    assert world.revision == before


def test_the_first_content_of_an_environment_has_no_way_back(world: World) -> None:
    with world.store.read() as uow:
        (first,) = uow.changes.where(cause="setup")
    with pytest.raises(Conflict, match="no approved way back"):
        undo(world, first, WayBack.ROLLBACK)


def test_restoring_what_was_after_a_later_change_needs_keys_and_rolling_back_does_not(world: World) -> None:
    change = applied(world, WIDEN)
    applied(world, MORE)
    restoring = reverse(world.store, world.mara, change.id, WayBack.REVERSE, PRESENT)
    assert restoring.changes == ()
    assert "moved since" in restoring.sentence
    rolled_back = undo(world, change, WayBack.ROLLBACK)
    assert rolled_back is not None
    assert rolled_back.effect is Effect.NARROWS
    assert world.served(**EVERYBODY) == "baseline"


def test_a_rollback_reaches_rules_that_came_after_it_was_approved(world: World) -> None:
    """Its words are `baseline for everyone`; a rule that was added since must not be left out."""
    change = applied(world, WIDEN)
    applied(world, NEW_RULE)
    assert world.served(**EVERYBODY) == "reranker_v2"
    assert undo(world, change, WayBack.ROLLBACK) is not None
    assert world.served(**EVERYBODY) == "baseline"


def test_restoring_a_rule_that_is_gone_is_a_conflict_that_says_what_to_do(world: World) -> None:
    change = applied(world, WIDEN)
    applied(world, RemoveRule(flag=FLAG, rule="pro-10"))
    with pytest.raises(Conflict, match="roll back to the baseline"):
        undo(world, change, WayBack.REVERSE)


def test_undoing_what_is_undone_by_other_means_changes_nothing(world: World) -> None:
    change = applied(world, WIDEN)
    applied(world, SetEnabled(flag=FLAG, enabled=False))
    before = world.revision
    with pytest.raises(Conflict, match="nothing is left to undo"):
        undo(world, change, WayBack.ROLLBACK)
    assert world.revision == before


def test_rolling_back_a_flag_that_was_archived_since_says_that_nothing_is_left(world: World) -> None:
    change = applied(world, WIDEN)
    applied(world, SetEnabled(flag=FLAG, enabled=False))
    applied(world, ArchiveFlag(flag=FLAG), code_reference_review="no references left", by=world.viewer)
    with pytest.raises(Conflict, match="nothing is left to undo"):
        undo(world, change, WayBack.ROLLBACK)


def test_a_change_of_a_closed_case_can_still_be_rolled_back(world: World) -> None:
    case = receive(world.store, world.service, PROJECT, ENVIRONMENT, [alert()])[0].case or ""
    change = applied(world, WIDEN, case=case)
    decision = Decision(
        case=case,
        choice=Choice.EXPAND,
        rationale="it holds",
        outcome="half of the customers",
        owner="support-ai-platform",
        review_date=date(2026, 12, 1),
        decided_by="mara",
        decided_at=world.clock(),
    )
    close(world.store, world.mara, decision)
    assert undo(world, change, WayBack.ROLLBACK) is not None
    with world.store.read() as uow:
        assert uow.cases.get(case).status is CaseStatus.CLOSED
    assert world.served(**EVERYBODY) == "baseline"


def test_undoing_after_hundreds_of_later_changes_elsewhere_works(any_world: World) -> None:
    """What moved since is looked for where it stands, not among the newest few hundred changes."""
    change = applied(any_world, WIDEN)
    with any_world.store.begin() as uow:
        for number in range(510):
            later = msgspec.structs.replace(
                change,
                id=f"later-{number}",
                proposal=None,
                flags=("new_header",),
                revision_before=change.revision_after + number,
                revision_after=change.revision_after + number + 1,
            )
            uow.changes.add(later)
    assert undo(any_world, change, WayBack.REVERSE) is not None
    assert any_world.snapshot.flags[FLAG].rules[1].serve.rollout is not None


def test_undoing_a_tightened_limit_is_a_loosening_and_needs_its_own_keys(world: World) -> None:
    with world.store.read() as uow:
        limits = uow.flags.state(PROJECT, ENVIRONMENT).controls[FLAG].guardrails
    tighter = tuple(msgspec.structs.replace(each, limit=each.limit / 2) for each in limits)
    change = applied(world, EditControl(flag=FLAG, guardrails=tighter), by=world.viewer)
    undoing = reverse(world.store, world.mara, change.id, WayBack.REVERSE, PRESENT)
    assert undoing.changes == ()
    (again,) = undoing.drafts
    assert draft(world.store, world.telemetry, world.viewer, again).effect is Effect.WIDENS


def test_what_the_page_says_of_a_way_back_is_what_it_does(server: Doors, world: World) -> None:
    mara, ines = server.person("mara"), server.person("ines")
    made = draft_by(
        server.person("viewer"),
        operations=[DRAFT["operations"][0] | {"weights": [["reranker_v2", 50_000], ["baseline", 50_000]]}],
    )  # type: ignore[index]
    assert made["rollback"]["approved_with_it"]
    assert turn(ines, made).status_code == 200
    assert turn(mara, made).json()["status"] == "applied"
    (change,) = [each for each in mara.get("/api/v1/changes").json() if each["proposal"] == made["id"]]
    body = {"password": PASSWORD, "way": "rollback"}
    undone = mara.post(f"/api/v1/changes/{change['id']}/reverse", json=body).json()
    assert undone["change"]
    shown = mara.get(f"/api/v1/changes/{undone['change']}").json()
    assert shown["summary"] == "; ".join(made["rollback"]["sentences"])
    assert (shown["cause"], shown["undoes"], shown["may_reverse"]) == ("rollback", change["id"], False)
    assert problem(mara.post(f"/api/v1/changes/{change['id']}/reverse", json=body))["status"] == 409
    assert world.served(**EVERYBODY) == "baseline"
    assert now  # the proposal's own status is in test_a_change_is_undone_once
