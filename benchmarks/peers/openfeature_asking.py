"""Asking through OpenFeature's Python client: the typed `get_*_details` that applications call."""

from __future__ import annotations

import copy
import json
from typing import Any

from benchmarks.peers.shape import Call, Loaded, Plain

SAFE: Plain = {}


class Asked(Loaded):
    """Flags behind whatever provider is set for this domain."""

    def __init__(self, provider: Any, document: Plain, domain: str) -> None:
        from openfeature import api

        super().__init__(document)
        api.set_provider_and_wait(provider, domain)
        self.client = api.get_client(domain)

    def ask(self, key: str, context: Plain) -> Call:
        from openfeature.evaluation_context import EvaluationContext

        attributes = copy.copy(context)
        given = EvaluationContext(attributes.pop("targetingKey", None), attributes)
        if self.cases[key] == "segment":
            get_object = self.client.get_object_details
            return lambda: get_object(key, SAFE, given)
        get_boolean = self.client.get_boolean_details
        return lambda: get_boolean(key, False, given)

    def value(self, key: str, answer: Any) -> Any:
        if answer.error_code is not None:
            return f"{answer.error_code}: {answer.error_message}"
        value = answer.value
        return json.loads(json.dumps(value)) if isinstance(value, dict) else value
