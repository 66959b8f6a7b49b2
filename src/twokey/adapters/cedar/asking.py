"""A question as Cedar takes it: a request, and the entities that it speaks of.

Rules kept here:
- ids travel as `{"type", "id"}`, never inside policy text, so that no name can be read as syntax;
- whatever the request names is among the entities: a policy meets no attribute that is not there;
- the entities are the actor, the environment and its project, and no others, so that asking stays quick;
- a role counts where it was granted, and one that guards the house only where it was granted for the whole house.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from twokey.domain.identity import ActorKind
from twokey.domain.permission import Question
from twokey.engine.errors import Invalid

Uid = dict[str, str]
Entity = dict[str, Any]
KINDS: Mapping[ActorKind, str] = {
    ActorKind.PERSON: "Person",
    ActorKind.AGENT: "Agent",
    ActorKind.SERVICE: "Service",
    ActorKind.POLICY: "PolicyGate",
    ActorKind.SCHEDULE: "Schedule",
    ActorKind.SYSTEM: "System",
}


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """A request to Cedar, and the entities as JSON. Raises Invalid where the request names one that is not there."""

    request: dict[str, Any]
    entities: str


def asked(question: Question) -> Asked:
    """The question in Cedar's terms. Raises Invalid for a place that could be taken for another."""
    for name, key in (("project", question.project), ("environment", question.environment)):
        if "/" in key:
            raise Invalid(name, f"`{key}` holds a `/`", "the key of a project or an environment")
    entities = [actor_entity(question), *place_entities(question)]
    request = {
        "principal": {"type": KINDS[question.actor.kind], "id": question.actor.id},
        "action": {"type": "Action", "id": str(question.verb)},
        "resource": {"type": "Environment", "id": f"{question.project}/{question.environment}"},
        "context": _json(facts(question)),
    }
    check_present(request, entities)
    return Asked(request=request, entities=_json(entities))


def facts(question: Question) -> dict[str, Any]:
    """What the policies may know of the matter."""
    return {
        "change": question.change,
        "effect": question.effect,
        "action": question.action,
        "surfaces": sorted(question.surfaces),
        "needed": question.needed,
        "filled": question.filled,
        "justified": question.justified,
        "reviewed": question.reviewed,
        "mid_test": question.mid_test,
        "breached": question.breached,
    }


def actor_entity(question: Question) -> Entity:
    """Who asks."""
    actor = question.actor
    kind = KINDS[actor.kind]
    attributes: dict[str, Any] = {}
    if actor.kind is ActorKind.PERSON:
        attributes = {"id": actor.id, "roles": sorted(actor.roles_in(question.project, question.environment))}
    elif actor.kind in (ActorKind.AGENT, ActorKind.SERVICE):
        bound = {"on_behalf_of": actor.on_behalf_of, "project": actor.project, "environment": actor.environment}
        attributes = {"id": actor.id, "name": actor.name, "scopes": sorted(actor.scopes)}
        attributes |= {key: value for key, value in bound.items() if value is not None}
    return _entity(kind, actor.id, attributes)


def place_entities(question: Question) -> tuple[Entity, Entity]:
    """Where: the environment, and the project that it stands in."""
    attributes = {"project": question.project, "key": question.environment, "guarded": question.guarded}
    parent = {"type": "Project", "id": question.project}
    place = _entity("Environment", f"{question.project}/{question.environment}", attributes, parent)
    return place, _entity("Project", question.project, {})


def check_present(request: Mapping[str, Any], entities: list[Entity]) -> None:
    """Raise Invalid unless everything that the request names is among the entities."""
    there = [each["uid"] for each in entities]
    for role in ("principal", "resource"):
        if request[role] not in there:
            raise Invalid(role, f"`{request[role]['type']}` is not among the entities", "an entity for each name")


def _entity(type: str, id: str, attributes: dict[str, Any], *parents: Uid) -> Entity:
    return {"uid": {"type": type, "id": id}, "attrs": attributes, "parents": list(parents)}


def _json(value: Any) -> str:
    return msgspec.json.encode(value).decode()
