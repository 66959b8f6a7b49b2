"""One record of every kind, with all that is easy to lose on the way to a text column and back."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta, timezone

import msgspec

from twokey.domain.approval import Answer, Approval, Proof
from twokey.domain.audit import Happening
from twokey.domain.case import Case, CaseStatus, Note
from twokey.domain.change import Cause, Change
from twokey.domain.check import Check, Phase
from twokey.domain.control import Control, Kind, State, Surface
from twokey.domain.decision import Choice, Decision
from twokey.domain.evidence import Evidence, EvidenceKind, make
from twokey.domain.finding import Citation, Finding, Recommendation, Suspect
from twokey.domain.guardrail import Guardrail, GuardrailKind
from twokey.domain.identity import ActorKind, Scope, Session, Token, User
from twokey.domain.operation import Action, Effect, SetEnabled, SetWeights
from twokey.domain.policy import Environment
from twokey.domain.proposal import Author, Proposal, ProposalStatus, Way, seal
from twokey.domain.signal import Alert, Signal, SignalStatus
from twokey.engine.flag import Flag, FlagType, Rollout, Segment, Serve, Variation

AT = datetime(2026, 11, 22, 9, 30, 0, 123456, tzinfo=UTC)
HERE = AT.astimezone(timezone(timedelta(hours=2)))
ENVIRONMENT = Environment(project="support", key="production", approvers=("release_manager", "owner"))
UNUSUAL = "naïve “quotes” \\ \u2028 \U0001f511 and a NUL \0"


def case(id: str = "case-1", status: CaseStatus = CaseStatus.OPEN, **given: object) -> Case:
    plain = Case(
        id=id,
        project="support",
        environment="production",
        title=UNUSUAL,
        severity="critical",
        status=status,
        opened_at=AT,
        updated_at=HERE,
        notes=(Note(at=AT, author="ana", text=UNUSUAL),),
    )
    return msgspec.structs.replace(plain, **given)


def alert(fingerprint: str = "f1", starts_at: datetime = AT) -> Alert:
    return Alert(
        source="alertmanager",
        fingerprint=fingerprint,
        status=SignalStatus.FIRING,
        name="HighLatency",
        summary=UNUSUAL,
        severity="critical",
        labels={"alertname": "HighLatency", "service": "é"},
        annotations={},
        starts_at=starts_at,
        ends_at=None,
    )


def signal(id: str = "signal-1", case: str = "case-1", **given: object) -> Signal:
    plain = Signal(
        id=id,
        case=case,
        project="support",
        environment="production",
        alert=alert(),
        received_at=AT,
        last_seen_at=AT,
    )
    return msgspec.structs.replace(plain, **given)


def finding() -> Finding:
    return Finding(
        id="finding-1",
        case="case-1",
        author="analyst",
        at=AT,
        summary="the candidate is slow",
        recommendation=Recommendation.REDUCE_TO_INTERNAL,
        reason="it differs from its baseline",
        confidence=0.1 + 0.2,
        suspects=(
            Suspect(
                flag="answers",
                surface=Surface.RETRIEVAL,
                variation="new",
                rule=None,
                cohort={"plan": ("pro", "enterprise")},
                confidence=1.0,
                because="p95",
            ),
        ),
        citations=(Citation(evidence="evidence-1", path="a.0", value=True, says="it holds"),),
        operations=(SetEnabled(flag="answers", enabled=False),),
    )


def evidence() -> Evidence:
    body = {"a": [True, None, 1.5, 10**15, UNUSUAL], "empty": {}}
    return make("evidence-1", "case-1", EvidenceKind.COHORT, "latency by variation", AT, body)


def proposal(id: str = "proposal-1", case: str | None = "case-1", **given: object) -> Proposal:
    operations = (SetWeights(flag="answers", weights=(("new", 5_000), ("old", 95_000)), rule="ten"),)
    plain = Proposal(
        id=id,
        case=case,
        project="support",
        environment="production",
        title="Fewer answers by the new profile",
        status=ProposalStatus.PENDING,
        author=Author(id="analyst", kind=ActorKind.AGENT, on_behalf_of="ana"),
        operations=operations,
        effect=Effect.NARROWS,
        action=Action.REDUCE_ROLLOUT,
        reverse=Way(operations=operations, effect=Effect.WIDENS),
        rollback=Way(operations=(SetEnabled(flag="answers", enabled=False),), effect=Effect.NARROWS),
        proven_on=0,
        reason="the candidate is slow",
        base_revision=17,
        base={"flag:answers": "sha256:00"},
        evidence={"evidence-1": "sha256:00"},
        required_roles=("release_manager",),
        policy_row="reduce",
        policy_digest="sha256:00",
        created_at=AT,
        expires_at=HERE + timedelta(hours=4),
    )
    return seal(msgspec.structs.replace(plain, **given))


def approval(id: str = "approval-1", person: str = "ana", digest: str = "sha256:11") -> Approval:
    return Approval(
        id=id,
        proposal="proposal-1",
        digest=digest,
        person=person,
        roles=frozenset({"owner", "release_manager"}),
        answer=Answer.YES,
        proof=Proof.PASSWORD,
        at=AT,
        expires_at=AT + timedelta(hours=4),
    )


def change(id: str = "change-1", **given: object) -> Change:
    plain = Change(
        id=id,
        project="support",
        environment="production",
        cause=Cause.PROPOSAL,
        proposal="proposal-1",
        case="case-1",
        operations=(SetEnabled(flag="answers", enabled=False),),
        effect=Effect.NARROWS,
        action=Action.KILL_SWITCH,
        summary="switched off",
        flags=("answers",),
        revision_before=17,
        revision_after=18,
        applied_by="ana",
        applied_at=AT,
    )
    return msgspec.structs.replace(plain, **given)


def check() -> Check:
    return Check(
        id="check-1",
        case="case-1",
        project="support",
        environment="production",
        flag="answers",
        phase=Phase.AFTER,
        change="change-1",
        at=AT,
        since=AT - timedelta(hours=1),
        until=AT,
        verdicts=(),
    )


def decision() -> Decision:
    return Decision(
        case="case-1",
        choice=Choice.ROLL_BACK,
        rationale="it was slow",
        outcome="it is fast",
        owner="ana",
        review_date=date(2026, 12, 24),
        decided_by="ben",
        decided_at=AT,
    )


def user(id: str = "user-1", username: str = "ana") -> User:
    return User(
        id=id,
        username=username,
        name="Ana Ōta",
        password_hash="$argon2id$...",
        roles=frozenset({"owner"}),
        created_at=AT,
    )


def session(id: str = "session-1", secret_hash: str = "sha256:aa") -> Session:
    return Session(
        id=id, user="ana", secret_hash=secret_hash, created_at=AT, expires_at=AT + timedelta(hours=8), label="laptop"
    )


def token(id: str = "token-1", secret_hash: str = "sha256:bb") -> Token:
    return Token(
        id=id,
        name="prometheus",
        kind=ActorKind.SERVICE,
        secret_hash=secret_hash,
        scopes=frozenset({Scope.SIGNALS_WRITE}),
        project="support",
        environment="production",
        created_at=AT,
        created_by="ana",
    )


def control(key: str = "answers", *, enabled: bool = True, value: object = "new") -> Control:
    flag = Flag(
        key=key,
        type=FlagType.STRING if isinstance(value, str) else FlagType.OBJECT,
        enabled=enabled,
        variations=(
            Variation(key="old", value="old" if isinstance(value, str) else {}),
            Variation(key="new", value=value),
        ),
        baseline="old",
        otherwise=Serve(rollout=Rollout(weights=(("new", 10_000), ("old", 90_000)))),
    )
    return Control(
        flag=flag,
        owner="ana",
        purpose="which profile answers",
        surface=Surface.RETRIEVAL,
        kind=Kind.TEMPORARY,
        review_date=date(2026, 12, 24),
        cleanup_condition="the new profile serves everyone",
        guardrails=(Guardrail(key="latency", metric="latency", kind=GuardrailKind.TAIL, limit=1.5),),
    )


def segment(key: str = "internal", *units: str) -> Segment:
    return Segment(key=key, included=units or ("u-1",))


def with_controls(state: State, *controls: Control, segments: tuple[Segment, ...] = ()) -> State:
    """The state with these controls and segments put in, and nothing else changed."""
    return msgspec.structs.replace(
        state,
        controls={**state.controls, **{each.key: each for each in controls}},
        segments={**state.segments, **{each.key: each for each in segments}},
    )


def happening(subject: str = "case-1", **detail: object) -> Happening:
    return Happening(
        action="case.open",
        subject=subject,
        actor={"id": "ana", "kind": "person"},
        project="support",
        environment="production",
        case="case-1",
        detail=detail,
    )
