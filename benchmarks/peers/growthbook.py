"""GrowthBook's SDK: `GrowthBook(features=..., saved_groups=...)`, no host and no key, asked by `eval_feature`."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from benchmarks.peers.shape import Call, Loaded, Plain, flags_of, listed, percent, questions

IMPORTS = ("growthbook",)


def translate(document: Plain) -> Plain:
    return {
        "features": {key: _feature(case, flag) for key, case, flag in flags_of(document)},
        "savedGroups": {segment["key"]: segment["included"] for segment in document["segments"]},
    }


def _feature(case: str, flag: Plain) -> Plain:
    if case == "boolean":
        return {"defaultValue": True}
    if case == "rollout":
        rule = {"force": True, "coverage": percent(flag) / 100, "hashAttribute": "id"}
        return {"defaultValue": False, "rules": [rule]}
    if case == "segment":
        group, inside, outside = listed(flag)
        return {"defaultValue": outside, "rules": [{"condition": {"id": {"$inGroup": group}}, "force": inside}]}
    asked = questions(flag)
    conditions: list[Plain] = [
        {"country": asked.country, "plan": {"$in": asked.plans}},
        {"email": {"$regex": re.escape(asked.suffix) + "$"}},
        {"version": {"$vgte": asked.version}},
    ]
    return {"defaultValue": False, "rules": [{"condition": each, "force": True} for each in conditions]}


def load(payload: Path, document: Plain) -> Loaded:
    from growthbook import GrowthBook

    given = json.loads(payload.read_bytes())
    return _GrowthBook(GrowthBook(features=given["features"], saved_groups=given["savedGroups"]), document)


class _GrowthBook(Loaded):
    def __init__(self, book: Any, document: Plain) -> None:
        super().__init__(document)
        self.book = book

    def ask(self, key: str, context: Plain) -> Call:
        """The attributes are the instance's; they are set here, outside of what is timed."""
        book = self.book
        attributes = {("id" if name == "targetingKey" else name): value for name, value in context.items()}
        book.set_attributes(attributes)
        return lambda: book.eval_feature(key)

    def value(self, key: str, answer: Any) -> Any:
        return answer.value
