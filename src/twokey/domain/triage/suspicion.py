"""Which controls are suspected, in what order, and how sure the analyst is.

Rules kept here:
- a control is suspected only where a guardrail of it is breached by assignment within rule and stage (anytime-valid);
  an observational verdict, a mere change nearby or a hint never suffices;
- a control whose harm shows only where another suspected one serves its candidate is that one's doing (`apart`);
- where many controls were compared, its e-value must carry their number (`screening.standing`);
- the candidate's fallbacks count as a breach only where the baseline does not fall back alike;
- order and confidence are computed from the parts below, each from 0 to 1, with fixed weights. What is suspected has
  carried the number of controls already, so confidence begins at `LEAST`, and the parts say how much is added.

    strength     0.40   how far the strongest e-value is past its bar: 0.5 at the bar, towards 1 beyond it
    timing       0.20   how near before the signal the flag's reach moved (`timing.closeness`)
    uniqueness   0.20   the control's part of all suspected strength, less where something else changed nearby
    completeness 0.10   share of the flag's guardrails that could be judged
    hint         0.10   whether the signal names it (`hints.match`)
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import datetime, timedelta

import msgspec

from twokey.domain.control import Control
from twokey.domain.guardrail import GuardrailKind, StageArms, VerdictStatus, judge
from twokey.domain.triage import apart, hints, timing
from twokey.domain.triage.collected import Collected, Measurement, Observed
from twokey.domain.triage.screening import standing

WEIGHTS = {"strength": 0.4, "timing": 0.2, "uniqueness": 0.2, "completeness": 0.1, "hint": 0.1}
NEARBY = timedelta(hours=1)
"""A change elsewhere that long before the signal competes as an explanation."""
COMPETITION = 0.8
"""What uniqueness is multiplied by where a change elsewhere competes."""
LEAST = 0.5
HIGH, MEDIUM = 0.8, 0.6
"""Where confidence is called high and medium; the incident bench says how many were right (docs/assistants.md)."""


class Suspicion(msgspec.Struct, frozen=True, kw_only=True):
    """A control whose candidate does worse than its baseline, by which guardrails and in which rules.

    `together` are flags without whose candidate it does no harm.
    """

    control: Control
    observed: Observed
    breached: tuple[Measurement, ...]
    rules: tuple[str | None, ...]
    variation: str
    parts: dict[str, float]
    together: tuple[str, ...] = ()

    @property
    def confidence(self) -> float:
        """`LEAST`, and the weighted sum of the parts for the rest, to two digits."""
        weighed = sum(WEIGHTS[name] * value for name, value in self.parts.items())
        return round(LEAST + (1 - LEAST) * weighed, 2)

    @property
    def strength(self) -> float:
        """How clear the breach is."""
        return self.parts["strength"]


def word(confidence: float) -> str:
    """Confidence in a word."""
    return "high" if confidence >= HIGH else "medium" if confidence >= MEDIUM else "low"


def suspicions(collected: Collected) -> tuple[Suspicion, ...]:
    """The suspected controls, the likeliest first."""
    found = _standing(collected)
    needs = _needs(collected, found)
    own = [each for each in found if each.control.key not in apart.explained(needs)]
    total = sum(each.strength for each in own)
    rivals = COMPETITION if competing(collected) else 1.0
    ranked = [
        msgspec.structs.replace(
            _with(each, "uniqueness", rivals * each.strength / total),
            together=apart.together(needs, each.control.key),
        )
        for each in own
    ]
    return tuple(sorted(ranked, key=lambda each: (-each.confidence, each.control.key)))


def explained(collected: Collected) -> dict[str, frozenset[str]]:
    """Flags whose breach is another one's doing, and whose."""
    return apart.explained(_needs(collected, _standing(collected)))


def _needs(collected: Collected, found: Sequence[Suspicion]) -> apart.Needs:
    known = collected.state.controls
    return {each.control.key: apart.needed(each.breached, each.rules, known) for each in found}


def by_chance(collected: Collected) -> tuple[str, ...]:
    """Flags with a breach that, of so many controls that were compared, may be there by chance."""
    stand = {each.control.key for each in _standing(collected)}
    return tuple(each.control.key for each in _breached(collected) if each.control.key not in stand)


def _breached(collected: Collected) -> list[Suspicion]:
    return [each for observed in collected.controls if (each := _suspicion(collected, observed)) is not None]


def _standing(collected: Collected) -> list[Suspicion]:
    """Those whose breach carries the number of controls that were compared."""
    found = _breached(collected)
    stand = standing({each.control.key: past_bar(each.breached[0]) for each in found}, collected.shortlist)
    return [each for each in found if each.control.key in stand]


def competing(collected: Collected) -> bool:
    """Whether something else changed within `NEARBY` before the signal."""
    if not collected.signals:
        return False
    moment = timing.started(collected.signals)
    return any(near(each.event.at, moment) for each in collected.changes)


def near(at: datetime, moment: datetime) -> bool:
    """Whether `at` lies within `NEARBY` before the moment."""
    return timedelta(0) <= moment - at <= NEARBY


def separates(measurement: Measurement) -> bool:
    """Whether this guardrail shows the candidate to be worse by assignment, and not only by the look of it."""
    verdict = measurement.verdict
    if verdict.status is not VerdictStatus.BREACHED or verdict.observational:
        return False
    if verdict.kind is not GuardrailKind.FALLBACK:
        return True
    return verdict.fallback_share > 2 * (verdict.baseline_value or 0.0)


def strength(measurement: Measurement) -> float:
    """How clear a breach is: 0.5 at the bar of its e-value, 0.75 at ten times that, towards 1."""
    beyond = math.log10(max(1.0, past_bar(measurement)))
    return 1 - 0.5 / (1 + beyond)


def past_bar(measurement: Measurement) -> float:
    """By how much a breach's e-value is past its bar: 1 is at it."""
    return (measurement.verdict.e_value or 1.0) * measurement.verdict.alpha


def _suspicion(collected: Collected, observed: Observed) -> Suspicion | None:
    breached = tuple(each for each in observed.measurements if separates(each))
    control = collected.state.controls.get(observed.flag)
    if not breached or control is None:
        return None
    clearest = tuple(sorted(breached, key=lambda each: -strength(each)))
    rules = _rules(clearest)
    moment = timing.started(collected.signals)
    parts = {
        "strength": strength(clearest[0]),
        "timing": timing.closeness(timing.edits(observed.versions), moment),
        "completeness": _completeness(observed.measurements),
        "hint": hints.match(
            collected.signals, control, [each.guardrail for each in breached], collected.state.controls
        ),
    }
    return Suspicion(
        control=control,
        observed=observed,
        breached=clearest,
        rules=rules,
        variation=_variation(control, observed, clearest[0], rules),
        parts=parts,
    )


def _with(suspicion: Suspicion, part: str, value: float) -> Suspicion:
    return msgspec.structs.replace(suspicion, parts=suspicion.parts | {part: value})


def _completeness(measurements: Sequence[Measurement]) -> float:
    judged = [each for each in measurements if each.verdict.status is not VerdictStatus.CANNOT_JUDGE]
    return len(judged) / len(measurements)


def _rules(breached: Sequence[Measurement]) -> tuple[str | None, ...]:
    """The rules whose own stages show the harm; where it shows only together, all that split traffic."""
    own = tuple(dict.fromkeys(rule for each in breached for rule in _breached_rules(each)))
    return own or tuple(dict.fromkeys(rule for each in breached for rule in _split_rules(each)))


def _split_rules(measurement: Measurement) -> tuple[str | None, ...]:
    live = [each.rule for each in measurement.verdict.stages if 0 < each.share < 1]
    return tuple(dict.fromkeys(live or [each.rule for each in measurement.verdict.stages]))


def _breached_rules(measurement: Measurement) -> tuple[str | None, ...]:
    rules = _split_rules(measurement)
    if len(rules) == 1:
        return rules
    alpha = measurement.verdict.alpha / len(rules)
    verdicts = {rule: judge(measurement.guardrail, _of(measurement, rule), alpha) for rule in rules}
    found = [rule for rule in rules if verdicts[rule].status is VerdictStatus.BREACHED]
    return tuple(sorted(found, key=lambda rule: -(verdicts[rule].e_value or 0.0)))


def _of(measurement: Measurement, rule: str | None) -> list[StageArms]:
    return [each for each in measurement.verdict.stages if each.rule == rule]


def _variation(control: Control, observed: Observed, clearest: Measurement, rules: Sequence[str | None]) -> str:
    """The candidate whose own figures show the harm most clearly, else the one with the largest share there."""
    single = [each for each in (clearest, *observed.by_variation) if each.variation is not None and separates(each)]
    if single:
        return max(single, key=past_bar).variation or ""
    served: dict[str, float] = {}
    for rule, serve in timing.serves(control.flag):
        for key, share in timing.shares(serve).items():
            if key != control.flag.baseline:
                served[key] = max(served.get(key, 0.0), share + (1000.0 if rule in rules else 0.0))
    others = [each.key for each in control.flag.variations if each.key != control.flag.baseline]
    return max(served, key=lambda key: served[key]) if served else others[0]
