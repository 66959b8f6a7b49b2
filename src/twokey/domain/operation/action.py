"""What a change *is*, computed from both states for the decision matrix; never taken from a label."""

from __future__ import annotations

from enum import StrEnum


class Action(StrEnum):
    """The kinds of change that the decision matrix and the control ladder tell apart."""

    NOTHING = "nothing"
    PAUSE_ROLLOUT = "pause_rollout"
    REDUCE_TO_INTERNAL = "reduce_to_internal"
    EXCLUDE_COHORT = "exclude_cohort"
    REDUCE_ROLLOUT = "reduce_rollout"
    MOVE_TO_BASELINE = "move_to_baseline"
    DISABLE_TOOL = "disable_tool"
    ROLL_BACK = "roll_back"
    KILL_SWITCH = "kill_switch"
    EXPAND_ROLLOUT = "expand_rollout"
    ARCHIVE = "archive"
    DELETE = "delete"
    CHANGE_METRICS = "change_metrics"
    CREATE_FLAG = "create_flag"
    EDIT_CONTROL = "edit_control"
    OTHER = "other"
