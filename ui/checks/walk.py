"""Walks through the pages as people do, in Chromium against the mock server; fails where a step does not work.

`python ui/checks/walk.py` runs every walk, each on a fresh mock, and names those that fail.
"""

from __future__ import annotations

import os
import traceback
from collections.abc import Callable

from playwright.sync_api import Browser, expect
from stage import BASE, CASE, PASSWORD, PROPOSAL, Watched, chromium, mock

Walk = Callable[[Browser], list[Watched]]


def signing_in_leads_to_the_page_that_was_asked_for(browser: Browser) -> list[Watched]:
    """And a wrong password says so, without losing the name."""
    mara = Watched(browser)
    page = mara.page
    page.goto(BASE + PROPOSAL)
    page.get_by_label("Username").fill("mara")
    page.get_by_label("Password").fill("wrong")
    page.get_by_role("button", name="Sign in", exact=True).click()
    expect(page.get_by_role("alert")).to_contain_text("username or password is wrong", ignore_case=True)
    expect(page.get_by_label("Username")).to_have_value("mara")
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_label("Password").press("Enter")
    expect(page.get_by_role("heading", level=1)).to_contain_text("Reduce support_answer_profile")
    page.get_by_role("button", name="Mara Lindqvist: account").click()
    page.get_by_role("button", name="Sign out").click()
    expect(page.get_by_label("Username")).to_be_visible()
    return [mara]


def nobody_is_sent_to_another_site(browser: Browser) -> list[Watched]:
    """A crafted address keeps to our own pages."""
    mara = Watched(browser)
    mara.sign_in("mara", "/sign-in?next=//evil.example/x")
    expect(mara.page).to_have_url(f"{BASE}/cases")
    return [mara]


def the_back_button_goes_back(browser: Browser) -> list[Watched]:
    """Pages are addresses: links push, the browser's buttons work, the focus is in the content."""
    mara = Watched(browser)
    mara.sign_in("mara")
    page = mara.page
    page.get_by_role("link", name="Answer latency and corrections").click()
    expect(page).to_have_url(BASE + CASE)
    expect(page.locator("main")).to_be_focused()
    page.get_by_role("link", name="Read it and decide").click()
    expect(page).to_have_url(BASE + PROPOSAL)
    page.go_back()
    expect(page.get_by_role("heading", level=1)).to_contain_text("Answer latency")
    return [mara]


def the_last_key_applies_and_the_case_closes(browser: Browser) -> list[Watched]:
    """Wrong password, then the right one; what was done is seen in another window without loading anew."""
    mara, other = Watched(browser), Watched(browser, 390, "dark")
    mara.sign_in("mara", PROPOSAL)
    other.page.goto(BASE + CASE)
    other.page.get_by_text("1 of 2 turned").wait_for()
    page = mara.page
    page.get_by_role("button", name="Turn your key").click()
    dialog = page.get_by_role("dialog")
    expect(dialog.get_by_role("button", name="Approve this change")).to_be_disabled()
    dialog.get_by_label("Your password").fill("wrong")
    dialog.get_by_role("button", name="Approve this change").click()
    expect(dialog.get_by_role("alert")).to_contain_text("fresh proof")
    expect(dialog.get_by_label("Your password")).to_have_value("")
    dialog.get_by_label("Your password").fill(PASSWORD)
    dialog.get_by_label("Your password").press("Enter")
    expect(page.get_by_text("2 of 2 turned")).to_be_visible()
    expect(page.get_by_role("heading", name="The change", exact=True)).to_be_visible()
    expect(page.get_by_text("as predicted, on 1,630 units since")).to_be_visible()
    if shots := os.environ.get("TWOKEY_SHOTS"):
        page.screenshot(path=f"{shots}/proposal-applied.png", full_page=True)
    expect(other.page.get_by_text("2 of 2 turned")).to_be_visible()
    expect(other.page.get_by_text("Step 6 of 7")).to_be_visible()
    _close(other)
    return [mara, other]


def _close(watched: Watched) -> None:
    page = watched.page
    page.get_by_role("button", name="Close the case").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("Pause").check()
    dialog.get_by_label("Why").fill("The candidate breached two guardrails.")
    dialog.get_by_role("button", name="Close with this decision").click()
    expect(page.get_by_role("link", name="Markdown")).to_be_visible()


def undoing_by_rollback_is_at_once(browser: Browser) -> list[Watched]:
    """The way back that narrows was approved with the change."""
    mara = Watched(browser)
    mara.sign_in("mara", PROPOSAL)
    page = mara.page
    _approve(mara)
    page.get_by_role("button", name="Undo…").click()
    dialog = page.get_by_role("dialog")
    expect(dialog.get_by_role("button", name="Draft the undoing")).to_be_visible()
    dialog.get_by_label("Roll back").check()
    dialog.get_by_label("Your password").fill(PASSWORD)
    dialog.get_by_role("button", name="Undo now").click()
    expect(page.get_by_text("everyone in reach gets the baseline")).to_be_visible()
    expect(page.get_by_role("button", name="Undo…")).to_have_count(0)
    return [mara]


def _approve(watched: Watched) -> None:
    watched.page.get_by_role("button", name="Turn your key").click()
    watched.page.get_by_label("Your password").fill(PASSWORD)
    watched.page.get_by_role("button", name="Approve this change").click()
    watched.page.get_by_role("heading", name="The change", exact=True).wait_for()


def an_edit_makes_a_new_proposal_with_no_keys_turned(browser: Browser) -> list[Watched]:
    """And an operation that is none is refused with what is accepted."""
    mara = Watched(browser)
    mara.sign_in("mara", PROPOSAL)
    page = mara.page
    page.get_by_role("button", name="Edit…").click()
    dialog = page.get_by_role("dialog")
    expect(dialog.get_by_role("button", name="Make a new proposal")).to_be_disabled()
    operations = dialog.get_by_label("Operations")
    operations.fill("[{")
    expect(dialog.get_by_text("not JSON yet")).to_be_visible()
    operations.fill('[{"op": "grant", "role": "release_manager"}]')
    dialog.get_by_role("button", name="Make a new proposal").click()
    expect(dialog.get_by_role("alert")).to_contain_text("Accepted: set_weights")
    operations.fill('[{"op": "set_enabled", "flag": "support_answer_profile", "enabled": false}]')
    dialog.get_by_role("button", name="Make a new proposal").click()
    expect(page).to_have_url(f"{BASE}/proposals/prop-9e8d7c6b5a4f")
    expect(page.get_by_text("0 of 2 turned")).to_be_visible()
    expect(page.get_by_text("An edit of")).to_be_visible()
    return [mara]


def rejecting_needs_a_reason(browser: Browser) -> list[Watched]:
    """Escape leaves everything as it was."""
    mara = Watched(browser)
    mara.sign_in("mara", PROPOSAL)
    page = mara.page
    page.get_by_role("button", name="Reject…").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("Your password").fill(PASSWORD)
    expect(dialog.get_by_role("button", name="Reject")).to_be_disabled()
    page.keyboard.press("Escape")
    expect(dialog).to_have_count(0)
    expect(page.get_by_role("button", name="Reject…")).to_be_visible()
    page.get_by_role("button", name="Reject…").click()
    dialog.get_by_label("Why").fill("Reduce to 1 % first.")
    dialog.get_by_label("Your password").fill(PASSWORD)
    dialog.get_by_role("button", name="Reject").click()
    expect(page.get_by_text("rejected", exact=True)).to_be_visible()
    expect(page.get_by_role("button", name="Turn your key")).to_have_count(0)
    return [mara]


def who_has_no_role_sees_why(browser: Browser) -> list[Watched]:
    """Otto may read, and may edit; the page says what is missing."""
    otto = Watched(browser)
    otto.sign_in("otto", PROPOSAL)
    expect(otto.page.get_by_text("Why you cannot approve")).to_be_visible()
    expect(otto.page.get_by_role("button", name="Turn your key")).to_have_count(0)
    return [otto]


def a_note_appears_at_once(browser: Browser) -> list[Watched]:
    """And hostile text in it is shown, not obeyed."""
    mara = Watched(browser)
    mara.sign_in("mara", CASE)
    page = mara.page
    page.get_by_label("Add a note").fill("look \u202eback <b>now</b>")
    page.get_by_role("button", name="Add note").click()
    expect(page.get_by_text("look ⟨U+202E⟩back <b>now</b>").first).to_be_visible()
    return [mara]


def the_chosen_theme_stays(browser: Browser) -> list[Watched]:
    """Auto, light, dark: kept over a reload, and applied before the pages' own script runs."""
    mara = Watched(browser)
    mara.sign_in("mara")
    page = mara.page
    page.get_by_role("button", name="Theme: auto").click()
    page.get_by_role("button", name="Theme: light").click()
    page.reload()
    expect(page.locator("html")).to_have_attribute("data-theme", "dark")
    expect(page.get_by_role("button", name="Theme: dark")).to_be_visible()
    return [mara]


def the_chart_is_read_by_keys(browser: Browser) -> list[Watched]:
    """Arrow keys move a cursor whose values are said."""
    mara = Watched(browser)
    mara.sign_in("mara", PROPOSAL)
    chart = mara.page.get_by_role("slider", name="p95 latency over time")
    chart.focus()
    chart.press("Home")
    first = chart.get_attribute("aria-valuetext") or ""
    chart.press("ArrowRight")
    second = chart.get_attribute("aria-valuetext") or ""
    assert first != second
    assert "reranker_v2" in second
    assert " ms" in second
    mara.page.get_by_text("Figures as a table").click()
    expect(mara.page.get_by_role("columnheader", name="reranker_v2")).to_be_visible()
    return [mara]


def the_log_is_paged_and_filtered(browser: Browser) -> list[Watched]:
    """Newest first, then older; of one case alone."""
    mara = Watched(browser)
    mara.sign_in("mara", "/audit")
    page = mara.page
    page.get_by_role("button", name="Older").click()
    expect(page.get_by_text("environment create")).to_be_visible()
    expect(page.get_by_role("button", name="Older")).to_be_disabled()
    page.get_by_role("searchbox", name="Case").fill("case-3n6p0r4t8v2w")
    page.get_by_role("button", name="Filter").click()
    expect(page.get_by_text("signal receive")).to_be_visible()
    expect(page.get_by_text("token use")).to_have_count(0)
    return [mara]


WALKS: tuple[Walk, ...] = (
    signing_in_leads_to_the_page_that_was_asked_for,
    nobody_is_sent_to_another_site,
    the_back_button_goes_back,
    the_last_key_applies_and_the_case_closes,
    undoing_by_rollback_is_at_once,
    an_edit_makes_a_new_proposal_with_no_keys_turned,
    rejecting_needs_a_reason,
    who_has_no_role_sees_why,
    a_note_appears_at_once,
    the_chosen_theme_stays,
    the_chart_is_read_by_keys,
    the_log_is_paged_and_filtered,
)


def main() -> int:
    """Run them all; the number that failed."""
    failed = 0
    with chromium() as browser:
        for walk in WALKS:
            name = walk.__name__.replace("_", " ")
            try:
                with mock():
                    watched = walk(browser)
                faults = [fault for each in watched for fault in each.faults]
            except Exception:  # noqa: BLE001 - a walk may fail in any way, and the others go on
                faults = [traceback.format_exc(limit=-3)]
            failed += bool(faults)
            print(f"{'failed' if faults else 'ok':7}{name}", *faults, sep="\n       " if faults else "")
    return failed


if __name__ == "__main__":
    raise SystemExit(min(1, main()))
