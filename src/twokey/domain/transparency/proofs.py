"""Verifying proofs about Merkle trees, from nothing but the proof and the roots.

Sources: RFC 9162 sections 2.1.3.2 and 2.1.4.2; for subtrees, the algorithms of draft-ietf-plants-merkle-tree-certs.
A proof holds or it does not: nothing here raises for one that is malformed.
"""

from __future__ import annotations

from collections.abc import Sequence

from twokey.domain.transparency.tree import EMPTY, node_hash

HASH = 32
MOST = 2**63


def includes(leaf: bytes, place: int, size: int, proof: Sequence[bytes], root: bytes) -> bool:
    """Whether the leaf with this hash is at that place in the tree of that size and root."""
    if not 0 <= place < size < MOST or not _are_hashes(leaf, *proof):
        return False
    here, last, found = place, size - 1, leaf
    for each in proof:
        if last == 0:
            return False
        if here & 1 or here == last:
            found = node_hash(each, found)
            while here and not here & 1:
                here, last = here >> 1, last >> 1
        else:
            found = node_hash(found, each)
        here, last = here >> 1, last >> 1
    return last == 0 and found == root


def subtree_includes(leaf: bytes, place: int, start: int, end: int, proof: Sequence[bytes], root: bytes) -> bool:
    """Whether the leaf is at that place in the subtree of the leaves from `start` up to `end`."""
    return is_subtree(start, end) and includes(leaf, place - start, end - start, proof, root)


def is_subtree(start: int, end: int) -> bool:
    """Whether a subtree of that width can stand there: `start` is a multiple of the width's next power of two."""
    if not 0 <= start < end < MOST:
        return False
    return start % (1 << (end - start - 1).bit_length()) == 0


def extends(old: int, new: int, before: bytes, after: bytes, proof: Sequence[bytes]) -> bool:
    """Whether the tree of size `old` and root `before` is the beginning of the one of size `new` and root `after`.

    That an empty tree begins every other proves nothing, so it never holds.
    """
    if old == 0:
        return False
    return subtree_extends(0, old, new, before, after, proof)


def subtree_extends(start: int, end: int, size: int, before: bytes, after: bytes, proof: Sequence[bytes]) -> bool:
    """Whether the subtree of the leaves from `start` up to `end` is part of the tree of that size and root."""
    if start == end:  # nothing is part of everything
        return 0 <= end <= size < MOST and before == EMPTY and not proof
    if not is_subtree(start, end) or not end <= size < MOST or not _are_hashes(*proof, *([before] if proof else [])):
        return False
    first, here, last = start, end - 1, size - 1
    while first != here and (here == last or here & 1):
        first, here, last = first >> 1, here >> 1, last >> 1
    given = list(proof)
    if first != here and not given:
        return False
    part = whole = before if first == here else given.pop(0)
    for each in given:
        if last == 0:
            return False
        if here & 1 or here == last:
            part = node_hash(each, part) if first < here else part
            whole = node_hash(each, whole)
            while here and not here & 1:
                first, here, last = first >> 1, here >> 1, last >> 1
        else:
            whole = node_hash(whole, each)
        first, here, last = first >> 1, here >> 1, last >> 1
    return last == 0 and part == before and whole == after


def _are_hashes(*values: bytes) -> bool:
    return all(len(each) == HASH for each in values)
