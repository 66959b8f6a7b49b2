"""What is kept around flags: segments, controls that come and go, and who answers for them until when."""

from __future__ import annotations

from typing import Any

from msgspec import UNSET
from msgspec.structs import fields, replace

from twokey.domain.control import State
from twokey.domain.operation.edits import (
    Law,
    Laws,
    control_field,
    control_of,
    edit_control,
    listed,
    segment_of,
    with_control,
)
from twokey.domain.operation.kinds import (
    ArchiveFlag,
    ArchiveSegment,
    CreateFlag,
    CreateSegment,
    DeleteFlag,
    EditControl,
    EditSegment,
    Operation,
    RestoreFlag,
    SetExperiment,
)
from twokey.domain.operation.uses import flags_leaning_on, uses_of_segment
from twokey.engine.errors import Invalid
from twokey.engine.flag import Segment

# ------------------------------------------------------------- segments


def _create_segment(state: State, op: CreateSegment) -> State:
    if op.segment.key in state.segments:
        raise Invalid("segment.key", f"there is a segment `{op.segment.key}` already", "a key that is free")
    return replace(state, segments={**state.segments, op.segment.key: replace(op.segment, digest=None)})


def _undo_create_segment(state: State, op: CreateSegment) -> tuple[Operation, ...]:
    return (ArchiveSegment(segment=op.segment.key),)


def _edit_segment(state: State, op: EditSegment) -> State:
    before = segment_of(state, op.segment)
    given = _given(op, "segment")
    after: Segment = replace(before, digest=None, **given)
    return replace(state, segments={**state.segments, op.segment: after})


def _undo_edit_segment(state: State, op: EditSegment) -> tuple[Operation, ...]:
    before = segment_of(state, op.segment)
    return (EditSegment(segment=op.segment, **{name: getattr(before, name) for name in _given(op, "segment")}),)


def _archive_segment(state: State, op: ArchiveSegment) -> State:
    segment_of(state, op.segment)
    if users := uses_of_segment(state, op.segment):
        raise Invalid("segment", f"`{op.segment}` is used by {listed(users)}", "a segment that nothing uses")
    return replace(state, segments={key: each for key, each in state.segments.items() if key != op.segment})


def _undo_archive_segment(state: State, op: ArchiveSegment) -> tuple[Operation, ...]:
    return (CreateSegment(segment=segment_of(state, op.segment)),)


# ------------------------------------------------------------- controls that come and go


def _create_flag(state: State, op: CreateFlag) -> State:
    control = op.control
    if control.key in state.controls:
        raise Invalid("control.flag.key", f"there is a flag `{control.key}` already", "a key that is free")
    if control.flag.enabled:
        raise Invalid("control.flag.enabled", "is `true`", "`false`: a flag starts disabled")
    if control.archived:
        raise Invalid("control.archived", "is `true`", "`false`: what is new is not archived")
    return with_control(state, replace(control, flag=replace(control.flag, digest=None)))


def _undo_create_flag(state: State, op: CreateFlag) -> tuple[Operation, ...]:
    return (DeleteFlag(flag=op.control.key),)


def _delete_flag(state: State, op: DeleteFlag) -> State:
    control = control_of(state, op.flag)
    if control.flag.enabled:
        raise Invalid("flag", f"`{op.flag}` is enabled", "a flag that was just created; else archive_flag")
    if users := flags_leaning_on(state, op.flag, archived=True):
        raise Invalid("flag", f"`{op.flag}` is a prerequisite of {listed(users)}", "a flag that none leans on")
    return replace(state, controls={key: each for key, each in state.controls.items() if key != op.flag})


def _undo_delete_flag(state: State, op: DeleteFlag) -> tuple[Operation, ...]:
    return (CreateFlag(control=control_of(state, op.flag)),)


def _archive_flag(state: State, op: ArchiveFlag) -> State:
    control_of(state, op.flag)
    if users := flags_leaning_on(state, op.flag, archived=False):
        raise Invalid("flag", f"`{op.flag}` is a prerequisite of {listed(users)}", "a flag that none leans on")
    return edit_control(state, op.flag, archived=True)


def _undo_archive_flag(state: State, op: ArchiveFlag) -> tuple[Operation, ...]:
    return (RestoreFlag(flag=op.flag),)


def _restore_flag(state: State, op: RestoreFlag) -> State:
    control = state.control(op.flag)
    if not control.archived:
        raise Invalid("flag", f"`{op.flag}` is not archived", "an archived flag")
    return with_control(state, replace(control, archived=False))


def _undo_restore_flag(state: State, op: RestoreFlag) -> tuple[Operation, ...]:
    return (ArchiveFlag(flag=op.flag),)


# ------------------------------------------------------------- who answers for it


def _edit_control(state: State, op: EditControl) -> State:
    return edit_control(state, op.flag, **_given(op, "flag"))


def _undo_edit_control(state: State, op: EditControl) -> tuple[Operation, ...]:
    before = control_of(state, op.flag)
    return (EditControl(flag=op.flag, **{name: getattr(before, name) for name in _given(op, "flag")}),)


def _given(op: EditSegment | EditControl, name: str) -> dict[str, Any]:
    given = {each.name: getattr(op, each.name) for each in fields(op) if each.name != name}
    given = {key: value for key, value in given.items() if value is not UNSET}
    if not given:
        accepted = ", ".join(f"`{each.name}`" for each in fields(op) if each.name != name)
        raise Invalid(name, "is all that was given: nothing would change", f"at least one of {accepted}")
    return given


LAWS: Laws = {
    CreateSegment: Law(_create_segment, _undo_create_segment),
    EditSegment: Law(_edit_segment, _undo_edit_segment),
    ArchiveSegment: Law(_archive_segment, _undo_archive_segment),
    CreateFlag: Law(_create_flag, _undo_create_flag),
    DeleteFlag: Law(_delete_flag, _undo_delete_flag),
    ArchiveFlag: Law(_archive_flag, _undo_archive_flag),
    RestoreFlag: Law(_restore_flag, _undo_restore_flag),
    EditControl: Law(_edit_control, _undo_edit_control),
    SetExperiment: control_field(SetExperiment, "experiment"),
}
