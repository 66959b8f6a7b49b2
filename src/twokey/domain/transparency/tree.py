"""A Merkle tree over a growing list of leaves, as RFC 6962 section 2.1 (RFC 9162 section 2.1) defines it.

Rules kept here:
- a leaf is hashed with a 0 before it and an inner node with a 1, so that neither can be passed off as the other;
- whole subtrees never change once they are complete: their hashes are kept, and root and proofs are put together from
  them in steps that grow with the logarithm of the size.

Nodes are asked for by level and place: level 0 are the leaves, and node `i` of level `l` covers the leaves from
`i * 2**l` up to `(i + 1) * 2**l`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from hashlib import sha256
from typing import NamedTuple

Nodes = Callable[[int, int], bytes]
"""The hash of a complete subtree, by level and place."""
EMPTY = sha256(b"").digest()
"""The root of a tree without leaves."""


class Node(NamedTuple):
    """A complete subtree's hash, by level and place."""

    level: int
    place: int
    hash: bytes


def leaf_hash(data: bytes) -> bytes:
    """The hash of a leaf."""
    return sha256(b"\x00" + data).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """The hash of an inner node."""
    return sha256(b"\x01" + left + right).digest()


def completed(place: int, leaf: bytes, nodes: Nodes) -> Iterator[Node]:
    """The subtrees that are complete once this leaf (given by its hash) stands at that place: the leaf itself first."""
    level, found = 0, leaf
    yield Node(level, place, found)
    while place & 1:
        found = node_hash(nodes(level, place - 1), found)
        level, place = level + 1, place >> 1
        yield Node(level, place, found)


def root(size: int, nodes: Nodes) -> bytes:
    """The root over the first `size` leaves."""
    return subtree(0, size, nodes) if size else EMPTY


def subtree(start: int, end: int, nodes: Nodes) -> bytes:
    """The root over the leaves from `start` up to `end`, where a tree of that width may stand (at least one leaf)."""
    width = end - start
    if width & (width - 1) == 0:
        level = width.bit_length() - 1
        return nodes(level, start >> level)
    split = start + split_of(width)
    return node_hash(subtree(start, split, nodes), subtree(split, end, nodes))


def split_of(width: int) -> int:
    """The largest power of two below `width`, which is at least 2."""
    return 1 << ((width - 1).bit_length() - 1)


def inclusion(place: int, size: int, nodes: Nodes) -> tuple[bytes, ...]:
    """The proof that the leaf at `place` is in the tree of that size: the hashes beside its way up, lowest first."""
    if not 0 <= place < size:
        raise ValueError(f"leaf {place} is not in a tree of {size}")
    return tuple(_beside(place, 0, size, nodes))


def _beside(place: int, start: int, end: int, nodes: Nodes) -> list[bytes]:
    if end - start == 1:
        return []
    split = start + split_of(end - start)
    if place < split:
        return [*_beside(place, start, split, nodes), subtree(split, end, nodes)]
    return [*_beside(place, split, end, nodes), subtree(start, split, nodes)]


def consistency(old: int, new: int, nodes: Nodes) -> tuple[bytes, ...]:
    """The proof that the tree of size `old` is the beginning of the one of size `new`."""
    if not 0 < old <= new:
        raise ValueError(f"a tree of {old} is no beginning of one of {new}")
    return tuple(_between(old, 0, new, nodes, whole=True)) if old < new else ()


def _between(old: int, start: int, end: int, nodes: Nodes, *, whole: bool) -> list[bytes]:
    if old == end:
        return [] if whole else [subtree(start, end, nodes)]
    split = start + split_of(end - start)
    if old <= split:
        return [*_between(old, start, split, nodes, whole=whole), subtree(split, end, nodes)]
    return [*_between(old, split, end, nodes, whole=False), subtree(start, split, nodes)]
