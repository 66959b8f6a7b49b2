"""Questions for the tests of the written policy, in one line each."""

from __future__ import annotations

from typing import Any

from twokey.domain.identity import SCHEDULE, SYSTEM, Actor, ActorKind
from twokey.domain.permission import Question, Verb

ANN = Actor(id="ann", kind=ActorKind.PERSON, roles=frozenset({"release_manager"}))
AGENT = Actor(id="token-a", kind=ActorKind.AGENT, name="copilot", on_behalf_of="ann")
SERVICE = Actor(id="token-s", kind=ActorKind.SERVICE, name="deployer")
POLICY_GATE = Actor(id="policy:0123456789abcdef", kind=ActorKind.POLICY)
ACTORS = {
    "person": ANN,
    "agent": AGENT,
    "service": SERVICE,
    "policy_gate": POLICY_GATE,
    "schedule": SCHEDULE,
    "twokey": SYSTEM,
}
EFFECT_OF = {
    "pause": "neither",
    "reduce": "narrows",
    "disable_tool": "narrows",
    "kill": "narrows",
    "change_metrics": "neither",
    "archive": "neither",
    "expand": "widens",
    "edit": "neither",
    "authorization": "widens",
}


def with_roles(*roles: str) -> Actor:
    return Actor(id="ann", kind=ActorKind.PERSON, roles=frozenset(roles))


def question(actor: Actor, verb: str, change: str = "", **facts: Any) -> Question:
    """May this actor do this in shop/production? The effect is what such a change usually does."""
    place = {"project": "shop", "environment": "production"}
    return Question(
        actor=actor, verb=Verb(verb), change=change, **(place | {"effect": EFFECT_OF.get(change, "")} | facts)
    )
