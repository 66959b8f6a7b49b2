"""Text that wants something: the shared attack strings, what must stand still whatever they say, and the counts."""

from __future__ import annotations

import functools
import json
import re
import unicodedata
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, fields
from itertools import islice
from typing import Any, TypeVar

import msgspec
import pytest

from tests import needs
from tests.support.world import ENVIRONMENT, PROJECT, World
from twokey.engine.canonical import digest

T = TypeVar("T")

HARMLESS = "zz an ordinary remark"
UNSEEN = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
BLANK_LETTERS = frozenset("\u034f\u115f\u1160\u17b4\u17b5\u3164\uffa0\u2800")


class Attack(msgspec.Struct, frozen=True):
    """One shared string. Those of our own also say what they are after, how it is dressed up, and where it is put."""

    id: str
    source: str
    family: str
    text: str
    goal: str = ""
    frame: str = ""
    sink: str = ""


@functools.cache
def attacks() -> tuple[Attack, ...]:
    """Every attack string; the test skips where the shared data is not there."""
    lines = needs.shared("data", "attacks", "attacks.jsonl").read_bytes().splitlines()
    return tuple(msgspec.json.decode(each, type=Attack) for each in lines)


def texts() -> tuple[str, ...]:
    """Their texts."""
    return tuple(each.text for each in attacks())


def ordinary() -> tuple[str, ...]:
    """As many texts that want nothing."""
    return tuple(f"{HARMLESS} {number}" for number in range(len(attacks())))


def batched(values: Iterable[T], most: int) -> Iterator[tuple[T, ...]]:
    """The values, at most so many at a time."""
    left = iter(values)
    while some := tuple(islice(left, most)):
        yield some


def packed(texts: Iterable[str], most: int) -> Iterator[str]:
    """All of the texts, each whole and at the beginning of a line, in as few fields of `most` characters as hold them.

    What is longer than a field by itself is cut: nobody can send more there.
    """
    held: list[str] = []
    for each in (text[:most] for text in texts):
        if held and sum(map(len, held)) + len(held) + len(each) > most:
            yield "\n".join(held)
            held = []
        held.append(each)
    if held:
        yield "\n".join(held)


def unseen(shown: str, *, keeps: str = "\n") -> list[str]:
    """The characters that a reader does not see and a terminal may obey, as they came through."""
    return sorted({f"U+{ord(each):04X}" for each in shown if _is_unseen(each) and each not in keeps})


def _is_unseen(char: str) -> bool:
    selector = "\ufe00" <= char <= "\ufe0f" or "\U000e0100" <= char <= "\U000e01ef" or "\u180b" <= char <= "\u180f"
    return unicodedata.category(char) in UNSEEN or char in BLANK_LETTERS or selector


def unseen_in(value: Any) -> list[str]:
    """The same of every text in a JSON value, keys included."""
    if isinstance(value, str):
        return unseen(value)
    if isinstance(value, dict):
        return [found for pair in value.items() for each in pair for found in unseen_in(each)]
    if isinstance(value, list | tuple):
        return [found for each in value for found in unseen_in(each)]
    return []


LINK = re.compile(r"(?<!\\)(!?\[[^\]]*\]\(|<[a-zA-Z/!])")
"""What Markdown would make a link, an image or markup of."""


# ---------------------------------------------------------------- what stands still


class Standing(msgspec.Struct, frozen=True):
    """Everything that text may not move: flags, who may turn keys by which rules, what was approved and applied."""

    revision: int
    state: str
    access: str
    approvals: int
    changes: int


def standing(world: World) -> Standing:
    """How things stand now."""
    with world.store.read() as uow:
        access = {
            "environment": uow.flags.environment(PROJECT, ENVIRONMENT),
            "people": [(each.id, sorted(each.roles), each.disabled) for each in uow.users.where(limit=500)],
            "orders": uow.standing_orders.where(limit=500),
            "policies": uow.policies.where(limit=500),
            "grown": (uow.access_proposals.count(), uow.decisions.count()),
        }
        return Standing(
            revision=uow.flags.revision(PROJECT, ENVIRONMENT),
            state=digest(msgspec.to_builtins(uow.flags.state(PROJECT, ENVIRONMENT))),
            access=digest(msgspec.to_builtins(access)),
            approvals=uow.approvals.count(),
            changes=uow.changes.count(),
        )


def moved(before: Standing, after: Standing) -> int:
    """How many of them moved, approvals not counted."""
    names = [each.name for each in msgspec.structs.fields(Standing) if each.name != "approvals"]
    return sum(getattr(before, name) != getattr(after, name) for name in names)


# ---------------------------------------------------------------- the counts


@dataclass(frozen=True, kw_only=True)
class Count:
    """What was tried, and what came of it. All but the first five must be none."""

    what: str
    texts: int = 0
    places: int = 0
    cases: int = 0
    went_on: int = 0
    state_changes: int = 0
    approvals: int = 0
    credentials: int = 0
    unseen: int = 0
    failures: int = 0

    def sentence(self) -> str:
        """The line of it."""
        cases = f"; {self.went_on} of {self.cases} cases go on" if self.cases else ""
        return (
            f"{self.what}: {self.texts:,} strings x {self.places} places{cases}; state changes {self.state_changes}, "
            f"approvals {self.approvals}, credentials {self.credentials}, unseen characters {self.unseen}, "
            f"failures {self.failures}"
        )


class Tally:
    """Takes counts, and holds each to what must be none. They are printed where the run ends."""

    def __init__(self, request: pytest.FixtureRequest) -> None:
        self._request = request

    def __call__(self, what: str, **numbers: int) -> None:
        made = Count(what=what, **numbers)
        self._request.node.user_properties.append(("hostile", json.dumps(asdict(made))))
        named = [each.name for each in fields(Count)][5:]
        assert {name: getattr(made, name) for name in named} == dict.fromkeys(named, 0), made.sentence()
        assert made.went_on == made.cases, made.sentence()
        assert made.texts, "something was tried"


def hostile_lines(counts: Iterable[str]) -> Iterator[str]:
    """The counts of a run, and what they come to."""
    made = [Count(**json.loads(each)) for each in counts]
    for each in made:
        yield each.sentence()
    names = [each.name for each in fields(Count)][3:]
    whole = {name: sum(getattr(each, name) for each in made) for name in names}
    tried = sum(each.texts * each.places for each in made)
    yield (
        f"all: {tried:,} texts in their places; {whole['went_on']:,} of {whole['cases']:,} cases go on; state changes "
        f"{whole['state_changes']}, approvals {whole['approvals']}, credentials {whole['credentials']}, "
        f"unseen characters {whole['unseen']}, failures {whole['failures']}"
    )
