"""Review a proposal: approve, reject, withdraw. The last key that is missing opens the gate.

Rules kept here:
- an approval needs a person, present now (`proof`), for the digest they read;
- the author, the person an agent acts for and everyone who edited are refused, and so is who holds no required role;
- a veto is for those who hold a required role, and for its author; nobody else can hold a change up;
- who may not answer learns nothing of the proposal and moves nothing;
- of proposals that stand together, one answer is an answer to all in whose environment its giver holds a needed role;
  one veto is a veto of all;
- with the last key a `when_open` proposal is applied in the same transaction.
"""

from __future__ import annotations

from datetime import timedelta

from twokey.domain.approval import Answer, Approval, Proof
from twokey.domain.audit import Happening
from twokey.domain.errors import Conflict, NotFound, Refused
from twokey.domain.gate import GateStatus
from twokey.domain.identity import SCHEDULE, Actor
from twokey.domain.job import JobKind
from twokey.domain.permission import Verb
from twokey.domain.proposal import WAITING, ApplyMode, Proposal, ProposalStatus
from twokey.ports import Store, UnitOfWork
from twokey.steps.ask_gate import check_permitted, gate_of, members_of
from twokey.steps.publish import agree, apply_proposal, expire, release_case, set_aside


def approve(store: Store, actor: Actor, id: str, digest: str, proof: Proof | None, note: str = "") -> Proposal:
    """Turn one key. Returns the proposal as it then stands: waiting for others, approved, or applied.

    Raises NotFound, Refused (who may not, or without fresh proof), Conflict (another digest, expired, answered, stale).
    """
    _check_present(actor, proof)
    with store.begin() as uow:
        proposal, problem = _open_for(uow, id, digest)
        if not problem:
            _check_not_own(proposal, actor)
            for each in _answerable(uow, proposal, actor):
                check_permitted(uow, each, actor, Verb.APPROVE)
                _record(uow, each, actor, Answer.YES, proof, note)
            proposal, problem = _turn(uow, proposal, actor)
    return _settled(proposal, problem)


def reject(store: Store, actor: Actor, id: str, digest: str, proof: Proof | None, note: str) -> Proposal:
    """Veto a proposal. One rejection is enough. Raises as `approve` does."""
    _check_present(actor, proof)
    with store.begin() as uow:
        proposal, problem = _open_for(uow, id, digest)
        if not problem:
            own = actor.id in proposal.excluded()
            for each in (proposal,) if own else _answerable(uow, proposal, actor):
                _record(uow, each, actor, Answer.NO, proof, note)
            for each in members_of(uow, proposal):
                uow.proposals.replace(each.to(ProposalStatus.REJECTED))
                release_case(uow, each.case)
            proposal = proposal.to(ProposalStatus.REJECTED)
    return _settled(proposal, problem)


def withdraw(store: Store, actor: Actor, id: str) -> Proposal:
    """Take a proposal back: its author, or a person an agent acts for, may. Raises Refused for anyone else."""
    with store.begin() as uow:
        proposal = uow.proposals.get(id)
        if actor.id not in proposal.excluded():
            _check_reach(proposal, actor)
            raise Refused("only its author (or the person its author acts for) withdraws a proposal")
        return set_aside(uow, proposal, ProposalStatus.WITHDRAWN, actor, "")


def _open_for(uow: UnitOfWork, id: str, digest: str) -> tuple[Proposal, str]:
    """The proposal, and why it cannot be answered with this digest. One that ran out is set to expired."""
    proposal = uow.proposals.get(id)
    if proposal.status in WAITING and uow.now >= proposal.expires_at:
        return expire(uow, proposal, SCHEDULE), f"the proposal expired at {proposal.expires_at:%Y-%m-%d %H:%M} UTC"
    if proposal.status is not ProposalStatus.PENDING:
        raise Conflict(f"the proposal is `{proposal.status}`, not waiting for approvals", remedy=_remedy(uow, proposal))
    if digest != proposal.digest:
        raise Conflict(
            f"`{digest[:24]}` is not this proposal's digest",
            remedy="read the proposal again, and approve what you read",
        )
    return proposal, ""


def _remedy(uow: UnitOfWork, proposal: Proposal) -> str:
    newer = uow.proposals.where(supersedes=proposal.id, limit=1)
    return f"an edit replaced it: read `{newer[0].id}`" if newer else ""


def _check_reach(proposal: Proposal, actor: Actor) -> None:
    """A token learns nothing of another environment, not even that a proposal is there."""
    if not actor.may_turn_key and (actor.project, actor.environment) != (proposal.project, proposal.environment):
        raise NotFound("proposal", proposal.id)


def _check_present(actor: Actor, proof: Proof | None) -> None:
    if not actor.may_turn_key:
        raise Refused(f"only a person turns a key; this is a token of kind `{actor.kind}`")
    if proof is None:
        raise Refused("this needs fresh proof that you are here, for exactly this digest: a password, code or passkey")


def _check_not_own(proposal: Proposal, actor: Actor) -> None:
    if actor.id in proposal.excluded():
        raise Refused("who wrote or edited a proposal, or has an agent act for them, never approves it")


def _answerable(uow: UnitOfWork, proposal: Proposal, actor: Actor) -> list[Proposal]:
    """This proposal and those that stand with it, as far as the actor holds a needed role and has not answered.

    Raises Refused where they hold none, Conflict where nothing is left to answer.
    """
    members = members_of(uow, proposal)
    held = [each for each in members if actor.roles_in(each.project, each.environment) & set(each.required_roles)]
    if not held:
        roles = dict.fromkeys(role for each in members for role in each.required_roles)
        raise Refused(f"you hold none of the roles that answer it: {', '.join(roles)}")
    left = [each for each in held if not uow.approvals.where(proposal=each.id, person=actor.id, limit=1)]
    if not left:
        raise Conflict("you have answered this digest already")
    return left


def _record(uow: UnitOfWork, proposal: Proposal, actor: Actor, answer: Answer, proof: Proof | None, note: str) -> None:
    if uow.approvals.where(proposal=proposal.id, person=actor.id, limit=1):
        raise Conflict("you have answered this digest already")
    hours = uow.flags.environment(proposal.project, proposal.environment).approval_hours
    uow.approvals.add(
        Approval(
            id=uow.new_id("approval"),
            proposal=proposal.id,
            digest=proposal.digest,
            person=actor.id,
            roles=actor.roles_in(proposal.project, proposal.environment),
            answer=answer,
            proof=proof or Proof.PASSWORD,
            at=uow.now,
            expires_at=uow.now + timedelta(hours=hours),
            note=note,
        )
    )
    verb = "approve" if answer is Answer.YES else "reject"
    detail: dict[str, object] = {
        "digest": proposal.digest,
        "roles": sorted(actor.roles_in(proposal.project, proposal.environment)),
        "proof": str(proof),
        "note": note,
    }
    uow.audit.append(_happening(f"proposal.{verb}", proposal, actor, detail))


def _turn(uow: UnitOfWork, proposal: Proposal, actor: Actor) -> tuple[Proposal, str]:
    """Open the gate if this was the last key, and do what the proposal says shall then happen."""
    gate = gate_of(uow, proposal, actor)
    if gate.status is GateStatus.REFUSED:
        raise Refused(gate.sentence, gate)
    if gate.status is GateStatus.WAITING:
        return proposal, ""
    approved = agree(uow, proposal)
    if approved.apply is ApplyMode.WHEN_OPEN:
        applied = apply_proposal(uow, approved, actor)
        return applied.proposal, applied.problem
    if approved.apply is ApplyMode.AT and approved.apply_at is not None:
        uow.jobs.enqueue(JobKind.APPLY_SCHEDULED, approved.id, approved.apply_at)
    return approved, ""


def _settled(proposal: Proposal, problem: str) -> Proposal:
    if problem:
        raise Conflict(problem, remedy="draft it again on the present state")
    return proposal


def _happening(action: str, proposal: Proposal, actor: Actor, detail: dict[str, object]) -> Happening:
    return Happening(
        action=action,
        subject=proposal.id,
        actor=actor.reference(),
        project=proposal.project,
        environment=proposal.environment,
        case=proposal.case,
        detail={"title": proposal.title} | detail,
    )
