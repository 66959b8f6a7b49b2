"""What the steps need from the world, as protocols. Adapters fulfil them; tests may too.

Rule: a step opens one transaction with `Store.begin`, and what it writes there stands together or not at all.
"""

from twokey.domain.telemetry import Telemetry
from twokey.ports.audit import AuditLog, Keeper, Signer
from twokey.ports.people import Factors, IdentityProvider, Secrets
from twokey.ports.stores import (
    Clock,
    Flags,
    FlagVersion,
    Gatekeeper,
    Gatekeepers,
    Ids,
    Jobs,
    Records,
    Runbooks,
    Signals,
    Store,
    UnitOfWork,
)

__all__ = [
    "AuditLog",
    "Clock",
    "Factors",
    "FlagVersion",
    "Flags",
    "Gatekeeper",
    "Gatekeepers",
    "IdentityProvider",
    "Ids",
    "Jobs",
    "Keeper",
    "Records",
    "Runbooks",
    "Secrets",
    "Signals",
    "Signer",
    "Store",
    "Telemetry",
    "UnitOfWork",
]
