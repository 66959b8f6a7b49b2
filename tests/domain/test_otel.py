"""Which variation an evaluation tells of that names none but its value."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from twokey.domain.otel import Event, Known, exposure_of
from twokey.engine.errors import Invalid
from twokey.engine.flag import Flag, FlagType, Serve, Variation


def assigned(type_: FlagType, values: dict[str, Any], told: Any) -> str:
    flag = Flag(
        key="f",
        type=type_,
        enabled=True,
        variations=tuple(Variation(key=key, value=value) for key, value in values.items()),
        baseline=next(iter(values)),
        unit="targetingKey",
        salt="f",
        otherwise=Serve(variation=next(iter(values))),
    )
    said = {
        "feature_flag.key": "f",
        "feature_flag.version": "1",
        "feature_flag.context.id": "u-1",
        "feature_flag.result.value": told,
    }
    event = Event(at=datetime(2026, 7, 1, tzinfo=UTC), attributes=said)
    return exposure_of(event, Known(flags={"f": [(1, flag)]}, units=frozenset())).assigned


SWITCH = {"off": False, "on": True}
COUNT = {"none": 0, "one": 1}
PROFILE = {"short": {"k": 4, "deep": {"a": [1, 2]}}, "long": {"k": 8}}
TEXT = {"yes": "true", "other": "1"}


@pytest.mark.parametrize(
    ("type_", "values", "told", "variation"),
    [
        (FlagType.BOOLEAN, SWITCH, True, "on"),
        (FlagType.BOOLEAN, SWITCH, "false", "off"),
        (FlagType.INTEGER, COUNT, 1, "one"),
        (FlagType.INTEGER, COUNT, "0", "none"),
        (FlagType.OBJECT, PROFILE, '{"deep": {"a": [1, 2]}, "k": 4}', "short"),
        (FlagType.STRING, TEXT, "true", "yes"),
        (FlagType.STRING, TEXT, "1", "other"),
    ],
)
def test_a_value_is_that_of_its_variation(type_: FlagType, values: dict[str, Any], told: Any, variation: str) -> None:
    assert assigned(type_, values, told) == variation


@pytest.mark.parametrize(
    ("type_", "values", "told", "many"),
    [
        (FlagType.STRING, {"a": "same", "b": "same"}, "same", 2),
        (FlagType.STRING, TEXT, "nonsense", 0),
        (FlagType.STRING, TEXT, "half a pair \ud800", 0),
        (FlagType.BOOLEAN, SWITCH, 1, 0),
        (FlagType.INTEGER, COUNT, True, 0),
        (FlagType.OBJECT, PROFILE, "[" * 5000, 0),
        (FlagType.INTEGER, COUNT, float("nan"), 0),
    ],
)
def test_a_value_that_is_nobody_s_or_several_s_is_refused(
    type_: FlagType, values: dict[str, Any], told: Any, many: int
) -> None:
    with pytest.raises(Invalid, match=f"is that of {many} variations"):
        assigned(type_, values, told)
