"""After a change: whom it was to reach, by replay, and whom it has reached since."""

from __future__ import annotations

import pytest

from tests.support.server import Doors
from tests.support.world import ENVIRONMENT, FLAG, PRESENT, PROJECT, World
from twokey.domain.drafting import Draft
from twokey.domain.operation import SetEnabled
from twokey.steps.draft_proposal import draft
from twokey.steps.review_proposal import approve


def applied(world: World, *, enabled: bool) -> str:
    """The id of a change that switched the flag."""
    wanted = Draft(
        project=PROJECT, environment=ENVIRONMENT, operations=(SetEnabled(flag=FLAG, enabled=enabled),), reason="try"
    )
    proposal = draft(world.store, world.telemetry, world.viewer, wanted)
    approve(world.store, world.ines, proposal.id, proposal.digest, PRESENT)
    approve(world.store, world.mara, proposal.id, proposal.digest, PRESENT)
    with world.store.read() as uow:
        return uow.changes.where(proposal=proposal.id, limit=1)[0].id


def test_a_change_that_took_hold_reads_as_predicted_until_the_next_one(server: Doors, world: World) -> None:
    world.clock.forward(minutes=31)
    world.traffic(1000)
    off = applied(world, enabled=False)
    world.clock.forward(minutes=31)
    world.traffic(1000, seed=2)
    mara = server.person("mara")
    (found,) = mara.get(f"/api/v1/changes/{off}/reach").json()
    assert found["sentence"] == "as predicted, on 1,000 units since and 1,000 replayed"
    assert found["variations"] == [{"variation": "baseline", "predicted": 1.0, "observed": 1.0, "differs": False}]
    applied(world, enabled=True)
    world.clock.forward(minutes=31)
    world.traffic(1000, seed=3)
    (later,) = mara.get(f"/api/v1/changes/{off}/reach").json()
    assert later["observed_units"] == 1000, "what came after the next change is that one's doing"


def test_applications_that_serve_on_what_was_are_told(
    server: Doors, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.clock.forward(minutes=31)
    world.traffic(1000)
    snapshot = world.snapshot
    off = applied(world, enabled=False)
    world.clock.forward(minutes=31)
    monkeypatch.setattr(World, "snapshot", snapshot)
    world.traffic(1000, seed=2)
    (found,) = server.person("mara").get(f"/api/v1/changes/{off}/reach").json()
    assert "not as predicted: baseline" in found["sentence"]


def test_a_change_that_is_not_there_is_not_found(server: Doors) -> None:
    assert server.person("mara").get("/api/v1/changes/change-none/reach").status_code == 404
