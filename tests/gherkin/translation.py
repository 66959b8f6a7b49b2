"""OpenFeature's `test-flags.json` in Twokey's format.

| there | here |
|---|---|
| `variants` | variations; the flag's type is the JSON type that all values share |
| `defaultVariant` | baseline, and what `otherwise` serves |
| `disabled` | not enabled, so the baseline is served with reason DISABLED |
| `contextEvaluator`: `A && B ? 'x' : ''` | one rule that serves `x`, with a clause for each part |
| `name == 'text'`, `name > 5`, `!name` | `in`, `gt`, `in [false]`: without the attribute none holds, here as there |
| `flagMetadata` | nothing: a flag of Twokey carries no free metadata (see `OWN_METADATA` in `conftest.py`) |
| no `defaultVariant`, or null | nothing: Twokey has no flag without a safe value (`WITHOUT_DEFAULT`) |

The deprecated suite also asks for `context-aware`, which the file no longer holds: `CONTEXT_AWARE` is what the suite
tells of it.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from twokey.engine.flag import Clause, Flag, FlagType, Operator, Rule, Serve, Variation

WITHOUT_DEFAULT = {"null-default-flag", "undefined-default-flag"}
TYPES: dict[type, FlagType] = {
    bool: FlagType.BOOLEAN,
    str: FlagType.STRING,
    int: FlagType.INTEGER,
    float: FlagType.NUMBER,
    dict: FlagType.OBJECT,
}
CONTEXT_AWARE = {
    "variants": {"internal": "INTERNAL", "external": "EXTERNAL"},
    "defaultVariant": "external",
    "contextEvaluator": "fn == 'Sulisław' && ln == 'Świętopełk' && age > 28 && !customer ? 'internal' : ''",
}


def flags(file: Path) -> tuple[Flag, ...]:
    """Every flag of the file that Twokey can hold, and the one that the deprecated suite lacks."""
    given = {**json.loads(file.read_text(encoding="utf-8")), "context-aware": CONTEXT_AWARE}
    return tuple(flag(key, each) for key, each in given.items() if key not in WITHOUT_DEFAULT)


def flag(key: str, given: dict[str, Any]) -> Flag:
    values, default = given["variants"], given["defaultVariant"]
    (kind,) = {type(each) for each in values.values()}
    return Flag(
        key=key,
        type=TYPES[kind],
        enabled=not given.get("disabled", False),
        variations=tuple(Variation(key=name, value=value) for name, value in values.items()),
        baseline=default,
        otherwise=Serve(variation=default),
        rules=(rule(given["contextEvaluator"]),) if "contextEvaluator" in given else (),
        client_visible=True,
    )


def rule(text: str) -> Rule:
    conditions, variation = _whole(r"(.+) \? '([^']+)' : ''", text)
    clauses = tuple(clause(each) for each in conditions.split(" && "))
    return Rule(id="targeted", clauses=clauses, serve=Serve(variation=variation))


def clause(text: str) -> Clause:
    if text.startswith("!"):
        (name,) = _whole(r"!(\w+)", text)
        return Clause(attribute=name, operator=Operator.IN, values=(False,))
    if " == " in text:
        name, value = _whole(r"(\w+) == '([^']*)'", text)
        return Clause(attribute=name, operator=Operator.IN, values=(value,))
    name, number = _whole(r"(\w+) > (\d+)", text)
    return Clause(attribute=name, operator=Operator.GT, values=(int(number),))


def _whole(pattern: str, text: str) -> tuple[str, ...]:
    found = re.fullmatch(pattern, text)
    assert found is not None, f"no translation is known for `{text}`"
    return found.groups()
