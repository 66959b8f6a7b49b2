"""Patterns that could be slow are refused when they are written; the others stay fast on the worst text for them."""

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from twokey.engine import Invalid
from twokey.engine.patterns import MAX_PATTERN, MAX_TEXT, compile_pattern

HARMLESS = [
    "(a|ab)*c",
    "(?i)(a|A)*b",
    "(é|ü)*x",
    r"(\d|[0-9])*x",
    "",
    "^$",
    "foo.*bar",
    r"@example\.com$",
    r"^[a-z]+(-[a-z]+)*$",
    r"^\d{3}-\d{4}$",
    r"^.+@.+$",
    "^a.*b.*c",
    "(?i)foo|bar",
    "(?i:a)b*",
    "(?s)a.b",
    "(?:a|b|c)+$",
    "(|a)b",
    "[]$]$",
    "[^]]x",
    r"\$$",
    r"a\[b$",
    r"^(25[0-5]|2[0-4]\d|1?\d?\d)(\.(25[0-5]|2[0-4]\d|1?\d?\d)){3}$",
    r"^Mozilla/5\.0 \(.*\) (Gecko|AppleWebKit)/",
    r"^[\w.]+@[\w.]+$",
    r"[^a-z]+[a-z]",
    r"\bpro\b",
    r"(?P<n>x)[\D\S\W]",
    "a{1,3}a{1,3}",
    "^é+[a-zé]b",
    "(ab?c)+d",
    r"^\S+\s\S+$",
    "(?:(?:x))*y",
    "^(?:ab|cd)*?e",
]
HARMFUL = [
    # Found by timing what an earlier rule accepted: an optional part that can be empty, a third sweep over the text.
    "^(?:(?:[^a]b[^a](?:a{0,20})?){2})*c",
    ".*?.a+$",
    "(a*)?b",
    "(a+)+",
    "(a*)*",
    "(a|a)*",
    r"(\w+\s?)*$",
    "(.*a){25}",
    r"^(([a-z])+.)+[A-Z]([a-z])+$",
    "(a?){30}",
    "a?" * 40 + "a" * 40,
    "(?:a?b?){40}c",
    "a.*b.*c",
    "^.*.*.*x",
    "(a|b|ab)*c",
    "(éa|üb)*x",
    r"(\da|[0-9]b)*x",
    "(?i)(ab|Ac)*x",
    "(a{0,1000}){0,1000}",
    "(x+x+)+y",
    "([^a]|b)*c",
    "(?:.|a)+x",
    "(?i)(?:k+K)+",
]
FOREIGN = {
    r"(a)\1": "reference",
    "(?P<n>a)(?P=n)": "reference",
    "(a)?(?(1)b|c)": "condition",
    "(?=a)": "look-around",
    "(?<!a)b": "look-around",
    "(?>a)": "atomic",
    "a++": "possessive",
    "(?m)^a": "flag",
    "(?x) a": "flag",
    "(?u)a": "not a regular expression",
    "(?#x)a": "comment",
    "[[a]": "inside a class",
    "[a&&b]": "inside a class",
    "[a--b]": "inside a class",
    "(a": "not a regular expression",
    "a**": "not a regular expression",
    "\\": "not a regular expression",
    "a{2,1}": "not a regular expression",
    "x" * (MAX_PATTERN + 1): "513 characters",
}


@pytest.mark.parametrize("pattern", HARMLESS)
def test_usual_patterns_are_accepted(pattern: str) -> None:
    compile_pattern(pattern)


@pytest.mark.parametrize("pattern", HARMFUL)
def test_patterns_that_can_backtrack_without_end_are_refused(pattern: str) -> None:
    with pytest.raises(Invalid, match=r"too many ways|can be empty") as caught:
        compile_pattern(pattern)
    assert caught.value.field == "values"
    assert pattern in caught.value.problem


@pytest.mark.parametrize(("pattern", "words"), FOREIGN.items(), ids=[pattern[:20] for pattern in FOREIGN])
def test_what_other_languages_lack_or_read_differently_is_refused(pattern: str, words: str) -> None:
    with pytest.raises(Invalid) as caught:
        compile_pattern(pattern)
    assert words in caught.value.problem


@pytest.mark.parametrize("pattern", HARMLESS)
def test_accepted_patterns_end_soon_on_texts_made_to_hurt(pattern: str) -> None:
    """No clock: what backtracks without end would hang here."""
    compiled = compile_pattern(pattern)
    for piece in ("a", "ab", "aa-", "a.", "@", "1", "xy", "foo", "\u00e9"):
        compiled.search((piece * MAX_TEXT)[: MAX_TEXT - 1] + "\x00")


PIECES = st.recursive(
    st.sampled_from(["a", "b", ".", "[ab]", "[^a]", r"\w", r"\d", "ab", "(?i:A)"]),
    lambda inner: st.one_of(
        st.tuples(inner, inner).map("".join),
        st.tuples(inner, inner).map(lambda two: f"(?:{two[0]}|{two[1]})"),
        st.tuples(inner, st.sampled_from(["*", "+", "?", "{2}", "{1,3}", "*?"])).map(
            lambda two: f"(?:{two[0]}){two[1]}"
        ),
    ),
    max_leaves=6,
)


@settings(max_examples=300)
@given(PIECES, st.sampled_from(["", "^"]), st.sampled_from(["", "$", "c"]), st.text("abAB1c", max_size=12))
def test_whatever_is_accepted_is_quick_and_means_what_python_means(
    middle: str, start: str, end: str, text: str
) -> None:
    try:
        compiled = compile_pattern(start + middle + end)
    except Invalid:
        return
    expected = re.search(start + middle + end.replace("$", r"\Z"), text, re.ASCII)
    assert (compiled.search(text) is None) == (expected is None)
    for piece in ("a", "ab", "aab"):
        compiled.search((piece * MAX_TEXT)[: MAX_TEXT - 1] + "!")
