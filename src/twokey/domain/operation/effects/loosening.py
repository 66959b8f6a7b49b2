"""What of a control is loosened by a change: limits, roles, dates, the safe variation, the order of caution.

Rule: what is not known to tighten counts as loosening. Words that only explain (purpose, workflow, a title) loosen
nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from twokey.domain.control import Control, Kind, Upkeep, is_judged_otherwise
from twokey.domain.guardrail import Guardrail, Worse
from twokey.engine.canonical import canonical


def loosened(before: Control, after: Control) -> tuple[str, ...]:
    """A sentence for each thing that the control after holds less tightly than the one before."""
    return tuple(sentence for check in _CHECKS for sentence in check(before, after))


def _owner(before: Control, after: Control) -> Iterator[str]:
    if before.owner != after.owner:
        yield f"the owner changes from `{before.owner}` to `{after.owner}`"


def _approvers(before: Control, after: Control) -> Iterator[str]:
    if missing := sorted(set(before.approvers) - set(after.approvers)):
        yield f"`{missing[0]}` need no longer approve"


def _surface(before: Control, after: Control) -> Iterator[str]:
    if before.surface != after.surface:
        yield f"the surface changes from `{before.surface}` to `{after.surface}`, and with it the rules that apply"


def _lifetime(before: Control, after: Control) -> Iterator[str]:
    if before.kind is Kind.TEMPORARY and after.kind is Kind.PERMANENT:
        yield "a temporary control becomes permanent"
    if before.review_date is not None and (after.review_date is None or after.review_date > before.review_date):
        yield f"the review moves from {before.review_date} to {after.review_date or 'never'}"
    if before.cleanup_condition and before.cleanup_condition != after.cleanup_condition:
        yield "the cleanup condition is another one"


def _upkeep(before: Control, after: Control) -> Iterator[str]:
    present = {f"rule:{each.id}" for each in after.flag.rules} | {
        f"variation:{each.key}" for each in after.flag.variations
    }
    for name, one in sorted(before.upkeep.items()):
        other = after.upkeep.get(name)
        if name in present and (other is None or _looser_upkeep(one, other)):
            yield f"`{name}` is looked after by somebody else, or later"


def _looser_upkeep(before: Upkeep, after: Upkeep) -> bool:
    return before.owner != after.owner or after.review_date > before.review_date


def _guardrails(before: Control, after: Control) -> Iterator[str]:
    for one in before.guardrails:
        other = after.guardrail(one.key)
        if other is None:
            yield f"the guardrail `{one.key}` is taken away"
        elif fields := _looser_fields(one, other):
            yield f"the guardrail `{one.key}` is loosened: {', '.join(fields)}"


def _looser_fields(before: Guardrail, after: Guardrail) -> list[str]:
    higher = before.worse is Worse.HIGHER
    looser = {
        "limit": after.limit > before.limit if higher else after.limit < before.limit,
        "margin": after.margin > before.margin,
        "quantile": after.quantile < before.quantile,
        "coverage_floor": after.coverage_floor < before.coverage_floor,
        # Neither direction is known to be the stricter one.
        "minimum_units": after.minimum_units != before.minimum_units,
        "weight": after.weight != before.weight,
        "other_limits": set(after.other_limits) != set(before.other_limits),
        "metric": after.metric != before.metric,
        "denominator": after.denominator != before.denominator,
        "kind": after.kind != before.kind,
        "worse": after.worse != before.worse,
    }
    return [field for field, is_looser in looser.items() if is_looser]


def _baseline(before: Control, after: Control) -> Iterator[str]:
    old, new = before.flag.baseline, after.flag.baseline
    if old != new:
        yield f"the baseline changes from `{old}` to `{new}`"
    elif canonical(before.flag.value_of(old)) != canonical(after.flag.value_of(new)):
        yield f"the value of the baseline `{old}` changes"


def _prerequisites(before: Control, after: Control) -> Iterator[str]:
    kept = {each.flag: each.variations for each in after.flag.prerequisites}
    for each in before.flag.prerequisites:
        if each.flag not in kept:
            yield f"it waits for `{each.flag}` no longer"
        elif not set(kept[each.flag]) <= set(each.variations):
            yield f"it waits for `{each.flag}` to serve more than it did"


def _caution(before: Control, after: Control) -> Iterator[str]:
    kept = iter(before.caution)
    if not all(any(each == known for known in kept) for each in after.caution):
        yield "the order of caution says more, or something else, than it did"


def _schema(before: Control, after: Control) -> Iterator[str]:
    if before.schema is not None and canonical(before.schema) != canonical(after.schema):
        yield "the schema of the values is another one" if after.schema is not None else "the values' schema goes"


def _visibility(before: Control, after: Control) -> Iterator[str]:
    if before.flag.client_visible != after.flag.client_visible:
        got = "are given the flag" if after.flag.client_visible else "fall back to their own default"
        yield f"clients on people's devices {got}"


def _experiment(before: Control, after: Control) -> Iterator[str]:
    if is_judged_otherwise(before, after):
        yield "the experiment that runs is judged otherwise"


_CHECKS: tuple[Callable[[Control, Control], Iterator[str]], ...] = (
    _owner,
    _approvers,
    _surface,
    _lifetime,
    _upkeep,
    _guardrails,
    _baseline,
    _prerequisites,
    _caution,
    _schema,
    _visibility,
    _experiment,
)
