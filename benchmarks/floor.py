"""What somebody would write by hand for just these flags: closures, sets, one hash. Nothing can be checked, explained,
patched or asked why; it is the floor that the engine's figures are read against.

The functions answer with a value and read contexts that are in order; versions are split and compared as numbers.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from mmh3 import mmh3_32_uintdigest

Floor = Callable[[dict[str, Any]], object]


def floor_of(document: dict[str, Any]) -> dict[str, Floor]:
    """A function for each flag of a document of `benchmarks/workload.py`."""
    units = {segment["key"]: frozenset(segment["included"]) for segment in document["segments"]}
    return {flag["key"]: _floor(flag, units) for flag in document["flags"]}


def _floor(flag: dict[str, Any], units: dict[str, frozenset[str]]) -> Floor:
    if "rollout" in flag["otherwise"]:
        return _rollout(flag)
    if flag["type"] == "object":
        return _segment(flag, units)
    return _rules(flag) if "rules" in flag else lambda _: True


def _rollout(flag: dict[str, Any]) -> Floor:
    salt = flag["key"] + "\0"
    share = flag["otherwise"]["rollout"]["weights"][0][1]

    def answer(context: dict[str, Any]) -> bool:
        if "targetingKey" not in context:
            return False
        return mmh3_32_uintdigest((salt + context["targetingKey"]).encode()) * 100_000 >> 32 < share

    return answer


def _segment(flag: dict[str, Any], units: dict[str, frozenset[str]]) -> Floor:
    (clause,) = flag["rules"][0]["clauses"]
    listed = units[clause["values"][0]]
    candidate, baseline = (variation["value"] for variation in flag["variations"])
    return lambda context: candidate if context.get("targetingKey") in listed else baseline


def _rules(flag: dict[str, Any]) -> Floor:
    first, second, third = (rule["clauses"] for rule in flag["rules"])
    (country,), plans = first[0]["values"], frozenset(first[1]["values"])
    (suffix,) = second[0]["values"]
    least = tuple(int(part) for part in third[0]["values"][0].split("."))

    def answer(context: dict[str, Any]) -> bool:
        if context.get("country") == country and context.get("plan") in plans:
            return True
        if context.get("email", "").endswith(suffix):
            return True
        version = context.get("version")
        return version is not None and tuple(map(int, version.split("."))) >= least

    return answer
