"""FeatBit's SDK in offline mode, loaded by `initialize_from_external_json`, asked by `variation`.

It knows no versions: the third rule asks by a regular expression, as its users have to.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from benchmarks.peers.shape import Call, Loaded, Plain, flags_of, listed, percent, questions

IMPORTS = ("fbclient.client", "fbclient.config")
WHEN = "2026-01-01T00:00:00Z"


def translate(document: Plain) -> Plain:
    segments = [_segment(each) for each in document["segments"]]
    flags = [_flag(key, case, flag) for key, case, flag in flags_of(document)]
    return {"messageType": "data-sync", "data": {"eventType": "full", "featureFlags": flags, "segments": segments}}


def _segment(segment: Plain) -> Plain:
    kept = {"id": segment["key"], "included": segment["included"], "excluded": [], "rules": []}
    return {**kept, "isArchived": False, "updatedAt": WHEN}


def _flag(key: str, case: str, flag: Plain) -> Plain:
    rules, values = [], {"on": "true", "off": "false"}
    served = _serve(("on", 0, 1)) if case == "boolean" else _serve(("off", 0, 1))
    if case == "rollout":
        share = percent(flag) / 100
        served = _serve(("on", 0, share), ("off", share, 1))
    elif case == "segment":
        name, inside, outside = listed(flag)
        values = {"on": json.dumps(inside), "off": json.dumps(outside)}
        rules = [_rule(("User is in segment", None, json.dumps([name])))]
    elif case == "rules":
        rules = _rules(flag)
    return {
        "id": key,
        "key": key,
        "name": key,
        "isArchived": False,
        "isEnabled": True,
        "insightsEnabled": False,
        "updatedAt": WHEN,
        "variationType": "json" if case == "segment" else "boolean",
        "variations": [{"id": each, "value": value} for each, value in values.items()],
        "disabledVariationId": "off",
        "targetUsers": [],
        "rules": rules,
        "fallthrough": served,
    }


def _rules(flag: Plain) -> list[Plain]:
    asked = questions(flag)
    major, minor, _ = (int(part) for part in asked.version.split("."))
    assert (major, minor) == (2, 3)  # the expression below says "2.3.0 or later" and nothing else
    return [
        _rule(("country", "Equal", asked.country), ("plan", "IsOneOf", json.dumps(asked.plans))),
        _rule(("email", "EndsWith", asked.suffix)),
        _rule(("version", "MatchRegex", re.compile(r"^(2\.([3-9]|\d{2,})|([3-9]|\d{2,})\.\d+)\.").pattern)),
    ]


def _rule(*conditions: tuple[str, str | None, str]) -> Plain:
    asked = [{"property": each[0], "op": each[1], "value": each[2]} for each in conditions]
    return {"conditions": asked, **_serve(("on", 0, 1))}


def _serve(*shares: tuple[str, float, float]) -> Plain:
    variations = [{"id": each, "rollout": [start, end]} for each, start, end in shares]
    return {"dispatchKey": None, "variations": variations}


def load(payload: Path, document: Plain) -> Loaded:
    from fbclient.client import FBClient
    from fbclient.config import Config

    client = FBClient(Config("bench", "http://127.0.0.1:9", "ws://127.0.0.1:9", offline=True), start_wait=1)
    if not client.initialize_from_external_json(payload.read_text()):
        raise ValueError("FeatBit did not take the flags")
    return _FeatBit(client, document)


class _FeatBit(Loaded):
    def __init__(self, client: Any, document: Plain) -> None:
        super().__init__(document)
        self.client = client

    def ask(self, key: str, context: Plain) -> Call:
        ask, user = self.client.variation, self._user(context)
        safe = {} if self.cases[key] == "segment" else False
        return lambda: ask(key, user, safe)

    def ask_all(self, context: Plain) -> Call:
        ask, user = self.client.get_all_latest_flag_variations, self._user(context)
        return lambda: ask(user)

    def _user(self, context: Plain) -> Plain:
        named = {name: each for name, each in context.items() if name != "targetingKey"}
        return {"key": context["targetingKey"], "name": context["targetingKey"], **named}

    def values(self, answers: Any) -> Plain:
        return {key: answers.get(key).variation for key in self.cases}
