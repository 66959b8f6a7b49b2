"""What the door itself answers, before any tool is asked: refusals, challenges, and what it says of itself.

The words of refusals are OAuth's (RFC 6750), and the metadata is RFC 9728's, since that is what clients read.
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Collection, MutableMapping, Sequence
from typing import Any

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
Headers = tuple[tuple[bytes, bytes], ...]
WELL_KNOWN = "/.well-known/oauth-protected-resource"
FIRST_SCOPES = ("evidence:read", "flags:read", "signals:read")
"""What a client is told to ask for at first: reading. Whoever is to draft as well is given that scope on purpose."""


async def answer(send: Send, status: int, document: Any = None, headers: Headers = ()) -> None:
    """Send a document as JSON, or nothing but the status."""
    body = b"" if document is None else json.dumps(document, separators=(",", ":")).encode()
    told = (*headers, *(() if document is None else ((b"content-type", b"application/json"),)))
    sized = [*told, (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": sized})
    await send({"type": "http.response.body", "body": body})


async def refuse(send: Send, status: int, error: str, description: str, headers: Headers = ()) -> None:
    """Refuse in OAuth's words."""
    await answer(send, status, {"error": error, "error_description": description}, headers)


def challenge(metadata: str, scopes: Collection[str], error: str = "", description: str = "") -> Headers:
    """The header that tells a client which token would do, and where to learn how one is got."""
    said = {"error": error, "error_description": description.replace('"', "'")} if error else {}
    said |= {"scope": " ".join(sorted(scopes)), "resource_metadata": metadata}
    text = ", ".join(f'{name}="{value}"' for name, value in said.items())
    return ((b"www-authenticate", f"Bearer {text}".encode()), (b"cache-control", b"no-store"))


def metadata(resource: str, servers: Sequence[str]) -> dict[str, Any]:
    """What this resource says of itself. Without an authorization server its tokens are made by an administrator."""
    said: dict[str, Any] = {
        "resource": resource,
        "resource_name": "Twokey",
        "scopes_supported": list(FIRST_SCOPES),
        "bearer_methods_supported": ["header"],
    }
    return said | ({"authorization_servers": list(servers)} if servers else {})


def header(scope: Scope, name: bytes) -> str:
    """A header's value; empty where it is not there. Of several, the first."""
    return next((value.decode("latin-1") for key, value in scope["headers"] if key == name), "")
