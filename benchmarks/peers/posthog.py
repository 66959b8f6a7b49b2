"""PostHog's SDK with local evaluation: definitions in memory, no events, asked by `get_feature_flag_result`.

A cohort of listed people is known to its server alone. A cohort by a person property is evaluated here, so the segment
is one: its users carry their key as the property `user_id`. A condition for everybody has no percentage, which spares
it the hash.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from benchmarks.peers.shape import Call, Loaded, Plain, flags_of, listed, percent, questions

IMPORTS = ("posthog",)


def translate(document: Plain) -> Plain:
    numbers = {each["key"]: number for number, each in enumerate(document["segments"], 1)}
    cohorts = {str(numbers[each["key"]]): _cohort(each["included"]) for each in document["segments"]}
    return {"flags": [_flag(n, *each, numbers) for n, each in enumerate(flags_of(document), 1)], "cohorts": cohorts}


def _cohort(users: list[str]) -> Plain:
    group = {"type": "AND", "values": [{**_property("user_id", "exact", users), "negation": False}]}
    return {"type": "OR", "values": [group]}


def _flag(number: int, key: str, case: str, flag: Plain, cohorts: dict[str, int]) -> Plain:
    filters: Plain
    if case == "segment":
        name, inside, outside = listed(flag)
        variants = [{"key": "inside", "rollout_percentage": 0}, {"key": "outside", "rollout_percentage": 100}]
        within = _condition([{"key": "id", "operator": "in", "value": cohorts[name], "type": "cohort"}])
        filters = {
            "groups": [{**within, "variant": "inside"}, {**_condition([]), "variant": "outside"}],
            "multivariate": {"variants": variants},
            "payloads": {"inside": json.dumps(inside), "outside": json.dumps(outside)},
        }
    elif case == "rules":
        filters = {"groups": _rules(flag)}
    else:
        filters = {"groups": [_condition([], None if case == "boolean" else percent(flag))]}
    return {"id": number, "key": key, "active": True, "filters": filters}


def _rules(flag: Plain) -> list[Plain]:
    asked = questions(flag)
    return [
        _condition([_property("country", "exact", [asked.country]), _property("plan", "exact", asked.plans)]),
        _condition([_property("email", "regex", re.escape(asked.suffix) + "$")]),
        _condition([_property("version", "semver_gte", asked.version)]),
    ]


def _condition(properties: list[Plain], share: float | None = None) -> Plain:
    return {"properties": properties, "rollout_percentage": share}


def _property(key: str, operator: str, value: Any) -> Plain:
    return {"key": key, "operator": operator, "value": value, "type": "person"}


def load(payload: Path, document: Plain) -> Loaded:
    from posthog import Posthog

    client = Posthog("phc_bench", host="http://127.0.0.1:9", send=False, sync_mode=True)
    given = json.loads(payload.read_bytes())
    client.feature_flags, client.cohorts = given["flags"], given["cohorts"]
    return _PostHog(client, document)


class _PostHog(Loaded):
    def __init__(self, client: Any, document: Plain) -> None:
        super().__init__(document)
        self.client = client

    def ask(self, key: str, context: Plain) -> Call:
        who, properties = self._who(context)
        ask = self.client.get_feature_flag_result
        return lambda: ask(
            key, who, person_properties=properties, only_evaluate_locally=True, send_feature_flag_events=False
        )

    def ask_all(self, context: Plain) -> Call:
        who, properties = self._who(context)
        ask = self.client.get_all_flags_and_payloads
        return lambda: ask(who, person_properties=properties, only_evaluate_locally=True)

    def _who(self, context: Plain) -> tuple[str, Plain]:
        who = context["targetingKey"]
        return who, {"user_id": who, **{name: each for name, each in context.items() if name != "targetingKey"}}

    def value(self, key: str, answer: Any) -> Any:
        return answer.payload if self.cases[key] == "segment" else answer.enabled

    def values(self, answers: Any) -> Plain:
        payloads = answers["featureFlagPayloads"]
        return {
            key: _read(payloads[key]) if self.cases[key] == "segment" else value
            for key, value in answers["featureFlags"].items()
        }


def _read(payload: Any) -> Any:
    return json.loads(payload) if isinstance(payload, str) else payload
