"""Debian's Chromium, headless."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from playwright.sync_api import Browser, Page, sync_playwright

from tests import needs

FLAGS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


@contextmanager
def chromium() -> Iterator[Browser]:
    """A new browser."""
    program = needs.chromium()
    with sync_playwright() as playwright:
        made = playwright.chromium.launch(executable_path=str(program), args=FLAGS)
        yield made
        made.close()


@contextmanager
def page(width: int = 1280, height: int = 900) -> Iterator[Page]:
    """A new page in a new browser. Errors in the page's script fail the test."""
    with chromium() as browser, page_of(browser, width, height) as made:
        yield made


@contextmanager
def page_of(browser: Browser, width: int = 1280, height: int = 900) -> Iterator[Page]:
    """A new page of somebody who was never here before: no cookie, no cache. Errors in its script fail the test."""
    context = browser.new_context(viewport={"width": width, "height": height})
    made = context.new_page()
    errors: list[str] = []
    made.on("pageerror", lambda error: errors.append(str(error)))
    yield made
    context.close()
    assert errors == []
