"""The article's example as it stands before anything happens: flags, people, limits.

A support assistant answers from a retrieval profile. A reranked profile, `reranker_v2`, is on for internal staff and
for one percent of paying conversations; a prompt's tone is under trial as well.
"""

from __future__ import annotations

from datetime import date, timedelta

import msgspec

from twokey.domain.control import Control, Kind, State, Surface, Upkeep
from twokey.domain.guardrail import Guardrail, GuardrailKind
from twokey.engine.flag import (
    WEIGHT_TOTAL,
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

PROJECT, ENVIRONMENT = "support", "production"
ASSISTANT, PROFILE, TONE = "support_assistant", "support_answer_profile", "support_tone"
BASELINE, CANDIDATE = "baseline", "reranker_v2"
ROLLOUT_RULE = "pro-10"
UNIT = "conversation"
STAFF_DOMAIN = "@example.com"
OWNER_ROLE, RELEASE_ROLE = "support_ai_platform_owner", "release_manager"

LATENCY, CORRECTION, CITATION, COST = (
    "answer_latency_seconds",
    "manual_correction",
    "citation_failure_rate",
    "answer_cost_dollars",
)


class Person(msgspec.Struct, frozen=True, kw_only=True):
    """Somebody who signs in to the demo."""

    username: str
    name: str
    roles: tuple[str, ...]


INES = Person(username="ines", name="Ines Carvalho", roles=(OWNER_ROLE,))
MARA = Person(username="mara", name="Mara Lindqvist", roles=(RELEASE_ROLE,))
ADMINISTRATOR = Person(username="sam", name="Sam Okafor", roles=("administrator",))
PEOPLE = (INES, MARA)

GUARDRAILS = (
    Guardrail(
        key="p95_latency",
        metric=LATENCY,
        kind=GuardrailKind.TAIL,
        limit=4.0,
        title="p95 latency",
        unit_label="s",
        quantile=0.95,
    ),
    Guardrail(
        key="manual_correction_rate",
        metric=CORRECTION,
        kind=GuardrailKind.RATE,
        limit=0.15,
        title="manual correction rate",
    ),
    Guardrail(
        key="citation_failure_rate",
        metric=CITATION,
        kind=GuardrailKind.RATE,
        limit=0.05,
        title="citation failure rate",
    ),
)


def initial_state(today: date) -> State:
    """The environment's flags before the demo begins."""
    controls = (_assistant(), _profile(today), _tone(today))
    return State(
        project=PROJECT,
        environment=ENVIRONMENT,
        revision=0,
        controls={each.key: each for each in controls},
        segments={"internal-staff": _staff()},
    )


def weights(share: float, candidate: str = CANDIDATE) -> tuple[tuple[str, int], ...]:
    """A rollout's weights for `share` percent of the candidate."""
    weight = round(share * WEIGHT_TOTAL / 100)
    return (candidate, weight), (BASELINE, WEIGHT_TOTAL - weight)


def _staff() -> Segment:
    by_mail = Clause(attribute="email", operator=Operator.ENDS_WITH, values=(STAFF_DOMAIN,))
    return Segment(key="internal-staff", rules=(SegmentRule(clauses=(by_mail,)),))


def _assistant() -> Control:
    flag = Flag(
        key=ASSISTANT,
        type=FlagType.BOOLEAN,
        enabled=True,
        variations=(Variation(key="off", value=False), Variation(key="on", value=True)),
        baseline="off",
        unit=UNIT,
        otherwise=Serve(variation="on"),
    )
    return Control(
        flag=flag,
        owner="support-ai",
        purpose="whether the assistant answers support conversations at all",
        surface=Surface.INCIDENT_MODE,
        kind=Kind.PERMANENT,
        workflow=ASSISTANT,
        approvers=(OWNER_ROLE,),
        permanent_because="the way to turn the assistant off in an incident",
        caution=("off", "on"),
    )


def _profile(today: date) -> Control:
    internal = Rule(
        id="internal",
        clauses=(Clause(attribute="targetingKey", operator=Operator.IN_SEGMENT, values=("internal-staff",)),),
        serve=Serve(variation=CANDIDATE),
    )
    paying = Rule(
        id=ROLLOUT_RULE,
        clauses=(Clause(attribute="plan", operator=Operator.IN, values=("pro", "enterprise")),),
        serve=Serve(rollout=Rollout(weights=weights(1))),
    )
    return Control(
        flag=_choice(PROFILE, CANDIDATE, (internal, paying), Serve(variation=BASELINE)),
        owner="support-ai",
        purpose="which retrieval profile the assistant answers from",
        surface=Surface.RETRIEVAL,
        kind=Kind.TEMPORARY,
        workflow=ASSISTANT,
        approvers=(OWNER_ROLE,),
        review_date=today + timedelta(days=30),
        cleanup_condition="reranker_v2 serves every conversation, or is given up",
        guardrails=GUARDRAILS,
        upkeep={f"rule:{ROLLOUT_RULE}": Upkeep(owner="support-ai", review_date=today + timedelta(days=30))},
    )


def _tone(today: date) -> Control:
    return Control(
        flag=_choice(TONE, "concise", (), Serve(rollout=Rollout(weights=weights(5, "concise")))),
        owner="support-content",
        purpose="how the assistant's prompt asks for an answer to sound",
        surface=Surface.PROMPT,
        kind=Kind.TEMPORARY,
        workflow=ASSISTANT,
        approvers=(OWNER_ROLE,),
        review_date=today + timedelta(days=14),
        cleanup_condition="one tone is chosen",
        guardrails=GUARDRAILS[:2],
    )


def _choice(key: str, candidate: str, rules: tuple[Rule, ...], otherwise: Serve) -> Flag:
    return Flag(
        key=key,
        type=FlagType.STRING,
        enabled=True,
        variations=(Variation(key=BASELINE, value=BASELINE), Variation(key=candidate, value=candidate)),
        baseline=BASELINE,
        unit=UNIT,
        prerequisites=(Prerequisite(flag=ASSISTANT, variations=("on",)),),
        rules=rules,
        otherwise=otherwise,
    )
