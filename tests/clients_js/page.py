"""A page in Chromium that runs the web client, from an origin of its own."""

from __future__ import annotations

import functools
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, Page

from tests.support.ofrep_schema import Seen
from tests.support.ofrep_server import OfrepServer
from twokey.domain.identity import Scope

HTML = '<!doctype html><meta charset="utf-8"><title>An application</title><script src="client.js"></script>'


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *args: Any) -> None:
        pass


@contextmanager
def served(folder: Path) -> Iterator[str]:
    """The origin at which the folder's files are."""
    made = ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(_Quiet, directory=str(folder)))
    threading.Thread(target=made.serve_forever, args=(0.02,), daemon=True).start()
    yield f"http://127.0.0.1:{made.server_port}"
    made.shutdown()
    made.server_close()


@contextmanager
def opened(browser: Browser, origin: str, server: OfrepServer) -> Iterator[Application]:
    """A new page. What throws in it fails the test."""
    context = browser.new_context(base_url=origin)
    errors: list[str] = []
    page = context.new_page()
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.goto("/index.html")
    try:
        yield Application(page, origin, server)
    finally:
        context.close()
    assert errors == []


class Application:
    """What runs in the page, and what the server saw of it."""

    def __init__(self, page: Page, origin: str, server: OfrepServer) -> None:
        self.page, self.origin, self.server = page, origin, server
        self._from = len(server.watched.seen)

    def connect(self, *, token: str | None = None, **options: Any) -> dict[str, Any]:
        """Make a provider with these options of its own; `""` is no token. The status, and the error if any."""
        secret = self.server.token(Scope.FLAGS_EVALUATE) if token is None else token
        headers = [["Authorization", f"Bearer {secret}"]] if secret else []
        given = {"baseUrl": self.server.url, "headers": headers, "cacheMode": "disabled", **options}
        return self._call("connect", given, {"targetingKey": "u-1"})

    def details(self, kind: str, key: str, fallback: Any) -> dict[str, Any]:
        """The details of an evaluation."""
        return self._call("details", kind, key, fallback)

    def value(self, key: str) -> Any:
        """The value of a string flag."""
        return self.details("string", key, "fallback")["value"]

    def become(self, **context: Any) -> None:
        """Another context."""
        self._call("setContext", context)

    def heard(self, event: str) -> list[dict[str, Any]]:
        """The events of this name so far, the SDK's own handlers having been called with them."""
        return [each for each in self._call("events") if each["event"] == event]

    def seen(self, method: str) -> list[Seen]:
        """What the server was asked by this method since the page was opened."""
        return [each for each in self.server.watched.seen[self._from :] if each.method == method]

    def asked(self) -> list[Seen]:
        """The evaluations that were asked for."""
        return self.seen("POST")

    def streams(self) -> list[Seen]:
        """The streams of notices that were opened, or asked for in vain."""
        return self.seen("GET")

    def _call(self, name: str, *arguments: Any) -> Any:
        return self.page.evaluate("([name, rest]) => flags[name](...rest)", [name, list(arguments)])
