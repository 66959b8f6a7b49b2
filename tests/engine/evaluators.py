"""The two evaluators side by side, and values that only an application in the same process can put into a context."""

import enum
import random
from collections.abc import Iterator, Mapping
from contextlib import suppress
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

from tests.engine import strategies as words
from twokey.engine import ErrorCode, Resolution, Snapshot, evaluate
from twokey.engine.reference import Reference
from twokey.engine.resolution import failed


def by_reference(snapshot: Snapshot, key: str, context: Any) -> Resolution:
    """What the specification says, its errors as values."""
    try:
        return Reference(snapshot.flags, snapshot.segments, context).resolve(key)
    except Exception as error:  # noqa: BLE001 - the context's own code may raise anything
        return failed(ErrorCode.GENERAL, f"the context could not be read: {type(error).__name__}")


def compiled(snapshot: Snapshot) -> Snapshot:
    """The snapshot with every flag compiled."""
    assert snapshot.compile() == ()
    assert snapshot.programs.answers.keys() == snapshot.flags.keys()
    return snapshot


def assert_same(snapshot: Snapshot, key: str, context: Any) -> None:
    """The compiled function, the engine and the reference give one answer, down to the types of its parts."""
    expected = by_reference(snapshot, key, context)
    answer = evaluate(snapshot, key, context)
    assert answer == expected, (snapshot.flags[key], context)
    assert [type(part) for part in (answer.value, answer.variation, answer.rule)] == [
        type(part) for part in (expected.value, expected.variation, expected.rule)
    ]
    if expected.error is None:
        assert answer.value is expected.value
        _assert_answered_by_itself(snapshot, key, context, expected)


def _assert_answered_by_itself(snapshot: Snapshot, key: str, context: Any, expected: Resolution) -> None:
    """The function needs no help of the reference, which would hide its faults; but for text without UTF-8 form."""
    with suppress(UnicodeEncodeError):
        assert snapshot.programs.answers[key](context) == expected


class Plan(str, enum.Enum):  # noqa: UP042 - its `str()` is not its value, which is the trap
    PRO = "pro"


class Seats(enum.IntEnum):
    FIVE = 5


class Liar(str):
    """Text that says it equals everything."""

    __slots__ = ()

    def __eq__(self, other: object) -> bool:
        return True

    def __hash__(self) -> int:
        return hash("pro")


class Bomb(str):
    """Text whose own code fails."""

    __slots__ = ()

    def __eq__(self, other: object) -> bool:
        raise RuntimeError("compared")

    def __hash__(self) -> int:
        raise RuntimeError("hashed")

    def __len__(self) -> int:
        raise RuntimeError("measured")


class Masked:
    """What claims to be text, and fails when asked what it is."""

    @property  # type: ignore[misc]
    def __class__(self) -> type:
        raise RuntimeError("unmasked")


class Pretender:
    """What claims to be text and is none."""

    @property  # type: ignore[misc]
    def __class__(self) -> type:
        return str


class Weird(int):
    """A number that compares as it likes."""

    def __eq__(self, other: object) -> bool:
        return True

    def __lt__(self, other: object) -> bool:
        raise RuntimeError("ordered")

    def __hash__(self) -> int:
        return 5


class Endless(list[Any]):
    """A list that cannot be walked."""

    def __iter__(self) -> Iterator[Any]:
        raise RuntimeError("walked")


PLAIN: list[Any] = [
    *words.WORDS, *words.UNITS, *words.NUMBERS, *words.VERSIONS, *words.INSTANTS, *words.ADDRESSES, True, False, None,
    "x" * 1024, "x" * 1025, "1." * 200, "p" * 257, "\x00", "pro\n", "١٢", "ﬁ", "é", "\U0010ffff", "7.0", "True", "null",
]  # fmt: skip
WILD: list[Any] = [
    float("nan"), float("inf"), float("-inf"), -0.0, 10**30, -(10**30), 10**5000, 2**53 + 1, 2.0**53, 1e308, 5e-324,
    "\ud800", "\udfff pro", Plan.PRO, Seats.FIVE, Liar("u-1"), Bomb("pro"), Weird(7), Masked(), Pretender(),
    b"pro", 1j, object(), Exception("x"), int, range(3), {}, {"pro": 1}, (), [], set(), frozenset({"pro"}),
    ("pro", 5), ["pro", None], [None], [[]], [["pro"]], [True, "x"], {1, "u-1"}, [float("nan")], [float("nan"), 5.5],
    ["u-1", "u-2"], ["\ud800"], Endless(["pro"]), [Bomb("pro")], [Masked()], ["1.0.0", "v2", 5], ["10.0.0.1", "x"],
    datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 1, 1, tzinfo=UTC).replace(tzinfo=None),
    datetime(2026, 1, 1, tzinfo=timezone(timedelta(hours=-9))), [datetime(2025, 1, 1, tzinfo=UTC)],
    {"a": {"b": [1, {"c": None}]}}, "fe80::1%eth0", "::ffff:192.0.2.7", "010.0.0.1",
]  # fmt: skip


class Trap(Mapping[str, Any]):
    """A context that is no dictionary, and that fails for some names."""

    def __init__(self, values: Mapping[str, Any], closed: frozenset[str]) -> None:
        self._values, self._closed = values, closed

    def __getitem__(self, key: str) -> Any:
        if key in self._closed:
            raise LookupError if key < "p" else RuntimeError("out of reach")
        return self._values[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)


class Own(dict[str, Any]):
    """A dictionary that answers `get` in its own way."""

    def get(self, key: str, default: Any = None) -> Any:
        return "pro" if key == "plan" else super().get(key, default)


def some_contexts(seed: int, count: int) -> Iterator[Any]:
    """That many contexts of all kinds, always the same for a seed; most of them as an application would make them."""
    chance = random.Random(seed)
    for _ in range(count):
        names = chance.sample(words.ATTRIBUTES, chance.randint(0, len(words.ATTRIBUTES)))
        pool = PLAIN if chance.random() < 0.7 else PLAIN + WILD
        context: Any = {name: chance.choice(pool) for name in names}
        kind = chance.random()
        if kind < 0.05:
            context = Trap(context, frozenset(chance.sample(words.ATTRIBUTES, 2)))
        elif kind < 0.1:
            context = Own(context)
        elif kind < 0.2:
            context |= {name: [chance.choice(pool) for _ in range(chance.randint(0, 3))] for name in names[:2]}
        yield context
