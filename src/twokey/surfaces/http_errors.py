"""The one place where errors become HTTP answers: RFC 9457 problem details.

Rule: what a caller sent is repeated in part only, and as text that can be sent, so that no input fails its own refusal.
"""

from __future__ import annotations

from typing import Any

import msgspec

from twokey.domain.errors import Conflict, Invalid, NotFound, Refused
from twokey.surfaces.auth import ProofNeeded, Throttled, Unauthenticated

MEDIA_TYPE = "application/problem+json"
TYPE_BASE = "urn:twokey:problem:"
MAX_TEXT = 4000


def problem(status: int, kind: str, title: str, detail: str, **more: Any) -> dict[str, Any]:
    """A problem document."""
    shown = {key: _told(value) for key, value in more.items() if value is not None and value != ""}
    return {"type": TYPE_BASE + kind, "title": title, "status": status, "detail": _told(detail), **shown}


def _told(value: Any) -> Any:
    return value[:MAX_TEXT].encode("utf-8", "replace").decode() if isinstance(value, str) else value


def problem_of(error: Exception) -> dict[str, Any]:
    """The problem document of one of our errors; anything else is an internal error that tells nothing."""
    match error:
        case Invalid():
            return problem(
                422, "invalid", "The input is not valid", str(error), field=error.field, accepted=error.accepted
            )
        case NotFound():
            return problem(404, "not-found", "Not found", str(error.args[0]))
        case Conflict():
            return problem(409, "conflict", "What you relied on has moved", error.message, remedy=error.remedy)
        case ProofNeeded():
            remedy = "prove it with `POST /session/proof`, then call again"
            return problem(403, "proof-needed", "Prove that you are here", error.message, remedy=remedy)
        case Refused():
            gate = msgspec.to_builtins(error.gate) if error.gate else None
            return problem(403, "refused", "Refused", error.message, gate=gate)
        case Unauthenticated():
            return problem(401, "unauthenticated", "Not signed in", str(error))
        case Throttled():
            return problem(429, "throttled", "Too many attempts", f"try again in {error.retry_after} seconds")
        case _:
            return problem(500, "internal", "Something went wrong here", "the server's log has the details")


def headers_of(error: Exception) -> dict[str, str]:
    """The headers that belong to an error."""
    if isinstance(error, Unauthenticated):
        return {"WWW-Authenticate": 'Bearer realm="twokey"'}
    if isinstance(error, Throttled):
        return {"Retry-After": str(error.retry_after)}
    return {}
