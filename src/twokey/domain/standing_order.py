"""The policy gate: a rule that people wrote and approved beforehand, and that turns one key where it fits.

Rules kept here:
- it is named by the digest of its own rule, so another rule is another principal;
- it only ever agrees to what narrows, only while its guardrail is breached, only for the flags it names, and only so
  many times in an hour;
- it is set and withdrawn by an access proposal.
"""

from __future__ import annotations

from datetime import datetime

import msgspec

from twokey.engine.canonical import digest as sha256

MOST_PER_HOUR = 60


class StandingOrder(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Agree to proposals that narrow `flags` while `guardrail` is breached, at most `per_hour` times in an hour."""

    id: str
    project: str
    environment: str
    flags: tuple[str, ...]
    guardrail: str
    per_hour: int
    reason: str
    set_at: datetime
    withdrawn_at: datetime | None = None

    @property
    def status(self) -> str:
        """`in_force` or `withdrawn`."""
        return "in_force" if self.withdrawn_at is None else "withdrawn"

    @property
    def principal(self) -> str:
        """Its name as an actor: by what it says, and by nothing else."""
        rule = [self.project, self.environment, sorted(self.flags), self.guardrail, self.per_hour]
        return f"policy:{sha256(rule).removeprefix('sha256:')[:16]}"
