"""A guardrail metric over time by assigned variation, with its limit and what changed meanwhile."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta

from twokey.documents.chart_svg import Line as Drawn
from twokey.documents.chart_svg import Mark, Picture
from twokey.domain.control import Control
from twokey.domain.guardrail import Guardrail, GuardrailKind
from twokey.domain.telemetry import ExposurePoint, Scope, SeriesPoint, Telemetry, Window
from twokey.ports import UnitOfWork
from twokey.surfaces.http_api.models import Line, Marker, Point, SeriesView

BUCKETS = 60


class Span:
    """The time a chart shows."""

    def __init__(self, until: datetime, minutes: int) -> None:
        self.until, self.since = until, until - timedelta(minutes=minutes)

    @property
    def window(self) -> Window:
        """As the telemetry store wants it."""
        return Window(since=self.since, until=self.until)


def series(
    telemetry: Telemetry, scope: Scope, guardrail: Guardrail, span: Span, markers: Sequence[Marker]
) -> SeriesView:
    """One guardrail's chart."""
    points = telemetry.series(scope, guardrail, window=span.window, buckets=BUCKETS)
    return SeriesView(
        guardrail=guardrail.key,
        metric=guardrail.metric,
        kind=str(guardrail.kind),
        title=guardrail.title or guardrail.key.replace("_", " "),
        unit_label=guardrail.unit_label,
        limit=guardrail.limit,
        since=span.since,
        until=span.until,
        lines=_lines(points, everybody=guardrail.kind is GuardrailKind.QUERY),
        markers=list(markers),
    )


def insights(telemetry: Telemetry, scope: Scope, span: Span, markers: Sequence[Marker]) -> list[SeriesView]:
    """Evaluations, distinct units, and the share that was served something else, by assigned variation over time."""
    points = telemetry.exposure_series(scope, window=span.window, buckets=BUCKETS)
    figures: tuple[tuple[str, str, str, Callable[[ExposurePoint], float]], ...] = (
        ("evaluations", "evaluations", "count", lambda each: each.exposures),
        ("units", "units exposed", "count", lambda each: each.units),
        ("served_other", "served something else", "rate", lambda each: each.served_other / each.exposures),
    )
    return [
        SeriesView(
            guardrail=key,
            metric=key,
            kind=kind,
            title=title,
            unit_label="",
            limit=None,
            since=span.since,
            until=span.until,
            lines=_exposed(points, figure),
            markers=list(markers),
        )
        for key, title, kind, figure in figures
    ]


def picture(series: SeriesView, where: str) -> Picture:
    """A chart as it is drawn in one picture."""
    return Picture(
        title=f"{series.title} by variation",
        where=f"{where}, {series.since:%Y-%m-%d %H:%M} to {series.until:%H:%M} UTC",
        since=series.since,
        until=series.until,
        lines=tuple(
            Drawn(line.variation, tuple((each.at, each.value) for each in line.points if each.value is not None))
            for line in series.lines
        ),
        limit=series.limit,
        unit=series.unit_label,
        share=series.kind in ("rate", "fallback") or series.unit_label == "%",
        marks=tuple(Mark(each.at, each.text) for each in series.markers),
    )


def _exposed(points: Sequence[ExposurePoint], figure: Callable[[ExposurePoint], float]) -> list[Line]:
    by_variation: dict[str, list[Point]] = defaultdict(list)
    for each in points:
        by_variation[each.variation].append(Point(at=each.at, value=figure(each), units=each.units))
    return [Line(variation=name, points=found) for name, found in sorted(by_variation.items())]


def _lines(points: Sequence[SeriesPoint], *, everybody: bool) -> list[Line]:
    by_variation: dict[str, list[Point]] = defaultdict(list)
    for each in points:
        if (name := "everybody" if everybody else each.variation) is not None:
            by_variation[name].append(Point(at=each.at, value=each.value, units=each.events))
    return [Line(variation=name, points=found) for name, found in sorted(by_variation.items())]


def markers(uow: UnitOfWork, telemetry: Telemetry, scope: Scope, span: Span, case: str | None) -> list[Marker]:
    """The flag's changes, changes elsewhere and the case's signals within the span."""
    changes = uow.changes.where(project=scope.project, environment=scope.environment, limit=200)
    found = [
        Marker(at=each.applied_at, text=each.summary, kind="change") for each in changes if scope.flag in each.flags
    ]
    elsewhere = telemetry.change_events(scope, window=span.window)
    found += [Marker(at=each.event.at, text=each.event.title, kind="change_event") for each in elsewhere]
    signals = uow.signals.where(case=case) if case else ()
    found += [Marker(at=each.alert.starts_at, text=each.alert.name, kind="signal") for each in signals]
    return sorted((each for each in found if span.since <= each.at <= span.until), key=lambda each: each.at)


def of_flag(
    uow: UnitOfWork, telemetry: Telemetry, scope: Scope, control: Control, span: Span, case: str | None = None
) -> list[SeriesView]:
    """The charts of every guardrail of a flag."""
    shown = markers(uow, telemetry, scope, span, case)
    return [series(telemetry, scope, each, span, shown) for each in control.guardrails]
