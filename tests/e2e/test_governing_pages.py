"""Access is governed on its page, by two people; policies are previewed; glass is broken on the page of the flag."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.support.browser import chromium, page_of
from tests.support.process import ServerProcess
from tests.support.world import ENVIRONMENT, FLAG, PASSWORD, PROJECT

OWN_POLICY = """// Nobody drafts while the shop is frozen.
@id("frozen")
forbid (principal, action == Action::"draft", resource);
"""


@pytest.fixture
def server(tmp_path: Path) -> Iterator[ServerProcess]:
    running = ServerProcess(tmp_path / "data").start()
    yield running
    running.stop()


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as made:
        yield made


def sign_in(page: Page, server: ServerProcess, who: str, path: str) -> None:
    page.goto(f"{server.url}/sign-in?next={path}")
    page.get_by_label("Username").fill(who)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in", exact=True).click()
    expect(page.get_by_role("heading", level=1)).to_be_visible()


def govern(server: ServerProcess, *edits: dict[str, object], by: str = "root") -> str:
    """The status of an access proposal that somebody made."""
    with closing(server.person(by)) as person:
        wanted = {"edits": edits, "reason": "as agreed", "password": PASSWORD}
        return str(person.post("/api/v1/access/proposals", json=wanted).json()["status"])


def shoot(page: Page, name: str) -> None:
    """A picture to look at, where somebody asked for them."""
    if folder := os.environ.get("TWOKEY_SHOTS"):
        for width, scheme in ((1280, "light"), (390, "dark")):
            page.set_viewport_size({"width": width, "height": 900})
            page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
            page.screenshot(
                path=f"{folder}/{name}-{width}-{scheme}.png", full_page=page.get_by_role("dialog").count() == 0
            )
        page.set_viewport_size({"width": 1280, "height": 900})


def propose(page: Page, reason: str) -> None:
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("Why").fill(reason)
    dialog.get_by_label("Your password").fill(PASSWORD)
    dialog.get_by_role("button", name="Propose it").click()
    expect(dialog).to_have_count(0)


def test_a_role_is_given_by_two_people_of_the_security_role(server: ServerProcess, browser: Browser) -> None:
    assert govern(server, {"edit": "grant_role", "person": "mara", "grant": "security"}) == "applied"
    with page_of(browser) as page:
        sign_in(page, server, "root", "/access")
        page.get_by_role("button", name="Give a role…").click()
        dialog = page.get_by_role("dialog")
        dialog.get_by_label("Person").select_option("ines")
        dialog.get_by_label("Role").fill("break_glass")
        dialog.get_by_label("Where it holds").select_option(f"{PROJECT}/{ENVIRONMENT}")
        shoot(page, "access-grant")
        propose(page, "she is on call this week")
        waiting = page.get_by_role("region", name="Waiting for the security role")
        expect(waiting).to_contain_text(f"ines is given break_glass@{PROJECT}/{ENVIRONMENT}")
        expect(waiting.get_by_role("button", name="Turn the security key…")).to_have_count(0)
        expect(waiting.get_by_role("button", name="Withdraw…")).to_be_visible()
    with page_of(browser) as page:
        sign_in(page, server, "mara", "/access")
        shoot(page, "access-waiting")
        page.get_by_role("button", name="Turn the security key…").click()
        dialog = page.get_by_role("dialog")
        dialog.get_by_label("Your password").fill(PASSWORD)
        shoot(page, "access-approve")
        dialog.get_by_role("button", name="Agree to this").click()
        people = page.get_by_role("region", name="People and their roles")
        expect(people.get_by_text(f"break_glass@{PROJECT}/{ENVIRONMENT}")).to_be_visible()
        expect(page.get_by_role("region", name="Waiting for the security role")).to_have_count(0)


def test_an_environment_is_governed_by_what_differs(server: ServerProcess, browser: Browser) -> None:
    assert govern(server, {"edit": "grant_role", "person": "mara", "grant": "security"}) == "applied"
    with page_of(browser) as page:
        sign_in(page, server, "root", "/access")
        environments = page.get_by_role("region", name="Environments")
        environments.get_by_role("button", name="Change…").first.click()
        dialog = page.get_by_role("dialog")
        expect(dialog.get_by_role("button", name="Propose it")).to_be_disabled()
        dialog.get_by_label("Guarded").uncheck()
        dialog.get_by_label("Proposals are good for, hours").fill("1")
        shoot(page, "access-environment")
        propose(page, "a drill")
        waiting = page.get_by_role("region", name="Waiting for the security role")
        expect(waiting).to_contain_text("takes no keys any more")
        waiting.get_by_role("button", name="Withdraw…").click()
        page.get_by_role("dialog").get_by_role("button", name="Withdraw").click()
        expect(waiting).to_have_count(0)
        expect(environments).to_contain_text("guarded")


def test_policies_are_checked_and_previewed_before_anybody_agrees(server: ServerProcess, browser: Browser) -> None:
    assert govern(server, {"edit": "grant_role", "person": "mara", "grant": "security"}) == "applied"
    with page_of(browser) as page:
        sign_in(page, server, "root", "/access")
        page.get_by_role("region", name="The team’s own policies").get_by_role("button", name="Edit…").click()
        dialog = page.get_by_role("dialog")
        dialog.get_by_label("Cedar").fill("permit (principal, action, resource)")
        dialog.get_by_label("Why").fill("freeze")
        dialog.get_by_label("Your password").fill(PASSWORD)
        dialog.get_by_role("button", name="Propose it").click()
        expect(dialog.get_by_role("alert")).to_be_visible()
        dialog.get_by_label("Cedar").fill(OWN_POLICY)
        shoot(page, "access-policies")
        propose(page, "freeze")
        waiting = page.get_by_role("region", name="Waiting for the security role")
        expect(waiting).to_contain_text("would have decided otherwise, of the last 100 proposals")
        shoot(page, "access-preview")


def test_glass_is_broken_on_the_flags_page_by_who_holds_the_role_here(server: ServerProcess, browser: Browser) -> None:
    place = f"{PROJECT}/{ENVIRONMENT}"
    assert govern(server, {"edit": "grant_role", "person": "mara", "grant": f"break_glass@{place}"}) == "applied"
    with page_of(browser) as page:
        sign_in(page, server, "ines", f"/flags/{place}/{FLAG}")
        expect(page.get_by_role("button", name="Break glass…")).to_have_count(0)
    with page_of(browser) as page:
        sign_in(page, server, "mara", f"/flags/{place}/{FLAG}")
        page.get_by_role("button", name="Break glass…").click()
        dialog = page.get_by_role("dialog")
        dialog.get_by_label("What is going on").fill("answers are wrong")
        dialog.get_by_label("Your password").fill("wrong")
        dialog.get_by_role("button", name="Break the glass").click()
        expect(dialog.get_by_role("alert")).to_contain_text("proof")
        dialog.get_by_label("Your password").fill(PASSWORD)
        shoot(page, "break-glass")
        dialog.get_by_role("button", name="Break the glass").click()
        expect(page.get_by_role("region", name="Open reviews of break-glass")).to_contain_text("answers are wrong")
        expect(page.get_by_role("button", name="Break glass…")).to_have_count(0)
        shoot(page, "glass-broken")


def test_the_gate_is_asked_what_if(server: ServerProcess, browser: Browser) -> None:
    weights = [["reranker_v2", 1000], ["baseline", 99_000]]
    operation = {"op": "set_weights", "flag": FLAG, "rule": "pro-10", "weights": weights}
    draft = {"project": PROJECT, "environment": ENVIRONMENT, "operations": [operation], "reason": "Answers are slow"}
    with closing(server.person("root")) as root:
        made = root.post("/api/v1/proposals", json=draft).json()
    with page_of(browser) as page:
        sign_in(page, server, "mara", f"/proposals/{made['id']}")
        ask = page.get_by_role("group", name="What if somebody approved")
        for role in ("support_ai_platform_owner", "release_manager"):
            ask.get_by_role("button", name=role).click()
        gate = page.get_by_role("region", name="The gate, supposed")
        expect(gate.get_by_text("open", exact=True).first).to_be_visible()
        shoot(page, "gate-supposed")
        for role in ("support_ai_platform_owner", "release_manager"):
            ask.get_by_role("button", name=role).click()
        expect(page.get_by_role("region", name="The gate", exact=True).get_by_text("waiting").first).to_be_visible()
        expect(page.get_by_text("0 of 2 turned")).to_be_visible()


def test_a_guarded_rollout_is_seen_and_moved_on_its_pages(server: ServerProcess, browser: Browser) -> None:
    stages = [{"share": 25_000, "minutes": 30}, {"share": 50_000, "minutes": 30}]
    plan = {"flag": FLAG, "rule": "pro-10", "candidate": "reranker_v2", "stages": stages}
    wanted = {"project": PROJECT, "environment": ENVIRONMENT, "plan": plan, "reason": "it looks good"}
    with closing(server.person("root")) as root:
        made = root.post("/api/v1/proposals/rollout", json=wanted).json()
    server.approve("ines", made)
    with page_of(browser) as page:
        sign_in(page, server, "mara", f"/proposals/{made['id']}")
        expect(page.get_by_role("region", name="The plan")).to_contain_text("every guardrail holds")
        shoot(page, "rollout-plan")
        server.approve("mara", made)
        card = page.get_by_role("region", name="Guarded rollout")
        expect(card).to_contain_text("running")
        page.goto(f"{server.url}/flags/{PROJECT}/{ENVIRONMENT}/{FLAG}")
        card.get_by_role("button", name="Pause…").click()
        page.get_by_role("dialog").get_by_label("Why").fill("lunch")
        page.get_by_role("dialog").get_by_role("button", name="Pause").click()
        expect(card).to_contain_text("Lunch")
        shoot(page, "rollout-paused")
        card.get_by_role("button", name="Roll back…").click()
        dialog = page.get_by_role("dialog")
        dialog.get_by_label("Why").fill("customers complain")
        dialog.get_by_label("Your password").fill(PASSWORD)
        dialog.get_by_role("button", name="Roll back now").click()
        expect(card).to_have_count(0)
        page.goto(f"{server.url}/proposals/{made['id']}")
        expect(card).to_contain_text("rolled back")
        shoot(page, "rollout-back")
