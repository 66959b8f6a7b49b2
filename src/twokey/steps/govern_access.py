"""Govern access: propose edits of roles, rules and approval settings, and turn the security key for them.

Rules kept here:
- only a person with fresh proof, who holds `security`, proposes; only another who holds it agrees, with fresh proof for
  exactly that digest;
- what gives nobody power is done with one key, so that power can be taken away at 3 a.m.;
- everything is checked again when it is applied: who still holds the role, and that nothing it stands on has moved;
- the written policy is asked about each edit, of who proposes and of who agrees;
- team policies are validated before they are proposed, and the proposal says what they would have decided otherwise.
"""

from __future__ import annotations

from datetime import timedelta

import msgspec

from twokey.domain.access import (
    QUORUM,
    Access,
    AccessEdit,
    AccessProposal,
    Policies,
    SetPolicies,
    apply_edits,
    bases,
    describe_edit,
    power_given,
)
from twokey.domain.approval import Answer, Approval, Proof, fill
from twokey.domain.audit import Happening, Outcome
from twokey.domain.errors import Conflict, Refused
from twokey.domain.governing import governed
from twokey.domain.identity import SCHEDULE, Actor, Role
from twokey.domain.proposal import Author, ProposalStatus
from twokey.domain.standing_order import StandingOrder
from twokey.engine.errors import Invalid
from twokey.ports import Store, UnitOfWork
from twokey.steps.ask_gate import check_governs, foresee
from twokey.steps.publish import sign_soon

GOOD_FOR = timedelta(hours=24)
"""How long an access proposal, and an approval of it, is good."""


def read_access(uow: UnitOfWork) -> Access:
    """Access as it stands."""
    people = uow.users.where(limit=uow.users.count())
    newest = uow.policies.where(limit=1)
    return Access(
        grants={each.username: each.roles for each in people},
        environments={f"{each.project}/{each.key}": each for each in uow.flags.environments()},
        policies=newest[0].text if newest else "",
        orders={
            each.id: each.rule
            for each in uow.standing_orders.where(limit=uow.standing_orders.count())
            if each.withdrawn_at is None
        },
    )


def propose(
    store: Store, actor: Actor, edits: tuple[AccessEdit, ...], reason: str, proof: Proof | None
) -> AccessProposal:
    """Propose edits of access; what gives nobody power is applied at once.

    Raises Invalid for edits that make no sense, Refused for who may not.
    """
    _check_present(actor, proof)
    if not actor.holds(Role.SECURITY):
        raise Refused(f"only somebody who holds `{Role.SECURITY}` proposes edits of access")
    if not reason.strip():
        raise Invalid("reason", "is empty", "why access shall change, in a sentence")
    with store.begin() as uow:
        proposal = _drafted(uow, actor, edits, reason)
        _check_permitted(uow, actor, proposal)
        uow.access_proposals.add(proposal)
        uow.audit.append(_happening("access.propose", proposal, actor, _content(proposal)))
        if proposal.required_roles:
            return proposal
        return _apply(uow, proposal.to(ProposalStatus.APPROVED), actor)


def _drafted(uow: UnitOfWork, actor: Actor, edits: tuple[AccessEdit, ...], reason: str) -> AccessProposal:
    access = read_access(uow)
    power = power_given(access, apply_edits(access, edits))
    new_policies = [each.text for each in edits if isinstance(each, SetPolicies)]
    return AccessProposal(
        id=uow.new_id("access"),
        status=ProposalStatus.PENDING,
        author=Author(id=actor.id, kind=actor.kind),
        edits=edits,
        reason=reason,
        power=power,
        preview=foresee(uow, uow.gatekeeper_for(new_policies[-1])) if new_policies else (),
        base=bases(access, edits),
        required_roles=QUORUM if power and access.founded else (),
        alone=bool(power) and not access.founded,
        created_at=uow.now,
        expires_at=uow.now + GOOD_FOR,
    ).sealed()


def approve(store: Store, actor: Actor, id: str, digest: str, proof: Proof | None, note: str = "") -> AccessProposal:
    """Turn the security key. Raises Refused (who may not), Conflict (another digest, answered, expired, moved)."""
    _check_present(actor, proof)
    with store.begin() as uow:
        proposal, problem = _open_for(uow, actor, id, digest)
        if not problem:
            if actor.id in proposal.excluded():
                raise Refused("who wrote an access proposal never approves it")
            _check_permitted(uow, actor, proposal)
            _record(uow, proposal, actor, Answer.YES, proof, note)
            if len(fill(proposal.required_roles, _counted(uow, proposal))) == len(proposal.required_roles):
                proposal = _apply(uow, proposal.to(ProposalStatus.APPROVED), actor)
                problem = "what it stands on has moved" if proposal.status is ProposalStatus.STALE else ""
    return _settled(proposal, problem)


def reject(store: Store, actor: Actor, id: str, digest: str, proof: Proof | None, note: str) -> AccessProposal:
    """Veto it. Raises as `approve` does."""
    _check_present(actor, proof)
    with store.begin() as uow:
        proposal, problem = _open_for(uow, actor, id, digest)
        if not problem:
            _record(uow, proposal, actor, Answer.NO, proof, note)
            proposal = _aside(uow, proposal, ProposalStatus.REJECTED)
    return _settled(proposal, problem)


def withdraw(store: Store, actor: Actor, id: str) -> AccessProposal:
    """Take it back, by its author. Raises Refused for anybody else, Conflict where it no longer waits."""
    with store.begin() as uow:
        proposal = uow.access_proposals.get(id)
        if actor.id != proposal.author.id:
            raise Refused("only its author withdraws an access proposal")
        proposal = _aside(uow, proposal, ProposalStatus.WITHDRAWN)
        uow.audit.append(_happening("access.withdraw", proposal, actor, {}))
        return proposal


def _open_for(uow: UnitOfWork, actor: Actor, id: str, digest: str) -> tuple[AccessProposal, str]:
    """The proposal, and why it cannot be answered. One that ran out is set to expired."""
    if not actor.holds(Role.SECURITY):
        raise Refused(f"only somebody who holds `{Role.SECURITY}` answers an access proposal")
    proposal = uow.access_proposals.get(id)
    if proposal.status is not ProposalStatus.PENDING:
        raise Conflict(f"the access proposal is `{proposal.status}`, not waiting for an answer")
    if uow.now >= proposal.expires_at:
        expired = _aside(uow, proposal, ProposalStatus.EXPIRED)
        uow.audit.append(_happening("access.expire", expired, SCHEDULE, {}, Outcome.REFUSED))
        return expired, f"it expired at {proposal.expires_at:%Y-%m-%d %H:%M} UTC"
    if digest != proposal.digest or not proposal.is_sealed:
        problem = f"`{digest[:24]}` is not this proposal's digest"
        raise Conflict(problem, remedy="read it again, and approve what you read")
    return proposal, ""


def _counted(uow: UnitOfWork, proposal: AccessProposal) -> list[Approval]:
    """The approvals that count now: of this digest, not expired, by others who still hold what they held."""
    given = uow.access_approvals.where(proposal=proposal.id)
    counted = [each for each in given if each.counts(proposal.digest, proposal.excluded(), uow.now)]
    return [msgspec.structs.replace(each, roles=each.roles & _standing(uow, each.person)) for each in counted]


def _standing(uow: UnitOfWork, person: str) -> frozenset[str]:
    found = uow.users.where(username=person, limit=1)
    return found[0].roles if found and not found[0].disabled else frozenset()


def _apply(uow: UnitOfWork, proposal: AccessProposal, actor: Actor) -> AccessProposal:
    """Do what was approved, if nothing it stands on has moved; else it is stale."""
    access = read_access(uow)
    if bases(access, proposal.edits) != proposal.base:
        stale = _aside(uow, proposal, ProposalStatus.STALE)
        uow.audit.append(_happening("access.stale", stale, actor, {}, Outcome.REFUSED))
        return stale
    after = apply_edits(access, proposal.edits)
    _write(uow, access, after, proposal)
    applied = proposal.to(ProposalStatus.APPLIED)
    uow.access_proposals.replace(applied)
    uow.audit.append(_happening("access.apply", applied, actor, _content(applied)))
    sign_soon(uow)
    return applied


def _write(uow: UnitOfWork, before: Access, after: Access, proposal: AccessProposal) -> None:
    for name in after.grants:
        if after.grants[name] != before.grants[name]:
            (user,) = uow.users.where(username=name, limit=1)
            uow.users.replace(msgspec.structs.replace(user, roles=after.grants[name]))
    for key, environment in after.environments.items():
        if environment != before.environments[key]:
            uow.flags.put_environment(environment)
    _write_orders(uow, before, after, proposal)
    if after.policies != before.policies:
        new = Policies(id=uow.new_id("policies"), text=after.policies, set_at=uow.now, set_by=proposal.id)
        uow.policies.add(new)


def _write_orders(uow: UnitOfWork, before: Access, after: Access, proposal: AccessProposal) -> None:
    for name in before.orders.keys() - after.orders.keys():
        withdrawn = msgspec.structs.replace(uow.standing_orders.get(name), withdrawn_at=uow.now)
        uow.standing_orders.replace(withdrawn)
    for name in after.orders.keys() - before.orders.keys():
        order = StandingOrder(rule=after.orders[name], set_by=proposal.id, set_at=uow.now)
        if uow.standing_orders.find(name) is None:
            uow.standing_orders.add(order)
        else:  # the same rule was in force before, and withdrawn
            uow.standing_orders.replace(order)


def _aside(uow: UnitOfWork, proposal: AccessProposal, status: ProposalStatus) -> AccessProposal:
    aside = proposal.to(status)
    uow.access_proposals.replace(aside)
    return aside


def _record(
    uow: UnitOfWork, proposal: AccessProposal, actor: Actor, answer: Answer, proof: Proof | None, note: str
) -> None:
    if proof is None or uow.access_approvals.where(proposal=proposal.id, person=actor.id, limit=1):
        raise Conflict("you have answered this digest already")
    approval = Approval(
        id=uow.new_id("approval"),
        proposal=proposal.id,
        digest=proposal.digest,
        person=actor.id,
        roles=actor.roles,
        answer=answer,
        proof=proof,
        at=uow.now,
        expires_at=uow.now + GOOD_FOR,
        note=note,
    )
    uow.access_approvals.add(approval)
    verb = "approve" if answer is Answer.YES else "reject"
    detail: dict[str, object] = {"digest": proposal.digest, "proof": str(proof), "note": note}
    uow.audit.append(_happening(f"access.{verb}", proposal, actor, detail))


def _check_permitted(uow: UnitOfWork, actor: Actor, proposal: AccessProposal) -> None:
    """Ask the written policy about each edit."""
    access = read_access(uow)
    for what, place in dict.fromkeys(governed(access, each) for each in proposal.edits):
        check_governs(uow, actor, what, place)


def _check_present(actor: Actor, proof: Proof | None) -> None:
    if not actor.may_turn_key:
        raise Refused(f"only a person governs access; this is a token of kind `{actor.kind}`")
    if proof is None:
        raise Refused("this needs fresh proof that you are here")


def _settled(proposal: AccessProposal, problem: str) -> AccessProposal:
    if problem:
        raise Conflict(problem, remedy="propose it again on what stands now")
    return proposal


def _content(proposal: AccessProposal) -> dict[str, object]:
    return {
        "digest": proposal.digest,
        "edits": msgspec.to_builtins(proposal.edits),
        "says": [describe_edit(each) for each in proposal.edits],
        "power": list(proposal.power),
        "reason": proposal.reason,
        "alone": proposal.alone,
    }


def _happening(
    action: str, proposal: AccessProposal, actor: Actor, detail: dict[str, object], outcome: Outcome = Outcome.DONE
) -> Happening:
    return Happening(action=action, subject=proposal.id, actor=actor.reference(), outcome=outcome, detail=detail)
