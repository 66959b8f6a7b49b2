"""The compiled functions say what the reference says, for every flag and context; and what they may cost."""

import math
import sys
import threading
from contextlib import suppress
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from tests.engine import strategies as words
from tests.engine.documents import DOCUMENT, clause, other
from tests.engine.evaluators import PLAIN, WILD, Trap, assert_same, by_reference, compiled, some_contexts
from tests.engine.strategies import contexts, snapshots
from twokey.engine import (
    Clause,
    CompileFailure,
    FlagType,
    Operator,
    Reason,
    Segment,
    SegmentRule,
    Snapshot,
    apply_patch,
    bucketing,
    carry_over,
    checks,
    compiler,
    diff,
    evaluate,
    reference,
    source,
)
from twokey.engine.asking import ready, ready_members
from twokey.engine.operators import MEANINGS, holds
from twokey.engine.snapshot import read_flag

SLOW = [HealthCheck.too_slow, HealthCheck.data_too_large]


# ---------------------------------------------------------------- the law


@settings(max_examples=250, suppress_health_check=SLOW)
@given(snapshots(), st.integers(0, 2**32))
def test_a_compiled_flag_says_what_the_reference_says(snapshot: Snapshot, seed: int) -> None:
    compiled(snapshot)
    for context in some_contexts(seed, 60):
        for key in snapshot.flags:
            assert_same(snapshot, key, context)


@settings(max_examples=100, suppress_health_check=SLOW)
@given(snapshots(), contexts)
def test_and_for_contexts_of_any_json(snapshot: Snapshot, context: dict[str, Any]) -> None:
    compiled(snapshot)
    for key in snapshot.flags:
        assert_same(snapshot, key, context)


@settings(max_examples=60, suppress_health_check=SLOW)
@given(snapshots(), st.integers(0, 2**32))
def test_an_answer_is_the_same_before_while_and_after_flags_are_compiled(snapshot: Snapshot, seed: int) -> None:
    wanted = [(key, context) for context in some_contexts(seed, 8) for key in snapshot.flags]
    expected = [by_reference(snapshot, key, context) for key, context in wanted]
    for _ in range(30):
        assert [evaluate(snapshot, key, context) for key, context in wanted] == expected
    assert snapshot.programs.answers.keys() == snapshot.flags.keys()


LISTS: dict[Operator, list[list[Any]]] = {
    **{operator: [values[:1], values[:2], values] for operator, values in words.VALUES.items()},
    Operator.EXISTS: [[]],
}
for each in (Operator.IN, Operator.NOT_IN):
    LISTS[each] += [[1], [1.0, 5], [True], [False, True], [0], [1, True], ["1", 1], [2**53, 10**18], [-0.0]]


@pytest.mark.parametrize("operator", LISTS)
@pytest.mark.parametrize("negate", [False, True])
def test_each_operator_answers_every_value_as_specified(operator: Operator, negate: bool) -> None:
    """Both ways of asking: the prepared clause by itself, and in the text of a function."""
    for values in LISTS[operator]:
        listed = [{**clause(operator, *values), "negate": negate}]
        rule = {"id": "r", "clauses": listed, "serve": {"variation": "b"}}
        snapshot = compiled(flag_alone({**two("f"), "rules": [rule]}))
        (asked,) = snapshot.flags["f"].rules[0].clauses
        prepared = ready(asked)
        for value in (*PLAIN, *WILD, *([one] for one in PLAIN), *((one, None) for one in PLAIN)):
            expected = outcome(lambda: holds(asked, value, pytest.fail))  # noqa: B023
            assert outcome(lambda: prepared(value)) == expected, (asked, value)  # noqa: B023
            assert_same(snapshot, "f", {"x": value})
            if expected is not None:
                assert (evaluate(snapshot, "f", {"x": value}).variation == "b") == expected


@pytest.mark.parametrize("operator", [Operator.IN_SEGMENT, Operator.NOT_IN_SEGMENT])
@pytest.mark.parametrize("negate", [False, True])
def test_segments_are_asked_as_specified(operator: Operator, negate: bool) -> None:
    """One, a few and many segments, with and without rules, for units of every kind."""
    ruled = [SegmentRule(clauses=(Clause(attribute="plan", operator=Operator.IN, values=("pro",)),))]
    segments = [Segment(key=f"s{number}", included=(f"u-{number}", "7")) for number in range(6)]
    segments += [
        Segment(key=f"r{number}", included=("c-1",), excluded=("u-2",), rules=tuple(ruled)) for number in range(2)
    ]
    for keys in (["s1"], ["s1", "s2"], ["r0"], ["s1", "r0"], [segment.key for segment in segments], ["s1", "s1"]):
        asked = Clause(attribute="x", operator=operator, values=tuple(keys), negate=negate)
        listed = [{**clause(operator, *keys), "negate": negate}]
        rule = {"id": "r", "clauses": listed, "serve": {"variation": "b"}}
        snapshot = compiled(Snapshot.build("p", "e", 1, [read_flag({**two("f"), "rules": [rule]})], segments))
        members = [snapshot.programs.members[key].ask for key in keys]
        for value in (*PLAIN, *WILD, ["u-1", "zz"], ["zz", None]):
            for plan in ("pro", "free"):
                context = {"x": value, "plan": plan}
                assert_same(snapshot, "f", context)
                expected = by_reference(snapshot, "f", context)
                prepared = outcome(lambda: ready_members(asked, members)(value, context))  # noqa: B023
                assert prepared == (None if expected.error else expected.variation == "b")


def test_one_and_true_and_one_point_zero_are_told_apart_as_specified() -> None:
    def answers(*values: Any) -> list[str]:
        rule = {"id": "r", "clauses": [clause("in", *values)], "serve": {"variation": "b"}}
        snapshot = compiled(flag_alone({**two("f"), "rules": [rule]}))
        asked = (1, 1.0, True, "1", 0, 0.0, -0.0, False, math.nan)
        return [repr(value) for value in asked if evaluate(snapshot, "f", {"x": value}).variation == "b"]

    assert answers(1) == ["1", "1.0"]
    assert answers(True) == ["True"]
    assert answers(0) == ["0", "0.0", "-0.0"]
    assert answers(False, "1") == ["'1'", "False"]
    assert answers(1, True) == ["1", "1.0", "True"]


@settings(max_examples=60, suppress_health_check=SLOW)
@given(snapshots(), st.integers(0, 2**32), st.sets(st.sampled_from(words.ATTRIBUTES)))
def test_a_context_whose_code_fails_gives_the_same_error(snapshot: Snapshot, seed: int, closed: set[str]) -> None:
    compiled(snapshot)
    for context in some_contexts(seed, 5):
        for key in snapshot.flags:
            assert_same(snapshot, key, Trap(context, frozenset(closed)))


def test_a_type_that_is_asked_for_is_honoured_by_compiled_flags() -> None:
    values = [("i", "integer", 5), ("n", "number", 5.0), ("s", "string", "5"), ("b", "boolean", True)]
    flags = [read_flag({**other(k), "type": t, "variations": [{"key": "a", "value": v}]}) for k, t, v in values]
    plain, ready_made = (Snapshot.build("p", "e", 1, flags) for _ in range(2))
    compiled(ready_made)
    for key in plain.flags:
        for expect in FlagType:
            assert evaluate(ready_made, key, {}, expect) == evaluate(plain, key, {}, expect)
    assert type(evaluate(ready_made, "i", {}, FlagType.NUMBER).value) is float


class Named(str):
    """Text that is a flag's key in its own way."""

    __slots__ = ()


class Same:
    """What is no text and passes for one in a dictionary."""

    def __eq__(self, other: object) -> bool:
        return other == "f"

    def __hash__(self) -> int:
        return hash("f")


def test_only_text_names_a_flag() -> None:
    snapshot = compiled(flag_alone(two("f")))
    assert evaluate(snapshot, Named("f"), {}).variation == "a"
    for key in (Same(), b"f", None, ["f"], 5, "g"):
        resolution = evaluate(snapshot, key, {})  # type: ignore[arg-type]
        assert resolution.error is not None
        assert resolution.error.code == "FLAG_NOT_FOUND"


def test_a_compiled_answer_is_made_once() -> None:
    snapshot = compiled(flag_alone(two("f")))
    assert evaluate(snapshot, "f", {}) is evaluate(snapshot, "f", {"a": 1})


# ---------------------------------------------------------------- what it may cost


def many(count: int) -> Snapshot:
    rule = {"id": "r", "clauses": [clause("in", "pro")], "serve": {"variation": "b"}}
    flags = [{**two(f"f{number:03}"), "rules": [rule]} for number in range(count)]
    return Snapshot.from_json({**DOCUMENT, "segments": [], "flags": flags})


def test_the_first_request_compiles_nothing_and_no_request_compiles_much() -> None:
    """However many flags a request asks for, compiling takes a share of what the reference does for it anyway."""
    snapshot = many(200)
    done = []
    for _ in range(40):
        for key in snapshot.flags:
            evaluate(snapshot, key, {"x": "pro"})
        done.append(len(snapshot.programs.answers))
    assert done[0] == 0
    waiting = [200 - compiled_so_far for compiled_so_far in done]
    first, *later = [after - before for before, after in pairwise(done)]
    assert first <= 2 * 200 / compiler.PRICE
    assert all(step <= left / compiler.PRICE + 1 for step, left in zip(later, waiting[1:], strict=False))
    assert done[-1] == 200


def test_a_flag_that_is_asked_for_once_is_never_compiled() -> None:
    snapshot = many(50)
    for key in snapshot.flags:
        evaluate(snapshot, key, {})
    assert not snapshot.programs.answers


def test_one_flag_in_use_is_compiled_soon() -> None:
    snapshot = many(50)
    for _ in range(compiler.PRICE):
        evaluate(snapshot, "f007", {})
    assert set(snapshot.programs.answers) == {"f007"}


def test_a_step_compiles_one_thing_though_a_flag_leans_on_many() -> None:
    names = [f"f{number:02}" for number in range(40)]
    chain = [other(names[0]), *(other(above, below) for below, above in pairwise(names))]
    snapshot = Snapshot.from_json({**DOCUMENT, "segments": [], "flags": chain})
    sizes = []
    for _ in range(300):
        assert evaluate(snapshot, names[-1], {}).variation == "a"
        sizes.append(len(snapshot.programs.answers))
    assert max(after - before for before, after in pairwise(sizes)) == 1
    assert sizes[-1] == 40


def test_the_units_of_a_segment_are_one_set_however_many_flags_name_it() -> None:
    rule = {"id": "r", "clauses": [clause("in_segment", "all")], "serve": {"variation": "b"}}
    flags = [{**two(f"f{number}"), "rules": [rule]} for number in range(20)]
    segment = {"key": "all", "included": [f"u-{number}" for number in range(100)]}
    snapshot = Snapshot.from_json({**DOCUMENT, "segments": [segment], "flags": flags})
    evaluate(snapshot, "f0", {"x": "u-1"})
    shared = snapshot.programs.units(snapshot.segments["all"])
    compiled(snapshot)
    held = [
        cell.cell_contents
        for function in snapshot.programs.answers.values()
        for cell in function.__closure__ or ()  # type: ignore[attr-defined]
        if isinstance(cell.cell_contents, frozenset)
    ]
    assert len(held) == 20
    assert all(one is shared for one in held)


# ---------------------------------------------------------------- patches


@settings(max_examples=60, suppress_health_check=SLOW)
@given(snapshots(), snapshots(), st.integers(0, 2**32))
def test_after_a_patch_nothing_answers_from_before_it(old: Snapshot, new: Snapshot, seed: int) -> None:
    compiled(old)
    for result in (apply_patch(old, diff(old, new)), carry_over(old, Snapshot.from_json(new.to_json()))):
        for _ in range(2):
            for context in some_contexts(seed, 6):
                for key in result.flags:
                    expected = by_reference(new, key, context)
                    assert evaluate(result, key, context) == expected
            compiled(result)


def patched(old: Snapshot, **changes: Any) -> Snapshot:
    flags = [replace(flag, digest=None, **changes.pop(key, {})) for key, flag in old.flags.items()]
    segments = [replace(one, digest=None, **changes.pop(key, {})) for key, one in old.segments.items()]
    assert not changes
    return apply_patch(old, diff(old, Snapshot.build(old.project, old.environment, old.revision + 1, flags, segments)))


def leaning() -> Snapshot:
    """top -> middle -> base; `inner` is asked by `outer`, which `ruled` names; `alone` leans on nothing."""
    in_outer = {"id": "r", "clauses": [clause("in_segment", "outer")], "serve": {"variation": "b"}}
    in_inner = {"clauses": [clause("in_segment", "inner")]}
    flags = [
        two("base"),
        two("middle", "base"),
        two("top", "middle"),
        two("alone"),
        {**two("ruled"), "rules": [in_outer]},
    ]
    segments = [{"key": "inner", "included": ["u-1"]}, {"key": "outer", "rules": [in_inner]}]
    return compiled(Snapshot.from_json({**DOCUMENT, "segments": segments, "flags": flags}))


def kept(old: Snapshot, new: Snapshot) -> set[str]:
    return {key for key, answer in new.programs.answers.items() if old.programs.answers[key] is answer}


def test_a_patch_leaves_compiled_what_does_not_lean_on_it() -> None:
    old = leaning()
    assert kept(old, patched(old, alone={"revision": 7})) == {"base", "middle", "top", "ruled"}
    assert kept(old, patched(old, base={"revision": 7})) == {"alone", "ruled"}
    assert kept(old, patched(old, middle={"revision": 7})) == {"alone", "ruled", "base"}
    assert kept(old, patched(old, top={"revision": 7})) == {"alone", "ruled", "base", "middle"}
    assert kept(old, patched(old, inner={"revision": 7})) == {"alone", "base", "middle", "top"}
    assert kept(old, carry_over(old, Snapshot.from_json(old.to_json()))) == set(old.flags)


def test_a_changed_segment_and_a_changed_prerequisite_reach_those_that_lean_on_them() -> None:
    old = leaning()
    assert evaluate(old, "ruled", {"x": "u-1"}).variation == "b"
    assert evaluate(old, "top", {}).reason is Reason.DEFAULT
    new = compiled(patched(old, inner={"included": ("u-2",)}, base={"baseline": "b", "enabled": False}))
    assert evaluate(new, "ruled", {"x": "u-1"}).variation == "a"
    assert evaluate(new, "ruled", {"x": "u-2"}).variation == "b"
    assert evaluate(new, "middle", {}).metadata == {"prerequisite": "base"}
    assert evaluate(old, "ruled", {"x": "u-1"}).variation == "b"


def test_threads_evaluate_while_snapshots_change() -> None:
    """Each answer belongs to the snapshot that was asked, though compiling and patching go on in all threads."""
    rule = {"id": "r", "clauses": [clause("in_segment", "s")], "serve": {"variation": "b"}}
    flags = [{**two(f"f{number}"), "rules": [rule]} for number in range(20)]
    flags += [{**two(f"p{number}", f"f{number}"), "rules": [rule]} for number in range(20)]
    document = {**DOCUMENT, "segments": [{"key": "s", "included": ["u-0"]}], "flags": flags}
    held = [Snapshot.from_json(document)]
    wrong: list[Any] = []
    done = threading.Event()

    def ask() -> None:
        while not done.is_set():
            snapshot = held[0]
            unit = f"u-{snapshot.revision}"
            for key in snapshot.flags:
                inside, outside = (evaluate(snapshot, key, {"x": each}) for each in (unit, "u-x"))
                # A flag whose prerequisite does not serve `a` serves its baseline, which is `a` as well.
                want = "a" if key.startswith("p") else "b"
                if (inside.variation, outside.variation) != (want, "a") or inside.error:
                    wrong.append((snapshot.revision, key, inside, outside))
                    return

    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    threads = [threading.Thread(target=ask) for _ in range(4)]
    try:
        held[0] = patched(held[0], s={"included": (f"u-{held[0].revision + 1}",)})
        for thread in threads:
            thread.start()
        for number in range(60):
            current = held[0]
            held[0] = patched(
                current, s={"included": (f"u-{current.revision + 1}",)}, **{f"f{number % 20}": {"revision": number}}
            )
    finally:
        done.set()
        for thread in threads:
            thread.join()
        sys.setswitchinterval(before)
    assert wrong == []


# ---------------------------------------------------------------- what cannot be compiled


def test_a_flag_that_fails_to_compile_is_answered_by_the_reference_and_named(monkeypatch: pytest.MonkeyPatch) -> None:
    made = compiler.flag_function

    def fails(flag: Any, *rest: Any) -> Any:
        if flag.key == "broken":
            raise NotImplementedError("no such thing")
        return made(flag, *rest)

    monkeypatch.setattr(compiler, "flag_function", fails)
    snapshot = Snapshot.from_json(
        {**DOCUMENT, "segments": [], "flags": [two("broken"), two("top", "broken"), two("ok")]}
    )
    for _ in range(50):
        for key in snapshot.flags:
            assert evaluate(snapshot, key, {}) == by_reference(snapshot, key, {})
    problem = "NotImplementedError: no such thing"
    assert snapshot.compile_failures == tuple(CompileFailure(flag=key, problem=problem) for key in ("broken", "top"))
    assert set(snapshot.programs.answers) == {"ok"}
    monkeypatch.undo()
    assert compiled(patched(snapshot, ok={"revision": 2})).compile_failures == ()


def test_a_compiled_function_that_fails_is_asked_again_by_the_reference() -> None:
    snapshot = compiled(flag_alone(two("f")))
    snapshot.programs.answers["f"] = lambda _: 1 / 0  # type: ignore[assignment, return-value]
    assert evaluate(snapshot, "f", {}) == by_reference(snapshot, "f", {})


def test_a_flag_too_large_to_compile_at_once_stays_with_the_reference() -> None:
    rules = [{"id": f"r{n}", "clauses": [clause("in", f"v{n}")], "serve": {"variation": "b"}} for n in range(300)]
    snapshot = flag_alone({**two("f"), "rules": rules})
    (failure,) = snapshot.compile()
    assert (failure.flag, failure.problem) == ("f", "TooLargeError: 600 rules and clauses; at most 400 are compiled")
    assert evaluate(snapshot, "f", {"x": "v299"}).rule == "r299"


def test_a_rollout_over_too_many_ranges_stays_with_the_reference() -> None:
    names = [f"v{number}" for number in range(500)]
    flag = {
        **other("f"),
        "variations": [{"key": name, "value": name} for name in names],
        "baseline": names[0],
        "otherwise": {"rollout": {"weights": [[name, 200] for name in names]}},
    }
    snapshot = flag_alone(flag)
    assert [failure.problem for failure in snapshot.compile()] == [
        "TooLargeError: 500 ranges; at most 400 are compiled"
    ]
    assert len({evaluate(snapshot, "f", {"targetingKey": f"u-{number}"}).value for number in range(500)}) > 200


def test_another_bucketing_is_asked_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    """Not as the comparison of hashes that stands for our own."""
    more = {"twokey-1": bucketing.bucket, "length-1": lambda salt, unit: (len(salt) + len(unit)) * 1_000}
    for module in (bucketing, checks, reference, source):
        monkeypatch.setattr(module, "BUCKETINGS", more)
    rollout = {"weights": [["a", 4_000], ["b", 96_000]]}
    snapshot = compiled(flag_alone({**two("f"), "bucketing": "length-1", "otherwise": {"rollout": rollout}}))
    for unit, wanted in (("u", "a"), ("uu", "a"), ("uuu", "b"), (7, "a"), ("\ud800", "a")):
        assert_same(snapshot, "f", {"targetingKey": unit})
        assert evaluate(snapshot, "f", {"targetingKey": unit}).variation == wanted


def test_flags_that_are_too_entangled_stay_with_the_reference() -> None:
    """Diamonds upon diamonds: two to the power of thirty ways, which the reference walks once each."""
    layers = [[two(f"f{layer:02}-{side}") for side in "ab"] for layer in range(30)]
    for below, layer in pairwise(layers):
        for flag in layer:
            flag["prerequisites"] = [{"flag": one["key"], "variations": ["a"]} for one in below]
    flags = [flag for layer in layers for flag in layer]
    snapshot = Snapshot.from_json({**DOCUMENT, "segments": [], "flags": flags})
    failed = {failure.flag for failure in snapshot.compile()}
    assert "f29-a" in failed
    assert "f03-a" not in failed
    assert all("Entangled" in failure.problem for failure in snapshot.compile_failures)
    assert evaluate(snapshot, "f29-a", {}).variation == "a"


def test_segments_that_are_too_entangled_stay_with_the_reference() -> None:
    segments: list[dict[str, Any]] = [{"key": "s00", "included": ["u"]}]
    for number in range(1, 20):
        asked = clause("in_segment", f"s{number - 1:02}")
        segments.append({"key": f"s{number:02}", "rules": [{"clauses": [asked]}, {"clauses": [asked]}]})
    rule = {"id": "r", "clauses": [clause("in_segment", "s19")], "serve": {"variation": "b"}}
    snapshot = Snapshot.from_json({**DOCUMENT, "segments": segments, "flags": [{**two("f"), "rules": [rule]}]})
    assert [failure.flag for failure in snapshot.compile()] == ["f"]
    assert evaluate(snapshot, "f", {"x": "u"}).variation == "b"
    assert evaluate(snapshot, "f", {"x": "v"}).variation == "a"


def test_a_caller_at_the_end_of_its_stack_leaves_the_flag_for_another(monkeypatch: pytest.MonkeyPatch) -> None:
    snapshot = flag_alone(two("f"))
    with monkeypatch.context() as patching:
        patching.setattr(compiler, "flag_function", deep)
        for _ in range(50):
            assert evaluate(snapshot, "f", {}) == by_reference(snapshot, "f", {})
    assert snapshot.compile_failures == ()
    compiled(snapshot)


def deep(*_: object) -> Any:
    return deep()


def test_wherever_on_the_stack_a_flag_is_compiled_nothing_is_held_against_it() -> None:
    rule = {"id": "r", "clauses": [clause("semver_gt", "1.0.0")], "serve": {"variation": "b"}}
    snapshot = flag_alone({**two("f"), "rules": [rule]})
    programs = snapshot.programs
    asked = 0

    def all_the_way_down() -> None:
        nonlocal asked
        programs.answers.clear()
        programs.used.add("f")
        programs.credit = 1_000
        evaluate(snapshot, "f", {})
        asked += 1
        all_the_way_down()

    with suppress(RecursionError):
        all_the_way_down()
    assert asked > 100
    assert programs.failures() == ()


def test_every_operator_has_a_question() -> None:
    from twokey.engine.source import _QUESTIONS

    elsewhere = {Operator.EXISTS, Operator.IN_SEGMENT, Operator.NOT_IN_SEGMENT}
    assert set(_QUESTIONS) | elsewhere == set(MEANINGS) == set(Operator)


def two(key: str, *prerequisites: str) -> dict[str, Any]:
    """A flag that serves `a` and could serve `b`."""
    return {**other(key, *prerequisites), "variations": [{"key": "a", "value": "a"}, {"key": "b", "value": "b"}]}


def flag_alone(flag: dict[str, Any]) -> Snapshot:
    return Snapshot.from_json({**DOCUMENT, "segments": [], "flags": [flag]})


def outcome(question: Any) -> Any:
    """The answer, or None for a value whose own code failed."""
    try:
        return question()
    except Exception:  # noqa: BLE001 - such a value may raise anything
        return None
