"""The short ways into a snapshot lead where the long ones do: bytes, digests, and names that appear once."""

import copy
import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from tests.engine.documents import DOCUMENT, clause, other
from tests.engine.strategies import json_values, snapshots
from twokey.engine import Invalid, Patch, Snapshot, apply_patch, diff, evaluate, parsing
from twokey.engine.admission import admit_flag, bytes_of
from twokey.engine.canonical import canonical
from twokey.engine.contents import contents_of
from twokey.engine.snapshot import read_flag, read_segment

numbers = (
    st.floats(allow_nan=False, allow_infinity=False)
    | st.floats(0.0001, 0.01)
    | st.floats(1e14, 1e17)
    | st.integers(1, 10**6).map(lambda number: number / 1000)
    | st.sampled_from(
        [0.001, 0.0009999999, 1e15, 999999999999999.9, 0.1 + 0.2, 1e-5, 5e-324, 123456789.125, -0.0, -0.5]
    )
)
"""Those that two writers of JSON would spell in two ways among them."""
names = st.text(max_size=4) | st.sampled_from(["é", "\ue000", "\U00010000", "a", "digest", '"digest":"'])
values = st.dictionaries(names, json_values | numbers | st.lists(numbers, max_size=3), max_size=4)


@settings(max_examples=400)
@given(values)
def test_the_fast_bytes_are_the_canonical_bytes(value: dict[str, Any]) -> None:
    flag = read_flag({**other("f"), "type": "object", "variations": [{"key": "a", "value": value}]})
    assert bytes_of(flag) == canonical(flag)
    assert json.loads(bytes_of(flag))["variations"][0]["value"] == flag.value_of("a")
    assert admit_flag(replace(flag, digest=None)).digest == flag.digest


@settings(max_examples=100)
@given(st.lists(numbers | st.integers(-(2**53), 2**53), min_size=1, max_size=3))
def test_and_so_they_are_for_the_values_of_clauses(listed: list[Any]) -> None:
    rule = {"id": "r", "clauses": [clause("lt", *listed)], "serve": {"variation": "a"}}
    try:
        flag = read_flag({**other("f"), "rules": [rule]})
    except Invalid:
        return  # a float that JSON spells as an integer which no double holds
    assert bytes_of(flag) == canonical(flag)


@settings(max_examples=60)
@given(snapshots(), snapshots())
def test_contents_that_were_written_over_are_those_made_anew(old: Snapshot, new: Snapshot) -> None:
    for result in (apply_patch(old, diff(old, new)), new):
        assert result.contents == contents_of(result.flags, result.segments)


def test_a_small_patch_writes_over_the_very_digests_that_changed() -> None:
    flags = [other(key) for key in ("a", "a.b", "a-b", "ab", "b", "segments", "flags")]
    segments = [{"key": key} for key in ("a", "ab", "flags")]
    old = Snapshot.from_json({**DOCUMENT, "flags": flags, "segments": segments})
    for key in old.flags:
        changed = [replace(flag, digest=None, revision=int(flag.key == key)) for flag in old.flags.values()]
        new = Snapshot.build(old.project, old.environment, 19, changed, old.segments.values())
        assert apply_patch(old, diff(old, new)).contents == new.contents
    for key in old.segments:
        edited = [replace(one, digest=None, revision=int(one.key == key)) for one in old.segments.values()]
        new = Snapshot.build(old.project, old.environment, 19, old.flags.values(), edited)
        assert apply_patch(old, diff(old, new)).contents == new.contents


def text_of(document: Any, **options: Any) -> str:
    return json.dumps(document, **options)


REPEATED = [
    ('"enabled": true', '"enabled": false, "enabled": true'),
    ('"revision": 18', '"revision": 18, "revision": 18'),
    ('"format": "twokey/1"', '"format": "twokey/1", "format": "twokey/1"'),
    ('"operator": "ends_with"', '"operator": "ends_with", "operator": "ends_with"'),
    ('"key": "internal-staff"', '"key": "x", "key": "internal-staff"'),
    ('"baseline": "baseline"', '"baseline": "baseline", "b\\u0061seline": "baseline"'),
    ('"@example.com"', '"@example.com"], "values": ["@example.com\\u003a"'),
    ('"@example.com"', '"@example.com"], "values": ["\\u003A"'),
    ('"@example.com"', '"\\u003a"], "values": ["@example.com"'),
    ('"value": true', '"value": false, "value": true'),
]
"""A member twice: at every level, the same or another value, under an escaped name, beside a colon that is escaped so
that counting colons alone would miss it."""


@pytest.mark.parametrize(("once", "twice"), REPEATED, ids=range(len(REPEATED)))
@pytest.mark.parametrize(
    "data", [str, str.encode, lambda text: bytearray(text.encode())], ids=["text", "bytes", "array"]
)
def test_a_name_that_appears_twice_is_refused_wherever_it_stands(once: str, twice: str, data: Any) -> None:
    text = text_of(DOCUMENT)
    assert once in text
    Snapshot.from_json(data(text))
    with pytest.raises(Invalid, match="appears twice in one object"):
        Snapshot.from_json(data(text.replace(once, twice, 1)))


def test_a_name_that_appears_twice_in_a_served_value_is_refused() -> None:
    flag = {**other("f"), "type": "object", "variations": [{"key": "a", "value": {"m": [{"n": 1}]}}]}
    text = text_of(flag)
    assert read_flag(text).value_of("a") == {"m": [{"n": 1}]}
    for twice in ('{"n": 1, "n": 1}', '{"n": "\\u003a", "n": 2}', '{"\\u006e": 1, "n": 2}', '{"n": {"o": 1, "o": 2}}'):
        with pytest.raises(Invalid, match="appears twice"):
            read_flag(text.replace('{"n": 1}', twice))
    with pytest.raises(Invalid, match="appears twice"):
        Patch.from_json(b'{"from_revision":1,"to_revision":2,"to_revision":2,"digest":"x"}')


@pytest.mark.parametrize("word", [":", "::", "a:b", "\\u003a", "\\", '":"', "sha256:", "\u2028:", '{"a":1}'])
def test_colons_in_strings_mislead_nobody(word: str) -> None:
    document = copy.deepcopy(DOCUMENT)
    document["segments"][0]["included"] = [word]
    document["flags"][1]["salt"] = word
    document["flags"][1]["variations"][0]["value"] = word
    snapshot = Snapshot.from_json(document)
    for data in (
        text_of(document),
        text_of(document, indent=3),
        text_of(document, ensure_ascii=False),
        snapshot.to_json(),
    ):
        assert Snapshot.from_json(data) == snapshot


@settings(max_examples=40)
@given(snapshots())
def test_what_twokey_writes_is_read_the_short_way(snapshot: Snapshot) -> None:
    """Without a second reading, though every part carries a digest."""
    data = snapshot.to_json()
    with pytest.MonkeyPatch.context() as patching:
        patching.setattr(parsing, "_colons_kept", lambda _: pytest.fail("read twice"))
        again = Snapshot.from_json(data) if snapshot.flags and snapshot.segments else snapshot
    assert again == snapshot


def test_defaults_that_are_written_out_repeat_no_name() -> None:
    document = copy.deepcopy(DOCUMENT)
    document["flags"][0] |= {"rules": [], "targets": [], "prerequisites": [], "revision": 0, "digest": None}
    document["segments"][0]["rules"][0]["clauses"][0]["negate"] = False
    assert Snapshot.from_json(text_of({**document, "digest": None})) == Snapshot.from_json(DOCUMENT)
    bare = {key: DOCUMENT[key] for key in ("format", "project", "environment", "revision")}
    assert Snapshot.from_json(text_of(bare)) == Snapshot.from_json(text_of({**bare, "flags": [], "segments": []}))


@pytest.mark.parametrize("part", ["snapshot", "flag", "segment"])
def test_a_digest_that_does_not_fit_is_refused_before_anything_is_served(part: str) -> None:
    written = json.loads(Snapshot.from_json(DOCUMENT).to_json())
    holder = {"snapshot": written, "flag": written["flags"][0], "segment": written["segments"][0]}[part]
    good = holder["digest"]
    Snapshot.from_json(text_of(written))
    for bad in (good.replace(good[-1], "0" if good[-1] != "0" else "1"), "", "sha256:", good.upper(), good + "0"):
        holder["digest"] = bad
        with pytest.raises(Invalid, match=r"digest: .*does not fit the content"):
            Snapshot.from_json(text_of(written))
    if part == "snapshot":
        return
    reader = read_flag if part == "flag" else read_segment
    with pytest.raises(Invalid, match="does not fit"):
        reader(text_of(holder))


def test_a_value_is_unchangeable_whichever_way_it_came_in() -> None:
    value = {"l": [1, 2.5], "o": {"n": "x"}}
    flag = {**other("f"), "type": "object", "variations": [{"key": "a", "value": value}]}
    for snapshot in (
        Snapshot.from_json({**DOCUMENT, "segments": [], "flags": [flag]}),
        Snapshot.from_json(text_of({**DOCUMENT, "segments": [], "flags": [flag]})),
        Snapshot.build("p", "e", 1, [read_flag(text_of(flag))]),
    ):
        for _ in range(20):
            served = evaluate(snapshot, "f", {}).value
            for change in (served.clear, served["l"].clear, served["l"].sort, served["o"].popitem):
                with pytest.raises(TypeError):
                    change()
            assert served == value


@pytest.mark.parametrize("name", [5, None, ("n",), 1.5, True])
def test_a_member_name_that_is_no_text_is_refused_as_a_value(name: Any) -> None:
    flag = read_flag({**other("f"), "type": "object", "variations": [{"key": "a", "value": {}}]})
    for value in ({name: 1}, {"x": {name: 1}}, [{"x": 1, name: 2}]):
        with pytest.raises(Invalid, match="flag f: value: not JSON"):
            admit_flag(replace(flag, digest=None, variations=(replace(flag.variations[0], value=value),)))
