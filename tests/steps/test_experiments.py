"""Experiments: what decides is fixed before they begin, results hold at any number of looks, harm outweighs success."""

from __future__ import annotations

import random
from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path

import msgspec
import numpy as np
import pytest

from tests.support.traffic import encounter
from tests.support.world import ENVIRONMENT, FLAG, PRESENT, PROJECT, START, World, plain_control, support_control
from twokey.domain.control import Control
from twokey.domain.drafting import Draft
from twokey.domain.errors import Refused
from twokey.domain.experiment import ALPHA, Advice, Better, Experiment, Finding, Primary, conclude
from twokey.domain.guardrail import ArmFigures, GuardrailKind, StageArms, judge
from twokey.domain.identity import Actor
from twokey.domain.operation import EditControl, Operation, SetExperiment, SetWeights
from twokey.domain.proposal import Proposal
from twokey.domain.telemetry import Scope
from twokey.engine.errors import Invalid
from twokey.engine.wire import MetricEvent, TelemetryBatch
from twokey.steps.draft_proposal import draft
from twokey.steps.read_experiment import Read, of_flag, running
from twokey.steps.review_proposal import approve

SOLVED = Primary(metric="solved", kind=GuardrailKind.RATE, better=Better.HIGHER, title="solved at once")
EXPERIMENT = Experiment(
    key="reranker",
    hypothesis="reranked passages solve more questions at once",
    candidate="reranker_v2",
    rule="pro-10",
    primary=SOLVED,
    ends=date(2026, 11, 9),
)


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    made = World(tmp_path, watched(), plain_control("new_header"))
    yield made
    made.close()


def watched() -> Control:
    """An even split, with one guardrail that doubles before anybody minds."""
    control = support_control(50_000)
    guardrail = msgspec.structs.replace(control.guardrails[1], margin=1.0)
    return msgspec.structs.replace(control, guardrails=(guardrail,))


def drafted(world: World, *operations: Operation, by: Actor | None = None, justification: str = "") -> Proposal:
    wanted = Draft(
        project=PROJECT,
        environment=ENVIRONMENT,
        operations=operations,
        reason="to find out",
        justification=justification,
    )
    return draft(world.store, world.telemetry, by or world.viewer, wanted)


def done(world: World, *operations: Operation, justification: str = "") -> Proposal:
    proposal = drafted(world, *operations, justification=justification)
    approve(world.store, world.ines, proposal.id, proposal.digest, PRESENT)
    approve(world.store, world.mara, proposal.id, proposal.digest, PRESENT)
    world.clock.forward(seconds=1)
    return proposal


def begun(world: World, experiment: Experiment = EXPERIMENT) -> Proposal:
    return done(world, SetExperiment(flag=FLAG, experiment=experiment))


def met(
    world: World, units: int, *, solved: tuple[float, float], corrected: tuple[float, float] = (0.2, 0.2), seed: int = 1
) -> None:
    """Half an hour of conversations: the shares of candidate and baseline that are solved and corrected."""
    world.clock.forward(minutes=31)
    chance = random.Random(seed)
    exposures, metrics = [], []
    for number in range(units):
        unit, at = f"x-{seed}-{number}", world.clock() - timedelta(minutes=30) * (1 - number / units)
        met_it = encounter(world.snapshot, {"conversation": unit, "targetingKey": "u", "plan": "pro"}, at)
        arm = 0 if met_it.assigned == "reranker_v2" else 1
        exposures.append(met_it)
        for metric, shares in (("solved", solved), ("manual_correction", corrected)):
            value = float(chance.random() < shares[arm])
            late = at + timedelta(seconds=1)
            metrics.append(MetricEvent(metric=metric, value=value, unit=unit, unit_name="conversation", at=late))
    world.telemetry.add(
        Scope(project=PROJECT, environment=ENVIRONMENT),
        TelemetryBatch(batch_id=f"x-{seed}", exposures=tuple(exposures), metrics=tuple(metrics)),
        source="test",
        received_at=world.clock(),
    )


def paid(world: World, units: int) -> None:
    """Half an hour of conversations: the candidate gives twice the answers, each for a fifth less."""
    world.clock.forward(minutes=31)
    chance = random.Random(2)
    exposures, metrics = [], []
    for number in range(units):
        unit, at = f"p-{number}", world.clock() - timedelta(minutes=30) * (1 - number / units)
        met_it = encounter(world.snapshot, {"conversation": unit, "targetingKey": "u", "plan": "pro"}, at)
        ours = met_it.assigned == "reranker_v2"
        exposures.append(met_it)
        answers = chance.randint(1, 3) * (2 if ours else 1)
        told = {
            "answers": answers,
            "cost": answers * (0.8 if ours else 1.0) * chance.uniform(0.5, 1.5),
            "manual_correction": float(chance.random() < 0.2),
        }
        late = at + timedelta(seconds=1)
        metrics += [
            MetricEvent(metric=name, value=value, unit=unit, unit_name="conversation", at=late)
            for name, value in told.items()
        ]
    batch = TelemetryBatch(batch_id="p", exposures=tuple(exposures), metrics=tuple(metrics))
    where = Scope(project=PROJECT, environment=ENVIRONMENT)
    world.telemetry.add(where, batch, source="test", received_at=world.clock())


def read(world: World) -> Read:
    return of_flag(world.store, world.telemetry, PROJECT, ENVIRONMENT, FLAG)[0]


# ---------------------------------------------------------------- what came of it


CHEAPER = Primary(metric="cost", denominator="answers", kind=GuardrailKind.RATIO, better=Better.LOWER, unit_label="ct")
COSTS = msgspec.structs.replace(CHEAPER, kind=GuardrailKind.MEAN, denominator="")


@pytest.mark.parametrize(
    ("primary", "finding", "told"),
    [(CHEAPER, Finding.BETTER, "cost to answers: 0.79"), (COSTS, Finding.WORSE, "cost: 3.1")],
    ids=["for each answer", "for each conversation"],
)
def test_what_an_answer_costs_may_decide_where_the_candidate_gives_more_of_them(
    world: World, primary: Primary, finding: Finding, told: str
) -> None:
    begun(world, msgspec.structs.replace(EXPERIMENT, primary=primary))
    paid(world, 3000)
    found = read(world).outcome
    assert found.finding is finding
    assert found.sentence.startswith(told)


def test_a_hypothesis_that_holds_while_nothing_is_harmed_goes_on(world: World) -> None:
    begun(world)
    met(world, 3000, solved=(0.6, 0.4))
    found = read(world).outcome
    assert (found.finding, found.advice) == (Finding.BETTER, Advice.CONTINUE)
    assert found.interval is not None
    low, high = found.interval
    assert low is not None
    assert high is not None
    assert 1 < low < 1.5 < high
    assert found.sentence.startswith("solved at once: ")
    assert "the difference is between +" in found.sentence
    assert "95 % sure, at any number of looks" in found.sentence
    assert running(world.store, world.telemetry, PROJECT, ENVIRONMENT)[0].flag == FLAG


def test_no_difference_is_inconclusive_and_says_when_its_time_is_over(world: World) -> None:
    begun(world)
    met(world, 2000, solved=(0.4, 0.4))
    found = read(world).outcome
    assert (found.finding, found.advice) == (Finding.UNDECIDED, Advice.INCONCLUSIVE)
    assert "it may go on" in found.because
    world.clock.forward(days=10)
    assert "its time ended on 2026-11-09" in read(world).outcome.because


def test_what_does_worse_on_what_it_was_to_improve_is_taken_back(world: World) -> None:
    begun(world)
    met(world, 3000, solved=(0.3, 0.5))
    found = read(world).outcome
    assert (found.finding, found.advice) == (Finding.WORSE, Advice.ROLL_BACK)


def test_a_breached_guardrail_outweighs_a_hypothesis_that_holds(world: World) -> None:
    begun(world)
    met(world, 3000, solved=(0.6, 0.4), corrected=(0.6, 0.1))
    found = read(world).outcome
    assert (found.finding, found.advice) == (Finding.BETTER, Advice.ROLL_BACK)
    assert "manual_correction" in found.because


def test_what_cannot_be_judged_pauses(world: World) -> None:
    begun(world)
    found = read(world).outcome
    assert (found.finding, found.advice) == (Finding.CANNOT_JUDGE, Advice.PAUSE)


def test_where_less_is_better_the_same_figures_mean_the_opposite(world: World) -> None:
    begun(world, msgspec.structs.replace(EXPERIMENT, primary=msgspec.structs.replace(SOLVED, better=Better.LOWER)))
    met(world, 3000, solved=(0.6, 0.4))
    assert read(world).outcome.finding is Finding.WORSE


def test_what_was_assigned_before_it_began_counts_for_nothing(world: World) -> None:
    met(world, 3000, solved=(0.9, 0.1))
    begun(world)
    met(world, 400, solved=(0.4, 0.4), seed=2)
    found = read(world).outcome
    assert found.finding is Finding.UNDECIDED
    assert found.primary.candidate_units + found.primary.baseline_units <= 400


def test_looking_all_the_time_finds_nothing_where_nothing_is() -> None:
    """An A/A test, looked at after every fifty units: a t-test at each look would err in some 40 % of runs."""
    chance, wrong = np.random.default_rng(11), 0
    watched, runs = SOLVED.watched(), 300
    for _ in range(runs):
        counts = chance.binomial(50, 0.4, size=(2, 40)).cumsum(axis=1)
        for look in range(1, 40, 2):
            units = 50 * (look + 1)
            arms = [_arm(units, int(count)) for count in counts[:, look]]
            stage = StageArms(rule="pro-10", stage=1, share=0.5, candidate=arms[0], baseline=arms[1])
            verdict = judge(watched, [stage], alpha=ALPHA / 2)
            found = conclude(EXPERIMENT, verdict, (), (), START)
            if found.finding not in (Finding.UNDECIDED, Finding.CANNOT_JUDGE):
                wrong += 1
                break
    assert wrong <= ALPHA * runs


def _arm(units: int, failures: int) -> ArmFigures:
    return ArmFigures(units=units, joined_units=units, failures=failures, mean=failures / units)


# ---------------------------------------------------------------- what is fixed


OTHER = msgspec.structs.replace(EXPERIMENT, primary=msgspec.structs.replace(SOLVED, metric="reopened"))


def test_an_assistant_may_not_even_draft_another_metric_mid_test(world: World) -> None:
    begun(world)
    for edit in (SetExperiment(flag=FLAG, experiment=OTHER), EditControl(flag=FLAG, guardrails=())):
        with pytest.raises(Refused, match="warn"):
            drafted(world, edit, by=world.agent)
    assert drafted(world, SetExperiment(flag=FLAG, experiment=None), by=world.agent).policy_row == "edit"


def test_people_change_it_with_a_justification_alone_and_the_result_is_marked_for_good(world: World) -> None:
    begun(world)
    change = SetExperiment(flag=FLAG, experiment=OTHER)
    unjustified = drafted(world, change)
    with pytest.raises(Refused, match="justification"):
        approve(world.store, world.ines, unjustified.id, unjustified.digest, PRESENT)
        approve(world.store, world.mara, unjustified.id, unjustified.digest, PRESENT)
    done(world, change, justification="solved is counted twice since the release of 4.2")
    found = read(world).outcome
    (mark,) = found.marks
    assert mark.what == "it was judged by solved, and is by reopened"
    assert mark.justification == "solved is counted twice since the release of 4.2"
    assert "what was fixed at the start was changed while it ran" in found.sentence


def test_an_edit_of_its_split_is_allowed_and_marks_the_result(world: World) -> None:
    begun(world)
    done(world, SetWeights(flag=FLAG, rule="pro-10", weights=(("reranker_v2", 20_000), ("baseline", 80_000))))
    assert [each.what for each in read(world).outcome.marks] == [
        "its split was changed (figures are kept apart by stage)"
    ]


def test_it_ends_by_a_proposal_and_the_next_one_is_a_run_of_its_own(world: World) -> None:
    begun(world)
    met(world, 3000, solved=(0.6, 0.4))
    done(world, SetExperiment(flag=FLAG, experiment=None))
    begun(world, msgspec.structs.replace(EXPERIMENT, key="again"))
    met(world, 3000, solved=(0.4, 0.4), seed=2)
    newest, first = of_flag(world.store, world.telemetry, PROJECT, ENVIRONMENT, FLAG)
    assert (newest.trial.experiment.key, newest.trial.ended_at) == ("again", None)
    assert (first.trial.experiment.key, first.outcome.finding) == ("reranker", Finding.BETTER)
    assert first.trial.ended_at is not None
    assert newest.outcome.finding is Finding.UNDECIDED
    assert not newest.outcome.marks


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        ({"key": " "}, "key"),
        ({"hypothesis": ""}, "hypothesis"),
        ({"rule": "nowhere"}, "rule"),
        ({"rule": "internal"}, "candidate"),
        ({"rule": None}, "candidate"),
        ({"candidate": "baseline"}, "candidate"),
        ({"primary": msgspec.structs.replace(SOLVED, kind=GuardrailKind.FALLBACK)}, "primary.kind"),
        ({"primary": msgspec.structs.replace(SOLVED, kind=GuardrailKind.RATIO)}, "primary.denominator"),
        ({"primary": msgspec.structs.replace(SOLVED, metric="manual_correction")}, "primary.metric"),
    ],
)
def test_what_cannot_be_found_out_does_not_begin(world: World, wrong: dict[str, object], field: str) -> None:
    with pytest.raises(Invalid, match=f"experiment: {field}"):
        begun(world, msgspec.structs.replace(EXPERIMENT, **wrong))
