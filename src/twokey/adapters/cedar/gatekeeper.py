"""Asks Cedar, and believes it only where nothing went wrong.

Rules kept here (each is a test):
- Cedar skips a policy that errs, a `forbid` as well, and answers with the rest: an answer with an error in it is a
  refusal, whatever it says;
- only `Allow` allows: no decision, an unknown fact, a missing entity or an exception refuse, and the problem is named;
- the schema goes with every call, and with the entities too, which Cedar checks at no other time;
- the shipped policies cannot be left away, and a team's permit does not override what they forbid;
- whatever a team writes, the security role can take it back.
"""

from __future__ import annotations

import re
from functools import lru_cache
from threading import Lock

import cedarpy

from twokey.adapters.cedar.asking import Asked, asked
from twokey.adapters.cedar.reading import Shipped, names_of, read_policies, shipped
from twokey.domain.identity import Actor, ActorKind, Role
from twokey.domain.permission import Question, Ruling, Verb
from twokey.engine.canonical import digest
from twokey.engine.errors import Invalid

_GOES_ON = (KeyboardInterrupt, SystemExit, GeneratorExit)
_making = Lock()
_TAKING_BACK = Question(
    actor=Actor(id="somebody", kind=ActorKind.PERSON, roles=frozenset({Role.SECURITY})),
    verb=Verb.GOVERN,
    project="",
    environment="",
    action="policies",
)


class CedarGatekeeper:
    """The shipped policies and a team's, ready to be asked. Raises Invalid where a text is not in order."""

    def __init__(self, house: Shipped, team_policies: str = "") -> None:
        self._schema = cedarpy.Schema.from_str(house.schema)
        ours = read_policies(house.policies, self._schema, ships=True)
        theirs = read_policies(team_policies, self._schema, taken=frozenset(each.id for each in ours))
        self.written = (*ours, *theirs)
        self.digest = digest({"schema": house.schema, "shipped": house.policies, "team": team_policies})
        self._policies = cedarpy.PolicySet.from_str("\n".join(each.text for each in self.written))
        self._names = names_of(self._policies)
        self._check_whole()
        self._check_way_out()

    def _check_whole(self) -> None:
        """What will be asked is what was read one by one."""
        if sorted(self._names.values()) != sorted(each.id for each in self.written):
            raise Invalid("policies", "together they read otherwise than alone", "policies that end with `;` each")

    def _check_way_out(self) -> None:
        """Policies that keep everybody from changing policies could never be taken back."""
        ruling = self.rule(_TAKING_BACK)
        if not ruling.allowed:
            who = ", ".join(f"`{each}`" for each in ruling.policies) or ruling.problem
            raise Invalid("policies", f"nobody could take these back: {who}", "policies that let `security` govern")

    def rule(self, question: Question) -> Ruling:
        """The answer to one question. Never raises."""
        try:
            return self._answer(asked(question))
        except _GOES_ON:
            raise
        except BaseException as error:  # noqa: BLE001
            # Not only Exception: what Cedar's own code raises when it panics is none.
            return Ruling(allowed=False, problem=f"the policies could not be asked: {type(error).__name__}: {error}")

    def _answer(self, put: Asked) -> Ruling:
        entities = cedarpy.Entities.from_json_str(put.entities, self._schema)
        result = cedarpy.is_authorized(put.request, self._policies, entities, self._schema)
        if result.diagnostics.errors:
            return Ruling(allowed=False, problem=f"the policies failed: {self._named(result.diagnostics.errors)}")
        if result.decision not in (cedarpy.Decision.Allow, cedarpy.Decision.Deny):
            return Ruling(allowed=False, problem=f"the policies came to no decision: `{result.decision.value}`")
        deciding = tuple(sorted(self._names[each] for each in result.diagnostics.reasons))
        return Ruling(allowed=result.allowed, policies=deciding)

    def _named(self, errors: list[str]) -> str:
        """Cedar's errors, with our ids for the policies."""
        return "; ".join(
            re.sub(r"`(policy\d+)`", lambda found: f"`{self._names.get(found[1], found[1])}`", each) for each in errors
        )


def gatekeeper(team_policies: str = "") -> CedarGatekeeper:
    """The gatekeeper for a team's own policies beside the shipped ones; the same one for the same text.

    Raises Invalid, which names the policy and the place.
    """
    with _making:
        return _gatekeeper(team_policies)


@lru_cache(maxsize=16)
def _gatekeeper(team_policies: str) -> CedarGatekeeper:
    return CedarGatekeeper(shipped(), team_policies)
