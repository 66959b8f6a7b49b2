"""Which of 100,000 buckets a unit falls into.

Rules this module keeps:

* A bucketing is a name in the flag document; a name's meaning never changes. `twokey-1` is MurmurHash3 x86_32 (Austin
  Appleby, public domain), seed 0, over the UTF-8 bytes of salt, U+0000, unit; the unsigned hash times 100,000 divided
  by 2^32, rounded down.
* A unit is text as it stands, or an integer by its decimal digits (so 7, 7.0 and "7" are one unit). Anything else -
  absent, null, a boolean, a fraction, a list - is no unit.
* Half surrogate pairs, which JavaScript can send, are hashed as their three-byte form, so that nothing raises.

Why this hash: docs/adr/0002-bucketing-hash.md. Vectors for ports: tests/engine/bucketing_vectors.json.
"""

from collections.abc import Callable, Mapping
from types import MappingProxyType

from mmh3 import mmh3_32_uintdigest

from twokey.engine.flag import BUCKETING, WEIGHT_TOTAL, Rollout

Bucketing = Callable[[str, str], int]
"""(salt, unit) -> bucket in [0, 100,000)."""

_MAX_DIGITS = 1_000
"""Integers longer than this are no unit; Python refuses to write very long ones."""


def bucket(salt: str, unit: str) -> int:
    """The bucket of a unit in [0, 100,000) under `twokey-1`."""
    digest = mmh3_32_uintdigest(f"{salt}\x00{unit}".encode("utf-8", "surrogatepass"))
    return digest * WEIGHT_TOTAL >> 32


BUCKETINGS: Mapping[str, Bucketing] = MappingProxyType({BUCKETING: bucket})
"""Every bucketing that a flag may name."""


def unit_text(value: object) -> str | None:
    """The text that is hashed for a context value, or None when the value is no unit."""
    if isinstance(value, str):
        return str.__str__(value)
    if isinstance(value, bool):
        return None
    if isinstance(value, float):
        return unit_text(int(value)) if value.is_integer() else None
    if isinstance(value, int) and value.bit_length() < 3 * _MAX_DIGITS:
        return int.__repr__(value)
    return None


def pick(rollout: Rollout, position: int) -> str:
    """The variation whose range holds this bucket; ranges follow the listed order.

    Growing the first weight therefore never moves anyone out of the first variation.
    """
    upper = 0
    for variation, weight in rollout.weights:
        upper += weight
        if position < upper:
            return variation
    raise ValueError(f"weights end at {upper}, before bucket {position}")
