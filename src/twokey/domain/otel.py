"""OpenTelemetry's records as telemetry of ours: evaluations become exposures, data points become metric events.

Rules kept here:
- an evaluation joins by what it says of itself: flag, version (the environment's revision, as our answers give it) and
  variation; without a version it is refused, because a guess by time would put it into the wrong stage;
- a rule that is not named is deduced where only one could have decided so, and is `UNKNOWN_RULE` otherwise, which
  belongs to no stage;
- where the variation is not named, its value names it, as long as no other variation has the same one;
- old and new names of the semantic conventions are read alike (feature flags, versions 1.26 to 1.44);
- a data point counts for the unit that it names. One that names none is kept under its variation for charts, as
  `OBSERVATION`, and no verdict rests on it: requests of one person are not independent of each other;
- what cannot be used raises Invalid, which says what to send instead.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import datetime
from typing import TypeVar

import msgspec

from twokey.domain.telemetry import OBSERVATION
from twokey.engine.canonical import canonical, digest
from twokey.engine.errors import Invalid
from twokey.engine.flag import Flag
from twokey.engine.wire import Exposure, MetricEvent

Scalar = str | int | float | bool
Attributes = Mapping[str, Scalar]
Bucket = tuple[float, float, int]
"""What a histogram counted: above a bound, up to another."""

EVENTS = frozenset({"feature_flag.evaluation", "feature_flag"})
"""Names of the event, of a log record or of a span's event."""
UNKNOWN_RULE = "(unknown)"
T = TypeVar("T", Exposure, MetricEvent)
MOST_OBSERVATIONS = 1000
"""So many observations of one data point are told apart."""
TARGETING_KEY = "targetingKey"

_KEY = ("feature_flag.key",)
_VARIATION = ("feature_flag.result.variant", "feature_flag.variant")
_VALUE = "feature_flag.result.value"
_REASON = ("feature_flag.result.reason", "feature_flag.evaluation.reason")
_ABOUT_ITSELF = frozenset({"error.type", "error.message", "event.name"})
_OWN = {"unit_name": "twokey.unit.name", "unit": "twokey.unit.id", "revision": "twokey.revision", "rule": "twokey.rule"}


class Event(msgspec.Struct, frozen=True, kw_only=True):
    """A log record or a span's event that tells of an evaluation."""

    at: datetime
    attributes: Attributes


class Point(msgspec.Struct, frozen=True, kw_only=True):
    """A data point: its observations, one value each."""

    metric: str
    at: datetime
    attributes: Attributes
    values: tuple[float, ...]


class Known(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of an environment: each flag's versions, newest first, as (environment's revision, flag)."""

    flags: Mapping[str, Sequence[tuple[int, Flag | None]]]
    units: frozenset[str]

    def flag(self, key: str, version: int) -> Flag:
        """The flag as it was at a revision of the environment. Raises Invalid where there was none."""
        if key not in self.flags:
            raise Invalid("feature_flag.key", f"there is no flag `{key[:200]}` here", "a flag of this environment")
        for since, flag in self.flags[key]:
            if since <= version and flag is not None:
                return flag
        raise Invalid("feature_flag.version", f"`{key}` was not there at revision {version}", "a version we published")


def exposure_of(event: Event, known: Known) -> Exposure:
    """The exposure that an evaluation tells of. Raises Invalid."""
    said = event.attributes
    key = _text(said, _KEY)
    flag = known.flag(key, _version(said))
    variation = _variation(said, flag)
    if variation not in {each.key for each in flag.variations}:
        raise Invalid("feature_flag.result.variant", f"`{key}` has no variation `{variation[:200]}`", "one of the flag")
    reason = str(next((said[name] for name in _REASON if name in said), "unknown"))
    rule = _rule(said, flag, variation, reason.lower())
    unit_name = str(said.get(_OWN["unit_name"], flag.unit_for(None if rule == UNKNOWN_RULE else rule)))
    found: dict[str, object] = {
        "flag": key,
        "rule": rule,
        "revision": _revision(said, flag),
        "assigned": variation,
        "served": str(said.get("twokey.served", variation)),
        "unit": _unit(said, unit_name),
        "unit_name": unit_name,
        "at": event.at,
        "reason": reason.upper(),
        "context": _context(said, unit_name),
    }
    return _checked(found, Exposure)


def metrics_of(point: Point, known: Known) -> Iterator[MetricEvent]:
    """The metric events of a data point. Raises Invalid where it joins to nothing."""
    said = point.attributes
    where = _joined(said, known)
    units = sorted(name for name in known.units if name in said) or [TARGETING_KEY]
    named = _OWN["unit_name"] in said or "feature_flag.context.id" in said or units[0] in said
    if not named and "flag" not in where:
        raise Invalid("attributes", "name neither a unit nor a flag", f"one of {', '.join(sorted(known.units))}")
    unit_name = str(said.get(_OWN["unit_name"], units[0])) if named else OBSERVATION
    single = _unit(said, unit_name) if named else digest([point.metric, str(point.at), dict(said)])[7:39]
    facts = {name: value for name, value in said.items() if _is_fact(name, unit_name)}
    for number, value in enumerate(point.values):
        found: dict[str, object] = {
            "metric": point.metric,
            "value": value,
            "unit": single if named else f"{single}-{number}",
            "unit_name": unit_name,
            "at": point.at,
            "attributes": facts,
        }
        yield _checked(found | where, MetricEvent)


def observations(buckets: Sequence[Bucket], least: float | None, most: float | None) -> tuple[float, ...]:
    """One value for each observation of a histogram: the middle of its bucket, within what was seen at all.

    Raises Invalid for more than can be told apart, and for an open bucket of which nothing is known.
    """
    if (total := sum(count for _, _, count in buckets)) > MOST_OBSERVATIONS:
        raise Invalid("count", f"is {total:,}", f"at most {MOST_OBSERVATIONS:,}; export more often")
    found: list[float] = []
    for low, high, count in buckets:
        below = low if least is None else max(low, least)
        above = high if most is None else min(high, most)
        if count and math.isinf(below) and math.isinf(above):
            raise Invalid("bounds", "do not say where an observation lies", "a histogram with bounds, or min and max")
        ends = [each for each in (below, above) if math.isfinite(each)]
        found += [sum(ends) / len(ends)] * count if count else []
    return tuple(found)


def _context(said: Attributes, unit_name: str) -> dict[str, Scalar]:
    """What the application said of the evaluation's context; the targeting key, where the unit is another one."""
    found = {name: value for name, value in said.items() if _is_fact(name, unit_name)}
    if unit_name != TARGETING_KEY and "feature_flag.context.id" in said:
        found[TARGETING_KEY] = said["feature_flag.context.id"]
    return found


def _joined(said: Attributes, known: Known) -> dict[str, str | int | None]:
    """Flag, variation, rule and revision, where a data point names its flag."""
    if not any(name in said for name in _KEY):
        return {}
    key = _text(said, _KEY)
    flag = known.flag(key, _version(said))
    variation = _variation(said, flag)
    reason = str(next((said[name] for name in _REASON if name in said), "split")).lower()
    rule = _rule(said, flag, variation, reason)
    return {"flag": key, "variation": variation, "rule": rule, "revision": _revision(said, flag)}


def _variation(said: Attributes, flag: Flag) -> str:
    if any(name in said for name in _VARIATION) or _VALUE not in said:
        return _text(said, _VARIATION)
    told = _written_alike(said[_VALUE])
    alike = [each.key for each in flag.variations if canonical(each.value) in told]
    if len(alike) != 1:
        raise Invalid(_VALUE, f"is that of {len(alike)} variations of `{flag.key}`", "feature_flag.result.variant")
    return alike[0]


def _written_alike(value: Scalar) -> set[bytes]:
    """What this may stand for: structures come as JSON text, and some exporters write every value as text."""
    found: set[bytes] = set()
    for each in (value, _parsed(value)):
        with suppress(Invalid):
            found.add(canonical(each))
    return found


def _parsed(value: Scalar) -> object:
    if not isinstance(value, str):
        return value
    try:
        return msgspec.json.decode(value)
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return value


def _rule(said: Attributes, flag: Flag, variation: str, reason: str) -> str | None:
    if _OWN["revision"] in said or _OWN["rule"] in said:
        return str(said[_OWN["rule"]]) if _OWN["rule"] in said else None
    if reason in ("static", "default", "disabled"):
        return None
    serves = [*((rule.id, rule.serve) for rule in flag.rules), (None, flag.otherwise)]
    split = {id_ for id_, each in serves if each.rollout and variation in dict(each.rollout.weights)}
    matched = {rule.id for rule in flag.rules if rule.serve.variation == variation}
    listed: set[str | None] = {None} if any(each.variation == variation for each in flag.targets) else set()
    could = {"split": split, "targeting_match": matched | listed}.get(reason, split | matched | listed | {None})
    return could.pop() if len(could) == 1 else UNKNOWN_RULE


def _revision(said: Attributes, flag: Flag) -> int:
    return _whole(said, _OWN["revision"]) if _OWN["revision"] in said else flag.revision


def _version(said: Attributes) -> int:
    if "feature_flag.version" not in said:
        raise Invalid(
            "feature_flag.version", "is missing: without it no stage is known", "the `version` of our answers' metadata"
        )
    return _whole(said, "feature_flag.version")


def _unit(said: Attributes, unit_name: str) -> str:
    own = said.get(_OWN["unit"], said.get(unit_name))
    if own is None and unit_name == TARGETING_KEY:
        own = said.get("feature_flag.context.id")
    if own is None:
        raise Invalid("attributes", f"do not name the unit `{unit_name}`", f"the attribute `{unit_name}`")
    return str(own)


def _text(said: Attributes, names: Sequence[str]) -> str:
    for name in names:
        if name in said:
            return str(said[name])
    raise Invalid(names[0], "is missing", f"the attribute `{names[0]}`")


def _whole(said: Attributes, name: str) -> int:
    try:
        return max(0, int(said[name]))
    except (TypeError, ValueError, OverflowError):
        raise Invalid(name, f"is `{str(said[name])[:60]}`", "a whole number") from None


def _checked(found: dict[str, object], kind: type[T]) -> T:
    try:
        return msgspec.convert(found, kind)
    except msgspec.ValidationError as error:
        raise Invalid("record", str(error), "attributes within their bounds") from None


def _is_fact(name: str, unit_name: str) -> bool:
    ours = name.startswith(("feature_flag.", "twokey.")) or name in _ABOUT_ITSELF
    return not ours and name != unit_name and len(name) <= 256
