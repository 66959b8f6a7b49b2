"""Statsig's server SDK on its Rust core: specs from a data store in memory, no network, no exposures, asked by
`check_gate` and `get_dynamic_config`.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from benchmarks.peers.shape import Call, Loaded, Plain, flags_of, listed, percent, questions

IMPORTS = ("statsig_python_core",)


def translate(document: Plain) -> Plain:
    segments = {each["key"]: each["included"] for each in document["segments"]}
    conditions: Plain = {"everybody": _condition("public", None, None)}
    conditions |= {f"in-{key}": _condition("unit_id", "any", included) for key, included in segments.items()}
    gates, configs = {}, {}
    for key, case, flag in flags_of(document):
        if case == "segment":
            configs[key] = _config(key, flag)
        else:
            gates[key] = _gate(key, case, flag, conditions)
    return {
        "has_updates": True,
        "time": 1_700_000_000_000,
        "company_id": "bench",
        "app_id": "bench",
        "response_format": "dcs-v2",
        "feature_gates": gates,
        "dynamic_configs": configs,
        "layer_configs": {},
        "condition_map": conditions,
        "experiment_to_layer": {},
        "layers": {},
        "param_stores": {},
        "sdk_configs": {},
        "sdk_flags": {},
        "sdk_keys_to_app_ids": {},
        "hashed_sdk_keys_to_app_ids": {},
        "hashed_sdk_keys_to_entities": {},
        "diagnostics": {},
        "id_lists": {},
    }


def _condition(type: str, operator: str | None, target: Any, field: str | None = None) -> Plain:
    return {
        "type": type,
        "targetValue": target,
        "operator": operator,
        "field": field,
        "additionalValues": {},
        "isDeviceBased": False,
        "idType": "userID",
    }


def _rule(name: str, conditions: list[str], value: Any, share: float = 100) -> Plain:
    return {
        "name": name,
        "id": name,
        "groupName": name,
        "salt": name,
        "passPercentage": share,
        "conditions": conditions,
        "returnValue": value,
        "idType": "userID",
    }


def _spec(key: str, entity: str, default: Any, rules: list[Plain]) -> Plain:
    kind = "feature_gate" if entity == "feature_gate" else "dynamic_config"
    return {
        "name": key,
        "type": kind,
        "salt": key,
        "enabled": True,
        "defaultValue": default,
        "rules": rules,
        "isDeviceBased": False,
        "idType": "userID",
        "entity": entity,
        "version": 1,
    }


def _gate(key: str, case: str, flag: Plain, conditions: Plain) -> Plain:
    if case == "boolean":
        return _spec(key, "feature_gate", False, [_rule("all", ["everybody"], True)])
    if case == "rollout":
        return _spec(key, "feature_gate", False, [_rule(f"share-{key}", ["everybody"], True, percent(flag))])
    asked = questions(flag)
    conditions |= {
        "country": _condition("user_field", "any", [asked.country], "country"),
        "plan": _condition("user_field", "any", asked.plans, "plan"),
        "email": _condition("user_field", "str_ends_with_any", [asked.suffix], "email"),
        "version": _condition("user_field", "version_gte", asked.version, "appVersion"),
    }
    listed_rules = [["country", "plan"], ["email"], ["version"]]
    return _spec(key, "feature_gate", False, [_rule("-".join(each), each, True) for each in listed_rules])


def _config(key: str, flag: Plain) -> Plain:
    name, inside, outside = listed(flag)
    return _spec(key, "dynamic_config", outside, [_rule("listed", [f"in-{name}"], inside)])


def load(payload: Path, document: Plain) -> Loaded:
    from statsig_python_core import DataStore, DataStoreResponse, Statsig, StatsigOptions

    specs = payload.read_text()

    class Memory(DataStore):  # type: ignore[misc]
        """The specs, as a store of Statsig's would hand them out."""

        def get(self, key: str) -> Any:
            return DataStoreResponse(result=specs, time=1_700_000_000_000)

    options = StatsigOptions(
        data_store=Memory(),
        disable_network=True,
        disable_all_logging=True,
        disable_country_lookup=True,
        output_log_level="none",
    )
    statsig = Statsig("secret-bench", options)
    statsig.initialize().wait()
    return _Statsig(statsig, document)


class _Statsig(Loaded):
    def __init__(self, statsig: Any, document: Plain) -> None:
        super().__init__(document)
        self.statsig = statsig

    def ask(self, key: str, context: Plain) -> Call:
        from statsig_python_core import DynamicConfigEvaluationOptions, FeatureGateEvaluationOptions, StatsigUser

        user = StatsigUser(
            user_id=context["targetingKey"],
            email=context["email"],
            country=context["country"],
            app_version=context["version"],
            custom={"plan": context["plan"]},
        )
        statsig = self.statsig
        if self.cases[key] == "segment":
            quiet = DynamicConfigEvaluationOptions(disable_exposure_logging=True)
            return lambda: statsig.get_dynamic_config(user, key, quiet)
        silent = FeatureGateEvaluationOptions(disable_exposure_logging=True)
        return lambda: statsig.check_gate(user, key, silent)

    def value(self, key: str, answer: Any) -> Any:
        return answer if isinstance(answer, bool) else json.loads(json.dumps(answer.value))
