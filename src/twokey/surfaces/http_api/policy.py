"""The policies in force, and the decision matrix drawn by asking them. Nothing here changes a policy."""

from __future__ import annotations

from functools import lru_cache
from typing import Annotated

import msgspec
from fastapi import APIRouter, Query

from twokey.domain.identity import Actor, Scope
from twokey.domain.matrix import HEADINGS, Matrix, Place, Row, draw
from twokey.domain.permission import Ask, Written
from twokey.surfaces.calls import Serves, StrictBodies, check_reach, reads
from twokey.surfaces.http_api.models import MatrixRow, MatrixView, PolicyView, WrittenPolicyView

router = APIRouter(prefix="/policy", tags=["policy"], route_class=StrictBodies)
Reads = Annotated[Actor, reads(Scope.FLAGS_READ)]


@router.get("")
def show_policy(actor: Reads, services: Serves) -> PolicyView:
    """Every policy in force, the shipped ones first, with what it says in plain words."""
    with services.store.read() as uow:
        keeper = uow.gatekeeper()
    return PolicyView(digest=keeper.digest, policies=[_written_view(each) for each in keeper.written])


@router.get("/matrix")
def show_matrix(
    actor: Reads,
    services: Serves,
    project: Annotated[str, Query(max_length=128)],
    environment: Annotated[str, Query(max_length=128)],
) -> MatrixView:
    """The decision matrix of an environment, asked of the policies for whoever holds its approver roles."""
    check_reach(actor, project, environment)
    with services.store.read() as uow:
        keeper, governed = uow.gatekeeper(), uow.flags.environment(project, environment)
    roles = frozenset({*governed.approvers, *governed.widening_approvers})
    matrix = _drawn(keeper.rule, Place(project=project, environment=environment, roles=roles))
    return MatrixView(
        digest=keeper.digest,
        project=project,
        environment=environment,
        headings=list(HEADINGS),
        rows=[_row_view(each) for each in matrix.rows],
        also=[_row_view(each) for each in matrix.also],
    )


@lru_cache(maxsize=64)
def _drawn(ask: Ask, place: Place) -> Matrix:
    """Some hundred questions: put once to one gatekeeper about one place."""
    return draw(ask, place)


def _written_view(policy: Written) -> WrittenPolicyView:
    # The defaults are written too: what the server sends is always whole.
    return WrittenPolicyView(**msgspec.structs.asdict(policy))


def _row_view(row: Row) -> MatrixRow:
    return MatrixRow.model_validate(msgspec.to_builtins(row))
