"""What an exported audit log says by itself, without a server: the flags of a moment, the answers of a case."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import msgspec

from twokey.cli.audit_files import entries_of
from twokey.cli.exits import Exit
from twokey.cli.failures import Failure, usage
from twokey.documents.log_answers import answers
from twokey.domain.audit import Entry, verify
from twokey.domain.errors import Conflict
from twokey.domain.rebuild import CHANGE, rebuild
from twokey.engine import Snapshot


def rebuilt(
    export: Path, project: str | None, environment: str | None, revision: int | None, at: datetime | None
) -> Snapshot:
    """The snapshot as it was. Raises Failure where the log does not hold, or does not lead there."""
    entries = _held(export)
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


def answered(export: Path, case: str) -> list[dict[str, Any]]:
    """The six answers of a case. Raises Failure where the log does not hold, or does not know the case."""
    found = answers(_held(export), case)
    if not found:
        raise Failure(Exit.NOT_FOUND, f"The log knows no case `{case}`", "", "`twokey audit list` shows what it knows")
    told: list[dict[str, Any]] = msgspec.json.decode(msgspec.json.encode(found))
    return told


def _held(export: Path) -> Sequence[Entry]:
    """The entries, seen to hold together."""
    entries = entries_of(export)
    if not (checked := verify(entries)).ok:
        raise Failure(Exit.VERIFICATION_FAILED, "The exported log does not hold", checked.problem, "export it again")
    return entries
