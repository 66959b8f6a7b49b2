"""Policies at a terminal: what is in force, the matrix, and a file that is checked before anybody proposes it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest

from tests.adapters.cedar.test_matrix import PROMISED, cells
from tests.cli.snapshot import assert_matches
from tests.cli.world import Person
from twokey.adapters.cedar import gatekeeper
from twokey.cli.exits import Exit
from twokey.domain.matrix import HEADINGS, Place, draw

TEAM = """
// Nobody kills anything: the fallback is not ready.
@id("no-kill")
forbid (principal, action == Action::"apply", resource)
when { context.change == "kill" };
"""
PLACE = ("--project", "support", "--environment", "production")
COLUMNS = ("ai_alone", "ai_may_draft", "approval", "prompt_alone")
DIGEST = "sha256:" + "0" * 64


def policies() -> dict[str, Any]:
    written = [msgspec.structs.asdict(each) for each in gatekeeper(TEAM).written]
    return {"digest": DIGEST, "policies": [written[0], written[-1]]}


def matrix() -> dict[str, Any]:
    place = {"digest": DIGEST, "project": "support", "environment": "production", "headings": list(HEADINGS)}
    return place | msgspec.to_builtins(draw(gatekeeper("").rule, Place(project="support", environment="production")))


@pytest.fixture
def team(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.chdir(tmp_path)
    Path("team.cedar").write_text(TEAM)
    return "team.cedar"


def test_the_policies_in_force_are_listed(ines: Person) -> None:
    shown = ines.server.on("GET", "policy", policies()) and ines.runs("policy", "show")
    assert shown.code == 0
    assert DIGEST in shown.err
    assert_matches("policy-list", shown.out)
    assert ines.runs("policy", "show", "--json").json == policies()


def test_one_policy_is_shown_with_its_text(ines: Person) -> None:
    ines.server.on("GET", "policy", policies())
    assert_matches("policy-show", ines.runs("policy", "show", "no-kill").out)
    assert ines.runs("policy", "show", "no-kill", "--json").json == policies()["policies"][1]
    assert ines.runs("policy", "show", "nothing").code == Exit.NOT_FOUND


def test_the_matrix_of_the_server_is_shown(ines: Person) -> None:
    ines.server.on("GET", "policy/matrix", matrix())
    shown = ines.runs("policy", "matrix", *PLACE)
    assert (shown.code, ines.server.asked[-1].query) == (0, {"project": "support", "environment": "production"})
    assert_matches("policy-matrix", shown.out)
    assert max(map(len, shown.out.splitlines())) <= 80


def test_the_matrix_for_machines_is_the_promised_one(ines: Person) -> None:
    ines.server.on("GET", "policy/matrix", matrix())
    shown = ines.runs("policy", "matrix", *PLACE, "--json").json
    rows = [(row["says"], *(row[column]["says"] for column in COLUMNS)) for row in shown["rows"]]
    assert [tuple(shown["headings"]), *rows] == cells(PROMISED)


def test_the_matrix_of_a_file_is_drawn_without_a_server(ines: Person, team: str) -> None:
    shown = ines.runs("policy", "matrix", "--file", team, "--json").json
    rows = {row["key"]: row for row in shown["rows"]}
    assert rows["kill"]["approval"] == {"says": "nobody may", "policies": ["no-kill"]}
    assert rows["reduce"]["approval"]["says"] == "yes"
    assert "nobody may" in ines.runs("policy", "matrix", "--file", team).out
    assert ines.server.asked == []


def test_a_file_is_checked_without_a_server(ines: Person, team: str) -> None:
    shown = ines.runs("policy", "check", team)
    assert (shown.code, shown.err, ines.server.asked) == (0, "", [])
    assert_matches("policy-check", shown.out.replace(gatekeeper(TEAM).digest, DIGEST))
    found = ines.runs("policy", "check", team, "--json").json
    assert [each["id"] for each in found["policies"]] == ["no-kill"]
    assert found["digest"] == gatekeeper(TEAM).digest
    assert found["matrix"] == ["activate a global kill switch: approval: `yes` becomes `nobody may`"]


def test_the_check_draws_the_matrix_where_the_file_says(ines: Person) -> None:
    ines.terminal.piped = """
    @id("shop") forbid (principal, action == Action::"apply", resource == Environment::"shop/production")
    when { context.change == "kill" };
    @id("bank") forbid (principal is Agent, action, resource in Project::"bank") when { context.change == "pause" };
    """
    assert ines.runs("policy", "check", "-", "--json").json["matrix"] == [
        "in bank/...: recommend a rollout pause: AI may draft: `yes` becomes `only a warning`",
        "in shop/production: activate a global kill switch: approval: `yes` becomes `nobody may`",
    ]


def test_standard_input_is_a_file_too(ines: Person) -> None:
    ines.terminal.piped = TEAM
    assert ines.runs("policy", "check", "-", "--json").json["ok"] is True


def test_no_policies_of_ones_own_are_in_order(ines: Person) -> None:
    shown = ines.runs("policy", "check", "-")
    assert shown.code == 0
    assert "shipped ones stand alone" in shown.err


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("permit (principal, action resource);", "line 1"),
        ('@id("a") permit (principal, action, resource) when { context.reason == "urgent" };', "reason"),
        ('@id("people-read") permit (principal, action, resource);', "people-read"),
        ("permit (principal, action, resource);", "@id"),
        ('@id("stop") forbid (principal, action, resource);', "nobody could take these back"),
    ],
)
def test_a_file_that_is_not_in_order_says_where_and_why(ines: Person, text: str, says: str) -> None:
    ines.terminal.piped = text
    ended = ines.runs("policy", "check", "-")
    assert (ended.code, ended.out) == (Exit.USAGE, "")
    assert ended.err.startswith("Error: ")
    assert says in ended.err
    assert "Traceback" not in ended.err


def test_a_file_that_is_not_there_is_said_so(ines: Person) -> None:
    assert ines.runs("policy", "check", "nowhere.cedar").code == Exit.NOT_FOUND
