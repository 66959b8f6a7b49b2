"""A use of break-glass is told on every page, loudly, until somebody else has looked back at it."""

from __future__ import annotations

import os
from contextlib import closing
from pathlib import Path

from playwright.sync_api import expect

from tests.support import browser
from tests.support.process import ServerProcess
from tests.support.world import ENVIRONMENT, FLAG, PASSWORD, PROJECT


def break_the_glass(server: ServerProcess) -> None:
    edit = {"edit": "grant_role", "person": "mara", "grant": "break_glass"}
    with closing(server.person("root")) as root, closing(server.person("mara")) as mara:
        wanted = {"edits": [edit], "reason": "on call", "password": PASSWORD}
        assert root.post("/api/v1/access/proposals", json=wanted).json()["status"] == "applied"
        flag = mara.get(f"/api/v1/projects/{PROJECT}/environments/{ENVIRONMENT}/flags/{FLAG}").json()
        breaking = {
            "project": PROJECT, "environment": ENVIRONMENT, "flag": FLAG, "seen": flag["revision"],
            "reason": "answers are wrong, and nobody answers the phone", "password": PASSWORD,
        }  # fmt: skip
        assert mara.post("/api/v1/break-glass", json=breaking).status_code == 201


def test_broken_glass_is_told_on_every_page_until_somebody_else_closes_the_review(tmp_path: Path) -> None:
    server = ServerProcess(tmp_path / "data").start()
    try:
        break_the_glass(server)
        with browser.page() as page:
            page.goto(f"{server.url}/cases")
            page.get_by_label("Username").fill("root")
            page.get_by_label("Password").fill(PASSWORD)
            page.get_by_role("button", name="Sign in").click()
            banner = page.get_by_role("region", name="Open reviews of break-glass")
            expect(banner).to_be_visible()  # signed in: going on before would drop the request
            for path in ("/cases", "/flags", "/policy", "/audit", "/account"):
                page.goto(server.url + path)
                expect(banner).to_contain_text("answers are wrong, and nobody answers the phone")
            if folder := os.environ.get("TWOKEY_SHOTS"):
                page.screenshot(path=f"{folder}/banner.png")
            banner.get_by_role("button", name="Close the review").click()
            dialog = page.get_by_role("dialog")
            dialog.get_by_label("Note").fill("The phone was dead; it was right.")
            dialog.get_by_label("Your password").fill(PASSWORD)
            if folder:
                page.screenshot(path=f"{folder}/banner-dialog.png")
            dialog.get_by_role("button", name="Close the review").click()
            expect(banner).to_have_count(0)
            page.goto(f"{server.url}/flags")
            expect(page.get_by_role("heading", name="Flags")).to_be_visible()
            expect(banner).to_have_count(0)
    finally:
        server.stop()
