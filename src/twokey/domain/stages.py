"""Stages: the periods of constant shares of a rule, read off the versions of its flag.

Rule: a stage opens at every change of a rule's shares, salt, unit or order, and when the flag is switched on; edits
that leave all of these alone do not end it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from twokey.domain.control import Control
from twokey.domain.guardrail import Guardrail, GuardrailKind, fallback_guardrail
from twokey.domain.telemetry import StagePlan
from twokey.engine.flag import Flag, Serve

Version = tuple[int, Control | None]
"""A flag's revision and what the flag was from then on (nothing where it did not exist)."""
Split = tuple[tuple[tuple[str, int], ...], str, str | None]
"""What makes a stage: weights in their order, unit and salt."""


def stage_plans(versions: Sequence[Version]) -> tuple[StagePlan, ...]:
    """The stages of every rule that ever split this flag's traffic, oldest first."""
    ordered = sorted(versions, key=lambda each: each[0])
    rules = {rule for _, control in ordered if control for rule, _ in _serves(control.flag)}
    plans = [plan for rule in rules for plan in _plans(rule, ordered)]
    return tuple(sorted(plans, key=lambda plan: (plan.first_revision, plan.rule or "")))


def _plans(rule: str | None, versions: Sequence[Version]) -> Iterable[StagePlan]:
    current: Split | None = None
    shares: dict[str, float] = {}
    first = last = 0
    for revision, control in versions:
        split = _split(control, rule)
        if split != current:
            if current is not None:
                yield StagePlan(rule=rule, first_revision=first, last_revision=last, shares=shares)
            current, first, shares = split, revision, dict(split[0]) if split else {}
        last = revision
    if current is not None:
        yield StagePlan(rule=rule, first_revision=first, last_revision=None, shares=shares)


def _split(control: Control | None, rule: str | None) -> Split | None:
    """What makes a stage: weights in order, unit and salt of a rule's rollout while the flag is on."""
    if control is None or control.archived or not control.flag.enabled:
        return None
    rollout = next((serve.rollout for name, serve in _serves(control.flag) if name == rule), None)
    if rollout is None:
        return None
    flag = control.flag
    return tuple(rollout.weights), rollout.unit or flag.unit, rollout.salt or flag.salt


def _serves(flag: Flag) -> Iterable[tuple[str | None, Serve]]:
    return [*((rule.id, rule.serve) for rule in flag.rules), (None, flag.otherwise)]


def has_both_arms(plan: StagePlan, baseline: str) -> bool:
    """Whether a stage gives some units the baseline and some something else."""
    return weight(plan.shares, baseline) > 0 and any(
        value > 0 for variation, value in plan.shares.items() if variation != baseline
    )


def split_plans(versions: Sequence[Version], baseline: str) -> tuple[StagePlan, ...]:
    """The stages that had both arms: those whose figures can be compared."""
    return tuple(plan for plan in stage_plans(versions) if has_both_arms(plan, baseline))


def with_fallback(guardrails: Sequence[Guardrail]) -> tuple[Guardrail, ...]:
    """The guardrails of a flag with the built-in one on units that were served something else than assigned."""
    if not guardrails or any(each.kind is GuardrailKind.FALLBACK for each in guardrails):
        return tuple(guardrails)
    return (*guardrails, fallback_guardrail())


def weight(shares: Mapping[str, float], variation: str) -> float:
    """The planned weight of one variation."""
    return shares.get(variation, 0)
