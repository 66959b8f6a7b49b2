"""A team's policies in a file, looked at without a server."""

from __future__ import annotations

from typing import Any

import msgspec

from twokey.adapters.cedar import CedarGatekeeper, gatekeeper, places_named
from twokey.cli.failures import usage
from twokey.domain.matrix import HEADINGS, Matrix, Place, Row, draw
from twokey.engine.errors import Invalid


def checked(file: str, text: str) -> dict[str, Any]:
    """What a file's policies are, and what they change in the matrix. Raises Failure where they are not in order."""
    keeper = _gatekeeper(file, text)
    ours = [msgspec.structs.asdict(each) for each in keeper.written if not each.shipped]
    return {"ok": True, "digest": keeper.digest, "policies": ours, "matrix": _differences(keeper)}


def matrix_of(file: str, text: str, project: str, environment: str) -> dict[str, Any]:
    """The matrix of the shipped policies with a file's, as the server would show it."""
    keeper = _gatekeeper(file, text)
    drawn = draw(keeper.rule, Place(project=project, environment=environment))
    place = {"digest": keeper.digest, "project": project, "environment": environment}
    rows: dict[str, Any] = msgspec.to_builtins(drawn)
    return {**place, "headings": list(HEADINGS), **rows}


def _gatekeeper(file: str, text: str) -> CedarGatekeeper:
    try:
        return gatekeeper(text)
    except Invalid as error:
        raise usage(f"{file} is not in order: {error.field}", f"write {error.accepted}", f"{error.problem}") from None


def _differences(keeper: CedarGatekeeper) -> list[str]:
    """What would be answered otherwise, anywhere and in each place that the policies name."""
    ours = [each for each in keeper.written if not each.shipped]
    anywhere = _differing(keeper, Place())
    named = [
        f"in {project}/{environment or '...'}: {each}"
        for project, environment in sorted(places_named(ours))
        for each in _differing(keeper, Place(project=project, environment=environment or "any"))
        if each not in anywhere
    ]
    return [*anywhere, *named]


def _differing(keeper: CedarGatekeeper, place: Place) -> list[str]:
    """A sentence for each cell that is answered otherwise."""
    before, after = _texts(draw(gatekeeper("").rule, place)), _texts(draw(keeper.rule, place))
    return [
        f"{says}: {heading}: `{one}` becomes `{other}`"
        for says, cells in before.items()
        for heading, one, other in zip(HEADINGS[1:], cells, after[says], strict=True)
        if one != other
    ]


def _texts(matrix: Matrix) -> dict[str, tuple[str, ...]]:
    rows: tuple[Row, ...] = (*matrix.rows, *matrix.also)
    return {each.says: each.texts()[1:] for each in rows}
