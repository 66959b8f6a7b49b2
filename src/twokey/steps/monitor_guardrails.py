"""Watch the guardrails of every flag that splits traffic: what is breached becomes a signal of our own.

Rules kept here:
- a signal begins when a guardrail is breached, and ends when it holds again or nothing is split any more; while it is
  too early, or cannot be judged, it stays as it is;
- one signal for each guardrail of a flag, however often it is looked at;
- nothing is moved: a signal opens a case, and what follows takes its keys.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

import msgspec

from twokey.domain.control import Control
from twokey.domain.guardrail import Guardrail, Verdict, VerdictStatus
from twokey.domain.policy import Environment
from twokey.domain.signal import Alert, Signal, SignalStatus, fingerprint
from twokey.domain.stages import split_plans, with_fallback
from twokey.domain.telemetry import Scope, Telemetry
from twokey.ports import FlagVersion, Store, UnitOfWork
from twokey.steps.see_guardrails import see

SOURCE = "twokey"
NAME = "GuardrailBreached"
VERSIONS = 1000


class Watched(msgspec.Struct, frozen=True, kw_only=True):
    """A flag that splits traffic, and the signals of its guardrails that are firing."""

    environment: Environment
    control: Control
    versions: tuple[FlagVersion, ...]
    firing: dict[str, Signal]


class Told(msgspec.Struct, frozen=True, kw_only=True):
    """What an environment's guardrails have to tell."""

    project: str
    environment: str
    alerts: tuple[Alert, ...]


def look(store: Store, telemetry: Telemetry) -> tuple[Told, ...]:
    """What begins and what ends now, by environment. Writes nothing: the caller receives it as any other alerts."""
    with store.read() as uow:
        now = uow.now
        watched = [each for environment in uow.flags.environments() for each in _watched(uow, environment)]
    told: dict[tuple[str, str], list[Alert]] = {}
    for each in watched:
        place = (each.environment.project, each.environment.key)
        told.setdefault(place, []).extend(_alerts(telemetry, each, now))
    return tuple(
        Told(project=project, environment=environment, alerts=tuple(alerts))
        for (project, environment), alerts in told.items()
        if alerts
    )


def _watched(uow: UnitOfWork, environment: Environment) -> Iterator[Watched]:
    place = (environment.project, environment.key)
    for control in uow.flags.state(*place).controls.values():
        if not control.guardrails:
            continue
        firing = _firing(uow, environment, control)
        if firing or _splits(control):
            versions = uow.flags.versions(*place, control.key, limit=VERSIONS)
            yield Watched(environment=environment, control=control, versions=versions, firing=firing)


def _splits(control: Control) -> bool:
    flag = control.flag
    serves = [*(rule.serve for rule in flag.rules), flag.otherwise]
    live = flag.enabled and not control.archived
    return live and any(each.rollout and sum(share > 0 for _, share in each.rollout.weights) > 1 for each in serves)


def _firing(uow: UnitOfWork, environment: Environment, control: Control) -> dict[str, Signal]:
    found = {}
    for guardrail in with_fallback(control.guardrails):
        known = uow.signals.where(
            project=environment.project,
            environment=environment.key,
            fingerprint=fingerprint(_blank(control, guardrail, uow.now)),
            status=str(SignalStatus.FIRING),
            limit=1,
        )
        if known:
            found[guardrail.key] = known[0]
    return found


def _alerts(telemetry: Telemetry, watched: Watched, now: datetime) -> Iterator[Alert]:
    guardrails = with_fallback(watched.control.guardrails)
    with telemetry.first():
        verdicts = _verdicts(telemetry, watched, now)
    for guardrail in guardrails:
        verdict, known = verdicts.get(guardrail.key), watched.firing.get(guardrail.key)
        if verdict is not None and verdict.status is VerdictStatus.BREACHED and known is None:
            blank = _blank(watched.control, guardrail, now)
            yield msgspec.structs.replace(
                blank, summary=verdict.sentence, annotations=blank.annotations | {"summary": verdict.sentence}
            )
        elif known is not None and (verdict is None or verdict.status is VerdictStatus.HOLDING):
            yield msgspec.structs.replace(known.alert, status=SignalStatus.RESOLVED, ends_at=now)


def _verdicts(telemetry: Telemetry, watched: Watched, now: datetime) -> dict[str, Verdict]:
    """By guardrail, over the stages that are open now; nothing where none of them splits traffic."""
    control, place = watched.control, watched.environment
    plans = split_plans([(each.revision, each.control) for each in watched.versions], control.flag.baseline)
    judged = [number for number, plan in enumerate(plans) if plan.last_revision is None]
    if not judged:
        return {}
    scope = Scope(project=place.project, environment=place.key, flag=control.key)
    began = {each.revision: each.at for each in watched.versions}
    since = max(began[plans[number].first_revision] for number in judged)
    seen = see(telemetry, scope, control, plans, since=since, now=now)
    return {each.guardrail: each for each in seen.verdicts(judged)}


def _blank(control: Control, guardrail: Guardrail, now: datetime) -> Alert:
    """The signal of a guardrail, before anything was measured."""
    labels = {"alertname": NAME, "flag": control.key, "guardrail": guardrail.key, "metric": guardrail.metric}
    return Alert(
        source=SOURCE,
        fingerprint=f"{control.key}/{guardrail.key}",
        status=SignalStatus.FIRING,
        name=f"{NAME}: {guardrail.name} of {control.key}",
        summary="",
        severity="critical",
        labels=labels | ({"workflow": control.workflow} if control.workflow else {}),
        annotations={},
        starts_at=now,
        ends_at=None,
    )
