"""flagd's provider in its in-process mode, fed by a file, asked through OpenFeature's client.

The segment is one shared `$evaluators` entry that the flags refer to.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from benchmarks.peers.openfeature_asking import Asked
from benchmarks.peers.shape import Loaded, Plain, flags_of, listed, percent, questions

IMPORTS = ("openfeature.api", "openfeature.contrib.provider.flagd")


def translate(document: Plain) -> Plain:
    segments = {each["key"]: {"in": [{"var": "targetingKey"}, each["included"]]} for each in document["segments"]}
    return {"flags": {key: _flag(case, flag) for key, case, flag in flags_of(document)}, "$evaluators": segments}


def _flag(case: str, flag: Plain) -> Plain:
    switch: Plain = {"state": "ENABLED", "variants": {"on": True, "off": False}, "defaultVariant": "off"}
    if case == "boolean":
        return {**switch, "defaultVariant": "on"}
    if case == "rollout":
        share = percent(flag)
        return {**switch, "targeting": {"fractional": [["on", round(share)], ["off", round(100 - share)]]}}
    if case == "rules":
        return {**switch, "targeting": {"if": [_rules(flag), "on", "off"]}}
    name, inside, outside = listed(flag)
    variants = {"inside": inside, "outside": outside}
    targeting = {"if": [{"$ref": name}, "inside", "outside"]}
    return {"state": "ENABLED", "variants": variants, "defaultVariant": "outside", "targeting": targeting}


def _rules(flag: Plain) -> Plain:
    asked = questions(flag)
    first = {"and": [{"==": [{"var": "country"}, asked.country]}, {"in": [{"var": "plan"}, asked.plans]}]}
    second = {"ends_with": [{"var": "email"}, asked.suffix]}
    third = {"sem_ver": [{"var": "version"}, ">=", asked.version]}
    return {"or": [first, second, third]}


def load(payload: Path, document: Plain) -> Loaded:
    from openfeature.contrib.provider.flagd import FlagdProvider
    from openfeature.contrib.provider.flagd.config import ResolverType

    provider: Any = FlagdProvider(resolver_type=ResolverType.FILE, offline_flag_source_path=str(payload))
    return Asked(provider, document, "flagd")
