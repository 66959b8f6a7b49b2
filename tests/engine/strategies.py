"""Hypothesis strategies for whole snapshots and contexts. Words are few, so that clauses, targets and contexts meet."""

from typing import Any

from hypothesis import strategies as st

from twokey.engine import (
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
    Snapshot,
    Target,
    Variation,
)

ATTRIBUTES = ["targetingKey", "plan", "seats", "version", "ip", "since", "a.b"]
UNITS = ["u-1", "u-2", "7", "c-1", ""]
WORDS = ["pro", "free", "Pro", "é", "😀"]
NUMBERS: list[Any] = [0, 1, 1.0, -1, 5, 5.5, 2**53, 2.0**64]
VERSIONS = ["1.0.0", "1.0.0-rc.1", "v2", "1.10.0", "1.9.0+b"]
INSTANTS = ["2026-01-01T00:00:00Z", "2026-01-01T01:00:00+02:00", "2025-12-31T23:59:60Z"]
ADDRESSES = ["10.0.0.1", "192.0.2.7", "2001:db8::1", "::ffff:10.0.0.1"]
NETWORKS = ["10.0.0.0/8", "192.0.2.7", "2001:db8::/32"]
PATTERNS = ["^pro$", "(?i)PRO", "r.*e", "[0-9]+", "^$"]
VALUES: dict[Operator, list[Any]] = {
    **{key: [*WORDS, *UNITS, *NUMBERS, True, False] for key in (Operator.IN, Operator.NOT_IN)},
    **{key: [*WORDS, "p", "o", ""] for key in (Operator.CONTAINS, Operator.STARTS_WITH, Operator.ENDS_WITH)},
    Operator.MATCHES: PATTERNS,
    **dict.fromkeys((Operator.LT, Operator.LTE, Operator.GT, Operator.GTE), NUMBERS),
    **dict.fromkeys((Operator.BEFORE, Operator.AFTER), INSTANTS),
    **dict.fromkeys([operator for operator in Operator if operator.startswith("semver")], VERSIONS),
    Operator.IN_CIDR: NETWORKS,
}
SEGMENT_OPERATORS = [Operator.IN_SEGMENT, Operator.NOT_IN_SEGMENT]

json_scalars = (
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=20)
)
json_values = st.recursive(
    json_scalars,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)

known_values = st.sampled_from([*WORDS, *UNITS, *NUMBERS, *VERSIONS, *INSTANTS, *ADDRESSES, True, False, None])
context_values = known_values | st.lists(known_values, max_size=3) | json_values
contexts = st.dictionaries(st.sampled_from(ATTRIBUTES) | st.text(max_size=5), context_values, max_size=6)


@st.composite
def clauses(draw: st.DrawFn, segments: list[str]) -> Clause:
    """A well-formed clause that names only these segments."""
    operators = [Operator.EXISTS, *VALUES, *(SEGMENT_OPERATORS * 4 if segments else [])]
    operator = draw(st.sampled_from(operators))
    known = segments if operator in SEGMENT_OPERATORS else VALUES.get(operator, [])
    values = draw(st.lists(st.sampled_from(known), min_size=1, max_size=3)) if known else []
    attribute = draw(st.sampled_from(ATTRIBUTES))
    return Clause(attribute=attribute, operator=operator, values=tuple(values), negate=draw(st.booleans()))


@st.composite
def serves(draw: st.DrawFn, variations: list[str]) -> Serve:
    """A variation or a rollout over all of them."""
    if draw(st.booleans()):
        return Serve(variation=draw(st.sampled_from(variations)))
    cuts = sorted(draw(st.lists(st.integers(0, 100_000), min_size=len(variations) - 1, max_size=len(variations) - 1)))
    edges = [0, *cuts, 100_000]
    weights = tuple((key, edges[i + 1] - edges[i]) for i, key in enumerate(draw(st.permutations(variations))))
    unit, salt = draw(st.none() | st.sampled_from(ATTRIBUTES)), draw(st.none() | st.sampled_from(["s", "salt/2"]))
    return Serve(rollout=Rollout(weights=weights, unit=unit, salt=salt))


VALUE_STRATEGIES: dict[FlagType, st.SearchStrategy[Any]] = {
    FlagType.BOOLEAN: st.booleans(),
    FlagType.STRING: st.text(max_size=8),
    FlagType.INTEGER: st.integers(-(2**53), 2**53),
    FlagType.NUMBER: st.floats(allow_nan=False, allow_infinity=False),
    FlagType.OBJECT: st.dictionaries(st.text(max_size=5), json_values, max_size=3) | st.lists(json_values, max_size=3),
}


@st.composite
def flags(draw: st.DrawFn, key: str, earlier: list[Flag], segments: list[str]) -> Flag:
    """A flag that may lean on earlier flags and on these segments."""
    kind = draw(st.sampled_from(FlagType))
    names = draw(st.lists(st.sampled_from(["a", "b", "c", "d"]), min_size=1, max_size=4, unique=True))
    units = draw(st.lists(st.sampled_from(UNITS), max_size=3, unique=True))
    leans = draw(st.lists(st.sampled_from(earlier), max_size=2, unique_by=lambda flag: flag.key)) if earlier else []
    ids = draw(st.lists(st.sampled_from(["r1", "r2", "r3"]), max_size=3, unique=True))
    return Flag(
        key=key,
        type=kind,
        enabled=draw(st.sampled_from([True, True, True, False])),
        variations=tuple(Variation(key=name, value=draw(VALUE_STRATEGIES[kind])) for name in names),
        baseline=draw(st.sampled_from(names)),
        unit=draw(st.sampled_from(["targetingKey", "plan"])),
        salt=draw(st.none() | st.just("salt")),
        client_visible=draw(st.booleans()),
        prerequisites=tuple(
            Prerequisite(flag=other.key, variations=(draw(st.sampled_from(other.variations)).key,)) for other in leans
        ),
        targets=(Target(variation=draw(st.sampled_from(names)), units=tuple(units)),) if units else (),
        rules=tuple(
            Rule(id=i, clauses=tuple(draw(st.lists(clauses(segments), max_size=2))), serve=draw(serves(names)))
            for i in ids
        ),
        otherwise=draw(serves(names)),
        revision=draw(st.integers(0, 9)),
    )


@st.composite
def segment_lists(draw: st.DrawFn) -> list[Segment]:
    """Segments of which later ones may lean on earlier ones."""
    found: list[Segment] = []
    for key in draw(st.lists(st.sampled_from(["staff", "beta", "eu"]), max_size=3, unique=True)):
        units = draw(st.lists(st.sampled_from(UNITS), max_size=4, unique=True))
        cut = draw(st.integers(0, len(units)))
        rule_clauses = st.lists(clauses([segment.key for segment in found]), max_size=2).map(tuple)
        rules = draw(st.lists(rule_clauses.map(lambda some: SegmentRule(clauses=some)), max_size=2))
        included, excluded = tuple(units[:cut]), tuple(units[cut:])
        found.append(Segment(key=key, included=included, excluded=excluded, rules=tuple(rules)))
    return found


@st.composite
def snapshots(draw: st.DrawFn) -> Snapshot:
    """A sound snapshot of up to four flags and three segments."""
    segments = draw(segment_lists())
    found: list[Flag] = []
    for key in draw(st.lists(st.sampled_from(["f1", "f2", "f3", "f4"]), min_size=1, max_size=4, unique=True)):
        found.append(draw(flags(key, found, [segment.key for segment in segments])))
    return Snapshot.build("shop", "test", draw(st.integers(0, 99)), found, segments)
