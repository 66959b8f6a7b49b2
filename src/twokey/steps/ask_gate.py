"""The gate of a proposal as it stands in the store: who agreed, what the policy says, what is missing.

Rules kept here:
- an approval counts while whoever gave it may still sign in and holds the role;
- of proposals that stand together, the gate is open when it is open for all of them;
- nothing is written: `publish` asks in the transaction that writes, pages and steps ask for themselves.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import msgspec

from twokey.domain.approval import Answer, Approval, Proof
from twokey.domain.errors import NotFound, Refused
from twokey.domain.finding import content_digest
from twokey.domain.gate import Circumstances, Gate, GateStatus, evaluate, question, refusal
from twokey.domain.identity import SCHEDULE, Actor, ActorKind, roles_in
from twokey.domain.joint import together
from twokey.domain.operation import Effect
from twokey.domain.permission import Question, Verb
from twokey.domain.policy import row_for
from twokey.domain.proposal import Proposal
from twokey.engine.canonical import digest
from twokey.ports import Gatekeeper, UnitOfWork

FORESEEN = 100
"""On how many of the last proposals a change of policy is tried."""


def members_of(uow: UnitOfWork, proposal: Proposal) -> tuple[Proposal, ...]:
    """The proposals that stand or fall together with this one, itself among them; itself alone where it stands so."""
    if not proposal.joint:
        return (proposal,)
    return tuple(proposal if each.id == proposal.id else uow.proposals.get(each.id) for each in proposal.joint)


def takes_keys(uow: UnitOfWork, members: Sequence[Proposal]) -> bool:
    """Whether any of the environments is guarded."""
    return any(uow.flags.environment(each.project, each.environment).guarded for each in members)


def gate_of(
    uow: UnitOfWork,
    proposal: Proposal,
    actor: Actor,
    *,
    supposed: Sequence[Approval] = (),
    breached: bool = False,
) -> Gate:
    """The gate of a proposal at the time of the transaction, over the approvals on record, if `actor` were to apply it.

    `supposed` are approvals that nobody gave, to see what they would open. `breached` is what a standing order found.
    """
    members = members_of(uow, proposal)
    gates = [_gate(uow, each, actor, supposed, breached=breached) for each in members]
    return together(members, gates) if proposal.joint else gates[0]


def _gate(uow: UnitOfWork, proposal: Proposal, actor: Actor, supposed: Sequence[Approval], *, breached: bool) -> Gate:
    """The gate of one environment."""
    found = circumstances(uow, proposal, actor, breached=breached)
    row = row_for(proposal.effect, proposal.action)
    return evaluate(proposal, (*approvals_of(uow, proposal), *supposed), row, found)


def check_permitted(
    uow: UnitOfWork, proposal: Proposal, actor: Actor, verb: Verb, now: Effect | None = None, *, breached: bool = False
) -> None:
    """Ask the written policy whether this actor may do this with a proposal. Raises Refused with what it says.

    `now` is the effect on the state of this moment, where it is not that of the whole proposal.
    """
    guarded = uow.flags.environment(proposal.project, proposal.environment).guarded
    row = row_for(proposal.effect if now is None else now, proposal.action)
    asked = question(proposal, row, verb, actor, guarded=guarded, filled=len(proposal.required_roles))
    if now is not None:
        asked = msgspec.structs.replace(asked, effect=str(now))
    if breached:
        asked = msgspec.structs.replace(asked, breached=True)
    ruling = uow.gatekeeper().rule(asked)
    if not ruling.allowed or ruling.problem:
        sentence = refusal(actor, verb, row, ruling.policies, ruling.problem)
        raise Refused(sentence, Gate(status=GateStatus.REFUSED, sentence=sentence, rule=str(verb)))


def check_governs(uow: UnitOfWork, actor: Actor, what: str, place: tuple[str, str] = ("", "")) -> None:
    """Ask the written policy whether this actor may govern something: people, tokens, roles, guarding and so on.

    `place` is the project and environment it is about, where it is about one. What is done on the server's own machine
    is not asked for: who keeps the store has the policies too. Raises Refused.
    """
    if actor.kind is ActorKind.SYSTEM:
        return
    project, environment = place
    guarded = uow.flags.environment(project, environment).guarded if environment else True
    asked = Question(
        actor=actor, verb=Verb.GOVERN, project=project, environment=environment, guarded=guarded, action=what
    )
    ruling = uow.gatekeeper().rule(asked)
    if not ruling.allowed or ruling.problem:
        why = f"the policy could not be asked: {ruling.problem}" if ruling.problem else ", ".join(ruling.policies)
        where = f" in {project}/{environment}" if environment else ""
        raise Refused(f"the policy does not let you govern {what}{where}: {why or 'no policy permits it'}")


def circumstances(uow: UnitOfWork, proposal: Proposal, actor: Actor, *, breached: bool = False) -> Circumstances:
    """What a proposal's gate is evaluated in."""
    return Circumstances(
        now=uow.now,
        actor=actor,
        author=author_of(uow, proposal),
        guarded=uow.flags.environment(proposal.project, proposal.environment).guarded,
        ask=uow.gatekeeper().rule,
        breached=breached,
        altered=tuple(_altered(uow, proposal)),
    )


def _altered(uow: UnitOfWork, proposal: Proposal) -> Iterator[str]:
    """What is cited and no longer has the content that was signed: its stored digest is not believed."""
    for cited, signed in proposal.evidence.items():
        found = uow.evidence.find(cited)
        if found is None or digest(found.body) != signed:
            yield cited
    if proposal.finding_digest and proposal.finding:
        finding = uow.findings.find(proposal.finding)
        if finding is None or content_digest(finding) != proposal.finding_digest:
            yield proposal.finding


def author_of(uow: UnitOfWork, proposal: Proposal) -> Actor:
    """Who wrote a proposal, a person with the roles that they hold now."""
    by = proposal.author
    roles = _roles_now(uow, by.id) if by.kind is ActorKind.PERSON else frozenset[str]()
    return Actor(id=by.id, kind=by.kind, on_behalf_of=by.on_behalf_of, roles=roles)


def foresee(uow: UnitOfWork, other: Gatekeeper, last: int = FORESEEN) -> tuple[str, ...]:
    """What another policy would have decided otherwise of the last proposals, in sentences; the count of them first."""
    present, told = uow.gatekeeper(), []
    proposals = uow.proposals.where(limit=last)
    for proposal in proposals:
        row, author = row_for(proposal.effect, proposal.action), author_of(uow, proposal)
        full = len(proposal.required_roles)
        for verb, actor, filled in ((Verb.DRAFT, author, 0), (Verb.APPLY, SCHEDULE, full)):
            asked = question(proposal, row, verb, actor, guarded=True, filled=filled)
            was, would = present.rule(asked), other.rule(asked)
            if was.allowed != would.allowed:
                now = "allowed" if would.allowed else f"refused ({', '.join(would.policies) or would.problem})"
                told.append(f"{proposal.id} ({row.says}): {verb} by {actor.kind} would have been {now}")
    if not proposals:
        return ("there is no proposal yet that it could have decided",)
    last_of = "proposal differ" if len(proposals) == 1 else f"{len(proposals)} proposals differ"
    return (f"{len(told)} of {2 * len(proposals)} decisions on the last {last_of}", *told)


def suppose_approvals(uow: UnitOfWork, proposal: Proposal, names: Sequence[str]) -> tuple[Approval, ...]:
    """Approvals that these would give now: a person by name, with the roles they hold, or `role:` and a bare role.

    Raises NotFound for a person who is not there.
    """
    return tuple(_supposed(uow, each, name) for each in members_of(uow, proposal) for name in names)


def _supposed(uow: UnitOfWork, proposal: Proposal, name: str) -> Approval:
    roles = frozenset({name.removeprefix("role:")})
    if not name.startswith("role:"):
        if not uow.users.where(username=name, limit=1):
            raise NotFound("user", name)
        roles = roles_in(_roles_now(uow, name), proposal.project, proposal.environment)
    return Approval(
        id="supposed",
        proposal=proposal.id,
        digest=proposal.digest,
        person=name,
        roles=roles,
        answer=Answer.YES,
        proof=Proof.PASSWORD,
        at=uow.now,
        expires_at=proposal.expires_at,
    )


def approvals_of(uow: UnitOfWork, proposal: Proposal) -> tuple[Approval, ...]:
    """Every answer to a proposal, each yes with the roles that its person had then and still has."""
    given = uow.approvals.where(proposal=proposal.id, limit=uow.approvals.count(proposal=proposal.id))
    return tuple(_standing(uow, each, proposal) for each in given)


def _standing(uow: UnitOfWork, approval: Approval, proposal: Proposal) -> Approval:
    held = roles_in(_roles_now(uow, approval.person), proposal.project, proposal.environment)
    return msgspec.structs.replace(approval, roles=approval.roles & held)


def _roles_now(uow: UnitOfWork, person: str) -> frozenset[str]:
    """The grants of somebody who may still sign in."""
    found = uow.users.where(username=person, limit=1)
    return found[0].roles if found and not found[0].disabled else frozenset()
