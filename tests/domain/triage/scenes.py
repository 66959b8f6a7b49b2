"""Cases as the triage step would collect them: the article's support assistant, and what may be around it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from itertools import count
from typing import Any

import msgspec

from twokey.domain.control import Control, Kind, State, Surface
from twokey.domain.guardrail import ArmFigures, Guardrail, GuardrailKind, StageArms, alpha_by_guardrail, judge
from twokey.domain.signal import Alert, Signal, SignalStatus
from twokey.domain.telemetry import CohortContrast, ExposureCount, MetricPresence, RecordedChange
from twokey.domain.triage import Analysis, Collected, Measurement, Observed, analyse
from twokey.engine.flag import (
    Clause,
    Flag,
    FlagType,
    Operator,
    Prerequisite,
    Rollout,
    Rule,
    Segment,
    SegmentRule,
    Serve,
)
from twokey.engine.flag import Variation as Value
from twokey.engine.wire import ChangeEvent, ChangeKind

NOON = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
"""When the alert begins."""
NOW = NOON + timedelta(minutes=2)
FLAG = "support_answer_profile"

LATENCY = Guardrail(
    key="p95_latency",
    metric="answer_latency",
    kind=GuardrailKind.TAIL,
    limit=4.0,
    title="p95 latency",
    unit_label="s",
)
CORRECTIONS = Guardrail(
    key="manual_correction_rate",
    metric="manual_correction",
    kind=GuardrailKind.RATE,
    limit=0.15,
    title="manual correction rate",
)
CITATIONS = Guardrail(
    key="citation_failure_rate",
    metric="citation_failure",
    kind=GuardrailKind.RATE,
    limit=0.05,
    title="citation failure rate",
)


class Version(msgspec.Struct, frozen=True, kw_only=True):
    """A flag version, shaped as the store gives it."""

    flag: str
    revision: int
    environment_revision: int
    at: datetime
    change: str
    control: Control | None


# ---------------------------------------------------------------- controls


def rollout(share: float, candidate: str = "reranker_v2") -> Serve:
    """`share` percent candidate, the rest baseline."""
    weight = round(share * 1000)
    return Serve(rollout=Rollout(weights=((candidate, weight), ("baseline", 100_000 - weight))))


INTERNAL = Rule(
    id="internal",
    clauses=(Clause(attribute="targetingKey", operator=Operator.IN_SEGMENT, values=("internal-staff",)),),
    serve=Serve(variation="reranker_v2"),
)


def pro(share: float, id: str = "pro-10") -> Rule:
    """The rule that splits paying plans."""
    clause = Clause(attribute="plan", operator=Operator.IN, values=("pro", "enterprise"))
    return Rule(id=id, clauses=(clause,), serve=rollout(share))


def control(
    key: str = FLAG,
    rules: Sequence[Rule] | None = None,
    guardrails: Sequence[Guardrail] = (LATENCY, CORRECTIONS, CITATIONS),
    **more: Any,
) -> Control:
    """A retrieval profile with a baseline and a candidate."""
    flag = Flag(
        key=key,
        type=FlagType.STRING,
        enabled=True,
        variations=(Value(key="baseline", value="baseline"), Value(key="reranker_v2", value="reranker_v2")),
        baseline="baseline",
        unit="conversation",
        otherwise=more.pop("otherwise", Serve(variation="baseline")),
        rules=tuple([INTERNAL, pro(10)] if rules is None else rules),
        prerequisites=more.pop("prerequisites", ()),
        revision=3,
    )
    return Control(
        flag=flag,
        owner="support-ai",
        purpose="how the support assistant finds what it answers from",
        surface=more.pop("surface", Surface.RETRIEVAL),
        kind=Kind.TEMPORARY,
        workflow="support_assistant" if key == FLAG else "",
        review_date=date(2026, 6, 1),
        cleanup_condition="the reranker serves everyone, or is given up",
        guardrails=tuple(guardrails),
        **more,
    )


def state(*controls: Control) -> State:
    """An environment with these controls and the internal segment."""
    staff = Segment(
        key="internal-staff",
        rules=(
            SegmentRule(clauses=(Clause(attribute="email", operator=Operator.ENDS_WITH, values=("@example.com",)),)),
        ),
    )
    return State(
        project="support",
        environment="production",
        revision=18,
        controls={each.key: each for each in controls},
        segments={"internal-staff": staff},
    )


def history(now: Control, *earlier: tuple[float, Control | None], minutes: float = 32) -> tuple[Version, ...]:
    """Versions of a control: the present one `minutes` before noon, earlier ones as (minutes before noon, control)."""
    told = [*sorted(earlier, key=lambda each: -each[0]), (minutes, now)]
    return tuple(
        Version(
            flag=now.key,
            revision=index,
            environment_revision=10 + index,
            at=NOON - timedelta(minutes=ago),
            change=f"change-{now.key}-{index}",
            control=then,
        )
        for index, (ago, then) in enumerate(told, 1)
    )


# ---------------------------------------------------------------- what was measured


def arm(units: int, failing: float, joined: int | None = None, quantile: float | None = None) -> ArmFigures:
    """An arm in which a share of the units fails."""
    known = units if joined is None else joined
    return ArmFigures(units=units, joined_units=known, failures=round(known * failing), quantile_value=quantile)


def stage(candidate: ArmFigures, baseline: ArmFigures, share: float = 0.1, rule: str | None = "pro-10") -> StageArms:
    """Both arms of one rule in one stage."""
    return StageArms(rule=rule, stage=2, share=share, candidate=candidate, baseline=baseline)


def measured(
    guardrail: Guardrail,
    stages: Sequence[StageArms],
    cohorts: Sequence[CohortContrast] = (),
    all_guardrails: Sequence[Guardrail] = (LATENCY, CORRECTIONS, CITATIONS),
    presence: MetricPresence | None = None,
) -> Measurement:
    """A guardrail judged over these stages."""
    joined = sum(each.candidate.joined_units + each.baseline.joined_units for each in stages)
    alpha = alpha_by_guardrail(all_guardrails).get(guardrail.key, 0.05)
    return Measurement(
        guardrail=guardrail,
        verdict=judge(guardrail, stages, alpha),
        presence=presence
        or MetricPresence(
            metric=guardrail.metric, events=joined, units=joined, joined_events=joined, joined_units=joined
        ),
        cohorts=tuple(cohorts),
    )


def slow(rule: str | None = "pro-10") -> Measurement:
    """The candidate passes four seconds three times as often."""
    return measured(LATENCY, [stage(arm(800, 0.12, quantile=4.8), arm(7200, 0.04, quantile=3.7), rule=rule)])


def corrected(rule: str | None = "pro-10") -> Measurement:
    """Agents correct the candidate's answers twice as often."""
    return measured(CORRECTIONS, [stage(arm(800, 0.22), arm(7200, 0.11), rule=rule)])


def unjoined() -> Measurement:
    """Citation failures arrive by ticket, and join no variation."""
    presence = MetricPresence(metric="citation_failure", events=412, units=398, unit_names=("ticket",))
    return measured(CITATIONS, [stage(arm(800, 0, joined=0), arm(7200, 0, joined=0))], presence=presence)


def quiet(guardrail: Guardrail = LATENCY, rule: str | None = "pro-10", failing: float = 0.04) -> Measurement:
    """Both arms alike, on plenty of units."""
    figures = [stage(arm(20_000, failing, quantile=3.7), arm(20_000, failing, quantile=3.7), 0.5, rule)]
    return measured(guardrail, figures)


def exposures() -> tuple[ExposureCount, ...]:
    """Who met the flag; a few candidate units fell back."""
    return (
        ExposureCount(rule="pro-10", assigned="baseline", served="baseline", exposures=7300, units=7200),
        ExposureCount(rule="pro-10", assigned="reranker_v2", served="reranker_v2", exposures=802, units=792),
        ExposureCount(rule="pro-10", assigned="reranker_v2", served="baseline", exposures=8, units=8),
        ExposureCount(rule="internal", assigned="reranker_v2", served="reranker_v2", exposures=44, units=40),
    )


# ---------------------------------------------------------------- signals and changes elsewhere


def alert(
    name: str = "SupportAssistantLatencyHigh",
    labels: Mapping[str, str] | None = None,
    annotations: Mapping[str, str] | None = None,
    at: datetime = NOON,
) -> Signal:
    """An alert that fires."""
    told = {"alertname": name, **({"workflow": "support_assistant"} if labels is None else labels)}
    return Signal(
        id=f"signal-{name[:20]}",
        case="case-1",
        project="support",
        environment="production",
        alert=Alert(
            source="alertmanager",
            fingerprint=name,
            status=SignalStatus.FIRING,
            name=name,
            summary="p95 latency of the support assistant is over 4 s",
            severity="critical",
            labels=told,
            annotations=dict(annotations or {}),
            starts_at=at,
            ends_at=None,
        ),
        received_at=at + timedelta(seconds=30),
        last_seen_at=at + timedelta(seconds=30),
    )


def deploy(minutes: float = 12, service: str = "retrieval-api") -> RecordedChange:
    """A deploy some minutes before noon."""
    event = ChangeEvent(kind=ChangeKind.DEPLOY, title="v2.31.0", service=service, at=NOON - timedelta(minutes=minutes))
    return RecordedChange(id=f"event-{service}", source="ci", event=event)


# ---------------------------------------------------------------- whole cases


def observed(one: Control, *measurements: Measurement, minutes: float = 32, before: Control | None = None) -> Observed:
    """A control that moved some minutes before noon."""
    earlier = [(3 * 24 * 60.0, before)] if before else []
    return Observed(
        flag=one.key,
        versions=history(one, *earlier, minutes=minutes),
        measurements=measurements,
        exposures=exposures() if one.key == FLAG else (),
    )


def article(*more: Observed, signals: Sequence[Signal] | None = None, controls: Sequence[Control] = ()) -> Collected:
    """The article's example: 1 to 10 percent, latency and corrections up, citation failures not joined."""
    profile = control()
    return collected(
        [observed(profile, slow(), corrected(), unjoined(), before=control(rules=[INTERNAL, pro(1)])), *more],
        [profile, *controls],
        signals=signals,
    )


def collected(
    seen: Sequence[Observed],
    controls: Sequence[Control],
    signals: Sequence[Signal] | None = None,
    changes: Sequence[RecordedChange] = (),
) -> Collected:
    """A case with everything that was read for it."""
    found = [alert(), alert("SupportManualCorrectionsUp")] if signals is None else signals
    return Collected(
        case="case-1",
        signals=tuple(found),
        state=state(*controls),
        controls=tuple(seen),
        changes=tuple(changes),
    )


def look(case: Collected) -> Analysis:
    """The analyst's answer, with ids that count up."""
    numbers = count(1)
    return analyse(case, id="finding-1", now=NOW, new_id=lambda prefix: f"{prefix}-{next(numbers)}")


def dependent(on: str, variation: str) -> tuple[Prerequisite, ...]:
    """What makes a flag wait for another one."""
    return (Prerequisite(flag=on, variations=(variation,)),)
