"""Looks at every page in Chromium: screenshots, accessibility, policy violations, overflow.

`python ui/checks/look.py [FOLDER]` starts the mock server, opens each page at two widths in light and dark, runs axe,
and fails where a page breaks the content security policy, throws, scrolls sideways or has an accessibility fault.
Needs the built pages, Node, Chromium and the Python package `playwright`.
"""

from __future__ import annotations

import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import Browser, Page, sync_playwright

UI = Path(__file__).parent.parent
AXE = UI / "node_modules" / "axe-core" / "axe.min.js"
PORT = 8199
BASE = f"http://127.0.0.1:{PORT}"
SECRET = "correct horse battery"
CHROMIUM = "/usr/bin/chromium"
FLAGS = (
    "--headless --no-sandbox --disable-gpu --disable-quic --no-first-run "
    "--disable-background-networking --disable-component-update --disable-sync"
).split()
PROPOSAL, CASE = "/proposals/prop-7k2m9q4x1c8d", "/cases/case-3n6p0r4t8v2w"
FLAG = "/flags/support/production/support_answer_profile"
Act = Callable[[Page], None]


def _press(*names: str) -> Act:
    def act(page: Page) -> None:
        for name in names:
            page.get_by_role("button", name=name).first.click()

    return act


def _explain(page: Page) -> None:
    page.get_by_role("button", name="Explain").click()
    page.get_by_text("decided here").first.wait_for()


def _wrong_password(page: Page) -> None:
    _press("Turn your key…")(page)
    page.get_by_label("Your password").fill("wrong")
    page.get_by_role("button", name="Approve this change").click()
    page.get_by_role("alert").wait_for()


def _read_chart(page: Page) -> None:
    chart = page.get_by_role("slider")
    chart.focus()
    chart.press("End")
    chart.press("ArrowLeft")


SHOTS: tuple[tuple[str, str, Act | None], ...] = (
    ("cases", "/cases", None),
    ("case", CASE, None),
    ("case-hostile", "/cases/case-0h0s0t0i0l0e", None),
    ("case-missing", "/cases/case-none", None),
    ("proposals", "/proposals", None),
    ("proposal", PROPOSAL, None),
    ("proposal-chart", PROPOSAL, _read_chart),
    ("proposal-approve", PROPOSAL, _press("Turn your key…")),
    ("proposal-refused", PROPOSAL, _wrong_password),
    ("proposal-reject", PROPOSAL, _press("Reject…")),
    ("proposal-edit", PROPOSAL, _press("Edit…")),
    ("proposal-hostile", "/proposals/prop-0a1b2c3d4e5f", None),
    ("flags", "/flags", None),
    ("flags-empty", "/flags/support/staging", None),
    ("flag", FLAG, None),
    ("flag-explained", FLAG, _explain),
    ("audit", "/audit", _press("Verify the chain")),
    ("not-found", "/nowhere", None),
)


@contextmanager
def mock(*arguments: str) -> Iterator[None]:
    """The mock server while the block runs."""
    running = subprocess.Popen(["node", str(UI / "mock" / "server.mjs"), "--port", str(PORT), *arguments])
    try:
        for _ in range(50):
            try:
                urllib.request.urlopen(BASE, timeout=1)
                break
            except OSError:
                time.sleep(0.1)
        yield
    finally:
        running.terminate()
        running.wait(5)


class Watched:
    """A page whose faults are collected."""

    def __init__(self, browser: Browser, width: int, scheme: str, folder: Path) -> None:
        self.folder, self.faults, self.name = folder, list[str](), f"{width}-{scheme}"
        context = browser.new_context(
            viewport={"width": width, "height": 900},
            color_scheme="dark" if scheme == "dark" else "light",
            bypass_csp=False,
            reduced_motion="reduce",
        )
        self.page = context.new_page()
        self.page.on("console", lambda said: self._heard(said.type, said.text))
        self.page.on("pageerror", lambda error: self.faults.append(f"{self.name}: threw {error}"))

    def _heard(self, kind: str, text: str) -> None:
        if kind in ("error", "warning") and "the server responded with a status of" not in text:
            self.faults.append(f"{self.name}: {kind}: {text}")

    def sign_in(self) -> None:
        """As the release manager, through the form."""
        self.page.goto(BASE + PROPOSAL)
        self.shoot("sign-in")
        self.page.get_by_label("Username").fill("mara")
        self.page.get_by_label("Password").fill(SECRET)
        self.page.get_by_role("button", name="Sign in").click()
        self.page.get_by_role("heading", name="The keys").wait_for()

    def visit(self, name: str, path: str, act: Act | None) -> None:
        """One page, after what is done on it."""
        self.page.goto(BASE + path)
        self.page.wait_for_selector("main h1, main [role=alert], main p")
        self.page.wait_for_timeout(350)
        if act:
            act(self.page)
            self.page.wait_for_timeout(200)
        self.shoot(name)

    def shoot(self, name: str) -> None:
        """A picture, and whatever is wrong with the page."""
        wide = self.page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
        if wide > 0:
            self.faults.append(f"{self.name} {name}: scrolls sideways by {wide} px")
        self.page.evaluate("scrollTo(0, 0)")
        self.page.screenshot(path=str(self.folder / f"{name}-{self.name}.png"), full_page="proposal-" not in name)
        for fault in self._axe():
            self.faults.append(f"{self.name} {name}: {fault}")

    def _axe(self) -> list[str]:
        # Through the debugger: the policy would rightly refuse a foreign script.
        self.page.evaluate(AXE.read_text(encoding="utf-8") + "; undefined")
        found = self.page.evaluate("axe.run(document, {resultTypes: ['violations']})")
        return [
            f"axe {each['id']}: {each['nodes'][0]['html'][:160]} ({len(each['nodes'])} places)"
            for each in found["violations"]
        ]


def main(folder: Path, only: str = "") -> int:
    """All pages; the number of faults."""
    folder.mkdir(parents=True, exist_ok=True)
    faults: list[str] = []
    with sync_playwright() as driver, mock():
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        for width, scheme in ((1280, "light"), (1280, "dark"), (390, "light"), (390, "dark")):
            watched = Watched(browser, width, scheme, folder)
            watched.sign_in()
            for name, path, act in SHOTS:
                if only in name:
                    watched.visit(name, path, act)
            watched.page.request.delete(f"{BASE}/api/v1/session")
            faults += watched.faults
            watched.page.context.close()
        browser.close()
    for fault in faults:
        print(fault)
    print(f"{len(faults)} faults; pictures in {folder}")
    return len(faults)


if __name__ == "__main__":
    arguments = [*sys.argv[1:], "", ""]
    raise SystemExit(min(1, main(Path(arguments[0] or "test-results/pages"), arguments[1])))
