"""Rollouts through the engine's own door, compiled: shares, independence, stability, and the published vectors."""

import json
import random
import uuid
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mmh3 import mmh3_32_uintdigest
from scipy.stats import chi2

from tests.engine.documents import DOCUMENT
from tests.engine.evaluators import compiled
from twokey.engine import Reason, Snapshot, evaluate

VECTORS = json.loads((Path(__file__).parent / "bucketing_vectors.json").read_text(encoding="utf-8"))
PROBABLE = 1e-4
"""A split less probable than this is a fault. The keys are fixed, so the tests do not flicker."""
SHAPES = {
    "counted": lambda n: f"user-{n}",
    "digits": str,
    "integers": lambda n: n,
    "padded": lambda n: f"{n:012}",
    "hexadecimal": lambda n: f"{n * 0x9E3779B97F4A7C15 % 2**128:032x}",
    "uuid": lambda n: str(uuid.UUID(int=random.Random(n).getrandbits(128), version=4)),
    "mail": lambda n: f"someone.{n}@example.com",
    "long": lambda n: "x" * 200 + str(n),
    "end first": lambda n: f"{n}-customer-of-the-northern-region",
    "umlauts": lambda n: f"Größe/{n}",
    "emoji": lambda n: "😀" * (n % 7) + str(n),
}  # fmt: skip


def flag(key: str, *weights: tuple[str, int], **more: Any) -> dict[str, Any]:
    names = [name for name, _ in weights]
    return {
        "key": key,
        "type": "string",
        "enabled": True,
        "variations": [{"key": name, "value": name} for name in names],
        "baseline": names[-1],
        "otherwise": {"rollout": {"weights": list(weights)}},
        **more,
    }


def snapshot_of(*flags: dict[str, Any]) -> Snapshot:
    return compiled(Snapshot.from_json({**DOCUMENT, "segments": [], "flags": list(flags)}))


def served(snapshot: Snapshot, key: str, unit: object) -> str:
    resolution = evaluate(snapshot, key, {"targetingKey": unit})
    assert resolution.reason is Reason.SPLIT
    return str(resolution.value)


def improbable(counts: list[int], expected: list[float]) -> float:
    """The probability of counts at least this far from the expected ones."""
    distance = sum((count - wanted) ** 2 / wanted for count, wanted in zip(counts, expected, strict=True))
    return float(chi2.sf(distance, len(counts) - 1))


@pytest.mark.parametrize("shape", SHAPES)
def test_shares_are_those_that_were_asked_for(shape: str) -> None:
    weights = [("a", 1_000), ("b", 9_000), ("c", 25_000), ("d", 65_000)]
    snapshot = snapshot_of(flag("checkout", *weights))
    count = 20_000
    got = dict.fromkeys("abcd", 0)
    for number in range(count):
        got[served(snapshot, "checkout", SHAPES[shape](number))] += 1
    assert improbable(list(got.values()), [count * weight / 100_000 for _, weight in weights]) > PROBABLE


NEIGHBOURS = [("checkout", "checkouu"), ("flag-1", "flag-2"), ("a", "b"), ("a", "aa"), ("Flag", "flag"), ("f.1", "f-1")]


@pytest.mark.parametrize("shape", ["counted", "digits", "hexadecimal", "mail", "umlauts"])
@pytest.mark.parametrize(("one", "other"), NEIGHBOURS)
@pytest.mark.parametrize("by", ["key", "salt"])
def test_who_is_in_one_rollout_says_nothing_about_another(one: str, other: str, by: str, shape: str) -> None:
    """Two flags at 30 percent whose keys, or salts, differ in one character: four cells as independence wants them."""
    halves = ("in", 30_000), ("out", 70_000)
    pair = [flag(key, *halves) for key in (one, other)] if by == "key" else [
        flag(key, *halves, salt=salt) for key, salt in (("x", one), ("y", other))
    ]  # fmt: skip
    snapshot = snapshot_of(*pair)
    first, second = (each["key"] for each in pair)
    count = 4_000
    cells = {(a, b): 0 for a in ("in", "out") for b in ("in", "out")}
    for number in range(count):
        unit = SHAPES[shape](number)
        cells[served(snapshot, first, unit), served(snapshot, second, unit)] += 1
    share = {"in": 0.3, "out": 0.7}
    assert improbable(list(cells.values()), [count * share[a] * share[b] for a, b in cells]) > PROBABLE


@settings(max_examples=60)
@given(
    st.lists(st.integers(0, 100_000), min_size=2, max_size=6),
    st.text(st.characters(min_codepoint=32, exclude_categories=("Cs",)), min_size=1, max_size=20),
    st.booleans(),
)
def test_widening_a_rollout_moves_nobody_out_of_it(shares: list[int], salt: str, in_a_rule: bool) -> None:
    """From stage to stage, whatever the shares: who has the candidate keeps it, and nobody else loses anything."""

    def stage(number: int, share: int) -> dict[str, Any]:
        made = flag(f"stage-{number}", ("new", share), ("old", 100_000 - share), salt=salt)
        if in_a_rule:
            rule = {"id": "r", "clauses": [], "serve": made["otherwise"]}
            made |= {"rules": [rule], "otherwise": {"variation": "old"}}
        return made

    stages = [stage(number, share) for number, share in enumerate(sorted(shares))]
    snapshot = snapshot_of(*stages)
    before: set[int] = set()
    for one in stages:
        now = {unit for unit in range(300) if served(snapshot, one["key"], unit) == "new"}
        assert before <= now
        before = now


@settings(max_examples=60)
@given(st.integers(0, 100_000), st.integers(0, 100_000), st.integers(0, 100_000))
def test_widening_the_first_of_three_takes_only_from_those_after_it(first: int, second: int, grow: int) -> None:
    first, end = sorted((first, second))
    wide = min(first + grow, 100_000)
    before = flag("before", ("a", first), ("b", end - first), ("c", 100_000 - end), salt="s")
    after = flag("after", ("a", wide), ("b", max(end - wide, 0)), ("c", 100_000 - max(end, wide)), salt="s")
    snapshot = snapshot_of(before, after)
    for unit in range(200):
        was, now = served(snapshot, "before", unit), served(snapshot, "after", unit)
        assert now in ("a", was)
        assert was != "a" or now == "a"


@pytest.mark.parametrize(
    "vector", [vector for vector in VECTORS["vectors"] if vector["salt"]], ids=lambda vector: vector["says"]
)
def test_the_published_vectors_hold_to_the_single_bucket(vector: dict[str, Any]) -> None:
    """A candidate whose range begins or ends at the vector's bucket has, or has not, this unit."""
    bucket = vector["bucket"]
    flags = [
        flag("below", ("in", bucket), ("out", 100_000 - bucket)),
        flag("with", ("in", bucket + 1), ("out", 100_000 - bucket - 1)),
        flag("only", ("before", bucket), ("in", 1), ("after", 100_000 - bucket - 1)),
    ]
    for each in flags:
        each["otherwise"]["rollout"]["salt"] = vector["salt"]
    snapshot = snapshot_of(*flags)
    assert served(snapshot, "below", vector["unit"]) == "out"
    assert served(snapshot, "with", vector["unit"]) == "in"
    assert served(snapshot, "only", vector["unit"]) == "in"


@pytest.mark.parametrize("value", VECTORS["no_units"], ids=repr)
def test_what_is_no_unit_gets_the_baseline(value: object) -> None:
    resolution = evaluate(snapshot_of(flag("f", ("in", 99_999), ("out", 1))), "f", {"targetingKey": value})
    assert (resolution.value, resolution.reason) == ("out", Reason.DEFAULT)
    assert resolution.metadata == {"missing_unit": "targetingKey"}


def at_the_edges_of_buckets() -> list[tuple[int, int]]:
    """Units whose hash is the very first, or the very last, of its bucket."""
    found = []
    for unit in range(200_000):
        hashed = mmh3_32_uintdigest(f"checkout\0{unit}".encode())
        bucket = hashed * 100_000 >> 32
        if bucket != (hashed - 1) * 100_000 >> 32 or bucket != (hashed + 1) * 100_000 >> 32:
            found.append((unit, bucket))
    return found


def test_the_comparison_of_hashes_puts_every_edge_where_buckets_do() -> None:
    """The compiled function compares the hash itself with a rounded limit; off by one, one of these would move."""
    edges = at_the_edges_of_buckets()
    assert len(edges) >= 5
    for unit, bucket in edges:
        inside = ("before", bucket), ("in", 1), ("after", 100_000 - bucket - 1)
        assert served(snapshot_of(flag("checkout", *inside)), "checkout", unit) == "in"
