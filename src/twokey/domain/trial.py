"""One run of an experiment, read off the versions of its flag: when it began and ended, and what was edited meanwhile.

Rules kept here:
- a run is the time from the version that begins it to the one that ends it, or names another;
- its stages are those of its rule, cut to the run: what was assigned before it began counts for nothing;
- its marks are the edits of what was fixed: how it is judged, its guardrails, its audience, its split.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from itertools import pairwise
from typing import Protocol

import msgspec
from msgspec.structs import replace

from twokey.domain.control import Control
from twokey.domain.experiment import Experiment
from twokey.domain.stages import split_plans
from twokey.domain.telemetry import StagePlan
from twokey.engine.flag import Flag


class Version(Protocol):
    """One edit of a flag, as the store keeps it."""

    @property
    def revision(self) -> int:
        """The flag's own revision."""

    @property
    def at(self) -> datetime:
        """When it was published."""

    @property
    def change(self) -> str:
        """The id of the change that published it."""

    @property
    def control(self) -> Control | None:
        """What the control then was."""


class Edited(msgspec.Struct, frozen=True, kw_only=True):
    """An edit of something that was fixed at the start."""

    at: datetime
    what: str
    change: str


class Trial(msgspec.Struct, frozen=True, kw_only=True):
    """One run. `first` and `last` are flag revisions; it runs while `ended_at` is nothing. `begun` is the flag then."""

    experiment: Experiment
    begun: Control
    present: Control
    first: int
    last: int | None
    began_at: datetime
    ended_at: datetime | None
    began_by: str
    edits: tuple[Edited, ...]

    def plans(self, versions: Sequence[Version]) -> tuple[StagePlan, ...]:
        """The stages of its rule in which both arms were assigned, cut to the run."""
        known = [(each.revision, each.control) for each in versions]
        end = float("inf") if self.last is None else self.last
        return tuple(
            replace(plan, first_revision=max(plan.first_revision, self.first), last_revision=_sooner(plan, self.last))
            for plan in split_plans(known, self.begun.flag.baseline)
            if plan.rule == self.experiment.rule
            and plan.first_revision <= end
            and (plan.last_revision is None or plan.last_revision >= self.first)
            and plan.shares.get(self.experiment.candidate, 0) > 0
        )


def _sooner(plan: StagePlan, last: int | None) -> int | None:
    ends = [each for each in (plan.last_revision, last) if each is not None]
    return min(ends) if ends else None


def trials(versions: Sequence[Version]) -> tuple[Trial, ...]:
    """Every run that the versions tell of, oldest first."""
    return tuple(_trials(sorted(versions, key=lambda each: each.revision)))


def _trials(versions: Sequence[Version]) -> Iterator[Trial]:
    run: list[Version] = []
    for each in versions:
        here = each.control.experiment if each.control else None
        before = run[-1].control.experiment if run and run[-1].control else None
        if before is not None and (here is None or here.key != before.key):
            yield _trial(run, each)
            run = []
        if here is not None:
            run.append(each)
    if run:
        yield _trial(run, None)


def _trial(run: Sequence[Version], end: Version | None) -> Trial:
    first, newest = run[0], run[-1]
    assert first.control is not None  # noqa: S101 - a run is made of versions with an experiment
    assert newest.control is not None  # noqa: S101
    assert newest.control.experiment is not None  # noqa: S101
    return Trial(
        experiment=newest.control.experiment,
        begun=first.control,
        present=newest.control,
        first=first.revision,
        last=None if end is None else end.revision - 1,
        began_at=first.at,
        ended_at=None if end is None else end.at,
        began_by=first.change,
        edits=tuple(_edits(run)),
    )


def _edits(run: Sequence[Version]) -> Iterator[Edited]:
    for one, other in pairwise(run):
        if one.control is not None and other.control is not None:
            for what in _differs(one.control, other.control):
                yield Edited(at=other.at, what=what, change=other.change)


def _differs(one: Control, other: Control) -> Iterator[str]:
    was, now = one.experiment, other.experiment
    if was is None or now is None:
        return
    if was.primary != now.primary:
        yield f"it was judged by {was.primary.measured}, and is by {now.primary.measured}"
    if was.hypothesis != now.hypothesis:
        yield "its hypothesis was written anew"
    if (was.candidate, was.rule) != (now.candidate, now.rule):
        yield "it is about another candidate or rule"
    if was.ends != now.ends:
        yield f"its last day was {was.ends or 'open'}, and is {now.ends or 'open'}"
    if one.guardrails != other.guardrails:
        yield "its guardrails were changed"
    if _audience(one.flag, was.rule) != _audience(other.flag, was.rule):
        yield "its audience was changed"
    if _split(one.flag, was.rule) != _split(other.flag, was.rule):
        yield "its split was changed (figures are kept apart by stage)"


def _audience(flag: Flag, rule: str | None) -> object:
    """Who is asked: the rules before it decide for others, so they are part of it."""
    rules = [each.id for each in flag.rules]
    before = flag.rules[: rules.index(rule)] if rule in rules else flag.rules
    mine = flag.rule(rule) if rule is not None else None
    return [(each.id, each.clauses) for each in before], mine.clauses if mine else None, flag.prerequisites


def _split(flag: Flag, rule: str | None) -> object:
    mine = flag.rule(rule) if rule is not None else None
    return flag.enabled, mine.serve if mine else flag.otherwise
