"""OpenFeature's client alone: a provider that answers each call with one and the same details.

What it takes is the client's own cost, which every provider's figure contains. Its answers are constant, so it is
checked for the flags of cases 1 and 4 only.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from benchmarks import workload
from benchmarks.peers.openfeature_asking import Asked
from benchmarks.peers.shape import Loaded, Plain

IMPORTS = ("openfeature.api",)
CONSTANT = True


CONSTANT = True
"""Whoever is asked about, the answer is the same."""


def translate(document: Plain) -> Plain:
    return {"flags": len(document["flags"])}


def load(payload: Path, document: Plain) -> Loaded:
    from openfeature.flag_evaluation import FlagResolutionDetails, Reason
    from openfeature.provider import AbstractProvider, Metadata

    json.loads(payload.read_bytes())
    true = FlagResolutionDetails(True, reason=Reason.STATIC, variant="on")
    profile = FlagResolutionDetails(workload.PROFILE, reason=Reason.STATIC, variant="candidate")

    class Constant(AbstractProvider):
        def get_metadata(self) -> Metadata:
            return Metadata("constant")

        def resolve_boolean_details(self, *_: Any, **__: Any) -> Any:
            return true

        def resolve_object_details(self, *_: Any, **__: Any) -> Any:
            return profile

        resolve_string_details = resolve_integer_details = resolve_float_details = resolve_boolean_details

    return Asked(Constant(), document, "constant")
