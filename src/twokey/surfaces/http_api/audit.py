"""The audit log: read, verify, export."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec
from fastapi import APIRouter, Query
from fastapi.responses import StreamingResponse

from twokey.domain.audit import Entry
from twokey.domain.errors import Refused
from twokey.domain.identity import Actor
from twokey.ports import Store
from twokey.surfaces.calls import Acts, Serves, StrictBodies
from twokey.surfaces.http_api.models import EntryView, VerificationView

router = APIRouter(prefix="/audit", tags=["audit"], route_class=StrictBodies)
PAGE = 1000
LAST = 2**63 - 1
"""No log is longer, and no database counts further."""


def _check(actor: Actor) -> None:
    if not actor.may_turn_key:
        raise Refused("a token does not read the audit log")


def entry_view(entry: Entry) -> EntryView:
    """An entry as it is shown and exported: all that its hash covers."""
    happening = msgspec.to_builtins(entry.happening)
    return EntryView(
        index=entry.index,
        at=entry.at,
        action=entry.happening.action,
        subject=entry.happening.subject,
        actor=entry.happening.actor,
        outcome=entry.happening.outcome.value,
        project=entry.happening.project,
        environment=entry.happening.environment,
        case=entry.happening.case,
        detail=happening.get("detail", {}),
        previous=entry.previous,
        hash=entry.hash,
    )


@router.get("")
def list_entries(
    actor: Acts,
    services: Serves,
    start: int = Query(0, ge=0, le=LAST),
    limit: int = Query(100, ge=1, le=PAGE),
    case: str | None = None,
    newest_first: bool = False,
) -> list[EntryView]:
    """Entries by index, or the newest first."""
    _check(actor)
    with services.store.read() as uow:
        found = uow.audit.entries(start=start, limit=limit, case=case, newest_first=newest_first)
    return [entry_view(each) for each in found]


@router.get("/verify")
def verify_log(actor: Acts, services: Serves) -> VerificationView:
    """Walk the whole chain as it is stored."""
    _check(actor)
    with services.store.read() as uow:
        result = uow.audit.verify()
    return VerificationView(**msgspec.to_builtins(result))


@router.get("/export", response_class=StreamingResponse)
def export(actor: Acts, services: Serves) -> StreamingResponse:
    """The whole log, one entry a line, for verification elsewhere."""
    _check(actor)

    return StreamingResponse(
        (msgspec.json.encode(entry) + b"\n" for entry in _all(services.store)),
        media_type="application/x-ndjson",
        headers={"Content-Disposition": 'attachment; filename="twokey-audit.ndjson"'},
    )


def _all(store: Store) -> Iterator[Entry]:
    """Every entry. The log only grows, so each page may be a transaction of its own: a slow reader holds none open."""
    start = 0
    while page := _page(store, start):
        yield from page
        start = page[-1].index + 1


def _page(store: Store, start: int) -> tuple[Entry, ...]:
    with store.read() as uow:
        return uow.audit.entries(start=start, limit=PAGE)
