"""One-time link, passkey and authenticator app in Chromium, as people use them, by real WebAuthn."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import Any

import pyotp
import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

from tests import needs
from tests.support.browser import FLAGS
from tests.support.process import ServerProcess
from tests.support.world import ENVIRONMENT, PASSWORD, PROJECT

CHOSEN = "a passphrase that nora chose"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    needs.chromium()
    made = ServerProcess(tmp_path_factory.mktemp("proofs") / "data").start()
    yield made
    made.stop()


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        made = playwright.chromium.launch(executable_path=str(needs.chromium()), args=FLAGS)
        yield made
        made.close()


@contextmanager
def at(browser: Browser, server: ServerProcess) -> Iterator[Page]:
    """A page at the server's host name, to which passkeys can belong, with an authenticator in the machine."""
    context = browser.new_context(base_url=f"http://localhost:{server.port}", reduced_motion="reduce")
    context.set_default_timeout(10_000)
    page, errors = context.new_page(), list[str]()
    page.on("pageerror", lambda error: errors.append(str(error)))
    tools = context.new_cdp_session(page)
    tools.send("WebAuthn.enable")
    machine = {
        "protocol": "ctap2", "transport": "internal", "hasResidentKey": True, "hasUserVerification": True,
        "isUserVerified": True, "automaticPresenceSimulation": True,
    }  # fmt: skip
    tools.send("WebAuthn.addVirtualAuthenticator", {"options": machine})
    try:
        yield page
    finally:
        context.close()
    assert errors == []


def sign_in(page: Page, name: str, password: str = PASSWORD, path: str = "/sign-in") -> None:
    page.goto(path)
    page.get_by_label("Username").fill(name)
    page.get_by_label("Password").fill(password)
    page.get_by_role("button", name="Sign in").click()


def draft(server: ServerProcess) -> dict[str, Any]:
    with closing(server.person("root")) as root:
        now = root.get(f"/api/v1/projects/{PROJECT}/environments/{ENVIRONMENT}/flags/new_header").json()["enabled"]
        operation = {"op": "set_enabled", "flag": "new_header", "enabled": not now}
        wanted = {"project": PROJECT, "environment": ENVIRONMENT, "reason": "r", "operations": [operation]}
        made: dict[str, Any] = root.post("/api/v1/proposals", json=wanted).json()
        return made


def test_a_one_time_link_leads_to_a_password_that_nobody_else_knows(browser: Browser, server: ServerProcess) -> None:
    with closing(server.person("root")) as root:
        secret = root.post("/api/v1/users", json={"username": "nora", "name": "Nora"}).json()["invitation"]
    with at(browser, server) as page:
        page.goto(f"/invitation#{secret}")
        page.get_by_label("Password", exact=True).fill(CHOSEN)
        page.get_by_label("Again").fill(CHOSEN + "!")
        expect(page.get_by_role("button", name="Set the password")).to_be_disabled()
        page.get_by_label("Again").fill(CHOSEN)
        page.get_by_role("button", name="Set the password").click()
        page.get_by_role("link", name="Sign in as nora").click()
        sign_in(page, "nora", CHOSEN)
        expect(page.get_by_role("heading", name="Cases")).to_be_visible()
    with at(browser, server) as page:
        page.goto(f"/invitation#{secret}")
        expect(page.get_by_role("alert")).to_contain_text("was used")


def test_a_passkey_is_added_turns_a_key_and_is_asked_for_at_sign_in(browser: Browser, server: ServerProcess) -> None:
    proposal = draft(server)
    with at(browser, server) as page:
        sign_in(page, "mara", path="/account")
        page.get_by_label("Name of a new passkey").fill("laptop")
        page.get_by_role("button", name="Add a passkey").click()
        expect(page.get_by_text("Your recovery codes, shown this once")).to_be_visible()
        expect(page.get_by_role("button", name="Remove laptop")).to_be_visible()
        page.goto(f"/proposals/{proposal['id']}")
        page.get_by_role("button", name="Turn your key").click()
        expect(page.get_by_role("dialog")).to_contain_text("Your passkey")
        page.get_by_role("button", name="Approve this change").click()
        expect(page.get_by_role("dialog")).to_have_count(0)
        answered = page.request.get(f"/api/v1/proposals/{proposal['id']}").json()
        assert answered["approved"] == 1
        entries = page.request.get("/api/v1/audit?newest_first=true&limit=10").json()
        assert "passkey" in str([each for each in entries if each["action"] == "proposal.approve"])
        page.context.clear_cookies()
        sign_in(page, "mara")
        page.get_by_role("button", name="Use your passkey").click()
        expect(page.get_by_role("heading", name="Cases")).to_be_visible()


def test_an_app_is_added_and_its_code_is_asked_for_at_sign_in(browser: Browser, server: ServerProcess) -> None:
    with at(browser, server) as page:
        sign_in(page, "ines", path="/account")
        page.get_by_role("button", name="Add an app").click()
        picture = page.get_by_role("img", name="QR code")
        expect(picture).to_be_visible()
        assert picture.evaluate("each => each.naturalWidth") > 100, "the picture is one"
        secret = page.locator("code.wrap").inner_text()
        page.get_by_label("The code that the app shows").fill(pyotp.TOTP(secret).now())
        page.get_by_role("button", name="Put it in use").click()
        expect(page.locator("main li code")).to_have_count(10)
        page.context.clear_cookies()
        sign_in(page, "ines")
        page.get_by_label("Code of your authenticator app").fill("000000")
        page.get_by_role("button", name="Go on").click()
        expect(page.get_by_role("alert")).to_contain_text("wrong")
        page.get_by_label("Code of your authenticator app").fill(pyotp.TOTP(secret).at(int(time.time()) + 30))
        page.get_by_role("button", name="Go on").click()
        expect(page.get_by_role("heading", name="Cases")).to_be_visible()
