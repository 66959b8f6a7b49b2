"""Guardrail series for a terminal: a line of blocks for each variation, on one scale and one time axis, changes marked.

A stretch in which nobody was measured is a gap in the line; it is never drawn as a value.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise
from typing import Any

from twokey.cli.output import heading, say
from twokey.cli.times import moment
from twokey.documents.sparkline import sparkline
from twokey.documents.text import clip, plain

View = Mapping[str, Any]
WIDTH = 48
MARKS = {"change": "^", "change_event": "+", "signal": "!"}
SHARES = frozenset({"rate", "fallback"})


@dataclass(frozen=True)
class Axis:
    """The time axis of a chart: its beginning, its end, and how many characters wide it is drawn."""

    start: datetime
    end: datetime
    slots: int

    def slot(self, at: datetime) -> int | None:
        """Where a moment stands; nothing for what lies outside."""
        if not self.start <= at <= self.end:
            return None
        span = (self.end - self.start).total_seconds()
        return min(int((at - self.start).total_seconds() / span * self.slots), self.slots - 1) if span else 0


def charts(series: Sequence[View]) -> None:
    """All charts that have something to show, and below them what their marks mean."""
    shown = [(chart, axis) for chart in series if (axis := axis_of(chart)) is not None]
    for chart, axis in shown:
        _chart(chart, axis)
    if shown:
        legend = [f"  {line}" for line in _legend(*shown[0])]
        say(*([""] if legend else []), *legend)


def axis_of(chart: View) -> Axis | None:
    """The axis from the first measured moment to the end of the series; nothing where nothing was measured."""
    times = sorted({at for at, _ in _points(chart["lines"])})
    end = moment(chart["until"])
    if not times or end is None:
        return None
    steps = [(after - before).total_seconds() for before, after in pairwise(times)]
    step = min((each for each in steps if each > 0), default=1.0)
    end = max(end, times[-1])
    return Axis(times[0], end, max(1, min(WIDTH, round((end - times[0]).total_seconds() / step))))


def drawn(line: View, axis: Axis, low: float, high: float) -> str:
    """One variation's line."""
    slots: list[list[float]] = [[] for _ in range(axis.slots)]
    for at, value in _points([line]):
        if (slot := axis.slot(at)) is not None:
            slots[slot].append(value)
    return sparkline([sum(each) / len(each) if each else None for each in slots], low, high)


def marks(chart: View, axis: Axis) -> str:
    """The marks below the lines; where two meet, the first one stands."""
    row = [" "] * axis.slots
    for marker in chart["markers"]:
        at = moment(marker["at"])
        slot = axis.slot(at) if at else None
        if slot is not None and row[slot] == " ":
            row[slot] = MARKS.get(marker["kind"], "^")
    return "".join(row)


def _chart(chart: View, axis: Axis) -> None:
    values = [value for _, value in _points(chart["lines"])]
    low, high = min(values), max(values)
    limit = "" if chart["limit"] is None else f", limit {_figure(chart, chart['limit'])}"
    say("")
    heading(f"{chart['title']}, {axis.start:%H:%M} to {axis.end:%H:%M} UTC")
    say(f"  from {_figure(chart, low)} to {_figure(chart, high)}{limit}")
    for line in chart["lines"]:
        say(f"  {drawn(line, axis, low, high)}  {plain(line['variation'])}")
    if row := marks(chart, axis).rstrip():
        say(f"  {row}")


def _legend(chart: View, axis: Axis) -> Iterator[str]:
    for marker in chart["markers"]:
        at = moment(marker["at"])
        if at is not None and axis.slot(at) is not None:
            yield clip(f"{MARKS.get(marker['kind'], '^')} {at:%H:%M}  {plain(marker['text'])}", 78)


def _points(lines: Sequence[View]) -> Iterator[tuple[datetime, float]]:
    for line in lines:
        for point in line["points"]:
            at = moment(point["at"])
            if at is not None and point["value"] is not None:
                yield at, point["value"]


def _figure(chart: View, value: float) -> str:
    if chart["kind"] in SHARES:
        return f"{100 * value:.3g} %"
    return f"{value:.4g} {plain(chart['unit_label'])}".rstrip()
