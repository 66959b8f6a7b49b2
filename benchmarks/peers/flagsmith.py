"""Flagsmith's engine: `get_evaluation_result` on an evaluation context as its SDK builds one.

The engine always answers every flag of the context it is given. So one flag is asked with a context that holds this
flag and its segments alone, which is the least it can be asked; its SDK would ask for the whole environment.

A list is written as its interface stores it, as one text with commas: that form the engine parses once and keeps.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from benchmarks.peers.shape import Call, Loaded, Plain, flags_of, listed, percent, questions

IMPORTS = ("flag_engine.engine",)


def translate(document: Plain) -> Plain:
    features, segments = {}, {segment["key"]: _listing(segment) for segment in document["segments"]}
    for key, case, flag in flags_of(document):
        inside, outside = (True, False)
        if case == "segment":
            name, inside, outside = listed(flag)
            segments[name]["overrides"].append(_feature(key, inside))
        elif case in ("rules", "rollout"):
            rule = _rules(flag) if case == "rules" else _percentage(flag)
            segments[f"of-{key}"] = _segment(f"of-{key}", rule, [_feature(key, True)])
        features[key] = _feature(key, True if case == "boolean" else outside)
    return {"environment": {"key": "bench", "name": "bench"}, "features": features, "segments": segments}


def _feature(key: str, value: Any) -> Plain:
    return {"key": key, "name": key, "enabled": True, "value": value}


def _segment(key: str, rule: Plain, overrides: list[Plain]) -> Plain:
    return {"key": key, "name": key, "rules": [rule], "overrides": overrides}


def _listing(segment: Plain) -> Plain:
    condition = {"property": "$.identity.identifier", "operator": "IN", "value": ",".join(segment["included"])}
    return _segment(segment["key"], {"type": "ALL", "conditions": [condition]}, [])


def _percentage(flag: Plain) -> Plain:
    condition = {"property": "", "operator": "PERCENTAGE_SPLIT", "value": str(percent(flag))}
    return {"type": "ALL", "conditions": [condition]}


def _rules(flag: Plain) -> Plain:
    asked = questions(flag)
    alternatives: list[list[tuple[str, str, Any]]] = [
        [("country", "EQUAL", asked.country), ("plan", "IN", ",".join(asked.plans))],
        [("email", "REGEX", f".*{re.escape(asked.suffix)}$")],
        [("version", "GREATER_THAN_INCLUSIVE", f"{asked.version}:semver")],
    ]
    rules = [{"type": "ALL", "conditions": [_condition(*each) for each in one]} for one in alternatives]
    return {"type": "ANY", "rules": rules}


def _condition(property: str, operator: str, value: Any) -> Plain:
    return {"property": property, "operator": operator, "value": value}


def load(payload: Path, document: Plain) -> Loaded:
    return _Flagsmith(json.loads(payload.read_bytes()), document)


class _Flagsmith(Loaded):
    def __init__(self, environment: Plain, document: Plain) -> None:
        super().__init__(document)
        self.environment = environment

    def ask(self, key: str, context: Plain) -> Call:
        from flag_engine.engine import get_evaluation_result

        whole = self._with(context)
        overriding = {
            name: {**segment, "overrides": mine}
            for name, segment in whole["segments"].items()
            if (mine := [each for each in segment["overrides"] if each["name"] == key])
        }
        one: Any = {**whole, "features": {key: whole["features"][key]}, "segments": overriding}
        return lambda: get_evaluation_result(one)["flags"][key]

    def ask_all(self, context: Plain) -> Call:
        from flag_engine.engine import get_evaluation_result

        whole: Any = self._with(context)
        return lambda: get_evaluation_result(whole)["flags"]

    def _with(self, context: Plain) -> Plain:
        traits = {name: value for name, value in context.items() if name != "targetingKey"}
        identifier = context["targetingKey"]
        identity = {"identifier": identifier, "key": f"bench_{identifier}", "traits": traits}
        return {**self.environment, "identity": identity}

    def value(self, key: str, answer: Any) -> Any:
        return answer["value"]

    def values(self, answers: Any) -> Plain:
        return {key: answer["value"] for key, answer in answers.items()}
