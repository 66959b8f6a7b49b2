"""The closed set of typed edits to an environment's state, as they stand in JSON.

Rules kept here:
- `op` names the kind; an unknown kind and an unknown field are refused by name;
- an operation says what is to be, never what it is called: whether it narrows, widens or kills is computed;
- where an operation puts something into an order it can name the position, so that its reverse can restore the order;
- no operation can express a permission, a token or a credential.

Staged rollouts (`start_rollout`, `pause_rollout`, `advance_rollout`) are not in the set yet. To add a kind: one struct
here, its name in `Operation`, and one row of apply and reverse in the module of its noun.
"""

from __future__ import annotations

import re
from datetime import date
from typing import Any

import msgspec
from msgspec import UNSET, UnsetType

from twokey.domain.control import Control, Kind, Surface, Upkeep
from twokey.domain.experiment import Experiment
from twokey.domain.guardrail import Guardrail
from twokey.engine.flag import Clause, Prerequisite, Rule, Segment, SegmentRule, Serve, Variation

_WORD = re.compile(r"(?<!^)(?=[A-Z])")


def _snake(name: str) -> str:
    return _WORD.sub("_", name).lower()


class Edit(
    msgspec.Struct,
    frozen=True,
    kw_only=True,
    omit_defaults=True,
    forbid_unknown_fields=True,
    tag_field="op",
    tag=_snake,
):
    """Base of every operation. The JSON tag is the snake_case name of the struct."""


# ------------------------------------------------------------- what a flag serves


class SetEnabled(Edit, frozen=True, kw_only=True):
    """Switch a flag on, or off: then everyone gets its baseline."""

    flag: str
    enabled: bool


class SetOtherwise(Edit, frozen=True, kw_only=True):
    """What those get whom no target and no rule matched."""

    flag: str
    serve: Serve


class SetRuleServe(Edit, frozen=True, kw_only=True):
    """What those get whom this rule matches."""

    flag: str
    rule: str
    serve: Serve


class SetWeights(Edit, frozen=True, kw_only=True):
    """Change the shares of an existing rollout, of a rule or (without `rule`) of `otherwise`.

    Its unit and salt stay, so that nobody is reshuffled. Weights are in 1/100,000 and sum to 100,000.
    """

    flag: str
    weights: tuple[tuple[str, int], ...]
    rule: str | None = None


# ------------------------------------------------------------- whom it targets


class AddRule(Edit, frozen=True, kw_only=True):
    """Insert a rule so that it stands at `position` (0 is asked first; default: last)."""

    flag: str
    rule: Rule
    position: int | None = None
    upkeep: Upkeep | None = None


class RemoveRule(Edit, frozen=True, kw_only=True):
    """Take a rule away, and who looks after it."""

    flag: str
    rule: str


class MoveRule(Edit, frozen=True, kw_only=True):
    """Move a rule so that it stands at `position`."""

    flag: str
    rule: str
    position: int


class SetClauses(Edit, frozen=True, kw_only=True):
    """Replace the conditions of a rule."""

    flag: str
    rule: str
    clauses: tuple[Clause, ...]


class AddTargets(Edit, frozen=True, kw_only=True):
    """Give units a variation before any rule is asked.

    `at` says where each unit shall stand in the list afterwards (ascending; default: at the end), `position` where the
    variation's list stands among the lists when it is new (default: last).
    """

    flag: str
    variation: str
    units: tuple[str, ...]
    at: tuple[int, ...] = ()
    position: int | None = None


class RemoveTargets(Edit, frozen=True, kw_only=True):
    """Take units off a variation's list; an emptied list goes too unless `keep_empty`."""

    flag: str
    variation: str
    units: tuple[str, ...]
    keep_empty: bool = False


class SetPrerequisites(Edit, frozen=True, kw_only=True):
    """Replace what other flags must serve before this one serves more than its baseline."""

    flag: str
    prerequisites: tuple[Prerequisite, ...]


class SetUnit(Edit, frozen=True, kw_only=True):
    """Assign by another context attribute. This reshuffles who is in every rollout that names no unit of its own."""

    flag: str
    unit: str


# ------------------------------------------------------------- what it can serve


class AddVariation(Edit, frozen=True, kw_only=True):
    """Add a named value at `position` (default: last). Nothing serves it yet."""

    flag: str
    variation: Variation
    position: int | None = None
    upkeep: Upkeep | None = None


class EditVariation(Edit, frozen=True, kw_only=True):
    """Change the value behind a variation's key, for everyone who is served it."""

    flag: str
    variation: str
    value: Any


class RemoveVariation(Edit, frozen=True, kw_only=True):
    """Take a variation away that nothing serves, targets or waits for."""

    flag: str
    variation: str


class SetBaseline(Edit, frozen=True, kw_only=True):
    """Declare another variation the known safe one."""

    flag: str
    variation: str


class SetCaution(Edit, frozen=True, kw_only=True):
    """Order the variations, most cautious first; the empty order says that only the baseline is known to be safe."""

    flag: str
    caution: tuple[str, ...]


class SetSchema(Edit, frozen=True, kw_only=True):
    """Hold every variation's value against a JSON Schema from now on, or (null) no longer.

    The keywords that can be used are those of `twokey.domain.operation.schema`.
    """

    flag: str
    schema: dict[str, Any] | None


class SetClientVisible(Edit, frozen=True, kw_only=True):
    """Whether clients on people's devices are given the flag."""

    flag: str
    client_visible: bool


# ------------------------------------------------------------- segments


class CreateSegment(Edit, frozen=True, kw_only=True):
    """Add an audience that nothing uses yet."""

    segment: Segment


class EditSegment(Edit, frozen=True, kw_only=True):
    """Replace the listed units or the rules of a segment; what is not given stays."""

    segment: str
    included: tuple[str, ...] | UnsetType = UNSET
    excluded: tuple[str, ...] | UnsetType = UNSET
    rules: tuple[SegmentRule, ...] | UnsetType = UNSET


class ArchiveSegment(Edit, frozen=True, kw_only=True):
    """Take away a segment that no flag (archived ones included) and no other segment uses."""

    segment: str


# ------------------------------------------------------------- the control around the flag


class CreateFlag(Edit, frozen=True, kw_only=True):
    """Add a control. Its flag starts disabled and not archived."""

    control: Control


class DeleteFlag(Edit, frozen=True, kw_only=True):
    """Take a flag back that was only just created: disabled, not archived, leaned on by none. Otherwise archive it.

    It is in the set only as the reverse of `create_flag`.
    """

    flag: str


class ArchiveFlag(Edit, frozen=True, kw_only=True):
    """Publish the flag no longer: applications get their own default. Refused while another flag leans on it."""

    flag: str


class RestoreFlag(Edit, frozen=True, kw_only=True):
    """Publish an archived flag again, as it was."""

    flag: str


class EditControl(Edit, frozen=True, kw_only=True):
    """Change what is kept of a flag beside its published part; what is not given stays.

    The keys of `upkeep` are `rule:<id>` and `variation:<key>`.
    """

    flag: str
    owner: str | UnsetType = UNSET
    purpose: str | UnsetType = UNSET
    surface: Surface | UnsetType = UNSET
    kind: Kind | UnsetType = UNSET
    workflow: str | UnsetType = UNSET
    approvers: tuple[str, ...] | UnsetType = UNSET
    review_date: date | UnsetType | None = UNSET
    cleanup_condition: str | UnsetType = UNSET
    permanent_because: str | UnsetType = UNSET
    guardrails: tuple[Guardrail, ...] | UnsetType = UNSET
    upkeep: dict[str, Upkeep] | UnsetType = UNSET


class SetExperiment(Edit, frozen=True, kw_only=True):
    """Begin an experiment on this flag, or end the one that runs (nothing)."""

    flag: str
    experiment: Experiment | None


Operation = (
    SetEnabled
    | SetOtherwise
    | SetRuleServe
    | SetWeights
    | AddRule
    | RemoveRule
    | MoveRule
    | SetClauses
    | AddTargets
    | RemoveTargets
    | SetPrerequisites
    | SetUnit
    | AddVariation
    | EditVariation
    | RemoveVariation
    | SetBaseline
    | SetCaution
    | SetSchema
    | SetClientVisible
    | CreateSegment
    | EditSegment
    | ArchiveSegment
    | CreateFlag
    | DeleteFlag
    | ArchiveFlag
    | RestoreFlag
    | EditControl
    | SetExperiment
)
"""One typed edit. The union is closed: what is not in it cannot be proposed."""


def name_of(operation: Operation) -> str:
    """The JSON name of an operation's kind."""
    return _snake(type(operation).__name__)
