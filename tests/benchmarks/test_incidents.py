"""The incident bench cannot rot: it plays cases on the real parts, tells right from wrong, and can be failed."""

from __future__ import annotations

import sys
from pathlib import Path

import msgspec
import pytest

from benchmarks.incidents import __main__ as bench
from benchmarks.incidents import baselines, causes, reporting, shop
from benchmarks.incidents.running import ANALYST, Marks, incident, run
from benchmarks.incidents.scoring import Score
from tests.support import nezha

SMOKE = (("costly route", 0), ("one plan", 20), ("outage", 0), ("planted evidence", 2))


@pytest.mark.parametrize("task", SMOKE, ids=str)
def test_the_analyst_is_right_on_a_case_of_each_sort(task: tuple[str, int]) -> None:
    (kind, _), marks = run(task)
    found = marks[ANALYST]
    assert (found.kind, found.right, found.widens) == (kind, True, False)
    if found.negative:
        assert found.abstains
    else:
        assert (found.evidence, found.first, found.cohort, found.narrowest, found.reverses) == (True,) * 5
    assert marks.keys() == {ANALYST, *baselines.BASELINES}


@pytest.mark.parametrize("kind", shop.KINDS)
def test_real_requests_of_a_fault_accuse_the_flag_that_stands_for_it_and_no_other(kind: str) -> None:
    nezha.required()
    found = run((kind, 8))[1][ANALYST]
    assert found.right
    assert found.evidence == (kind in shop.GUILTY)


def test_a_case_of_a_seed_is_the_same_every_time_and_another_seed_is_another_case() -> None:
    one, again, other = (incident(("one region", seed)) for seed in (3, 3, 4))
    assert one.truth == again.truth
    assert one.service.edits == again.service.edits
    assert one.service.edits != other.service.edits


def test_no_request_is_given_twice_and_both_arms_of_a_healthy_flag_get_normal_ones() -> None:
    home = nezha.required()
    found = shop.make("no fault at all", 5, home)
    took = sorted(found.took.values())
    known = sorted(each.duration_us / 1000 for each in nezha.normal(home, nezha.DAYS[0]))
    assert len(took) <= len(known)
    left = list(known)
    for each in took:
        left.remove(each)


# ---------------------------------------------------------------- its targets can be missed

RIGHT = Score(
    kind="slow reranker", seed=1, negative=False, evidence=True, named=True, right=True, first=True, among_three=True,
    cohort=True, narrowest=True, suffices=True, strays=False, reverses=True, confidence=0.95,
)  # fmt: skip
CALM = Score(kind="outage", seed=1, negative=True, evidence=False, named=False, right=True, abstains=True)


def marks(*analyst: Score, baseline_right: bool = False) -> list[Marks]:
    """The analyst's scores, and simpler assistants that are wrong about each (or right)."""
    theirs = {
        each: msgspec.structs.replace(each, right=baseline_right, first=baseline_right and not each.negative)
        for each in analyst
    }
    return [{ANALYST: each, **dict.fromkeys(baselines.BASELINES, theirs[each])} for each in analyst]


def test_where_all_is_right_every_target_is_met() -> None:
    assert reporting.missed(marks(*[RIGHT] * 30, *[CALM] * 30)) == []


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        (msgspec.structs.replace(RIGHT, first=False, right=False, confidence=0.1), "right control first"),
        (msgspec.structs.replace(CALM, abstains=False, named=True, right=False), "abstains where nobody is guilty"),
        (msgspec.structs.replace(RIGHT, narrowest=False), "narrowest sufficient action"),
        (msgspec.structs.replace(RIGHT, widens=True), "drafts that do not widen"),
        (msgspec.structs.replace(RIGHT, reverses=False), "reverses that restore the state"),
    ],
)
def test_each_target_can_be_missed(wrong: Score, told: str) -> None:
    missed = reporting.missed(marks(*[RIGHT] * 10, *[CALM] * 10, *[wrong] * 3))
    assert [each for each in missed if each.startswith(told)]
    assert reporting.misses(marks(wrong))


def test_an_assistant_that_is_no_better_than_a_simple_one_misses() -> None:
    missed = reporting.missed(marks(*[RIGHT] * 10, *[CALM] * 10, baseline_right=True))
    assert len(missed) == len(baselines.BASELINES)


def test_confidence_that_claims_more_than_was_right_misses() -> None:
    sure = [msgspec.structs.replace(RIGHT, right=number % 2 == 0) for number in range(reporting.ENOUGH)]
    assert any(each.startswith("confidence 0.9 to 1.0: right in 50 %") for each in reporting.missed(marks(*sure)))
    assert reporting.brier([RIGHT]) == pytest.approx(0.0025)


def test_the_command_ends_with_one_where_a_target_is_missed_and_does_not_play_again_what_it_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    kept = tmp_path / "marks.jsonl"
    wrong = msgspec.structs.replace(RIGHT, first=False, right=False, confidence=0.1)
    for score, code in ((RIGHT, 0), (wrong, 1)):
        kept.write_bytes(msgspec.json.encode(bench.Kept(("slow reranker", 1), marks(score)[0])))
        told = ["bench", "--kinds", "slow reranker", "--seeds", "1-1", "--processes", "1", "--keep", str(kept)]
        monkeypatch.setattr(sys, "argv", told)
        assert bench.main() == code
        assert ("MISSED" in capsys.readouterr().out) == bool(code)


def test_shares_are_told_with_what_so_few_cases_can_show() -> None:
    assert reporting.counted([True] * 19 + [False]) == "19 of 20 (interval 76 % to 99 %)"
    assert reporting.counted([]) == "no case"


def test_every_kind_has_its_row() -> None:
    table = "\n".join(reporting.by_kind([RIGHT, CALM], {*causes.KINDS, *shop.KINDS}))
    assert all(f"| {kind} |" in table for kind in (*causes.KINDS, *shop.KINDS))
