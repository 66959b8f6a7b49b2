"""What a change *is*, computed from both states for the decision matrix; never taken from a label.

Rules kept here:
- deleting, archiving and changing an experiment's metrics have rows of their own in the matrix, so such a change does
  nothing else that widens: it is refused, and the other part belongs into a proposal of its own;
- what widens what somebody gets is an expansion, whatever else it does;
- of several narrower things, the most disruptive one names the whole.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum

from msgspec.structs import replace

from twokey.domain.control import State, Surface, is_judged_otherwise
from twokey.domain.operation.content import changed_flags, same_content
from twokey.domain.operation.effects import Comparison, Effect, effect
from twokey.domain.operation.kinds import Operation
from twokey.engine.errors import Invalid
from twokey.engine.flag import Flag, Serve


class Action(StrEnum):
    """The kinds of change that the decision matrix and the control ladder tell apart."""

    NOTHING = "nothing"
    PAUSE_ROLLOUT = "pause_rollout"
    EXCLUDE_COHORT = "exclude_cohort"
    REDUCE_ROLLOUT = "reduce_rollout"
    MOVE_TO_BASELINE = "move_to_baseline"
    DISABLE_TOOL = "disable_tool"
    ROLL_BACK = "roll_back"
    KILL_SWITCH = "kill_switch"
    EXPAND_ROLLOUT = "expand_rollout"
    ARCHIVE = "archive"
    DELETE = "delete"
    CHANGE_METRICS = "change_metrics"
    CREATE_FLAG = "create_flag"
    EDIT_CONTROL = "edit_control"
    OTHER = "other"


_DISRUPTION = (
    Action.OTHER,
    Action.EXCLUDE_COHORT,
    Action.REDUCE_ROLLOUT,
    Action.MOVE_TO_BASELINE,
    Action.DISABLE_TOOL,
    Action.ROLL_BACK,
    Action.KILL_SWITCH,
)
"""Narrowing actions, the least disruptive first."""


def action_of(before: State, after: State, operations: Sequence[Operation]) -> Action:
    """What the step from `before` to `after` is. `operations` only say whether anything was asked for at all.

    Raises Invalid where it mixes what the matrix keeps apart.
    """
    if not operations or same_content(before, after):
        return Action.NOTHING
    changed = changed_flags(before, after)
    if special := _special(before, after, changed):
        _check_alone(before, after, changed, special)
        return next(iter(sorted(special)))
    return _by_effect(before, after, changed)


def _special(before: State, after: State, changed: frozenset[str]) -> set[Action]:
    """Which of the actions with a row of their own occur."""
    found = set()
    for key in changed & before.controls.keys():
        one, other = before.controls[key], after.controls.get(key)
        if other is None:
            found.add(Action.DELETE)
        elif other.archived and not one.archived:
            found.add(Action.ARCHIVE)
        elif is_judged_otherwise(one, other):
            found.add(Action.CHANGE_METRICS)
    return found


def _check_alone(before: State, after: State, changed: frozenset[str], special: set[Action]) -> None:
    """Refuse a change of which another part widens: leave the special part away and look at the effect of the rest."""
    named = " and ".join(sorted(special))
    accepted = "each of these in a proposal of its own"
    if len(special) > 1:
        raise Invalid("operations", f"they are `{named}` at once", accepted)
    controls = dict(after.controls)
    for key in changed & before.controls.keys():
        one, other = before.controls[key], after.controls.get(key)
        if other is None or (other.archived and not one.archived):
            controls[key] = one
        else:
            controls[key] = replace(other, experiment=one.experiment, guardrails=one.guardrails)
    rest = effect(before, replace(after, controls=controls))
    if rest.effect is Effect.WIDENS:
        raise Invalid("operations", f"they are `{named}`, and beside it: {rest.flags[0].because}", accepted)


def _by_effect(before: State, after: State, changed: frozenset[str]) -> Action:
    comparison = Comparison(before, after)
    report = comparison.report()
    moved = [each.flag for each in report.flags if comparison.moves(each.flag)]
    new = after.controls.keys() - before.controls.keys()
    if new and changed <= new and not any(after.controls[key].flag.enabled for key in new):
        return Action.CREATE_FLAG
    if not moved:
        return Action.EDIT_CONTROL
    if any(comparison.widens(key) for key in moved):
        return Action.EXPAND_ROLLOUT
    actions = [_narrowing(comparison, key) for key in moved if key in changed or not changed & set(moved)]
    return max(actions, key=_DISRUPTION.index, default=Action.OTHER)


def _narrowing(comparison: Comparison, key: str) -> Action:
    """What a change is that only narrows what this flag gives."""
    one, other = comparison.published(key)
    if other is None:
        return Action.OTHER
    if not _only_baseline(comparison, key, other):
        return Action.OTHER if one is None else _partial(one, other)
    if comparison.after.controls[key].surface is Surface.TOOL:
        return Action.DISABLE_TOOL
    return Action.ROLL_BACK if other.enabled else Action.KILL_SWITCH


def _only_baseline(comparison: Comparison, key: str, after: Flag) -> bool:
    pairs = comparison.pairs(key)
    return pairs is not None and all(pair.after == after.baseline for pair in pairs)


def _partial(before: Flag, after: Flag) -> Action:
    """Narrower for some: by what is served where, or by who is let in."""
    served = {each.id: each.serve for each in before.rules} | {None: before.otherwise}
    serves = {each.id: each.serve for each in after.rules} | {None: after.otherwise}
    edited = [served[place] for place in served.keys() & serves.keys() if served[place] != serves[place]]
    if not edited:
        return Action.EXCLUDE_COHORT
    return Action.MOVE_TO_BASELINE if any(map(_fixed, edited)) else Action.REDUCE_ROLLOUT


def _fixed(serve: Serve) -> bool:
    return serve.rollout is None
