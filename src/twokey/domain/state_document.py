"""The state document: an environment's flags with all that governs them, as one JSON file."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec

from twokey.domain.control import Control, State, check_control
from twokey.engine.errors import Invalid
from twokey.engine.flag import Segment

FORMAT = "twokey-state/1"


class StateDocument(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The file's shape. Each control carries its flag as it is published."""

    format: Literal["twokey-state/1"]
    controls: Annotated[tuple[Control, ...], msgspec.Meta(max_length=20_000)] = ()
    segments: tuple[Segment, ...] = ()


def parse_state(text: bytes | str, project: str, environment: str) -> State:
    """The state of a document, for a new environment. Raises Invalid naming the field."""
    try:
        document = msgspec.json.decode(text, type=StateDocument)
    except msgspec.ValidationError as error:
        problem, _, path = str(error).partition(" - at `$")
        raise Invalid(path.rstrip("`").lstrip(".") or "document", problem, f"a document of format {FORMAT}") from None
    except msgspec.DecodeError as error:
        raise Invalid("document", f"is not JSON: {error}", f"a document of format {FORMAT}") from None
    state = State(
        project=project,
        environment=environment,
        revision=0,
        controls={each.key: check_control(each) for each in document.controls},
        segments={each.key: each for each in document.segments},
    )
    state.snapshot()
    return state
