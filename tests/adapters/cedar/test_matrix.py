"""The decision matrix, drawn by asking the engine, is the one we promise; and another set of policies draws another."""

from __future__ import annotations

import re

import pytest

from tests.needs import shared
from twokey.adapters.cedar import gatekeeper
from twokey.adapters.cedar.gatekeeper import CedarGatekeeper
from twokey.adapters.cedar.reading import Shipped, shipped
from twokey.domain.matrix import HEADINGS, Place, Row, draw
from twokey.domain.permission import Question, Ruling

PROMISED = """
| action | AI alone | AI may draft | approval | may rest on a prompt alone |
|---|---|---|---|---|
| summarise alerts and recent flag changes | yes | yes | no | - |
| identify likely affected cohort | yes | yes | no | - |
| recommend a rollout pause | no | yes | yes | never |
| reduce a rollout in production | no | yes | yes | never |
| disable one AI agent tool | no | yes | yes | never |
| activate a global kill switch | no | yes | yes | never |
| change experiment metrics mid-test | no | only a warning | yes, with strong justification | never |
| delete or archive a flag | no | yes | yes, after code-reference review | never |
| change hard authorization or credentials | no | no | security-owned workflow outside Twokey flags | never |
"""


def cells(table: str) -> list[tuple[str, ...]]:
    """The cells of a Markdown table, its ruler left out."""
    lines = [line for line in table.strip().splitlines() if not re.fullmatch(r"[|\s-]+", line)]
    return [tuple(cell.strip() for cell in line.strip("|").split("|")) for line in lines]


def drawn(keeper: CedarGatekeeper, place: Place | None = None) -> list[tuple[str, ...]]:
    return [HEADINGS, *(row.texts() for row in draw(keeper.rule, place or Place()).rows)]


def row(key: str, team_policies: str, place: Place | None = None) -> Row:
    matrix = draw(gatekeeper(team_policies).rule, place or Place())
    return next(each for each in (*matrix.rows, *matrix.also) if each.key == key)


def without(*ids: str) -> CedarGatekeeper:
    """The shipped policies without some, as a careless edit would leave them."""
    left = [each.text for each in gatekeeper("").written if each.id not in ids]
    assert len(left) == len(gatekeeper("").written) - len(ids)
    return CedarGatekeeper(Shipped(schema=shipped().schema, policies="\n".join(left)))


def test_the_matrix_drawn_by_asking_is_the_promised_one() -> None:
    assert drawn(gatekeeper("")) == cells(PROMISED)


def test_the_promised_one_is_that_of_the_product() -> None:
    page = shared("design", "product.md").read_text(encoding="utf-8")
    section = page.split("## Decision matrix", 1)[1].split("\n## ", 1)[0]
    table = "\n".join(line for line in section.splitlines() if line.startswith("|"))
    assert cells(table) == cells(PROMISED)


def test_it_is_the_same_in_an_environment_of_ones_own() -> None:
    place = Place(project="shop", environment="production", roles=frozenset({"release_manager"}))
    assert drawn(gatekeeper(""), place) == cells(PROMISED)


def test_expanding_asks_for_no_less_than_reducing() -> None:
    matrix = draw(gatekeeper("").rule)
    reduce = next(each for each in matrix.rows if each.key == "reduce")
    assert [each.key for each in matrix.also] == ["expand", "edit"]
    for each in matrix.also:
        assert each.texts()[1:] == reduce.texts()[1:]


def test_every_cell_names_policies_that_are_in_force() -> None:
    matrix = draw(gatekeeper("").rule)
    known = {each.id for each in gatekeeper("").written}
    for each in (*matrix.rows, *matrix.also):
        for cell in (each.ai_alone, each.ai_may_draft, each.approval):
            assert cell.policies, (each.key, cell)
            assert set(cell.policies) <= known


@pytest.mark.parametrize(
    ("gone", "key", "column", "says"),
    [
        (
            ("metrics-need-justification",),
            "change_metrics",
            "approval",
            "yes, with strong justification",
        ),
        (("agents-read",), "summarise", "ai_alone", "no"),
        (("agents-draft",), "reduce", "ai_may_draft", "only a warning"),
        (("people-apply-with-every-key", "people-apply-at-once"), "kill", "approval", "nobody may"),
    ],
)
def test_what_the_matrix_says_when_a_policy_is_gone(gone: tuple[str, ...], key: str, column: str, says: str) -> None:
    matrix = draw(without(*gone).rule)
    found = next(each for each in matrix.rows if each.key == key)
    assert getattr(found, column).says == says


def test_where_everything_is_allowed_the_matrix_says_so() -> None:
    def anything(_: Question) -> Ruling:
        return Ruling(allowed=True, policies=("yes",))

    for each in draw(anything).rows[2:]:
        assert each.texts()[1:] == ("yes", "yes", "no", "yes")


def test_where_asking_fails_nothing_is_said_to_be_allowed() -> None:
    def broken(_: Question) -> Ruling:
        return Ruling(allowed=False, problem="the policies could not be asked")

    for each in draw(broken).rows[2:]:
        assert [each.ai_alone.says, each.ai_may_draft.says, each.prompt_alone.says] == ["no", "no", "never"]
        assert "yes" not in each.approval.says


def test_a_teams_forbid_shows_where_it_holds_and_nowhere_else() -> None:
    team = """
    @id("no-kill-in-shop")
    forbid (principal, action in [Action::"draft", Action::"apply"], resource in Project::"shop")
    when { context.change == "kill" };
    """
    here, there = Place(project="shop", environment="production"), Place(project="bank", environment="production")
    assert row("kill", team, here).texts()[1:] == ("no", "no", "nobody may", "never")
    assert row("kill", team, here).approval.policies == ("no-kill-in-shop",)
    assert row("kill", team, there).texts()[1:] == ("no", "yes", "yes", "never")


def test_a_teams_condition_on_who_applies_is_asked_with_the_roles_of_the_place() -> None:
    team = """
    @id("release-managers-apply")
    forbid (principal is Person, action == Action::"apply", resource)
    unless { principal.roles.contains("release_manager") };
    """
    assert row("reduce", team).approval.says == "nobody may"
    assert row("reduce", team, Place(roles=frozenset({"release_manager"}))).approval.says == "yes"
