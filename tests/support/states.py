"""States, operations on them and contexts aimed at them: Hypothesis strategies, and the article's example ready made.

Words are few (they come from the engine's strategies), so that clauses, targets, segments and contexts meet. Contexts
are made from a seed by the dozen: cheap, repeatable, and aimed at the very values that the two states ask about.
"""

from collections.abc import Callable, Iterator
from datetime import date
from itertools import chain
from random import Random
from typing import Any

from hypothesis import reject
from hypothesis import strategies as st
from msgspec.structs import replace

from tests.engine.strategies import ATTRIBUTES, UNITS, VALUE_STRATEGIES, clauses, flags, serves, snapshots
from twokey.domain import operation as op
from twokey.domain.control import Control, Kind, State, Surface, Upkeep
from twokey.domain.experiment import Better, Experiment, Primary
from twokey.domain.guardrail import Guardrail, GuardrailKind
from twokey.engine import (
    WEIGHT_TOTAL,
    Clause,
    Flag,
    FlagType,
    Invalid,
    Operator,
    Prerequisite,
    Rollout,
    Rule,
    Segment,
    SegmentRule,
    Serve,
    Variation,
)

NAMES = ["ann", "bob"]
DATES = [date(2026, 1, 1), date(2026, 6, 1)]

# ------------------------------------------------------------- the article's example


def control(flag: Flag, **changes: Any) -> Control:
    """A complete control around a flag: permanent, owned by Ann."""
    kept = {"owner": "ann", "purpose": "to try things", "surface": Surface.RETRIEVAL, "kind": Kind.PERMANENT}
    return Control(flag=flag, **(kept | {"permanent_because": "it is a mode of operation"} | changes))


def boolean_flag(key: str, **changes: Any) -> Flag:
    """An enabled flag with `off` (baseline) and `on`, giving `on` to everyone."""
    variations = (Variation(key="off", value=False), Variation(key="on", value=True))
    kept = {"type": FlagType.BOOLEAN, "variations": variations, "baseline": "off", "otherwise": Serve(variation="on")}
    return Flag(key=key, **(kept | {"enabled": True} | changes))


def asks(attribute: str, operator: Operator, *values: Any, negate: bool = False) -> Clause:
    """A clause."""
    return Clause(attribute=attribute, operator=operator, values=values, negate=negate)


def split(candidate: int, *, of: str = "reranker_v2", rest: str = "baseline", **changes: Any) -> Serve:
    """A rollout of the candidate at so many parts of 100,000, the rest on the baseline."""
    return Serve(rollout=Rollout(weights=((of, candidate), (rest, WEIGHT_TOTAL - candidate)), **changes))


STAFF = Segment(
    key="internal-staff",
    included=("u-1",),
    rules=(SegmentRule(clauses=(asks("email", Operator.ENDS_WITH, "@example.com"),)),),
)
PROFILE = Flag(
    key="support_answer_profile",
    type=FlagType.STRING,
    enabled=True,
    unit="conversation",
    variations=(Variation(key="baseline", value="baseline"), Variation(key="reranker_v2", value="reranker_v2")),
    baseline="baseline",
    prerequisites=(Prerequisite(flag="support_assistant", variations=("on",)),),
    rules=(
        Rule(
            id="internal",
            clauses=(asks("targetingKey", Operator.IN_SEGMENT, "internal-staff"),),
            serve=Serve(variation="reranker_v2"),
        ),
        Rule(id="pro-10", clauses=(asks("plan", Operator.IN, "pro", "enterprise"),), serve=split(10_000)),
    ),
    otherwise=Serve(variation="baseline"),
)


def article_state(**changes: Any) -> State:
    """The support assistant with its answer profile, the candidate at 10 percent of the paying plans."""
    controls = {
        "support_assistant": control(boolean_flag("support_assistant"), surface=Surface.AGENT_MODE),
        "support_answer_profile": control(PROFILE),
    }
    return state(controls | changes, STAFF)


def state(controls: dict[str, Control] | None = None, *segments: Segment) -> State:
    """A state of these controls and segments."""
    return State(
        project="support",
        environment="production",
        revision=18,
        controls=controls or {},
        segments={each.key: each for each in segments},
    )


def state_of(*parts: Flag | Control | Segment) -> State:
    """A state of these flags (each in a complete control) and segments."""
    held = [part if isinstance(part, Control) else control(part) for part in parts if not isinstance(part, Segment)]
    return state({each.key: each for each in held}, *(part for part in parts if isinstance(part, Segment)))


# ------------------------------------------------------------- any state


@st.composite
def states(draw: st.DrawFn) -> State:
    """A sound state of up to four flags, some archived, and three segments."""
    snapshot = draw(snapshots())
    leaned_on = {each.flag for flag in snapshot.flags.values() for each in flag.prerequisites}
    controls = {}
    for key, flag in snapshot.flags.items():
        held = draw(controls_of(flag))
        leans = bool(flag.prerequisites) or key in leaned_on
        controls[key] = replace(held, archived=not leans and draw(st.sampled_from([False, False, False, True])))
    return State(project="shop", environment="test", revision=3, controls=controls, segments=dict(snapshot.segments))


@st.composite
def controls_of(draw: st.DrawFn, flag: Flag) -> Control:
    """A complete control around this flag, with all that may be kept beside it."""
    kind = draw(st.sampled_from(Kind))
    names = [each.key for each in flag.variations]
    things = [*(f"rule:{each.id}" for each in flag.rules), *(f"variation:{name}" for name in names)]
    return Control(
        flag=flag,
        owner=draw(st.sampled_from(NAMES)),
        purpose="p",
        surface=draw(st.sampled_from(Surface)),
        kind=kind,
        approvers=tuple(draw(st.lists(st.sampled_from(["sre", "ml"]), max_size=2, unique=True))),
        review_date=draw(st.sampled_from(DATES)) if kind is Kind.TEMPORARY else None,
        cleanup_condition="done" if kind is Kind.TEMPORARY else "",
        permanent_because="a mode" if kind is Kind.PERMANENT else "",
        guardrails=draw(guardrails),
        caution=tuple(draw(st.lists(st.sampled_from(names), max_size=4, unique=True))),
        upkeep=draw(st.dictionaries(st.sampled_from(things), upkeeps, max_size=2)),
        experiment=draw(experiments),
    )


upkeeps = st.builds(Upkeep, owner=st.sampled_from(NAMES), review_date=st.sampled_from(DATES))
experiments = st.one_of(
    st.none(),
    st.builds(
        lambda metric: Experiment(
            key="exp-1",
            hypothesis="more are solved",
            candidate="b",
            primary=Primary(metric=metric, kind=GuardrailKind.RATE, better=Better.HIGHER),
        ),
        st.sampled_from(["solved", "clicks"]),
    ),
)
guardrails = st.lists(
    st.builds(
        Guardrail,
        key=st.sampled_from(["latency", "corrections"]),
        metric=st.just("m"),
        kind=st.just(GuardrailKind.RATE),
        limit=st.sampled_from([0.05, 0.1]),
    ),
    max_size=2,
    unique_by=lambda each: each.key,
).map(tuple)

# ------------------------------------------------------------- any operation of one kind

Build = Callable[[st.DrawFn, State], op.Operation]


def _one(draw: st.DrawFn, found: Any) -> Any:
    """One of these; an example without any is given up."""
    items = sorted(found) if isinstance(found, set | frozenset | dict) else list(found)
    return draw(st.sampled_from(items)) if items else reject()


def _flag(draw: st.DrawFn, known: State, having: Callable[[Flag], Any] = lambda _: True) -> Flag:
    live = [each.flag for each in known.controls.values() if not each.archived and having(each.flag)]
    return _one(draw, live)


def _names(flag: Flag) -> list[str]:
    return [each.key for each in flag.variations]


def _set_enabled(draw: st.DrawFn, known: State) -> op.Operation:
    return op.SetEnabled(flag=_flag(draw, known).key, enabled=draw(st.booleans()))


def _set_otherwise(draw: st.DrawFn, known: State) -> op.Operation:
    flag = _flag(draw, known)
    return op.SetOtherwise(flag=flag.key, serve=draw(_serves(flag)))


def _set_rule_serve(draw: st.DrawFn, known: State) -> op.Operation:
    flag = _flag(draw, known, lambda each: each.rules)
    return op.SetRuleServe(flag=flag.key, rule=_one(draw, flag.rules).id, serve=draw(_serves(flag)))


def _serves(flag: Flag) -> st.SearchStrategy[Serve]:
    """Anything it can serve; the baseline more often, as in an incident."""
    return serves(_names(flag)) | st.just(Serve(variation=flag.baseline))


def _set_weights(draw: st.DrawFn, known: State) -> op.Operation:
    flag = _flag(draw, known, lambda each: list(_rollouts(each)))
    rule, rollout = _one(draw, list(_rollouts(flag)))
    weights = dict(rollout.weights)
    taken = {key: draw(st.integers(0, weight)) for key, weight in weights.items() if key != flag.baseline}
    rest = WEIGHT_TOTAL - sum(taken.values())
    if flag.baseline in weights and draw(st.booleans()):
        return op.SetWeights(flag=flag.key, rule=rule, weights=tuple((taken | {flag.baseline: rest}).items()))
    other = draw(serves(_names(flag)).filter(lambda serve: serve.rollout is not None))
    return op.SetWeights(flag=flag.key, rule=rule, weights=other.rollout.weights)


def _rollouts(flag: Flag) -> Iterator[tuple[str | None, Rollout]]:
    for rule in flag.rules:
        if rule.serve.rollout is not None:
            yield rule.id, rule.serve.rollout
    if flag.otherwise.rollout is not None:
        yield None, flag.otherwise.rollout


def _add_rule(draw: st.DrawFn, known: State) -> op.Operation:
    flag = _flag(draw, known)
    asked = tuple(draw(st.lists(clauses(sorted(known.segments)), max_size=2)))
    return op.AddRule(
        flag=flag.key,
        rule=Rule(id="new", clauses=asked, serve=draw(_serves(flag))),
        position=draw(st.none() | st.integers(0, len(flag.rules))),
        upkeep=draw(st.none() | upkeeps),
    )


def _remove_rule(draw: st.DrawFn, known: State) -> op.Operation:
    flag = _flag(draw, known, lambda each: each.rules)
    return op.RemoveRule(flag=flag.key, rule=_one(draw, flag.rules).id)


def _move_rule(draw: st.DrawFn, known: State) -> op.Operation:
    flag = _flag(draw, known, lambda each: each.rules)
    position = draw(st.integers(0, len(flag.rules) - 1))
    return op.MoveRule(flag=flag.key, rule=_one(draw, flag.rules).id, position=position)


def _set_clauses(draw: st.DrawFn, known: State) -> op.Operation:
    flag = _flag(draw, known, lambda each: each.rules)
    rule = _one(draw, flag.rules)
    return op.SetClauses(flag=flag.key, rule=rule.id, clauses=draw(_clauses_like(rule.clauses, known)))


@st.composite
def _clauses_like(draw: st.DrawFn, asked: tuple[Clause, ...], known: State) -> tuple[Clause, ...]:
    """One clause more or less, or one with other values: what people do, and what implications are about."""
    kept = [each for each in asked if draw(st.booleans())]
    varied = [
        replace(each, values=tuple(dict.fromkeys(draw(st.permutations(each.values))[:-1] or each.values)))
        for each in asked
    ]
    more = draw(st.lists(clauses(sorted(known.segments)), max_size=1))
    return (*draw(st.sampled_from([kept, varied, list(asked)])), *more)


def _add_targets(draw: st.DrawFn, known: State) -> op.Operation:
    flag = _flag(draw, known)
    taken = {unit for target in flag.targets for unit in target.units}
    units = draw(st.lists(st.sampled_from(["t-1", "t-2", *UNITS]), min_size=1, max_size=3, unique=True))
    new = [unit for unit in units if unit not in taken] or reject()
    return op.AddTargets(flag=flag.key, variation=_one(draw, _names(flag)), units=tuple(new))


def _remove_targets(draw: st.DrawFn, known: State) -> op.Operation:
    flag = _flag(draw, known, lambda each: each.targets)
    target = _one(draw, flag.targets)
    units = draw(st.lists(st.sampled_from(target.units), min_size=1, unique=True)) if target.units else reject()
    return op.RemoveTargets(
        flag=flag.key, variation=target.variation, units=tuple(units), keep_empty=draw(st.booleans())
    )


def _set_prerequisites(draw: st.DrawFn, known: State) -> op.Operation:
    flag = _flag(draw, known)
    others = [each.flag for each in known.controls.values() if each.key != flag.key and not each.archived]
    wanted = draw(st.lists(st.sampled_from(others), max_size=2, unique_by=lambda each: each.key)) if others else []
    return op.SetPrerequisites(
        flag=flag.key,
        prerequisites=tuple(Prerequisite(flag=each.key, variations=(_one(draw, _names(each)),)) for each in wanted),
    )


def _set_unit(draw: st.DrawFn, known: State) -> op.Operation:
    return op.SetUnit(flag=_flag(draw, known).key, unit=draw(st.sampled_from(ATTRIBUTES)))


def _add_variation(draw: st.DrawFn, known: State) -> op.Operation:
    flag = _flag(draw, known)
    return op.AddVariation(
        flag=flag.key,
        variation=Variation(key="new", value=draw(VALUE_STRATEGIES[flag.type])),
        position=draw(st.none() | st.integers(0, len(flag.variations))),
        upkeep=draw(st.none() | upkeeps),
    )


def _edit_variation(draw: st.DrawFn, known: State) -> op.Operation:
    flag = _flag(draw, known)
    return op.EditVariation(flag=flag.key, variation=_one(draw, _names(flag)), value=draw(VALUE_STRATEGIES[flag.type]))


def _remove_variation(draw: st.DrawFn, known: State) -> op.Operation:
    has_new = any("new" in _names(each.flag) for each in known.controls.values())
    flag = _flag(draw, known, lambda each: "new" in _names(each) if has_new else len(each.variations) > 1)
    fresh = [name for name in _names(flag) if name == "new"]
    return op.RemoveVariation(flag=flag.key, variation=_one(draw, fresh or _names(flag)))


def _set_baseline(draw: st.DrawFn, known: State) -> op.Operation:
    flag = _flag(draw, known)
    return op.SetBaseline(flag=flag.key, variation=_one(draw, _names(flag)))


def _set_caution(draw: st.DrawFn, known: State) -> op.Operation:
    flag = _flag(draw, known)
    caution = draw(st.lists(st.sampled_from(_names(flag)), max_size=4, unique=True))
    return op.SetCaution(flag=flag.key, caution=tuple(caution))


def _set_schema(draw: st.DrawFn, known: State) -> op.Operation:
    return op.SetSchema(flag=_flag(draw, known).key, schema=draw(st.sampled_from([None, {}, {"title": "anything"}])))


def _set_client_visible(draw: st.DrawFn, known: State) -> op.Operation:
    return op.SetClientVisible(flag=_flag(draw, known).key, client_visible=draw(st.booleans()))


def _create_segment(draw: st.DrawFn, known: State) -> op.Operation:
    return op.CreateSegment(segment=draw(_segments("fresh", known)))


@st.composite
def _segments(draw: st.DrawFn, key: str, known: State) -> Segment:
    units = draw(st.lists(st.sampled_from(UNITS), max_size=4, unique=True))
    cut = draw(st.integers(0, len(units)))
    asked = st.lists(clauses(sorted(known.segments)), max_size=2).map(tuple)
    rules = draw(st.lists(asked.map(lambda some: SegmentRule(clauses=some)), max_size=2))
    return Segment(key=key, included=tuple(units[:cut]), excluded=tuple(units[cut:]), rules=tuple(rules))


def _edit_segment(draw: st.DrawFn, known: State) -> op.Operation:
    segment = known.segments[_one(draw, known.segments)]
    edited = draw(_segments(segment.key, state()))
    narrower = [unit for unit in segment.included if draw(st.booleans())]
    given = draw(
        st.sampled_from(
            [
                {"included": tuple(narrower)},
                {"excluded": edited.excluded, "included": edited.included},
                {"rules": segment.rules[:1]},
                {"rules": edited.rules},
                {"included": (*segment.included, "added")},
            ]
        )
    )
    return op.EditSegment(segment=segment.key, **given)


def _archive_segment(draw: st.DrawFn, known: State) -> op.Operation:
    return op.ArchiveSegment(segment=_one(draw, known.segments))


def _create_flag(draw: st.DrawFn, known: State) -> op.Operation:
    live = [each.flag for each in known.controls.values() if not each.archived]
    made = draw(flags("fresh", live, sorted(known.segments)))
    return op.CreateFlag(control=draw(controls_of(replace(made, enabled=False))))


def _delete_flag(draw: st.DrawFn, known: State) -> op.Operation:
    return op.DeleteFlag(flag=_flag(draw, known, lambda each: not each.enabled).key)


def _archive_flag(draw: st.DrawFn, known: State) -> op.Operation:
    return op.ArchiveFlag(flag=_flag(draw, known).key)


def _restore_flag(draw: st.DrawFn, known: State) -> op.Operation:
    return op.RestoreFlag(flag=_one(draw, [each.key for each in known.controls.values() if each.archived]))


def _edit_control(draw: st.DrawFn, known: State) -> op.Operation:
    flag = _flag(draw, known)
    other = draw(controls_of(flag))
    names = ["owner", "approvers", "guardrails", "upkeep", "surface", "purpose"]
    lifetime = ["kind", "review_date", "cleanup_condition", "permanent_because"]
    given = draw(st.lists(st.sampled_from(names), min_size=1, unique=True)) + draw(st.sampled_from([[], lifetime]))
    return op.EditControl(flag=flag.key, **{name: getattr(other, name) for name in given})


def _set_experiment(draw: st.DrawFn, known: State) -> op.Operation:
    return op.SetExperiment(flag=_flag(draw, known).key, experiment=draw(experiments))


def running(metric: str = "clicks", candidate: str = "on", rule: str | None = None) -> Experiment:
    """An experiment that is judged by that metric."""
    primary = Primary(metric=metric, kind=GuardrailKind.RATE, better=Better.HIGHER)
    return Experiment(key="exp-1", hypothesis="more are solved", candidate=candidate, primary=primary, rule=rule)


BUILD: dict[str, Build] = {name: globals()[f"_{name}"] for name in op.NAMES}
"""How to draw an operation of each kind on a state; it may still turn out not to apply."""


@st.composite
def operations(draw: st.DrawFn, known: State, kinds: tuple[str, ...] = op.NAMES) -> op.Operation:
    """An operation of one of these kinds that applies to the state; examples without any are given up."""
    wanted = BUILD[draw(st.sampled_from(kinds))](draw, known)
    try:
        op.apply(known, wanted)
    except Invalid:
        reject()
    return wanted


PREPARE: dict[str, str] = {
    "set_rule_serve": "add_rule",
    "remove_rule": "add_rule",
    "move_rule": "add_rule",
    "set_clauses": "add_rule",
    "remove_targets": "add_targets",
    "remove_variation": "add_variation",
    "edit_segment": "create_segment",
    "archive_segment": "create_segment",
    "delete_flag": "create_flag",
    "restore_flag": "archive_flag",
}
"""What makes room for a kind that few states have room for."""


@st.composite
def cases(draw: st.DrawFn, kinds: tuple[str, ...] = op.NAMES) -> tuple[State, op.Operation]:
    """A state and an operation of one of these kinds that applies to it."""
    known = draw(states())
    kind = draw(st.sampled_from(kinds))
    if kind in PREPARE and draw(st.sampled_from([True, True, False])):
        known = op.apply(known, draw(operations(known, (PREPARE[kind],))))
    return known, draw(operations(known, (kind,)))


# ------------------------------------------------------------- contexts aimed at states


def aimed_contexts(seed: int, count: int, *known: State) -> Iterator[dict[str, Any]]:
    """Contexts whose attributes mostly have the values that these states ask about, or values just beside them."""
    random = Random(seed)
    values = _values_by_attribute(known)
    names = sorted(values)
    for _ in range(count):
        chosen = [name for name in names if random.random() < 0.75]
        yield {name: _near(random, values[name]) for name in chosen}


def _values_by_attribute(known: tuple[State, ...]) -> dict[str, list[Any]]:
    values: dict[str, list[Any]] = {"targetingKey": [], "plan": []}
    units: list[Any] = ["added", "t-1", *UNITS]
    for one in known:
        held = [each.flag for each in one.controls.values()]
        rules = chain.from_iterable(flag.rules for flag in held)
        segment_rules = chain.from_iterable(each.rules for each in one.segments.values())
        for clause in chain.from_iterable(rule.clauses for rule in (*rules, *segment_rules)):
            values.setdefault(clause.attribute, []).extend(clause.values)
        for flag in held:
            values.setdefault(flag.unit, [])
            for _, rollout in _rollouts(flag):
                values.setdefault(flag.bucketing_unit(rollout), [])
            units += [unit for target in flag.targets for unit in target.units]
        units += [unit for each in one.segments.values() for unit in (*each.included, *each.excluded)]
    return {name: [*found, *units] for name, found in values.items()}


def _near(random: Random, values: list[Any]) -> Any:
    """One of the values, one just beside it, a list of some, a unit that nobody listed, or something odd."""
    value = random.choice(values)
    roll = random.random()
    if roll < 0.5:
        return value
    if roll < 0.65:
        return _beside(random, value)
    if roll < 0.75:
        return [random.choice(values), _beside(random, random.choice(values))]
    return random.choice(
        [f"n{random.randrange(1000)}", f"n{random.randrange(1000)}", random.randrange(50), None, [], True]
    )


def _beside(random: Random, value: Any) -> Any:
    if isinstance(value, str):
        return random.choice([value + "x", "x" + value, value[:-1], value.upper()])
    return value if isinstance(value, bool) else random.choice([value + 1, value - 1, value + 0.5, bool(value)])
