"""A run of the peers is bearable, and what could not be had is a dash with its reason: nothing is made up."""

from __future__ import annotations

import json
import re
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from benchmarks import against_peers, workload
from benchmarks.against_peers import COLUMNS, CONTESTANTS, FASTEST, TWOKEY, Column, Contestant, Process, Run
from benchmarks.peers import featbit, posthog, runner, unleash

FIRST = COLUMNS[0]
ONE, OTHER = Contestant("floor", "one"), Contestant("floor", "other")


class Scripted:
    """A process that answers what it was told to, and counts."""

    def __init__(self, *answers: dict[str, Any]) -> None:
        self.answers, self.asked = answers, 0

    def ask(self, **question: Any) -> dict[str, Any]:
        self.asked += 1
        return self.answers[min(self.asked, len(self.answers)) - 1]


def timed(tmp_path: Path, column: Column, rounds: int = 3, **processes: Scripted) -> Run:
    run = Run(tmp_path, rounds, [ONE, OTHER])
    run.time_column(column, processes)  # type: ignore[arg-type]
    return run


def cells(run: Run, name: str) -> list[str]:
    row = next(line for line in run.timings().splitlines() if line.startswith(f"| {name} "))
    return [each.strip() for each in row.strip("|").split("|")[1:]]


def test_the_median_of_the_rounds_stands_in_the_table(tmp_path: Path) -> None:
    run = timed(tmp_path, FIRST, one=Scripted({"us": 9.0}, {"us": 2.0}, {"us": 1.0}))
    assert cells(run, "one")[0] == "2.00"
    assert run.told() == ""


def test_who_fails_in_any_round_has_a_dash_and_its_reason_is_told(tmp_path: Path) -> None:
    failing = Scripted({"us": 1.0}, {"error": "Wrong: no such thing"}, {"us": 1.0})
    run = timed(tmp_path, FIRST, one=failing, other=Scripted({"us": 3.0}))
    assert cells(run, "one")[0] == "-"
    assert cells(run, "other")[0] == "3.00"
    assert run.told() == f"- one, {FIRST.heading}: Wrong: no such thing"
    assert failing.asked == 2


def test_who_is_slow_has_one_round_at_least_and_no_more_than_patience_allows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(against_peers, "PATIENCE", 0.0)
    slow = Scripted({"us": 4.0})
    run = timed(tmp_path, FIRST, rounds=9, one=slow)
    assert slow.asked == 1
    assert cells(run, "one")[0] == "4.00"


def test_a_process_that_ended_says_so_instead_of_ending_the_run() -> None:
    process = Process(ONE)
    process.end()
    assert process.ask(do="time") == {"error": "the process ended"}


def test_without_us_or_the_fastest_there_is_nothing_to_compare_with(tmp_path: Path) -> None:
    text = timed(tmp_path, FIRST, one=Scripted({"us": 1.0})).timings()
    assert "target for Twokey" not in text
    both = Run(tmp_path, 1, [each for each in CONTESTANTS if each.name in (TWOKEY, FASTEST)])
    both.found = {TWOKEY: {FIRST: 0.1}, FASTEST: {FIRST: 1.2}}
    assert cells(both, "target for Twokey")[:2] == ["0.25 (met)", "0.8 (-)"]
    assert cells(both, "times as fast as statsig's Rust core")[:2] == ["12.0", "-"]


@pytest.mark.parametrize("arguments", [["--only", "nobody"], ["--only", "posthog", "--write"], ["--only"]])
def test_a_few_are_never_reported_as_all_and_nobody_is_not_a_contestant(arguments: list[str]) -> None:
    with pytest.raises(SystemExit):
        against_peers.options(arguments)


def test_some_are_asked_for_by_their_modules() -> None:
    assert against_peers.options(["--only", "posthog", "unleash"]).only == ["posthog", "unleash"]


def test_a_call_that_fills_the_turn_is_not_repeated_to_get_warm() -> None:
    calls: list[float] = []

    def call() -> None:
        calls.append(time.perf_counter())
        time.sleep(0.02)

    service = runner.Service(SimpleNamespace())
    service.peer = SimpleNamespace(ask=lambda key, context: call)  # type: ignore[assignment]
    service.time("boolean", 8, 0.01)
    before = len(calls)
    service.time("boolean", 8, 0.01)
    assert len(calls) - before == 1


def test_featbits_expression_says_what_the_third_rule_says() -> None:
    flag = featbit.translate(workload.document([workload.rules("flag")], []))["data"]["featureFlags"][0]
    expression = flag["rules"][2]["conditions"][0]["value"]
    later, earlier = ("2.3.0", "2.4.1", "2.10.0", "3.0.0", "10.0.0"), ("2.2.9", "1.9.9", "0.12.3", "2.0.30", "1.23.0")
    assert [each for each in (*later, *earlier) if re.search(expression, each)] == list(later)


@pytest.mark.parametrize("peer", [posthog, featbit, unleash])
def test_a_peer_that_can_share_a_segment_is_told_its_users_once(peer: Any) -> None:
    told = json.dumps(peer.translate(workload.light(40)))
    assert [told.count(f'"{user}"') for user in workload.users(20)] == [1] * 20
