"""The shipped policies as a decision table: who wants to do what, with which facts; the answer, and who decided.

Every line is one question. `+` allows and `-` refuses; behind it stand all policies that decide, and none where nothing
permits. Facts: `open` an unguarded environment, `1/2` one of two needed keys turned, the rest as in `Question`.
"""

from __future__ import annotations

from typing import Any

import pytest

from tests.adapters.cedar.asking import ACTORS, EFFECT_OF, question, with_roles
from twokey.adapters.cedar import gatekeeper
from twokey.adapters.cedar.gatekeeper import CedarGatekeeper
from twokey.adapters.cedar.reading import Shipped, shipped
from twokey.domain.identity import Actor, ActorKind
from twokey.domain.permission import Question, Ruling, Verb
from twokey.engine.errors import Invalid

TABLE = """
person       read                               + people-read
agent        read                               + agents-read
service      read                               + services-read
twokey       read                               + twokey-reads
policy_gate  read                               -
schedule     read                               -
agent        read        open                   + agents-read

person       draft       pause                  + people-draft
person       draft       reduce                 + people-draft
person       draft       kill                   + people-draft
person       draft       expand                 + people-draft
person       draft       archive                + people-draft
person       draft       change_metrics mid_test + people-draft
person       draft       authorization          - authorization-stays-outside unknown-change
agent        draft       pause                  + agents-draft
agent        draft       reduce                 + agents-draft
agent        draft       disable_tool           + agents-draft
agent        draft       kill                   + agents-draft
agent        draft       archive                + agents-draft
agent        draft       expand                 + agents-draft
agent        draft       edit                   + agents-draft
agent        draft       change_metrics         - metrics-are-not-drafted-by-software
agent        draft       change_metrics mid_test justified - metrics-are-not-drafted-by-software
agent        draft       authorization          - authorization-stays-outside unknown-change
agent        draft       grant_admin            - unknown-change
service      draft       reduce                 + services-draft
service      draft       change_metrics mid_test - metrics-are-not-drafted-by-software
policy_gate  draft       reduce                 - policy-gate-only-applies
schedule     draft       reduce                 - schedule-only-applies
twokey       draft       reduce                 -

person       approve     reduce                 + people-approve
person       approve     expand 0/2             + people-approve
person       approve     kill                   + people-approve
person       approve     change_metrics mid_test + people-approve
person       approve     reduce open            -
person       approve     authorization          - authorization-stays-outside unknown-change
agent        approve     reduce 0/1             - agents-turn-no-key
service      approve     reduce 0/1             - services-turn-no-key
policy_gate  approve     reduce breached        - policy-gate-only-applies
schedule     approve     reduce                 - schedule-only-applies
twokey       approve     reduce set_up          - twokey-turns-no-key

person       apply       reduce 1/1             + people-apply-with-every-key
person       apply       reduce 0/1             - guarded-takes-every-key
person       apply       reduce 1/2             - guarded-takes-every-key
person       apply       reduce 0/0             - guarded-takes-every-key
person       apply       reduce 3/2             + people-apply-with-every-key
person       apply       reduce 0/-1            - guarded-takes-every-key
person       apply       pause 1/1              + people-apply-with-every-key
person       apply       disable_tool 1/1       + people-apply-with-every-key
person       apply       kill 2/2               + people-apply-with-every-key
person       apply       kill 1/2 breached      - guarded-takes-every-key
person       apply       expand 2/2             + people-apply-with-every-key
person       apply       expand 1/2             - guarded-takes-every-key
person       apply       edit 1/1               + people-apply-with-every-key
person       apply       reduce open 0/0        + people-apply-at-once
person       apply       expand open 0/2        + people-apply-at-once
person       apply       reduce open 1/1        + people-apply-at-once people-apply-with-every-key
viewer       apply       reduce open 0/0        -
nobody       apply       reduce open 0/0        -
elsewhere    apply       reduce open 0/0        -
viewer       apply       reduce open 1/1        + people-apply-with-every-key
person       apply       archive 1/1            - archive-needs-review
person       apply       archive 1/1 reviewed   + people-apply-with-every-key
person       apply       archive 0/1 reviewed   - guarded-takes-every-key
person       apply       archive open           - archive-needs-review
person       apply       archive open reviewed  + people-apply-at-once
person       apply       change_metrics 1/1 mid_test - metrics-need-justification
person       apply       change_metrics 1/1 mid_test justified + people-apply-with-every-key
person       apply       change_metrics 0/1 mid_test justified - guarded-takes-every-key
person       apply       change_metrics 1/1     + people-apply-with-every-key
person       apply       change_metrics open mid_test - metrics-need-justification
person       apply       authorization 3/3 justified reviewed - authorization-stays-outside unknown-change
security     apply       authorization 3/3      - authorization-stays-outside unknown-change
person       apply       authorization open     - authorization-stays-outside unknown-change
person       apply       grant_admin 3/3        - unknown-change
person       apply       reduce widens 1/1      - widening-is-expanding
person       apply       kill widens open       - widening-is-expanding

agent        apply       reduce 1/1             - agents-turn-no-key
agent        apply       kill 3/3 breached      - agents-turn-no-key
agent        apply       reduce open 0/0        - agents-turn-no-key
agent        apply       reduce 0/1             - agents-turn-no-key guarded-takes-every-key
service      apply       reduce 1/1             - services-turn-no-key
service      apply       kill open 1/1 breached - services-turn-no-key

schedule     apply       reduce 1/1             + schedule-applies
schedule     apply       expand 2/2             + schedule-applies
schedule     apply       expand 1/2             - guarded-takes-every-key
schedule     apply       expand 0/0             - guarded-takes-every-key
schedule     apply       expand open 0/0        + schedule-applies
schedule     apply       expand open 0/1        -
schedule     apply       archive 1/1            - archive-needs-review
schedule     apply       change_metrics 1/1 mid_test - metrics-need-justification

policy_gate  apply       reduce breached        + policy-gate-narrows
policy_gate  apply       reduce breached 0/2    + policy-gate-narrows
policy_gate  apply       kill breached          + policy-gate-narrows
policy_gate  apply       reduce                 - policy-gate-only-narrows
policy_gate  apply       reduce 2/2             - policy-gate-only-narrows
policy_gate  apply       pause breached         - policy-gate-only-narrows
policy_gate  apply       expand breached 2/2    - policy-gate-only-narrows
policy_gate  apply       reduce widens breached - policy-gate-only-narrows widening-is-expanding
policy_gate  apply       archive narrows breached reviewed - policy-gate-only-narrows
policy_gate  apply       edit breached open     - policy-gate-only-narrows
twokey       apply       set_up                 + twokey-sets-up
twokey       apply       reduce 1/1             - twokey-only-sets-up
twokey       apply       expand open            - twokey-only-sets-up

person       reverse     reduce                 + people-reverse
person       reverse     pause                  + people-reverse
person       reverse     edit                   + people-reverse
person       reverse     expand                 - no-way-back-widens
person       reverse     expand 2/2             - no-way-back-widens
person       reverse     archive                - archive-needs-review
person       reverse     archive reviewed       + people-reverse
person       reverse     authorization narrows  - authorization-stays-outside unknown-change
agent        reverse     reduce                 - agents-turn-no-key
service      reverse     reduce                 - services-turn-no-key
policy_gate  reverse     reduce breached        - policy-gate-only-applies
schedule     reverse     reduce                 - schedule-only-applies
twokey       reverse     reduce                 - twokey-turns-no-key

person       break_glass kill                   - break-glass-only-narrows
breaker      break_glass kill                   + people-break-glass
breaker      break_glass reduce                 + people-break-glass
breaker      break_glass expand                 - break-glass-only-narrows
breaker      break_glass pause                  - break-glass-only-narrows
breaker      break_glass archive narrows reviewed - break-glass-only-narrows
agent        break_glass kill                   - agents-turn-no-key break-glass-only-narrows
policy_gate  break_glass kill breached          - break-glass-only-narrows policy-gate-only-applies

person       govern      policies               - only-security-governs
security     govern      policies               + security-governs
security     govern      people                 + security-governs
admin        govern      people                 + administrators-add
admin        govern      tokens                 + administrators-add
admin        govern      environments           + administrators-add
admin        govern      policies               - only-security-governs
admin        govern      roles                  - only-security-governs
admin        govern      guarding               - only-security-governs
here_only    govern      policies               - only-security-governs
agent        govern      policies               - agents-turn-no-key only-security-governs
service      govern      tokens                 - only-security-governs services-turn-no-key
policy_gate  govern      policies               - only-security-governs policy-gate-only-applies
schedule     govern      policies               - only-security-governs schedule-only-applies
twokey       govern      set_up                 + twokey-sets-up
twokey       govern      policies               - twokey-only-sets-up
"""
PEOPLE: dict[str, Actor] = {
    "viewer": with_roles("viewer"),
    "nobody": with_roles(),
    "elsewhere": with_roles("release_manager@shop/staging", "release_manager@bank"),
    "security": with_roles("security"),
    "admin": with_roles("administrator"),
    "breaker": with_roles("break_glass@shop/production"),
    "here_only": with_roles("security@shop/production", "administrator@shop"),
}
FLAGS = ("justified", "reviewed", "mid_test", "breached")
EFFECTS = ("narrows", "widens", "neither")
CHANGES = (*EFFECT_OF, "grant_admin")


def facts(words: list[str]) -> dict[str, Any]:
    """What the words of a line say."""
    found: dict[str, Any] = {}
    for word in words:
        if "/" in word:
            filled, needed = word.split("/")
            found |= {"filled": int(filled), "needed": int(needed)}
        elif word in FLAGS:
            found[word] = True
        elif word in EFFECTS:
            found["effect"] = word
        elif word == "open":
            found["guarded"] = False
        elif word in CHANGES:
            found["change"] = word
        else:
            found["action"] = word
    return found


CASES = [line for line in TABLE.splitlines() if line]


def read(line: str) -> tuple[Question, Ruling]:
    """The question of a line, and the answer it expects."""
    actor, verb, *rest = line.split()
    sign = rest.index("+") if "+" in rest else rest.index("-")
    expected = Ruling(allowed=rest[sign] == "+", policies=tuple(rest[sign + 1 :]))
    return question((ACTORS | PEOPLE)[actor], verb, **facts(rest[:sign])), expected


@pytest.mark.parametrize("line", CASES, ids=lambda line: " ".join(line.split()))
def test_the_shipped_policies_decide_as_the_table_says(line: str) -> None:
    asked, expected = read(line)
    assert gatekeeper("").rule(asked) == expected


@pytest.mark.parametrize("gone", [each.id for each in gatekeeper("").written if each.id != "tokens-stay-home"])
def test_no_policy_can_go_without_a_line_of_the_table_noticing(gone: str) -> None:
    left = "\n".join(each.text for each in gatekeeper("").written if each.id != gone)
    if gone == "security-governs":
        with pytest.raises(Invalid, match="nobody could take these back"):
            CedarGatekeeper(Shipped(schema=shipped().schema, policies=left))
        return
    less = CedarGatekeeper(Shipped(schema=shipped().schema, policies=left))
    assert any(less.rule(asked) != expected for asked, expected in map(read, CASES))


def test_the_table_is_large_enough_and_names_every_policy_verb_and_kind_of_actor() -> None:
    assert len(CASES) >= 60
    assert len(CASES) == len({" ".join(line.split()) for line in CASES})
    words = set(TABLE.split())
    assert {each.id for each in gatekeeper("").written} - words == {"tokens-stay-home"}
    assert set(Verb) <= words
    assert {(ACTORS | PEOPLE)[line.split()[0]].kind for line in CASES} == set(ActorKind)


@pytest.mark.parametrize("kind", [ActorKind.AGENT, ActorKind.SERVICE])
def test_a_token_reads_and_drafts_where_it_is_at_home_and_nowhere_else(kind: ActorKind) -> None:
    token = Actor(id="t", kind=kind, project="shop", environment="production")
    assert gatekeeper("").rule(question(token, "read")).allowed
    assert gatekeeper("").rule(question(token, "draft", "reduce")).allowed
    for place in ({"environment": "staging"}, {"project": "bank"}):
        ruling = gatekeeper("").rule(question(token, "read", **place))
        assert (ruling.allowed, ruling.policies) == (False, ("tokens-stay-home",))
