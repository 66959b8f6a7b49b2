"""What a team may write, and how it is told what is wrong with it."""

from __future__ import annotations

from importlib.resources import files

import pytest

from tests.adapters.cedar.asking import ANN, POLICY_GATE, question, with_roles
from twokey.adapters.cedar import gatekeeper
from twokey.adapters.cedar.reading import CHAPTERS, shipped
from twokey.adapters.cedar.statements import MOST_POLICIES
from twokey.domain.access import MOST_TEXT
from twokey.engine.errors import Invalid

NO_KILL = """
// Nobody kills anything in shop's production:
// the fallback there is not ready.
@id("no-kill-in-production")
forbid (principal, action == Action::"apply", resource == Environment::"shop/production")
when { context.change == "kill" };
"""


def told(text: str) -> Invalid:
    with pytest.raises(Invalid) as caught:
        gatekeeper(text)
    return caught.value


def test_a_team_forbids_in_one_environment() -> None:
    keeper = gatekeeper(NO_KILL)
    here = question(ANN, "apply", "kill", needed=1, filled=1)
    there = question(ANN, "apply", "kill", needed=1, filled=1, environment="staging")
    assert keeper.rule(here).policies == ("no-kill-in-production",)
    assert not keeper.rule(here).allowed
    assert keeper.rule(there).allowed


def test_a_team_asks_for_a_role_of_its_own() -> None:
    keeper = gatekeeper("""
    @id("prompts-are-for-prompt-owners")
    forbid (principal is Person, action == Action::"approve", resource)
    when { context.surfaces.contains("prompt") }
    unless { principal.roles.contains("prompt_owner") };
    """)
    prompt = {"surfaces": frozenset({"prompt"})}
    assert not keeper.rule(question(ANN, "approve", "reduce", **prompt)).allowed
    assert keeper.rule(question(with_roles("prompt_owner@shop"), "approve", "reduce", **prompt)).allowed
    assert not keeper.rule(question(with_roles("prompt_owner@bank"), "approve", "reduce", **prompt)).allowed
    assert keeper.rule(question(ANN, "approve", "reduce")).allowed


def test_a_team_permits_what_nobody_had_permitted() -> None:
    reads = question(POLICY_GATE, "read")
    assert not gatekeeper("").rule(reads).allowed
    permits = '@id("gates-read") permit (principal is PolicyGate, action == Action::"read", resource);'
    assert gatekeeper(permits).rule(reads).policies == ("gates-read",)


def test_what_is_written_is_shown_with_its_comment_and_whose_it_is() -> None:
    written = gatekeeper(NO_KILL).written
    ours = written[-1]
    assert (ours.id, ours.effect, ours.shipped) == ("no-kill-in-production", "forbid", False)
    assert ours.says == "Nobody kills anything in shop's production: the fallback there is not ready."
    assert ours.text.startswith("@id(")
    assert ours.text.endswith(";")
    assert all(each.shipped and each.says.endswith((".", ".)")) for each in written[:-1])


def test_every_file_that_ships_is_read() -> None:
    folder = files("twokey.adapters.cedar") / "shipped"
    assert {each.name for each in folder.iterdir()} == {f"{name}.cedar" for name in CHAPTERS}
    assert len(gatekeeper("").written) == shipped().policies.count("@id(")


def test_the_same_text_is_the_same_gatekeeper_and_another_has_another_digest() -> None:
    assert gatekeeper(NO_KILL) is gatekeeper(NO_KILL)
    assert gatekeeper("").digest != gatekeeper(NO_KILL).digest
    assert gatekeeper("").digest.startswith("sha256:")


@pytest.mark.parametrize("id", ["guarded-takes-every-key", "agents-turn-no-key", "people-read"])
def test_the_id_of_a_shipped_policy_is_taken(id: str) -> None:
    error = told(f'\n@id("{id}") permit (principal, action, resource);')
    assert error.field == "policies, line 2"
    assert "shipped" in error.problem


def test_a_slip_of_syntax_is_named_with_its_line() -> None:
    error = told(NO_KILL + '\n// oh\n@id("second")\npermit (principal, action resource);')
    assert error.field == "policies, line 9"
    assert "resource" in error.problem


def test_an_end_that_is_missing_is_named_with_its_line() -> None:
    assert told('// a ; in a comment\n@id("a;b") permit (principal, action, resource)').field == "policies, line 2"


@pytest.mark.parametrize(
    ("condition", "says"),
    [
        ('context.approved_by == "ann"', "approved_by"),
        ('context.needed == "one"', "compatible"),
        ('principal.roles.contains("x")', "roles"),
        ("context.filled", "Bool"),
    ],
)
def test_what_does_not_fit_the_schema_is_named_with_its_id_and_line(condition: str, says: str) -> None:
    error = told(f'\n\n@id("slip")\nforbid (principal, action, resource)\nwhen {{ {condition} }};')
    assert error.field == "policy `slip`, line 3"
    assert says in error.problem
    assert "policy0" not in error.problem


@pytest.mark.parametrize(
    ("condition", "says"),
    [
        ('context.change == "kil"', "`context.change` is never `kil`"),
        ('"kil" != context.change', "`context.change` is never `kil`"),
        ('["kill", "authorisation"].contains(context.change)', "never `authorisation`"),
        ('!(context.effect == "narrow" || context.breached)', "`context.effect` is never `narrow`"),
        ('context.surfaces.contains("prompts")', "`context.surfaces` is never `prompts`"),
        ('context.surfaces.containsAny(["tool", "tools"])', "never `tools`"),
        ('if context.breached then context.change == "Kill" else true', "never `Kill`"),
    ],
)
def test_a_word_that_a_fact_never_has_is_named_instead_of_never_holding(condition: str, says: str) -> None:
    error = told(f'@id("slip") forbid (principal, action, resource) when {{ {condition} }};')
    assert error.field == "policy `slip`, line 1"
    assert says in error.problem
    assert error.accepted.startswith("`")


def test_open_words_are_not_judged() -> None:
    text = """@id("fine") forbid (principal is Agent, action, resource)
    when { principal.name == "kil" && context.action == "kil" && ["kill", "expand", ""].contains(context.change) };"""
    assert gatekeeper(text).written[-1].id == "fine"


@pytest.mark.parametrize("scope", ['Action::"approve_all"', 'Action::"applyy"'])
def test_an_action_that_is_none_is_named(scope: str) -> None:
    assert "unrecognized action" in told(f'@id("slip") permit (principal, action == {scope}, resource);').problem


def test_a_template_is_refused() -> None:
    assert "template" in told('@id("t") permit (principal == ?principal, action, resource);').problem


@pytest.mark.parametrize("character", ["\u202e", "\u200b", "\x1b", "\x00", "\U000e0041", "\u2028", "\ud800"])
def test_what_a_reader_cannot_see_is_refused(character: str) -> None:
    error = told(f'\n// nothing here{character}\n@id("a") permit (principal, action, resource);')
    assert error.field == "policies, line 2"
    assert f"U+{ord(character):04X}" in error.problem


def test_too_much_text_is_refused() -> None:
    assert str(MOST_TEXT) in told("//" + "x" * MOST_TEXT).accepted


def test_too_many_policies_are_refused_before_they_are_read() -> None:
    many = "".join(f"@id('{index}') nonsense;" for index in range(MOST_POLICIES + 1))
    assert str(MOST_POLICIES) in told(many).accepted


@pytest.mark.parametrize(
    "text",
    [
        '@id("stop") forbid (principal, action, resource);',
        '@id("stop") forbid (principal, action == Action::"govern", resource);',
        '@id("stop") forbid (principal is Person, action, resource) when { principal.id != "ann" };',
    ],
)
def test_policies_that_nobody_could_take_back_are_refused(text: str) -> None:
    assert "nobody could take these back: `stop`" in told(text).problem


def test_policies_that_fail_when_asked_to_be_taken_back_are_refused() -> None:
    text = """@id("breaks") forbid (principal, action, resource)
    when { context.needed + 9223372036854775807 + 1 > 0 };"""
    assert "`breaks`" in told(text).problem


def test_a_semicolon_and_brackets_in_quotes_and_comments_are_text() -> None:
    keeper = gatekeeper("""
    @id("odd") forbid (principal, action, resource) // ((( ; "
    when { context.action == "a;b \\" ((((((((((((((((((((" };
    """)
    assert keeper.written[-1].id == "odd"
    assert keeper.rule(question(ANN, "read")).allowed
    assert not keeper.rule(question(ANN, "read", action='a;b " ((((((((((((((((((((')).allowed
