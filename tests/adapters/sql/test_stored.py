"""Values in columns: moments sort as text, copies are text that every database takes."""

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from twokey.adapters.sql.stored import copy, moment, parse_moment

ZONES = st.timezones() | st.builds(timezone, st.integers(-1439, 1439).map(lambda minutes: timedelta(minutes=minutes)))
MOMENTS = st.datetimes(datetime(2, 1, 1), datetime(9998, 1, 1), timezones=ZONES)  # noqa: DTZ001 - bounds have none


@given(MOMENTS)
def test_a_moment_comes_back_as_the_same_moment_in_utc(at: datetime) -> None:
    back = parse_moment(moment(at))
    assert back == at.astimezone(UTC)
    assert back.tzinfo is UTC


@given(MOMENTS, MOMENTS)
def test_moments_as_text_stand_in_the_order_of_time_whatever_their_zones(one: datetime, other: datetime) -> None:
    assert len(moment(one)) == len(moment(other)) == 27
    assert (moment(one) < moment(other)) == (one.astimezone(UTC) < other.astimezone(UTC))


def test_a_moment_without_a_zone_is_refused() -> None:
    with pytest.raises(ValueError, match="has no time zone"):
        moment(datetime(2026, 11, 22))  # noqa: DTZ001 - that is the point


@given(st.text(st.characters(exclude_categories=[])))
def test_a_copy_has_a_utf8_form_without_nul(text: str) -> None:
    copied = str(copy(text))
    assert "\0" not in copied
    assert copied.encode().decode() == copied == copy(copied)
    if copied == text:
        assert "\0" not in text
