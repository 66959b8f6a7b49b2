"""What must be true of a flag or segment before it is let into a snapshot.

Rules this module keeps:

* Every refusal is an `Invalid` that names the place by keys, says what was wrong, and what is accepted.
* A flag is checked alone (`check_flag`, `check_segment`), then against what it names (`check_references`), then the
  whole for cycles (`check_graph`); a patch of one flag pays for that flag and for a glance at the prerequisites of
  the others.
* Chains of prerequisites and of segments are at most `MAX_DEPTH` long, so that evaluation never runs out of stack.
"""

import math
import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any, NoReturn

from twokey.engine.bucketing import BUCKETINGS
from twokey.engine.errors import Invalid
from twokey.engine.flag import (
    WEIGHT_TOTAL,
    Clause,
    Flag,
    FlagType,
    Operator,
    Prerequisite,
    Rollout,
    Rule,
    Segment,
    SegmentRule,
    Serve,
    Target,
    Variation,
)
from twokey.engine.operators import check_values, shown

KEY = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9_.-]{0,127}", re.ASCII)
KEY_RULE = "1 to 128 characters: letters a-z A-Z, digits, `_`, `.`, `-`, beginning with a letter or digit"
MAX_NAME = 256
"""Characters in an attribute's name or a salt."""
MAX_DEPTH = 64
"""Prerequisites or segments that lean on one another in a chain."""

_SEGMENT_OPERATORS = frozenset({Operator.IN_SEGMENT, Operator.NOT_IN_SEGMENT})


def check_key(field: str, key: str) -> None:
    """`Invalid` unless `key` is a well-formed key of a project, environment, flag, variation, rule or segment."""
    if not KEY.fullmatch(key):
        raise Invalid(field, f"{shown(key)} is not a key", KEY_RULE)


def check_flag(
    flag: Flag, flags: Mapping[str, Flag] | None = None, segments: Mapping[str, Segment] | None = None
) -> None:
    """`Invalid` unless the flag is sound by itself and, where they are given, against the other flags and segments."""
    try:
        _check_flag_alone(flag)
        if flags is not None:
            _check_prerequisites_exist(flag, flags)
        if segments is not None:
            _check_segments_exist(flag, segments)
    except Invalid as error:
        raise error.under(f"flag {_label(flag.key)}") from None


def check_segment(segment: Segment, segments: Mapping[str, Segment] | None = None) -> None:
    """`Invalid` unless the segment is sound by itself and, where they are given, against the other segments."""
    try:
        _check_segment_alone(segment)
        if segments is not None:
            _check_segments_exist(segment, segments)
    except Invalid as error:
        raise error.under(f"segment {_label(segment.key)}") from None


def check_graph(flags: Mapping[str, Flag], segments: Mapping[str, Segment]) -> None:
    """`Invalid` when a prerequisite names what is not there, or when prerequisites or segments lean on themselves."""
    leaning = [flag for flag in flags.values() if flag.prerequisites]
    for flag in leaning:
        try:
            _check_prerequisites_exist(flag, flags)
        except Invalid as error:
            raise error.under(f"flag {flag.key}") from None
    _check_chains("flag", "prerequisites", {flag.key: [p.flag for p in flag.prerequisites] for flag in leaning})
    ruled = [segment for segment in segments.values() if segment.rules]
    _check_chains("segment", "rules", {one.key: segment_uses(one) for one in ruled})


def check_references(flags: Iterable[Flag], segments: Mapping[str, Segment]) -> None:
    """`Invalid` when a clause of a flag or segment names a segment that is not there."""
    everything: list[Flag | Segment] = [*flags, *segments.values()]
    for kept in everything:
        for key in segment_uses(kept):
            if key not in segments:
                _refuse_missing_segment(kept, segments)


def _refuse_missing_segment(kept: Flag | Segment, segments: Mapping[str, Segment]) -> None:
    noun = "flag" if isinstance(kept, Flag) else "segment"
    try:
        _check_segments_exist(kept, segments)
    except Invalid as error:
        raise error.under(f"{noun} {kept.key}") from None


def segments_of_flag(flag: Flag) -> tuple[str, ...]:
    """Keys of the segments that the flag's rules name, each once."""
    return tuple(dict.fromkeys(segment_uses(flag)))


def segment_uses(kept: Flag | Segment) -> list[str]:
    """Keys of the segments that clauses of the flag or segment name, as often as they do."""
    return [
        str(value)
        for rule in kept.rules
        for clause in rule.clauses
        if clause.operator in _SEGMENT_OPERATORS
        for value in clause.values
    ]


def _label(key: object) -> str:
    """A key or number as it stands; what is neither, in backticks."""
    if isinstance(key, int):
        return str(key)
    return key if isinstance(key, str) and KEY.fullmatch(key) else shown(key)


def _check_flag_alone(flag: Flag) -> None:
    check_key("key", flag.key)
    _check_revision(flag.revision)
    _check_variations(flag)
    known = [variation.key for variation in flag.variations]
    _check_known("baseline", flag.baseline, known)
    _check_bucketing(flag)
    if flag.prerequisites:
        _check_prerequisites(flag)
    if flag.targets:
        _check_targets(flag.targets, known)
    if flag.rules:
        _check_rules(flag.rules, known)
    _check_serve(flag.otherwise, known, "otherwise")


def _check_segment_alone(segment: Segment) -> None:
    check_key("key", segment.key)
    _check_revision(segment.revision)
    _each_once("included", segment.included, "each unit once")
    _each_once("excluded", segment.excluded, "each unit once")
    both = next(iter(set(segment.included).intersection(segment.excluded)), None) if segment.excluded else None
    if both is not None:
        raise Invalid("excluded", f"{shown(both)} is included as well", "a unit in one of the two lists")
    for number, rule in enumerate(segment.rules, 1):
        _in_place("rule", number, _check_clauses, rule.clauses)


def _in_place(noun: str, name: object, check: Callable[..., None], *arguments: Any) -> None:
    try:
        check(*arguments)
    except Invalid as error:
        raise error.under(f"{noun} {_label(name)}") from None


def _check_revision(revision: int) -> None:
    if revision < 0:
        raise Invalid("revision", f"`{revision}` is negative", "0 or a positive integer")


def _each_once(field: str, listed: Sequence[str], accepted: str) -> None:
    if len(set(listed)) == len(listed):
        return
    seen: set[str] = set()
    for name in listed:
        if name in seen:
            raise Invalid(field, f"{shown(name)} is listed twice", accepted)
        seen.add(name)


def _check_known(field: str, name: str | None, known: Collection[str | None]) -> None:
    if name not in known:
        raise Invalid(field, f"{shown(name)} is not a variation of the flag", _listed(known))


def _listed(known: Iterable[str | None]) -> str:
    names = list(known)
    return ", ".join(f"`{name}`" for name in names[:20]) + (", ..." if len(names) > 20 else "")


def _check_variations(flag: Flag) -> None:
    if not flag.variations:
        raise Invalid("variations", "there are none", "at least one variation")
    _each_once("variations", [variation.key for variation in flag.variations], "each variation key once")
    for variation in flag.variations:
        if not (KEY.fullmatch(variation.key) and value_fits(flag.type, variation.value)):
            _in_place("variation", variation.key, _check_variation, flag.type, variation)


def _check_variation(wanted: FlagType, variation: Variation) -> None:
    check_key("key", variation.key)
    if not value_fits(wanted, variation.value):
        raise Invalid("value", f"{shown(variation.value)} is not of type {wanted}", _VALUES[wanted])


_VALUES = {
    FlagType.BOOLEAN: "true or false",
    FlagType.STRING: "text",
    FlagType.INTEGER: "a number without a fraction",
    FlagType.NUMBER: "a finite number",
    FlagType.OBJECT: "an object or an array",
}


def value_fits(wanted: FlagType, value: object) -> bool:
    """Whether a variation of a flag of this type may have this value. 1.0 is an integer, true is none."""
    if wanted is FlagType.BOOLEAN:
        return isinstance(value, bool)
    if wanted is FlagType.STRING:
        return isinstance(value, str)
    if wanted is FlagType.OBJECT:
        return isinstance(value, dict | list | tuple)
    if isinstance(value, bool):
        return False
    if isinstance(value, float):
        return value.is_integer() if wanted is FlagType.INTEGER else math.isfinite(value)
    return isinstance(value, int)


def _check_bucketing(flag: Flag) -> None:
    _check_name("unit", flag.unit)
    if flag.salt is not None:
        _check_salt("salt", flag.salt)
    if flag.bucketing not in BUCKETINGS:
        raise Invalid("bucketing", f"{shown(flag.bucketing)} is not known here", _listed(BUCKETINGS))


def _check_name(field: str, name: str) -> None:
    if not 1 <= len(name) <= MAX_NAME:
        raise Invalid(field, f"{shown(name)} is not an attribute's name", f"1 to {MAX_NAME} characters")


def _check_salt(field: str, salt: str) -> None:
    # The hash joins salt and unit with U+0000, so that a salt which holds one could pass for another salt and unit.
    if not 1 <= len(salt) <= MAX_NAME or any(character < " " for character in salt):
        raise Invalid(field, f"{shown(salt)} is not a salt", f"1 to {MAX_NAME} characters, none a control character")


def _check_prerequisites(flag: Flag) -> None:
    _each_once("prerequisites", [prerequisite.flag for prerequisite in flag.prerequisites], "each flag once")
    for prerequisite in flag.prerequisites:
        _in_place("prerequisite", prerequisite.flag, _check_prerequisite, prerequisite)


def _check_prerequisite(prerequisite: Prerequisite) -> None:
    check_key("flag", prerequisite.flag)
    if not prerequisite.variations:
        raise Invalid("variations", "there are none", "at least one variation of that flag")
    _each_once("variations", prerequisite.variations, "each variation once")


def _check_targets(targets: tuple[Target, ...], known: Collection[str]) -> None:
    _each_once("targets", [target.variation for target in targets], "one target for each variation")
    for target in targets:
        _in_place("target", target.variation, _check_known, "variation", target.variation, known)
    _each_once("targets", [unit for target in targets for unit in target.units], "each unit in one target")


def _check_rules(rules: tuple[Rule, ...], known: Collection[str]) -> None:
    _each_once("rules", [rule.id for rule in rules], "each rule id once")
    for rule in rules:
        _in_place("rule", rule.id, _check_rule, rule, known)


def _check_rule(rule: Rule, known: Collection[str]) -> None:
    check_key("id", rule.id)
    _check_clauses(rule.clauses)
    _check_serve(rule.serve, known, "serve")


def _check_clauses(clauses: tuple[Clause, ...]) -> None:
    for number, clause in enumerate(clauses, 1):
        try:
            _check_clause(clause)
        except Invalid as error:
            raise error.under(f"clause {number}") from None


def _check_clause(clause: Clause) -> None:
    _check_name("attribute", clause.attribute)
    check_values(clause.operator, clause.values)


def _check_serve(serve: Serve, known: Collection[str], field: str) -> None:
    if (serve.variation is None) == (serve.rollout is None):
        problem = "neither is given" if serve.variation is None else "both are given"
        raise Invalid(field, problem, "exactly one of `variation` and `rollout`")
    if serve.rollout is None:
        _check_known("variation", serve.variation, known)
    else:
        _check_rollout(serve.rollout, known)


def _check_rollout(rollout: Rollout, known: Collection[str]) -> None:
    if rollout.unit is not None:
        _check_name("unit", rollout.unit)
    if rollout.salt is not None:
        _check_salt("salt", rollout.salt)
    _each_once("weights", [variation for variation, _ in rollout.weights], "each variation once")
    for variation, weight in rollout.weights:
        _check_known("weights", variation, known)
        if not 0 <= weight <= WEIGHT_TOTAL:
            raise Invalid("weights", f"`{weight}` is not a weight", f"0 to {WEIGHT_TOTAL}")
    total = sum(weight for _, weight in rollout.weights)
    if total != WEIGHT_TOTAL:
        raise Invalid("weights", f"they sum to `{total}`", f"a sum of {WEIGHT_TOTAL} (1 is 0.001 percent)")


def _check_prerequisites_exist(flag: Flag, flags: Mapping[str, Flag]) -> None:
    for prerequisite in flag.prerequisites:
        _in_place("prerequisite", prerequisite.flag, _check_prerequisite_exists, prerequisite, flags)


def _check_prerequisite_exists(prerequisite: Prerequisite, flags: Mapping[str, Flag]) -> None:
    other = flags.get(prerequisite.flag)
    if other is None:
        raise Invalid("flag", f"`{prerequisite.flag}` does not exist", "a flag of this environment")
    known = [variation.key for variation in other.variations]
    for variation in prerequisite.variations:
        if variation not in known:
            raise Invalid("variations", f"{shown(variation)} is not a variation of that flag", _listed(known))


def _check_segments_exist(kept: Flag | Segment, segments: Mapping[str, Segment]) -> None:
    for place, clause in _clauses_of(kept):
        if clause.operator in _SEGMENT_OPERATORS:
            for key in clause.values:
                if key not in segments:
                    raise Invalid(f"{place}: values", f"segment {shown(key)} does not exist", "a segment's key")


def _clauses_of(kept: Flag | Segment) -> Iterator[tuple[str, Clause]]:
    rules: tuple[Rule | SegmentRule, ...] = kept.rules
    for place, rule in enumerate(rules, 1):
        for number, clause in enumerate(rule.clauses, 1):
            yield f"rule {rule.id if isinstance(rule, Rule) else place}, clause {number}", clause


def _check_chains(noun: str, field: str, edges: Mapping[str, list[str]]) -> None:
    """Walk every chain once, without recursion; `depth` of a finished key is the length of its longest chain."""
    depth: dict[str, int] = {}
    for start in edges:
        path: list[str] = [start]
        while path:
            key = path[-1]
            waiting = next((other for other in edges.get(key, ()) if other not in depth), None)
            if waiting is not None:
                if waiting in path:
                    _refuse_cycle(noun, field, [*path[path.index(waiting) :], waiting])
                if len(path) == MAX_DEPTH:
                    _refuse_length(noun, field, start)
                path.append(waiting)
                continue
            depth[key] = 1 + max((depth[other] for other in edges.get(key, ())), default=0)
            if depth[key] > MAX_DEPTH:
                _refuse_length(noun, field, key)
            path.pop()


def _refuse_cycle(noun: str, field: str, cycle: list[str]) -> NoReturn:
    shown_cycle = " -> ".join(cycle if len(cycle) <= 12 else [*cycle[:11], "...", cycle[-1]])
    raise Invalid(f"{noun} {cycle[0]}: {field}", f"`{shown_cycle}` leans on itself", f"{noun}s without a cycle")


def _refuse_length(noun: str, field: str, key: str) -> NoReturn:
    raise Invalid(f"{noun} {key}: {field}", f"a chain of more than {MAX_DEPTH} {noun}s", f"at most {MAX_DEPTH}")
