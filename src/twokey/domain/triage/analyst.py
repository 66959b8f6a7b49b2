"""The built-in analyst: from what was collected to a finding and the narrowest draft, as one pure function.

Rules kept here:
- it needs no model and no network, and given the same input it says the same;
- nothing separates, no action: a mere coincidence in time, or a hint in an alert's text, recommends nothing;
- text never decides; it may shift a confidence, within fixed bounds.
"""

from __future__ import annotations

from datetime import datetime

from twokey.domain.finding import Finding, Recommendation, RunbookStep, Suspect
from twokey.domain.guardrail import EvidenceGap
from twokey.domain.triage import abstaining, advising, beside, facts
from twokey.domain.triage.collected import Analysis, Collected
from twokey.domain.triage.missing import gaps
from twokey.domain.triage.notebook import NewId, Notebook, named, plain
from twokey.domain.triage.remedy import Remedy, remedy
from twokey.domain.triage.suspicion import Suspicion, suspicions, word
from twokey.domain.triage.telling import Teller, count, listed
from twokey.engine.errors import Invalid
from twokey.engine.flag import Operator

AUTHOR = "analyst"
MAX_SUSPECTS = 5


def analyse(collected: Collected, *, id: str, now: datetime, new_id: NewId) -> Analysis:
    """The finding of one case, with the evidence that it cites and the operations of its draft.

    `id` becomes the finding's id, `new_id("evidence")` must give a new id at each call. Raises Invalid for a case
    without signals.
    """
    if not collected.signals:
        raise Invalid("signals", "is empty", "the signals of the case")
    notebook = Notebook(collected.case, now, new_id)
    teller = Teller(collected, notebook)
    ranked = suspicions(collected)[:MAX_SUSPECTS]
    for suspected in ranked:
        if found := remedy(suspected, collected.state, collected.internal_segment, now.date()):
            first = (suspected, *(each for each in ranked if each is not suspected))
            return _accuse(collected, teller, first, found, id)
    return _abstain(collected, teller, ranked, id)


# ---------------------------------------------------------------- something separates


def _accuse(collected: Collected, teller: Teller, ranked: tuple[Suspicion, ...], found: Remedy, id: str) -> Analysis:
    top = ranked[0]
    finding = _finding(
        teller,
        id=id,
        summary=_summary(collected, teller, ranked, found),
        reason=_reason(teller, top, found),
        recommendation=found.recommendation,
        confidence=top.confidence,
        suspects=tuple(_suspect(teller, each, found if each is top else None) for each in ranked),
        gaps=gaps(collected, [each.observed for each in ranked]),
        lower_rungs=tuple(teller.passed(top, each) for each in found.passed),
        expected_effect=" ".join(each for each in (teller.effect(top, found), teller.replayed(top, found)) if each),
        warnings=beside.warnings(collected, teller.notebook),
        steps=beside.steps(collected, teller.notebook, top),
    )
    return Analysis(
        finding=finding, evidence=teller.notebook.evidence, operations=found.operations, title=_title(found.title)
    )


def _summary(collected: Collected, teller: Teller, ranked: tuple[Suspicion, ...], found: Remedy) -> str:
    top = ranked[0]
    cleared = [each for each in collected.controls if each.flag not in {one.control.key for one in ranked}]
    parts = (
        teller.alarm(),
        teller.suspect(top),
        teller.cohort(top.control.key, found.confined) if found.confined else "",
        teller.together(top),
        teller.moved(top.observed),
        teller.others(ranked[1:]),
        teller.explained(),
        teller.cleared(cleared),
        teller.elsewhere(explains=False),
        teller.mix(),
        f"Confidence: {word(top.confidence)}.",
    )
    return " ".join(part for part in parts if part)


def _reason(teller: Teller, top: Suspicion, found: Remedy) -> str:
    names = listed([each.guardrail.name for each in top.breached])
    cohort = ""
    if found.confined:
        cohort = f" in {named(found.confined.attribute)} {plain(found.confined.value, 'one value')}"
    figures = "; ".join(teller.contrasts(top))
    return f"{names} breached for the candidate cohort{cohort} ({teller.where(top)}, `{top.variation}`): {figures}"


def _suspect(teller: Teller, found: Suspicion, remedy: Remedy | None) -> Suspect:
    confined = remedy.confined if remedy else None
    cohort = {"rule": tuple(rule or "otherwise" for rule in found.rules)} | _audience(found)
    return Suspect(
        flag=found.control.key,
        surface=found.control.surface,
        variation=found.variation,
        rule=found.rules[0],
        cohort=cohort | ({confined.attribute: (confined.value,)} if confined else {}),
        confidence=found.confidence,
        because="; ".join([*teller.contrasts(found), *_met(teller, found)]),
    )


def _audience(found: Suspicion) -> dict[str, tuple[str, ...]]:
    """Whom the suspected rules speak of, where they name values: `plan` is `pro` or `enterprise`."""
    rules = [found.control.flag.rule(each) for each in found.rules if each is not None]
    clauses = [clause for rule in rules if rule for clause in rule.clauses]
    named = [each for each in clauses if each.operator is Operator.IN and not each.negate]
    audience: dict[str, tuple[str, ...]] = {}
    for clause in named:
        values = (*audience.get(clause.attribute, ()), *(str(value) for value in clause.values))
        audience[clause.attribute] = tuple(dict.fromkeys(values))
    return audience


def _met(teller: Teller, found: Suspicion) -> list[str]:
    """How many distinct units the suspicion rests on, where they were counted."""
    counted = [
        (index, each)
        for index, each in enumerate(found.observed.exposures)
        if each.rule in found.rules and each.assigned == found.variation and each.served == each.assigned
    ]
    if not counted:
        return []
    sheet = facts.exposures(teller.notebook, found.observed)
    index, _ = max(counted, key=lambda pair: pair[1].units)
    units = sheet.figure(f"counts.{index}.units", f"units assigned and served `{found.variation}`", count)
    return [f"{units} units were assigned and served it"]


# ---------------------------------------------------------------- nothing separates, or nothing is left to do


def _abstain(collected: Collected, teller: Teller, ranked: tuple[Suspicion, ...], id: str) -> Analysis:
    reason = _taken_back(teller, ranked) if ranked else abstaining.why(collected, teller)
    recommends, advice = (
        advising.clean_up([each.control.key for each in ranked]) if ranked else advising.advice(collected, teller)
    )
    elsewhere = " ".join(each for each in (teller.elsewhere(explains=not ranked), teller.mix()) if each)
    parts = (teller.alarm(), reason, elsewhere, advice)
    finding = _finding(
        teller,
        id=id,
        summary=" ".join(part for part in parts if part),
        reason=f"{reason} {elsewhere}".strip(),
        recommendation=recommends,
        confidence=ranked[0].confidence if ranked else abstaining.confidence(collected),
        suspects=(),
        gaps=gaps(collected, collected.controls),
        lower_rungs=(),
        expected_effect="",
        warnings=beside.warnings(collected, teller.notebook),
        steps=beside.steps(collected, teller.notebook, None),
    )
    return Analysis(finding=finding, evidence=teller.notebook.evidence)


def _taken_back(teller: Teller, ranked: tuple[Suspicion, ...]) -> str:
    told = listed([f"`{each.control.key}` ({listed(teller.contrasts(each))})" for each in ranked])
    return f"The candidate of {told} did worse than its baseline, and reaches nobody through those rules any more."


def _finding(
    teller: Teller,
    *,
    id: str,
    summary: str,
    reason: str,
    recommendation: Recommendation,
    confidence: float,
    suspects: tuple[Suspect, ...],
    gaps: tuple[EvidenceGap, ...],
    lower_rungs: tuple[str, ...],
    expected_effect: str,
    warnings: tuple[str, ...],
    steps: tuple[RunbookStep, ...],
) -> Finding:
    notebook = teller.notebook
    return Finding(
        id=id,
        case=notebook.case,
        author=AUTHOR,
        at=notebook.now,
        summary=summary,
        recommendation=recommendation,
        reason=reason,
        confidence=confidence,
        suspects=suspects,
        citations=notebook.citations,
        evidence=tuple(each.id for each in notebook.evidence),
        gaps=gaps,
        lower_rungs=lower_rungs,
        expected_effect=expected_effect,
        warnings=warnings,
        steps=steps,
    )


def _title(text: str) -> str:
    """A proposal's title: within its length, beginning with a capital letter."""
    return f"{text[:1].upper()}{text[1:]}"[:200]
