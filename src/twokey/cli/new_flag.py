"""A new flag from what was said on the command line, in the JSON shape of a control. The server checks it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from twokey.cli.failures import usage

_TYPES: dict[type, str] = {
    bool: "boolean",
    str: "string",
    int: "integer",
    float: "number",
    dict: "object",
    list: "object",
}


@dataclass(frozen=True)
class Values:
    """What the flag can serve."""

    key: str
    variations: tuple[str, ...]
    baseline: str
    type: str
    unit: str


@dataclass(frozen=True)
class Governance:
    """Who answers for it, and until when."""

    owner: str
    purpose: str
    surface: str
    review_date: str
    cleanup_condition: str
    permanent_because: str
    approvers: tuple[str, ...]
    caution: tuple[str, ...]
    workflow: str
    guardrails: tuple[Any, ...]


def control_of(values: Values, governance: Governance) -> dict[str, Any]:
    """The control, switched off and serving its baseline to everyone."""
    kept = {name: value for name, value in vars(governance).items() if value not in ("", ())}
    kind = "permanent" if governance.permanent_because else "temporary"
    return {
        "flag": flag_of(values),
        "kind": kind,
        **{k: list(v) if isinstance(v, tuple) else v for k, v in kept.items()},
    }


def flag_of(values: Values) -> dict[str, Any]:
    """The published part."""
    variations = [_variation(each) for each in values.variations or ("off=false", "on=true")]
    baseline = values.baseline or variations[0]["key"]
    if baseline not in {each["key"] for each in variations}:
        known = ", ".join(each["key"] for each in variations)
        raise usage(f"The baseline `{baseline}` is no variation", f"choose one of: {known}")
    return {
        "key": values.key,
        "type": values.type or _type_of([each["value"] for each in variations]),
        "enabled": False,
        "variations": variations,
        "baseline": baseline,
        "unit": values.unit,
        "otherwise": {"variation": baseline},
    }


def value_of(text: str) -> Any:
    """JSON where it is JSON, else the text itself."""
    try:
        return json.loads(text)
    except json.JSONDecodeError:
        return text


def _variation(text: str) -> dict[str, Any]:
    key, equals, value = text.partition("=")
    return {"key": key, "value": value_of(value) if equals else key}


def _type_of(values: list[Any]) -> str:
    found = {_TYPES.get(type(value), "") for value in values}
    if found == {"integer", "number"}:
        return "number"
    if len(found) != 1 or "" in found:
        raise usage("The variations are of different types", "give values of one type, or say it with --type")
    return found.pop()
