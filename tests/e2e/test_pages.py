"""The control room on a real server, in Chromium, as people use it: by keyboard, on a phone, in the dark, under attack.

One server and one browser serve the module. Its case is opened by a hostile alert over real telemetry; each test that
changes something has a proposal of its own.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest
from playwright.sync_api import Browser, Page, Route, expect, sync_playwright

from tests import needs
from tests.adapters.cedar.test_matrix import PROMISED, cells
from tests.support.browser import FLAGS
from tests.support.process import ServerProcess, eventually
from tests.support.server import alertmanager_body
from tests.support.traffic import batch_of
from tests.support.world import ENVIRONMENT, FLAG, PASSWORD, PROJECT

AXE = needs.ROOT / "ui" / "node_modules" / "axe-core" / "axe.min.js"
PROMISED_ROWS = cells(PROMISED)[1:]
WIDE, PHONE = {"width": 1440, "height": 900}, {"width": 390, "height": 844}
# Each width and each scheme once: every further pair costs seconds, and ui/checks/look.py looks at them all.
LOOKS: tuple[tuple[dict[str, int], str], ...] = ((WIDE, "light"), (PHONE, "dark"))
OWNED = "<img src=x onerror=\"window.owned='alert'\"><script>window.owned='alert'</script>"
HOSTILE = f"Answers are slow {OWNED} \u202egnorw\u202c \u2066hidden\u2069"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    needs.chromium()
    made = ServerProcess(tmp_path_factory.mktemp("pages") / "data").start()
    yield made
    made.stop()


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        made = playwright.chromium.launch(executable_path=str(needs.chromium()), args=FLAGS)
        yield made
        made.close()


@pytest.fixture(scope="module")
def case(server: ServerProcess) -> dict[str, Any]:
    """A case that waits for its keys: slow answers of the candidate, told by an alert whose text attacks the reader."""
    with closing(server.person("mara")) as mara:
        snapshot = mara.get(f"/api/v1/projects/{PROJECT}/environments/{ENVIRONMENT}/snapshot").json()
        batch = batch_of(snapshot, 2000, slow=0.03, slow_candidate=0.5, prefix="before")
        body = alertmanager_body("LatencyHigh", start=datetime.now(UTC).isoformat())
        body["alerts"][0]["annotations"]["summary"] = HOSTILE
        with closing(server.holder("telemetry")) as intake, closing(server.holder("signals")) as source:
            assert intake.post("/api/v1/telemetry", json=batch).status_code == 200
            found = source.post("/signals/v1/alertmanager", json=body).json()["results"][0]["case"]
        return eventually(lambda: _acting(mara, found), what="the proposal")


def _acting(person: httpx.Client, case: str) -> dict[str, Any] | None:
    found: dict[str, Any] = person.get(f"/api/v1/cases/{case}").json()
    return found if found["status"] == "acting" else None


def draft(server: ServerProcess) -> dict[str, Any]:
    """Another flag than the case's is switched over: who applies it changes nothing for the rest of the module."""
    wanted = {
        "project": PROJECT,
        "environment": ENVIRONMENT,
        "title": "Switch the header",
        "reason": "it is in the way",
    }
    with closing(server.person("root")) as root:
        now = root.get(f"/api/v1/projects/{PROJECT}/environments/{ENVIRONMENT}/flags/new_header").json()["enabled"]
        operation = {"op": "set_enabled", "flag": "new_header", "enabled": not now}
        answer = root.post("/api/v1/proposals", json={**wanted, "operations": [operation]})
        assert answer.status_code == 201, answer.text
        made: dict[str, Any] = answer.json()
        return made


@contextmanager
def visit(browser: Browser, server: ServerProcess, path: str, person: str = "") -> Iterator[Page]:
    """A new page at `path`, signed in where a person is named. What throws in it fails the test."""
    context = browser.new_context(base_url=server.url, viewport=WIDE, reduced_motion="reduce")  # type: ignore[arg-type]
    context.set_default_timeout(10_000)
    errors: list[str] = []
    page = context.new_page()
    page.on("pageerror", lambda error: errors.append(str(error)))
    if person:
        answer = page.request.post("/api/v1/session", data={"username": person, "password": PASSWORD})
        assert answer.ok, answer.text()
    page.goto(path)
    try:
        yield page
    finally:
        context.close()
    assert errors == []


def arrived(page: Page) -> None:
    """What the page asked for is there: its heading is seen, and nothing is waited for."""
    page.locator("h1").first.wait_for()
    expect(page.get_by_text("Loading", exact=True)).to_have_count(0)


def test_signing_in_leads_where_one_wanted_to_go_and_a_wrong_password_says_so(
    browser: Browser, server: ServerProcess
) -> None:
    with visit(browser, server, "/audit") as page:
        page.get_by_label("Username").fill("mara")
        page.get_by_label("Password").fill("correct horse")
        page.get_by_role("button", name="Sign in").click()
        expect(page.get_by_role("alert")).to_contain_text("Username or password is wrong")
        expect(page.get_by_label("Username")).to_have_value("mara")
        expect(page.get_by_label("Password")).to_have_value("")
        page.get_by_label("Password").fill(PASSWORD)
        page.get_by_role("button", name="Sign in").click()
        expect(page.get_by_role("heading", name="Audit log")).to_be_visible()
        expect(page).to_have_url(f"{server.url}/audit")


def test_a_proposal_page_tells_in_short_what_happened_and_what_waits(
    browser: Browser, server: ServerProcess, case: dict[str, Any]
) -> None:
    """Without scrolling: what happened, what it would change, what is not known, and whose keys are missing."""
    with visit(browser, server, f"/proposals/{case['proposals'][0]['id']}", "mara") as page:
        short = page.get_by_role("region", name="In short")
        expect(short).to_contain_text("p95 latency", ignore_case=True)
        expect(short).to_contain_text("Narrows exposure")
        expect(short).to_contain_text("2,000 units")
        expect(short).to_contain_text("What proof is missing")
        expect(short).to_contain_text("citation failure rate", ignore_case=True)
        for each in (short, page.get_by_text("waits for you"), page.get_by_role("button", name="Turn your key")):
            expect(each).to_be_in_viewport(ratio=1)


def test_a_page_shows_what_somebody_else_did_without_being_loaded_anew(
    browser: Browser, server: ServerProcess, case: dict[str, Any]
) -> None:
    proposal = draft(server)
    with visit(browser, server, f"/proposals/{proposal['id']}", "ines") as page:
        expect(page.get_by_text("0 of 1 turned")).to_be_visible()
        expect(page.get_by_text("Live", exact=True)).to_be_visible()
        page.evaluate("window.sameDocument = true")
        server.approve("mara", proposal)
        expect(page.get_by_text("1 of 1 turned")).to_be_visible()
        expect(page.get_by_role("heading", name="The change")).to_be_visible()
        assert page.evaluate("window.sameDocument") is True


def tab_to(page: Page, name: str) -> None:
    """Presses Tab until the focus is on what is called so, and that can be seen to have it."""
    told = "(document.activeElement.labels?.[0] ?? document.activeElement).textContent.trim()"
    seen = []
    for _ in range(60):
        page.keyboard.press("Tab")
        seen.append(page.evaluate(told)[:40])
        if seen[-1].startswith(name):
            assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid"
            return
    raise AssertionError(f"Tab never came to {name!r}, but to {seen}")


def test_a_chart_is_read_by_keys_as_a_table_and_as_a_picture(
    browser: Browser, server: ServerProcess, case: dict[str, Any]
) -> None:
    with visit(browser, server, f"/flags/{PROJECT}/{ENVIRONMENT}/{FLAG}", "mara") as page:
        page.get_by_role("button", name="p95").first.click()
        chart = page.get_by_role("slider", name="over time by variation").first
        chart.focus()
        told = []
        for key in ("End", "ArrowLeft", "Home"):
            page.keyboard.press(key)
            told.append(chart.get_attribute("aria-valuetext") or "")
        assert len(set(told)) == 3
        for each in told:
            assert "baseline" in each
            assert "ms" in each
        page.keyboard.press("Escape")
        expect(chart).to_have_attribute("aria-valuetext", "Use the arrow keys to read the values")
        figure = page.locator("figure").filter(has=chart)
        figure.get_by_text("Figures as a table").press("Enter")
        expect(figure.get_by_role("columnheader")).to_have_text(["Time", "baseline", "reranker_v2"])
        picture = page.get_by_role("link", name="As a picture (PNG)").first.get_attribute("href")
        assert page.request.get(str(picture)).body().startswith(b"\x89PNG")


def test_a_key_is_turned_by_the_keyboard_alone(browser: Browser, server: ServerProcess) -> None:
    """From the sign-in to the change: a wrong password on the way, a dialog left by Escape, never a mouse."""
    proposal = draft(server)
    with visit(browser, server, "/proposals") as page:
        keys = page.keyboard
        page.get_by_label("Username").wait_for()
        tab_to(page, "Username")
        keys.type("mara")
        tab_to(page, "Password")
        keys.type(PASSWORD)
        keys.press("Enter")
        page.get_by_role("link", name=proposal["title"]).first.wait_for()
        tab_to(page, proposal["title"])
        keys.press("Enter")
        page.get_by_role("button", name="Turn your key").wait_for()
        tab_to(page, "Turn your key")
        keys.press("Enter")
        dialog = page.get_by_role("dialog")
        dialog.wait_for()
        keys.press("Escape")
        expect(page.locator("dialog")).to_have_count(0)
        expect(page.get_by_role("button", name="Turn your key")).to_be_focused()
        keys.press("Enter")
        tab_to(page, "Your password")
        keys.type("wrong")
        keys.press("Enter")
        expect(dialog.get_by_role("alert")).to_contain_text("The proof was not accepted")
        expect(dialog.get_by_label("Your password")).to_be_focused()
        keys.type(PASSWORD)
        keys.press("Enter")
        expect(page.get_by_text("1 of 1 turned")).to_be_visible()
        expect(page.get_by_text("applied", exact=True).first).to_be_visible()


def test_the_policy_page_draws_the_promised_matrix_and_names_who_decides(
    browser: Browser, server: ServerProcess
) -> None:
    with visit(browser, server, "/policy", "mara") as page:
        arrived(page)
        rows = [[cell.inner_text() for cell in row.locator("td > div").all()] for row in page.locator("tbody tr").all()]
        assert rows[: len(PROMISED_ROWS)] == [list(row[1:]) for row in PROMISED_ROWS]
        page.get_by_label("which policies decide").check()
        page.get_by_role("link", name="agents-turn-no-key").first.click()
        expect(page.locator("#policy-agents-turn-no-key")).to_be_in_viewport()


def addresses(case: dict[str, Any]) -> dict[str, str]:
    return {
        "cases": "/cases",
        "case": f"/cases/{case['id']}",
        "proposals": "/proposals",
        "proposal": f"/proposals/{case['proposals'][0]['id']}",
        "flags": "/flags",
        "flag": f"/flags/{PROJECT}/{ENVIRONMENT}/{FLAG}",
        "policy": "/policy",
        "account": "/account",
        "audit": "/audit",
        "nowhere": "/nowhere",
        "missing": "/cases/case-none",
    }


def faults(page: Page, name: str) -> list[str]:
    """What keeps people out of this page, in every look: scrolling sideways, axe's serious and critical findings."""
    page.evaluate(AXE.read_text(encoding="utf-8") + "; undefined")  # by the debugger: the policy refuses it to pages
    found = []
    for viewport, scheme in LOOKS:
        page.set_viewport_size(viewport)  # type: ignore[arg-type]
        page.emulate_media(color_scheme="dark" if scheme == "dark" else "light")
        look = f"{name}, {viewport['width']} px, {scheme}"
        beyond = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
        found += [f"{look}: scrolls sideways by {beyond} px"] if beyond > 0 else []
        result = page.evaluate("axe.run(document, {resultTypes: ['violations']})")
        assert any(each["id"] == "color-contrast" for each in result["passes"] + result["violations"]), look
        found += [
            f"{look}: {each['id']}: {each['nodes'][0]['html'][:120]}: {each['nodes'][0]['failureSummary'][:200]}"
            for each in result["violations"]
            if each["impact"] in ("serious", "critical")
        ]
    return found


def test_every_page_can_be_read_by_everybody_wide_and_narrow_light_and_dark(
    browser: Browser, server: ServerProcess, case: dict[str, Any]
) -> None:
    if not AXE.is_file():
        pytest.skip("needs the package `axe-core`: run `npm ci --ignore-scripts` in ui/")
    found = []
    with visit(browser, server, "/sign-in") as page:
        page.get_by_role("button", name="Sign in").wait_for()
        found += faults(page, "sign-in")
    with visit(browser, server, "/cases", "mara") as page:
        for name, path in addresses(case).items():
            page.goto(path)
            arrived(page)
            found += faults(page, name)
        page.goto(addresses(case)["proposal"])
        for button in ("Turn your key", "Edit", "Reject"):
            page.get_by_role("button", name=button).click()
            page.get_by_role("dialog").wait_for()
            found += faults(page, button)
            page.keyboard.press("Escape")
    assert found == []


def luminance(page: Page) -> float:
    """Of the page's ground, from 0 (black) to 1, roughly."""
    colour = page.evaluate("getComputedStyle(document.body).backgroundColor.match(/[\\d.]+/g).map(Number)")
    return float(sum(colour[:3])) / (3 * 255)


def test_light_and_dark_follow_the_system_at_once(browser: Browser, server: ServerProcess) -> None:
    with visit(browser, server, "/cases", "mara") as page:
        arrived(page)
        page.emulate_media(color_scheme="light")
        assert luminance(page) > 0.9
        page.emulate_media(color_scheme="dark")
        assert luminance(page) < 0.1
        page.get_by_role("button", name="Theme: auto").click()
        assert luminance(page) > 0.9, "a chosen theme holds against the system"


def test_hostile_text_of_an_alert_is_shown_and_does_nothing(
    browser: Browser, server: ServerProcess, case: dict[str, Any]
) -> None:
    pages = addresses(case)
    with visit(browser, server, pages["cases"], "mara") as page:
        for path in (pages["cases"], pages["case"], pages["proposal"], f"/audit?case={case['id']}"):
            page.goto(path)
            arrived(page)
            if path != f"/audit?case={case['id']}":
                expect(page.get_by_text(OWNED).first).to_be_visible()
                expect(page.get_by_text("⟨U+202E⟩").first).to_be_visible()
            assert page.locator("main img").count() == 0
            assert page.evaluate("window.owned") is None
            text = page.evaluate("document.body.textContent + document.title")
            assert not set("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\u200e\u200f") & set(text)


def test_a_script_written_into_the_page_does_not_run(browser: Browser, server: ServerProcess) -> None:
    """As if the server's own answer held one, or a hole in the pages let markup through."""

    def inject(route: Route) -> None:
        answer = route.fetch()
        body = answer.text().replace("</body>", "<script>window.owned='inline'</script></body>")
        assert "window.owned" in body
        route.fulfill(response=answer, body=body)

    with visit(browser, server, "/sign-in") as page:
        page.route("**/cases", inject)
        refused: list[str] = []
        page.on("console", lambda said: refused.append(said.text) if said.type == "error" else None)
        page.goto("/cases")
        page.get_by_label("Username").wait_for()
        assert page.evaluate("window.owned") is None
        assert any("Content Security Policy" in each for each in refused), refused
        page.goto("/sign-in")
        assert (
            page.evaluate("try { document.body.innerHTML = '<b>x</b>'; 'taken' } catch (e) { e.name }") == "TypeError"
        )


def test_nobody_frames_the_pages_or_has_them_send_elsewhere(server: ServerProcess) -> None:
    policy = httpx.get(f"{server.url}/cases").headers["content-security-policy"]
    rules = {name: rest for name, _, rest in (each.strip().partition(" ") for each in policy.split(";"))}
    assert (rules["script-src"], rules["style-src"], rules["object-src"]) == ("'self'", "'self'", "'none'")
    assert (rules["frame-ancestors"], rules["base-uri"], rules["form-action"]) == ("'none'", "'none'", "'self'")
