"""What the analyst is given: everything that was read for one case, already measured and judged.

Rules kept here:
- nothing in it is read by the analyst itself; a step collects it in one go and passes it on;
- a verdict is that of `guardrail.judge` over the same stages that the cohorts are cut from;
- text of signals and changes elsewhere is foreign: it is a hint at most, and never decides.
"""

from __future__ import annotations

from datetime import datetime
from typing import Protocol

import msgspec

from twokey.domain.audit import Entry
from twokey.domain.control import Control, State
from twokey.domain.evidence import Evidence
from twokey.domain.finding import Finding
from twokey.domain.guarded_rollout import GuardedRollout
from twokey.domain.guardrail import Guardrail, Verdict
from twokey.domain.operation import Operation
from twokey.domain.runbook import Runbook
from twokey.domain.signal import Signal
from twokey.domain.telemetry import CohortContrast, ExposureCount, MetricPresence, RecordedChange, RecordedContext
from twokey.domain.triage.mix import Mix
from twokey.domain.triage.screening import Shortlist


class Version(Protocol):
    """One edit of a flag, as the store keeps it: what the flag was from `at` on (nothing where it did not exist)."""

    @property
    def revision(self) -> int:
        """The flag's own revision."""

    @property
    def environment_revision(self) -> int:
        """The environment's revision it was published with."""

    @property
    def at(self) -> datetime:
        """When it was published."""

    @property
    def change(self) -> str:
        """The id of the change that published it."""

    @property
    def control(self) -> Control | None:
        """What the control then was."""


class Measurement(msgspec.Struct, frozen=True, kw_only=True):
    """One guardrail of one flag: its verdict by assignment within rule and stage, and what that rests on.

    `variation` is the candidate that was measured; nothing means every variation but the baseline, pooled.
    `cohorts` hold the same arms cut by context attribute. `presence` is asked for where nothing was seen to join.
    `beside` are the same arms cut by what another flag gave the same units.
    """

    guardrail: Guardrail
    verdict: Verdict
    presence: MetricPresence | None = None
    cohorts: tuple[CohortContrast, ...] = ()
    beside: tuple[CohortContrast, ...] = ()
    variation: str | None = None


class Observed(msgspec.Struct, frozen=True, kw_only=True):
    """One control as it was observed: its versions in any order, its guardrails, and who met it.

    `by_variation` holds the breached guardrails again for each single variation, where there are several beside the
    baseline. `recorded` are contexts of units that met it, to be replayed. `audited` are the entries of the audit log
    about its changes, where it is suspected.
    """

    flag: str
    versions: tuple[Version, ...] = ()
    measurements: tuple[Measurement, ...] = ()
    by_variation: tuple[Measurement, ...] = ()
    exposures: tuple[ExposureCount, ...] = ()
    recorded: tuple[RecordedContext, ...] = ()
    audited: tuple[Entry, ...] = ()


class Collected(msgspec.Struct, frozen=True, kw_only=True):
    """All that was read for one case. Signals stand newest first, as they are read.

    `state` is the present one, on which an operation would be drafted. `controls` are those that were chosen to be
    measured, and those that moved and have nothing to be measured by.
    """

    case: str
    signals: tuple[Signal, ...]
    state: State
    controls: tuple[Observed, ...] = ()
    changes: tuple[RecordedChange, ...] = ()
    internal_segment: str = "internal-staff"
    shortlist: Shortlist = Shortlist()
    mix: Mix | None = None
    runbooks: tuple[Runbook, ...] = ()
    rollouts: tuple[GuardedRollout, ...] = ()


class Analysis(msgspec.Struct, frozen=True, kw_only=True):
    """What the analyst made of it: a finding, the evidence it cites, and the operations of the narrowest draft.

    No operations mean that it abstains.
    """

    finding: Finding
    evidence: tuple[Evidence, ...]
    operations: tuple[Operation, ...] = ()
    title: str = ""
