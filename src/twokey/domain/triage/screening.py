"""Which of very many controls are measured closely, and what it means that one of many stands out.

Rules kept here:
- a rough look at all of them chooses; it judges nothing: every figure that is told comes of the close measurement;
- text never chooses alone: a flag that a signal names is looked at, and is suspected by its evidence as any other is;
- of many controls a few look bad by chance: a breach counts only where its e-value carries the number of controls
  that were compared. This is the e-BH procedure with prior weights (Wang and Ramdas, 2022, "False discovery rate
  control with e-values"), which keeps its level whatever the controls have to do with each other. Half of the weight is
  the same for all, half goes to what was edited before the signal, nearer ones first.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime

import msgspec

from twokey.domain.control import Control, State
from twokey.domain.guardrail import Guardrail, GuardrailKind, Worse, each_alone
from twokey.domain.signal import Signal
from twokey.domain.telemetry import Asked, ExposureCount, Glance

FEW = 32
"""So many controls are all measured closely; of more,"""
MOST = 12
"""so many are chosen."""
LEAST_UNITS = 10
"""Of many controls one that fewer units met in either arm cannot stand out by more than chance."""
BY_CHANCE = 5.0
"""Of what is accused, at most so many times the part that one verdict may err by (a quarter, at 5 %) is there by chance
in the worst case, which is that every innocent control is exactly as much worse as its margin allows."""
NEAR_SHARE = 0.5
"""The part of all prior weight that goes to what was edited before the signal."""
HALF_LIFE_HOURS = 6.0
"""An edit that long before the signal weighs half of one right before it."""

Exposed = Mapping[str, tuple[ExposureCount, ...]]


class Shortlist(msgspec.Struct, frozen=True, kw_only=True):
    """The controls to measure, those that most needs a look first, and how many were compared roughly.

    `weights` are prior weights of the compared ones, on average 1. `unwatched` were edited before the signal, nearest
    first, are met, and have no guardrail that compares.
    """

    flags: tuple[str, ...] = ()
    compared: int = 0
    weights: Mapping[str, float] = {}
    unwatched: tuple[str, ...] = ()

    def weight(self, flag: str) -> float:
        """A control's prior weight; 1 where nothing is known."""
        return self.weights.get(flag, 1.0)


def comparing(control: Control) -> tuple[Guardrail, ...]:
    """The guardrails that compare by assignment; a query sees everybody."""
    return tuple(each for each in control.guardrails if each.kind is not GuardrailKind.QUERY)


def asked(state: State, exposed: Exposed) -> tuple[Asked, ...]:
    """What to glance at: every guardrail with a metric, at each of its limits, of every live control both of whose
    arms are met.
    """
    return tuple(
        Asked(
            flag=control.key,
            guardrail=each.key,
            metric=each.metric,
            failing=0.5 if each.kind is GuardrailKind.RATE else each.limit,
            higher=each.worse is Worse.HIGHER,
            denominator=each.denominator,
        )
        for control in state.controls.values()
        if _compared(control, exposed)
        for each in each_alone(comparing(control))
        if each.kind is not GuardrailKind.FALLBACK
    )


def shortlist(
    state: State,
    signals: Sequence[Signal],
    moment: datetime,
    edited: Mapping[str, datetime],
    exposed: Exposed,
    glances: Sequence[Glance],
) -> Shortlist:
    """Choose. `edited` says when flags were last edited before the moment at which the trouble began."""
    watched = {key: each for key, each in state.controls.items() if not each.archived and comparing(each)}
    compared = [key for key, each in watched.items() if _compared(each, exposed)]
    near = {key: closeness(at, moment) for key, at in edited.items()}
    shifted = shifts(state, glances, exposed)
    named = {each.alert.labels.get("flag", "") for each in signals}

    def rank(key: str) -> tuple[float, str]:
        return -(shifted.get(key, 0.0) + near.get(key, 0.0) + (math.inf if key in named else 0.0)), key

    return Shortlist(
        flags=tuple(sorted(watched, key=rank)[: MOST if len(watched) > FEW else FEW]),
        compared=len(compared),
        weights=weights(compared, near),
        unwatched=tuple(
            key
            for key in sorted(near, key=lambda key: (-near[key], key))
            if key in state.controls and key not in watched and not state.controls[key].archived
        )[:MOST],
    )


def closeness(at: datetime, moment: datetime) -> float:
    """From 1 (at the moment) halving every `HALF_LIFE_HOURS` before it; 0 after it."""
    hours = (moment - at).total_seconds() / 3600
    return 0.0 if hours < 0 else float(0.5 ** (hours / HALF_LIFE_HOURS))


def weights(compared: Collection[str], near: Mapping[str, float]) -> dict[str, float]:
    """Prior weights of the compared controls, 1 on average."""
    total = sum(near.get(key, 0.0) for key in compared)
    if not total:
        return dict.fromkeys(compared, 1.0)
    return {key: 1 - NEAR_SHARE + NEAR_SHARE * len(compared) * near.get(key, 0.0) / total for key in compared}


def standing(strengths: Mapping[str, float], found: Shortlist) -> frozenset[str]:
    """The controls whose breach carries the number of controls that were compared, at a level of `BY_CHANCE`.

    `strengths` is by how much each one's e-value is past its bar: 1 is at it. With few controls nothing is asked beyond
    that.
    """
    carried = {key: value * found.weight(key) for key, value in strengths.items()}
    ranked = sorted(carried, key=lambda key: -carried[key])
    many = max(found.compared, len(strengths))
    passing = [rank for rank, key in enumerate(ranked, start=1) if BY_CHANCE * carried[key] >= many / rank]
    return frozenset(key for key in ranked[: max(passing, default=0)] if strengths[key] >= 1)


# ---------------------------------------------------------------- how far a control's candidate is from its baseline


def _compared(control: Control, exposed: Exposed) -> bool:
    """Whether some units met its baseline, and some something else."""
    counts = exposed.get(control.key, ())
    if not counts or control.archived or not comparing(control):
        return False
    theirs = sum(each.units for each in counts if each.assigned == control.flag.baseline)
    return min(theirs, sum(each.units for each in counts) - theirs) >= LEAST_UNITS


def shifts(state: State, glances: Sequence[Glance], exposed: Exposed) -> dict[str, float]:
    """How many standard errors each flag's worst guardrail is worse on the candidate than on the baseline."""
    cells: dict[tuple[str, str, str | None, float], list[Glance]] = {}
    for each in glances:
        cells.setdefault((each.flag, each.guardrail, each.rule, each.failing), []).append(each)
    worst: dict[str, float] = {}
    for (flag, key, _, _), found in cells.items():
        control = state.controls[flag]
        guardrail = control.guardrail(key)
        if guardrail is not None:
            worst[flag] = max(worst.get(flag, 0.0), _shift(guardrail, control.flag.baseline, found))
    for flag, counts in exposed.items():
        if flag in state.controls and any(
            each.kind is GuardrailKind.FALLBACK for each in comparing(state.controls[flag])
        ):
            worst[flag] = max(worst.get(flag, 0.0), _fallen(state.controls[flag].flag.baseline, counts))
    return worst


def _shift(guardrail: Guardrail, baseline: str, found: Sequence[Glance]) -> float:
    ours = [each for each in found if each.assigned != baseline]
    theirs = [each for each in found if each.assigned == baseline]
    if not ours or not theirs:
        return 0.0
    if not guardrail.kind.is_averaged:
        return shares_apart(_failed(ours), _failed(theirs))
    (mean, error), (other, others) = _mean(ours), _mean(theirs)
    apart = mean - other if guardrail.worse is Worse.HIGHER else other - mean
    return apart / math.sqrt(error + others) if error + others > 0 else 0.0


def _fallen(baseline: str, counts: Sequence[ExposureCount]) -> float:
    ours = [each for each in counts if each.assigned != baseline]
    theirs = [each for each in counts if each.assigned == baseline]
    return shares_apart(
        (sum(each.units for each in ours if each.served != each.assigned), sum(each.units for each in ours)),
        (sum(each.units for each in theirs if each.served != each.assigned), sum(each.units for each in theirs)),
    )


def _failed(found: Sequence[Glance]) -> tuple[int, int]:
    return sum(each.failures for each in found), sum(each.units for each in found)


def shares_apart(ours: tuple[int, int], theirs: tuple[int, int]) -> float:
    """By how many standard errors one share (failed, of all) is above another; half a failure is added to each."""
    if not ours[1] or not theirs[1]:
        return 0.0
    one, other = (ours[0] + 0.5) / (ours[1] + 1), (theirs[0] + 0.5) / (theirs[1] + 1)
    together = (ours[0] + theirs[0] + 1) / (ours[1] + theirs[1] + 2)
    return (one - other) / math.sqrt(together * (1 - together) * (1 / ours[1] + 1 / theirs[1]))


def _mean(found: Sequence[Glance]) -> tuple[float, float]:
    """The mean over all their units, and the square of its standard error."""
    units = sum(each.units for each in found)
    mean = sum(each.mean * each.units for each in found) / units
    spread = sum(each.variance * each.units + each.units * (each.mean - mean) ** 2 for each in found) / units
    return mean, spread / units
