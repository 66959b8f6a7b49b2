"""Twokey behind OpenFeature's client: `TwokeyProvider` reading a file, which reports nothing."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from benchmarks.peers import twokey
from benchmarks.peers.openfeature_asking import Asked
from benchmarks.peers.shape import Loaded, Plain

IMPORTS = ("openfeature.api", "twokey.client")


def translate(document: Plain) -> Any:
    return twokey.translate(document)


def load(payload: Path, document: Plain) -> Loaded:
    from twokey.client import File, TwokeyProvider

    return Asked(TwokeyProvider(File(path=payload)), document, "twokey")
