"""The way of a flag or segment into a snapshot: checked, in one spelling, and with its digest.

Rules this module keeps:

* A value has one form, the one that reading its canonical bytes gives: 1.0 is 1, except that the values of a `number`
  flag are floats. Objects and arrays cannot be changed.
* A digest covers the canonical JSON of the flag or segment without its digest, defaults left out. A digest that is
  given must fit; one that is not is computed.
"""

from collections.abc import Callable, Iterable
from typing import Any, Generic, NamedTuple, TypeVar

import msgspec
from msgspec.structs import replace

from twokey.engine.canonical import MAX_DEPTH, canonical, digest_of_bytes
from twokey.engine.checks import check_flag, check_segment
from twokey.engine.errors import Invalid
from twokey.engine.flag import BUCKETING, TARGETING_KEY, Flag, FlagType, Rule, Segment, SegmentRule, Variation
from twokey.engine.frozen import FrozenDict, FrozenList, freeze
from twokey.engine.operators import shown

Kept = TypeVar("Kept", Flag, Segment)
Ruling = TypeVar("Ruling", Rule, SegmentRule)

_encode = msgspec.json.Encoder(order="sorted").encode
_SAFE = 2**53
_WRITTEN_PLAINLY = (FlagType.BOOLEAN, FlagType.STRING)
_TEXT, _PLAIN = frozenset({str}), frozenset({str, bool})
_PLAIN_FROM, _PLAIN_TO = 0.001, 1e15


class Admitted(NamedTuple, Generic[Kept]):
    """What was let in, and how many colons its JSON has: a reader that was given more has dropped a repeated name."""

    kept: Kept
    colons: int


def admit_flag(flag: Flag) -> Flag:
    """The flag, sound by itself, its values in their one form, and with its digest."""
    return admitted_flag(flag).kept


def admit_segment(segment: Segment) -> Segment:
    """The segment, sound by itself and with its digest."""
    return admitted_segment(segment).kept


def admitted_flag(flag: Flag) -> Admitted[Flag]:
    """As `admit_flag`."""
    check_flag(flag)
    try:
        variations = tuple([_one_form(flag.type, variation) for variation in flag.variations])
        plain = _plain_rules(flag.rules)
        rules = flag.rules if plain else tuple(map(_rule_form, flag.rules))
        return _with_digest(replace(flag, variations=variations, rules=rules, digest=None), flag.digest, plain)
    except Invalid as error:
        raise error.under(f"flag {flag.key}") from None


def admitted_segment(segment: Segment) -> Admitted[Segment]:
    """As `admit_segment`."""
    check_segment(segment)
    try:
        plain = _plain_rules(segment.rules)
        rules = segment.rules if plain else tuple(map(_rule_form, segment.rules))
        return _with_digest(replace(segment, rules=rules, digest=None), segment.digest, plain)
    except Invalid as error:
        raise error.under(f"segment {segment.key}") from None


def digest_of(kept: Flag | Segment) -> str:
    """The digest that belongs to a flag or segment, whatever digest it carries."""
    return digest_of_bytes(bytes_of(replace(kept, digest=None)))


def bytes_of(kept: Flag | Segment) -> bytes:
    """The canonical bytes, as `canonical` gives them; the usual flag takes a short way."""
    return _bytes_of(kept, _plain_rules(kept.rules))


def _bytes_of(kept: Flag | Segment, plain_rules: bool) -> bytes:
    kept = _with_defaults(kept)
    if not plain_rules:
        return canonical(kept)
    try:
        return _encode(_with_written_values(kept) if isinstance(kept, Flag) else kept)
    except UnicodeEncodeError:
        return canonical(kept)  # which names the character


def _with_defaults(kept: Flag | Segment) -> Flag | Segment:
    """Equal flags have equal bytes: msgspec leaves a text out where it *is* the default, not where it equals it."""
    if not isinstance(kept, Flag):
        return kept
    if kept.unit is not TARGETING_KEY and kept.unit == TARGETING_KEY:
        kept = replace(kept, unit=TARGETING_KEY)
    if kept.bucketing is not BUCKETING and kept.bucketing == BUCKETING:
        kept = replace(kept, bucketing=BUCKETING)
    return kept


def _with_digest(bare: Kept, given: str | None, plain_rules: bool) -> Admitted[Kept]:
    data = _bytes_of(bare, plain_rules)
    computed, colons = digest_of_bytes(data), data.count(b":")
    if given is not None:
        if given != computed:
            raise Invalid("digest", f"{shown(given)} does not fit the content", f"`{computed}`, or none")
        colons += 2  # one after the name, one after `sha256`
    return Admitted(replace(bare, digest=computed), colons)


def _one_form(wanted: FlagType, variation: Variation) -> Variation:
    value = variation.value
    try:
        formed = _FORMS[wanted](value)
    except OverflowError:
        raise Invalid(f"variation {variation.key}: value", "the number is too large", "a finite number") from None
    except RecursionError:
        raise Invalid(f"variation {variation.key}: value", "nested too deeply", "a few levels") from None
    return variation if formed is value else Variation(key=variation.key, value=formed)


def _rule_form(rule: Ruling) -> Ruling:
    return replace(rule, clauses=tuple(replace(one, values=tuple(map(freeze, one.values))) for one in rule.clauses))


def _frozen(value: Any) -> Any:
    return value if isinstance(value, FrozenDict | FrozenList) else freeze(value)


_FORMS: dict[FlagType, Callable[[Any], Any]] = {
    FlagType.BOOLEAN: bool,
    FlagType.STRING: str.__str__,
    FlagType.INTEGER: int,
    FlagType.NUMBER: float,
    FlagType.OBJECT: _frozen,
}


def _with_written_values(flag: Flag) -> Flag:
    """The flag with those values written canonically which the fast encoder would write otherwise."""
    if flag.type in _WRITTEN_PLAINLY or all(_plain_value(one.value) for one in flag.variations):
        return flag
    written = (Variation(key=one.key, value=msgspec.Raw(canonical(one.value))) for one in flag.variations)
    return replace(flag, variations=tuple(written))


def _plain_rules(rules: Iterable[Rule | SegmentRule]) -> bool:
    for rule in rules:
        for clause in rule.clauses:
            if not (_PLAIN.issuperset(map(type, clause.values)) or all(map(_plain_value, clause.values))):
                return False
    return True


def _plain_value(value: Any, depth: int = 0) -> bool:
    """Whether the fast encoder is known to write the same bytes as `canonical`."""
    kind = type(value)
    if kind in _PLAIN or value is None:
        return True
    if kind is int:
        return bool(-_SAFE <= value <= _SAFE)
    if kind is float:
        # Here both write the shortest digits without an exponent; a number without a fraction they write differently.
        return bool(_PLAIN_FROM <= abs(value) < _PLAIN_TO and not value.is_integer())
    if depth == MAX_DEPTH or kind not in (FrozenDict, FrozenList):
        return False
    if kind is FrozenDict and not (_TEXT.issuperset(map(type, value)) and "".join(value).isascii()):
        return False
    items = value.values() if kind is FrozenDict else value
    return all(type(item) in _PLAIN or _plain_value(item, depth + 1) for item in items)
