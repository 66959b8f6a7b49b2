"""What a model may answer: one finding, or that it abstains. Whatever else it says is refused.

Rules kept here:
- an unknown field, a wrong type, a field said twice, a number that is none: refused by the field, never mended;
- nothing is read out of free text;
- the shape is the server's own (`NewFinding`), without the provenance, which this process writes and no model.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, StrictBool, StrictFloat, StrictInt, ValidationError

ShortText = Annotated[str, Field(max_length=400)]
Share = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]
Recommended = Literal[
    "no_action", "continue", "pause", "reduce_to_internal", "reduce_percentage", "exclude", "move_to_baseline",
    "stricter_mode", "disable_tool", "roll_back", "kill_switch", "clean_up",
]  # fmt: skip
MOST_DEPTH = 24


class Unfit(Exception):
    """An answer that is none; the words name the field, and are ours."""


class Shape(BaseModel):
    """Base of all that a model may say."""

    model_config = ConfigDict(extra="forbid", strict=True)


class Citation(Shape):
    """A figure: the evidence's id, a dotted path into its `body`, the value that stands there, what it says."""

    evidence: str = Field(min_length=1, max_length=200)
    path: str = Field(min_length=1, max_length=400)
    value: StrictBool | StrictInt | Annotated[StrictFloat, Field(allow_inf_nan=False)] | ShortText
    says: str = Field(min_length=1, max_length=400)


class Suspect(Shape):
    """A flag that may have caused it, by its exact key, with the variation, the rule and who is affected."""

    flag: str = Field(min_length=1, max_length=200)
    variation: str = Field(min_length=1, max_length=200)
    confidence: Share
    because: str = Field(min_length=1, max_length=1000)
    rule: str | None = Field(None, max_length=200)
    cohort: dict[ShortText, Annotated[list[ShortText], Field(max_length=50)]] = Field({}, max_length=10)


class FindingAnswer(Shape):
    """What you conclude. Every number in it must be cited. `operations`: what you would draft; none changes nothing."""

    summary: str = Field(min_length=1, max_length=2000)
    recommendation: Recommended
    reason: str = Field(min_length=1, max_length=4000)
    confidence: Share
    suspects: list[Suspect] = Field([], max_length=10)
    citations: list[Citation] = Field([], max_length=50)
    title: str = Field("", max_length=200)
    operations: list[dict[str, Any]] = Field([], max_length=20)
    expected_effect: str = Field("", max_length=2000)


class AbstainAnswer(Shape):
    """You conclude nothing: the evidence does not separate one cause from the others. Say what is missing."""

    summary: str = Field(min_length=1, max_length=2000)
    reason: str = Field(min_length=1, max_length=4000)
    citations: list[Citation] = Field([], max_length=50)


ANSWERS: Mapping[str, type[Shape]] = {"submit_finding": FindingAnswer, "abstain": AbstainAnswer}
"""The tools by which a model answers: exactly one of them, once, with nothing beside it."""


def read_answer(name: str, given: str | Mapping[str, Any] | None) -> dict[str, Any]:
    """The body of a finding that this answer makes. Raises Unfit."""
    said = _parsed(given)
    _check_depth(said)
    try:
        answer = ANSWERS[name].model_validate(said, strict=True)
    except ValidationError as error:
        raise Unfit(_first(error)) from None
    body = answer.model_dump()
    return body if name == "submit_finding" else {**body, "recommendation": "no_action", "confidence": 0.0}


def _parsed(given: str | Mapping[str, Any] | None) -> Any:
    if not isinstance(given, str):
        return dict(given or {})
    try:
        given.encode()
        return json.loads(given, object_pairs_hook=_once, parse_constant=_no_number)
    except (ValueError, RecursionError) as error:
        raise Unfit(str(error) if isinstance(error, _Twice) else "the answer is not JSON") from None


class _Twice(ValueError):
    """A field that is said twice, so that each reader may take another one."""


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    if len({name for name, _ in pairs}) != len(pairs):
        raise _Twice("a field is said twice")
    return dict(pairs)


def _no_number(_: str) -> Any:
    raise ValueError("no number")


def _check_depth(value: Any, depth: int = 0) -> None:
    if depth > MOST_DEPTH:
        raise Unfit("the answer is nested too deeply")
    if isinstance(value, str) and not value.isascii():
        try:
            value.encode()
        except UnicodeEncodeError:
            raise Unfit("a text holds half of a character") from None
    for each in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        _check_depth(each, depth + 1)


def _first(error: ValidationError) -> str:
    """The first field that does not fit, and why: no word of the answer is repeated."""
    found = error.errors(include_url=False, include_input=False, include_context=False)
    first = next((each for each in found if each["type"] == "extra_forbidden"), found[0])
    place = ".".join(str(part)[:40] for part in first["loc"] if str(part).replace("_", "").isalnum())
    return f"`{place or 'answer'}`: {first['msg'][:200]}"
