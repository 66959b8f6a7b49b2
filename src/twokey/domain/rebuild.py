"""The flag state of an environment, built again from the audit log alone.

Rules kept here:
- nothing is read but entries of changes: the first content of an environment, and the operations that moved it since;
- each step is proven: the revision must follow, and what the operations leave of each flag and segment that they touch
  must have the digest that the entry recorded. So a log from which a change is missing, or whose change was made by
  other code than its operations say, is found here even if its chain holds;
- the result is the state as it was published, revisions included: its snapshot has the digest that clients saw.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any, TypeVar

import msgspec

from twokey.domain.audit import Entry, Happening, Outcome
from twokey.domain.control import Control, State
from twokey.domain.errors import Conflict
from twokey.domain.operation import apply_all, parse_operations
from twokey.domain.operation.content import content_digest
from twokey.domain.stamps import CONTROL_STAMPS, SEGMENT_STAMPS, Stamps
from twokey.engine.errors import Invalid
from twokey.engine.flag import Segment

CHANGE = "change.apply"
T = TypeVar("T", Control, Segment)


def initial_of(state: State) -> dict[str, Any]:
    """The first content of an environment, as its entry records it."""
    return {
        "controls": msgspec.to_builtins(tuple(state.controls.values())),
        "segments": msgspec.to_builtins(tuple(state.segments.values())),
    }


def digests_of(state: State, flags: Iterable[str], segments: Iterable[str]) -> dict[str, str]:
    """What a change leaves of the flags and segments that it touched, as its entry records it."""
    found = {f"flag:{key}": content_digest(state.controls.get(key)) for key in flags}
    return found | {f"segment:{key}": content_digest(state.segments.get(key)) for key in segments}


def rebuild(
    entries: Iterable[Entry], project: str, environment: str, *, revision: int | None = None, at: datetime | None = None
) -> State:
    """The state of an environment at a revision, at an instant, or (with neither) at the end of these entries.

    Raises Conflict where the log does not lead there: a change is missing, or did not leave what it recorded.
    """
    state = State(project=project, environment=environment, revision=0)
    for entry in entries:
        if at is not None and entry.at > at:
            break
        if revision is not None and state.revision >= revision:
            break
        if _is_change(entry.happening, project, environment):
            state = _step(state, entry)
    if revision is not None and state.revision != revision:
        raise Conflict(f"the log leads to revision {state.revision} of {project}/{environment}, not to {revision}")
    return state


def _is_change(happening: Happening, project: str, environment: str) -> bool:
    where = (happening.project, happening.environment)
    return happening.action == CHANGE and happening.outcome is Outcome.DONE and where == (project, environment)


def _step(state: State, entry: Entry) -> State:
    detail = entry.happening.detail
    if detail.get("revision_before") != state.revision:
        raise _broken(
            entry, f"starts from revision {detail.get('revision_before')}, and the log led to {state.revision}"
        )
    try:
        after = _after(state, detail)
    except (Invalid, msgspec.ValidationError, KeyError, TypeError) as error:
        raise _broken(entry, f"cannot be applied to what the log led to: {error}") from None
    left = digests_of(after, detail.get("flags", ()), detail.get("segments", ()))
    if left != detail.get("left"):
        raise _broken(entry, "did not leave what it recorded")
    return _published(state, after, state.revision + 1)


def _after(state: State, detail: Mapping[str, Any]) -> State:
    if "initial" not in detail:
        return apply_all(state, parse_operations(detail["operations"]))
    controls = msgspec.convert(detail["initial"]["controls"], tuple[Control, ...])
    segments = msgspec.convert(detail["initial"]["segments"], tuple[Segment, ...])
    return msgspec.structs.replace(
        state, controls={each.key: each for each in controls}, segments={each.key: each for each in segments}
    )


def _published(before: State, after: State, revision: int) -> State:
    """The state as a publish leaves it: what differs carries the new revision."""
    return msgspec.structs.replace(
        after,
        revision=revision,
        controls=_stamped(before.controls, after.controls, CONTROL_STAMPS, revision),
        segments=_stamped(before.segments, after.segments, SEGMENT_STAMPS, revision),
    )


def _stamped(before: Mapping[str, T], after: Mapping[str, T], stamps: Stamps[T], revision: int) -> dict[str, T]:
    found = {}
    for key in sorted(after):
        one, other = before.get(key), after[key]
        same = one is not None and (one is other or stamps.content(one) == stamps.content(other))
        found[key] = one if same and one is not None else stamps.stamped(other, revision)
    return found


def _broken(entry: Entry, problem: str) -> Conflict:
    return Conflict(f"entry {entry.index} ({entry.happening.subject}) {problem}", remedy="verify the log")
