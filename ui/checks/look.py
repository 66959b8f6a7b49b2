"""Looks at every page in Chromium: screenshots, accessibility, policy violations, overflow.

`python ui/checks/look.py [FOLDER [NAME]]` starts the mock server, opens each page (or those whose name holds NAME) at
two widths in light and dark, runs axe, and fails where a page breaks the content security policy, throws, scrolls
sideways or has an accessibility fault. Needs the built pages, Node, Chromium and the Python package `playwright`.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

from playwright.sync_api import Browser, Page, Route
from stage import BASE, CASE, FLAG, PROPOSAL, UI, Watched, chromium, mock

AXE = UI / "node_modules" / "axe-core" / "axe.min.js"
LOOKS = ((1280, "light"), (1280, "dark"), (390, "light"), (390, "dark"))
Act = Callable[[Page], None]


def _press(name: str) -> Act:
    return lambda page: page.get_by_role("button", name=name).first.click()


def _explain(page: Page) -> None:
    _press("Explain")(page)
    page.get_by_text("decided here").first.wait_for()


def _wrong_password(page: Page) -> None:
    _press("Turn your key…")(page)
    page.get_by_label("Your password").fill("wrong")
    _press("Approve this change")(page)
    page.get_by_role("alert").wait_for()


def _decide(page: Page) -> None:
    page.get_by_label("which policies decide").check()
    page.locator("#policy-no-kill-in-production summary").click()


def _read_chart(page: Page) -> None:
    chart = page.get_by_role("slider")
    chart.focus()
    chart.press("End")
    chart.press("ArrowLeft")


def _scroll(page: Page) -> None:
    page.get_by_role("heading", name="The gate").scroll_into_view_if_needed()
    page.get_by_role("region", name="The keys in short").wait_for()


SHOTS: tuple[tuple[str, str, Act | None], ...] = (
    ("cases", "/cases", None),
    ("cases-closed", "/cases", _press("Closed")),
    ("case", CASE, None),
    ("case-owner", CASE, _press("take it")),
    ("case-hostile", "/cases/case-0h0s0t0i0l0e", None),
    ("case-close", "/cases/case-0h0s0t0i0l0e", _press("Close the case…")),
    ("case-missing", "/cases/case-none", None),
    ("proposals", "/proposals", None),
    ("proposal", PROPOSAL, None),
    ("proposal-chart", PROPOSAL, _read_chart),
    ("proposal-scrolled", PROPOSAL, _scroll),
    ("proposal-approve", PROPOSAL, _press("Turn your key…")),
    ("proposal-refused", PROPOSAL, _wrong_password),
    ("proposal-reject", PROPOSAL, _press("Reject…")),
    ("proposal-edit", PROPOSAL, _press("Edit…")),
    ("proposal-hostile", "/proposals/prop-0a1b2c3d4e5f", None),
    ("flags", "/flags", None),
    ("flags-empty", "/flags/support/staging", None),
    ("flag", FLAG, None),
    ("flag-explained", FLAG, _explain),
    ("flag-rollout", FLAG, lambda page: page.get_by_text("What happened so far").click()),
    ("flag-rollout-move", FLAG, _press("Roll back…")),
    ("account", "/account", None),
    ("proposal-supposed", PROPOSAL, _press("release_manager")),
    ("access", "/access", lambda page: page.get_by_text("What was decided before").click()),
    ("access-dialog", "/access", _press("Change…")),
    ("access-agree", "/access", _press("Turn the security key…")),
    ("policy", "/policy", None),
    ("policy-deciding", "/policy", _decide),
    ("audit", "/audit", _press("Verify the chain")),
    ("audit-entry", "/audit?case=case-3n6p0r4t8v2w", lambda page: page.get_by_text("proposal draft").click()),
    ("menu", "/cases", _press("Mara Lindqvist: account")),
    ("not-found", "/nowhere", None),
)
EMPTY: tuple[tuple[str, str, Act | None], ...] = tuple(
    (f"empty-{name}", f"/{name}", None) for name in ("cases", "proposals", "flags", "policy", "access", "audit")
)
IN_PART = ("proposal-", "case-close", "case-owner", "menu", "flag-rollout-move")
WHOLE = {name for name, _, _ in (*SHOTS, *EMPTY) if not name.startswith(IN_PART)}


class Looked(Watched):
    """A page that is looked at."""

    def __init__(self, browser: Browser, look: tuple[int, str], folder: Path) -> None:
        super().__init__(browser, *look)
        self.folder = folder

    def visit(self, name: str, path: str, act: Act | None) -> None:
        """One page, after what is done on it."""
        self.page.goto(BASE + path)
        self.page.wait_for_selector("main h1, main [role=alert], main p")
        self.page.wait_for_timeout(350)
        if act:
            act(self.page)
            self.page.wait_for_timeout(200)
        self.shoot(name)

    def in_trouble(self) -> None:
        """The server does not answer yet, then answers nonsense, then is gone."""
        held: list[Route] = []

        def hold(route: Route) -> None:
            held.append(route)

        self.page.route("**/api/v1/cases?*", hold)
        self.page.goto(BASE + "/cases")
        self.page.wait_for_timeout(900)
        self.shoot("trouble-loading")
        for each in held:
            each.abort()
        self.page.unroute_all()
        self.page.route("**/api/v1/cases?*", lambda route: route.fulfill(status=502, body="<h1>Bad gateway</h1>"))
        self.visit("trouble-gateway", "/cases", None)
        self.page.unroute_all()
        self.page.route("**/api/v1/cases?*", lambda route: route.abort())
        self.visit("trouble-gone", "/cases", None)
        self.page.unroute_all()

    def shoot(self, name: str) -> None:
        """A picture, and whatever is wrong with the page."""
        wide = self.page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
        if wide > 0:
            self.faults.append(f"{self.name} {name}: scrolls sideways by {wide} px")
        if name in WHOLE:
            self.page.evaluate("scrollTo(0, 0)")
        self.page.screenshot(path=str(self.folder / f"{name}-{self.name}.png"), full_page=name in WHOLE)
        self.faults += [f"{self.name} {name}: {fault}" for fault in self._axe()]

    def _axe(self) -> list[str]:
        # Through the debugger: as a script of the page, the policy would rightly refuse it.
        self.page.evaluate(AXE.read_text(encoding="utf-8") + "; undefined")
        found = self.page.evaluate("axe.run(document, {resultTypes: ['violations']})")
        return [
            f"axe {each['id']}: {each['nodes'][0]['html'][:160]} ({len(each['nodes'])} places)"
            for each in found["violations"]
        ]


def look(browser: Browser, folder: Path, only: str) -> list[str]:
    """All pages in all looks; the faults."""
    faults: list[str] = []
    for each in LOOKS:
        looked = Looked(browser, each, folder)
        looked.page.goto(BASE + PROPOSAL)
        looked.shoot("sign-in")
        looked.sign_in("mara", PROPOSAL)
        for name, path, act in SHOTS:
            if only in name:
                looked.visit(name, path, act)
        if only in "trouble":
            looked.in_trouble()
        looked.page.request.delete(f"{BASE}/api/v1/session")
        faults += looked.faults
        looked.page.context.close()
    return faults


def look_at_nothing(browser: Browser, folder: Path) -> list[str]:
    """The pages of a server that holds nothing yet."""
    looked = Looked(browser, (1280, "light"), folder)
    looked.sign_in("mara")
    for name, path, act in EMPTY:
        looked.visit(name, path, act)
    looked.page.context.close()
    return looked.faults


def main(folder: Path, only: str = "") -> int:
    """Look, and tell; the number of faults."""
    folder.mkdir(parents=True, exist_ok=True)
    with chromium() as browser:
        with mock():
            faults = look(browser, folder, only)
        if only in "empty":
            with mock("--empty"):
                faults += look_at_nothing(browser, folder)
    for fault in faults:
        print(fault)
    print(f"{len(faults)} faults; pictures in {folder}")
    return len(faults)


if __name__ == "__main__":
    arguments = [*sys.argv[1:], "", ""]
    raise SystemExit(min(1, main(Path(arguments[0] or "test-results/pages"), arguments[1])))
