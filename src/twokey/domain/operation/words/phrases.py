"""Small pieces of targeting in words: values, clauses, what is served, shares.

Rules kept here:
- different content never reads the same: what is cut short carries a piece of its digest, and text that could be taken
  for a number, for true or for punctuation is quoted;
- shares are exact: weights are whole parts of 100,000, so a percentage has at most three digits after the point.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence
from typing import Any

from twokey.engine.canonical import canonical, digest
from twokey.engine.flag import Clause, Operator, Rollout, Serve

SHOWN = 20
"""Values of a list that are written out."""
MAX_TEXT = 120
"""Characters of one value that are written out."""

_PLAIN = re.compile(r"[A-Za-z_][\w.@:/+-]*", re.ASCII)
_WORDS = frozenset({"true", "false", "null", "not", "in", "and"})

_OPERATORS = {
    Operator.IN: ("in", True),
    Operator.NOT_IN: ("not in", True),
    Operator.CONTAINS: ("contains", False),
    Operator.STARTS_WITH: ("starts with", False),
    Operator.ENDS_WITH: ("ends with", False),
    Operator.MATCHES: ("matches", False),
    Operator.LT: ("<", False),
    Operator.LTE: ("<=", False),
    Operator.GT: (">", False),
    Operator.GTE: (">=", False),
    Operator.BEFORE: ("before", False),
    Operator.AFTER: ("after", False),
    Operator.SEMVER_EQ: ("version =", False),
    Operator.SEMVER_LT: ("version <", False),
    Operator.SEMVER_LTE: ("version <=", False),
    Operator.SEMVER_GT: ("version >", False),
    Operator.SEMVER_GTE: ("version >=", False),
    Operator.IN_CIDR: ("in network", False),
    Operator.EXISTS: ("exists", False),
    Operator.IN_SEGMENT: ("in segment", False),
    Operator.NOT_IN_SEGMENT: ("not in segment", False),
}


def value_text(value: Any) -> str:
    """One value: plain words as they stand, everything else as JSON, cut when long."""
    if isinstance(value, str) and _PLAIN.fullmatch(value) and value not in _WORDS and len(value) <= MAX_TEXT:
        return value
    text = json.dumps(value) if isinstance(value, str) else canonical(value).decode()
    return text if len(text) <= MAX_TEXT else f"{text[:MAX_TEXT]}... {_mark(value)}"


def list_text(values: Sequence[Any]) -> str:
    """A list of values; past `SHOWN` of them, how many more, and a piece of the digest over all."""
    shown = ", ".join(value_text(value) for value in values[:SHOWN])
    return shown if len(values) <= SHOWN else f"{shown}, and {len(values) - SHOWN} more {_mark(list(values))}"


def _mark(content: Any) -> str:
    return f"(sha256 {digest(content).removeprefix('sha256:')[:12]})"


def clause_text(clause: Clause) -> str:
    """One condition: `plan in (pro, enterprise)`."""
    words, brackets = _OPERATORS[clause.operator]
    values = list_text(clause.values)
    several = len(clause.values) > 1 or brackets
    asked = f" ({values})" if several else f" {values}" if clause.values else ""
    text = f"{value_text(clause.attribute)} {words}{asked}"
    return f"not ({text})" if clause.negate else text


def clauses_text(clauses: Iterable[Clause]) -> str:
    """All conditions of a rule; a rule without any holds for everyone."""
    return " and ".join(map(clause_text, clauses)) or "anyone"


def percent(weight: int) -> str:
    """A weight as an exact percentage: `10 %`, `0.5 %`, `0.001 %`."""
    whole, parts = divmod(weight, 1000)
    fraction = f".{parts:03d}".rstrip("0") if parts else ""
    return f"{whole}{fraction} %"


def weights_text(weights: Iterable[tuple[str, int]]) -> str:
    """The shares of a split: `10 % reranker_v2, 90 % baseline`."""
    return ", ".join(f"{percent(weight)} {variation}" for variation, weight in weights)


def serve_text(serve: Serve) -> str:
    """What is served: a variation, or shares, with the unit and salt where the rollout has its own."""
    return str(serve.variation) if serve.rollout is None else _rollout_text(serve.rollout)


def _rollout_text(rollout: Rollout) -> str:
    own = [f"by {value_text(rollout.unit)}"] if rollout.unit is not None else []
    own += [f"salt {value_text(rollout.salt)}"] if rollout.salt is not None else []
    return weights_text(rollout.weights) + (f" ({', '.join(own)})" if own else "")
