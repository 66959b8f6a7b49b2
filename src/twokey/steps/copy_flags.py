"""Copy flags, or all of an environment's, to another environment: a draft like any other. Nothing is written here.

Rules kept here:
- source and target are read in one transaction, so that the draft is about one moment;
- the operations are computed from both states; an author only says which flags, and why;
- a token reads no environment but its own, so it copies nothing from elsewhere.
"""

from __future__ import annotations

from datetime import datetime

import msgspec

from twokey.domain.copying import copy_flags
from twokey.domain.drafting import Draft
from twokey.domain.errors import NotFound
from twokey.domain.identity import Actor
from twokey.domain.operation import Operation
from twokey.domain.proposal import ApplyMode
from twokey.ports import Store


class Copy(msgspec.Struct, frozen=True, kw_only=True):
    """What shall be copied: these flags of `source` (none named: all that it publishes) to `environment`."""

    project: str
    source: str
    environment: str
    flags: tuple[str, ...] = ()
    reason: str
    case: str | None = None
    apply: ApplyMode = ApplyMode.WHEN_OPEN
    apply_at: datetime | None = None


def plan(store: Store, actor: Actor, wanted: Copy) -> Draft:
    """The draft that makes the target what the source is, for the caller to draft.

    Raises NotFound for an environment that is not there, or that a token has no business in; Invalid, which names the
    flag, for what cannot be expressed.
    """
    _check_reach(actor, wanted.project, wanted.source)
    with store.read() as uow:
        for each in (wanted.source, wanted.environment):
            uow.flags.environment(wanted.project, each)
        source = uow.flags.state(wanted.project, wanted.source)
        operations = copy_flags(source, uow.flags.state(wanted.project, wanted.environment), wanted.flags)
    return _draft(wanted, operations, source.revision)


def _check_reach(actor: Actor, project: str, environment: str) -> None:
    if not actor.may_turn_key and (actor.project, actor.environment) != (project, environment):
        raise NotFound("environment", f"{project}/{environment}")


def _draft(wanted: Copy, operations: tuple[Operation, ...], revision: int) -> Draft:
    what = ", ".join(wanted.flags[:3]) + (f" and {len(wanted.flags) - 3} more" if len(wanted.flags) > 3 else "")
    return Draft(
        project=wanted.project,
        environment=wanted.environment,
        case=wanted.case,
        title=f"copy {what or 'every flag'} from {wanted.source} to {wanted.environment}"[:200],
        operations=operations,
        reason=wanted.reason,
        expected_effect=f"{what or 'every flag'} in {wanted.environment} as in {wanted.source} at revision {revision}",
        apply=wanted.apply,
        apply_at=wanted.apply_at,
    )
