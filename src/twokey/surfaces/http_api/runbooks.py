"""The team's own runbooks, looked through by word. They are read and cited, never followed."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query

from twokey.domain.identity import Actor, Scope
from twokey.domain.runbook import Match, search
from twokey.surfaces.calls import Serves, StrictBodies, reads
from twokey.surfaces.http_api.models import RunbookSectionView, RunbookTextView

router = APIRouter(prefix="/runbooks", tags=["runbooks"], route_class=StrictBodies)
MOST_TEXT = 4000


@router.get("")
def search_runbooks(
    actor: Annotated[Actor, reads(Scope.SIGNALS_READ)],
    services: Serves,
    words: Annotated[str, Query(min_length=1, max_length=200)],
) -> list[RunbookSectionView]:
    """The sections of the configured runbooks that say all of these words, those with one in a heading first."""
    found = search(services.runbooks.read(), words) if services.runbooks else ()
    return [_view(each) for each in found]


def _view(found: Match) -> RunbookSectionView:
    return RunbookSectionView(
        runbook=found.runbook.path,
        title=found.runbook.title,
        sha256=found.runbook.sha256,
        headings=list(found.section.headings),
        text=found.section.text[:MOST_TEXT],
        steps=[RunbookTextView(line=each.line, text=each.text) for each in found.section.steps],
    )
