"""Strings of a document never reach the generated source: hostile ones change neither the text nor the answers."""

import ast
import json
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from msgspec.structs import replace

from tests import needs
from tests.engine.documents import DOCUMENT
from tests.engine.evaluators import assert_same, by_reference, compiled
from tests.engine.strategies import snapshots
from twokey.engine import Invalid, Snapshot, evaluate, source
from twokey.engine.flag import Flag
from twokey.engine.snapshot import read_flag
from twokey.engine.source import Member, flag_function, segment_function

OURS = [
    "'", '"', "'''", '"""', "\\", "\\'", "\n", "\r\n", "\x00", "\t", "#", "# comment", ";", ":", "{}", "{0}", "{c}",
    "{__import__('os').system('true')}", "__import__('os').system('true')", "exec('raise SystemExit')", "%(x)s", "%s",
    "A0", "R1", "X2", "a0", "c", "u", "r", "h", "w", "made", "make", "self", "type", "str", "len", "None", "True",
    "') or True or ('", "'); raise SystemExit; ('", '"] = 1 #', "\nreturn R0\n", "\n  raise SystemExit\n", ")" * 50,
    "if True:\n return 1", "return", "__builtins__", "lambda: 0", "pass", "(" * 250, "\u2028", "\u202e", "\ufeff", "ſ",
    "𝒄", "é", "e\u0301", "\U0001f600", "$(true)", "`true`", "${jndi:ldap://x}", "' OR 1=1 --", "<script>",
    "../../etc/passwd", "NaN", "1e309", "-0", "%00", "\x1b[0m", "x" * 250,
]  # fmt: skip
"""Quotes, escapes, code, the generated text's own names, look-alikes of them, and the usual suspects."""


@cache
def foreign() -> tuple[str, ...]:
    """The published attack strings."""
    lines = (needs.shared("data", "attacks") / "attacks.jsonl").read_text(encoding="utf-8").split("\n")
    return tuple(json.loads(line)["text"] for line in lines if line)


def document(word: str) -> dict[str, Any]:
    """A snapshot whose every free string is this word: attributes, values, units, salts, served text, object names."""
    name, salt = word[:256] or "x", "".join(each for each in word[:256] if each >= " ") or "x"

    def asked(operator: str, *values: Any, **more: Any) -> dict[str, Any]:
        return {"attribute": name, "operator": operator, "values": list(values), **more}

    texts = [asked(operator, word) for operator in ("in", "contains", "starts_with", "ends_with")]
    texts.append(asked("not_in", word + "?"))
    rollout = {"weights": [["a", 50_000], ["b", 50_000]], "unit": name, "salt": salt}
    rules = [
        {"id": "all", "clauses": [*texts, asked("in_segment", "s")], "serve": {"variation": "b"}},
        {"id": "any", "clauses": [asked("in", word, 1, True)], "serve": {"variation": "b"}},
        {"id": "split", "clauses": [asked("starts_with", word[:1], word)], "serve": {"rollout": rollout}},
    ]
    variations = [{"key": "a", "value": {word: word}}, {"key": "b", "value": [word, {"c": word}]}]
    flag = {
        "key": "f",
        "type": "object",
        "enabled": True,
        "variations": variations,
        "baseline": "a",
        "unit": name,
        "salt": salt,
        "targets": [{"variation": "b", "units": [word + "t"]}],
        "rules": rules,
        "otherwise": {"rollout": rollout},
    }
    segment = {"key": "s", "included": [word], "rules": [{"clauses": [asked("ends_with", word + "!")]}]}
    return {**DOCUMENT, "segments": [segment], "flags": [flag]}


@pytest.fixture
def texts(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Every source text that is turned into functions."""
    seen: list[str] = []
    maker = source._maker

    def watched(text: str) -> Callable[..., Any]:
        seen.append(text)
        return maker(text)

    watched.cache_info = maker.cache_info  # type: ignore[attr-defined]
    monkeypatch.setattr(source, "_maker", watched)
    return seen


def tried(words: tuple[str, ...], texts: list[str]) -> int:
    """Evaluate with each word everywhere; the number of words that a snapshot takes."""
    compiled(Snapshot.from_json(document("plain")))
    plain = texts.copy()
    count = 0
    for word in words:
        try:
            snapshot = Snapshot.from_json(document(word))
        except Invalid:
            continue  # such as half a surrogate pair, which has no JSON
        texts.clear()
        compiled(snapshot)
        assert texts == plain, word
        name = snapshot.flags["f"].unit
        for value in (word, word + "t", word + "!", word[:1], "other", [word], None, 1, True):
            assert_same(snapshot, "f", {name: value})
            assert_same(snapshot, "f", {name: value, word: value, "c": "c", "A0": "A0", "type": "type"})
        assert evaluate(snapshot, "f", {name: word}).rule == "all"
        assert evaluate(snapshot, "f", {name: word + "t"}).value == [word, {"c": word}]
        count += 1
    return count


def test_our_hostile_strings_change_nothing(texts: list[str]) -> None:
    assert tried(tuple(OURS), texts) == len(OURS)


def test_published_attack_strings_change_nothing(texts: list[str]) -> None:
    words = foreign()
    assert tried(words, texts) > 0.95 * len(words)


@pytest.mark.parametrize("word", ["f'", "f\n", "f;import os", "{f}", "f)", "__import__('os')", "", "f f", "é", "f\x00"])
def test_keys_have_no_room_for_code(word: str) -> None:
    flag = document("x")["flags"][0]
    hostile = [
        {**flag, "key": word},
        {**flag, "baseline": word},
        {**flag, "variations": [*flag["variations"], {"key": word, "value": {}}]},
        {**flag, "rules": [{**flag["rules"][0], "id": word}]},
        {**flag, "prerequisites": [{"flag": word, "variations": ["a"]}]},
        {**flag, "bucketing": word},
    ]
    for one in hostile:
        with pytest.raises(Invalid):
            read_flag(one)


@pytest.mark.parametrize("word", OURS)
def test_even_a_flag_that_no_snapshot_would_take_adds_no_code(word: str, texts: list[str]) -> None:
    """The writer does not rely on keys being harmless: here every key is the hostile word as well."""
    snapshot = Snapshot.from_json(document(word))

    def function(key: str) -> Any:
        flag = snapshot.flags["f"]
        renamed = {"a": key, "b": key + "b"}
        hostile = replace(
            flag,
            key=key,
            baseline=key,
            variations=tuple(replace(one, key=renamed[one.key]) for one in flag.variations),
            targets=tuple(replace(one, variation=renamed[one.variation]) for one in flag.targets),
            rules=tuple(_renamed(rule, renamed, key + str(n)) for n, rule in enumerate(flag.rules)),
            otherwise=_serve(flag.otherwise, renamed),
        )
        belongs = segment_function(replace(snapshot.segments["s"], key=key), frozenset({word}), {})
        return flag_function(hostile, {}, {"s": Member(frozenset({word}), belongs)})

    function("plain")
    plain = texts.copy()
    texts.clear()
    answer = function(word)({snapshot.flags["f"].unit: word})
    assert texts == plain
    assert (answer.variation, answer.rule) == (word + "b", word + "0")


def _renamed(rule: Any, renamed: dict[str, str], key: str) -> Any:
    return replace(rule, id=key, serve=_serve(rule.serve, renamed))


def _serve(serve: Any, renamed: dict[str, str]) -> Any:
    if serve.rollout is None:
        return replace(serve, variation=renamed[serve.variation])
    weights = tuple((renamed[key], weight) for key, weight in serve.rollout.weights)
    return replace(serve, rollout=replace(serve.rollout, weights=weights))


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(snapshots())
def test_the_text_is_made_of_few_words(texts: list[str], snapshot: Snapshot) -> None:
    """No literal but the truth values and None; no name but parameters, numbered ones and three builtins; no import."""
    texts.clear()
    compiled(snapshot)
    assert texts
    for text in texts:
        tree = ast.parse(text)
        names = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
        constants = {node.value for node in ast.walk(tree) if isinstance(node, ast.Constant)}
        attributes = {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
        numbered = {name for name in names if name[0].isalpha() and name[1:].isdecimal()}
        assert names - numbered <= {"c", "u", "r", "h", "w", "made", "type", "str", "len"}
        assert constants <= {None, True, False}
        assert attributes <= {"get", "variation", "startswith", "endswith", "encode"}
        kinds = {type(node) for node in ast.walk(tree)}
        assert not kinds & {
            ast.Import,
            ast.ImportFrom,
            ast.Global,
            ast.Nonlocal,
            ast.Lambda,
            ast.Subscript,
            ast.JoinedStr,
        }


def test_a_generated_function_can_reach_no_builtin_that_acts() -> None:
    snapshot = compiled(Snapshot.from_json(document("x")))
    world = snapshot.programs.answers["f"].__globals__  # type: ignore[attr-defined]
    assert set(world) == {"__builtins__"}
    assert set(world["__builtins__"]) == {"type", "len", "str"}


def test_flags_of_one_shape_are_compiled_once() -> None:
    def flag(number: int) -> Flag:
        made = document(f"word-{number}")["flags"][0]
        return read_flag({**made, "key": f"f{number}", "targets": []})

    segment = compiled(Snapshot.from_json(document("x"))).segments["s"]
    compiled(Snapshot.build("p", "e", 1, [flag(0)], [segment]))
    before = source.shapes_compiled()
    snapshot = compiled(Snapshot.build("p", "e", 1, [flag(number) for number in range(50)], [segment]))
    assert source.shapes_compiled() == before
    codes = {function.__code__ for function in snapshot.programs.answers.values()}  # type: ignore[attr-defined]
    assert len(codes) == 1


def test_the_source_file_pastes_nothing_of_a_document() -> None:
    """In f-strings of the writer stand only names that it made, depths, and words of its own tables."""
    tree = ast.parse(Path(source.__file__).read_text(encoding="utf-8"))
    pasted = {ast.unparse(node.value) for node in ast.walk(tree) if isinstance(node, ast.FormattedValue)}
    documents = ("flag.", "rule.", "segment.", "clause.values", "clause.attribute", "prerequisite.", "target.")
    assert [one for one in pasted if one.startswith(documents)] == []


def test_the_reference_agrees_where_a_value_has_no_bytes() -> None:
    snapshot = compiled(Snapshot.from_json(document("x")))
    for value in ("\ud800", "x\udfff", "\ud83d", ["\ud800"]):
        assert_same(snapshot, "f", {"x": value})
        assert by_reference(snapshot, "f", {"x": value}).error is None
