"""The Twokey server, over HTTP, as the agent whose token this process holds.

Rules kept here:
- the token goes into one header and nowhere else: not into an address, a prompt or an error;
- what comes back is text that others wrote: what hides between letters is written out, and it is still data;
- no redirect is followed, and no proxy is asked for this very machine.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

import httpx

from twokey.documents.text import plain_lines

TIMEOUT = 30.0
MOST_TEXT = 20_000
"""Characters of one text."""
Json = Any


class ServerTrouble(Exception):
    """The server refused (`status`), or could not be reached (status 0). The words are its own."""

    def __init__(self, status: int, words: str) -> None:
        super().__init__(words)
        self.status = status

    @property
    def passes(self) -> bool:
        """Whether the same call may well succeed later."""
        return self.status in (0, 429) or self.status >= 500


class Server:
    """Reading, and the two ways of saying something: a finding, or that there is none."""

    def __init__(self, http: httpx.AsyncClient) -> None:
        self._http = http

    async def get(self, *path: str, **query: Any) -> Json:
        """The JSON at this path of the API, made harmless. Raises ServerTrouble."""
        known = {key: value for key, value in query.items() if value is not None}
        return await self._ask("GET", path, params=known)

    async def post(self, *path: str, body: Mapping[str, Any]) -> Json:
        """The answer to this body. Raises ServerTrouble."""
        return await self._ask("POST", path, json=body)

    async def _ask(self, method: str, path: tuple[str, ...], **sent: Any) -> Json:
        address = "/api/v1/" + "/".join(quote(each, safe="") for each in path)
        try:
            answer = await self._http.request(method, address, **sent)
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise ServerTrouble(0, f"the server does not answer ({type(error).__name__})") from None
        if not answer.is_success:
            raise ServerTrouble(answer.status_code, _words(answer))
        try:
            return harmless(answer.json()) if answer.content else None
        except ValueError:
            raise ServerTrouble(502, "what answered is no Twokey server") from None


def connection(url: str, token: str, transport: httpx.AsyncBaseTransport | None = None) -> httpx.AsyncClient:
    """A connection to the server at this address, with this token."""
    local = httpx.URL(url).host in {"127.0.0.1", "localhost", "::1"}
    return httpx.AsyncClient(
        base_url=url, headers={"Authorization": f"Bearer {token}", "User-Agent": "twokey-assistant"}, timeout=TIMEOUT,
        transport=transport, trust_env=not local, follow_redirects=False,
    )  # fmt: skip


def harmless(value: Json) -> Json:
    """The same JSON with every text made safe to show, and none of it endless."""
    if isinstance(value, str):
        return plain_lines(value[:MOST_TEXT])
    if isinstance(value, Mapping):
        return {plain_lines(str(key)[:MOST_TEXT]): harmless(each) for key, each in value.items()}
    if isinstance(value, list):
        return [harmless(each) for each in value]
    return value


def _words(answer: httpx.Response) -> str:
    try:
        told = answer.json()
        detail = str(told.get("detail") or told.get("title") or "")
        where = str(told.get("field") or "")
    except (ValueError, AttributeError):
        detail = where = ""
    said = plain_lines(detail[:400]) or f"the server answered with {answer.status_code}"
    return f"{plain_lines(where[:200])}: {said}" if where and where not in said else said
