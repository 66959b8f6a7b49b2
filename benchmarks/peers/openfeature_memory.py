"""OpenFeature's `InMemoryProvider`: it has no rules of its own, so each flag carries the floor's function."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks.peers.openfeature_asking import Asked
from benchmarks.peers.shape import Loaded, Plain

IMPORTS = ("openfeature.api", "openfeature.provider.in_memory_provider")


def translate(document: Plain) -> Plain:
    return document


def load(payload: Path, document: Plain) -> Loaded:
    from openfeature.provider.in_memory_provider import InMemoryFlag, InMemoryProvider

    from benchmarks.floor import floor_of

    given = json.loads(payload.read_bytes())
    functions = floor_of(given)
    flags = {
        flag["key"]: InMemoryFlag(
            flag["baseline"],
            {each["key"]: each["value"] for each in flag["variations"]},
            context_evaluator=_evaluator(functions[flag["key"]]),
        )
        for flag in given["flags"]
    }
    return Asked(InMemoryProvider(flags), document, "memory")


def _evaluator(function: Callable[[dict[str, Any]], object]) -> Any:
    from openfeature.flag_evaluation import FlagResolutionDetails, Reason

    def evaluate(_: Any, context: Any) -> Any:
        return FlagResolutionDetails(
            function({"targetingKey": context.targeting_key, **context.attributes}), reason=Reason.TARGETING_MATCH
        )

    return evaluate
