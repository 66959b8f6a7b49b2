"""Values that only an application in the same process can put into a context: times, subclasses, NaN, sets."""

import enum
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from typing import Any

import pytest

from twokey.engine import Clause, Operator
from twokey.engine.operators import holds
from twokey.engine.reading import address, instant, network, number, scalar, text, version


class Plan(str, enum.Enum):  # noqa: UP042 - its `str()` is not its value, which is the trap
    PRO = "pro"


class Seats(enum.IntEnum):
    FIVE = 5


class Broken(tzinfo):
    def utcoffset(self, _: datetime | None) -> timedelta:
        raise RuntimeError("no clock")

    def tzname(self, _: datetime | None) -> str:
        return "broken"

    def dst(self, _: datetime | None) -> None:
        return None


def matches(attribute: object, operator: Operator, *values: Any, negate: bool = False) -> bool:
    return holds(Clause(attribute="x", operator=operator, values=values, negate=negate), attribute, pytest.fail)


def test_enum_members_count_as_their_values() -> None:
    assert matches(Plan.PRO, Operator.IN, "pro")
    assert matches(Seats.FIVE, Operator.LTE, 5)
    assert text(Plan.PRO) == "pro"
    assert type(scalar(Seats.FIVE)) is int


@pytest.mark.parametrize("operator", [Operator.IN, Operator.NOT_IN, Operator.LT, Operator.GTE])
def test_nan_is_no_number_and_matches_nothing(operator: Operator) -> None:
    assert not matches(float("nan"), operator, 1)
    assert not matches(float("nan"), operator, 1, negate=True)


def test_infinities_and_huge_integers_compare() -> None:
    assert matches(float("inf"), Operator.GT, 10)
    assert matches(10**4000, Operator.GT, 1e308)
    assert matches(-(10**4000), Operator.LT, -1e308)


def test_sets_and_tuples_are_lists_and_dictionaries_are_not() -> None:
    for items in ({"a", "b"}, frozenset({"b"}), ("x", "b")):
        assert matches(items, Operator.IN, "b")
    assert not matches({"b": 1}, Operator.IN, "b")
    assert not matches(b"b", Operator.IN, "b")


def test_aware_times_are_instants_and_naive_ones_are_not() -> None:
    noon = datetime(2026, 1, 1, 12, tzinfo=UTC)
    assert instant(noon) == instant("2026-01-01T12:00:00Z") == instant("2026-01-01T13:00:00+01:00")
    assert instant(noon.astimezone(timezone(timedelta(hours=-5, minutes=-30)))) == instant(noon)
    assert instant(datetime(2026, 1, 1, 12, 0, 0, 1, UTC)) == instant("2026-01-01T12:00:00.000001Z")
    assert instant(datetime(2026, 1, 1, 12)) is None  # noqa: DTZ001 - the point
    assert instant(datetime(2026, 1, 1, 12, tzinfo=Broken())) is None
    assert matches(noon, Operator.BEFORE, "2026-01-01T12:00:01Z")


def test_instants_at_the_edges_of_the_calendar_do_not_overflow() -> None:
    first, last = instant("0001-01-01T00:00:00+23:59"), instant("9999-12-31T23:59:60-23:59")
    assert first is not None
    assert last is not None
    assert first < last
    assert instant("0000-01-01T00:00:00Z") is None


@pytest.mark.parametrize("reader", [text, number, scalar, instant, version, address, network])
@pytest.mark.parametrize(
    "value", [None, object(), b"1", [], {}, 1j, "x" * 300, Exception()], ids=lambda value: repr(value)[:20]
)
def test_no_reader_raises_and_none_guesses(reader: Any, value: object) -> None:
    read = reader(value)
    assert read is None or read == value


def test_versions_order_as_the_semver_page_lists_them() -> None:
    ordered = "1.0.0-alpha 1.0.0-alpha.1 1.0.0-alpha.beta 1.0.0-beta 1.0.0-beta.2 1.0.0-beta.11 1.0.0-rc.1"
    ordered += " 1.0.0 1.0.1 1.1 2"
    read = [version(one) for one in ordered.split()]
    assert None not in read
    assert read == sorted(read)  # type: ignore[type-var]
    assert len(set(read)) == len(read)


def test_networks_with_host_bits_are_none() -> None:
    assert network("10.0.0.1/8") is None
    assert network("::ffff:10.0.0.0/104") == network("10.0.0.0/8")
    assert network("::ffff:0:0/90") is None
    assert network("::/0") is not None
    assert address("fe80::1%eth0") is not None
