"""The closed words that policies compare with, and the places that they name.

Rule kept here: a policy that compares a computed fact with a word that it never has is refused. To Cedar such a
comparison is an ordinary text that never equals, so a slip of the pen would switch a policy off in silence.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import fields, is_dataclass
from typing import Any

from cedarpy import pst

from twokey.domain.control import Surface
from twokey.domain.matrix import ALSO, SUBJECTS
from twokey.domain.operation import Effect

WORDS: Mapping[str, frozenset[str]] = {
    "change": frozenset(each.change for each in (*SUBJECTS, *ALSO)),
    "effect": frozenset({"", *Effect}),
    "surfaces": frozenset(Surface),
}
"""What a fact of the context can hold. The rest of them are open words, numbers, or yes and no."""
_COMPARES = frozenset({"eq", "not_eq", "contains", "contains_all", "contains_any"})


def unknown_words(policy: pst.Template) -> Iterator[tuple[str, str]]:
    """Each fact that is compared with a word it never has, and that word."""
    for node in _nodes(policy.clauses):
        if isinstance(node, pst.BinaryOp) and node.op in _COMPARES:
            for fact, other in ((node.left, node.right), (node.right, node.left)):
                known = WORDS.get(_fact(fact))
                if known is not None:
                    yield from ((_fact(fact), word) for word in _literals(other) if word not in known)


def places(policies: pst.PolicySet) -> frozenset[tuple[str, str]]:
    """The projects and environments that policies name; the environment is empty for a whole project."""
    named = [each for each in pst.entity_uids(policies) if str(each.type) in ("Project", "Environment")]
    split = [each.id.partition("/") for each in named]
    return frozenset((project, environment) for project, _, environment in split)


def _fact(node: object) -> str:
    """The name of the fact that is read here, or nothing."""
    known = isinstance(node, pst.GetAttr) and node.base == pst.Var(name="context")
    return node.attr if known and isinstance(node, pst.GetAttr) else ""


def _literals(node: object) -> Iterator[str]:
    elements = node.elements if isinstance(node, pst.Set) else (node,)
    return (each.value for each in elements if isinstance(each, pst.StringLit))


def _nodes(value: Any) -> Iterator[Any]:
    """A node and all beneath it. Its depth is bounded by what `statements` lets through."""
    if is_dataclass(value):
        yield value
        for each in fields(value):
            yield from _nodes(getattr(value, each.name))
    elif isinstance(value, tuple):
        for item in value:
            yield from _nodes(item)
    elif isinstance(value, Mapping):
        yield from _nodes(tuple(value.values()))
