"""What the guide shows works, and what it lists is all there is."""

from __future__ import annotations

import re

import pytest

from tests.needs import ROOT
from twokey.adapters.cedar import gatekeeper
from twokey.adapters.cedar.reading import shipped

GUIDE = (ROOT / "docs" / "guides" / "policy.md").read_text(encoding="utf-8")
EXAMPLES = re.findall(r"```cedar\n(.*?)```", GUIDE, re.DOTALL)


@pytest.mark.parametrize("text", EXAMPLES)
def test_an_example_of_the_guide_is_in_order_and_says_in_words_what_it_does(text: str) -> None:
    ours = [each for each in gatekeeper(text).written if not each.shipped]
    assert len(ours) == 1
    assert ours[0].says.endswith(".")


def test_the_examples_of_the_guide_stand_together() -> None:
    assert len(EXAMPLES) >= 4
    assert len(gatekeeper("\n".join(EXAMPLES)).written) == len(gatekeeper("").written) + len(EXAMPLES)


def test_the_guide_names_every_fact_and_every_kind_of_actor() -> None:
    facts = re.findall(r"^  (\w+)\??: ", shipped().schema.split("type Facts", 1)[1].split("};", 1)[0], re.MULTILINE)
    kinds = re.findall(r"^entity (\w+)", shipped().schema, re.MULTILINE)
    assert len(facts) == 10
    for fact in facts:
        assert f"`context.{fact}`" in GUIDE
    for kind in kinds:
        assert kind in GUIDE
