"""What was collected, filed as evidence: one body per fact, with the figures that the text cites.

Rules kept here:
- bodies are plain JSON with lists where names would be keys, so that a dotted path always leads to the figure;
- a fact is filed the same way whatever is concluded from it.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import msgspec

from twokey.domain.audit import Entry
from twokey.domain.evidence import EvidenceKind
from twokey.domain.guardrail import Verdict
from twokey.domain.runbook import Chosen
from twokey.domain.signal import Signal
from twokey.domain.telemetry import RecordedChange
from twokey.domain.triage import timing
from twokey.domain.triage.cohorts import CohortVerdict
from twokey.domain.triage.collected import Measurement, Observed
from twokey.domain.triage.mix import Mix
from twokey.domain.triage.notebook import Notebook, Sheet
from twokey.domain.triage.replay import Replayed
from twokey.domain.trial import Trial

_FIGURES = (
    "status",
    "reason",
    "e_value",
    "interval",
    "alpha",
    "margin",
    "candidate_value",
    "baseline_value",
    "candidate_units",
    "baseline_units",
)


def signal(notebook: Notebook, found: Signal) -> Sheet:
    """A signal as it was received."""
    alert = found.alert
    body = {
        "signal": found.id,
        "name": alert.name,
        "status": str(alert.status),
        "severity": alert.severity,
        "source": alert.source,
        "starts_at": _time(alert.starts_at),
        "seen": found.seen,
        "labels": dict(alert.labels),
    }
    return notebook.sheet(EvidenceKind.SIGNAL, (found.id,), "signal", body)


def verdict(notebook: Notebook, flag: str, measurement: Measurement) -> Sheet:
    """A guardrail's verdict with all that it rests on."""
    body = {"flag": flag, "variation": measurement.variation, **_verdict(measurement.verdict)}
    title = f"{measurement.guardrail.name} of {flag} by assigned variation"
    key = (flag, measurement.guardrail.key, measurement.variation or "")
    return notebook.sheet(EvidenceKind.VERDICT, key, title, body)


def edit(notebook: Notebook, flag: str, found: timing.Edit, moment: datetime) -> Sheet:
    """A change of a flag's reach, with how long before the signal it was."""
    version = found.version
    body = {
        "flag": flag,
        "revision": version.revision,
        "environment_revision": version.environment_revision,
        "change": version.change,
        "at": _time(version.at),
        "minutes_before_signal": round(timing.minutes_before(version.at, moment), 1),
        "moves": timing.moves(found),
    }
    return notebook.sheet(EvidenceKind.CHANGE, (flag, str(version.revision)), f"change of {flag}", body)


def audited(notebook: Notebook, entry: Entry) -> Sheet:
    """What the audit log has about a change: the names stay in the log, where they can be erased."""
    happening = entry.happening
    body = {
        "entry": entry.index,
        "hash": entry.hash,
        "action": happening.action,
        "change": happening.subject,
        "by": happening.actor.get("kind", ""),
        "at": _time(entry.at),
    }
    return notebook.sheet(EvidenceKind.AUDIT, (str(entry.index),), f"audit entry {entry.index}", body)


def cohorts(notebook: Notebook, flag: str, attribute: str, found: Sequence[CohortVerdict]) -> Sheet:
    """One guardrail cut by one attribute: inside each cohort, and outside it."""
    guardrail = found[0].measurement.guardrail
    body = {
        "flag": flag,
        "guardrail": guardrail.key,
        "metric": guardrail.metric,
        "attribute": attribute,
        "cohorts": [
            {"value": each.value, "inside": _figures(each.inside), "outside": _figures(each.outside)} for each in found
        ],
    }
    title = f"{guardrail.name} of {flag} by {attribute}"
    return notebook.sheet(EvidenceKind.COHORT, (flag, guardrail.key, attribute), title, body)


def exposures(notebook: Notebook, observed: Observed) -> Sheet:
    """Who met the flag: distinct units by rule, assigned and served."""
    counts = [msgspec.to_builtins(each) for each in observed.exposures]
    body = {"flag": observed.flag, "counts": counts}
    return notebook.sheet(EvidenceKind.EXPOSURE, (observed.flag,), f"units exposed to {observed.flag}", body)


def replayed(notebook: Notebook, flag: str, title: str, found: Replayed) -> Sheet:
    """What an operation would have done to the recorded units."""
    body = {"flag": flag, "operation": title, **msgspec.to_builtins(found)}
    return notebook.sheet(EvidenceKind.REPLAY, (flag, title), f"replay: {title}", body)


def mix(notebook: Notebook, found: Mix) -> Sheet:
    """Who came before the trouble, and since."""
    body = {
        "units_a_minute_before": round(found.before, 2),
        "units_a_minute_after": round(found.after, 2),
        "units_before": found.units_before,
        "units_after": found.units_after,
        "times": round(found.after / found.before, 2) if found.before else None,
        "shifted": [
            {
                "attribute": each.attribute,
                "value": each.value,
                "before": round(100 * each.before, 1),
                "after": round(100 * each.after, 1),
            }
            for each in found.shifted
        ],
    }
    return notebook.sheet(EvidenceKind.TRAFFIC, (), "traffic before and since", body)


def experiment(notebook: Notebook, flag: str, found: Trial) -> Sheet:
    """A running experiment, and what was changed of it since it began."""
    body = {
        "flag": flag,
        "experiment": found.experiment.key,
        "began_at": _time(found.began_at),
        "edits": [{"at": _time(each.at), "what": each.what, "change": each.change} for each in found.edits],
    }
    return notebook.sheet(EvidenceKind.EXPERIMENT, (flag, found.experiment.key), f"experiment on {flag}", body)


def runbook(notebook: Notebook, found: Chosen) -> Sheet:
    """The steps of a runbook that apply, as they stand in the file of that digest."""
    body = {
        "path": found.runbook.path,
        "title": found.runbook.title,
        "sha256": found.runbook.sha256,
        "steps": [{"heading": heading, "line": step.line, "text": step.text} for heading, step in found.steps],
    }
    return notebook.sheet(EvidenceKind.RUNBOOK, (found.runbook.path,), f"runbook {found.runbook.path}", body)


def elsewhere(notebook: Notebook, found: RecordedChange, moment: datetime) -> Sheet:
    """A change outside the control plane."""
    event = found.event
    body = {
        "change_event": found.id,
        "source": found.source,
        "kind": str(event.kind),
        "title": event.title,
        "service": event.service,
        "at": _time(event.at),
        "minutes_before_signal": round(timing.minutes_before(event.at, moment), 1),
    }
    return notebook.sheet(EvidenceKind.CHANGE_EVENT, (found.id,), f"{event.kind} elsewhere", body)


def _verdict(found: Verdict) -> dict[str, Any]:
    body: dict[str, Any] = msgspec.to_builtins(found)
    return body


def _figures(found: Verdict) -> dict[str, Any]:
    """A verdict without its stages, which the whole guardrail's evidence holds."""
    body = _verdict(found)
    return {name: body[name] for name in _FIGURES}


def _time(at: datetime) -> str:
    return at.isoformat().replace("+00:00", "Z")
