"""A token that is bound to flags tells of those alone; what it says of others is refused, record by record."""

from __future__ import annotations

from typing import Any

from tests.support.server import Doors
from tests.support.world import ENVIRONMENT, FLAG, PROJECT, World
from twokey.adapters import system
from twokey.domain.identity import SYSTEM, ActorKind, Scope
from twokey.steps.manage_access import TokenRequest, create_token

AT, FUTURE = "2026-11-02T08:59:00Z", "2030-01-01T00:00:00Z"


def exposure(flag: str, at: str = AT) -> dict[str, Any]:
    return {
        "flag": flag, "revision": 1, "assigned": "baseline", "served": "baseline", "unit": "u-1",
        "unit_name": "conversation", "at": at, "reason": "DEFAULT",
    }  # fmt: skip


def metric(flag: str | None) -> dict[str, Any]:
    return {"metric": "latency", "value": 1.0, "unit": "u-1", "unit_name": "conversation", "at": AT, "flag": flag}


def test_a_bound_token_tells_of_its_flags_alone(world: World, server: Doors) -> None:
    wanted = TokenRequest(
        name="intake",
        kind=ActorKind.SERVICE,
        scopes=frozenset({Scope.TELEMETRY_WRITE}),
        project=PROJECT,
        environment=ENVIRONMENT,
        expires_at=None,
        flags=(FLAG,),
    )
    _, secret = create_token(world.store, system, SYSTEM, wanted)
    client = server.client(Authorization=f"Bearer {secret}")
    batch = {
        "batch_id": "b-1",
        "exposures": [exposure("another"), exposure(FLAG), exposure(FLAG, FUTURE)],
        "metrics": [metric(FLAG), metric(None), metric("another")],
    }
    answer = client.post("/api/v1/telemetry", json=batch)
    assert answer.status_code == 200, answer.text
    assert (answer.json()["exposures"], answer.json()["metrics"]) == (1, 1)
    refused = {(each["kind"], each["index"]): each["problem"] for each in answer.json()["refused"]}
    assert set(refused) == {("exposures", 0), ("exposures", 2), ("metrics", 1), ("metrics", 2)}
    assert "`another`" in refused["exposures", 0]
    assert "names no flag" in refused["metrics", 1]
