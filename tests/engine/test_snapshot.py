"""A snapshot is checked as a whole, cannot be changed, and is covered by digests from the smallest part up."""

import copy
import json
import pickle
from itertools import pairwise
from typing import Any

import pytest
from msgspec.structs import replace

from tests.engine.documents import DOCUMENT, clause, other
from twokey.engine import Flag, FlagType, Invalid, Operator, Segment, Serve, Snapshot, Variation, evaluate
from twokey.engine.canonical import canonical, digest
from twokey.engine.checks import segments_of_flag
from twokey.engine.snapshot import read_flag, read_segment


def test_a_name_that_appears_twice_in_one_object_is_refused() -> None:
    text = json.dumps(DOCUMENT).replace('"enabled": true,', '"enabled": false, "enabled": true,', 1)
    with pytest.raises(Invalid, match="`enabled` appears twice in one object"):
        Snapshot.from_json(text)
    with pytest.raises(Invalid, match="`key` appears twice"):
        read_segment(b'{"key": "a", "key": "b"}')
    with pytest.raises(Invalid, match="`baseline` appears twice"):
        read_flag(json.dumps(DOCUMENT["flags"][0]).replace('"baseline"', '"baseline": "on", "baseline"', 1))


def test_the_documents_order_and_spelling_do_not_matter() -> None:
    one = Snapshot.from_json(DOCUMENT)
    shuffled = copy.deepcopy(DOCUMENT)
    shuffled["flags"].reverse()
    shuffled["flags"][1]["rules"] = []
    shuffled["flags"][1]["revision"] = 0
    two = Snapshot.from_json(json.dumps(shuffled, indent=2).encode())
    assert one == two
    assert hash(one) == hash(two)
    assert list(one.flags) == ["answer_profile", "support_assistant"]
    assert one != Snapshot.from_json({**DOCUMENT, "revision": 19})
    assert one != DOCUMENT


def test_digests_cover_every_part_and_are_checked() -> None:
    snapshot = Snapshot.from_json(DOCUMENT)
    written = json.loads(snapshot.to_json())
    assert snapshot.to_json() == canonical(written)
    for part in (*written["flags"], *written["segments"]):
        assert part["digest"] == digest({key: value for key, value in part.items() if key != "digest"})
    header = {name: written[name] for name in ("format", "project", "environment", "revision")}
    pairs = {name: [[part["key"], part["digest"]] for part in written[name]] for name in ("flags", "segments")}
    assert snapshot.digest == written["digest"] == digest({**header, **pairs})
    tampered = copy.deepcopy(written)
    tampered["flags"][0]["rules"][1]["serve"]["rollout"]["weights"] = [["reranker", 100_000]]
    with pytest.raises(Invalid, match="flag answer_profile: digest"):
        Snapshot.from_json(tampered)


def test_a_snapshot_and_what_it_serves_cannot_be_changed() -> None:
    value = {"model": "m", "tools": ["search"]}
    flag = Flag(
        key="f",
        type=FlagType.OBJECT,
        enabled=True,
        variations=(Variation(key="a", value=value),),
        baseline="a",
        otherwise=Serve(variation="a"),
    )
    snapshot = Snapshot.build("p", "e", 1, [flag])
    served = evaluate(snapshot, "f", {}).value
    value["model"] = "changed by the writer"
    with pytest.raises(TypeError):
        served["model"] = "changed by a reader"
    with pytest.raises(TypeError):
        served["tools"].append("shell")
    with pytest.raises(TypeError):
        snapshot.flags["g"] = flag  # type: ignore[index]
    with pytest.raises(AttributeError):
        snapshot.revision = 2  # type: ignore[misc]
    assert evaluate(snapshot, "f", {}).value == {"model": "m", "tools": ["search"]}


def test_a_copy_of_a_served_value_may_be_changed() -> None:
    flag = read_flag({**other("f"), "type": "object", "variations": [{"key": "a", "value": {"l": [1, {"x": 2}]}}]})
    served = flag.value_of("a")
    mine = copy.deepcopy(served)
    mine["l"][1]["x"] = 3
    assert copy.copy(served) == served == {"l": [1, {"x": 2}]} == pickle.loads(pickle.dumps(served))
    assert type(copy.copy(served)) is dict
    assert type(copy.copy(served["l"])) is list


def test_the_parts_of_a_flag_are_found_by_name() -> None:
    flag = Snapshot.from_json(DOCUMENT).flag("answer_profile")
    assert flag is not None
    assert Snapshot.from_json(DOCUMENT).flag("nope") is None
    assert flag.rule("pro-10") is flag.rules[1]
    assert flag.rule("nope") is None
    assert flag.unit_for("pro-10") == flag.unit_for(None) == flag.unit_for("gone") == "conversation"
    assert segments_of_flag(flag) == ("internal-staff",)
    with pytest.raises(KeyError):
        flag.value_of("nope")


def test_a_large_number_in_a_number_flag_is_refused_when_no_double_holds_it() -> None:
    flag = {**other("f"), "type": "number", "variations": [{"key": "a", "value": 10**400}]}
    with pytest.raises(Invalid, match="flag f, variation a: value: the number is too large"):
        read_flag(flag)


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        ("boolean", 1),
        ("string", None),
        ("integer", True),
        ("integer", 1.5),
        ("number", "1"),
        ("number", True),
        ("object", "x"),
        ("object", None),
    ],
)
def test_a_value_of_another_type_is_refused(kind: str, value: Any) -> None:
    with pytest.raises(Invalid, match=f"is not of type {kind}"):
        read_flag({**other("f"), "type": kind, "variations": [{"key": "a", "value": value}]})


def test_values_made_in_python_are_checked_like_those_from_json() -> None:
    flag = read_flag(other("f"))
    for value in (float("nan"), float("inf")):
        made = replace(flag, type=FlagType.NUMBER, variations=(Variation(key="a", value=value),), digest=None)
        with pytest.raises(Invalid):
            Snapshot.build("p", "e", 1, [made])
    deep: list[Any] = []
    for _ in range(5_000):
        deep = [deep]
    made = replace(flag, type=FlagType.OBJECT, variations=(Variation(key="a", value=deep),), digest=None)
    with pytest.raises(Invalid, match="nested"):
        Snapshot.build("p", "e", 1, [made])


def test_a_segment_with_a_half_surrogate_is_refused() -> None:
    with pytest.raises(Invalid, match="segment s: text"):
        Snapshot.build("p", "e", 1, [], [Segment(key="s", included=("\ud800",))])


def test_diamonds_of_prerequisites_are_resolved_once_each() -> None:
    """Thirty layers of two flags, each on both of the layer below: two to the thirty paths, sixty flags."""
    layers = [[other(f"f{layer:02}-{side}") for side in "ab"] for layer in range(30)]
    for below, layer in pairwise(layers):
        for flag in layer:
            flag["prerequisites"] = [{"flag": one["key"], "variations": ["a"]} for one in below]
    header = {**DOCUMENT, "segments": [], "flags": [flag for layer in layers for flag in layer]}
    assert evaluate(Snapshot.from_json(header), "f29-a", {}).variation == "a"


def test_diamonds_of_segments_are_asked_once_each() -> None:
    keys = [[f"s{layer:02}-{side}" for side in "ab"] for layer in range(30)]
    segments: list[dict[str, Any]] = [{"key": key} for key in keys[0]]
    for below, layer in pairwise(keys):
        rules = [{"clauses": [{"attribute": "targetingKey", "operator": "in_segment", "values": below}]}]
        segments.extend({"key": key, "rules": rules} for key in layer)
    rule = {
        "id": "r",
        "clauses": [{**clause("in_segment", "s29-a"), "attribute": "targetingKey"}],
        "serve": {"variation": "a"},
    }
    snapshot = Snapshot.from_json({**DOCUMENT, "segments": segments, "flags": [{**other("f"), "rules": [rule]}]})
    assert evaluate(snapshot, "f", {"targetingKey": "u"}).reason == "DEFAULT"


def test_operators_have_each_a_meaning() -> None:
    from twokey.engine.operators import MEANINGS

    assert set(MEANINGS) == set(Operator)


def test_equal_flags_have_equal_digests_however_their_defaults_were_written() -> None:
    written = {
        "key": "f",
        "type": "boolean",
        "enabled": True,
        "variations": [{"key": "off", "value": False}, {"key": "on", "value": True}],
        "baseline": "off",
        "salt": "f",
        "otherwise": {"variation": "on"},
    }
    brief = read_flag(written)
    full = read_flag(written | {"unit": "targetingKey", "bucketing": "twokey-1"})
    assert brief == full
    assert brief.digest == full.digest
