"""Which web pages may ask: cross-origin resource sharing.

Rules kept here:
- a page may ask if the settings name its origin, or `*`; the credential is a header, never a cookie;
- what a page of another origin gets is never kept for one that may ask (`Vary`).
"""

from __future__ import annotations

from twokey.surfaces.ofrep.answers import Answer, Headers, failure

VARY = (b"vary", b"Origin")
EXPOSED = (b"access-control-expose-headers", b"ETag, Retry-After")
PREFLIGHT: Headers = (
    (b"access-control-allow-methods", b"GET, POST"),
    (b"access-control-allow-headers", b"Authorization, X-API-Key, Content-Type, If-None-Match, Last-Event-ID"),
    (b"access-control-max-age", b"7200"),
)


class Origins:
    """The origins that may ask."""

    def __init__(self, allowed: tuple[str, ...]) -> None:
        self._any = "*" in allowed
        self._allowed = frozenset(each.encode() for each in allowed)

    def headers(self, origin: bytes | None) -> Headers:
        """What an answer to a page of this origin says; nothing to who is no page."""
        if origin is None:
            return ()
        if self._any:
            return ((b"access-control-allow-origin", b"*"), EXPOSED)
        if origin in self._allowed:
            return ((b"access-control-allow-origin", origin), EXPOSED, VARY)
        return (VARY,)

    def preflight(self, origin: bytes | None) -> Answer:
        """May this page ask at all?"""
        if origin is None or not (self._any or origin in self._allowed):
            return failure(403, None, "GENERAL", "pages of this origin may not ask: see the setting for origins")
        return Answer(204, b"", PREFLIGHT)
