"""The flags of a moment, built again from an exported audit log: without a server, and without a database."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

from twokey.cli.audit_files import entries_of
from twokey.cli.exits import Exit
from twokey.cli.failures import Failure, usage
from twokey.domain.audit import verify
from twokey.domain.errors import Conflict
from twokey.domain.rebuild import CHANGE, rebuild
from twokey.engine import Snapshot


def rebuilt(
    export: Path, project: str | None, environment: str | None, revision: int | None, at: datetime | None
) -> Snapshot:
    """The snapshot as it was. Raises Failure where the log does not hold, or does not lead there."""
    entries = entries_of(export)
    if not (checked := verify(entries)).ok:
        raise Failure(Exit.VERIFICATION_FAILED, "The exported log does not hold", checked.problem, "export it again")
    changes = [each.happening for each in entries if each.happening.action == CHANGE]
    known = {(each.project, each.environment) for each in changes}
    found = sorted(each for each in known if project in (None, each[0]) and environment in (None, each[1]))
    if len(found) != 1:
        names = ", ".join("/".join(each) for each in sorted(known)) or "none"
        raise usage("One environment is to be named", f"give --project and --environment: {names}")
    try:
        return rebuild(entries, *found[0], revision=revision, at=at).snapshot()
    except Conflict as error:
        raise Failure(Exit.VERIFICATION_FAILED, "The log does not lead there", error.message, error.remedy) from None
