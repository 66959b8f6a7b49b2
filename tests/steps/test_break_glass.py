"""Break-glass: one person, alone, to a recorded safe state, with a review that somebody else must close."""

from __future__ import annotations

import pytest

from tests.attacks.attempts import WIDEN, applied, drafted
from tests.support.world import ENVIRONMENT, FLAG, PRESENT, PROJECT, World
from twokey.domain.change import Cause
from twokey.domain.errors import Conflict, Refused
from twokey.domain.identity import Actor
from twokey.domain.operation import Effect, SetEnabled, apply_all
from twokey.domain.operation.parsing import parse_operations
from twokey.domain.review import Finding, ReviewStatus
from twokey.engine.errors import Invalid
from twokey.steps.break_glass import Breaking, break_glass, close_review
from twokey.steps.review_proposal import approve


@pytest.fixture
def oncall(world: World) -> Actor:
    return world.add_person("olga", "break_glass")


def seen(world: World, flag: str = FLAG) -> int:
    with world.store.read() as uow:
        return uow.flags.state(PROJECT, ENVIRONMENT).control(flag).flag.revision


def breaking(world: World, **more: object) -> Breaking:
    given = {"flag": FLAG, "seen": seen(world), "reason": "answers are wrong and nobody else is up", **more}
    return Breaking(project=PROJECT, environment=ENVIRONMENT, **given)  # type: ignore[arg-type]


def test_one_person_takes_a_flag_to_its_baseline_and_a_review_is_open(world: World, oncall: Actor) -> None:
    change, review = break_glass(world.store, oncall, breaking(world), PRESENT)
    assert (change.cause, change.effect, change.applied_by) == (Cause.BREAK_GLASS, Effect.NARROWS, "olga")
    assert world.served(conversation="c-1", plan="pro") == "baseline"
    assert (review.status, review.person, review.change) == (ReviewStatus.OPEN, "olga", change.id)
    assert world.audit("review.open") == [review.id]


def test_the_log_holds_the_way_back_of_what_was_done(world: World, oncall: Actor) -> None:
    with world.store.read() as uow:
        before = uow.flags.state(PROJECT, ENVIRONMENT)
    change, _ = break_glass(world.store, oncall, breaking(world), PRESENT)
    with world.store.read() as uow:
        after = uow.flags.state(PROJECT, ENVIRONMENT)
        entry = next(each for each in uow.audit.entries() if each.happening.action == "review.open")
    back = apply_all(after, parse_operations(entry.happening.detail["reverse"]))
    assert back.controls[FLAG].flag.enabled == before.controls[FLAG].flag.enabled is True
    assert entry.happening.detail["change"] == change.id


def test_the_approved_rollback_of_a_live_change_can_be_taken(world: World, oncall: Actor) -> None:
    change = applied(world, WIDEN)
    undone, _ = break_glass(world.store, oncall, breaking(world, change=change.id), PRESENT)
    assert undone.effect is Effect.NARROWS
    with world.store.read() as uow:
        assert undone.operations == uow.proposals.get(change.proposal or "").rollback.operations


def test_nobody_else_breaks_glass_and_nobody_without_being_here(world: World, oncall: Actor) -> None:
    elsewhere = world.add_person("omar", f"break_glass@{PROJECT}/staging")
    for who in (world.mara, world.viewer, world.agent, world.service, elsewhere):
        with pytest.raises(Refused):
            break_glass(world.store, who, breaking(world), PRESENT)
    with pytest.raises(Refused, match="proof"):
        break_glass(world.store, oncall, breaking(world), None)
    assert world.served(conversation="c-1", plan="pro") is not None
    assert world.audit("review.open") == []


def test_a_grant_for_this_environment_is_enough(world: World) -> None:
    here = world.add_person("omar", f"break_glass@{PROJECT}/{ENVIRONMENT}")
    change, _ = break_glass(world.store, here, breaking(world), PRESENT)
    assert change.cause is Cause.BREAK_GLASS


def test_it_does_not_act_on_a_flag_that_is_no_longer_as_it_was_seen(world: World, oncall: Actor) -> None:
    old = breaking(world)
    applied(world, WIDEN)
    with pytest.raises(Conflict, match="revision"):
        break_glass(world.store, oncall, old, PRESENT)


def test_it_never_leads_anywhere_but_to_a_safe_state(world: World, oncall: Actor) -> None:
    break_glass(world.store, oncall, breaking(world), PRESENT)
    with pytest.raises(Conflict, match="already"):
        break_glass(world.store, oncall, breaking(world), PRESENT)
    other = drafted(world, SetEnabled(flag="new_header", enabled=False))
    approve(world.store, world.mara, other.id, other.digest, PRESENT)
    with world.store.read() as uow:
        change = uow.changes.where(proposal=other.id)[0]
    with pytest.raises(Invalid, match="did not change"):
        break_glass(world.store, oncall, breaking(world, change=change.id), PRESENT)
    with pytest.raises(Invalid, match="reason"):
        break_glass(world.store, oncall, breaking(world, reason=" "), PRESENT)


def test_while_a_review_is_overdue_nobody_breaks_glass_there_again(world: World, oncall: Actor) -> None:
    _, review = break_glass(world.store, oncall, breaking(world), PRESENT)
    world.clock.forward(minutes=25 * 60)
    with pytest.raises(Refused, match="overdue"):
        break_glass(world.store, oncall, breaking(world, flag="new_header", seen=seen(world, "new_header")), PRESENT)
    close_review(world.store, world.mara, review.id, Finding.JUSTIFIED, "the model was down", PRESENT)
    break_glass(world.store, oncall, breaking(world, flag="new_header", seen=seen(world, "new_header")), PRESENT)


def test_who_broke_the_glass_does_not_review_it_and_a_review_says_something(world: World) -> None:
    both = world.add_person("olga", "break_glass", "release_manager")
    _, review = break_glass(world.store, both, breaking(world), PRESENT)
    with pytest.raises(Refused, match="does not review"):
        close_review(world.store, both, review.id, Finding.JUSTIFIED, "fine", PRESENT)
    with pytest.raises(Refused):
        close_review(world.store, world.viewer, review.id, Finding.JUSTIFIED, "fine", PRESENT)
    with pytest.raises(Refused):
        close_review(world.store, world.mara, review.id, Finding.JUSTIFIED, "fine", None)
    with pytest.raises(Invalid, match="note"):
        close_review(world.store, world.mara, review.id, Finding.JUSTIFIED, "", PRESENT)
    closed = close_review(world.store, world.mara, review.id, Finding.AVOIDABLE, "page two people", PRESENT)
    assert (closed.status, closed.closed_by, closed.found) == (ReviewStatus.CLOSED, "mara", Finding.AVOIDABLE)
    with pytest.raises(Conflict):
        close_review(world.store, world.mara, review.id, Finding.JUSTIFIED, "again", PRESENT)
