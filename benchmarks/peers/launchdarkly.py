"""LaunchDarkly's server SDK: its file data source, no events, asked by `variation` and `all_flags_state`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from benchmarks.peers.shape import Call, Loaded, Plain, flags_of, listed, percent, questions

IMPORTS = ("ldclient", "ldclient.integrations")


def translate(document: Plain) -> Plain:
    segments = {
        each["key"]: {"key": each["key"], "version": 1, "included": each["included"], "salt": "s"}
        for each in document["segments"]
    }
    return {"flags": {key: _flag(key, case, flag) for key, case, flag in flags_of(document)}, "segments": segments}


def _flag(key: str, case: str, flag: Plain) -> Plain:
    made: Plain = {"key": key, "version": 1, "on": True, "salt": "s", "variations": [True, False], "offVariation": 1}
    made["fallthrough"] = {"variation": 0 if case == "boolean" else 1}
    if case == "rollout":
        weight = round(percent(flag) * 1_000)
        shares = [{"variation": 0, "weight": weight}, {"variation": 1, "weight": 100_000 - weight}]
        made["fallthrough"] = {"rollout": {"variations": shares}}
    elif case == "segment":
        name, *made["variations"] = listed(flag)
        made["rules"] = [_rule(0, _clause("", "segmentMatch", name))]
    elif case == "rules":
        asked = questions(flag)
        made["rules"] = [
            _rule(0, _clause("country", "in", asked.country), _clause("plan", "in", *asked.plans)),
            _rule(1, _clause("email", "endsWith", asked.suffix)),
            # There is no "or equal": not less than.
            _rule(2, {**_clause("version", "semVerLessThan", asked.version), "negate": True}),
        ]
    return made


def _rule(number: int, *clauses: Plain) -> Plain:
    return {"id": f"rule-{number}", "variation": 0, "clauses": list(clauses)}


def _clause(attribute: str, operator: str, *values: str) -> Plain:
    return {"attribute": attribute, "op": operator, "values": list(values), "negate": False}


def load(payload: Path, document: Plain) -> Loaded:
    from ldclient import Config, LDClient
    from ldclient.integrations import Files

    source = Files.new_data_source(paths=[str(payload)], auto_update=False)
    config = Config("sdk-bench", update_processor_class=source, send_events=False, diagnostic_opt_out=True)
    return _LaunchDarkly(LDClient(config), document)


class _LaunchDarkly(Loaded):
    def __init__(self, client: Any, document: Plain) -> None:
        super().__init__(document)
        self.client = client

    def ask(self, key: str, context: Plain) -> Call:
        client, user = self.client, _context(context)
        return lambda: client.variation(key, user, None)

    def ask_all(self, context: Plain) -> Call:
        client, user = self.client, _context(context)
        return lambda: client.all_flags_state(user)

    def values(self, answers: Any) -> Plain:
        return dict(answers.to_values_map())


def _context(context: Plain) -> Any:
    from ldclient import Context

    builder = Context.builder(context["targetingKey"])
    for name, value in context.items():
        if name != "targetingKey":
            builder.set(name, value)
    return builder.build()
