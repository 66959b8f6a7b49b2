"""What the demo tells while people act, on a story of our own making."""

from __future__ import annotations

import io
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest

from twokey.demo import watching
from twokey.demo.process import Broken
from twokey.demo.screen import Screen


def key(role: str, person: str | None = None) -> dict[str, Any]:
    return {"role": role, "status": "approved" if person else "waiting", "person": person, "name": person}


def case(status: str = "acting", *, verdicts: dict[str, str] | None = None, **more: Any) -> dict[str, Any]:
    checks = [
        {
            "phase": "after",
            "verdicts": [
                {"guardrail": name, "status": told, "sentence": f"{name} is {told}"} for name, told in verdicts.items()
            ],
        }
    ] if verdicts else []  # fmt: skip
    return {"status": status, "proposals": [{"id": "proposal-1"}], "changes": [1] if verdicts else [], "checks": checks,
            "decision": None} | more  # fmt: skip


class Scripted:
    """A story whose case and proposal go as written: one (case, proposal) pair at each look."""

    def __init__(self, *acts: tuple[dict[str, Any], dict[str, Any]], change: str = "") -> None:
        self._acts: Iterator[tuple[dict[str, Any], dict[str, Any]]] = iter(acts)
        self._change = change
        self._now: dict[str, Any] = {}
        self.recovered = 0
        self.proposal = "proposal-1"
        self.case = "case-1"
        self.running = SimpleNamespace(url="http://127.0.0.1:1")
        self.tokens = SimpleNamespace(agent="twokey_agent")
        self.passwords = {"ines": "p-ines", "mara": "p-mara"}

    def has_pages(self) -> bool:
        return False

    def look(self) -> dict[str, Any]:
        found, self._now = next(self._acts)
        return found

    def read_proposal(self) -> dict[str, Any]:
        return {"id": "proposal-1", **self._now}

    def changed(self) -> None:
        if self._change:
            raise Broken("change", self._change)

    def recover(self) -> None:
        self.recovered += 1


@pytest.fixture(autouse=True)
def _at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watching, "PAUSE", 0.0)


def told(story: Scripted) -> tuple[str, dict[str, Any]]:
    out = io.StringIO()
    check = watching.watch(story, Screen(out))  # type: ignore[arg-type]
    return out.getvalue(), check


PENDING = {"status": "pending", "keys": [key("owner"), key("release_manager")]}
ONE = {"status": "pending", "keys": [key("owner", "Ines"), key("release_manager")]}
APPLIED = {"status": "applied", "keys": [key("owner", "Ines"), key("release_manager", "Mara")]}
DECIDED = {"choice": "pause", "owner": "support-ai", "review_date": "2026-04-01"}


def test_every_key_verdict_and_the_decision_are_told_once() -> None:
    story = Scripted(
        (case(), PENDING),
        (case(), ONE),
        (case(), ONE),
        (case("watching", verdicts={"p95": "inconclusive"}), APPLIED),
        (case("watching", verdicts={"p95": "holding"}), APPLIED),
        (case("watching", verdicts={"p95": "holding"}), APPLIED),
        (case("closed", verdicts={"p95": "holding"}, decision=DECIDED), APPLIED),
    )
    text, check = told(story)
    for line in (
        "Ines turned the key owner.",
        "Mara turned the key release_manager.",
        "inconclusive: p95 is inconclusive.",
        "holding: p95 is holding.",
        "The case is closed: pause, owner support-ai, review on 2026-04-01.",
    ):
        assert text.count(line) == 1
    assert check["verdicts"][0]["status"] == "holding"
    assert story.recovered == 1
    assert "pages are not built here" in text
    assert "p-ines" in text


def test_a_rejection_is_an_ending_too() -> None:
    closed = case("closed", decision=DECIDED | {"choice": "no_action"})
    text, check = told(Scripted((case(), PENDING), (case(), PENDING | {"status": "rejected"}), (closed, PENDING)))
    assert "The proposal is rejected: nothing changed." in text
    assert "The case is closed: no_action" in text
    assert check == {}


def test_a_change_that_does_not_reach_the_client_is_told() -> None:
    story = Scripted((case(), APPLIED), (case("closed"), APPLIED), change="c-1 still gets reranker_v2")
    text, _ = told(story)
    assert "c-1 still gets reranker_v2." in text
