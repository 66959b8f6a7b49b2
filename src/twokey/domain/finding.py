"""A finding is an assistant's claim, untrusted until checked.

Rule: every figure a finding cites names a piece of evidence and a path into it, and is read again there. What is not
found, or differs, is marked unsupported; it is shown as such and counts for nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum
from typing import Any

import msgspec

from twokey.domain.control import Surface
from twokey.domain.evidence import Evidence, EvidenceGap
from twokey.domain.operation import Operation
from twokey.engine.canonical import digest


class Recommendation(StrEnum):
    """What an assistant may recommend. It only ever drafts."""

    NO_ACTION = "no_action"
    CONTINUE = "continue"
    PAUSE = "pause"
    REDUCE_TO_INTERNAL = "reduce_to_internal"
    REDUCE_PERCENTAGE = "reduce_percentage"
    EXCLUDE = "exclude"
    MOVE_TO_BASELINE = "move_to_baseline"
    STRICTER_MODE = "stricter_mode"
    DISABLE_TOOL = "disable_tool"
    ROLL_BACK = "roll_back"
    KILL_SWITCH = "kill_switch"
    CLEAN_UP = "clean_up"


class Citation(msgspec.Struct, frozen=True, kw_only=True):
    """One cited figure: which evidence, where in its body (dotted path), which value, and what it says in words."""

    evidence: str
    path: str
    value: float | int | str | bool
    says: str


class Grounded(msgspec.Struct, frozen=True, kw_only=True):
    """A citation after it was read again; `why_not` says what differs where it is not supported."""

    citation: Citation
    supported: bool
    why_not: str = ""


class Suspect(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A control the assistant suspects, with the cohort it names and its confidence from 0 to 1."""

    flag: str
    surface: Surface
    variation: str
    rule: str | None
    cohort: dict[str, tuple[str, ...]]
    confidence: float
    because: str


class RunbookStep(msgspec.Struct, frozen=True, kw_only=True):
    """A step of the team's own runbook that applies, repeated as it stands in evidence: file, heading, line, text."""

    evidence: str
    runbook: str
    heading: str
    line: int
    text: str


class Provenance(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What made a finding that no rule of ours made: whatever the outside assistant says of itself, and is not checked.

    `prompt` and `answer` are `sha256:...` over what was asked and what came back; times are in seconds.
    """

    provider: str
    model: str
    prompt: str
    answer: str = ""
    requests: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    seconds: float = 0.0


class Finding(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What an assistant concluded about a case. `suspects` are ranked, the likeliest first; empty means: abstains.

    `operations` are what it would draft; the control plane computes everything else about the proposal. `warnings` are
    what an assistant may only warn of: metrics that were changed in the middle of an experiment. `provenance` is there
    where a model was asked.
    """

    id: str
    case: str
    author: str
    at: datetime
    summary: str
    recommendation: Recommendation
    reason: str
    confidence: float
    suspects: tuple[Suspect, ...] = ()
    citations: tuple[Citation, ...] = ()
    evidence: tuple[str, ...] = ()
    gaps: tuple[EvidenceGap, ...] = ()
    lower_rungs: tuple[str, ...] = ()
    expected_effect: str = ""
    title: str = ""
    operations: tuple[Operation, ...] = ()
    warnings: tuple[str, ...] = ()
    steps: tuple[RunbookStep, ...] = ()
    provenance: Provenance | None = None


def content_digest(finding: Finding) -> str:
    """`sha256:...` over all that a finding says."""
    return digest(msgspec.to_builtins(finding))


def ground(finding: Finding, evidence: Mapping[str, Evidence]) -> tuple[Grounded, ...]:
    """Read every cited figure again where the finding says it stands."""
    return tuple(_ground(each, evidence) for each in finding.citations)


def _ground(citation: Citation, evidence: Mapping[str, Evidence]) -> Grounded:
    if citation.evidence not in evidence:
        return Grounded(citation=citation, supported=False, why_not=f"there is no evidence `{citation.evidence}`")
    found, value = _look_up(evidence[citation.evidence].body, citation.path)
    if not found:
        return Grounded(citation=citation, supported=False, why_not=f"`{citation.path}` is not in it")
    if not _same(value, citation.value):
        return Grounded(citation=citation, supported=False, why_not=f"it says `{value}` there")
    return Grounded(citation=citation, supported=True)


def _look_up(body: Any, path: str) -> tuple[bool, Any]:
    for part in path.split("."):
        if isinstance(body, Mapping) and part in body:
            body = body[part]
        elif isinstance(body, list | tuple) and part.isdecimal() and int(part) < len(body):
            body = body[int(part)]
        else:
            return False, None
    return True, body


def _same(found: Any, cited: float | int | str | bool) -> bool:
    if isinstance(found, bool) or isinstance(cited, bool):
        return found is cited
    if isinstance(found, int | float) and isinstance(cited, int | float):
        return abs(found - cited) <= 1e-9 * max(1.0, abs(found))
    return bool(found == cited)
