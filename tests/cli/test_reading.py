"""Reading: every list and page as people see it, and the same as JSON."""

import json
from typing import Any

import pytest

from tests.cli import views
from tests.cli.snapshot import assert_matches
from tests.cli.world import Person

PLACE = "projects/support/environments/production"
LONG = "kill_switch_for_all_assistants_in_every_region_of_the_world"
HOLDS = {"ok": True, "entries": 42, "head": views.DIGEST, "broken_at": None, "problem": ""}
CASE = "case-7k2m9qa3xv4b"
PROPOSAL = "proposal-7k2m9qa3xv4b"

READS: dict[str, tuple[tuple[str, ...], str, Any]] = {
    "flag-list": (
        ("flag", "list"),
        f"{PLACE}/flags",
        [views.flag_row(), views.flag_row(key=LONG, overdue=True, reach="nobody", enabled=False)],
    ),
    "flag-show": (("flag", "show", views.FLAG), f"{PLACE}/flags/{views.FLAG}", views.flag()),
    "case-list": (
        ("case", "list"),
        "cases",
        [
            views.case_row(),
            views.case_row(status="watching", waiting_for="evidence", title="More corrections than usual"),
        ],
    ),
    "case-show": (("case", "show", CASE), f"cases/{CASE}", views.case()),
    "proposal-list": (
        ("proposal", "list"),
        "proposals",
        [views.proposal_row(), views.proposal_row(status="superseded", effect="widens")],
    ),
    "proposal-show": (("proposal", "show", PROPOSAL), f"proposals/{PROPOSAL}", views.proposal()),
    "proposal-show-joint": (("proposal", "show", PROPOSAL), f"proposals/{PROPOSAL}", views.joint()),
    "change-list": (("change", "list"), "changes", [views.change()]),
    "change-show": (("change", "show", "change-1"), "changes/change-1", views.change()),
    "change-reach": (("change", "reach", "change-1"), "changes/change-1/reach", views.reach()),
    "experiment-list": (("experiment", "list"), f"{PLACE}/experiments", [views.experiment()]),
    "experiment-show": (
        ("experiment", "show", views.FLAG),
        f"{PLACE}/flags/{views.FLAG}/experiments",
        [views.experiment(), views.experiment(key="first", ended_at=views.ago(900).isoformat(), marks=[])],
    ),
    "audit-list": (("audit", "list"), "audit", [views.entry(41), views.entry(42, outcome="refused")]),
    "audit-verify": (("audit", "verify"), "audit/verify", HOLDS),
    "token-list": (("token", "list"), "tokens", [views.token()]),
    "user-list": (("user", "list"), "users", [views.user()]),
}


@pytest.fixture(params=READS, ids=list(READS))
def reading(request: pytest.FixtureRequest, ines: Person) -> tuple[Person, str, tuple[str, ...], Any]:
    arguments, path, answer = READS[request.param]
    ines.server.on("GET", path, answer).on("GET", "environments", [views.environment().model_dump(mode="json")])
    ines.server.on("GET", f"cases/{CASE}/series", [views.series()])
    return ines, request.param, arguments, answer


def test_a_page_is_as_reviewed_and_fits_80_columns(reading: tuple[Person, str, tuple[str, ...], Any]) -> None:
    ines, name, arguments, _ = reading
    shown = ines.runs(*arguments)
    assert (shown.code, shown.err) == (0, "")
    assert max(map(len, shown.out.splitlines())) <= 80
    assert not any(line != line.rstrip() for line in shown.out.splitlines())
    assert_matches(name, shown.out)


def test_json_is_the_view_and_nothing_else(reading: tuple[Person, str, tuple[str, ...], Any]) -> None:
    ines, _, arguments, answer = reading
    shown = ines.runs(*arguments, "--json")
    assert (shown.code, shown.err) == (0, "")
    assert shown.json == answer


@pytest.mark.parametrize("noun", ["case", "proposal", "change", "token", "user", "audit"])
def test_an_empty_list_says_so_to_people_and_stays_a_list_for_machines(ines: Person, noun: str) -> None:
    path = {"audit": "audit"}.get(noun, f"{noun}s")
    ines.server.on("GET", path, [])
    people, machine = ines.runs(noun, "list"), ines.runs(noun, "list", "--json")
    assert people.out == ""
    assert people.err.strip()
    assert machine.json == []


def test_a_full_list_says_that_there_may_be_more(ines: Person) -> None:
    ines.server.on("GET", "cases", [views.case_row()] * 2)
    assert "--limit" in ines.runs("case", "list", "--limit", "2").err
    assert ines.runs("case", "list", "--limit", "3").err == ""


def test_filters_reach_the_server(ines: Person) -> None:
    ines.server.on("GET", "cases", [])
    ines.runs("case", "list", "--status", "open", "--project", "support", "--limit", "7")
    assert ines.server.asked[-1].query == {"status": "open", "project": "support", "limit": "7"}


def test_explain_sends_the_context_as_it_was_said(ines: Person) -> None:
    ines.server.on("POST", f"{PLACE}/flags/{views.FLAG}/explain", views.explanation())
    said = ("--context", '{"targetingKey": "c-1"}', "--set", "plan=pro", "--set", "seats=12", "--set", "beta=true")
    shown = ines.runs("flag", "explain", views.FLAG, *said, "--project", "support", "--environment", "production")
    assert ines.server.body("explain") == {"context": {"targetingKey": "c-1", "plan": "pro", "seats": 12, "beta": True}}
    assert_matches("flag-explain", shown.out)


def test_the_proposal_s_document_is_printed_as_it_is(ines: Person) -> None:
    ines.server.on("GET", f"proposals/{PROPOSAL}/document", "operations_signal:\n  workflow: support_assistant\n")
    shown = ines.runs("proposal", "show", PROPOSAL, "--yaml")
    assert shown.out == "operations_signal:\n  workflow: support_assistant\n"


def test_a_record_is_printed_or_written(ines: Person) -> None:
    ines.server.on("GET", f"cases/{CASE}/record", "# Decision record: latency\n")
    assert ines.runs("case", "record", CASE).out == "# Decision record: latency\n"
    assert ines.server.asked[-1].query == {"format": "markdown"}
    file = ines.home / "record.md"
    assert ines.runs("case", "record", CASE, "--output", str(file)).out == ""
    assert file.read_text() == "# Decision record: latency\n"


def test_a_snapshot_is_written_byte_for_byte(ines: Person) -> None:
    text = '{"flags":[],"format":"twokey/1"}'
    ines.server.on("GET", f"{PLACE}/snapshot", text)
    file = ines.home / "flags.json"
    place = ("--project", "support", "--environment", "production")
    assert ines.runs("snapshot", "export", *place, "--revision", "3", "-o", str(file)).code == 0
    assert file.read_text() == text
    assert ines.server.asked[-1].query == {"revision": "3"}
    assert json.loads(ines.runs("snapshot", "export", *place).out) == json.loads(text)


class TestThePlace:
    def test_the_only_environment_needs_no_name(self, ines: Person) -> None:
        ines.server.on("GET", "environments", [views.environment().model_dump(mode="json")])
        ines.server.on("GET", f"{PLACE}/flags", [views.flag_row()])
        assert ines.runs("flag", "list").code == 0

    def test_of_several_none_is_guessed(self, ines: Person) -> None:
        both = [views.environment(key).model_dump(mode="json") for key in ("production", "staging")]
        ines.server.on("GET", "environments", both)
        ended = ines.runs("flag", "list")
        assert ended.code == 2
        assert "support/staging" in ended.err

    def test_a_name_that_fits_none_is_not_found(self, ines: Person) -> None:
        ines.server.on("GET", "environments", [views.environment().model_dump(mode="json")])
        assert ines.runs("flag", "list", "--environment", "prod").code == 3

    def test_the_terminal_s_own_setting_counts(self, ines: Person) -> None:
        ines.env |= {"TWOKEY_PROJECT": "support", "TWOKEY_ENVIRONMENT": "production"}
        ines.server.on("GET", f"{PLACE}/flags", [])
        assert ines.runs("flag", "list").code == 0
        assert ines.server.moves() == [f"GET {PLACE}/flags"]
