"""A whole control plane with a clock that only moves when told: for tests that tell a case from end to end."""

from __future__ import annotations

import random
from datetime import UTC, date, datetime, timedelta
from itertools import count
from pathlib import Path

from tests.support.migrated import copy_of_it
from twokey.adapters import system
from twokey.adapters.cedar import gatekeeper
from twokey.adapters.sql import SqlStore
from twokey.adapters.telemetry import DuckTelemetry
from twokey.domain.approval import Proof
from twokey.domain.control import Control, Kind, State, Surface
from twokey.domain.guardrail import Guardrail, GuardrailKind
from twokey.domain.identity import SYSTEM, Actor, ActorKind, Scope, User
from twokey.domain.policy import Environment
from twokey.domain.signal import Alert, SignalStatus
from twokey.domain.telemetry import Scope as Where
from twokey.engine import Snapshot, evaluate
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
    Variation,
)
from twokey.engine.wire import Exposure, MetricEvent, TelemetryBatch
from twokey.steps.manage_access import create_environment, create_user, person
from twokey.wiring import jobs_of
from twokey.worker import Worker

PROJECT, ENVIRONMENT = "support", "production"
FLAG = "support_answer_profile"
START = datetime(2026, 11, 2, 9, 0, tzinfo=UTC)
PASSWORD = "correct horse battery"
PASSWORD_HASH = system.hash_password(PASSWORD)


class FakeClock:
    """Time that stands still until somebody moves it."""

    def __init__(self, now: datetime = START) -> None:
        self.now = now

    def __call__(self) -> datetime:
        return self.now

    def forward(self, **by: float) -> datetime:
        self.now += timedelta(**by)
        return self.now


def support_flag(share: int = 10_000) -> Flag:
    """The article's flag: internal staff get the candidate, and `share` of 100,000 of the paying customers."""
    return Flag(
        key=FLAG,
        type=FlagType.STRING,
        enabled=True,
        variations=(
            Variation(key="baseline", value="baseline"),
            Variation(key="reranker_v2", value="reranker_v2"),
        ),
        baseline="baseline",
        unit="conversation",
        salt=FLAG,
        rules=(
            Rule(
                id="internal",
                clauses=(Clause(attribute="targetingKey", operator=Operator.IN_SEGMENT, values=("internal-staff",)),),
                serve=Serve(variation="reranker_v2"),
            ),
            Rule(
                id="pro-10",
                clauses=(Clause(attribute="plan", operator=Operator.IN, values=("pro", "enterprise")),),
                serve=Serve(rollout=Rollout(weights=(("reranker_v2", share), ("baseline", 100_000 - share)))),
            ),
        ),
        otherwise=Serve(variation="baseline"),
    )


def support_control(share: int = 10_000) -> Control:
    return Control(
        flag=support_flag(share),
        owner="support-ai-platform",
        purpose="which retrieval profile answers support conversations",
        surface=Surface.RETRIEVAL,
        kind=Kind.TEMPORARY,
        workflow="support_assistant",
        approvers=("support_ai_platform_owner",),
        review_date=date(2026, 12, 15),
        cleanup_condition="reranker_v2 serves everyone, or is removed",
        guardrails=(
            Guardrail(
                key="p95_latency", metric="answer_latency_ms", kind=GuardrailKind.TAIL, limit=2500, unit_label="ms"
            ),
            Guardrail(key="manual_correction_rate", metric="manual_correction", kind=GuardrailKind.RATE, limit=0.06),
            Guardrail(key="citation_failure_rate", metric="citation_failure", kind=GuardrailKind.RATE, limit=0.02),
        ),
    )


def plain_control(key: str, *, prerequisites: tuple[Prerequisite, ...] = ()) -> Control:
    """A boolean flag that is on for everyone, with nothing to look at."""
    return Control(
        flag=Flag(
            key=key,
            type=FlagType.BOOLEAN,
            enabled=True,
            variations=(Variation(key="off", value=False), Variation(key="on", value=True)),
            baseline="off",
            unit="targetingKey",
            salt=key,
            prerequisites=prerequisites,
            otherwise=Serve(variation="on"),
        ),
        owner="web",
        purpose="an ordinary feature",
        surface=Surface.FEATURE,
        kind=Kind.PERMANENT,
        permanent_because="an operational switch",
    )


def initial_state(*controls: Control) -> State:
    held = controls or (support_control(), plain_control("new_header"))
    staff = Segment(
        key="internal-staff",
        rules=(
            SegmentRule(clauses=(Clause(attribute="email", operator=Operator.ENDS_WITH, values=("@example.com",)),)),
        ),
    )
    return State(
        project=PROJECT,
        environment=ENVIRONMENT,
        revision=0,
        controls={each.key: each for each in held},
        segments={staff.key: staff},
    )


def alert(
    name: str = "SupportAnswerLatencyHigh", *, status: SignalStatus = SignalStatus.FIRING, at: datetime = START
) -> Alert:
    return Alert(
        source="alertmanager",
        fingerprint=f"fp-{name}",
        status=status,
        name=name,
        summary="p95 latency of answers is high",
        severity="critical",
        labels={"alertname": name, "workflow": "support_assistant", "severity": "critical"},
        annotations={},
        starts_at=at,
        ends_at=at + timedelta(minutes=30) if status is SignalStatus.RESOLVED else None,
    )


class World:
    """Store, telemetry, clock and people of one control plane. `work` runs the jobs that are due."""

    def __init__(self, folder: Path, *controls: Control, url: str = "") -> None:
        self.clock = FakeClock()
        numbers = count(1)
        self.store = SqlStore(
            url or copy_of_it(folder / "twokey.db"),
            self.clock,
            lambda kind: f"{kind}-{next(numbers):012d}",
            gatekeeper,
        )
        if url:
            self.store.migrate()
        self.telemetry = DuckTelemetry()
        create_environment(self.store, SYSTEM, Environment(project=PROJECT, key=ENVIRONMENT), initial_state(*controls))
        self.ines = self.add_person("ines", "support_ai_platform_owner")
        self.mara = self.add_person("mara", "release_manager")
        self.both = self.add_person("both", "release_manager", "support_ai_platform_owner")
        self.viewer = self.add_person("viewer")
        self.agent = Actor(
            id="token-agent",
            kind=ActorKind.AGENT,
            on_behalf_of="viewer",
            scopes=frozenset({Scope.PROPOSALS_WRITE, Scope.FLAGS_READ}),
            project=PROJECT,
            environment=ENVIRONMENT,
        )
        self.service = Actor(
            id="token-service",
            kind=ActorKind.SERVICE,
            scopes=frozenset({Scope.TELEMETRY_WRITE, Scope.SIGNALS_WRITE, Scope.FLAGS_EVALUATE}),
            project=PROJECT,
            environment=ENVIRONMENT,
        )
        self._batches = count(1)

    def add_person(self, name: str, *roles: str) -> Actor:
        user = User(
            id=name,
            username=name,
            name=name.title(),
            password_hash=PASSWORD_HASH,
            roles=frozenset(roles),
            created_at=self.clock(),
        )
        return person(create_user(self.store, SYSTEM, user))

    def close(self) -> None:
        self.telemetry.close()
        self.store.close()

    @property
    def snapshot(self) -> Snapshot:
        with self.store.read() as uow:
            return uow.flags.state(PROJECT, ENVIRONMENT).snapshot()

    @property
    def revision(self) -> int:
        with self.store.read() as uow:
            return uow.flags.revision(PROJECT, ENVIRONMENT)

    def served(self, **context: object) -> str | None:
        return evaluate(self.snapshot, FLAG, context).variation

    def work(self, rounds: int = 50) -> None:
        """Do every job that is due, as the worker does."""
        worker = Worker(self.store, self.clock, jobs_of(self.store, self.telemetry), "test")
        for _ in range(rounds):
            if not worker.step():
                return

    def traffic(
        self,
        units: int,
        *,
        slow: float = 0.05,
        slow_candidate: float | None = None,
        over: timedelta = timedelta(minutes=30),
        seed: int = 1,
        prefix: str = "c",
    ) -> None:
        """Conversations that ended before now: assigned by the published snapshot, with latency and correction.

        `slow` is the share of answers over the limit for the baseline, `slow_candidate` for the candidate.
        """
        chance, snapshot = random.Random(seed), self.snapshot
        exposures, metrics = [], []
        for number in range(units):
            unit = f"{prefix}-{seed}-{number}"
            at = self.clock() - over * (1 - number / units)
            context = {
                "conversation": unit,
                "targetingKey": f"u-{number % 997}",
                "plan": chance.choice(("free", "pro", "enterprise")),
                "region": chance.choice(("eu", "us")),
                "email": f"u{number}@customer.test",
            }
            found = evaluate(snapshot, FLAG, context)
            share = slow if found.variation == "baseline" or slow_candidate is None else slow_candidate
            exposures.append(
                Exposure(
                    flag=FLAG,
                    rule=found.rule,
                    revision=found.revision,
                    assigned=found.variation or "",
                    served=found.variation or "",
                    unit=unit,
                    unit_name="conversation",
                    at=at,
                    reason=str(found.reason),
                    context=context,
                )
            )
            late = at + timedelta(seconds=1)
            latency = chance.uniform(2600, 5000) if chance.random() < share else chance.uniform(300, 2400)
            corrected = float(chance.random() < share)
            for metric, value in (("answer_latency_ms", latency), ("manual_correction", corrected)):
                metrics.append(MetricEvent(metric=metric, value=value, unit=unit, unit_name="conversation", at=late))
            citation = float(chance.random() < 0.01)
            metrics.append(
                MetricEvent(metric="citation_failure", value=citation, unit=f"page-{number}", unit_name="page", at=late)
            )
        self.telemetry.add(
            Where(project=PROJECT, environment=ENVIRONMENT),
            TelemetryBatch(
                batch_id=f"batch-{next(self._batches)}", exposures=tuple(exposures), metrics=tuple(metrics[:10_000])
            ),
            source="test",
            received_at=self.clock(),
        )

    def audit(self, action: str) -> list[str]:
        """The subjects of the audit entries with this action."""
        with self.store.read() as uow:
            return [each.happening.subject for each in uow.audit.entries(limit=1000) if each.happening.action == action]


PRESENT = Proof.PASSWORD
