"""Figures in an assistant's words, held against the evidence that it cites.

Rules kept here:
- a figure is supported where a citation that was read again has that value, to the digits that are written, as it is or
  in percent;
- digits that are part of a name, an id, a version or a time of day are no figures;
- what is not supported is marked and counts for nothing: a ratio that nobody cited has no support.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

import msgspec

from twokey.domain.finding import Finding, Grounded

MOST = 50
"""Figures told of one finding."""
_UNITS = r"(?:ms|s|min|h|k|M|x|×|%|‰)?"
_FIGURE = re.compile(rf"(?<![\w.:/#-])[-+]?(\d+(?:,\d{{3}})*(?:\.\d+)?)\s?({_UNITS})(?![\w:/#-]|\.\d)")
_TIMES = {"%": 100.0, "‰": 1000.0, "k": 1e-3, "M": 1e-6}


class Unsupported(msgspec.Struct, frozen=True, kw_only=True):
    """A figure that no cited evidence has: where it stands, and as it is written."""

    field: str
    text: str


def unsupported_figures(finding: Finding, grounded: Iterable[Grounded]) -> tuple[Unsupported, ...]:
    """The figures in a finding's own words that none of its supported citations has; at most `MOST`."""
    values = [
        float(each.citation.value)
        for each in grounded
        if each.supported and isinstance(each.citation.value, int | float) and not isinstance(each.citation.value, bool)
    ]
    found = (
        Unsupported(field=field, text=match.group(0).strip())
        for field, text in _texts(finding)
        for match in _FIGURE.finditer(text)
        if not any(_is(match, value) for value in values)
    )
    return tuple(dict.fromkeys(found))[:MOST]


def _texts(finding: Finding) -> Iterator[tuple[str, str]]:
    yield "summary", finding.summary
    yield "reason", finding.reason
    yield "expected_effect", finding.expected_effect
    for index, each in enumerate(finding.suspects):
        yield f"suspects.{index}.because", each.because
    for index, said in enumerate(finding.citations):
        yield f"citations.{index}.says", said.says


def _is(match: re.Match[str], value: float) -> bool:
    """Whether this value, to the digits that are written, is what is written."""
    written = match.group(1).replace(",", "")
    digits = len(written.partition(".")[2])
    shown = abs(value) * _TIMES.get(match.group(2), 1.0)
    return abs(shown - float(written)) <= 0.5 * 10.0**-digits * (1 + 1e-9)
