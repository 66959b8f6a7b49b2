"""The server that evaluation over HTTP is measured beside: its table says so where it could not be measured."""

from __future__ import annotations

from benchmarks import ofrep
from benchmarks.http_peer import unleash
from benchmarks.ofrep import Load, Row

ECHO = [Load(30_000, 0.001), Load(32_000, 0.001)]
OURS = [Row("one flag of 1,000", [Load(20_000, 0.002), Load(21_000, 0.002)], ECHO, 12_000)]


def test_the_peer_stands_in_the_table_with_what_it_answered() -> None:
    peer = [Row("all 4 flags", [Load(2_000, 0.02), Load(2_200, 0.02)], ECHO, 0)]
    text = ofrep.table(OURS, peer)
    assert f"| Unleash {unleash.version()} frontend API, all 4 flags | 2,100 | 20.0 | 6.8% | | |" in text
    assert "not measured" not in text


def test_a_peer_that_could_not_be_measured_is_named_with_the_reason() -> None:
    text = ofrep.table(OURS, [], "it ended by itself")
    assert f"Unleash {unleash.version()} frontend API: not measured, it ended by itself" in text


def test_the_target_of_a_single_evaluation_is_missed_below_three_fifths_of_the_echo() -> None:
    slow = [Row("one flag of 1,000", [Load(15_000, 0.002), Load(15_100, 0.002)], ECHO, 12_000)]
    assert "| yes |" in ofrep.table(OURS, [])
    assert "| no |" in ofrep.table(slow, [])


def test_its_lock_file_names_no_address() -> None:
    text = (unleash.HERE / "package-lock.json").read_text()
    assert '"resolved"' not in text
    assert '"integrity"' in text
