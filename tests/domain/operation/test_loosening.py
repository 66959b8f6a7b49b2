"""No limit, role or date is loosened without that counting as widening; tightening one does not."""

from dataclasses import dataclass
from datetime import date
from typing import Any

import pytest
from msgspec.structs import replace

from tests.support.states import boolean_flag, control, running, state_of
from twokey.domain import operation as op
from twokey.domain.control import Control, Kind, State, Surface, Upkeep
from twokey.domain.guardrail import Guardrail, GuardrailKind, Worse
from twokey.domain.operation import Effect
from twokey.engine import Prerequisite, Variation

NEITHER, WIDENS = Effect.NEITHER, Effect.WIDENS
EARLY, LATE = date(2026, 1, 1), date(2026, 6, 1)
GUARD = Guardrail(key="latency", metric="ms", kind=GuardrailKind.TAIL, limit=800, quantile=0.95, margin=0.25)
RATIO = Guardrail(key="cost", metric="cost", denominator="answers", kind=GuardrailKind.RATIO, limit=2)
FLOOR = Guardrail(key="solved", metric="solved", kind=GuardrailKind.RATE, limit=0.9, worse=Worse.LOWER)
HELD = control(
    boolean_flag("f", prerequisites=(Prerequisite(flag="a", variations=("on",)),)),
    kind=Kind.TEMPORARY,
    review_date=EARLY,
    cleanup_condition="the candidate is the baseline",
    approvers=("sre", "ml"),
    guardrails=(GUARD, FLOOR, RATIO),
    upkeep={"variation:on": Upkeep(owner="ann", review_date=EARLY)},
    caution=("off", "on"),
    schema={"type": "boolean"},
)


def before(held: Control = HELD) -> State:
    return state_of(held, boolean_flag("a"))


@dataclass
class Case:
    edit: op.Operation
    effect: Effect
    says: str = ""


def edited(effect: Effect, says: str = "", **fields: Any) -> Case:
    return Case(op.EditControl(flag="f", **fields), effect, says)


def guarded(effect: Effect, says: str = "", of: Guardrail = GUARD, **fields: Any) -> Case:
    others = [each for each in HELD.guardrails if each.key != of.key]
    return edited(effect, says, guardrails=(replace(of, **fields), *others))


CASES = {
    "another owner": edited(WIDENS, "owner changes from `ann` to `bob`", owner="bob"),
    "fewer approvers": edited(WIDENS, "`ml` need no longer approve", approvers=("sre",)),
    "other approvers": edited(WIDENS, "`sre` need no longer", approvers=("ml", "sec", "qa")),
    "more approvers": edited(NEITHER, approvers=("sre", "ml", "sec")),
    "approvers in another order": edited(NEITHER, approvers=("ml", "sre")),
    "another surface": edited(WIDENS, "the rules that apply", surface=Surface.TOOL),
    "later review": edited(WIDENS, "from 2026-01-01 to 2026-06-01", review_date=LATE),
    "earlier review": edited(NEITHER, review_date=date(2025, 1, 1)),
    "permanent": edited(WIDENS, "becomes permanent", kind=Kind.PERMANENT, permanent_because="x", review_date=None),
    "another condition": edited(WIDENS, "cleanup condition", cleanup_condition="never"),
    "words": edited(NEITHER, purpose="other words", workflow="other"),
    "no guardrail": edited(WIDENS, "`latency` is taken away", guardrails=(FLOOR, RATIO)),
    "one guardrail more": edited(NEITHER, guardrails=(GUARD, FLOOR, RATIO, replace(GUARD, key="more"))),
    "higher limit": guarded(WIDENS, "loosened: limit", limit=900),
    "lower limit": guarded(NEITHER, limit=700),
    "lower floor": guarded(WIDENS, "`solved` is loosened: limit", of=FLOOR, limit=0.8),
    "higher floor": guarded(NEITHER, of=FLOOR, limit=0.95),
    "more margin": guarded(WIDENS, "margin", margin=0.5),
    "less margin": guarded(NEITHER, margin=0.1),
    "lower quantile": guarded(WIDENS, "quantile", quantile=0.9),
    "less coverage": guarded(WIDENS, "coverage_floor", coverage_floor=0.1),
    "fewer units": guarded(WIDENS, "minimum_units", minimum_units=1),
    "more units": guarded(WIDENS, "minimum_units", minimum_units=10_000),
    "another weight": guarded(WIDENS, "weight", weight=2.0),
    "another metric": guarded(WIDENS, "metric", metric="other"),
    "another denominator": guarded(WIDENS, "`cost` is loosened: denominator", of=RATIO, denominator="calls"),
    "one limit more": guarded(WIDENS, "`latency` is loosened: other_limits", other_limits=(400,)),
    "another direction": guarded(WIDENS, "worse", worse=Worse.LOWER),
    "another title": guarded(NEITHER, title="p95 latency"),
    "upkeep later": edited(WIDENS, "variation:on", upkeep={"variation:on": Upkeep(owner="ann", review_date=LATE)}),
    "upkeep gone": edited(WIDENS, "variation:on", upkeep={}),
    "upkeep earlier": edited(NEITHER, upkeep={"variation:on": Upkeep(owner="ann", review_date=date(2025, 1, 1))}),
    "caution turned": Case(op.SetCaution(flag="f", caution=("on", "off")), WIDENS, "order of caution"),
    "caution dropped": Case(op.SetCaution(flag="f", caution=()), NEITHER),
    "schema dropped": Case(op.SetSchema(flag="f", schema=None), WIDENS, "schema goes"),
    "schema changed": Case(op.SetSchema(flag="f", schema={}), WIDENS, "another one"),
    "hidden from clients": Case(op.SetClientVisible(flag="f", client_visible=True), WIDENS, "are given the flag"),
    "waits no longer": Case(op.SetPrerequisites(flag="f", prerequisites=()), WIDENS, "waits for `a` no longer"),
    "waits for more": Case(
        op.SetPrerequisites(flag="f", prerequisites=(Prerequisite(flag="a", variations=("on", "off")),)),
        WIDENS,
        "serve more than it did",
    ),
    "another baseline": Case(op.SetBaseline(flag="f", variation="on"), WIDENS, "from `off` to `on`"),
}


@pytest.mark.parametrize("name", CASES)
def test_an_edit_of_a_control_is_judged_by_what_it_holds_less_tightly(name: str) -> None:
    case = CASES[name]
    report = op.effect(before(), op.apply(before(), case.edit))
    assert report.effect is case.effect
    assert case.says in report.flags[0].because
    assert op.effect(before(), before()).flags == ()


def test_a_loosening_widens_a_change_that_else_only_narrows() -> None:
    held = replace(HELD, flag=boolean_flag("f"))
    done = (op.SetEnabled(flag="f", enabled=False), op.EditControl(flag="f", approvers=()))
    assert op.effect(before(held), op.apply_all(before(held), done[:1])).effect is Effect.NARROWS
    assert op.effect(before(held), op.apply_all(before(held), done)).effect is WIDENS


def test_what_goes_with_its_rule_or_variation_needs_nobody_to_look_after_it() -> None:
    spare = Variation(key="spare", value=True)
    add = op.AddVariation(flag="f", variation=spare, upkeep=Upkeep(owner="ann", review_date=EARLY))
    held = op.apply(before(), add)
    assert op.effect(held, op.apply(held, op.RemoveVariation(flag="f", variation="spare"))).effect is NEITHER


def test_what_an_experiment_is_judged_by_does_not_change_while_it_runs() -> None:
    held = replace(HELD, experiment=running())
    for edit in (op.SetExperiment(flag="f", experiment=running("solved")), op.EditControl(flag="f", guardrails=())):
        known = before(held)
        report = op.effect(known, op.apply_all(known, [edit]))
        assert report.effect is WIDENS
    known = before(held)
    ended = op.apply_all(known, [op.SetExperiment(flag="f", experiment=None)])
    assert op.effect(known, ended).effect is op.Effect.NEITHER
