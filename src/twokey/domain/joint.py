"""Joint proposals: changes in several environments that stand or fall together.

What they promise:

- each environment has a proposal of its own, with its own effect, ways back, blast radius and required roles; the
  digest of each covers the content of all, so that a key turned on one is a key for exactly this whole;
- the gate is open when the gates of all are: every environment is as well kept as if it stood alone;
- they wait, are vetoed, run out, become stale, are edited and applied together, in one transaction or not at all, and
  go back together.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from twokey.domain.gate import Gate, GateStatus, combine
from twokey.domain.proposal import Joined, Proposal, is_sealed, seal, signed_content
from twokey.engine.canonical import digest as sha256
from twokey.engine.errors import Invalid

MOST = 10
"""Environments in one joint proposal."""


def check_places(places: Sequence[tuple[str, str]]) -> None:
    """Raise Invalid unless these are several environments of one project, each once."""
    if not 2 <= len(places) <= MOST:
        raise Invalid("parts", f"has {len(places)} of them", f"2 to {MOST}, one for each environment")
    if len({project for project, _ in places}) > 1:
        raise Invalid("parts", "are of several projects", "environments of one project")
    if twice := [environment for _, environment in places if places.count((places[0][0], environment)) > 1]:
        raise Invalid("parts", f"name `{twice[0]}` twice", "each environment once")


def join(proposals: Sequence[Proposal]) -> tuple[Proposal, ...]:
    """The proposals bound to one another: one expiry, and digests that each cover the content of all."""
    expires_at = min(each.expires_at for each in proposals)
    alone = [msgspec.structs.replace(each, expires_at=expires_at, joint=()) for each in proposals]
    joined = tuple(
        Joined(id=each.id, environment=each.environment, content=content_of(each))
        for each in sorted(alone, key=lambda each: each.environment)
    )
    return tuple(seal(msgspec.structs.replace(each, joint=joined)) for each in alone)


def content_of(proposal: Proposal) -> str:
    """The digest of what one of them says by itself."""
    return sha256(signed_content(msgspec.structs.replace(proposal, joint=())))


def is_whole(members: Sequence[Proposal]) -> bool:
    """Whether these are all that were bound together, as they were then, and stand alike."""
    listed = members[0].joint
    same = all(each.joint == listed and is_sealed(each) and each.status is members[0].status for each in members)
    return same and [(each.id, each.environment, each.content) for each in listed] == [
        (each.id, each.environment, content_of(each)) for each in members
    ]


def together(members: Sequence[Proposal], gates: Sequence[Gate]) -> Gate:
    """The gate of the whole: what binds them, and the gate of each."""
    named = " and ".join(each.environment for each in members)
    whole = Gate(
        status=GateStatus.OPEN if is_whole(members) else GateStatus.REFUSED,
        sentence=f"{named} stand together" if is_whole(members) else f"{named} are not what was bound together",
        rule="joint",
    )
    inner = [
        msgspec.structs.replace(gate, sentence=f"{each.environment}: {gate.sentence}", rule=each.environment)
        for each, gate in zip(members, gates, strict=True)
    ]
    return combine([whole, *inner], opened=f"every key for {named} is turned", row="joint")
