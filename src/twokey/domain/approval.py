"""An approval is one person's yes to one digest.

Rules kept here (each is a test):
- only a person, with fresh proof for exactly this digest, approves;
- the author, the person an agent acts for and everyone who edited never count;
- distinct required roles are filled by distinct people;
- one rejection is a veto;
- an approval expires, and counts for no other digest.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from enum import StrEnum

import msgspec


class Proof(StrEnum):
    """How a person showed that they are here now."""

    PASSWORD = "password"  # noqa: S105 - the name of a method, not a secret
    TOTP = "totp"
    PASSKEY = "passkey"


class Answer(StrEnum):
    """What a person said to a digest."""

    YES = "yes"
    NO = "no"


class Approval(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One person's answer to one digest. `roles` are what the person held when answering."""

    id: str
    proposal: str
    digest: str
    person: str
    roles: frozenset[str]
    answer: Answer
    proof: Proof
    at: datetime
    expires_at: datetime
    note: str = ""

    def counts(self, digest: str, excluded: frozenset[str], now: datetime) -> bool:
        """Whether this is a yes to this digest, still valid, by somebody who may approve it."""
        return (
            self.answer is Answer.YES
            and self.digest == digest
            and self.person not in excluded
            and now < self.expires_at
        )


def fill(roles: Sequence[str], approvals: Sequence[Approval]) -> dict[int, Approval]:
    """Assign distinct people to required roles, as many as possible: index of the role -> the approval that fills it.

    A bipartite matching by augmenting paths, so that somebody who holds two roles never blocks a full assignment.
    """
    by_person = {each.person: each for each in approvals}
    filled: dict[int, str] = {}
    for index in range(len(roles)):
        _augment(index, roles, by_person, filled, set())
    return {index: by_person[person] for index, person in sorted(filled.items())}


def _augment(
    index: int, roles: Sequence[str], people: dict[str, Approval], filled: dict[int, str], tried: set[str]
) -> bool:
    for person, approval in people.items():
        if roles[index] not in approval.roles or person in tried:
            continue
        tried.add(person)
        holder = next((other for other, who in filled.items() if who == person), None)
        if holder is None or _augment(holder, roles, people, filled, tried):
            filled[index] = person
            return True
    return False
