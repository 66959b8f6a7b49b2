"""People sign in by a certified OpenID provider, in Chromium, through the pages."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import Page, expect

from tests.clients_js.toolchain import HERE, node
from tests.support import browser
from tests.support.process import ServerProcess, eventually, free_port
from tests.support.world import PASSWORD


@pytest.fixture(scope="module")
def issuer(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, int]]:
    """The provider, and the port that its client must listen on."""
    mine, its = free_port(), free_port()
    callback = f"http://127.0.0.1:{mine}/api/v1/session/elsewhere/callback"
    with subprocess.Popen([node(), "provider.js", str(its), callback], cwd=HERE, stdout=subprocess.PIPE) as process:
        address = f"http://127.0.0.1:{its}"
        eventually(lambda: _answers(f"{address}/.well-known/openid-configuration"), what="the provider")
        yield address, mine
        process.terminate()


def _answers(address: str) -> bool:
    try:
        return httpx.get(address).status_code == 200
    except httpx.HTTPError:
        return False


@pytest.fixture(scope="module")
def signing_in(issuer: tuple[str, int], tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    folder: Path = tmp_path_factory.mktemp("elsewhere")
    secret = folder / "client-secret"
    secret.write_text("a secret of this test\n")
    options = ("--oidc-issuer", issuer[0], "--oidc-client", "twokey", "--oidc-secret-file", str(secret),
               "--oidc-name", "Corp", "--oidc-create")  # fmt: skip
    made = ServerProcess(folder / "data", options=options, port=issuer[1]).start()
    yield made
    made.stop()


def at_the_provider(page: Page, name: str) -> None:
    """What a person does there: say who they are, and that they agree."""
    page.get_by_placeholder("Enter any login").fill(name)
    page.get_by_placeholder("and password").fill("anything")
    page.get_by_role("button", name="Sign-in").click()
    page.get_by_role("button", name="Continue").click()


def test_a_person_signs_in_by_the_provider_and_lands_where_they_wanted_to_go(signing_in: ServerProcess) -> None:
    with browser.page() as page:
        page.goto(f"{signing_in.url}/audit")
        page.get_by_role("button", name="Sign in with Corp").click()
        at_the_provider(page, "nora")
        expect(page.get_by_role("heading", name="Audit log")).to_be_visible()
        told = page.request.get(f"{signing_in.url}/api/v1/session").json()
        assert (told["username"], told["roles"]) == ("nora", [])


def test_a_person_binds_their_account_and_comes_back_by_the_provider(signing_in: ServerProcess) -> None:
    with browser.page() as page:
        page.goto(f"{signing_in.url}/account")
        page.get_by_label("Username").fill("mara")
        page.get_by_label("Password").fill(PASSWORD)
        page.get_by_role("button", name="Sign in", exact=True).click()
        page.get_by_role("button", name="Bind to Corp").click()
        at_the_provider(page, "m.winter")
        expect(page.get_by_text("You can sign in with Corp")).to_be_visible()
        page.context.clear_cookies(domain="127.0.0.1", name="twokey_session")
        page.goto(f"{signing_in.url}/cases")
        page.get_by_role("button", name="Sign in with Corp").click()
        expect(page.get_by_role("heading", name="Cases")).to_be_visible()
        assert page.request.get(f"{signing_in.url}/api/v1/session").json()["username"] == "mara"
