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


class Rule(msgspec.Struct, frozen=True, kw_only=True):
    """Agree to proposals that narrow `flags` while `guardrail` is breached, at most `per_hour` times in an hour."""

    project: str
    environment: str
    flags: tuple[str, ...]
    guardrail: str
    per_hour: int

    @property
    def principal(self) -> str:
        """Its name as an actor: by what it says, and by nothing else."""
        return f"policy:{sha256(msgspec.to_builtins(self)).removeprefix('sha256:')[:16]}"

    @property
    def says(self) -> str:
        """The rule in a sentence."""
        flags = ", ".join(self.flags)
        place, often = f"{self.project}/{self.environment}", f"{self.per_hour} times an hour"
        return (
            f"{self.principal} may agree to what narrows {flags} in {place} while {self.guardrail} is breached, {often}"
        )


class StandingOrder(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A rule as it was set, and by which access proposal. Its id is its name as an actor."""

    rule: Rule
    set_by: str
    set_at: datetime
    withdrawn_at: datetime | None = None

    @property
    def id(self) -> str:
        """The name it acts under."""
        return self.rule.principal

    @property
    def status(self) -> str:
        """`in_force` or `withdrawn`."""
        return "in_force" if self.withdrawn_at is None else "withdrawn"
