"""People and machines at the API, each with a session or token of their own, exactly as anybody else would call it."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable
from typing import Any, TypeVar

import httpx

from twokey.demo import scenario
from twokey.demo.process import Broken
from twokey.demo.scenario import Person

T = TypeVar("T")
API = "/api/v1"
PLACE = {"project": scenario.PROJECT, "environment": scenario.ENVIRONMENT}


def new_password() -> str:
    """A password that can be read off a screen and typed."""
    letters = "abcdefghjkmnpqrstuvwxyz23456789"
    return "-".join("".join(secrets.choice(letters) for _ in range(4)) for _ in range(4))


class Desk:
    """Somebody signed in, with the password in mind for when fresh proof is asked."""

    def __init__(self, url: str, person: Person, password: str) -> None:
        self.person, self.password = person, password
        self._http = httpx.Client(base_url=url, trust_env=False, timeout=20.0)
        session = self.post("sign in", f"{API}/session", {"username": person.username, "password": password})
        self._http.headers["X-CSRF-Token"] = session["csrf"]

    def get(self, link: str, path: str, **query: Any) -> Any:
        """The JSON at `path`; raises Broken naming the link."""
        return self._answer(link, "GET", path, params=query or None).json()

    def text(self, link: str, path: str, **query: Any) -> str:
        """The text at `path`."""
        return self._answer(link, "GET", path, params=query or None).text

    def post(self, link: str, path: str, body: dict[str, Any] | None = None) -> Any:
        """The JSON answer to `body`."""
        return self._answer(link, "POST", path, json=body or {}).json()

    def status(self, path: str) -> int:
        """How the server answers at `path`."""
        return self._http.get(path).status_code

    def close(self) -> None:
        """Let go of the connection."""
        self._http.close()

    def _answer(self, link: str, method: str, path: str, **more: Any) -> httpx.Response:
        try:
            response = self._http.request(method, path, **more)
        except httpx.HTTPError as error:
            raise Broken(link, f"the server does not answer ({type(error).__name__})") from None
        if response.is_error:
            raise Broken(link, f"{method} {path} answered {response.status_code}: {_detail(response)}")
        return response

    # ------------------------------------------------------------ what people do

    def add_person(self, person: Person, password: str) -> None:
        """Add a person; for the administrator."""
        body = {"username": person.username, "name": person.name, "roles": list(person.roles), "password": password}
        self.post("people", f"{API}/users", body)

    def token(self, name: str, *scopes: str, kind: str = "service", on_behalf_of: str | None = None) -> str:
        """A new token's secret; for the administrator."""
        body = {"name": name, "kind": kind, "scopes": list(scopes), "on_behalf_of": on_behalf_of, **PLACE}
        return str(self.post("tokens", f"{API}/tokens", body)["secret"])

    def propose(self, title: str, operations: list[dict[str, Any]], reason: str) -> dict[str, Any]:
        """Draft a change."""
        body = {"title": title, "operations": operations, "reason": reason, **PLACE}
        drafted: dict[str, Any] = self.post("draft", f"{API}/proposals", body)
        return drafted

    def approve(self, proposal: str, digest: str, note: str = "") -> dict[str, Any]:
        """Turn a key for exactly this digest, with fresh proof."""
        body = {"digest": digest, "password": self.password, "note": note}
        answered: dict[str, Any] = self.post("approval", f"{API}/proposals/{proposal}/approve", body)
        return answered


def send_alerts(url: str, token: str, payload: dict[str, Any]) -> dict[str, Any]:
    """Post an Alertmanager webhook as Alertmanager does; raises Broken."""
    try:
        response = httpx.post(
            f"{url}/signals/v1/alertmanager",
            json=payload,
            headers={"Authorization": f"Bearer {token}"},
            trust_env=False,
            timeout=10.0,
        )
    except httpx.HTTPError as error:
        raise Broken("signal", f"the server does not answer ({type(error).__name__})") from None
    if response.is_error:
        raise Broken("signal", f"the alert was answered {response.status_code}: {_detail(response)}")
    answer: dict[str, Any] = response.json()
    return answer


def wait_for(link: str, what: str, look: Callable[[], T | None], seconds: float, pause: float = 0.3) -> T:
    """Look until there is something; raises Broken after that many seconds."""
    until = time.monotonic() + seconds
    while True:
        found = look()
        if found is not None:
            return found
        if time.monotonic() > until:
            raise Broken(link, f"no {what} within {seconds:.0f} seconds")
        time.sleep(pause)


def _detail(response: httpx.Response) -> str:
    try:
        problem = response.json()
    except ValueError:
        return response.text[:300]
    return str(problem.get("detail", problem))[:500] if isinstance(problem, dict) else str(problem)[:300]
