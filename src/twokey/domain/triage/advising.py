"""What to do where nothing is to be drafted: pause a guarded rollout, let it go on, clean up, or nothing at all.

Rules kept here:
- only a guarded rollout that is running, and moved to its stage shortly before the signal, is spoken of: others moved
  nobody, or have no stages to stay at;
- it is paused where a guardrail leans to harm that is not proven, and goes on where every guardrail holds;
- a candidate that did harm and reaches nobody any more is to be cleaned up: decided for good, its rules taken out.
"""

from __future__ import annotations

from twokey.domain.finding import Recommendation
from twokey.domain.guarded_rollout import GuardedRollout, RolloutStatus, leans
from twokey.domain.guardrail import VerdictStatus
from twokey.domain.triage.collected import Collected, Observed
from twokey.domain.triage.suspicion import near
from twokey.domain.triage.telling import Teller, listed

NOTHING = (Recommendation.NO_ACTION, "No action is recommended.")


def advice(collected: Collected, teller: Teller) -> tuple[Recommendation, str]:
    """What is recommended in place of a draft, and the sentence that says so."""
    observed = {each.flag: each for each in collected.controls}
    recent = [
        (each, observed[each.flag])
        for each in collected.rollouts
        if each.status is RolloutStatus.RUNNING and each.flag in observed and near(each.entered_at, teller.moment)
    ]
    for rollout, seen in recent:
        if leaning := _leaning(teller, seen):
            return Recommendation.PAUSE, _pause(rollout, leaning)
    holding = [rollout for rollout, seen in recent if _holds(seen)]
    if holding and len(holding) == len(recent):
        told = listed([f"`{each.flag}`" for each in holding])
        return Recommendation.CONTINUE, f"Every guardrail of {told} holds, so its rollout may go on."
    return NOTHING


def _leaning(teller: Teller, seen: Observed) -> list[str]:
    return [
        teller.figures(seen.flag, each)
        for each in seen.measurements
        if each.verdict.status is VerdictStatus.INCONCLUSIVE
        and not each.verdict.observational
        and each.verdict.baseline_value is not None
        and leans(each.guardrail, each.verdict)
    ]


def _pause(rollout: GuardedRollout, leaning: list[str]) -> str:
    return (
        f"`{rollout.flag}` leans to harm, which is not proven yet: {listed(leaning)}. Pause its rollout "
        f"(`twokey rollout pause {rollout.id}`) until it is decided."
    )


def _holds(seen: Observed) -> bool:
    return bool(seen.measurements) and all(each.verdict.status is VerdictStatus.HOLDING for each in seen.measurements)


def clean_up(flags: list[str]) -> tuple[Recommendation, str]:
    """What is left to do about candidates that were taken back already."""
    told = listed([f"`{each}`" for each in flags])
    return Recommendation.CLEAN_UP, f"Nothing is left to narrow: decide for good about {told}, and clean it up."
