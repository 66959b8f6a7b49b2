"""Waiting for people: the demo keeps the traffic going and says what they do, until the case is closed or Ctrl-C."""

from __future__ import annotations

import time
from typing import Any

from twokey.demo import scenario
from twokey.demo.process import Broken
from twokey.demo.screen import Screen
from twokey.demo.story import Story

PAUSE = 1.0
ASIDE = frozenset({"rejected", "withdrawn", "expired", "stale"})


def watch(story: Story, screen: Screen) -> dict[str, Any]:
    """Tell what people do with the proposal and the case; the latest check once the case is closed."""
    _invite(story, screen)
    return _Watcher(story, screen).until_closed()


def linger(story: Story, screen: Screen) -> None:
    """Stay until Ctrl-C, so that people can read the record."""
    screen.line()
    screen.line(f"The record: {story.running.url}/cases/{story.case}. Ctrl-C ends the demo.")
    while True:
        time.sleep(PAUSE)


def _invite(story: Story, screen: Screen) -> None:
    screen.heading("Your turn: two keys, two people")
    screen.line(f"  Open {story.running.url}/cases/{story.case}")
    for person in scenario.PEOPLE:
        password = story.passwords[person.username]
        screen.row(f"sign in as {person.username}", password, f"turns {person.roles[0]}")
    if not story.has_pages():
        screen.line("  (The control room's pages are not built here, so use the terminal.)")
    screen.line("  In two browsers, or in one and a private window; or in a terminal:")
    command = f"twokey proposal approve {story.proposal} --username {scenario.INES.username}"
    screen.line(f"  TWOKEY_URL={story.running.url} {command}")
    screen.line("  An agent may read and draft, and no more. Its token, if you want to see it refused:")
    screen.line(f"  {story.tokens.agent}")
    screen.line("  Traffic goes on meanwhile. Ctrl-C ends the demo.")
    screen.line()


class _Watcher:
    """Remembers what was told already."""

    def __init__(self, story: Story, screen: Screen) -> None:
        self.story, self.screen = story, screen
        self._approved: set[str] = set()
        self._status = "pending"
        self._verdicts: dict[str, str] = {}
        self._recovered = False

    def until_closed(self) -> dict[str, Any]:
        """Look once a second; the latest check, if there was one."""
        while True:
            case = self.story.look()
            self._follow(case)
            if case["status"] == "closed":
                self._decided(case)
                return dict(case["checks"][0]) if case["checks"] else {}
            time.sleep(PAUSE)

    def _follow(self, case: dict[str, Any]) -> None:
        if case["proposals"]:
            self.story.proposal = case["proposals"][0]["id"]
            self._keys(self.story.read_proposal())
        if case["checks"] and case["changes"]:
            self._evidence(case["checks"][0])

    def _keys(self, proposal: dict[str, Any]) -> None:
        for key in proposal["keys"]:
            mark = f"{proposal['id']}/{key['role']}"
            if key["status"] == "approved" and mark not in self._approved:
                self._approved.add(mark)
                self.screen.step("approval", f"{key['name'] or key['person']} turned the key {key['role']}.")
        if proposal["status"] == self._status:
            return
        self._status = proposal["status"]
        if self._status == "applied":
            self._applied()
        elif self._status in ASIDE:
            self.screen.step("approval", f"The proposal is {self._status}: nothing changed.")

    def _applied(self) -> None:
        try:
            self.story.changed()
        except Broken as broken:
            self.screen.step("change", f"{broken.why}.")

    def _evidence(self, check: dict[str, Any]) -> None:
        if check["phase"] != "after":
            return
        for each in check["verdicts"]:
            if self._verdicts.get(each["guardrail"]) != each["status"]:
                self._verdicts[each["guardrail"]] = each["status"]
                self.screen.step("evidence", f"{each['status'].replace('_', ' ')}: {each['sentence']}.")
        if not self._recovered and "holding" in self._verdicts.values():
            self._recovered = True
            self.story.recover()

    def _decided(self, case: dict[str, Any]) -> None:
        decision = case["decision"] or {}
        choice, owner = decision.get("choice", "closed"), decision.get("owner", "nobody")
        text = f"The case is closed: {choice}, owner {owner}, review on {decision.get('review_date', 'no date')}."
        self.screen.step("decision", text)
