"""`twokey demo`: the article's example on real components, in a throw-away folder, in under a minute.

Rules kept here:
- what people read goes to standard output; with `--json` that goes to standard error, and standard output is one JSON
  document;
- it ends with 0 only where every link of the loop held; otherwise it says which one did not, and why;
- whatever way it ends, the server is ended and the folder is gone.
"""

from __future__ import annotations

import json
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from twokey.demo import scenario
from twokey.demo.clock import ago
from twokey.demo.desk import new_password
from twokey.demo.process import Broken, Running, free_port, server
from twokey.demo.screen import Screen
from twokey.demo.story import HISTORY_MINUTES, Story
from twokey.demo.watching import watch

FAILED, INTERRUPTED = 1, 130


def run(auto: bool = False, json_output: bool = False, port: int | None = None, **named: Any) -> int:
    """Play the demo; its exit code. `json` is accepted as another name of `json_output`."""
    json_output = bool(named.get("json", json_output))
    screen = Screen(sys.stderr if json_output else sys.stdout)
    began = time.monotonic()
    try:
        with _terminable():
            return _run(screen, auto, json_output, port or 0, began)
    except Broken as broken:
        screen.line()
        screen.line(f"The demo stops at `{broken.link}`: {broken.why}")
        if json_output:
            _answer({"ok": False, "link": broken.link, "problem": broken.why})
        return FAILED
    except KeyboardInterrupt:
        screen.line()
        screen.line("Ended. The server is stopped and its folder is gone.")
        return INTERRUPTED if auto else 0


def _run(screen: Screen, auto: bool, json_output: bool, port: int, began: float) -> int:
    password, clock = new_password(), ago(HISTORY_MINUTES)
    screen.line("Twokey demo: a real server with embedded stores, in a folder that is removed at the end.")
    with server(free_port(port), clock, password) as running:
        story = Story(running, clock, screen, password)
        try:
            story.set_up()
            _introduce(screen, running, story)
            screen.heading("Before the alert: forty minutes, told fast")
            story.tell_history()
            screen.heading("The loop")
            story.signal()
            story.triage()
            story.draft()
            if not auto:
                return watch(story, screen)
            _finish(story, screen, json_output, began)
        finally:
            story.close()
    return 0


def _introduce(screen: Screen, running: Running, story: Story) -> None:
    screen.heading(f"Control room: {running.url}")
    for person in (*scenario.PEOPLE, scenario.ADMINISTRATOR):
        password = story.passwords[person.username]
        screen.row(person.username, password, f"{person.name}, {', '.join(person.roles)}")


def _finish(story: Story, screen: Screen, json_output: bool, began: float) -> None:
    story.turn_both_keys()
    story.changed()
    check = story.verdict()
    story.recover()
    story.decide(check)
    audit = story.verify()
    record, page = story.record()
    seconds = round(time.monotonic() - began, 1)
    screen.line()
    screen.line(f"Every link held, in {seconds:.0f} seconds.")
    if not json_output:
        screen.line()
        screen.line(page)
        return
    links = {"case": story.case, "proposal": story.proposal, "change": story.change}
    _answer({"ok": True, "seconds": seconds, **links, "verdicts": check["verdicts"], "audit": audit, "record": record})


def _answer(document: dict[str, Any]) -> None:
    print(json.dumps(document, ensure_ascii=False, indent=2))


@contextmanager
def _terminable() -> Iterator[None]:
    """Let a polite request to end do what Ctrl-C does, so that nothing is left behind."""

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


if __name__ == "__main__":
    sys.exit(run(auto="--auto" in sys.argv, json_output="--json" in sys.argv))
