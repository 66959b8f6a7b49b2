"""Who falls into which bucket: portable, uniform, independent between flags, and never reshuffled by widening."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import chi2

from tests.engine.murmur import murmur3_32
from twokey.engine import Rollout
from twokey.engine.bucketing import BUCKETINGS, bucket, pick, unit_text

VECTORS = json.loads((Path(__file__).parent / "bucketing_vectors.json").read_text(encoding="utf-8"))
ANY_TEXT = st.text(st.characters(exclude_categories=()), max_size=60)


def by_hand(salt: str, unit: str) -> int:
    return murmur3_32(f"{salt}\0{unit}".encode("utf-8", "surrogatepass")) * 100_000 // 2**32


@pytest.mark.parametrize(
    ("text", "hash_value"),
    [("", 0), ("test", 0xBA6BD213), ("Hello, world!", 0xC0363E43), ("hello", 0x248BFA47)],
)
def test_our_plain_murmur_gives_the_hashes_known_elsewhere(text: str, hash_value: int) -> None:
    assert murmur3_32(text.encode()) == hash_value


@pytest.mark.parametrize("vector", VECTORS["vectors"], ids=lambda vector: vector["says"])
def test_the_published_vectors_hold(vector: dict[str, object]) -> None:
    unit = unit_text(vector["unit"])
    assert unit is not None
    assert bucket(str(vector["salt"]), unit) == vector["bucket"] == by_hand(str(vector["salt"]), unit)


@pytest.mark.parametrize("value", VECTORS["no_units"], ids=repr)
def test_what_is_no_unit_has_no_bucket(value: object) -> None:
    assert unit_text(value) is None


@pytest.mark.parametrize(
    "value", [float("nan"), float("inf"), 10**1001, b"u", object()], ids=("nan", "inf", "huge", "bytes", "object")
)
def test_values_that_json_cannot_carry_are_no_units(value: object) -> None:
    assert unit_text(value) is None


@given(ANY_TEXT, ANY_TEXT)
def test_the_plain_algorithm_and_the_engine_agree_on_any_text(salt: str, unit: str) -> None:
    assert bucket(salt, unit) == by_hand(salt, unit)
    assert 0 <= bucket(salt, unit) < 100_000


@given(st.integers(min_value=-(2**60), max_value=2**60))
def test_an_integer_and_its_digits_are_one_unit(number: int) -> None:
    assert unit_text(number) == unit_text(str(number)) == str(number)


def uniformity(counts: list[int], expected: float) -> float:
    """The probability of a split at least this uneven when units fall evenly."""
    return float(chi2.sf(sum((count - expected) ** 2 / expected for count in counts), len(counts) - 1))


@pytest.mark.parametrize("form", ["user-{}", "{}", "{:032x}", "conversation/2026-01-01/{}", "ü-{}"])
def test_units_fall_evenly_into_buckets(form: str) -> None:
    counts = [0] * 100
    for number in range(50_000):
        counts[bucket("checkout", form.format(number)) // 1_000] += 1
    assert uniformity(counts, 500) > 1e-4


@pytest.mark.parametrize(("one", "other"), [("flag-1", "flag-2"), ("a", "b"), ("checkout", "checkout "), ("x", "xx")])
def test_flags_with_almost_the_same_salt_split_independently(one: str, other: str) -> None:
    """Ten by ten cells: knowing a unit's tenth under one salt says nothing about its tenth under the other."""
    cells = [0] * 100
    for number in range(30_000):
        unit = f"user-{number}"
        cells[bucket(one, unit) // 10_000 * 10 + bucket(other, unit) // 10_000] += 1
    assert uniformity(cells, 300) > 1e-4


def test_a_tenth_of_a_tenth_is_a_hundredth() -> None:
    """The trap of weak hashes: membership in B given membership in A must stay what was meant."""
    in_a = [f"user-{number}" for number in range(40_000) if bucket("a", f"user-{number}") < 10_000]
    share = sum(bucket("b", unit) < 10_000 for unit in in_a) / len(in_a)
    assert 0.08 < share < 0.12


@given(st.integers(0, 100_000), st.integers(0, 100_000), st.integers(0, 99_999))
def test_widening_the_first_range_moves_nobody_out_of_it(one: int, other: int, position: int) -> None:
    narrow, wide = sorted((one, other))
    before, after = (pick(Rollout(weights=(("new", w), ("old", 100_000 - w))), position) for w in (narrow, wide))
    assert (before, after) in {("new", "new"), ("old", "new"), ("old", "old")}


@given(st.lists(st.integers(0, 1000), min_size=1, max_size=6).filter(any), st.integers(0, 99_999))
def test_every_bucket_belongs_to_the_variation_whose_range_holds_it(parts: list[int], position: int) -> None:
    weights = [part * 100_000 // sum(parts) for part in parts]
    weights[-1] += 100_000 - sum(weights)
    picked = int(pick(Rollout(weights=tuple((str(i), weight) for i, weight in enumerate(weights))), position))
    assert sum(weights[:picked]) <= position < sum(weights[: picked + 1])


def test_weights_that_end_early_are_an_error_of_the_caller() -> None:
    with pytest.raises(ValueError, match="before bucket 99999"):
        pick(Rollout(weights=(("a", 99_999),)), 99_999)


def test_a_bucketing_is_known_by_its_name() -> None:
    assert BUCKETINGS["twokey-1"] is bucket
