"""Who may ask over HTTP at all, by what a browser cannot be made to lie about: the Host and the Origin.

Rules kept here:
- a Host that is not ours is no request to us (421): a page that makes its own name point here (DNS rebinding) ends
  there;
- a request that names an Origin comes from a page, and pages ask only where that was said (403);
- this very machine is ours under each of its names and on any port, and so is the public address.
"""

from __future__ import annotations

from collections.abc import Iterable, MutableMapping
from typing import Any
from urllib.parse import urlsplit

from twokey.surfaces.mcp_server.answers import Scope, Send, header, refuse

LOOPBACK = ("127.0.0.1", "localhost", "[::1]")


class Visitors:
    """The hosts and origins that are let in."""

    def __init__(self, address: str = "", hosts: Iterable[str] = (), origins: Iterable[str] = ()) -> None:
        public = urlsplit(address)
        self._hosts = frozenset(each.lower() for each in (public.netloc, *hosts) if each)
        own = f"{public.scheme}://{public.netloc}" if public.netloc else ""
        self._origins = frozenset(each.lower().rstrip("/") for each in (own, *origins) if each)

    async def stop(self, scope: Scope, send: Send) -> bool:
        """Refuse a request to another host, or of a page that may not ask; whether it was refused."""
        if not self.knows_host(header(scope, b"host")):
            told = "this host is none of ours: start the server with --public-url or --agent-host"
            await refuse(send, 421, "misdirected_request", told)
            return True
        origin = header(scope, b"origin")
        if origin and not self.lets_in(origin):
            await refuse(send, 403, "forbidden_origin", "pages of this origin may not ask: see --agent-origin")
            return True
        return False

    def knows_host(self, host: str) -> bool:
        """Whether that is a name of this server."""
        host = host.lower()
        return host in self._hosts or _without_port(host) in LOOPBACK

    def lets_in(self, origin: str) -> bool:
        """Whether pages of this origin may ask."""
        origin = origin.lower()
        scheme, _, host = origin.partition("://")
        return origin in self._origins or (scheme in ("http", "https") and _without_port(host) in LOOPBACK)


def shared(send: Send, origin: str) -> Send:
    """Lets a page of this origin, which may ask, read what is answered."""
    if not origin:
        return send
    more = (
        (b"access-control-allow-origin", origin.encode("latin-1")),
        (b"access-control-expose-headers", b"WWW-Authenticate, Retry-After"),
        (b"vary", b"Origin"),
    )

    async def sent(message: MutableMapping[str, Any]) -> None:
        if message["type"] == "http.response.start":
            message["headers"] = [*message.get("headers", ()), *more]
        await send(message)

    return sent


def _without_port(host: str) -> str:
    name, colon, port = host.rpartition(":")
    return name if colon and port.isdecimal() and port.isascii() else host
