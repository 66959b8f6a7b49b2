"""Whole runs: the real library over real HTTP, by each protocol, with providers that do what providers do."""

from __future__ import annotations

import pytest

from tests.support.assisting import Room, settings_for
from tests.support.providers import MODEL, PROTOCOLS, FakeProvider, Protocol, concludes, reads
from twokey.assistant.run import Found


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_a_model_that_works_has_its_finding_beside_the_analysts(desk: Room, protocol: Protocol) -> None:
    mine = desk.seen()["finding"]
    with FakeProvider(reads, concludes) as provider:
        outcome = desk.run(settings_for(provider, protocol))
    assert isinstance(outcome, Found), outcome
    assert len(provider.requests) == 2
    view = desk.seen()
    assert view["finding"] == mine
    (opinion,) = view["opinions"]
    assert opinion["finding"]["id"] == outcome.told["id"]
    assert [each["supported"] for each in opinion["finding"]["citations"]] == [True]
    assert opinion["unsupported"] == []
    assert (opinion["provenance"]["provider"], opinion["provenance"]["model"]) == (protocol, MODEL)
    assert (opinion["provenance"]["requests"], opinion["provenance"]["input_tokens"]) == (2, 2000)
    assert outcome.told["proposal"] in {each["id"] for each in view["proposals"]}
