"""Why a context got what it got: a tree that a program can walk and a person can read.

Rules this module keeps:

* It asks the reference evaluator step by step and decides nothing itself, so it cannot tell another story than the
  resolution.
* Steps stand in the order of evaluation and end with the one that decided. Every clause of every rule that was looked
  at is there, with the attribute's value as it was.
* A prerequisite is explained in full once; where it is met again, only its resolution is given.
"""

from collections.abc import Iterator, Mapping
from enum import StrEnum
from typing import Any

import msgspec

from twokey.engine.bucketing import unit_text
from twokey.engine.flag import Clause, Flag, Operator, Prerequisite, Rollout, Rule, Serve
from twokey.engine.operators import items_of, shown
from twokey.engine.reference import Reference
from twokey.engine.resolution import Resolution
from twokey.engine.snapshot import Snapshot


class Part(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Base of every part of an explanation. `sentence` says the same to people."""

    sentence: str


class StepKind(StrEnum):
    """What was asked, in the order of evaluation."""

    ENABLED = "enabled"
    PREREQUISITE = "prerequisite"
    TARGETS = "targets"
    RULE = "rule"
    OTHERWISE = "otherwise"


class ClauseExplanation(Part, frozen=True, kw_only=True):
    """One clause: the attribute's value for people (None when the context lacks it) and whether the clause held."""

    clause: Clause
    actual: str | None
    matched: bool


class Range(msgspec.Struct, frozen=True, kw_only=True):
    """The buckets from `start` up to but not including `end` get the variation."""

    variation: str
    start: int
    end: int


class RolloutExplanation(Part, frozen=True, kw_only=True):
    """A rollout: the unit, its bucket (None when the context has no such unit), and the ranges."""

    unit_name: str
    unit: str | None
    salt: str
    bucket: int | None
    ranges: tuple[Range, ...]


class Step(Part, frozen=True, kw_only=True):
    """One question: `decided` when its answer was served. `name` is the rule's id or the prerequisite's key."""

    kind: StepKind
    decided: bool
    name: str | None = None
    clauses: tuple[ClauseExplanation, ...] = ()
    rollout: RolloutExplanation | None = None
    prerequisite: "Explanation | None" = None


class Explanation(Part, frozen=True, kw_only=True):
    """The resolution of one flag with the steps that led to it."""

    flag: str
    resolution: Resolution
    steps: tuple[Step, ...] = ()

    def text(self) -> str:
        """The whole tree as indented sentences."""
        return "\n".join(_lines(self, 0))


def explained(snapshot: Snapshot, flag: Flag, context: Mapping[str, Any]) -> Explanation:
    """Explain a flag that can be resolved."""
    reference = Reference(snapshot.flags, snapshot.segments, context)
    return _Explainer(snapshot, reference, context).flag(flag)


def explained_error(key: str, resolution: Resolution) -> Explanation:
    """Explain why there is no answer."""
    message = resolution.error.message if resolution.error else "unknown"
    return Explanation(sentence=f"No answer: {message}.", flag=str(key), resolution=resolution)


class _Explainer:
    """Walks one evaluation again, asking the reference."""

    def __init__(self, snapshot: Snapshot, reference: Reference, context: Mapping[str, Any]) -> None:
        self._snapshot = snapshot
        self._reference = reference
        self._context = context
        self._told: set[str] = set()

    def flag(self, flag: Flag) -> Explanation:
        self._told.add(flag.key)
        resolution = self._reference.resolve(flag.key)
        return Explanation(
            sentence=_verdict(flag, resolution), flag=flag.key, resolution=resolution, steps=tuple(self._steps(flag))
        )

    def _steps(self, flag: Flag) -> Iterator[Step]:
        for step in self._questions(flag):
            yield step
            if step.decided:
                return

    def _questions(self, flag: Flag) -> Iterator[Step]:
        if not flag.enabled:
            sentence = f"The flag is disabled, so it serves its baseline {shown(flag.baseline)}."
            yield Step(sentence=sentence, kind=StepKind.ENABLED, decided=True)
        for prerequisite in flag.prerequisites:
            yield self._prerequisite(flag, prerequisite)
        if flag.targets:
            yield self._targets(flag)
        for rule in flag.rules:
            yield self._rule(flag, rule)
        yield self._otherwise(flag)

    def _prerequisite(self, flag: Flag, prerequisite: Prerequisite) -> Step:
        key = prerequisite.flag
        served = self._reference.resolve(key).variation
        met = self._reference.met(prerequisite)
        wanted = " or ".join(shown(variation) for variation in prerequisite.variations)
        ending = "it is met" if met else f"so the baseline {shown(flag.baseline)} is served"
        return Step(
            sentence=f"Prerequisite {key} serves {shown(served)}; wanted is {wanted}: {ending}.",
            kind=StepKind.PREREQUISITE,
            decided=not met,
            name=key,
            prerequisite=None if key in self._told else self.flag(self._snapshot.flags[key]),
        )

    def _targets(self, flag: Flag) -> Step:
        unit, variation = self._reference.unit(flag.unit), self._reference.targeted(flag)
        who = f"No unit in `{flag.unit}`" if unit is None else f"Unit {shown(unit)}"
        what = "is not targeted" if variation is None else f"is targeted with {shown(variation)}"
        if unit is None:
            what = "so no target can match"
        return Step(sentence=f"{who} {what}.", kind=StepKind.TARGETS, decided=variation is not None)

    def _rule(self, flag: Flag, rule: Rule) -> Step:
        applies = self._reference.applies(flag, rule)
        clauses = tuple(self._clause(clause) for clause in rule.clauses)
        reached = all(clause.matched for clause in clauses)
        rollout = self._rollout(flag, rule.serve.rollout) if reached and rule.serve.rollout else None
        if applies:
            ending = f"matches and serves {_what(rule.serve)}"
        elif reached:
            ending = "rolls out over a unit that the context lacks, so it does not match"
        else:
            ending = "does not match"
        return Step(
            sentence=f"Rule {rule.id} {ending}.",
            kind=StepKind.RULE,
            decided=applies,
            name=rule.id,
            clauses=clauses,
            rollout=rollout,
        )

    def _clause(self, clause: Clause) -> ClauseExplanation:
        value = self._context.get(clause.attribute)
        matched = self._reference.holds(clause)
        actual = None if value is None else shown(value)
        words = str(clause.operator).replace("_", " ")
        wanted = ", ".join(shown(one) for one in clause.values[:5]) + (", ..." if len(clause.values) > 5 else "")
        phrase = f"`{clause.attribute}`{' not' if clause.negate else ''} {words} {wanted}".rstrip()
        found = "the context lacks it" if actual is None else f"it is {actual}"
        because = self._membership(clause, value) if actual is not None else ""
        sentence = f"{phrase}: {found}{because}, so the clause {'holds' if matched else 'does not hold'}."
        return ClauseExplanation(sentence=sentence, clause=clause, actual=actual, matched=matched)

    def _membership(self, clause: Clause, value: object) -> str:
        """How each unit stands to each segment that the clause names."""
        if clause.operator not in (Operator.IN_SEGMENT, Operator.NOT_IN_SEGMENT):
            return ""
        units = [unit for unit in map(unit_text, items_of(value)[:5]) if unit is not None]
        found = [self._stands(unit, str(key)) for unit in units for key in clause.values[:5]]
        return f" ({'; '.join(found)})" if found else ""

    def _stands(self, unit: str, key: str) -> str:
        segment = self._snapshot.segments[key]
        if unit in segment.included:
            return f"{key} includes it"
        if unit in segment.excluded:
            return f"{key} excludes it"
        for number, rule in enumerate(segment.rules, 1):
            if all(self._reference.holds(clause) for clause in rule.clauses):
                return f"rule {number} of {key} holds"
        return f"{key} neither lists it nor has a rule that holds"

    def _rollout(self, flag: Flag, rollout: Rollout) -> RolloutExplanation:
        name = flag.bucketing_unit(rollout)
        unit, position = self._reference.unit(name), self._reference.position(flag, rollout)
        ranges = tuple(_ranges(rollout))
        if position is None:
            sentence = f"The context has no unit in `{name}`."
        else:
            hit = next(one for one in ranges if one.start <= position < one.end)
            where = f"bucket {position} lies in {hit.start} to {hit.end - 1}"
            sentence = f"Unit {shown(unit)} of `{name}`: {where}, which gets {shown(hit.variation)}."
        return RolloutExplanation(
            sentence=sentence,
            unit_name=name,
            unit=unit,
            salt=flag.bucketing_salt(rollout),
            bucket=position,
            ranges=ranges,
        )

    def _otherwise(self, flag: Flag) -> Step:
        rollout = self._rollout(flag, flag.otherwise.rollout) if flag.otherwise.rollout else None
        if rollout is not None and rollout.bucket is None:
            sentence = f"Otherwise it rolls out, but without a unit the baseline {shown(flag.baseline)} is served."
        else:
            sentence = f"Otherwise it serves {_what(flag.otherwise)}."
        return Step(sentence=sentence, kind=StepKind.OTHERWISE, decided=True, rollout=rollout)


def _what(serve: Serve) -> str:
    return shown(serve.variation) if serve.rollout is None else "a rollout"


def _verdict(flag: Flag, resolution: Resolution) -> str:
    by = f" by rule {resolution.rule}" if resolution.rule else ""
    return f"Flag {flag.key} serves {shown(resolution.variation)}{by} ({resolution.reason}, revision {flag.revision})."


def _ranges(rollout: Rollout) -> Iterator[Range]:
    start = 0
    for variation, weight in rollout.weights:
        yield Range(variation=variation, start=start, end=start + weight)
        start += weight


def _lines(explanation: Explanation, depth: int) -> Iterator[str]:
    yield "  " * depth + explanation.sentence
    for step in explanation.steps:
        yield "  " * (depth + 1) + step.sentence
        if step.prerequisite is not None:
            yield from _lines(step.prerequisite, depth + 2)
        for part in (*step.clauses, *((step.rollout,) if step.rollout else ())):
            yield "  " * (depth + 2) + part.sentence
