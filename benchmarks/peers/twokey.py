"""Twokey's engine, asked by `evaluate`; the snapshot is as a server publishes it, with the digests that are checked."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from benchmarks.peers.shape import Call, Loaded, Plain

IMPORTS = ("twokey.engine",)


def translate(document: Plain) -> Any:
    from twokey.engine import Snapshot

    return json.loads(Snapshot.from_json(json.dumps(document)).to_json())


def load(payload: Path, document: Plain) -> Loaded:
    from twokey.engine import Snapshot

    return _Twokey(Snapshot.from_json(payload.read_bytes()), document)


class _Twokey(Loaded):
    def __init__(self, snapshot: Any, document: Plain) -> None:
        super().__init__(document)
        self.snapshot = snapshot

    def ask(self, key: str, context: Plain) -> Call:
        from twokey.engine import evaluate

        snapshot = self.snapshot
        return lambda: evaluate(snapshot, key, context)

    def ask_all(self, context: Plain) -> Call:
        from twokey.engine import evaluate

        snapshot, keys = self.snapshot, list(self.cases)
        return lambda: [evaluate(snapshot, key, context) for key in keys]

    def value(self, key: str, answer: Any) -> Any:
        return _plain(answer.value)


def _plain(value: Any) -> Any:
    """An object's value is frozen; comparing wants it as JSON has it."""
    return json.loads(json.dumps(value)) if isinstance(value, dict) else value
