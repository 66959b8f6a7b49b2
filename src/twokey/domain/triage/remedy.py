"""The narrowest operation that helps, found by climbing the control ladder.

Rules kept here:
- rungs are tried least disruptive first, and each one that is passed over says why it would not do;
- one cohort is excluded only where the harm is confined to it; a share is only reduced where the agreed limit is still
  kept; otherwise the suspected rules go to the baseline, which is *internal only* where just the internal rule remains;
- a rung is taken only where, by replay of the recorded contexts, it would have excluded the harm;
- and only where its effect on the present state is computed to narrow. Where another flag waits for the baseline of
  the suspected one, and would be served in its place, the last rung switches off both. Nothing that widens is drafted.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import date

import msgspec

from twokey.domain.control import State
from twokey.domain.finding import Recommendation
from twokey.domain.operation import (
    Effect,
    Operation,
    apply_all,
    effect,
)
from twokey.domain.triage import timing
from twokey.domain.triage.cohorts import Confined, confinement
from twokey.domain.triage.replay import Harm, Replay, Replayed
from twokey.domain.triage.rungs import (
    Rung,
    exclude,
    is_harmful,
    reduce,
    stricter,
    switch_off,
    to_baseline,
    with_waiting,
    without,
)
from twokey.domain.triage.suspicion import Suspicion
from twokey.engine.errors import Invalid


class Passed(msgspec.Struct, frozen=True, kw_only=True):
    """A lower rung and why it would not do; by replay, where what it would have excluded is too little."""

    why: str
    replayed: Replayed | None = None


class Remedy(msgspec.Struct, frozen=True, kw_only=True):
    """A rung of the ladder: what is recommended, by which operations, and why no lower rung would do."""

    recommendation: Recommendation
    operations: tuple[Operation, ...] = ()
    title: str = ""
    passed: tuple[Passed, ...] = ()
    confined: Confined | None = None
    keeps_internal: bool = False
    replayed: Replayed | None = None
    to: str = ""


def remedy(suspicion: Suspicion, state: State, internal_segment: str, today: date) -> Remedy | None:
    """The lowest rung that helps; nothing where the suspected rules serve the candidate to nobody any more."""
    flag, rules = suspicion.control.flag, _still_serving(suspicion)
    if not rules:
        return None
    suspicion = msgspec.structs.replace(suspicion, rules=rules)
    confined = confinement(suspicion.breached, suspicion.rules)
    replay = Replay(state, _harm(suspicion, confined), suspicion.observed.recorded)
    return _climb(
        (
            exclude(suspicion, confined, replay, today),
            reduce(suspicion),
            stricter(suspicion),
            without(suspicion),
            to_baseline(flag, suspicion, internal_segment),
            switch_off(flag),
            with_waiting(suspicion, state),
        ),
        replay,
    )


def _climb(rungs: Sequence[Rung], replay: Replay) -> Remedy | None:
    passed: list[Passed] = []
    for rung in rungs:
        does = computed(replay.state, rung.operations) if rung.operations else None
        replayed = replay.of(rung.operations) if does is not None else None
        enough = replayed is None or replayed.does or rung.recommendation is Recommendation.REDUCE_PERCENTAGE
        if does is Effect.NARROWS and enough:
            return _take(rung, passed, replayed)
        if not rung.why_not and not rung.operations:
            continue  # it is none for this flag
        why = _TOO_LITTLE if does is Effect.NARROWS else _WHY_NOT[does]
        passed.append(Passed(why=rung.why_not or f"{rung.title}: {why}", replayed=None if enough else replayed))
    return None


_TOO_LITTLE = "it would not have excluded the harm"
_WHY_NOT = {
    Effect.WIDENS: "on this state that does not only narrow exposure",
    Effect.NEITHER: "on this state that changes nothing for anyone",
    None: "it does not apply to this state",
}


def _harm(suspicion: Suspicion, confined: Confined | None) -> Harm:
    """Whose harm it is: of one variation where that one's own figures show it."""
    measured = {each.variation for each in suspicion.observed.by_variation}
    return Harm(
        flag=suspicion.control.key,
        baseline=suspicion.control.flag.baseline,
        rules=suspicion.rules,
        variation=suspicion.variation if suspicion.variation in measured else None,
        cohort=(confined.attribute, confined.value) if confined else None,
    )


def computed(state: State, operations: Sequence[Operation]) -> Effect | None:
    """What the operations would do to this state; nothing where they do not apply to it."""
    try:
        return effect(state, apply_all(state, operations)).effect
    except Invalid:
        return None


def _take(rung: Rung, passed: Iterable[Passed], replayed: Replayed | None) -> Remedy:
    return Remedy(
        recommendation=rung.recommendation,
        operations=rung.operations,
        title=rung.title,
        passed=tuple(passed),
        confined=rung.confined,
        keeps_internal=rung.keeps_internal,
        replayed=replayed if replayed is not None and replayed.harmed else None,
        to=rung.to,
    )


def _still_serving(suspicion: Suspicion) -> tuple[str | None, ...]:
    """The suspected rules that are there and give somebody the candidate, the most suspected first."""
    flag = suspicion.control.flag
    if suspicion.control.archived or not flag.enabled:
        return ()
    live = {rule for rule, serve in timing.serves(flag) if is_harmful(flag, serve)}
    return tuple(rule for rule in suspicion.rules if rule in live)
