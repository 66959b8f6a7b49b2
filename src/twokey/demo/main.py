"""`twokey demo`: the article's example on real components, in a throw-away folder, in under a minute.

Rules kept here:
- what people read goes to standard output; with `--json` that goes to standard error, and standard output is one JSON
  document;
- it ends with 0 only where every link of the loop held; otherwise it says which one did not, and why;
- whatever way it ends, the server is ended and the folder is gone.
"""

from __future__ import annotations

import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from typing import TYPE_CHECKING, Any

import msgspec

from twokey.demo import scenario
from twokey.demo.clock import ago
from twokey.demo.desk import new_password
from twokey.demo.process import Broken, free_port, server
from twokey.demo.screen import Screen

if TYPE_CHECKING:
    from twokey.demo.story import Pace, Story

FAILED, INTERRUPTED = 1, 130


def run(
    auto: bool = False,
    json_output: bool = False,
    port: int | None = None,
    *,
    json: bool = False,
    pace: Pace | None = None,
) -> int:
    """Play the demo; its exit code. `json` is another name of `json_output`; `pace` says how fast it is told."""
    json_output = json_output or json
    screen = Screen(sys.stderr if json_output else sys.stdout)
    try:
        with _terminable():
            document, page = _play(screen, auto=auto, stay=not json_output, port=port or 0, pace=pace)
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
    if json_output:
        _answer(document)
    else:
        screen.line()
        screen.line(page)
    return 0


def _play(screen: Screen, *, auto: bool, stay: bool, port: int, pace: Pace | None) -> tuple[dict[str, Any], str]:
    """The whole story; what came of it as a document, and the decision record as a page."""
    began = time.monotonic()
    _need_client()
    from twokey.demo.story import HISTORY_MINUTES, Story
    from twokey.demo.watching import linger, watch

    password, clock = new_password(), ago(HISTORY_MINUTES)
    screen.line("Twokey demo: a real server with embedded stores, in a folder that is removed at the end.")
    with server(free_port(port), clock, password) as running:
        story = Story(running, clock, screen, password, pace)
        try:
            _begin(story, screen)
            check = _finish(story) if auto else watch(story, screen)
            audit = story.verify()
            record, page = story.record()
            if not auto and stay:
                linger(story, screen)
        finally:
            story.close()
    seconds = round(time.monotonic() - began, 1)
    screen.line()
    screen.line(f"Every link held, in {seconds:.0f} seconds.")
    links = {"case": story.case, "proposal": story.proposal, "change": story.change}
    document = {"ok": True, "seconds": seconds, **links, "verdicts": check.get("verdicts", [])}
    return {**document, "audit": audit, "record": record}, page


def _need_client() -> None:
    """Raise Broken where the packages that an application would ask with are not installed."""
    try:
        import_module("openfeature.contrib.provider.ofrep")
    except ModuleNotFoundError as missing:
        why = f"the demo's traffic asks with the official OpenFeature client, and `{missing.name}` is not installed"
        raise Broken("start", f"{why}: install `openfeature-sdk` and `openfeature-provider-ofrep`") from None


def _begin(story: Story, screen: Screen) -> None:
    """From nothing to a proposal that waits for its keys."""
    story.set_up()
    screen.heading(f"Control room: {story.running.url}")
    for person in (*scenario.PEOPLE, scenario.ADMINISTRATOR):
        password = story.passwords[person.username]
        screen.row(person.username, password, f"{person.name}, {', '.join(person.roles)}")
    screen.heading("Before the alert: forty minutes, told fast")
    story.tell_history()
    screen.heading("The loop")
    story.signal()
    story.triage()
    story.draft()


def _finish(story: Story) -> dict[str, Any]:
    """Both keys, the change, the verdict, the decision."""
    story.turn_both_keys()
    story.changed()
    check = story.verdict()
    story.recover()
    story.decide(check)
    return check


def _answer(document: dict[str, Any]) -> None:
    print(msgspec.json.format(msgspec.json.encode(document), indent=2).decode())


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
