"""How a tool asks the API, as whoever holds the agent's token.

Rules kept here:
- the token goes into one header and nowhere else: not into an address, a result or an error;
- what comes back is text that others wrote: what would move a terminal or hide between letters is written out;
- a refusal is told in the API's own words, and nothing of a failure but that it was one.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

import httpx

from twokey.documents.text import plain_lines

MOST_TEXT = 20_000
"""Characters of one text in a result."""
Json = Any


class Problem(Exception):
    """The API refused, or could not answer; the words are for whoever called the tool."""


class Ask(Protocol):
    """One question to the API."""

    async def __call__(
        self, method: str, path: str, *, query: Mapping[str, Any] | None = None, body: Json = None
    ) -> Json:
        """The answer's JSON. Raises Problem."""


class ApiAsk:
    """Asks over HTTP, with one token."""

    def __init__(self, client: httpx.AsyncClient, token: str) -> None:
        self._client, self._headers = client, {"Authorization": f"Bearer {token}"}

    async def __call__(
        self, method: str, path: str, *, query: Mapping[str, Any] | None = None, body: Json = None
    ) -> Json:
        """The answer's JSON. Raises Problem."""
        known = {key: value for key, value in (query or {}).items() if value is not None}
        try:
            answer = await self._client.request(
                method, f"/api/v1{path}", params=known, json=body, headers=self._headers
            )
        except httpx.HTTPError as error:
            raise Problem(f"the server does not answer ({type(error).__name__})") from None
        if answer.is_success:
            return harmless(answer.json())
        raise Problem(_refusal(answer))


def _refusal(answer: httpx.Response) -> str:
    try:
        told = answer.json()
        detail = told.get("detail") or told.get("title")
    except (ValueError, AttributeError):
        detail = None
    return harmless(str(detail)) if detail else f"the server answered with {answer.status_code}"


def harmless(value: Json) -> Json:
    """The same JSON with every text made safe to show."""
    if isinstance(value, str):
        return plain_lines(value[:MOST_TEXT])
    if isinstance(value, Mapping):
        return {plain_lines(str(key)): harmless(each) for key, each in value.items()}
    if isinstance(value, list):
        return [harmless(each) for each in value]
    return value
