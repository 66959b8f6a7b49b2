"""The flags that an environment starts with, from a file: a state document, or a published snapshot.

A snapshot does not say who governs its flags. They are taken over as temporary, owned by whoever sets up, to be looked
at again within thirty days; nobody is told that they are looked after when they are not.
"""

from __future__ import annotations

import json
from datetime import UTC, date, datetime, timedelta

from twokey.domain.control import Control, Kind, State, Surface
from twokey.domain.state_document import parse_state
from twokey.engine import Snapshot
from twokey.engine.errors import Invalid
from twokey.engine.flag import FORMAT, Flag

DAYS = 30


def state_of(text: str, project: str, environment: str, owner: str, today: date | None = None) -> State:
    """The state that a file tells of, for a new environment. Raises Invalid naming the field."""
    if not _is_snapshot(text):
        return parse_state(text, project, environment)
    snapshot = Snapshot.from_json(text)
    review = (today or datetime.now(UTC).date()) + timedelta(days=DAYS)
    controls = {key: _control(flag, owner, review) for key, flag in snapshot.flags.items()}
    return State(
        project=project, environment=environment, revision=0, controls=controls, segments=dict(snapshot.segments)
    )


def _is_snapshot(text: str) -> bool:
    try:
        document = json.loads(text)
    except json.JSONDecodeError as error:
        raise Invalid("document", f"is not JSON: {error}", "a snapshot or a state document") from None
    return isinstance(document, dict) and document.get("format") == FORMAT


def _control(flag: Flag, owner: str, review: date) -> Control:
    return Control(
        flag=flag,
        owner=owner,
        purpose="taken over from a snapshot; its purpose is still to be written down",
        surface=Surface.FEATURE,
        kind=Kind.TEMPORARY,
        review_date=review,
        cleanup_condition="its purpose and its owner are written down",
    )
