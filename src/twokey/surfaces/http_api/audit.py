"""The audit log: read, verify, export."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Annotated

import msgspec
from fastapi import APIRouter, Query
from fastapi.responses import PlainTextResponse, StreamingResponse

from twokey.documents.log_answers import answers
from twokey.domain.audit import Entry
from twokey.domain.errors import Conflict, NotFound, Refused
from twokey.domain.identity import Actor
from twokey.domain.rebuild import rebuild
from twokey.domain.transparency.note import Note
from twokey.domain.transparency.proof_file import InclusionProof
from twokey.engine.errors import Invalid
from twokey.ports import Signer, Store, UnitOfWork
from twokey.steps import sign_checkpoint
from twokey.surfaces.calls import Acts, Serves, StrictBodies
from twokey.surfaces.http_api.models import AnsweredView, EntryView, RebuiltView, VerificationView
from twokey.surfaces.services import Services

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
        beside=entry.happening.beside,
        previous=entry.previous,
        hash=entry.hash,
        salts=entry.salts,
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
        if result.ok and services.signer is not None:
            problem = sign_checkpoint.contradiction(uow, services.signer.last())
            result = msgspec.structs.replace(result, ok=not problem, problem=problem)
    return VerificationView(**msgspec.to_builtins(result))


@router.get("/answers")
def answer_case(actor: Acts, services: Serves, case: str) -> list[AnsweredView]:
    """The six questions of a case, answered from the log alone."""
    _check(actor)
    with services.store.read() as uow:
        found = answers(tuple(_walk(uow)), case)
    if not found:
        raise NotFound("case", case)
    return [AnsweredView(**msgspec.to_builtins(each)) for each in found]


@router.get("/state")
def rebuild_state(
    actor: Acts,
    services: Serves,
    project: str,
    environment: str,
    revision: Annotated[int | None, Query(ge=0, le=LAST)] = None,
    at: datetime | None = None,
) -> RebuiltView:
    """The state of an environment at a revision or an instant, built again from the log, beside what is stored."""
    _check(actor)
    if at is not None and at.tzinfo is None:
        raise Invalid("at", "has no time zone", "a time such as 2026-11-23T03:00:00Z")
    with services.store.read() as uow:
        uow.flags.environment(project, environment)
        built = rebuild(_walk(uow), project, environment, revision=revision, at=at)
        stored = uow.flags.state_at(project, environment, built.revision).snapshot()
    snapshot = built.snapshot()
    return RebuiltView(
        project=project,
        environment=environment,
        revision=built.revision,
        digest=snapshot.digest,
        stored=stored.digest,
        agrees=snapshot.digest == stored.digest,
    )


def _walk(uow: UnitOfWork) -> Iterator[Entry]:
    start = 0
    while page := uow.audit.entries(start=start, limit=PAGE):
        yield from page
        start = page[-1].index + 1


@router.get("/export", response_class=StreamingResponse)
def export(actor: Acts, services: Serves) -> StreamingResponse:
    """The whole log, one entry a line, for verification elsewhere."""
    _check(actor)

    return StreamingResponse(
        (msgspec.json.encode(entry) + b"\n" for entry in _all(services.store)),
        media_type="application/x-ndjson",
        headers={"Content-Disposition": 'attachment; filename="twokey-audit.ndjson"'},
    )


@router.get("/key", response_class=PlainTextResponse)
def show_key(actor: Acts, services: Serves) -> PlainTextResponse:
    """The public key that signs checkpoints, as `name+id+base64`. Pin it elsewhere, and verify with it."""
    _check(actor)
    return PlainTextResponse(_signer(services).key.text + "\n")


@router.get("/checkpoint", response_class=PlainTextResponse)
def show_checkpoint(actor: Acts, services: Serves) -> PlainTextResponse:
    """The checkpoint that was signed last. Keep it elsewhere: no log that differs from it goes unnoticed then."""
    _check(actor)
    return PlainTextResponse(_newest(services).text, headers={"Cache-Control": "no-store"})


@router.post("/checkpoint", response_class=PlainTextResponse, status_code=201)
def make_checkpoint(actor: Acts, services: Serves) -> PlainTextResponse:
    """Sign the log as it stands now. For people."""
    _check(actor)
    note = sign_checkpoint.sign_checkpoint(services.store, _signer(services))
    if note is None:
        raise NotFound("checkpoint", "the log is empty")
    return PlainTextResponse(note.text, 201)


@router.get("/proof", response_class=PlainTextResponse)
def show_proof(
    actor: Acts, services: Serves, subject: str | None = None, index: int | None = Query(None, ge=0, le=LAST)
) -> PlainTextResponse:
    """That an entry (by index, or the newest about a subject) is in the log: a `.tlog-proof` to be checked alone."""
    _check(actor)
    note = _newest(services)
    with services.store.read() as uow:
        found = index if index is not None else uow.audit.index_of(subject or "")
        if found is None or found >= uow.audit.size():
            raise NotFound("entry", subject or str(index))
        if found >= note.checkpoint.size:
            raise Conflict("no checkpoint covers that entry yet", remedy="ask again in a minute, or sign one now")
        hashes = uow.audit.inclusion(found, note.checkpoint.size)
    proof = InclusionProof(index=found, hashes=hashes, note=note)
    name = f"{subject or found}.tlog-proof"
    return PlainTextResponse(proof.text, headers={"Content-Disposition": f"attachment; filename={name}"})


def _signer(services: Services) -> Signer:
    if services.signer is None:
        raise NotFound("key", "this server signs no checkpoints")
    return services.signer


def _newest(services: Services) -> Note:
    with services.store.read() as uow:
        found = uow.audit.checkpoints(1)
    if not found:
        raise NotFound("checkpoint", "none was signed yet")
    return found[0]


def _all(store: Store) -> Iterator[Entry]:
    """Every entry. The log only grows, so each page may be a transaction of its own: a slow reader holds none open."""
    start = 0
    while page := _page(store, start):
        yield from page
        start = page[-1].index + 1


def _page(store: Store, start: int) -> tuple[Entry, ...]:
    with store.read() as uow:
        return uow.audit.entries(start=start, limit=PAGE)
