"""Take in a telemetry batch. Telemetry moves nothing by itself: it is stored, and read by checks and triage."""

from __future__ import annotations

from datetime import datetime

from twokey.domain import identity
from twokey.domain.errors import Refused
from twokey.domain.identity import Actor, ActorKind
from twokey.domain.telemetry import Accepted, Scope, Telemetry
from twokey.engine.wire import TelemetryBatch


def ingest(telemetry: Telemetry, actor: Actor, batch: TelemetryBatch, now: datetime) -> Accepted:
    """Store a batch in the environment the token is bound to. Raises Refused for an agent: it makes no evidence."""
    if actor.kind is ActorKind.AGENT or identity.Scope.TELEMETRY_WRITE not in actor.scopes:
        raise Refused("telemetry needs a service token with the scope `telemetry:write`")
    scope = Scope(project=actor.project or "", environment=actor.environment or "")
    return telemetry.add(scope, batch, source=actor.id, received_at=now)
