"""Whatever people, agents, clocks and policies do, in whatever order: nothing is applied but through an open gate.

A machine plays drafts, approvals, rejections, edits, withdrawals, schedules, expiry, applications, reversals, and
changes of roles and policies against a real store. Beside it stands a naive model of who agreed to what. After every
move:

- each applied proposal had, at that moment, every required role filled by distinct people who still held it, for
  exactly its digest, with no answer of an author or editor among them, and nobody's veto;
- each change has its audit entry, and its proposal a proven way back;
- flag state moved only where a change says so, and the log verifies.
"""

from __future__ import annotations

import tempfile
from datetime import timedelta
from itertools import permutations
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, invariant, multiple, rule

from tests.support.world import ENVIRONMENT, FLAG, PRESENT, PROJECT, World
from twokey.domain.access import parse_edits
from twokey.domain.approval import Answer
from twokey.domain.drafting import Draft
from twokey.domain.errors import Conflict, NotFound, Refused
from twokey.domain.identity import Actor
from twokey.domain.operation import Operation, SetEnabled, SetWeights
from twokey.domain.proposal import ApplyMode, Proposal, ProposalStatus
from twokey.engine.errors import Invalid
from twokey.steps.apply_change import apply, apply_scheduled
from twokey.steps.draft_proposal import Edit, draft, edit
from twokey.steps.govern_access import approve as agree
from twokey.steps.govern_access import propose
from twokey.steps.manage_access import person
from twokey.steps.reverse_change import WayBack, reverse
from twokey.steps.review_proposal import approve, reject, withdraw

PEOPLE = ("ines", "mara", "both", "viewer", "sefa", "timo")
ROLES = ("release_manager", "support_ai_platform_owner")
EXPECTED = (Refused, Conflict, Invalid, NotFound)
FREEZE = (
    '@id("no-kill-here") forbid (principal, action == Action::"apply", resource) when { context.change == "kill" };'
)
names = st.sampled_from(PEOPLE)


def operations(share: int) -> tuple[Operation, ...]:
    if share == 0:
        return (SetEnabled(flag=FLAG, enabled=False),)
    return (SetWeights(flag=FLAG, rule="pro-10", weights=(("reranker_v2", share), ("baseline", 100_000 - share))),)


class Gate(RuleBasedStateMachine):
    """The moves. A refusal is an answer like any other; what it must not do is change anything."""

    proposals = Bundle("proposals")

    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        self.world = World(Path(self.folder.name))
        for name, roles in (("sefa", ("security", "administrator")), ("timo", ("security",))):
            self.world.add_person(name, *roles)
        self.revision = self.world.revision
        self.seen: set[str] = set()

    def teardown(self) -> None:
        self.world.close()
        self.folder.cleanup()

    def actor(self, name: str) -> Actor:
        """Somebody as they stand now: a session carries the roles of the moment."""
        if name == "agent":
            return self.world.agent
        with self.world.store.read() as uow:
            return person(uow.users.where(username=name)[0])

    def roles(self, name: str) -> frozenset[str]:
        return self.actor(name).roles

    def attempt(self, move: Any, *arguments: Any) -> Any:
        """Try a move; a refusal must leave the flag state where it was."""
        before = self.world.revision
        try:
            return move(self.world.store, *arguments)
        except EXPECTED:
            assert self.world.revision == before
            return None

    # ---------------------------------------------------------------- drafting

    @rule(
        target=proposals,
        by=st.sampled_from((*PEOPLE, "agent")),
        share=st.sampled_from((0, 1_000, 5_000, 30_000)),
        mode=st.sampled_from(tuple(ApplyMode)),
    )
    def draft(self, by: str, share: int, mode: ApplyMode) -> Any:
        at = self.world.clock() + timedelta(hours=1) if mode is ApplyMode.AT else None
        wanted = Draft(
            project=PROJECT, environment=ENVIRONMENT, operations=operations(share), reason="r", apply=mode, apply_at=at
        )
        made = self.attempt(lambda store: draft(store, self.world.telemetry, self.actor(by), wanted))
        return multiple() if made is None else made.id

    @rule(target=proposals, id=proposals, by=st.sampled_from((*PEOPLE, "agent")), reason=st.sampled_from(("a", "b")))
    def edit(self, id: str, by: str, reason: str) -> Any:
        changes = Edit(digest=self.proposal(id).digest, reason=reason)
        made = self.attempt(lambda store: edit(store, self.world.telemetry, self.actor(by), id, changes))
        return multiple() if made is None else made.id

    # ---------------------------------------------------------------- answering and applying

    @rule(id=proposals, by=st.sampled_from((*PEOPLE, "agent")), stale=st.booleans())
    def approve(self, id: str, by: str, stale: bool) -> None:
        digest = "sha256:" + "0" * 64 if stale else self.proposal(id).digest
        self.attempt(approve, self.actor(by), id, digest, PRESENT)

    @rule(id=proposals)
    def approve_by_both(self, id: str) -> None:
        for name in ("ines", "mara"):
            self.attempt(approve, self.actor(name), id, self.proposal(id).digest, PRESENT)

    @rule(id=proposals)
    def a_role_is_taken_between_the_two_keys(self, id: str) -> None:
        taken = {"person": "ines", "grant": "support_ai_platform_owner"}
        self.attempt(approve, self.actor("ines"), id, self.proposal(id).digest, PRESENT)
        self.nothing_was_applied_without_an_open_gate_for_that_digest()  # with both keys as they are at this moment
        self.govern({"edit": "revoke_role", **taken})
        self.attempt(approve, self.actor("mara"), id, self.proposal(id).digest, PRESENT)
        self.nothing_was_applied_without_an_open_gate_for_that_digest()
        self.govern({"edit": "grant_role", **taken})

    @rule(id=proposals, by=names)
    def reject(self, id: str, by: str) -> None:
        self.attempt(reject, self.actor(by), id, self.proposal(id).digest, PRESENT, "no")

    @rule(id=proposals, by=names)
    def withdraw(self, id: str, by: str) -> None:
        self.attempt(withdraw, self.actor(by), id)

    @rule(id=proposals, by=names)
    def apply(self, id: str, by: str) -> None:
        self.attempt(apply, self.actor(by), id, PRESENT)

    @rule(id=proposals)
    def apply_at_its_time(self, id: str) -> None:
        self.attempt(apply_scheduled, id)

    @rule(by=names, way=st.sampled_from(tuple(WayBack)), which=st.integers(0, 3))
    def reverse(self, by: str, way: WayBack, which: int) -> None:
        with self.world.store.read() as uow:
            changes = uow.changes.where(limit=4)
        if which < len(changes):
            self.attempt(reverse, self.actor(by), changes[which].id, way, PRESENT)

    # ---------------------------------------------------------------- the world around

    @rule(minutes=st.sampled_from((1, 61, 250)))
    def time_passes(self, minutes: int) -> None:
        self.world.clock.forward(minutes=minutes)
        self.world.work(rounds=20)

    @rule(name=st.sampled_from(("ines", "mara", "both", "viewer")), role=st.sampled_from(ROLES), give=st.booleans())
    def a_role_changes(self, name: str, role: str, give: bool) -> None:
        one = {"edit": "grant_role" if give else "revoke_role", "person": name, "grant": role}
        self.govern(one)

    @rule(text=st.sampled_from(("", FREEZE)))
    def the_policy_changes(self, text: str) -> None:
        self.govern({"edit": "set_policies", "text": text})

    def govern(self, one: dict[str, str]) -> None:
        made = self.attempt(lambda store: propose(store, self.actor("sefa"), parse_edits([one]), "r", PRESENT))
        if made is not None and made.status is ProposalStatus.PENDING:
            self.attempt(agree, self.actor("timo"), made.id, made.digest, PRESENT)

    # ---------------------------------------------------------------- what holds after every move

    def proposal(self, id: str) -> Proposal:
        with self.world.store.read() as uow:
            return uow.proposals.get(id)

    @invariant()
    def nothing_was_applied_without_an_open_gate_for_that_digest(self) -> None:
        with self.world.store.read() as uow:
            for change in uow.changes.where(limit=50):
                if change.id in self.seen or change.proposal is None:
                    continue
                self.seen.add(change.id)
                proposal = uow.proposals.get(change.proposal)
                given = uow.approvals.where(proposal=proposal.id, limit=50)
                if change.undoes is None:
                    self.check_keys(proposal, given, change)
                assert proposal.reverse.operations
                assert proposal.rollback.operations

    def check_keys(self, proposal: Proposal, given: Any, change: Any) -> None:
        assert change.applied_at < proposal.expires_at
        assert not any(each.answer is Answer.NO for each in given)
        agreed = [
            each
            for each in given
            if each.digest == proposal.digest
            and each.person not in {proposal.author.id, proposal.author.on_behalf_of, *proposal.editors}
            and change.applied_at < each.expires_at
        ]
        held = {each.person: each.roles & self.roles(each.person) for each in agreed}
        people = [*held, *["nobody"] * len(proposal.required_roles)]
        filled = any(
            all(role in held.get(who, ()) for role, who in zip(proposal.required_roles, order, strict=False))
            for order in permutations(people, len(proposal.required_roles))
        )
        assert filled, (proposal.id, proposal.required_roles, held)
        assert change.operations == proposal.operations

    @invariant()
    def state_moved_only_where_a_change_says_so_and_each_has_its_entry(self) -> None:
        with self.world.store.read() as uow:
            changes = uow.changes.where(limit=200)
            said = [each.happening for each in uow.audit.entries(limit=5000)]
            told = [each.subject for each in said if each.action == "change.apply"]
            assert sorted(told) == sorted(each.id for each in changes)
            assert uow.flags.revision(PROJECT, ENVIRONMENT) == max(each.revision_after for each in changes)
            assert len({each.revision_after for each in changes}) == len(changes)
            assert uow.audit.verify().ok


Gate.TestCase.settings = settings(
    max_examples=40, stateful_step_count=25, deadline=None, suppress_health_check=list(HealthCheck)
)
TestTheGateAsAMachine = Gate.TestCase
