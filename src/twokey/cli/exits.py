"""The exit codes, which scripts rely on: one meaning each, kept from release to release."""

from __future__ import annotations

from enum import IntEnum


class Exit(IntEnum):
    """How a command ended."""

    OK = 0
    ERROR = 1
    USAGE = 2
    NOT_FOUND = 3
    REFUSED = 4
    CONFLICT = 5
    VERIFICATION_FAILED = 6
    UNREACHABLE = 7
    NOT_SIGNED_IN = 8


MEANINGS = {
    Exit.OK: "done",
    Exit.ERROR: "something unexpected went wrong",
    Exit.USAGE: "the command, or what it was given, is not valid",
    Exit.NOT_FOUND: "nothing of that kind has that name",
    Exit.REFUSED: "the gate, or your permissions, refused it; or you answered no",
    Exit.CONFLICT: "what you relied on has moved: a stale digest, revision or state",
    Exit.VERIFICATION_FAILED: "the audit log does not verify",
    Exit.UNREACHABLE: "the server cannot be reached",
    Exit.NOT_SIGNED_IN: "not signed in, or username or password is wrong",
}


def table() -> str:
    """The codes as text, one to a line."""
    return "\n".join(f"  {code.value}  {meaning}" for code, meaning in MEANINGS.items())
