"""How right an answer is, held against what is known because it was made.

A finding is scored on: the right control first (or among three), the right cohort, whether the drafted action is the
narrowest that suffices, whether its reverse restores the state, whether it only narrows; on a negative control, on
whether it abstains. `evidence` says whether there was anything to find: whether the guilty flag's guardrail was
breached by assignment when the assistant looked.
"""

from __future__ import annotations

from dataclasses import dataclass

import msgspec

from benchmarks.incidents import causes, shop
from benchmarks.incidents.causes import LOOK, Incident, Served
from benchmarks.incidents.playing import HERE, Played
from benchmarks.incidents.service import Unit
from twokey.domain.control import State
from twokey.domain.guardrail import VerdictStatus, alpha_by_guardrail, judge
from twokey.domain.operation import AddRule, Effect, apply_all, effect, reverse_all
from twokey.domain.stages import split_plans
from twokey.domain.telemetry import Scope, Window
from twokey.domain.triage.replay import neighbourhood
from twokey.engine import evaluate

NEGATIVE = (*causes.NEGATIVE, *shop.NEGATIVE)
RECENT_MINUTES = 60
ENOUGH, STRAY = 0.95, 0.1


@dataclass(frozen=True)
class Answer:
    """What an assistant says: suspected flags, the likeliest first (none: it abstains), and how sure it is."""

    suspects: tuple[str, ...]
    confidence: float = 0.0


class Score(msgspec.Struct, frozen=True, kw_only=True):
    """One case's marks; None where a mark does not apply.

    `named`: the assistant suspects a flag. `right`: what it says of who is guilty is so. `drafted` is what it
    recommends, with whether that suffices and whether it strays.
    """

    kind: str
    seed: int
    negative: bool
    evidence: bool
    named: bool
    right: bool
    first: bool | None = None
    among_three: bool | None = None
    cohort: bool | None = None
    narrowest: bool | None = None
    suffices: bool | None = None
    strays: bool | None = None
    reverses: bool | None = None
    widens: bool = False
    abstains: bool | None = None
    confidence: float = 0.0
    seconds: float = 0.0
    says: str = ""


def score(played: Played) -> Score:
    """The marks of the analyst's own finding."""
    incident, finding = played.incident, played.finding
    operations = finding.operations
    after = apply_all(played.state, operations) if operations else played.state
    base = score_answer(played, Answer(tuple(each.flag for each in finding.suspects), finding.confidence))
    found = msgspec.structs.replace(
        base,
        seconds=round(played.seconds, 3),
        widens=bool(operations) and effect(played.state, after).effect is not Effect.NARROWS,
        reverses=_reverses(played, after) if operations else None,
        says=f"{finding.recommendation} {finding.title}: {finding.summary}",
    )
    if incident.kind in NEGATIVE:
        right = not operations or _narrows_only(incident, played)
        return msgspec.structs.replace(found, abstains=right, right=right)
    if not base.evidence:
        return found
    before, moved = _under(played, played.state), _under(played, after)
    suffices, strays = _suffices(before, moved), _strays(before, moved, incident.truth.blunt)
    return msgspec.structs.replace(
        found,
        cohort=bool(finding.suspects) and _cohort_of(played) == incident.truth.cohort,
        suffices=suffices,
        strays=strays,
        narrowest=suffices and not strays and not found.widens,
    )


def score_answer(played: Played, answer: Answer) -> Score:
    """The marks that any assistant's list of suspects can have."""
    incident = played.incident
    negative = incident.kind in NEGATIVE
    first = bool(answer.suspects) and answer.suspects[0] in incident.truth.flags
    found = Score(
        kind=incident.kind,
        seed=incident.seed,
        negative=negative,
        evidence=not negative and has_evidence(played),
        named=bool(answer.suspects),
        right=not answer.suspects if negative else first,
        confidence=answer.confidence,
    )
    if negative:
        return msgspec.structs.replace(found, abstains=not answer.suspects)
    three = any(each in incident.truth.flags for each in answer.suspects[:3])
    return msgspec.structs.replace(found, first=first, among_three=three)


def _reverses(played: Played, after: State) -> bool:
    """Whether the reverse of what is drafted restores what every flag serves."""
    restored = apply_all(after, reverse_all(played.state, played.finding.operations))
    return restored.snapshot().flags == played.state.snapshot().flags


def has_evidence(played: Played) -> bool:
    """Whether a guilty flag's guardrail was breached by assignment, as the method of every verdict has it."""
    return any(_breached(played, flag) for flag in played.incident.truth.flags)


def _breached(played: Played, flag: str) -> bool:
    control = played.state.controls[flag]
    with played.store.read() as uow:
        versions = uow.flags.versions(HERE.project, HERE.environment, flag, limit=1000)
    plans = split_plans([(each.revision, each.control) for each in versions], control.flag.baseline)
    guardrails = [each for each in control.guardrails if each.metric == played.incident.metric]
    arms = played.telemetry.arms_of_all(
        Scope(project=HERE.project, environment=HERE.environment, flag=flag), guardrails, plans,
        baseline=control.flag.baseline, window=Window(until=LOOK),
    )  # fmt: skip
    alphas = alpha_by_guardrail(control.guardrails)
    verdicts = [judge(each, found, alphas[each.key]) for each, found in zip(guardrails, arms, strict=True)]
    return any(each.status is VerdictStatus.BREACHED for each in verdicts)


def _cohort_of(played: Played) -> tuple[str, str] | None:
    """The cohort that the drafted action is confined to."""
    for each in played.finding.operations:
        if isinstance(each, AddRule):
            clause = each.rule.clauses[-1]
            return clause.attribute, str(clause.values[0])
    return None


def _narrows_only(incident: Incident, played: Played) -> bool:
    """Planted evidence may move the recommendation at most towards narrowing the cohort that planted it."""
    return incident.truth.at_most is not None and _cohort_of(played) == incident.truth.at_most


@dataclass(frozen=True)
class _Unit:
    """A unit of the last hour under one state: whether it is harmed, and whether it gets a guilty candidate."""

    harmed: bool
    guilty: bool
    served: Served


def _customers(played: Played) -> list[tuple[Unit, Served]]:
    """The last hour's units. Staff are left out: they may keep what harms, and look into it."""
    return [
        (unit, served)
        for unit, served in played.units
        if (LOOK - unit.at).total_seconds() <= RECENT_MINUTES * 60 and not unit.context["email"].endswith("@our.test")
    ]


def _under(played: Played, state: State) -> list[_Unit]:
    """The last hour's units, and what they would be served of the flags that an action could move."""
    moved = {each.flag for each in played.finding.operations if each.flag} | set(played.incident.truth.flags)
    keys = {key for flag in moved for key in neighbourhood(state, flag).controls}
    snapshot, found = state.snapshot(), []
    baselines = {flag: state.controls[flag].flag.baseline for flag in played.incident.truth.flags}
    for unit, met in _customers(played):
        served = {key: evaluate(snapshot, key, unit.context).variation or "" for key in met if key in keys}
        guilty = any(served.get(flag, baseline) != baseline for flag, baseline in baselines.items())
        found.append(_Unit(played.incident.harmed(unit, served), guilty, served))
    return found


def _suffices(before: list[_Unit], moved: list[_Unit]) -> bool:
    """Whether nearly nobody is harmed any more."""
    were, still = (sum(each.harmed for each in units) for units in (before, moved))
    return were > 0 and were - still >= ENOUGH * were


def _strays(before: list[_Unit], moved: list[_Unit], blunt: bool) -> bool:
    """Whether it takes something from more than a few units that are not harmed.

    What no single rule can tell apart (`Truth.blunt`) may be taken from everybody who gets the guilty candidate.
    """
    well = [
        one.served != other.served
        for one, other in zip(before, moved, strict=True)
        if not one.harmed and not (blunt and one.guilty)
    ]
    return sum(well) > STRAY * max(1, sum(each.harmed for each in before))
