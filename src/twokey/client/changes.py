"""Which flags may answer differently after a change: those that changed, and those that lean on what changed."""

from collections.abc import Iterable, Mapping

from twokey.engine import Flag, Operator, Segment, Snapshot
from twokey.engine.flag import Clause

_MEMBERSHIP = (Operator.IN_SEGMENT, Operator.NOT_IN_SEGMENT)


def changed_flags(old: Snapshot, new: Snapshot) -> tuple[str, ...]:
    """Keys of flags that are new, gone or different, or depend on such a flag or segment; sorted."""
    flags = _differing(old.flags, new.flags)
    segments = _closure(_differing(old.segments, new.segments), _segments_by_segment(new))
    if segments:
        flags |= {flag.key for flag in new.flags.values() if segments & _segments_in(_clauses_of(flag))}
    return tuple(sorted(_closure(flags, _prerequisites(new))))


def _differing(old: Mapping[str, Flag] | Mapping[str, Segment], new: Mapping[str, Flag | Segment]) -> set[str]:
    changed = {key for key, item in new.items() if key not in old or old[key].digest != item.digest}
    return changed | (old.keys() - new.keys())


def _closure(changed: set[str], leans_on: Mapping[str, set[str]]) -> set[str]:
    """The changed keys and every key that leans on one of them, at any distance."""
    while changed:
        more = {key for key, others in leans_on.items() if key not in changed and others & changed}
        if not more:
            break
        changed = changed | more
    return changed


def _prerequisites(snapshot: Snapshot) -> dict[str, set[str]]:
    flags = (flag for flag in snapshot.flags.values() if flag.prerequisites)
    return {flag.key: {prerequisite.flag for prerequisite in flag.prerequisites} for flag in flags}


def _segments_by_segment(snapshot: Snapshot) -> dict[str, set[str]]:
    segments = snapshot.segments.values()
    return {each.key: _segments_in(clause for rule in each.rules for clause in rule.clauses) for each in segments}


def _clauses_of(flag: Flag) -> Iterable[Clause]:
    return (clause for rule in flag.rules for clause in rule.clauses)


def _segments_in(clauses: Iterable[Clause]) -> set[str]:
    return {str(value) for clause in clauses if clause.operator in _MEMBERSHIP for value in clause.values}
