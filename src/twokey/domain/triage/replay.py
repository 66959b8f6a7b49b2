"""What an operation would have done to the units that were harmed, by evaluating their recorded contexts again.

Rules kept here:
- harmed is whoever the present state gives the suspected variation by a suspected rule (and in the cohort that the harm
  is confined to, where it is);
- only the flag and what it has to do with is evaluated, so that ten thousand other flags cost nothing;
- with nobody recorded there is nothing to replay, and nothing is claimed.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from twokey.domain.control import State
from twokey.domain.operation import Operation, apply_all
from twokey.domain.telemetry import RecordedContext
from twokey.engine import Snapshot, evaluate

ENOUGH = 0.95
"""An operation that takes the harm from fewer than this part of the harmed units does not do."""


class Harm(msgspec.Struct, frozen=True, kw_only=True):
    """Whose harm it is: the flag, the rules, the variation (any but the baseline, where none is named), the cohort."""

    flag: str
    baseline: str
    rules: tuple[str | None, ...]
    variation: str | None = None
    cohort: tuple[str, str] | None = None


class Replayed(msgspec.Struct, frozen=True, kw_only=True):
    """`excluded` of the `harmed` units would have been served something harmless; `spared` others, moved as well."""

    units: int
    harmed: int
    excluded: int
    others_moved: int

    @property
    def does(self) -> bool:
        """Whether it would have excluded the harm, as far as was recorded."""
        return not self.harmed or self.excluded >= ENOUGH * self.harmed


class Replay:
    """The recorded units of one suspected control, evaluated as the state is."""

    def __init__(self, state: State, harm: Harm, recorded: Sequence[RecordedContext]) -> None:
        self._state, self._harm = neighbourhood(state, harm.flag), harm
        self._contexts = [{each.unit_name: each.unit, **each.context} for each in recorded]
        self._before = self._served(self._state.snapshot())

    @property
    def state(self) -> State:
        """The flag and what it has to do with."""
        return self._state

    def of(self, operations: Sequence[Operation]) -> Replayed:
        """What these operations would have done. Raises Invalid where they do not apply."""
        after = self._served(apply_all(self._state, operations).snapshot())
        harmed = [index for index, found in enumerate(self._before) if self._is_harmed(index, found)]
        moved = [index for index, found in enumerate(after) if found[0] != self._before[index][0]]
        excluded = [index for index in harmed if not self._harms(after[index][0])]
        return Replayed(
            units=len(self._contexts),
            harmed=len(harmed),
            excluded=len(excluded),
            others_moved=len(set(moved) - set(harmed)),
        )

    def most(self, attributes: Sequence[str]) -> tuple[str, str] | None:
        """The attribute and value that most harmed units have."""
        harmed = [self._contexts[index] for index, found in enumerate(self._before) if self._is_harmed(index, found)]
        counted: dict[tuple[str, str], int] = {}
        for context in harmed:
            for name in attributes:
                if name in context:
                    key = name, _text(context[name])
                    counted[key] = counted.get(key, 0) + 1
        if not counted:
            return None
        return max(counted, key=lambda key: (counted[key], key))

    def _served(self, snapshot: Snapshot) -> list[tuple[str | None, str | None]]:
        found = [evaluate(snapshot, self._harm.flag, context) for context in self._contexts]
        return [(each.variation, each.rule) for each in found]

    def _is_harmed(self, index: int, found: tuple[str | None, str | None]) -> bool:
        variation, rule = found
        if not self._harms(variation) or rule not in self._harm.rules:
            return False
        if self._harm.cohort is None:
            return True
        name, value = self._harm.cohort
        return name in self._contexts[index] and _text(self._contexts[index][name]) == value

    def _harms(self, variation: str | None) -> bool:
        if self._harm.variation is not None:
            return variation == self._harm.variation
        return variation not in (None, self._harm.baseline)


def neighbourhood(state: State, flag: str) -> State:
    """The state with only that flag, the flags that depend on it, and all that these wait for."""
    wanted, grown = {flag}, True
    while grown:
        dependents = {
            key
            for key, each in state.controls.items()
            if not each.archived and any(one.flag in wanted for one in each.flag.prerequisites)
        }
        grown = not dependents <= wanted
        wanted |= dependents
    waiting = list(wanted)
    while waiting:
        control = state.controls.get(waiting.pop())
        needs = {each.flag for each in control.flag.prerequisites} if control else set()
        waiting += needs - wanted
        wanted |= needs
    return msgspec.structs.replace(
        state, controls={key: state.controls[key] for key in sorted(wanted) if key in state.controls}
    )


def _text(value: object) -> str:
    """A value as telemetry's cohorts have it."""
    return str(value).lower() if isinstance(value, bool) else str(value)
