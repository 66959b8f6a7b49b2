"""How an environment is governed, and which kind of change asks for whose keys.

Rules kept here:
- the row is chosen by what the operations really do (effect, action), never by what somebody calls them;
- what widens needs at least the approvers of what narrows, and the environment's approvers for widening as well;
- who changes a flag's owner or approvers changes who may turn keys: the security role must agree to that;
- an environment that takes no keys needs nobody's.

Whether a kind of change is allowed at all is written policy: see `permission`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

import msgspec

from twokey.domain.control import Control, State
from twokey.domain.identity import Role
from twokey.domain.operation import Action, Effect
from twokey.engine.errors import Invalid

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}", re.ASCII)
NAME_RULE = "1 to 64 characters: letters a-z A-Z, digits, `_` and `-`, beginning with a letter or digit"


class Environment(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """How one environment is governed. Environments start guarded."""

    project: str
    key: str
    guarded: bool = True
    approvers: tuple[str, ...] = ("release_manager",)
    widening_approvers: tuple[str, ...] = ("release_manager",)
    proposal_hours: float = 4.0
    approval_hours: float = 4.0
    internal_segment: str = "internal-staff"


def check_name(field: str, name: str) -> None:
    """Raise Invalid unless this can name a project or an environment: a part of paths, grants and policies."""
    if not _NAME.fullmatch(name):
        raise Invalid(field, f"`{name}` is no name of one", NAME_RULE)


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """One kind of change that the written policy tells apart. `needs` names what a person must have recorded for it."""

    key: str
    says: str
    needs: str = ""


ROWS = {
    row.key: row
    for row in (
        Row(key="pause", says="pause a rollout"),
        Row(key="reduce", says="reduce exposure"),
        Row(key="disable_tool", says="disable one AI agent tool"),
        Row(key="kill", says="activate a kill switch"),
        Row(key="change_metrics", says="change experiment metrics mid-test", needs="justification"),
        Row(key="archive", says="delete or archive a flag", needs="code_reference_review"),
        Row(key="expand", says="expand exposure, or what cannot be shown to narrow it"),
        Row(key="edit", says="edit a control without changing what anyone gets"),
    )
}

_BY_ACTION = {
    Action.ARCHIVE: "archive",
    Action.DELETE: "archive",
    Action.CHANGE_METRICS: "change_metrics",
}
_NARROWING = {
    Action.PAUSE_ROLLOUT: "pause",
    Action.DISABLE_TOOL: "disable_tool",
    Action.KILL_SWITCH: "kill",
}


def row_for(effect: Effect, action: Action) -> Row:
    """The row of the matrix that a change with this computed effect and action falls under."""
    if action in _BY_ACTION:
        return ROWS[_BY_ACTION[action]]
    if effect is Effect.WIDENS:
        return ROWS["expand"]
    if effect is Effect.NEITHER:
        return ROWS[_NARROWING.get(action, "edit")]
    return ROWS[_NARROWING.get(action, "reduce")]


def required_roles(
    row: Row, controls: Iterable[Control], environment: Environment, *, governs: bool = False
) -> tuple[str, ...]:
    """The roles that distinct people must fill: those the touched flags name, and the environment's.

    For a widening change the environment's widening approvers are added, for one that `governs` the security role. None
    where the environment takes no keys.
    """
    if not environment.guarded:
        return ()
    named = [role for control in controls for role in control.approvers]
    widening = environment.widening_approvers if row.key == "expand" else ()
    security = (Role.SECURITY,) if governs else ()
    return tuple(dict.fromkeys((*named, *environment.approvers, *widening, *security)))


def governs(before: State, after: State) -> bool:
    """Whether the step changes who answers for a flag, or who must agree to its changes."""
    both = before.controls.keys() & after.controls.keys()
    pairs = ((before.controls[key], after.controls[key]) for key in both)
    return any((one.owner, one.approvers) != (other.owner, other.approvers) for one, other in pairs if one is not other)
