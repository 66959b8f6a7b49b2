"""Flags as people read them: rows, pages, targeting in words, history."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from typing import Any

import msgspec

from twokey.domain.control import Control, State
from twokey.domain.guardrail import Guardrail
from twokey.domain.operation import rule_lines
from twokey.domain.telemetry import Scope, Telemetry, Window
from twokey.engine.flag import WEIGHT_TOTAL, Flag, Serve
from twokey.ports import FlagVersion, UnitOfWork
from twokey.surfaces.http_api.models import (
    ExposureCount,
    FlagRow,
    FlagView,
    GuardrailView,
    LineView,
    VersionView,
)


def flag_row(control: Control, changed_at: datetime | None, today: date) -> FlagRow:
    """A flag in a list."""
    return FlagRow(**_row(control, changed_at, today))


def _row(control: Control, changed_at: datetime | None, today: date) -> dict[str, Any]:
    flag = control.flag
    return {
        "key": flag.key,
        "type": str(flag.type),
        "enabled": flag.enabled,
        "surface": str(control.surface),
        "kind": str(control.kind),
        "owner": control.owner,
        "purpose": control.purpose,
        "baseline": flag.baseline,
        "revision": flag.revision,
        "archived": control.archived,
        "review_date": control.review_date,
        "overdue": control.is_overdue(today),
        "reach": reach(flag),
        "changed_at": changed_at,
    }


def reach(flag: Flag) -> str:
    """In words: who gets something other than the baseline."""
    if not flag.enabled:
        return "off: baseline for everyone"
    parts = [f"{part} of {rule.id}" for rule in flag.rules if (part := _beyond(flag, rule.serve))]
    parts += [f"{part} of the rest"] if (part := _beyond(flag, flag.otherwise)) else []
    listed = sum(len(each.units) for each in flag.targets if each.variation != flag.baseline)
    parts += [f"{listed} listed"] if listed else []
    return ", ".join(parts) or "baseline for everyone"


def _beyond(flag: Flag, serve: Serve) -> str:
    if serve.rollout is None:
        return "all" if serve.variation != flag.baseline else ""
    share = sum(weight for variation, weight in serve.rollout.weights if variation != flag.baseline)
    return f"{100 * share / WEIGHT_TOTAL:g} %" if share else ""


def flag_view(uow: UnitOfWork, telemetry: Telemetry, state: State, control: Control) -> FlagView:
    """One flag whole."""
    versions = uow.flags.versions(state.project, state.environment, control.key, limit=50)
    scope = Scope(project=state.project, environment=state.environment, flag=control.key)
    counts = telemetry.exposure_counts(scope, window=Window(since=uow.now - timedelta(hours=1)))
    changed = versions[0].at if versions else None
    return FlagView(
        **_row(control, changed, uow.now.date()),
        document=msgspec.to_builtins(control.flag),
        lines=[LineView(marker="same", text=each.text) for each in rule_lines(control, state.segments)],
        approvers=list(control.approvers),
        guardrails=[guardrail_view(each) for each in control.guardrails],
        caution=list(control.caution),
        workflow=control.workflow,
        cleanup_condition=control.cleanup_condition,
        permanent_because=control.permanent_because,
        history=[_version(uow, each) for each in versions],
        exposures=[
            ExposureCount(rule=each.rule, assigned=each.assigned, served=each.served, units=each.units)
            for each in counts
        ],
    )


def guardrail_view(guardrail: Guardrail) -> GuardrailView:
    """A guardrail's rule."""
    return GuardrailView(
        key=guardrail.key,
        metric=guardrail.metric,
        kind=str(guardrail.kind),
        limit=guardrail.limit,
        unit_label=guardrail.unit_label,
        margin=guardrail.margin,
        denominator=guardrail.denominator,
        query=guardrail.query,
        other_limits=list(guardrail.other_limits),
    )


def _version(uow: UnitOfWork, version: FlagVersion) -> VersionView:
    change = uow.changes.find(version.change)
    return VersionView(
        revision=version.revision,
        environment_revision=version.environment_revision,
        at=version.at,
        change=version.change,
        summary=change.summary if change else "",
        applied_by=change.applied_by if change else "",
    )
