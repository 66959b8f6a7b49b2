"""What a flag document is made of: frozen shapes, and nothing that decides.

Rules this module keeps:

* Every shape is the JSON shape of `twokey/1`; unknown fields are refused by name, optional ones have these defaults.
* A field that equals its default is left out when written, so that a later version of Twokey can add an optional field
  without changing the digest of any flag that does not use it.
* Shapes check *types* when they are read from JSON. What is true between fields (weights sum to 100,000, variations
  exist, no cycles) is checked by `twokey.engine.checks`.
"""

from enum import StrEnum
from typing import Any

import msgspec

FORMAT = "twokey/1"
TARGETING_KEY = "targetingKey"
BUCKETING = "twokey-1"
WEIGHT_TOTAL = 100_000
"""Weights are parts of this, so that one part is 0.001 percent."""

Scalar = str | int | float | bool
"""What a clause compares with. No null, no lists, no objects."""


class Word(StrEnum):
    """Base of the closed lists of words. A word is hashed as the text that it is, which takes no Python code."""

    __hash__ = str.__hash__


class FlagType(Word):
    """The type of every variation's value of one flag."""

    BOOLEAN = "boolean"
    STRING = "string"
    INTEGER = "integer"
    NUMBER = "number"
    OBJECT = "object"


class Operator(Word):
    """How a clause compares; `twokey.engine.operators` says what each one means."""

    IN = "in"
    NOT_IN = "not_in"
    CONTAINS = "contains"
    STARTS_WITH = "starts_with"
    ENDS_WITH = "ends_with"
    MATCHES = "matches"
    LT = "lt"
    LTE = "lte"
    GT = "gt"
    GTE = "gte"
    BEFORE = "before"
    AFTER = "after"
    SEMVER_EQ = "semver_eq"
    SEMVER_LT = "semver_lt"
    SEMVER_LTE = "semver_lte"
    SEMVER_GT = "semver_gt"
    SEMVER_GTE = "semver_gte"
    IN_CIDR = "in_cidr"
    EXISTS = "exists"
    IN_SEGMENT = "in_segment"
    NOT_IN_SEGMENT = "not_in_segment"


class Shape(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True, gc=False):
    """Base of every part of a flag document.

    Such parts hold one another and JSON values, never themselves, so the garbage collector need not visit them.
    """


class Clause(Shape, frozen=True, kw_only=True):
    """One condition on one context attribute.

    `attribute` is looked up by exactly this name (`a.b` is the attribute called `a.b`, not `b` inside `a`). The clause
    holds when the attribute stands in the operator's relation to *one* of `values`; `negate` turns the answer round,
    except that an attribute which is missing or of the wrong type satisfies neither (default: not negated). `exists`
    has no values.
    """

    attribute: str
    operator: Operator
    values: tuple[Scalar, ...] = ()
    negate: bool = False


class Rollout(Shape, frozen=True, kw_only=True):
    """A weighted split: `weights` in 1/100,000, in the order of their bucket ranges, summing to 100,000.

    `unit` names the context attribute that is bucketed (default: the flag's), `salt` what it is hashed with (default:
    the flag's).
    """

    weights: tuple[tuple[str, int], ...]
    unit: str | None = None
    salt: str | None = None


class Serve(Shape, frozen=True, kw_only=True):
    """What a rule or `otherwise` gives: exactly one of a variation's key and a rollout."""

    variation: str | None = None
    rollout: Rollout | None = None


class Rule(Shape, frozen=True, kw_only=True):
    """Serves when every clause holds. `id` is unique within the flag and names it in resolutions and exposures."""

    id: str
    clauses: tuple[Clause, ...]
    serve: Serve


class Target(Shape, frozen=True, kw_only=True):
    """Units, by the flag's `unit`, that are given a variation before any rule is asked."""

    variation: str
    units: tuple[str, ...]


class Prerequisite(Shape, frozen=True, kw_only=True):
    """Another flag must serve one of these variations to the same context, else this flag serves its baseline.

    What counts is the variation that is served, so a *disabled* flag meets a prerequisite on its baseline.
    """

    flag: str
    variations: tuple[str, ...]


class Variation(Shape, frozen=True, kw_only=True):
    """One named value. Objects and arrays within it are unchangeable once a snapshot holds it."""

    key: str
    value: Any


class SegmentRule(Shape, frozen=True, kw_only=True):
    """A context belongs to the segment when every clause holds."""

    clauses: tuple[Clause, ...]


class Segment(Shape, frozen=True, kw_only=True):
    """A reusable audience: listed units first (`included` are in, `excluded` are out), then any rule that holds.

    Defaults: no units, no rules (then nobody is in it), revision 0, digest computed.
    """

    key: str
    included: tuple[str, ...] = ()
    excluded: tuple[str, ...] = ()
    rules: tuple[SegmentRule, ...] = ()
    revision: int = 0
    digest: str | None = None


class Flag(Shape, frozen=True, kw_only=True):
    """A typed runtime choice.

    Defaults: `unit` is the targeting key; `salt` is the flag's key (`bucketing_salt`); bucketing `twokey-1`; not
    visible to clients on people's devices; no prerequisites, targets or rules; revision 0; digest computed.
    `baseline` is the known safe variation. A context without the attribute that `unit` names has no unit: the engine
    does not fall back to the targeting key, because that would count two kinds of unit as one.
    """

    key: str
    type: FlagType
    enabled: bool
    variations: tuple[Variation, ...]
    baseline: str
    otherwise: Serve
    unit: str = TARGETING_KEY
    salt: str | None = None
    bucketing: str = BUCKETING
    client_visible: bool = False
    prerequisites: tuple[Prerequisite, ...] = ()
    targets: tuple[Target, ...] = ()
    rules: tuple[Rule, ...] = ()
    revision: int = 0
    digest: str | None = None

    def bucketing_salt(self, rollout: Rollout) -> str:
        """What a unit is hashed with in this rollout: the rollout's salt, else the flag's, else the flag's key."""
        return rollout.salt or self.salt or self.key

    def bucketing_unit(self, rollout: Rollout | None = None) -> str:
        """The name of the context attribute that is bucketed: the rollout's unit, else the flag's."""
        return (rollout.unit if rollout is not None else None) or self.unit

    def unit_for(self, rule_id: str | None) -> str:
        """The name of the attribute whose unit an exposure of this rule counts (`otherwise` when there is no rule)."""
        rule = None if rule_id is None else self.rule(rule_id)
        serve = self.otherwise if rule is None else rule.serve
        return self.bucketing_unit(serve.rollout)

    def value_of(self, variation: str) -> Any:
        """The value of the variation with this key; `KeyError` when there is none."""
        for candidate in self.variations:
            if candidate.key == variation:
                return candidate.value
        raise KeyError(variation)

    def rule(self, rule_id: str) -> Rule | None:
        """The rule with this id."""
        return next((rule for rule in self.rules if rule.id == rule_id), None)
