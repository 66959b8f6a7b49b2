"""What holds of every question, whatever a team has written."""

from __future__ import annotations

from itertools import product
from typing import Any

import cedarpy
import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.adapters.cedar.asking import EFFECT_OF
from twokey.adapters.cedar import asking, gatekeeper
from twokey.adapters.cedar.reading import read_policies, shipped
from twokey.domain.identity import Actor, ActorKind
from twokey.domain.matrix import KEYS
from twokey.domain.operation import Action, Effect
from twokey.domain.permission import Question, Verb
from twokey.domain.policy import row_for
from twokey.engine.errors import Invalid

SCHEMA = cedarpy.Schema.from_str(shipped().schema)
PERMITS_ALL = '@id("anything-goes") permit (principal, action, resource);'
NARROWING = ("reduce", "disable_tool", "kill")
NO_YES = (False, True)
ROLES = ("release_manager", "viewer", "security", "administrator", "break_glass")
grants = st.sampled_from([role + place for role in ROLES for place in ("", "@shop", "@shop/production", "@bank")])
actors = st.builds(
    Actor,
    id=st.text(st.characters(codec="utf-8"), max_size=8),
    kind=st.sampled_from(ActorKind),
    roles=st.frozensets(grants, max_size=3),
    on_behalf_of=st.none() | st.just("ann"),
)
questions = st.builds(
    Question,
    actor=actors,
    verb=st.sampled_from(Verb),
    project=st.just("shop"),
    environment=st.just("production"),
    guarded=st.booleans(),
    change=st.sampled_from(["", "grant_admin", *EFFECT_OF]),
    effect=st.sampled_from(["", *Effect]),
    action=st.sampled_from(["", "set_up", "people", "policies", *Action]),
    surfaces=st.frozensets(st.sampled_from(["tool", "prompt", "experiment"])),
    needed=st.integers(-1, 3),
    filled=st.integers(-1, 3),
    justified=st.booleans(),
    reviewed=st.booleans(),
    mid_test=st.booleans(),
    breached=st.booleans(),
)
anything = st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.lists(st.text(), max_size=2)
many = settings(max_examples=400, deadline=None)


def test_a_question_has_no_room_for_words_that_an_author_wrote() -> None:
    """No title, reason, comment or label: "APPROVED by the release manager" has nowhere to stand."""
    facts = {each.name for each in msgspec.structs.fields(Question)} - {"actor", "verb", "project", "environment"}
    assert facts == {
        "guarded", "change", "effect", "action", "surfaces", "needed", "filled", "justified", "reviewed", "mid_test",
        "breached",
    }  # fmt: skip
    asked = Question(actor=Actor(id="a", kind=ActorKind.AGENT), verb=Verb.APPLY, project="p", environment="e")
    assert set(asking.facts(asked)) == facts - {"guarded"}


@many
@given(questions)
def test_narrowing_is_never_stricter_than_widening(asked: Question) -> None:
    widening = msgspec.structs.replace(asked, effect="widens", change="expand")
    if gatekeeper("").rule(widening).allowed:
        for change in NARROWING:
            narrowing = msgspec.structs.replace(asked, effect="narrows", change=change)
            assert gatekeeper("").rule(narrowing).allowed


@many
@given(questions)
def test_turning_one_more_key_never_takes_a_permission_away(asked: Question) -> None:
    more = msgspec.structs.replace(asked, filled=asked.filled + 1)
    if gatekeeper("").rule(asked).allowed:
        assert gatekeeper("").rule(more).allowed


@many
@given(questions)
def test_no_permit_of_a_team_lifts_a_limit(asked: Question) -> None:
    if not gatekeeper(PERMITS_ALL).rule(asked).allowed:
        return
    kind, verb = asked.actor.kind, asked.verb
    assert asked.change != "authorization"
    if kind in (ActorKind.AGENT, ActorKind.SERVICE):
        assert verb in (Verb.READ, Verb.DRAFT)
        assert (verb, asked.change) != (Verb.DRAFT, "change_metrics")
    if verb in (Verb.APPROVE, Verb.REVERSE, Verb.BREAK_GLASS):
        assert kind is ActorKind.PERSON
    if verb is Verb.GOVERN:
        assert may_govern(asked)
    if verb is Verb.REVERSE:
        assert asked.effect in ("narrows", "neither")
    if verb is Verb.BREAK_GLASS:
        assert asked.effect == "narrows"
        assert asked.actor.roles & {"break_glass", "break_glass@shop", "break_glass@shop/production"}
    if verb is Verb.APPLY:
        check_applied(asked)


@pytest.mark.parametrize("kind", [ActorKind.PERSON, ActorKind.SCHEDULE, ActorKind.POLICY])
def test_no_permit_of_a_team_applies_what_is_not_fulfilled(kind: ActorKind) -> None:
    """Every combination of the facts, where chance would meet the decisive ones too seldom."""
    keeper, allowed = gatekeeper(PERMITS_ALL), 0
    actor = Actor(id="a", kind=kind)
    for guarded, change, effect, keys, *flags in product(NO_YES, EFFECT_OF, Effect, KEYS, *[NO_YES] * 4):
        asked = Question(
            actor=actor, verb=Verb.APPLY, project="shop", environment="production",
            guarded=guarded, change=change, effect=effect, needed=keys[0], filled=keys[1],
            justified=flags[0], reviewed=flags[1], mid_test=flags[2], breached=flags[3],
        )  # fmt: skip
        if keeper.rule(asked).allowed:
            allowed += 1
            check_applied(asked)
    assert allowed > 10


def may_govern(asked: Question) -> bool:
    if asked.actor.kind is ActorKind.SYSTEM:
        return asked.action == "set_up"
    roles = asked.actor.roles if asked.actor.kind is ActorKind.PERSON else frozenset()
    return "security" in roles or ("administrator" in roles and asked.action == "people")


def check_applied(asked: Question) -> None:
    if asked.actor.kind is ActorKind.SYSTEM:
        assert asked.action == "set_up"
        return
    if asked.actor.kind is ActorKind.POLICY:
        assert asked.breached
        assert asked.effect == "narrows"
    elif asked.guarded:
        assert asked.filled >= asked.needed > 0
    assert asked.change in EFFECT_OF
    assert asked.change != "authorization"
    assert asked.effect != "widens" or asked.change in ("expand", "archive", "change_metrics")
    assert asked.change != "archive" or asked.reviewed
    assert asked.change != "change_metrics" or not asked.mid_test or asked.justified


@many
@given(questions)
def test_a_forbid_of_a_team_only_takes_away(asked: Question) -> None:
    team = '@id("no-kill") forbid (principal, action, resource) when { context.change == "kill" };'
    here, shipped = gatekeeper(team).rule(asked), gatekeeper("").rule(asked)
    assert here.allowed == (shipped.allowed and asked.change != "kill")
    assert ("no-kill" in here.policies) == (asked.change == "kill")


@many
@given(st.data())
def test_whatever_stands_in_a_question_the_answer_is_a_ruling(data: Any) -> None:
    asked = data.draw(questions)
    field = data.draw(st.sampled_from([each.name for each in msgspec.structs.fields(Question)]))
    broken = msgspec.structs.replace(asked, **{field: data.draw(anything)})
    ruling = gatekeeper(PERMITS_ALL).rule(broken)
    assert not (ruling.allowed and ruling.problem)
    assert not ruling.allowed or ruling.policies


PIECES = st.sampled_from(
    ["@id", '("a")', '("b")', "permit", "forbid", "(principal", "action", "resource", "(", ")", "{", "}", "[", "]", ";",
     ",", '"', "\\", "//", "\n", "when", "unless", "if", "then", "else", "has", "like", "is", "in", "==", "&&", "!",
     ".", "context", "change", "principal", "Person", '"kill"', "Action", "::", "?principal", "1", "-", "é", "\u200b"]
)  # fmt: skip


@many
@given(st.lists(PIECES, max_size=40).map(" ".join) | st.text(max_size=60))
def test_whatever_a_team_writes_it_is_read_or_refused_with_its_place(text: str) -> None:
    found = outcome(text)
    if isinstance(found, Invalid):
        assert found.field.startswith("polic")
        assert found.problem
        assert found.accepted
    else:
        assert len(found) == len(set(found))


def outcome(text: str) -> Invalid | list[str]:
    try:
        return [each.id for each in read_policies(text, SCHEMA)]
    except Invalid as error:
        return error


def test_every_change_that_the_control_plane_can_compute_is_a_row_that_policies_know() -> None:
    known = set(EFFECT_OF)
    assert {row_for(effect, action).key for effect in Effect for action in Action} <= known
