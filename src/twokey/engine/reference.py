"""The readable evaluator: the specification of the flag language, in code.

Every faster evaluator must equal this one, and the language page of the docs describes it. The order is:

1. a disabled flag serves its baseline (DISABLED);
2. a prerequisite that is not met serves the baseline (DEFAULT, metadata `prerequisite`);
3. an individual target, by the flag's unit (TARGETING_MATCH);
4. the rules from first to last; the first whose clauses all hold decides: its variation (TARGETING_MATCH) or its
   rollout (SPLIT). A rule that rolls out over a unit which the context lacks does not match;
5. `otherwise`: its rollout (SPLIT); the baseline when the rollout's unit is lacking (DEFAULT, metadata
   `missing_unit`); its variation, STATIC when the flag has nothing that could have decided differently, else DEFAULT.

The context must be a mapping and the snapshot a checked one. Flags and segments that several others lean on are
resolved once per evaluation, so that the work is bounded by the size of the snapshot.
"""

from collections.abc import Mapping
from typing import Any

from twokey.engine.bucketing import BUCKETINGS, pick, unit_text
from twokey.engine.flag import Clause, Flag, Prerequisite, Rollout, Rule, Segment
from twokey.engine.frozen import FrozenDict
from twokey.engine.operators import holds
from twokey.engine.resolution import NO_METADATA, Reason, Resolution


class Reference:
    """One evaluation: the flags and segments it may lean on, one context, and what it has found out so far."""

    def __init__(self, flags: Mapping[str, Flag], segments: Mapping[str, Segment], context: Mapping[str, Any]) -> None:
        self._flags = flags
        self._segments = segments
        self._context = context
        self._resolved: dict[str, Resolution] = {}
        self._members: dict[tuple[str, str], bool] = {}

    def resolve(self, key: str) -> Resolution:
        """What this flag gives the context."""
        if key not in self._resolved:
            self._resolved[key] = self._decide(self._flags[key])
        return self._resolved[key]

    def _decide(self, flag: Flag) -> Resolution:
        if not flag.enabled:
            return served(flag, flag.baseline, Reason.DISABLED)
        for prerequisite in flag.prerequisites:
            if not self.met(prerequisite):
                return served(flag, flag.baseline, Reason.DEFAULT, prerequisite=prerequisite.flag)
        target = self.targeted(flag)
        if target is not None:
            return served(flag, target, Reason.TARGETING_MATCH)
        for rule in flag.rules:
            if self.applies(flag, rule):
                return self._serve_rule(flag, rule)
        return self._serve_otherwise(flag)

    def met(self, prerequisite: Prerequisite) -> bool:
        """Whether the other flag serves one of the wanted variations to this context."""
        return self.resolve(prerequisite.flag).variation in prerequisite.variations

    def targeted(self, flag: Flag) -> str | None:
        """The variation whose individual targets list this context's unit."""
        if not flag.targets:
            return None
        unit = self.unit(flag.unit)
        return next((target.variation for target in flag.targets if unit in target.units), None)

    def applies(self, flag: Flag, rule: Rule) -> bool:
        """Whether all clauses hold and, where the rule rolls out, its unit is there."""
        if not all(self.holds(clause) for clause in rule.clauses):
            return False
        rollout = rule.serve.rollout
        return rollout is None or self.position(flag, rollout) is not None

    def holds(self, clause: Clause) -> bool:
        """Whether one clause holds."""
        return holds(clause, self._context.get(clause.attribute), self.in_segment)

    def in_segment(self, key: str, unit: str) -> bool:
        """Whether the unit, in this context, belongs to the segment: listed ones first, then any rule."""
        if (key, unit) not in self._members:
            self._members[key, unit] = self._belongs(self._segments[key], unit)
        return self._members[key, unit]

    def _belongs(self, segment: Segment, unit: str) -> bool:
        if self.includes(segment, unit):
            return True
        if unit in segment.excluded:
            return False
        return any(all(self.holds(clause) for clause in rule.clauses) for rule in segment.rules)

    def includes(self, segment: Segment, unit: str) -> bool:
        """Whether the segment lists the unit as one of its own."""
        return unit in segment.included

    def unit(self, name: str) -> str | None:
        """The unit that the context attribute of this name stands for."""
        return unit_text(self._context.get(name))

    def position(self, flag: Flag, rollout: Rollout) -> int | None:
        """The bucket of this context in a rollout, or None when it has no unit."""
        unit = self.unit(flag.bucketing_unit(rollout))
        return None if unit is None else BUCKETINGS[flag.bucketing](flag.bucketing_salt(rollout), unit)

    def _serve_rule(self, flag: Flag, rule: Rule) -> Resolution:
        rollout = rule.serve.rollout
        position = None if rollout is None else self.position(flag, rollout)
        if rollout is None or position is None:
            return served(flag, str(rule.serve.variation), Reason.TARGETING_MATCH, rule=rule.id)
        return served(flag, pick(rollout, position), Reason.SPLIT, rule=rule.id)

    def _serve_otherwise(self, flag: Flag) -> Resolution:
        rollout = flag.otherwise.rollout
        if rollout is None:
            conditional = flag.rules or flag.targets or flag.prerequisites
            return served(flag, str(flag.otherwise.variation), Reason.DEFAULT if conditional else Reason.STATIC)
        position = self.position(flag, rollout)
        if position is None:
            return served(flag, flag.baseline, Reason.DEFAULT, missing_unit=flag.bucketing_unit(rollout))
        return served(flag, pick(rollout, position), Reason.SPLIT)


def served(flag: Flag, variation: str, reason: Reason, rule: str | None = None, **metadata: str) -> Resolution:
    """The resolution that serves this variation of the flag."""
    return Resolution(
        value=flag.value_of(variation),
        variation=variation,
        reason=reason,
        rule=rule,
        revision=flag.revision,
        metadata=FrozenDict(metadata) if metadata else NO_METADATA,
    )
