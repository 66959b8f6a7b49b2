"""The ways in which Cedar answers otherwise than one hopes: each shown on Cedar itself, then on our gatekeeper."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import cedarpy
import msgspec
import pytest

from tests.adapters.cedar.asking import AGENT, ANN, question, with_roles
from twokey.adapters.cedar import asking, gatekeeper
from twokey.adapters.cedar.gatekeeper import CedarGatekeeper
from twokey.adapters.cedar.reading import Shipped, shipped
from twokey.domain.identity import Actor, ActorKind
from twokey.domain.permission import Question
from twokey.engine.errors import Invalid

APPLY = question(ANN, "apply", "reduce", needed=1, filled=1)
SCHEMA = cedarpy.Schema.from_str(shipped().schema)
OVERFLOWS = '@id("never-more") forbid (principal, action, resource) when { context.filled + 1 > 100 };'


def put(asked: Question = APPLY, **facts: Any) -> tuple[dict[str, Any], str]:
    """A request and its entities as Cedar takes them, with other facts."""
    ready = asking.asked(asked)
    context = json.loads(ready.request["context"]) | facts
    return ready.request | {"context": json.dumps(context)}, ready.entities


def test_pitfall_1_a_forbid_that_errs_is_skipped() -> None:
    request, entities = put(filled=2**63 - 1)
    permits = '@id("yes") permit (principal, action, resource);'
    raw = cedarpy.is_authorized(request, permits + OVERFLOWS, entities, SCHEMA)
    assert raw.allowed, "Cedar answers Allow, as though the forbid did not stand there"
    assert raw.diagnostics.errors

    huge = msgspec.structs.replace(APPLY, filled=2**63 - 1)
    assert gatekeeper("").rule(huge).allowed
    ruling = gatekeeper(OVERFLOWS).rule(huge)
    assert not ruling.allowed
    assert ruling.policies == ()
    assert "`never-more`" in ruling.problem
    assert "overflow" in ruling.problem


def test_pitfall_1_an_entity_that_is_not_there_is_noticed() -> None:
    request, _ = put()
    raw = cedarpy.is_authorized(request, '@id("yes") permit (principal, action, resource);', "[]", SCHEMA)
    assert raw.allowed, "Cedar does not ask whether the actor and the environment are known"
    for missing in ("principal", "resource"):
        there = [each for each in json.loads(put()[1]) if each["uid"] != request[missing]]
        with pytest.raises(Invalid, match=missing):
            asking.check_present(request, there)


def test_pitfall_1_a_question_whose_entity_is_missing_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    nobody = {"uid": {"type": "Person", "id": "somebody else"}, "attrs": {"id": "x", "roles": []}, "parents": []}
    monkeypatch.setattr(asking, "actor_entity", lambda _: nobody)
    ruling = gatekeeper("").rule(APPLY)
    assert not ruling.allowed
    assert "not among the entities" in ruling.problem


def test_pitfall_1_safety_stands_in_the_permits_too() -> None:
    """Without a single forbid, the shipped permits alone still refuse what must never happen."""
    house = shipped()
    kept = [each.text for each in gatekeeper("").written if each.effect == "permit"]
    permits = CedarGatekeeper(Shipped(schema=house.schema, policies="\n".join(kept)))
    assert permits.rule(APPLY).allowed
    for asked in (
        question(ANN, "apply", "reduce", needed=1, filled=0),
        question(ANN, "apply", "reduce"),
        question(ANN, "apply", "archive", needed=1, filled=1),
        question(ANN, "apply", "change_metrics", needed=1, filled=1, mid_test=True),
        question(ANN, "apply", "authorization", needed=1, filled=1),
        question(ANN, "reverse", "expand"),
        question(ANN, "break_glass", "kill"),
        question(ANN, "govern"),
        *(question(AGENT, verb, "reduce", needed=1, filled=1) for verb in ("approve", "apply", "reverse", "govern")),
    ):
        assert not permits.rule(asked).allowed, asked


def test_pitfall_2_bad_input_is_no_decision_rather_than_deny() -> None:
    request, entities = put(filled="many")
    raw = cedarpy.is_authorized(request, '@id("yes") permit (principal, action, resource);', entities, SCHEMA)
    assert raw.decision is cedarpy.Decision.NoDecision, "whoever asks `!= Deny` lets this through"

    ruling = gatekeeper("").rule(msgspec.structs.replace(APPLY, filled="many"))  # type: ignore[arg-type]
    assert not ruling.allowed
    assert ruling.problem


def test_pitfall_2_no_decision_without_a_word_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    silent = cedarpy.AuthzResult({"decision": "NoDecision"})
    monkeypatch.setattr(cedarpy, "is_authorized", lambda *_: silent)
    ruling = gatekeeper("").rule(APPLY)
    assert not ruling.allowed
    assert "no decision" in ruling.problem


def test_pitfall_3_entities_read_without_the_schema_are_never_checked() -> None:
    request, entities = put()
    wrong = entities.replace('"guarded":true', '"guarded":"perhaps"')
    assert wrong != entities
    unchecked = cedarpy.Entities.from_json_str(wrong)
    raw = cedarpy.is_authorized(request, '@id("yes") permit (principal, action, resource);', unchecked, SCHEMA)
    assert raw.allowed, "the schema of the call does not look at entities that were read before"

    ruling = gatekeeper("").rule(msgspec.structs.replace(APPLY, guarded="perhaps"))  # type: ignore[arg-type]
    assert not ruling.allowed
    assert "schema" in ruling.problem


def test_pitfall_4_sets_have_no_size_so_the_host_counts_the_quorum() -> None:
    counts = '@id("two") permit (principal, action, resource) when { context.surfaces.size() >= 2 };'
    with pytest.raises(Invalid, match="size"):
        gatekeeper(counts)
    assert not gatekeeper("").rule(msgspec.structs.replace(APPLY, needed=2)).allowed
    assert gatekeeper("").rule(msgspec.structs.replace(APPLY, needed=2, filled=2)).allowed


@pytest.mark.parametrize("count", [0.5, 1.0, 2**63, -(2**63) - 1])
def test_pitfall_4_fractions_and_numbers_beyond_a_long_are_refused(count: float) -> None:
    ruling = gatekeeper("").rule(msgspec.structs.replace(APPLY, filled=count))  # type: ignore[arg-type]
    assert not ruling.allowed
    assert ruling.problem


@pytest.mark.parametrize(
    "name",
    [
        'x"; permit (principal, action, resource); //',
        "ann\nrelease",
        'Person::"root"',
        "\\u{0}",
        "",
        "名",
        "' OR '1'='1",
    ],
)
def test_pitfall_5_a_name_is_never_read_as_syntax(name: str) -> None:
    actor = Actor(id=name, kind=ActorKind.PERSON, roles=frozenset({name}))
    granted = question(actor, "apply", "reduce", needed=1, filled=1)
    assert gatekeeper("").rule(granted).policies == ("people-apply-with-every-key",)
    missing = msgspec.structs.replace(granted, filled=0)
    assert gatekeeper("").rule(missing).policies == ("guarded-takes-every-key",)
    agent = Actor(id=name, kind=ActorKind.AGENT, name=name, on_behalf_of=name)
    assert "agents-turn-no-key" in gatekeeper("").rule(question(agent, "apply", "reduce", needed=1, filled=1)).policies


def test_pitfall_5_a_name_without_a_utf_8_form_is_refused() -> None:
    ruling = gatekeeper("").rule(question(Actor(id="\ud800", kind=ActorKind.PERSON), "read"))
    assert not ruling.allowed
    assert ruling.problem


@pytest.mark.parametrize(("project", "environment"), [("shop/eu", "production"), ("shop", "eu/production")])
def test_pitfall_5_one_place_is_not_taken_for_another(project: str, environment: str) -> None:
    ruling = gatekeeper("").rule(question(ANN, "read", project=project, environment=environment))
    assert not ruling.allowed
    assert "`/`" in ruling.problem


def test_pitfall_6_an_unknown_fact_is_accepted_without_the_schema() -> None:
    request, entities = put(approved_by_the_release_manager=True)
    permits = '@id("yes") permit (principal, action, resource);'
    assert cedarpy.is_authorized(request, permits, entities).allowed
    assert cedarpy.is_authorized(request, permits, entities, SCHEMA).decision is cedarpy.Decision.NoDecision


def test_pitfall_6_our_calls_carry_the_schema(monkeypatch: pytest.MonkeyPatch) -> None:
    known = asking.facts
    monkeypatch.setattr(asking, "facts", lambda asked: known(asked) | {"approved_by_the_release_manager": True})
    ruling = gatekeeper("").rule(APPLY)
    assert not ruling.allowed
    assert "approved_by_the_release_manager" in ruling.problem


def test_pitfall_6_a_fact_that_is_missing_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    known = asking.facts
    monkeypatch.setattr(asking, "facts", lambda asked: {k: v for k, v in known(asked).items() if k != "needed"})
    ruling = gatekeeper("").rule(APPLY)
    assert not ruling.allowed
    assert ruling.problem


@pytest.mark.parametrize("text", ["", "\n", "// nothing but words"])
def test_pitfall_7_no_policies_at_all_is_fine_with_cedar_and_not_with_us(text: str) -> None:
    assert cedarpy.validate_policies(text, SCHEMA).validation_passed
    with pytest.raises(Invalid, match="there is none"):
        CedarGatekeeper(Shipped(schema=shipped().schema, policies=text))


def test_pitfall_7_an_id_may_repeat_in_cedar_and_not_with_us() -> None:
    twice = '@id("a") permit (principal, action, resource);\n@id("a") forbid (principal, action, resource);'
    assert cedarpy.validate_policies(twice, SCHEMA).validation_passed
    with pytest.raises(Invalid, match="`a` is there twice") as caught:
        gatekeeper(twice)
    assert caught.value.field == "policies, line 2"


@pytest.mark.parametrize("id", ["", "@id", '@id("")', '@id("Two Words")', '@name("a")'])
def test_pitfall_7_a_policy_needs_an_id(id: str) -> None:
    with pytest.raises(Invalid, match="id"):
        gatekeeper(f"{id} permit (principal, action, resource);")


def test_pitfall_8_a_question_brings_three_entities_whoever_asks_however_many_roles() -> None:
    many = with_roles(*(f"role-{index}" for index in range(500)))
    for asked in (APPLY, question(AGENT, "read"), question(many, "approve", "reduce")):
        assert len(json.loads(asking.asked(asked).entities)) == 3


@pytest.mark.parametrize(
    "condition",
    [
        "(" * 5000 + "true" + ")" * 5000,
        "!(" * 5000 + "true" + ")" * 5000,
        "[" * 5000 + "]" * 5000 + " == []",
        "{a: " * 5000 + "1" + "}" * 5000 + " == 1",
        " && ".join(["true"] * 5000),
        " + ".join(["1"] * 5000) + " == 1",
        "if true then true else " * 5000 + "true",
        "context" + ".effect" * 5000 + " == 1",
    ],
    ids=["brackets", "nots", "sets", "records", "ands", "sums", "ifs", "members"],
)
def test_pitfall_9_a_text_that_overflows_cedars_stack_is_refused_before_cedar_sees_it(condition: str) -> None:
    """Not in the list of eight: Cedar's parser or validator would end the whole process."""
    with pytest.raises(Invalid, match=r"nested too deeply|too many operators"):
        gatekeeper(f'@id("deep") permit (principal, action, resource) when {{ {condition} }};')


def test_pitfall_9_the_limits_fit_a_small_stack() -> None:
    """The largest policy we let through, read on a thread with 1 MiB of stack, in a process of its own."""
    program = """
import threading
from twokey.adapters.cedar import gatekeeper
from twokey.engine.errors import Invalid
DEEP, LONG = 14, 90
def read():
    for condition in ("(" * DEEP + " && ".join(["true"] * LONG) + ")" * DEEP, "!(" * DEEP + "true" + ")" * DEEP,
                      "[" * DEEP + "]" * DEEP + " == []", " + ".join(["1"] * LONG) + " == 1",
                      "if true then true else " * (LONG // 3) + "true"):
        try:
            gatekeeper('@id("deep") permit (principal, action, resource) when { %s };' % condition)
        except Invalid as error:
            assert "nested" not in str(error) and "too many" not in str(error), error
    print("alive")
threading.stack_size(1024 * 1024)
thread = threading.Thread(target=read)
thread.start()
thread.join()
"""
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60)
    assert (ended.returncode, ended.stdout) == (0, "alive\n"), ended.stderr
