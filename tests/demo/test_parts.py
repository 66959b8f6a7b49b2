"""What the demo is made of: its clock, its conversations, its alerts, its first flags."""

from __future__ import annotations

import io
import json
import socket
import time
from collections import Counter
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from itertools import islice

import pytest

from twokey.demo import alarm, scenario
from twokey.demo.clock import HurriedClock, ago
from twokey.demo.conversations import HEALTHY, PROFILES, Behaviour, Outcome, behave, conversation, conversations
from twokey.demo.desk import new_password, wait_for
from twokey.demo.process import Broken, free_port
from twokey.demo.screen import Screen
from twokey.demo.traffic import Assignment, Played, exposures, metrics
from twokey.domain.control import check_control
from twokey.domain.guardrail import ArmFigures, Guardrail, StageArms, VerdictStatus, alpha_by_guardrail, judge
from twokey.domain.operation import SetWeights, apply_all
from twokey.domain.signal import SignalStatus, parse_alertmanager
from twokey.engine import evaluate

Profiles = dict[str, Behaviour]

# ---------------------------------------------------------------- the clock


def test_the_clock_begins_in_the_past_and_never_passes_the_present() -> None:
    clock = ago(40)
    assert timedelta(minutes=39, seconds=58) < clock.behind() < timedelta(minutes=40, seconds=1)
    long_past = HurriedClock(start=datetime(2020, 1, 1, tzinfo=UTC), anchor=0.0, speed=1e6, stretch=1e9)
    assert long_past.behind() < timedelta(seconds=1)


def test_a_hurried_clock_goes_on_where_it_was_and_only_forward() -> None:
    slow = ago(40)
    fast = slow.hurried(minutes=10, seconds=1_000.0)
    assert abs((fast() - slow()).total_seconds()) < 5
    shown = [fast() for _ in range(50)]
    assert shown == sorted(shown)


def test_after_its_stretch_a_hurried_clock_keeps_the_pace_of_the_real_one() -> None:
    start = datetime.now(UTC) - timedelta(minutes=40)
    done = HurriedClock(start=start, anchor=time.time() - 12.0, speed=60.0, stretch=10.0)
    assert abs(done() - start - timedelta(seconds=602)) < timedelta(seconds=1)


# ---------------------------------------------------------------- conversations


def test_the_same_seed_tells_the_same_story() -> None:
    assert list(islice(conversations(7), 50)) == list(islice(conversations(7), 50))
    assert list(islice(conversations(7), 50)) != list(islice(conversations(8), 50))
    asked = conversation(7, 3)
    assert behave(asked, scenario.CANDIDATE) == behave(asked, scenario.CANDIDATE)


def outcomes(variation: str, profiles: Profiles | None = None) -> list[Outcome]:
    return [behave(each, variation, profiles) for each in islice(conversations(7), 4_000)]


def slow(found: list[Outcome]) -> float:
    return sum(each.latency > 4.0 for each in found) / len(found)


def corrected(found: list[Outcome]) -> float:
    return sum(each.corrected for each in found) / len(found)


def test_the_candidate_breaks_both_limits_and_the_baseline_keeps_them() -> None:
    baseline, candidate = outcomes(scenario.BASELINE), outcomes(scenario.CANDIDATE)
    assert slow(baseline) < 0.05 < slow(candidate)
    assert corrected(baseline) < 0.15 < corrected(candidate)
    fell_back = sum(each.served != scenario.CANDIDATE for each in candidate) / len(candidate)
    assert 0 < fell_back < 0.02


def test_a_healthy_candidate_is_like_the_baseline() -> None:
    assert abs(slow(outcomes(scenario.CANDIDATE, HEALTHY)) - slow(outcomes(scenario.BASELINE))) < 0.01


def test_only_staff_carry_an_address() -> None:
    asked = list(islice(conversations(7), 2_000))
    staff = [each for each in asked if each.email]
    assert 20 <= len(staff) <= 60
    assert all(each.email.endswith(scenario.STAFF_DOMAIN) for each in staff)
    assert all("email" not in each.context for each in asked if not each.email)


def test_exposures_say_what_was_assigned_and_served_and_citation_failures_join_nothing() -> None:
    asked = conversation(7, 1)
    assigned = Assignment(
        flag=scenario.PROFILE, variation=scenario.CANDIDATE, rule="pro-10", revision=2, reason="SPLIT"
    )
    outcome = Outcome(served="baseline", latency=1.0, corrected=True, citation_failed=True, cost=0.01)
    played = Played(asked=asked, at=datetime(2026, 3, 2, tzinfo=UTC), assignments=(assigned,), outcome=outcome)
    (exposure,) = exposures(played)
    assert (exposure.assigned, exposure.served, exposure.rule) == (scenario.CANDIDATE, "baseline", "pro-10")
    told = {each.metric: each for each in metrics(played)}
    assert told[scenario.LATENCY].unit == asked.id
    assert told[scenario.LATENCY].at > exposure.at
    assert told[scenario.CITATION].unit_name == "ticket"
    assert told[scenario.CITATION].variation is None


def verdict_of(seed: int, guardrail: Guardrail, fails: Callable[[Outcome], bool], profiles: Profiles) -> VerdictStatus:
    """The guardrail over as many conversations as the demo plays at least, at 10 percent, assigned by the engine."""
    state = scenario.initial_state(date(2026, 3, 2))
    wide = SetWeights(flag=scenario.PROFILE, rule=scenario.ROLLOUT_RULE, weights=scenario.weights(10))
    snapshot = apply_all(state, (wide,)).snapshot()
    units, failures = Counter[str](), Counter[str]()
    for asked in islice(conversations(seed), 2_700):
        found = evaluate(snapshot, scenario.PROFILE, {"targetingKey": asked.targeting_key, **asked.context})
        if found.rule == scenario.ROLLOUT_RULE and found.variation is not None:
            units[found.variation] += 1
            failures[found.variation] += fails(behave(asked, found.variation, profiles))
    ours, theirs = (
        ArmFigures(units=units[each], joined_units=units[each], failures=failures[each])
        for each in (scenario.CANDIDATE, scenario.BASELINE)
    )
    stage = StageArms(rule=scenario.ROLLOUT_RULE, stage=2, share=0.1, candidate=ours, baseline=theirs)
    return judge(guardrail, [stage], alpha_by_guardrail(scenario.GUARDRAILS)[guardrail.key]).status


@pytest.mark.parametrize("seed", [7, 8, 9, 10])
@pytest.mark.parametrize(
    ("guardrail", "fails"),
    [
        (scenario.GUARDRAILS[0], lambda outcome: outcome.latency > 4.0),
        (scenario.GUARDRAILS[1], lambda outcome: outcome.corrected),
    ],
    ids=["latency", "corrections"],
)
def test_the_demo_does_not_hang_on_luck(seed: int, guardrail: Guardrail, fails: Callable[[Outcome], bool]) -> None:
    assert verdict_of(seed, guardrail, fails, PROFILES) is VerdictStatus.BREACHED
    assert verdict_of(seed, guardrail, fails, HEALTHY) is not VerdictStatus.BREACHED


# ---------------------------------------------------------------- alerts and flags


def test_the_alerts_are_an_alertmanager_payload_and_end_as_what_began() -> None:
    start = datetime(2026, 3, 2, 12, tzinfo=UTC)
    fired = parse_alertmanager(json.dumps(alarm.payload(start)).encode(), "alertmanager")
    ended = parse_alertmanager(json.dumps(alarm.payload(start, start + timedelta(minutes=5))).encode(), "alertmanager")
    assert [each.name for each in fired] == ["p95_latency_regression", "manual_correction_rate_up"]
    assert {each.status for each in ended} == {SignalStatus.RESOLVED}
    assert [each.fingerprint for each in fired] == [each.fingerprint for each in ended]
    assert len({each.fingerprint for each in fired}) == 2


def test_the_first_flags_are_complete_and_widening_moves_nobody_out() -> None:
    state = scenario.initial_state(date(2026, 3, 2))
    for control in state.controls.values():
        check_control(control)
    wide = SetWeights(flag=scenario.PROFILE, rule=scenario.ROLLOUT_RULE, weights=scenario.weights(10))
    before, after = state.snapshot(), apply_all(state, (wide,)).snapshot()
    for asked in islice(conversations(7), 3_000):
        context = {"targetingKey": asked.targeting_key, **asked.context}
        was, now = (evaluate(each, scenario.PROFILE, context) for each in (before, after))
        assert now.rule == ("internal" if asked.email else None if asked.plan == "free" else scenario.ROLLOUT_RULE)
        assert was.variation in (now.variation, scenario.BASELINE)


# ---------------------------------------------------------------- small things


def test_a_port_that_is_taken_is_replaced_by_a_free_one() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        assert free_port(port) not in (0, port)


def test_what_does_not_come_in_time_breaks_the_link() -> None:
    with pytest.raises(Broken, match="triage: no finding within 0 seconds"):
        wait_for("triage", "finding", lambda: None, seconds=0.01, pause=0.01)


def test_passwords_are_long_enough_and_differ() -> None:
    made = {new_password() for _ in range(100)}
    assert len(made) == 100
    assert all(len(each) >= 12 for each in made)


def test_long_lines_are_wrapped_under_their_step_and_ids_stay_whole() -> None:
    out = io.StringIO()
    Screen(out).step("signal", "word " * 16 + "proposal-0123456789ab " + "word " * 10)
    lines = out.getvalue().splitlines()
    assert lines[0].startswith("  1 signal    word")
    assert all(len(each) <= 100 for each in lines)
    assert "proposal-0123456789ab" in lines[1]
    assert lines[1].startswith(" " * 14)
