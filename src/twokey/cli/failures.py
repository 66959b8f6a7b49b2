"""What a command says when it cannot go on: what happened, why, what to do. Each with its exit code.

A problem document of the server (RFC 9457) becomes the same three sentences; nothing of it is printed unescaped.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from twokey.cli.exits import Exit
from twokey.documents.text import plain

_BY_STATUS = {
    400: Exit.USAGE, 401: Exit.NOT_SIGNED_IN, 403: Exit.REFUSED, 404: Exit.NOT_FOUND, 409: Exit.CONFLICT,
    412: Exit.CONFLICT, 413: Exit.USAGE, 415: Exit.USAGE, 422: Exit.USAGE,
    502: Exit.UNREACHABLE, 503: Exit.UNREACHABLE, 504: Exit.UNREACHABLE,
}  # fmt: skip
_WHAT_TO_DO = {
    401: "sign in with `twokey login`, or put a valid token into TWOKEY_TOKEN",
    404: "check its name: `list` shows what there is",
    409: "look at it again, then decide anew",
    429: "wait a minute, then try again",
    500: "look into the server's log, then try again",
}


class Failure(Exception):
    """A command cannot go on. `happened`, `why` and `remedy` are shown; `problem` goes into the JSON form."""

    def __init__(
        self, code: Exit, happened: str, why: str = "", remedy: str = "", problem: Mapping[str, Any] | None = None
    ) -> None:
        super().__init__(happened)
        self.exit, self.happened, self.why, self.remedy = code, happened, why, remedy
        self.problem = dict(problem or {})

    def lines(self) -> Iterator[str]:
        """What a person reads."""
        yield f"Error: {plain(self.happened)}"
        if self.why:
            yield f"  Why: {plain(self.why)}"
        yield from (f"       {line}" for line in _gate_lines(self.problem.get("gate"), 0))
        if self.remedy:
            yield f"  Do:  {plain(self.remedy)}"

    def as_json(self) -> dict[str, Any]:
        """What a script reads."""
        said = {"happened": self.happened, "why": self.why, "remedy": self.remedy, "problem": self.problem}
        return {"error": {"exit": int(self.exit), **{name: value for name, value in said.items() if value}}}


def from_problem(status: int, problem: Mapping[str, Any]) -> Failure:
    """The failure that a server's problem document tells."""
    title, detail = str(problem.get("title") or f"The server answered {status}"), str(problem.get("detail") or "")
    remedy = str(problem.get("remedy") or "") or _accepted(problem) or _WHAT_TO_DO.get(status, "")
    return Failure(_BY_STATUS.get(status, Exit.ERROR), title, detail, remedy, problem)


def usage(happened: str, remedy: str, why: str = "") -> Failure:
    """The command, or what it was given, is not valid."""
    return Failure(Exit.USAGE, happened, why, remedy)


def _accepted(problem: Mapping[str, Any]) -> str:
    accepted = problem.get("accepted")
    # Most details end with what would be accepted; it need not be said twice.
    if not accepted or str(accepted) in str(problem.get("detail")):
        return ""
    return f"give {accepted}"


def _gate_lines(gate: Any, depth: int) -> Iterator[str]:
    if not isinstance(gate, Mapping):
        return
    if gate.get("status") != "open" and (depth or not gate.get("children")):
        yield "  " * max(0, depth - 1) + f"{plain(gate.get('status'))}: {plain(gate.get('sentence'))}"
    for child in gate.get("children") or ():
        if isinstance(child, Mapping) and child.get("status") != "open":
            yield from _gate_lines(child, depth + 1)
