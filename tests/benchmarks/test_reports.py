"""The benchmarks can be trusted: who answers wrongly is not timed, and a report replaces its own section alone."""

from __future__ import annotations

import importlib
import json
from pathlib import Path
from typing import Any

import pytest

from benchmarks import against_peers, workload
from benchmarks.chart import bars
from benchmarks.peers import floor, runner
from benchmarks.peers.shape import Call
from benchmarks.report import write_section

PAGE = "# Page\n\n<!-- one -->\nold\n<!-- /one -->\n\nbetween\n\n<!-- two -->\nkept\n<!-- /two -->\n"


def test_a_report_replaces_its_own_section_alone(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(PAGE)
    write_section("one", "new", page)
    write_section("one", "newer", page)
    text = page.read_text()
    assert "old" not in text
    assert text.count("newer") == 1
    assert "new\n" not in text.replace("newer", "")
    assert text.startswith("# Page\n\n<!-- one -->")
    assert text.endswith("<!-- /one -->\n\nbetween\n\n<!-- two -->\nkept\n<!-- /two -->\n")


@pytest.mark.parametrize("name", ["three", "/one"])
def test_a_report_without_a_place_is_an_error_and_changes_nothing(tmp_path: Path, name: str) -> None:
    page = tmp_path / "page.md"
    page.write_text(PAGE)
    with pytest.raises(ValueError, match="no section"):
        write_section(name, "new", page)
    assert page.read_text() == PAGE


@pytest.fixture
def loaded(tmp_path: Path) -> Any:
    payload = tmp_path / "flags.json"
    payload.write_text(json.dumps(workload.light(8)))
    return floor.load(payload, workload.light(8))


def test_who_answers_as_the_flags_say_is_let_through(loaded: Any) -> None:
    runner.check(loaded)


@pytest.mark.parametrize("case", workload.CASES)
def test_who_answers_one_case_wrongly_is_not_timed(loaded: Any, case: str) -> None:
    asked, wrong = loaded.ask, {key for key, each in loaded.cases.items() if each == case}

    def ask(key: str, context: dict[str, Any]) -> Call:
        return (lambda: "wrong") if key in wrong else asked(key, context)  # type: ignore[no-any-return]

    loaded.ask = ask
    with pytest.raises(runner.Wrong):
        runner.check(loaded)


@pytest.mark.parametrize("peer", [each.module for each in against_peers.CONTESTANTS if each.environment])
@pytest.mark.parametrize("mix", workload.MIXES)
def test_every_flag_is_told_to_every_peer_in_its_own_words(peer: str, mix: str) -> None:
    document = workload.MIXES[mix](8)
    told = json.dumps(importlib.import_module(f"benchmarks.peers.{peer}").translate(document))
    assert all(told.count(f'"{flag["key"]}"') for flag in document["flags"])
    assert all(user in told for segment in document["segments"] for user in segment["included"])


def test_the_chart_has_a_bar_for_each_figure_and_escapes_names() -> None:
    svg = bars(["a", "b"], {"us <&>": [0.1, 0.2], "them": [1.0, None]}, "us <&>")
    assert svg.count("<rect") == 3
    assert svg.count('class="o"') == 2
    assert "us &lt;&amp;&gt;" in svg
    assert "<&>" not in svg
