"""Unleash's SDK on its Rust core: features from a cache in memory, no polling, metrics or registration.

Asked by `is_enabled`, and by `get_variant` where there is a JSON value. A client with features of its own needs no
`initialize_client`, which would read them a second time and, in the background, every 15 seconds again.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from benchmarks.peers.shape import Call, Loaded, Plain, flags_of, listed, percent, questions

IMPORTS = ("UnleashClient",)


def translate(document: Plain) -> Plain:
    numbers = {each["key"]: number for number, each in enumerate(document["segments"], 1)}
    segments = [
        {"id": numbers[each["key"]], "constraints": [_constraint("userId", "IN", values=each["included"])]}
        for each in document["segments"]
    ]
    features = [_feature(key, case, flag, numbers) for key, case, flag in flags_of(document)]
    return {"version": 2, "features": features, "segments": segments}


def _feature(key: str, case: str, flag: Plain, numbers: dict[str, int]) -> Plain:
    strategies: list[Plain] = [{"name": "default", "parameters": {}}]
    if case == "rollout":
        strategies = [_rollout(key, percent(flag))]
    elif case == "rules":
        strategies = [{**_rollout(key, 100), "constraints": each} for each in _rules(flag)]
    elif case == "segment":
        name, inside, outside = listed(flag)
        within = {**_rollout(key, 100), "segments": [numbers[name]], "variants": [_variant(key, "inside", inside)]}
        strategies = [within, {**_rollout(key, 100), "variants": [_variant(key, "outside", outside)]}]
    return {"name": key, "type": "release", "enabled": True, "strategies": strategies, "variants": []}


def _rules(flag: Plain) -> list[list[Plain]]:
    asked = questions(flag)
    return [
        [_constraint("country", "IN", values=[asked.country]), _constraint("plan", "IN", values=asked.plans)],
        [_constraint("email", "STR_ENDS_WITH", values=[asked.suffix])],
        [_constraint("version", "SEMVER_LT", value=asked.version, inverted=True)],
    ]


def _constraint(name: str, operator: str, **given: Any) -> Plain:
    return {"contextName": name, "operator": operator, "inverted": False, "caseInsensitive": False, **given}


def _rollout(key: str, share: float) -> Plain:
    parameters = {"rollout": f"{share:g}", "stickiness": "userId", "groupId": key}
    return {"name": "flexibleRollout", "parameters": parameters, "constraints": []}


def _variant(key: str, name: str, value: Any) -> Plain:
    payload = {"type": "json", "value": json.dumps(value)}
    return {"name": name, "weight": 1000, "payload": payload, "stickiness": "userId"}


def load(payload: Path, document: Plain) -> Loaded:
    from UnleashClient import UnleashClient
    from UnleashClient.cache import BaseCache
    from UnleashClient.constants import FEATURES_URL

    class Memory(BaseCache):  # type: ignore[misc]
        """A cache that is a dictionary."""

        def __init__(self, held: Plain) -> None:
            self.held, self.bootstrapped = held, True

        def set(self, key: str, value: Any) -> None:
            self.held[key] = value

        def mset(self, data: Plain) -> None:
            self.held.update(data)

        def get(self, key: str, default: Any = None) -> Any:
            return self.held.get(key, default)

        def exists(self, key: str) -> bool:
            return key in self.held

        def destroy(self) -> None:
            self.held.clear()

    client = UnleashClient(
        "http://127.0.0.1:9/api",
        "bench",
        cache=Memory({FEATURES_URL: payload.read_text()}),
        disable_metrics=True,
        disable_registration=True,
    )
    return _Unleash(client, document)


class _Unleash(Loaded):
    def __init__(self, client: Any, document: Plain) -> None:
        super().__init__(document)
        self.client = client

    def ask(self, key: str, context: Plain) -> Call:
        properties = {name: each for name, each in context.items() if name != "targetingKey"}
        user = {"userId": context["targetingKey"], "properties": properties}
        ask = self.client.get_variant if self.cases[key] == "segment" else self.client.is_enabled
        return lambda: ask(key, user)

    def value(self, key: str, answer: Any) -> Any:
        return json.loads(answer["payload"]["value"]) if self.cases[key] == "segment" else answer
