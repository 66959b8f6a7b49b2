"""What the clock does: proposals whose time ran out expire."""

from __future__ import annotations

from twokey.domain.identity import SCHEDULE
from twokey.domain.proposal import WAITING, Proposal
from twokey.ports import Store
from twokey.steps.publish import expire


def expire_proposal(store: Store, id: str) -> Proposal | None:
    """Set a waiting proposal to expired once its time is over; nothing where it was answered in the meantime."""
    with store.begin() as uow:
        proposal = uow.proposals.get(id)
        if proposal.status not in WAITING or uow.now < proposal.expires_at:
            return None
        return expire(uow, proposal, SCHEDULE)
