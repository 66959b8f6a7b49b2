"""Drafting: proposals from files, new flags, notes, and the decision that closes a case."""

import json
from typing import Any

import pytest

from tests.cli import views
from tests.cli.snapshot import assert_matches
from tests.cli.world import FakeTerminal, Person
from twokey.cli.exits import Exit
from twokey.domain.control import check_control
from twokey.domain.operation import parse_operation

PLACE = ("--project", "support", "--environment", "production")
DRAFT = {
    "operations": [{"op": "set_enabled", "flag": "x", "enabled": False}],
    "reason": "it harms",
    "project": "support",
    "environment": "production",
}


@pytest.fixture
def author(ines: Person) -> Person:
    ines.server.on("POST", "proposals", views.proposal(), 201)
    return ines


class TestDraft:
    def test_json_from_a_file(self, author: Person) -> None:
        file = author.home / "draft.json"
        file.write_text(json.dumps(DRAFT))
        ended = author.runs("proposal", "draft", str(file), "--case", "case-1")
        assert ended.code == 0
        assert author.server.body("proposals") == DRAFT | {"case": "case-1"}
        assert "Nothing has changed" in ended.err

    def test_yaml_from_standard_input(self, author: Person) -> None:
        author.terminal.piped = (
            "reason: it harms\nproject: support\nenvironment: production\n"
            "operations:\n  - {op: set_enabled, flag: x, enabled: false}\n"
        )
        assert author.runs("proposal", "draft", "-", "--json").json["id"] == views.proposal()["id"]
        assert author.server.body("proposals") == DRAFT

    def test_options_win_over_the_file(self, author: Person) -> None:
        author.terminal.piped = json.dumps(DRAFT)
        author.runs("proposal", "draft", "-", "--environment", "staging")
        assert author.server.body("proposals")["environment"] == "staging"

    def test_parts_in_several_environments_are_drafted_together(self, author: Person) -> None:
        operations = DRAFT["operations"]
        wanted = {
            "reason": "it harms",
            "project": "support",
            "parts": [{"environment": each, "operations": operations} for each in ("production", "eu")],
        }
        pair = [views.proposal(), views.proposal(id="proposal-2")]
        author.server.on("POST", "proposals/joint", pair, 201)
        author.terminal.piped = json.dumps(wanted)
        ended = author.runs("proposal", "draft", "-")
        assert ended.code == 0
        assert author.server.body("proposals/joint") == wanted
        assert f"Drafted {pair[0]['id']} and proposal-2" in ended.err

    @pytest.mark.parametrize("text", ["[]", "just words", "{a: [1,", "!!python/object/apply:os.system [id]", ""])
    def test_what_is_no_proposal_is_not_sent(self, author: Person, text: str) -> None:
        author.terminal.piped = text
        assert author.runs("proposal", "draft", "-").code == Exit.USAGE
        assert author.server.asked == []

    def test_a_missing_file_is_named(self, author: Person) -> None:
        ended = author.runs("proposal", "draft", "nowhere.yaml")
        assert ended.code == Exit.NOT_FOUND
        assert "nowhere.yaml" in ended.err

    def test_what_the_server_finds_wrong_names_the_field(self, author: Person) -> None:
        body = views.problem(422, "The input is not valid", "operations[0].op: `x`", field="operations[0].op")
        author.server.on("POST", "proposals", body, 422)
        author.terminal.piped = json.dumps(DRAFT)
        ended = author.runs("proposal", "draft", "-")
        assert ended.code == Exit.USAGE
        assert "operations[0].op" in ended.err


class TestCreateFlag:
    NEEDED = ("--owner", "support-ai", "--purpose", "how answers are found", "--reason", "the new profile", *PLACE)
    TEMPORARY = ("--review-date", "2026-05-01", "--cleanup-condition", "reranker_v2 is the baseline")

    def created(self, author: Person, *more: str) -> dict[str, Any]:
        ended = author.runs("flag", "create", "answer_profile", *self.NEEDED, *more)
        assert ended.code == 0, ended.err
        assert "does not exist yet" in ended.err
        (operation,) = author.server.body("proposals")["operations"]
        return dict(operation)

    def test_it_drafts_an_operation_that_the_control_plane_takes(self, author: Person) -> None:
        operation = parse_operation(self.created(author, *self.TEMPORARY))
        control = check_control(operation.control)  # type: ignore[union-attr]
        assert control.flag.enabled is False
        assert [each.value for each in control.flag.variations] == [False, True]
        assert (control.flag.baseline, control.flag.otherwise.variation) == ("off", "off")

    def test_everything_that_can_be_said_arrives(self, author: Person) -> None:
        guardrails = author.home / "guardrails.yaml"
        guardrails.write_text("- {key: p95, metric: latency, kind: tail, limit: 2500}\n")
        said = (
            *("--variation", "baseline", "--variation", "reranker_v2", "--unit", "conversation"),
            *("--surface", "retrieval", "--approver", "support_ai_platform_owner", "--workflow", "support_assistant"),
            *("--caution", "baseline", "--caution", "reranker_v2", "--guardrails", str(guardrails)),
            *("--permanent-because", "it is a mode of the assistant"),
        )
        control = parse_operation(self.created(author, *said)).control  # type: ignore[union-attr]
        assert (control.kind, control.surface, control.flag.unit) == ("permanent", "retrieval", "conversation")
        assert control.caution == ("baseline", "reranker_v2")
        assert control.guardrails[0].limit == 2500
        assert control.approvers == ("support_ai_platform_owner",)

    @pytest.mark.parametrize(
        ("variations", "type_"),
        [
            (("a=1", "b=2"), "integer"),
            (("a=1", "b=2.5"), "number"),
            (('a={"x":1}', "b={}"), "object"),
            (("a", "b"), "string"),
        ],
    )
    def test_the_type_is_that_of_the_values(self, author: Person, variations: tuple[str, ...], type_: str) -> None:
        said = [part for each in variations for part in ("--variation", each)]
        assert self.created(author, *said, *self.TEMPORARY)["control"]["flag"]["type"] == type_

    @pytest.mark.parametrize("wrong", [("--variation", "a=1", "--variation", "b=x"), ("--baseline", "nope")])
    def test_what_cannot_be_a_flag_is_not_sent(self, author: Person, wrong: tuple[str, ...]) -> None:
        assert author.runs("flag", "create", "x", *self.NEEDED, *self.TEMPORARY, *wrong).code == Exit.USAGE
        assert author.server.asked == []


class TestCase:
    SAID = ("--choice", "roll_back", "--rationale", "too slow", "--outcome", "p95 is back", "--owner", "support-ai")

    def test_a_note_is_sent(self, ines: Person) -> None:
        ines.server.on("POST", "cases/c/notes", {"at": "2026-03-05T03:20:00Z", "author": "ines", "text": "x"}, 201)
        ines.terminal.piped = "from a file\n"
        assert ines.runs("case", "note", "c", "-").code == 0
        assert ines.server.body("notes") == {"text": "from a file"}

    def test_an_owner_is_named(self, ines: Person) -> None:
        ines.server.on("POST", "cases/c/owner", views.case_row(owner="mona"))
        assert "mona" in ines.runs("case", "own", "c", "mona").err

    def test_a_check_prints_verdicts(self, ines: Person) -> None:
        ines.server.on("POST", "cases/c/check", views.check("after"))
        assert_matches("case-check", ines.runs("case", "check", "c").out)

    def test_without_a_control_arm_the_figures_are_after_and_before(self, ines: Person) -> None:
        alone = views.verdict("latency_p95", "holding", "p95 fell", observational=True)
        ines.server.on("POST", "cases/c/check", views.check("after", alone))
        shown = ines.runs("case", "check", "c").out
        assert "AFTER" in shown
        assert "CANDIDATE" not in shown
        both = views.verdict("latency_p95", "holding", "p95 fell")
        ines.server.on("POST", "cases/c/check", views.check("after", alone, both))
        shown = ines.runs("case", "check", "c").out
        assert "CANDIDATE" in shown
        assert "(observational)" in shown

    def test_it_closes_with_all_five(self, ines: Person) -> None:
        ines.server.on("POST", "cases/c/close", views.decision())
        ended = ines.runs("case", "close", "c", *self.SAID, "--review-date", "2026-04-01")
        assert ines.server.body("close") == {
            "choice": "roll_back", "rationale": "too slow", "outcome": "p95 is back", "owner": "support-ai",
            "review_date": "2026-04-01",
        }  # fmt: skip
        assert_matches("case-close", ended.out)

    def test_what_is_missing_is_asked_for(self, ines: Person) -> None:
        ines.server.on("POST", "cases/c/close", views.decision())
        ines.terminal = FakeTerminal(["2026-04-01"])
        assert ines.runs("case", "close", "c", *self.SAID).code == 0
        assert len(ines.terminal.questions) == 1

    def test_where_nobody_can_be_asked_nothing_is_sent(self, ines: Person) -> None:
        ended = ines.runs("case", "close", "c", *self.SAID)
        assert ended.code == Exit.USAGE
        assert "--review-date" in ended.err
        assert ines.server.asked == []


class TestCopy:
    @pytest.fixture
    def copier(self, ines: Person) -> Person:
        ines.server.on("POST", "proposals/copy", views.proposal(), 201)
        return ines

    def test_flags_from_another_environment(self, copier: Person) -> None:
        ended = copier.runs("flag", "copy", "one", "two", "--from", "staging", "--reason", "it held", *PLACE)
        assert ended.code == 0
        assert copier.server.body("proposals/copy") == {
            "project": "support",
            "environment": "production",
            "from_environment": "staging",
            "flags": ["one", "two"],
            "reason": "it held",
        }
        assert "Nothing has changed" in ended.err

    def test_a_whole_environment(self, copier: Person) -> None:
        ended = copier.runs(
            "env", "copy", "staging", "production", "--reason", "it held", "--project", "support", "--json"
        )
        assert ended.json["id"] == views.proposal()["id"]
        assert copier.server.body("proposals/copy") == {
            "project": "support",
            "environment": "production",
            "from_environment": "staging",
            "reason": "it held",
        }
