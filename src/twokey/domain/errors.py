"""The four exceptions of the control plane. Expected outcomes are values; these are for what must not go on.

No HTTP status stands here: one module of the surfaces maps these to RFC 9457 problem details.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from twokey.engine.errors import Invalid

if TYPE_CHECKING:
    from twokey.domain.gate import Gate

__all__ = ["Conflict", "Invalid", "NotFound", "Refused"]


class NotFound(LookupError):
    """Nothing of that kind has that id."""

    def __init__(self, kind: str, key: str) -> None:
        super().__init__(f"there is no {kind} `{key}`")
        self.kind, self.key = kind, key


class Conflict(RuntimeError):
    """What the caller relied on has moved: a stale revision, an old digest, a state that does not allow the move."""

    def __init__(self, message: str, *, remedy: str = "") -> None:
        super().__init__(message if not remedy else f"{message}; {remedy}")
        self.message, self.remedy = message, remedy


class Refused(PermissionError):
    """The caller may not do this. Carries the gate's explanation tree where one was evaluated."""

    def __init__(self, message: str, gate: Gate | None = None) -> None:
        super().__init__(message)
        self.message, self.gate = message, gate
