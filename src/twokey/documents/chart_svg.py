"""A metric over time by variation, as an SVG picture of its own: for evidence packs, reviews and messages.

Rules kept here:
- the same figures give the same bytes: sizes, order and numbers are fixed, and no clock is read;
- text of others is made harmless and escaped; nothing in it can become markup;
- no colour says anything alone: lines are named at their end, the limit is dashed and named, markers are lettered.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import datetime
from xml.sax.saxutils import escape

import msgspec

from twokey.documents.text import plain

WIDTH, HEIGHT = 960, 440
_LEFT, _RIGHT, _TOP, _BOTTOM = 84, 190, 76, 96
FAMILY = "Roboto"
_COLORS = ("#4b5563", "#6d28d9", "#0f766e", "#b45309", "#be185d", "#1d4ed8")
_HARM, _GRID, _TEXT, _MUTED = "#b91c1c", "#e5e7eb", "#111827", "#4b5563"
_QUIET = f'fill="{_MUTED}"'
MOST_LINES, MOST_MARKERS, MOST_LETTERS = 6, 8, 80
_TICKS = 4


class Mark(msgspec.Struct, frozen=True):
    """Something that happened at one moment."""

    at: datetime
    text: str


class Line(msgspec.Struct, frozen=True):
    """One variation's figures, oldest first."""

    name: str
    points: tuple[tuple[datetime, float], ...]


class Picture(msgspec.Struct, frozen=True, kw_only=True):
    """What is drawn. `share` writes values in percent, else `unit` stands after them."""

    title: str
    where: str
    since: datetime
    until: datetime
    lines: tuple[Line, ...]
    limit: float | None = None
    unit: str = ""
    share: bool = False
    marks: tuple[Mark, ...] = ()


def chart_svg(picture: Picture) -> str:
    """The picture as SVG 1.1."""
    lines = picture.lines[:MOST_LINES]
    scale = _Scale(picture, [value for line in lines for _, value in line.points if math.isfinite(value)])
    size = f'width="{WIDTH}" height="{HEIGHT}"'
    view = f'viewBox="0 0 {WIDTH} {HEIGHT}" font-family="{FAMILY}" font-size="13" fill="{_TEXT}"'
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" {size} {view}>',
        f"<title>{_safe(picture.title)}</title>",
        f'<rect {size} fill="#ffffff"/>',
        _text(_LEFT, 26, picture.title, 'font-size="18" font-weight="700"'),
        _text(_LEFT, 46, picture.where, _QUIET),
        *_grid(scale),
        *_marks(picture, scale),
        *(each for number, line in enumerate(lines) for each in _line(line, _color(number), scale)),
        *_names(lines, scale),
        "</svg>",
    ]
    return "\n".join(parts) + "\n"


def _text(x: float, y: float, said: str, how: str, most: int = MOST_LETTERS) -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" {how}>{_safe(said, most)}</text>'


def _rule(start: tuple[float, float], end: tuple[float, float], how: str) -> str:
    return f'<line x1="{start[0]:.1f}" y1="{start[1]:.1f}" x2="{end[0]:.1f}" y2="{end[1]:.1f}" {how}/>'


def _across(y: float, how: str) -> str:
    return _rule((_LEFT, y), (WIDTH - _RIGHT, y), how)


def _color(number: int) -> str:
    return _COLORS[number % len(_COLORS)]


class _Scale:
    """From moments and values to places on the picture."""

    def __init__(self, picture: Picture, values: Sequence[float]) -> None:
        self.picture = picture
        known = [*values, *([picture.limit] if picture.limit is not None else [])] or [0.0, 1.0]
        low, high = min(0.0, *known) if min(known) < 0.4 * max(known) else min(known), max(known)
        spare = (high - low or abs(high) or 1.0) * 0.08
        self.low, self.high = (low if low == 0 else low - spare), high + spare
        self.span = (picture.until - picture.since).total_seconds() or 1.0

    def x(self, at: datetime) -> float:
        share = (at - self.picture.since).total_seconds() / self.span
        return _LEFT + min(1.0, max(0.0, share)) * (WIDTH - _LEFT - _RIGHT)

    def y(self, value: float) -> float:
        return HEIGHT - _BOTTOM - (value - self.low) / (self.high - self.low) * (HEIGHT - _TOP - _BOTTOM)

    def written(self, value: float) -> str:
        if self.picture.share:
            return f"{100 * value:.3g} %"
        text = f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"
        return f"{text} {plain(self.picture.unit)}".strip()


def _grid(scale: _Scale) -> list[str]:
    found = []
    picture = scale.picture
    for value in _round_values(scale.low, scale.high):
        found.append(_across(scale.y(value), f'stroke="{_GRID}"'))
        found.append(_text(_LEFT - 8, scale.y(value) + 4, scale.written(value), f'text-anchor="end" {_QUIET}'))
    for number in range(_TICKS + 1):
        at = picture.since + (picture.until - picture.since) * number / _TICKS
        found.append(_text(scale.x(at), HEIGHT - _BOTTOM + 20, f"{at:%H:%M}", f'text-anchor="middle" {_QUIET}'))
    if picture.limit is not None:
        found.append(_across(scale.y(picture.limit), f'stroke="{_HARM}" stroke-width="1.5" stroke-dasharray="6 4"'))
    return found


def _round_values(low: float, high: float) -> list[float]:
    """Round values between the two, about as many as there are ticks."""
    rough = 0.7 * (high - low) / _TICKS
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(power * each for each in (1, 2, 2.5, 5, 10) if power * each >= rough)
    first = math.ceil(low / step)
    return [step * number for number in range(first, math.floor(high / step) + 1)]


def _line(line: Line, color: str, scale: _Scale) -> list[str]:
    points = [(scale.x(at), scale.y(value)) for at, value in line.points if math.isfinite(value)]
    if not points:
        return []
    path = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
    return [f'<polyline points="{path}" fill="none" stroke="{color}" stroke-width="2.2" stroke-linejoin="round"/>']


def _names(lines: Sequence[Line], scale: _Scale) -> list[str]:
    """Each line's name and last value beside its end, the limit among them, none over another."""
    wanted = []
    for number, line in enumerate(lines):
        values = [value for _, value in line.points if math.isfinite(value)]
        if values:
            wanted.append((scale.y(values[-1]), f"{line.name} {scale.written(values[-1])}", _color(number)))
    if (limit := scale.picture.limit) is not None:
        wanted.append((scale.y(limit), f"limit {scale.written(limit)}", _HARM))
    found, last = [], -math.inf
    for y, said, color in sorted(wanted):
        last = max(y, last + 17)
        found.append(_text(WIDTH - _RIGHT + 8, last + 4, said, f'fill="{color}"', 26))
    return found


def _marks(picture: Picture, scale: _Scale) -> list[str]:
    found = []
    for number, mark in enumerate(picture.marks[:MOST_MARKERS]):
        x, letter = scale.x(mark.at), chr(ord("A") + number)
        row, column = divmod(number, 2)
        said = f"{letter} {mark.at:%H:%M} {mark.text}"
        found += [
            _rule((x, _TOP), (x, HEIGHT - _BOTTOM), f'stroke="{_MUTED}" stroke-dasharray="2 3"'),
            _text(x, _TOP - 4, letter, 'text-anchor="middle" font-weight="700"'),
            _text(_LEFT + column * 430, HEIGHT - _BOTTOM + 42 + row * 16, said, f'font-size="12" {_QUIET}', 62),
        ]
    return found


def _safe(text: str, most: int = MOST_LETTERS) -> str:
    shown = plain(text)
    return escape(shown if len(shown) <= most else shown[: most - 1] + "…", {'"': "&quot;"})
