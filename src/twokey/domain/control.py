"""A control: a flag together with all that makes it safe to run: owner, purpose, baseline, evidence rule, review date.

Rules kept here:
- every flag has an owner, a purpose and a surface;
- a temporary flag has a review date and a cleanup condition, a permanent one says why it is permanent;
- `caution` orders variations, most cautious first; without it only the baseline is known to be more cautious.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from enum import StrEnum
from typing import Any

import msgspec

from twokey.domain.experiment import Experiment
from twokey.domain.guardrail import Guardrail
from twokey.engine.errors import Invalid
from twokey.engine.flag import Flag, Segment
from twokey.engine.patch import successor
from twokey.engine.snapshot import Snapshot


class Surface(StrEnum):
    """What a flag controls."""

    FEATURE = "feature"
    PROMPT = "prompt"
    MODEL = "model"
    RETRIEVAL = "retrieval"
    GUARDRAIL = "guardrail"
    AGENT_MODE = "agent_mode"
    TOOL = "tool"
    ROUTE = "route"
    INCIDENT_MODE = "incident_mode"
    EXPERIMENT = "experiment"


class Kind(StrEnum):
    """How long a flag is meant to live."""

    TEMPORARY = "temporary"
    PERMANENT = "permanent"


class Upkeep(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Who looks after a temporary rule, segment or variation, and until when."""

    owner: str
    review_date: date


class Control(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """What is kept of a flag beside its published part. `flag` is what clients load."""

    flag: Flag
    owner: str
    purpose: str
    surface: Surface
    kind: Kind
    workflow: str = ""
    approvers: tuple[str, ...] = ()
    review_date: date | None = None
    cleanup_condition: str = ""
    permanent_because: str = ""
    guardrails: tuple[Guardrail, ...] = ()
    caution: tuple[str, ...] = ()
    schema: dict[str, Any] | None = None
    upkeep: dict[str, Upkeep] = {}
    experiment: Experiment | None = None
    archived: bool = False

    @property
    def key(self) -> str:
        """The flag's key."""
        return self.flag.key

    def is_overdue(self, today: date) -> bool:
        """Whether the day on which somebody wanted to look again is over."""
        return self.review_date is not None and self.review_date < today

    def guardrail(self, key: str) -> Guardrail | None:
        """The guardrail of that key, if the flag has one."""
        return next((each for each in self.guardrails if each.key == key), None)


class State(msgspec.Struct, frozen=True, kw_only=True):
    """All that is kept of one environment's flags at a revision; its published part is the snapshot."""

    project: str
    environment: str
    revision: int
    controls: Mapping[str, Control] = {}
    segments: Mapping[str, Segment] = {}

    def control(self, key: str) -> Control:
        """The control of a flag; raises Invalid when there is none."""
        if key not in self.controls:
            raise Invalid("flag", f"there is no flag `{key}` in {self.project}/{self.environment}", "an existing key")
        return self.controls[key]

    def snapshot(self, known: Snapshot | None = None) -> Snapshot:
        """The published part: flags that are not archived, and the segments.

        What is as it was in `known`, another snapshot of the same environment, is shared with that one.
        """
        live = [each.flag for each in self.controls.values() if not each.archived]
        if known is None:
            return Snapshot.build(self.project, self.environment, self.revision, live, self.segments.values())
        return successor(known, self.revision, live, self.segments.values())


def is_judged_otherwise(before: Control, after: Control) -> bool:
    """Whether what was fixed when an experiment began is changed while it runs; to end it is no such change."""
    if before.experiment is None or after.experiment is None:
        return False
    return (before.experiment, before.guardrails) != (after.experiment, after.guardrails)


def check_control(control: Control) -> Control:
    """Return the control if it is complete; raise Invalid naming the first field that is missing or wrong."""
    where = f"flag {control.key}"
    for field in ("owner", "purpose"):
        if not getattr(control, field).strip():
            raise Invalid(f"{where}: {field}", "is empty", "who answers for it, or what it is for, in a few words")
    _check_kind(control, where)
    keys = {each.key for each in control.flag.variations}
    if unknown := [each for each in control.caution if each not in keys]:
        raise Invalid(f"{where}: caution", f"names `{unknown[0]}`, which is no variation", ", ".join(sorted(keys)))
    return control


def _check_kind(control: Control, where: str) -> None:
    if control.kind is Kind.PERMANENT and not control.permanent_because.strip():
        raise Invalid(f"{where}: permanent_because", "is empty", "why this control stays for good")
    if control.kind is Kind.TEMPORARY and control.review_date is None:
        raise Invalid(f"{where}: review_date", "is missing", "a date (YYYY-MM-DD) on which somebody looks again")
    if control.kind is Kind.TEMPORARY and not control.cleanup_condition.strip():
        raise Invalid(f"{where}: cleanup_condition", "is empty", "what must be true before the flag is removed")
