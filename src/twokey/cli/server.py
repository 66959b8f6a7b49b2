"""The server, over HTTP, as one principal: a bearer token, a session, or nobody.

Rules this module keeps:

- Credentials and passwords travel by TLS or to this very machine; over plain HTTP to another one they are not sent,
  unless TWOKEY_INSECURE_HTTP=1 says that the network between is trusted.
- A redirect is not followed: it could take the credentials elsewhere.
- Every answer that is not a success becomes a Failure with its exit code; an answer that is not ours is said to be so.
- Ids of users go into a path only escaped.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlsplit

from twokey.cli.exits import Exit
from twokey.cli.failures import Failure, from_problem, usage
from twokey.cli.progress import progress
from twokey.cli.runtime import Runtime
from twokey.cli.sessions import Session, SessionFile

if TYPE_CHECKING:
    import httpx

API = "/api/v1"
TIMEOUT = 30.0
LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})


@dataclass(frozen=True)
class Principal:
    """Who calls: the headers that say so."""

    headers: Mapping[str, str] = field(default_factory=dict)


def by_token(token: str) -> Principal:
    """A service or agent."""
    if not token.isascii() or not token.isprintable():
        raise usage("TWOKEY_TOKEN is not a token", "copy it again: it is one line of letters and digits")
    return Principal({"Authorization": f"Bearer {token}"})


def by_session(session: Session) -> Principal:
    """A signed-in person."""
    return Principal({"Cookie": f"{session.cookie_name}={session.cookie}", "X-CSRF-Token": session.csrf})


def stored_principal(world: Runtime) -> Principal:
    """Who this terminal is: TWOKEY_TOKEN, else the session of `twokey login`, else nobody."""
    if token := world.env.get("TWOKEY_TOKEN", "").strip():
        return by_token(token)
    session = SessionFile(world.state_folder).find(world.url)
    return by_session(session) if session else Principal()


def path(*parts: str) -> str:
    """A path of the API with every part escaped."""
    for part in parts:
        if part in {"", ".", ".."}:
            raise usage(f"`{part}` is not a name", "give the id or key as a list shows it")
    return API + "/" + "/".join(quote(part, safe="") for part in parts)


@contextmanager
def connect(world: Runtime, principal: Principal | None = None) -> Iterator[Server]:
    """The server, as `principal` (default: whoever this terminal is)."""
    import httpx

    principal = stored_principal(world) if principal is None else principal
    host = _check_address(world.url)
    if principal.headers:
        check_channel(world)
    # Proxies of the environment are for other machines, never for this one.
    with httpx.Client(
        base_url=world.url, headers=dict(principal.headers) | {"User-Agent": "twokey-cli"}, timeout=TIMEOUT,
        transport=world.transport, trust_env=host not in LOOPBACK, follow_redirects=False,
    ) as http:  # fmt: skip
        yield Server(http, world.url)


def check_channel(world: Runtime) -> None:
    """Raise Failure where a secret would travel in the clear."""
    parts = urlsplit(world.url)
    trusted = parts.scheme == "https" or parts.hostname in LOOPBACK or world.env.get("TWOKEY_INSECURE_HTTP") == "1"
    if not trusted:
        raise usage(
            f"Nothing was sent to {world.url}: it would travel in the clear",
            "use https, or a tunnel to 127.0.0.1; on a network that you trust set TWOKEY_INSECURE_HTTP=1",
            "passwords and tokens can be read by everybody on the way",
        )


def _check_address(url: str) -> str:
    try:
        parts = urlsplit(url)
        host = parts.hostname
        _ = parts.port
    except ValueError:
        host, parts = None, urlsplit("")
    if parts.scheme not in {"http", "https"} or not host or parts.username or parts.query or parts.fragment:
        raise usage(f"TWOKEY_URL is `{url}`, which is no address", "write it like http://127.0.0.1:8080")
    return host


class Server:
    """Calls to one server. Every method raises Failure for whatever is not a success."""

    def __init__(self, http: httpx.Client, url: str) -> None:
        self._http, self._url = http, url

    def get(self, path: str, **query: Any) -> Any:
        """The JSON at `path`; query values of None are left out."""
        return self._json(self.send("GET", path, query=query))

    def post(self, path: str, body: Mapping[str, Any] | None = None) -> Any:
        """The JSON answer to `body`."""
        return self._json(self.send("POST", path, body={} if body is None else body))

    def delete(self, path: str) -> None:
        """Remove what stands at `path`."""
        self.send("DELETE", path)

    def text(self, path: str, **query: Any) -> str:
        """The text at `path`."""
        return self.send("GET", path, query=query).text

    def lines(self, path: str) -> Iterator[str]:
        """The lines at `path`, as they arrive."""
        import httpx

        try:
            with self._http.stream("GET", path) as response:
                if response.status_code >= 300:
                    response.read()
                    raise self._failure(response)
                yield from response.iter_lines()
        except httpx.HTTPError as error:
            raise self._unreachable(error) from None

    def send(
        self, method: str, path: str, *, query: Mapping[str, Any] | None = None, body: Mapping[str, Any] | None = None
    ) -> httpx.Response:
        """One call; its response if it is a success."""
        import httpx

        asked = {name: value for name, value in (query or {}).items() if value is not None}
        try:
            with progress(f"Waiting for {self._url}"):
                response = self._http.request(method, path, params=asked or None, json=body)
        except httpx.HTTPError as error:
            raise self._unreachable(error) from None
        if response.status_code >= 300:
            raise self._failure(response)
        return response

    def _json(self, response: httpx.Response) -> Any:
        try:
            return response.json()
        except (json.JSONDecodeError, UnicodeDecodeError):
            raise self._foreign(response) from None

    def _failure(self, response: httpx.Response) -> Failure:
        if "json" not in response.headers.get("content-type", ""):
            return self._foreign(response)
        try:
            problem = response.json()
        except (json.JSONDecodeError, UnicodeDecodeError):
            return self._foreign(response)
        return from_problem(response.status_code, problem if isinstance(problem, dict) else {})

    def _foreign(self, response: httpx.Response) -> Failure:
        code = Exit.UNREACHABLE if response.status_code in {502, 503, 504} else Exit.ERROR
        return Failure(
            code, f"What answered at {self._url} is not a Twokey server",
            f"it sent status {response.status_code} and {response.headers.get('content-type') or 'no content type'}",
            "set TWOKEY_URL to the server's address",
        )  # fmt: skip

    def _unreachable(self, error: httpx.HTTPError) -> Failure:
        return Failure(
            Exit.UNREACHABLE, f"The server at {self._url} cannot be reached", str(error) or type(error).__name__,
            "start one with `twokey serve`, or set TWOKEY_URL to its address",
        )  # fmt: skip
