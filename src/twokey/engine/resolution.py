"""The answer to "what does this context get?"; an error is a value of it, never an exception."""

from collections.abc import Mapping
from typing import Any

import msgspec

from twokey.engine.flag import Word
from twokey.engine.frozen import FrozenDict


class Reason(Word):
    """Why a value was served, as OpenFeature names it."""

    STATIC = "STATIC"
    DEFAULT = "DEFAULT"
    TARGETING_MATCH = "TARGETING_MATCH"
    SPLIT = "SPLIT"
    DISABLED = "DISABLED"
    ERROR = "ERROR"


class ErrorCode(Word):
    """OpenFeature's codes that the engine gives."""

    FLAG_NOT_FOUND = "FLAG_NOT_FOUND"
    TYPE_MISMATCH = "TYPE_MISMATCH"
    INVALID_CONTEXT = "INVALID_CONTEXT"
    GENERAL = "GENERAL"


class Error(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """Why there is no value; the application then uses its own default."""

    code: ErrorCode
    message: str


NO_METADATA: Mapping[str, str] = FrozenDict()


class Resolution(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """What a flag gives a context.

    `rule` is the id of the rule that decided (nothing for targets, `otherwise`, disabled flags and errors);
    `revision` is the flag's own. `metadata` says `prerequisite` (the key of the flag whose prerequisite was not met)
    or `missing_unit` (the name of the attribute that the context lacks). With an error, `value` and `variation` are
    None.
    """

    value: Any
    variation: str | None
    reason: Reason
    rule: str | None = None
    revision: int = 0
    error: Error | None = None
    metadata: Mapping[str, str] = NO_METADATA


def failed(code: ErrorCode, message: str, revision: int = 0) -> Resolution:
    """A resolution that carries an error."""
    return Resolution(
        value=None,
        variation=None,
        reason=Reason.ERROR,
        revision=revision,
        error=Error(code=code, message=message),
    )
