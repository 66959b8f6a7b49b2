"""The wire to a provider: what goes out is looked at once more, what comes back has an end.

Rules kept here:
- a body with a secret of this process in it is not sent (the key itself travels in a header, which is not a body);
- no redirect is followed: it would take the key and the evidence elsewhere;
- an answer is read to its limit and no further, and none is unpacked: a small one could be huge.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

import httpx2

from twokey.assistant.guard import Guard
from twokey.assistant.settings import LOOPBACK, Settings

CONNECT_SECONDS = 10.0


class TooLarge(Exception):
    """A provider's answer goes past what is read of one."""


class Elsewhere(Exception):
    """A provider sent us to another address, or packed its answer."""


class GuardedTransport(httpx2.AsyncBaseTransport):
    """A transport that looks at both directions."""

    def __init__(self, inner: httpx2.AsyncBaseTransport, guard: Guard, most: int) -> None:
        self._inner, self._guard, self._most = inner, guard, most

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        """Send it, if it may be sent. Raises Leak, TooLarge or Elsewhere."""
        self._guard.check(await request.aread())
        self._guard.check(str(request.url).encode())
        request.headers["Accept-Encoding"] = "identity"
        answer = await self._inner.handle_async_request(request)
        if 300 <= answer.status_code < 400 or answer.headers.get("Content-Encoding", "identity") != "identity":
            await answer.aclose()
            raise Elsewhere("the provider redirects, or packs its answers")
        assert isinstance(answer.stream, httpx2.AsyncByteStream)  # noqa: S101 - for the type checker
        answer.stream = _Limited(answer.stream, self._most)
        return answer

    async def aclose(self) -> None:
        """Close the connections."""
        await self._inner.aclose()


class _Limited(httpx2.AsyncByteStream):
    """A body that ends with an error where it goes past the limit."""

    def __init__(self, inner: httpx2.AsyncByteStream, most: int) -> None:
        self._inner, self._left = inner, most

    async def __aiter__(self) -> AsyncIterator[bytes]:
        async for chunk in self._inner:
            self._left -= len(chunk)
            if self._left < 0:
                raise TooLarge("the provider's answer is larger than is read")
            yield chunk

    async def aclose(self) -> None:
        await self._inner.aclose()


def wire(settings: Settings, guard: Guard) -> httpx2.AsyncClient:
    """A client of this provider."""
    budget = settings.budget
    inner = httpx2.AsyncHTTPTransport(proxy=_proxy(settings))
    return httpx2.AsyncClient(
        transport=GuardedTransport(inner, guard, budget.answer_bytes),
        timeout=httpx2.Timeout(budget.request_seconds, connect=min(CONNECT_SECONDS, budget.request_seconds)),
        follow_redirects=False,
        trust_env=False,
    )


def _proxy(settings: Settings) -> str | None:
    """The environment's proxy: those are for other machines, never for this one."""
    if settings.host in LOOPBACK or proxy_bypass(settings.host):
        return None
    return getproxies().get(urlsplit(settings.url).scheme)
