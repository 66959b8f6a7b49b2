"""What a person reads when asking why."""

from typing import Any

import pytest

from tests.engine.documents import DOCUMENT, other
from twokey.engine import Reason, Snapshot, explain
from twokey.engine.operators import shown

SNAPSHOT = Snapshot.from_json(DOCUMENT)
NEITHER = "internal-staff neither lists it nor has a rule that holds"
STORY = f"""\
Flag answer_profile serves `baseline` by rule pro-10 (SPLIT, revision 18).
  Prerequisite support_assistant serves `on`; wanted is `on`: it is met.
    Flag support_assistant serves `on` (STATIC, revision 0).
      Otherwise it serves `on`.
  Unit `c-5` is not targeted.
  Rule internal does not match.
    `targetingKey` in segment `internal-staff`: it is `u-9` ({NEITHER}), so the clause does not hold.
  Rule pro-10 matches and serves a rollout.
    `plan` in `pro`, `enterprise`: it is `pro`, so the clause holds.
    Unit `c-5` of `conversation`: bucket 83899 lies in 10000 to 99999, which gets `baseline`."""


def told(context: dict[str, Any], snapshot: Snapshot = SNAPSHOT, key: str = "answer_profile") -> str:
    return explain(snapshot, key, context).text()


def test_the_whole_story_of_a_split() -> None:
    assert told({"targetingKey": "u-9", "plan": "pro", "conversation": "c-5"}) == STORY


@pytest.mark.parametrize(
    ("context", "sentence"),
    [
        ({"conversation": "c-7"}, "Unit `c-7` is targeted with `reranker`."),
        ({"plan": "pro"}, "No unit in `conversation` so no target can match."),
        ({"plan": "pro"}, "Rule pro-10 rolls out over a unit that the context lacks, so it does not match."),
        ({"plan": "pro"}, "The context has no unit in `conversation`."),
        ({}, "`plan` in `pro`, `enterprise`: the context lacks it, so the clause does not hold."),
        ({"targetingKey": "u-1"}, "it is `u-1` (internal-staff includes it), so the clause holds."),
        ({"targetingKey": "u-2", "email": "a@example.com"}, "(rule 1 of internal-staff holds)"),
        ({"targetingKey": ["u-2", True]}, "(internal-staff neither lists it nor has a rule that holds)"),
        ({"targetingKey": True}, "it is `true`, so the clause does not hold."),
        ({}, "Otherwise it serves `baseline`."),
    ],
)
def test_each_step_is_told(context: dict[str, Any], sentence: str) -> None:
    assert sentence in told(context)


def test_an_excluded_unit_a_negation_and_a_long_list_are_told() -> None:
    clauses = [
        {"attribute": "targetingKey", "operator": "in_segment", "values": ["s"]},
        {"attribute": "plan", "operator": "in", "values": list("abcdef"), "negate": True},
        {"attribute": "email", "operator": "exists"},
    ]
    flag = {**other("f"), "rules": [{"id": "r", "clauses": clauses, "serve": {"variation": "a"}}]}
    snapshot = Snapshot.from_json({**DOCUMENT, "flags": [flag], "segments": [{"key": "s", "excluded": ["u"]}]})
    text = told({"targetingKey": "u", "plan": "z"}, snapshot, "f")
    assert "it is `u` (s excludes it), so the clause does not hold." in text
    assert "`plan` not in `a`, `b`, `c`, `d`, `e`, ...: it is `z`, so the clause holds." in text
    assert "`email` exists: the context lacks it, so the clause does not hold." in text


def test_a_disabled_flag_and_what_leans_on_it() -> None:
    flags = [{**DOCUMENT["flags"][0], "enabled": False}, DOCUMENT["flags"][1]]
    text = told({}, Snapshot.from_json({**DOCUMENT, "flags": flags}))
    assert "Prerequisite support_assistant serves `off`; wanted is `on`: so the baseline `baseline` is served." in text
    assert "The flag is disabled, so it serves its baseline `off`." in text


def test_otherwise_without_a_unit() -> None:
    flag = {**other("f"), "otherwise": {"rollout": {"weights": [["a", 100_000]]}}}
    snapshot = Snapshot.from_json({**DOCUMENT, "flags": [flag]})
    assert "without a unit the baseline `a` is served" in told({}, snapshot, "f")
    assert "Otherwise it serves a rollout." in told({"targetingKey": "u"}, snapshot, "f")


def test_a_prerequisite_met_twice_is_told_once() -> None:
    flags = [other("base"), other("left", "base"), other("top", "left", "base")]
    explanation = explain(Snapshot.from_json({**DOCUMENT, "flags": flags}), "top", {})
    left, base = explanation.steps[:2]
    assert left.prerequisite is not None
    assert left.prerequisite.steps[0].prerequisite is not None
    assert (base.name, base.prerequisite) == ("base", None)


def test_errors_are_told_too() -> None:
    assert told({}, key="nope") == "No answer: flag `nope` does not exist."
    broken: Any = None
    explanation = explain(SNAPSHOT, "answer_profile", broken)
    assert explanation.resolution.reason is Reason.ERROR
    assert explanation.text() == "No answer: the context is a NoneType, not a mapping."


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ("pro", "`pro`"),
        ("5", "`'5'`"),
        ("true", "`'true'`"),
        ("null", "`'null'`"),
        ("", "`''`"),
        ("a\nb", "`'a\\nb'`"),
        (None, "`null`"),
        (True, "`true`"),
        (5, "`5`"),
        ("x" * 100, "`" + "x" * 77 + "...`"),
    ],
)
def test_values_are_shown_so_that_kinds_can_be_told_apart(value: object, words: str) -> None:
    assert shown(value) == words


class Unprintable:
    def __repr__(self) -> str:
        raise RuntimeError("no words")


def test_a_context_value_that_cannot_be_written_is_named_by_its_kind() -> None:
    assert "`plan` in `pro`, `enterprise`: it is `a Unprintable`" in told({"plan": Unprintable()})
    assert "it is `a int`" in told({"plan": 10**5000})
