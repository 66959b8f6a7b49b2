"""What happened in an environment: from the audit log, and what was told from elsewhere.

Rule: of the log a token reads what is about flags, cases and proposals of its own environment, in a sentence each. Who
comes in, and by which rules, is not for it; nor are hashes and details, which are for verification.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated

import msgspec
from fastapi import APIRouter, Depends, Query

from twokey.domain.audit import Entry
from twokey.domain.identity import Actor, Scope
from twokey.domain.telemetry import Scope as Where
from twokey.domain.telemetry import Window
from twokey.ports import UnitOfWork
from twokey.surfaces.calls import Serves, StrictBodies, check_reach, reads
from twokey.surfaces.http_api.case_views import told
from twokey.surfaces.http_api.models import ChangeElsewhereView, HappeningView

router = APIRouter(
    prefix="/projects/{project}/environments/{environment}", tags=["happenings"], route_class=StrictBodies
)
ABOUT = frozenset({"signal", "case", "finding", "proposal", "change", "evidence", "rollout"})
"""What the actions begin with that are shown here."""
LOOKED_THROUGH = 20
"""Pages of the log that are looked through for one answer."""


def _reader(project: str, environment: str, actor: Annotated[Actor, reads(Scope.EVIDENCE_READ)]) -> None:
    check_reach(actor, project, environment)


def _flag_reader(project: str, environment: str, actor: Annotated[Actor, reads(Scope.FLAGS_READ)]) -> None:
    check_reach(actor, project, environment)


@router.get("/happenings", dependencies=[Depends(_reader)])
def list_happenings(
    project: str,
    environment: str,
    services: Serves,
    case: str | None = None,
    before: int | None = Query(None, ge=0, le=2**63 - 1),
    limit: int = Query(100, ge=1, le=500),
) -> list[HappeningView]:
    """What happened here, newest first, as the audit log tells it; entries older than `before`, where it is given."""
    with services.store.read() as uow:
        uow.flags.environment(project, environment)
        found = _shown(uow, (project, environment), case, before, limit)
    return [_view(each) for each in found]


def _shown(uow: UnitOfWork, place: tuple[str, str], case: str | None, before: int | None, limit: int) -> list[Entry]:
    shown: list[Entry] = []
    for _ in range(LOOKED_THROUGH):
        page = uow.audit.entries(place=place, case=case, before=before, limit=limit, newest_first=True)
        shown += [each for each in page if each.happening.action.partition(".")[0] in ABOUT]
        if len(page) < limit or len(shown) >= limit:
            break
        before = page[-1].index
    return shown[:limit]


def _view(entry: Entry) -> HappeningView:
    happening = entry.happening
    return HappeningView(
        entry=entry.index,
        at=entry.at,
        action=happening.action,
        subject=happening.subject,
        actor=happening.actor.get("name") or happening.actor.get("id", ""),
        actor_kind=happening.actor.get("kind", ""),
        outcome=happening.outcome.value,
        case=happening.case,
        text=told(entry),
    )


@router.get("/changes-elsewhere", dependencies=[Depends(_flag_reader)])
def list_changes_elsewhere(
    project: str,
    environment: str,
    services: Serves,
    minutes: int = Query(24 * 60, ge=1, le=10_080),
    limit: int = Query(100, ge=1, le=500),
) -> list[ChangeElsewhereView]:
    """Deploys, configuration edits and migrations that were told of, over so many minutes, newest first."""
    with services.store.read() as uow:
        uow.flags.environment(project, environment)
        window = Window(since=uow.now - timedelta(minutes=minutes))
    found = services.telemetry.change_events(Where(project=project, environment=environment), window=window)
    newest = sorted(found, key=lambda each: (each.event.at, each.id), reverse=True)[:limit]
    return [
        ChangeElsewhereView(
            id=each.id,
            source=each.source,
            kind=str(each.event.kind),
            title=each.event.title,
            service=each.event.service,
            at=each.event.at,
            url=each.event.url,
            attributes=msgspec.to_builtins(each.event.attributes),
        )
        for each in newest
    ]
