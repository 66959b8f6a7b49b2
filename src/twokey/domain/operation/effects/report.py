"""The computed effect of a change, per flag, with the sentence that says why."""

from __future__ import annotations

from enum import StrEnum

import msgspec


class Effect(StrEnum):
    """What a change does to what contexts get.

    `narrows`: everyone gets what they got, or the baseline, or a variation that is earlier in the order of caution.
    `neither`: nobody gets anything else, and no limit, role or date is loosened. `widens`: everything else, also what
    cannot be decided.
    """

    NARROWS = "narrows"
    NEITHER = "neither"
    WIDENS = "widens"


class FlagEffect(msgspec.Struct, frozen=True, kw_only=True):
    """The effect on one flag, and the sentence that says why."""

    flag: str
    effect: Effect
    because: str


class EffectReport(msgspec.Struct, frozen=True, kw_only=True):
    """The effect of a change as a whole, and on every flag that it reaches, the widest first."""

    effect: Effect
    flags: tuple[FlagEffect, ...] = ()


WIDTH = {Effect.NEITHER: 0, Effect.NARROWS: 1, Effect.WIDENS: 2}
"""For taking the widest of several effects."""


def widest(effects: tuple[FlagEffect, ...]) -> EffectReport:
    """The report over the effects on single flags."""
    ordered = tuple(sorted(effects, key=lambda each: (-WIDTH[each.effect], each.flag)))
    return EffectReport(effect=ordered[0].effect if ordered else Effect.NEITHER, flags=ordered)
