"""The floor: what somebody would write by hand (`benchmarks/floor.py`)."""

from __future__ import annotations

import json
from pathlib import Path

from benchmarks.peers.shape import Call, Loaded, Plain

IMPORTS = ("mmh3", "benchmarks.floor")


def translate(document: Plain) -> Plain:
    return document


def load(payload: Path, document: Plain) -> Loaded:
    from benchmarks.floor import floor_of

    return _Floor(floor_of(json.loads(payload.read_bytes())), document)


class _Floor(Loaded):
    def __init__(self, answers: Plain, document: Plain) -> None:
        super().__init__(document)
        self.answers = answers

    def ask(self, key: str, context: Plain) -> Call:
        answers = self.answers
        return lambda: answers[key](context)

    def ask_all(self, context: Plain) -> Call:
        answers, keys = self.answers, list(self.cases)
        return lambda: [answers[key](context) for key in keys]
