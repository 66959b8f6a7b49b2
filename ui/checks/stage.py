"""What the checks of the pages share: the mock server, Chromium, and a page whose faults are collected."""

from __future__ import annotations

import subprocess
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import Browser, Page, sync_playwright

UI = Path(__file__).parent.parent
PORT = 8199
BASE = f"http://127.0.0.1:{PORT}"
PASSWORD = "correct horse battery"
CHROMIUM = "/usr/bin/chromium"
FLAGS = (
    "--headless --no-sandbox --disable-gpu --disable-quic --no-first-run "
    "--disable-background-networking --disable-component-update --disable-sync"
).split()
PROPOSAL, CASE = "/proposals/prop-7k2m9q4x1c8d", "/cases/case-3n6p0r4t8v2w"
FLAG = "/flags/support/production/support_answer_profile"


@contextmanager
def mock(*arguments: str) -> Iterator[None]:
    """The mock server while the block runs."""
    command = ["node", str(UI / "mock" / "server.mjs"), "--port", str(PORT), *arguments]
    running = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    try:
        _wait()
        yield
    finally:
        running.terminate()
        running.wait(5)


def _wait() -> None:
    for _ in range(100):
        try:
            urllib.request.urlopen(BASE, timeout=1)
        except OSError:
            time.sleep(0.1)
        else:
            return
    raise SystemExit(f"the mock server does not answer at {BASE}")


@contextmanager
def chromium() -> Iterator[Browser]:
    """Debian's Chromium while the block runs."""
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        try:
            yield browser
        finally:
            browser.close()


class Watched:
    """A page whose faults are collected: what the policy refuses, what throws, what the console warns of."""

    def __init__(self, browser: Browser, width: int = 1280, scheme: str = "light") -> None:
        self.faults, self.name = list[str](), f"{width}-{scheme}"
        context = browser.new_context(
            viewport={"width": width, "height": 900},
            color_scheme="dark" if scheme == "dark" else "light",
            reduced_motion="reduce",
        )
        context.set_default_timeout(5000)
        self.page: Page = context.new_page()
        self.page.on("console", lambda said: self._heard(said.type, said.text))
        self.page.on("pageerror", lambda error: self.faults.append(f"{self.name}: threw {error}"))

    def _heard(self, kind: str, text: str) -> None:
        # An answer that is an error is no fault of the page.
        if kind in ("error", "warning") and "Failed to load resource" not in text:
            self.faults.append(f"{self.name}: {kind}: {text}")

    def sign_in(self, username: str, path: str = "/cases") -> None:
        """Through the form; lands on the page that was asked for."""
        self.page.goto(BASE + path)
        self.page.get_by_label("Username").fill(username)
        self.page.get_by_label("Password").fill(PASSWORD)
        self.page.get_by_role("button", name="Sign in", exact=True).click()
        self.page.get_by_role("navigation", name="Main").wait_for()
