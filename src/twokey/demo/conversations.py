"""Support conversations and how they go: seeded, so that the same seed tells the same story.

Rules kept here:
- who writes in, and how an answer turns out, depends on the seed, the conversation and the profile that answered: on
  nothing else, so a conversation that is played twice goes the same way;
- the candidate is slower and corrected more often; about one in a hundred times it fails, and the baseline stands in;
- no addresses of customers: only staff carry one, since a rule looks at it.
"""

from __future__ import annotations

import random
from collections.abc import Iterator

import msgspec

from twokey.demo.scenario import CANDIDATE, STAFF_DOMAIN, UNIT

REGIONS = ("eu-west", "us-east", "ap-south")
PLANS = ("free", "pro", "enterprise")


class Conversation(msgspec.Struct, frozen=True, kw_only=True):
    """Somebody asks the support assistant something."""

    id: str
    account: str
    plan: str
    region: str
    email: str = ""

    @property
    def context(self) -> dict[str, str]:
        """What the application knows when it asks for a flag."""
        known = {UNIT: self.id, "account": self.account, "plan": self.plan, "region": self.region}
        return known | ({"email": self.email} if self.email else {})

    @property
    def targeting_key(self) -> str:
        """Who asks: a member of staff, or somebody of an account."""
        return self.email.partition("@")[0] if self.email else f"u-{self.account}"


class Behaviour(msgspec.Struct, frozen=True, kw_only=True):
    """How a profile answers: median latency in seconds, its spread (of the logarithm), shares of what goes wrong."""

    latency: float
    spread: float
    corrected: float
    citation_failed: float
    cost: float
    fails_over: float = 0.0


PROFILES = {
    "baseline": Behaviour(latency=1.6, spread=0.42, corrected=0.08, citation_failed=0.02, cost=0.011),
    CANDIDATE: Behaviour(latency=2.5, spread=0.5, corrected=0.24, citation_failed=0.09, cost=0.019, fails_over=0.01),
}
"""What each profile is like. The candidate's p95 is near 5.7 s, the baseline's near 3.2 s."""

HEALTHY = {**PROFILES, CANDIDATE: msgspec.structs.replace(PROFILES["baseline"], fails_over=0.01)}
"""A candidate that is as good as the baseline, for A/A runs."""


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """How one answer turned out. `served` is what answered in the end."""

    served: str
    latency: float
    corrected: bool
    citation_failed: bool
    cost: float


def conversations(seed: int, start: int = 0) -> Iterator[Conversation]:
    """An endless row of conversations: one in fifty by internal staff, two thirds of the rest on paying plans."""
    number = start
    while True:
        yield conversation(seed, number)
        number += 1


def conversation(seed: int, number: int) -> Conversation:
    """The conversation of that number."""
    chance = random.Random(f"{seed}/who/{number}")
    staff = chance.random() < 0.02
    return Conversation(
        id=f"c-{seed:x}-{number:06d}",
        account=f"a-{chance.randrange(900):03d}",
        plan="enterprise" if staff else chance.choices(PLANS, (34, 50, 16))[0],
        region=chance.choices(REGIONS, (45, 40, 15))[0],
        email=f"staff{chance.randrange(30)}{STAFF_DOMAIN}" if staff else "",
    )


def behave(asked: Conversation, assigned: str, profiles: dict[str, Behaviour] | None = None) -> Outcome:
    """How the answer turns out when this profile was assigned."""
    known = profiles or PROFILES
    chance = random.Random(f"{asked.id}/{assigned}")
    served = "baseline" if chance.random() < known[assigned].fails_over else assigned
    like = known[served]
    return Outcome(
        served=served,
        latency=round(chance.lognormvariate(0.0, like.spread) * like.latency, 3),
        corrected=chance.random() < like.corrected,
        citation_failed=chance.random() < like.citation_failed,
        cost=round(chance.lognormvariate(0.0, 0.3) * like.cost, 5),
    )
