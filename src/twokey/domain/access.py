"""Access: who may turn keys, under which written rules. Changing that is itself proposed, approved and recorded.

Rules kept here (each is a test):
- access moves by a closed set of edits, none of which a flag operation can express, and none of which moves a flag;
- what an edit does is computed from access before and after: giving anybody power they did not have (a role, fewer or
  other approvers, longer clocks, an unguarded environment, a rule of the team, a standing order) needs a second person
  of the security role; taking power away needs one;
- taking `security` or `administrator` from somebody counts as giving power to those who remain;
- until two people have ever held the security role there is nobody to be the second: the first acts alone, and the log
  says so. That time does not come back, also when one of them leaves.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

import msgspec
from msgspec.structs import replace

from twokey.domain.identity import GUARDIANS, Role
from twokey.domain.machine import move
from twokey.domain.policy import Environment
from twokey.domain.proposal import TRANSITIONS, Author, ProposalStatus
from twokey.domain.standing_order import MOST_PER_HOUR, Rule
from twokey.engine.canonical import digest as sha256
from twokey.engine.errors import Invalid

QUORUM = (Role.SECURITY,)
"""Who must agree to what gives power: somebody of this role who did not write it."""
MOST_EDITS = 20
MOST_HOURS = 24 * 7
MOST_TEXT = 200_000
_NAME = r"[a-z0-9][a-z0-9_-]{0,63}"
_GRANT = re.compile(rf"{_NAME}(@[^@/\s]+(/[^@/\s]+)?)?", re.ASCII)
_ROLE = re.compile(_NAME, re.ASCII)


class _Edit(msgspec.Struct, frozen=True, kw_only=True, tag_field="edit", forbid_unknown_fields=True):
    """Base of the closed set."""


class GrantRole(_Edit, frozen=True, kw_only=True, forbid_unknown_fields=True, tag="grant_role"):
    """Give a person a role: `role`, `role@project` or `role@project/environment`."""

    person: str
    grant: str


class RevokeRole(_Edit, frozen=True, kw_only=True, forbid_unknown_fields=True, tag="revoke_role"):
    """Take it away."""

    person: str
    grant: str


class SetGuarding(_Edit, frozen=True, kw_only=True, forbid_unknown_fields=True, tag="set_guarding"):
    """Whether an environment takes keys at all."""

    project: str
    environment: str
    guarded: bool


class SetApprovers(_Edit, frozen=True, kw_only=True, forbid_unknown_fields=True, tag="set_approvers"):
    """The roles that an environment asks of every change, and beside them of what widens."""

    project: str
    environment: str
    approvers: tuple[str, ...]
    widening_approvers: tuple[str, ...]


class SetHours(_Edit, frozen=True, kw_only=True, forbid_unknown_fields=True, tag="set_hours"):
    """For how long proposals and approvals are good in an environment."""

    project: str
    environment: str
    proposal_hours: float
    approval_hours: float


class SetPolicies(_Edit, frozen=True, kw_only=True, forbid_unknown_fields=True, tag="set_policies"):
    """The team's own policies, beside the shipped ones. The whole text; empty for none."""

    text: str


class SetOrder(_Edit, frozen=True, kw_only=True, forbid_unknown_fields=True, tag="set_order"):
    """A standing order: a rule that may agree to what narrows these flags while this guardrail is breached."""

    project: str
    environment: str
    flags: tuple[str, ...]
    guardrail: str
    per_hour: int


class WithdrawOrder(_Edit, frozen=True, kw_only=True, forbid_unknown_fields=True, tag="withdraw_order"):
    """Take a standing order out of force."""

    order: str


AccessEdit = GrantRole | RevokeRole | SetGuarding | SetApprovers | SetHours | SetPolicies | SetOrder | WithdrawOrder
_edits = msgspec.json.Decoder(tuple[AccessEdit, ...])


class Access(msgspec.Struct, frozen=True, kw_only=True):
    """Who may do what by which rules: the grants of each person, the environments, the team's policies."""

    grants: Mapping[str, frozenset[str]]
    environments: Mapping[str, Environment]
    policies: str = ""
    orders: Mapping[str, Rule] = {}

    def environment(self, project: str, key: str) -> Environment:
        """How one environment is governed; raises Invalid where there is none."""
        found = self.environments.get(f"{project}/{key}")
        if found is None:
            raise Invalid("environment", f"there is no `{project}/{key}`", ", ".join(sorted(self.environments)))
        return found

    @property
    def founded(self) -> bool:
        """Whether there ever were two people of the security role, so that one can always be the other's second."""
        return founded(self.grants.values())


def founded(grants: Iterable[frozenset[str]]) -> bool:
    """Whether two of these people's grants hold the security role."""
    return sum(Role.SECURITY in held for held in grants) > 1


class Policies(msgspec.Struct, frozen=True, kw_only=True):
    """The team's policies as they were set once; the newest are in force."""

    id: str
    text: str
    set_at: datetime
    set_by: str


class AccessProposal(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Proposed edits of access. `power` says, in sentences, what they give to whom; nothing where they only take.

    `base` maps what the edits stand on to its digest; `preview` says what the team's new policies would have decided
    otherwise.
    """

    id: str
    status: ProposalStatus
    author: Author
    edits: tuple[AccessEdit, ...]
    reason: str
    power: tuple[str, ...]
    preview: tuple[str, ...] = ()
    base: dict[str, str]
    required_roles: tuple[str, ...]
    alone: bool = False
    created_at: datetime
    expires_at: datetime
    digest: str = ""

    def to(self, status: ProposalStatus) -> AccessProposal:
        """The proposal in another status; raises Conflict where the table has no such transition."""
        return replace(self, status=move(TRANSITIONS, "access proposal", self.status, status))

    def excluded(self) -> frozenset[str]:
        """Who never counts as an approver."""
        return frozenset({self.author.id})

    def signed(self) -> dict[str, Any]:
        """All that its digest covers: everything but its status."""
        document: dict[str, Any] = msgspec.to_builtins(replace(self, status=ProposalStatus.PENDING, digest=""))
        return document

    def sealed(self) -> AccessProposal:
        """The proposal with the digest over its content."""
        return replace(self, digest=sha256(self.signed()))

    @property
    def is_sealed(self) -> bool:
        """Whether the digest still fits the content."""
        return self.digest == sha256(self.signed())


def parse_edits(document: Any) -> tuple[AccessEdit, ...]:
    """Edits from JSON values. Raises Invalid, with the place, for anything that is not one of the closed set."""
    try:
        found = _edits.decode(msgspec.json.encode(document))
    except (msgspec.ValidationError, TypeError, ValueError) as error:
        known = ", ".join(sorted(each.__struct_config__.tag for each in AccessEdit.__args__))
        raise Invalid("edits", str(error), known) from None
    if not 0 < len(found) <= MOST_EDITS:
        raise Invalid("edits", f"has {len(found)} entries", f"1 to {MOST_EDITS}")
    return found


def apply_edits(access: Access, edits: Sequence[AccessEdit]) -> Access:
    """Access after these edits, in order. Raises Invalid for one that makes no sense or changes nothing."""
    for each in edits:
        after = _apply(access, each)
        if after == access:
            raise Invalid("edits", f"`{each.__struct_config__.tag}` changes nothing", "an edit that changes something")
        access = after
    return access


def _apply(access: Access, edit: AccessEdit) -> Access:
    match edit:
        case GrantRole():
            return _with_grants(access, edit.person, _held(access, edit.person) | {_grant(edit.grant)})
        case RevokeRole():
            return _with_grants(access, edit.person, _held(access, edit.person) - {edit.grant})
        case SetOrder():
            rule = _rule(access, edit)
            return replace(access, orders={**access.orders, rule.principal: rule})
        case WithdrawOrder():
            if edit.order not in access.orders:
                raise Invalid("order", f"there is no order `{edit.order}` in force", ", ".join(access.orders) or "none")
            kept = {name: rule for name, rule in access.orders.items() if name != edit.order}
            return replace(access, orders=kept)
        case SetPolicies():
            if len(edit.text) > MOST_TEXT:
                raise Invalid("text", f"is longer than {MOST_TEXT} characters", "a shorter text")
            return replace(access, policies=edit.text)
        case SetGuarding() | SetApprovers() | SetHours():
            governed = _governed(access.environment(edit.project, edit.environment), edit)
            key = f"{edit.project}/{edit.environment}"
            return replace(access, environments={**access.environments, key: governed})


def _rule(access: Access, edit: SetOrder) -> Rule:
    access.environment(edit.project, edit.environment)
    if not edit.flags or not edit.guardrail:
        raise Invalid("flags" if not edit.flags else "guardrail", "is empty", "the flags and the guardrail it is for")
    if not 1 <= edit.per_hour <= MOST_PER_HOUR:
        raise Invalid("per_hour", f"is {edit.per_hour}", f"1 to {MOST_PER_HOUR}")
    flags = tuple(sorted(set(edit.flags)))
    return Rule(
        project=edit.project,
        environment=edit.environment,
        flags=flags,
        guardrail=edit.guardrail,
        per_hour=edit.per_hour,
    )


def _governed(environment: Environment, edit: SetGuarding | SetApprovers | SetHours) -> Environment:
    match edit:
        case SetGuarding():
            return replace(environment, guarded=edit.guarded)
        case SetApprovers():
            check_approvers(edit.approvers, edit.widening_approvers)
            return replace(environment, approvers=edit.approvers, widening_approvers=edit.widening_approvers)
        case SetHours():
            for name in ("proposal_hours", "approval_hours"):
                if not 0 < getattr(edit, name) <= MOST_HOURS:
                    raise Invalid(name, f"is {getattr(edit, name)}", f"more than 0, at most {MOST_HOURS}")
            return replace(environment, proposal_hours=edit.proposal_hours, approval_hours=edit.approval_hours)


def _held(access: Access, person: str) -> frozenset[str]:
    if person not in access.grants:
        raise Invalid("person", f"there is nobody called `{person}`", "the username of a person")
    return access.grants[person]


def _with_grants(access: Access, person: str, held: frozenset[str]) -> Access:
    after = replace(access, grants={**access.grants, person: held})
    for role in sorted(GUARDIANS):
        if _holders(access, role) and not _holders(after, role):
            raise Invalid("person", f"`{person}` is the last who holds `{role}`", "give it to somebody else first")
    return after


def _holders(access: Access, role: str) -> bool:
    return any(role in held for held in access.grants.values())


def _grant(text: str) -> str:
    if not _GRANT.fullmatch(text):
        raise Invalid("grant", f"`{text}` is no grant", "role, role@project or role@project/environment")
    if text.partition("@")[0] in GUARDIANS and "@" in text:
        raise Invalid("grant", f"`{text.partition('@')[0]}` holds everywhere", "the role without a place")
    return text


def check_approvers(approvers: Sequence[str], widening_approvers: Sequence[str]) -> None:
    """Raise Invalid unless both name roles, one at least."""
    if not approvers or not widening_approvers:
        raise Invalid("approvers", "is empty", "at least one role: a gate without a key is none")
    for role in (*approvers, *widening_approvers):
        if not _ROLE.fullmatch(role):
            raise Invalid("approvers", f"`{role}` is no name of a role", "lower-case letters, digits, `_` and `-`")


def power_given(before: Access, after: Access) -> tuple[str, ...]:
    """What the step from `before` to `after` gives to anybody, in sentences; nothing where it only takes power away."""
    orders = (f"{after.orders[name].says}" for name in sorted(after.orders.keys() - before.orders.keys()))
    return (*_by_grants(before, after), *_by_environments(before, after), *_by_policies(before, after), *orders)


def _by_grants(before: Access, after: Access) -> Iterator[str]:
    for person in sorted(after.grants):
        had, has = before.grants.get(person, frozenset()), after.grants[person]
        yield from (f"{person} is given `{grant}`" for grant in sorted(has - had))
        yield from (
            f"`{grant}` is taken from {person}, so the others hold more" for grant in sorted(GUARDIANS & had - has)
        )


def _by_environments(before: Access, after: Access) -> Iterator[str]:
    for key in sorted(after.environments):
        one, other = before.environments[key], after.environments[key]
        if one.guarded and not other.guarded:
            yield f"{key} takes no keys any more"
        for name, says in (("approvers", "changes"), ("widening_approvers", "changes that widen")):
            if missing := sorted(set(getattr(one, name)) - set(getattr(other, name))):
                yield f"{says} in {key} no longer need {' and '.join(missing)}"
        for name, says in (("proposal_hours", "proposals"), ("approval_hours", "approvals")):
            if getattr(other, name) > getattr(one, name):
                yield f"{says} in {key} are good for longer: {getattr(other, name):g} hours"


def _by_policies(before: Access, after: Access) -> Iterator[str]:
    if before.policies != after.policies:
        yield "the team's policies change"


def bases(access: Access, edits: Iterable[AccessEdit]) -> dict[str, str]:
    """The digest of everything that the edits stand on, so that what moved meanwhile is noticed."""
    found: dict[str, str] = {}
    for edit in edits:
        match edit:
            case GrantRole() | RevokeRole():
                found[f"person:{edit.person}"] = sha256(sorted(access.grants.get(edit.person, ())))
            case SetOrder():
                found[f"environment:{edit.project}/{edit.environment}"] = _environment_digest(access, edit)
            case WithdrawOrder():
                found[f"order:{edit.order}"] = sha256(edit.order in access.orders)
            case SetPolicies():
                found["policies"] = sha256(access.policies)
            case SetGuarding() | SetApprovers() | SetHours():
                found[f"environment:{edit.project}/{edit.environment}"] = _environment_digest(access, edit)
    return found


def _environment_digest(access: Access, edit: SetOrder | SetGuarding | SetApprovers | SetHours) -> str:
    return sha256(msgspec.to_builtins(access.environments.get(f"{edit.project}/{edit.environment}")))


def describe_edit(edit: AccessEdit) -> str:
    """One edit in a sentence."""
    match edit:
        case GrantRole():
            return f"give {edit.person} the role `{edit.grant}`"
        case RevokeRole():
            return f"take the role `{edit.grant}` from {edit.person}"
        case SetGuarding():
            return f"{'guard' if edit.guarded else 'unguard'} {edit.project}/{edit.environment}"
        case SetApprovers():
            widening = ", ".join(edit.widening_approvers)
            named = f"{', '.join(edit.approvers)} approve changes in {edit.project}/{edit.environment}"
            return f"{named}; for what widens also {widening}"
        case SetHours():
            hours = f"{edit.proposal_hours:g} and {edit.approval_hours:g} hours"
            return f"proposals and approvals in {edit.project}/{edit.environment} are good for {hours}"
        case SetOrder():
            place = f"{edit.project}/{edit.environment}"
            return f"let a standing order turn a key in {place} while {edit.guardrail} is breached"
        case WithdrawOrder():
            return f"withdraw the standing order {edit.order}"
        case SetPolicies():
            return f"set the team's policies ({len(edit.text)} characters)" if edit.text else "drop the team's policies"
