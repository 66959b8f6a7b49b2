"""The checks that others use on single flags and segments, and the reading of shapes that are not snapshots."""

from itertools import pairwise
from typing import Any

import msgspec
import pytest

from tests.engine.documents import DOCUMENT, clause, other
from twokey.engine import Flag, Invalid, Prerequisite, Segment, Snapshot
from twokey.engine.checks import check_flag, check_graph, check_segment
from twokey.engine.flag import Shape
from twokey.engine.parsing import decode, refuse_repeated_names

SNAPSHOT = Snapshot.from_json(DOCUMENT)
PROFILE = SNAPSHOT.flags["answer_profile"]


def test_a_flag_is_checked_alone_and_against_its_neighbours() -> None:
    check_flag(PROFILE)
    check_flag(PROFILE, SNAPSHOT.flags, SNAPSHOT.segments)
    with pytest.raises(Invalid, match="flag answer_profile, prerequisite support_assistant: flag"):
        check_flag(PROFILE, flags={})
    with pytest.raises(Invalid, match="flag answer_profile, rule internal, clause 1: values"):
        check_flag(PROFILE, segments={})


def test_a_segment_is_checked_alone_and_against_its_neighbours() -> None:
    segment = msgspec.convert({"key": "s", "rules": [{"clauses": [clause("in_segment", "t")]}]}, Segment)
    check_segment(segment)
    check_segment(segment, {"t": Segment(key="t")})
    with pytest.raises(Invalid, match="segment s, rule 1, clause 1: values: segment `t` does not exist"):
        check_segment(segment, {})


def chain(length: int) -> dict[str, Flag]:
    flags = [msgspec.convert(other(f"f{i:02}"), Flag) for i in range(length)]
    leaning = [
        msgspec.structs.replace(flag, prerequisites=(Prerequisite(flag=on.key, variations=("a",)),))
        for on, flag in pairwise(flags)
    ]
    return {flag.key: flag for flag in (flags[0], *leaning)}


@pytest.mark.parametrize("backwards", [False, True])
def test_chains_of_sixty_four_are_accepted_whichever_end_is_met_first(backwards: bool) -> None:
    def ordered(flags: dict[str, Flag]) -> dict[str, Flag]:
        return dict(sorted(flags.items(), reverse=backwards))

    check_graph(ordered(chain(64)), {})
    with pytest.raises(Invalid, match="a chain of more than 64 flags"):
        check_graph(ordered(chain(65)), {})


class Inner(Shape, frozen=True, kw_only=True):
    count: int


class Outer(Shape, frozen=True, kw_only=True):
    items: tuple[Inner, ...] = ()
    by_name: dict[str, Inner] = msgspec.field(default_factory=dict)
    maybe: Inner | None = None


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ({"items": [{"count": "x"}]}, "item 1: count: `x` does not fit; accepted: an integer"),
        ({"by_name": {"a": {"count": None}}}, "thing: count: `null` does not fit; accepted: an integer"),
        ({"maybe": {"cuont": 1}}, "thing: cuont: `cuont` is not a known field; accepted: `count`"),
        ({"maybe": 5}, "thing: maybe: `5` does not fit; accepted: an object or null"),
        ({"items": [5]}, "item 1: value: `5` does not fit; accepted: an object"),
        (b'{"items":[{"count":1},{"count":2.5}]}', "item 2: count: `2.5` does not fit; accepted: an integer"),
    ],
)
def test_other_shapes_are_read_with_the_same_care(data: Any, message: str) -> None:
    with pytest.raises(Invalid) as caught:
        decode(data, Outer, "thing")
    assert str(caught.value) == message


def test_repeated_names_are_found_at_any_depth_in_text_and_bytes() -> None:
    for data in ('{"a": {"b": [{"c": 1, "c": 1}]}}', b'{"a": {"b": [{"c": 1, "c": 1}]}}'):
        with pytest.raises(Invalid, match="thing: `c` appears twice"):
            refuse_repeated_names(data, "thing")
    refuse_repeated_names(b'{"a": {"b": 1}, "c": {"b": 1}}', "thing")
