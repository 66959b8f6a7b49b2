"""Copies from one environment to another, as drafts."""

from __future__ import annotations

from collections.abc import Sequence

from twokey.cli.output import answer, tell
from twokey.cli.place import Place
from twokey.cli.server import Server, path


def draft_copy(server: Server, place: Place, source: str, keys: Sequence[str], reason: str, *, json: bool) -> None:
    """Draft a copy of these flags (none: all) of `source` to `place`, and show the proposal."""
    project, environment = place
    body = {"project": project, "environment": environment, "from_environment": source, "reason": reason}
    view = server.post(path("proposals", "copy"), body | ({"flags": list(keys)} if keys else {}))
    if view["status"] == "pending":
        tell(f"Drafted {view['id']}. Nothing has changed: it waits for its keys.")
    if json:
        return answer(view)
    from twokey.cli.pages.proposals import proposal_page

    return proposal_page(view)
