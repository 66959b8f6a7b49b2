"""A proposal shows on how many distinct units its signal rests: in the API, in a terminal, in its document."""

from __future__ import annotations

from contextlib import redirect_stdout
from io import StringIO

import pytest
import yaml

from tests.attacks.attempts import draft_by
from tests.steps.test_standing_orders import harm, the_proposal
from tests.support.server import Doors
from tests.support.world import World
from twokey.cli.pages.proposals import key_page, proposal_page
from twokey.domain.identity import AGENT_SCOPES, ActorKind

NONE = "no measured units"


def shown(view: dict, page) -> str:  # type: ignore[no-untyped-def, type-arg]
    out = StringIO()
    with redirect_stdout(out):
        page(view)
    return " ".join(out.getvalue().split())


def test_the_analysts_draft_says_its_units_everywhere(world: World, server: Doors) -> None:
    harm(world)
    proposal, mara = the_proposal(world), server.person("mara")
    view = mara.get(f"/api/v1/proposals/{proposal.id}").json()
    breach = view["footings"][0]
    with world.store.read() as uow:
        body = uow.evidence.get(breach["evidence"]).body
    assert (breach["candidate_units"], breach["baseline_units"]) == (body["candidate_units"], body["baseline_units"])
    said = f"{breach['candidate_units']:,} distinct units"
    assert said in view["rests_on"]
    assert said in shown(view, proposal_page)
    assert said in shown(view, lambda each: key_page(each, "approve"))
    document = yaml.safe_load(mara.get(f"/api/v1/proposals/{proposal.id}/document").text)
    assert said in document["assistant_recommendation"]["reason"]


@pytest.mark.parametrize("boast", ["", "It rests on 9,999,999 distinct units of the candidate."])
def test_a_draft_of_words_alone_says_that_it_rests_on_nothing_measured(world: World, server: Doors, boast: str) -> None:
    made = draft_by(server.token(*AGENT_SCOPES, kind=ActorKind.AGENT), reason=f"less of it. {boast}")
    assert made["footings"] == []
    assert made["rests_on"].startswith(NONE)
    assert NONE in shown(made, proposal_page)
    document = server.person("mara").get(f"/api/v1/proposals/{made['id']}/document").text
    assert NONE in " ".join(document.split())
