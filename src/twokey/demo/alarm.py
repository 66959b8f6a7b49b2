"""The alerts of the demo, as Alertmanager sends them: one group, webhook version 4."""

from __future__ import annotations

import hashlib
from datetime import datetime
from typing import Any

from twokey.demo import scenario

RECEIVER = "twokey"
ALERTS = (
    ("p95_latency_regression", "p95 latency of the support assistant's answers is over 4 s", "page"),
    ("manual_correction_rate_up", "support agents correct more of the assistant's answers by hand", "ticket"),
)
NEVER = "0001-01-01T00:00:00Z"
"""What Alertmanager writes as the end of an alert that still fires."""


def payload(starts: datetime, ends: datetime | None = None) -> dict[str, Any]:
    """The webhook's body for both alerts: firing, or resolved where they ended."""
    status = "firing" if ends is None else "resolved"
    common = {"workflow": scenario.ASSISTANT, "service": "support-assistant", "namespace": "support"}
    return {
        "version": "4",
        "groupKey": '{}:{workflow="support_assistant"}',
        "truncatedAlerts": 0,
        "status": status,
        "receiver": RECEIVER,
        "groupLabels": {"workflow": scenario.ASSISTANT},
        "commonLabels": common,
        "commonAnnotations": {},
        "externalURL": "http://alertmanager.support.example:9093",
        "alerts": [_alert(name, summary, severity, common, starts, ends) for name, summary, severity in ALERTS],
    }


def _alert(
    name: str, summary: str, severity: str, common: dict[str, str], starts: datetime, ends: datetime | None
) -> dict[str, Any]:
    labels = {"alertname": name, "severity": severity, **common}
    told = "\xff".join(f"{key}\xff{value}" for key, value in sorted(labels.items()))
    return {
        "status": "firing" if ends is None else "resolved",
        "labels": labels,
        "annotations": {"summary": summary},
        "startsAt": _time(starts),
        "endsAt": NEVER if ends is None else _time(ends),
        "generatorURL": "http://prometheus.support.example:9090/graph",
        "fingerprint": hashlib.sha256(told.encode()).hexdigest()[:16],
    }


def _time(at: datetime) -> str:
    return at.isoformat(timespec="milliseconds").replace("+00:00", "Z")
