"""Reads tests/conformance/*.json: the evaluation cases that every evaluator of flags must answer alike.

Each file is a snapshot and cases on it. A case has an `id` (`file/name`), a sentence, a flag, a context and what must
come out: value, variation, reason, and where they matter rule, metadata and error code.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

FOLDER = Path(__file__).parent.parent / "conformance"


class Case(NamedTuple):
    """One evaluation case with the document of the snapshot it runs on."""

    id: str
    says: str
    snapshot: dict[str, Any]
    flag: str
    context: Any
    expect: dict[str, Any]


def cases() -> Iterator[Case]:
    """Every case of every file."""
    for path in sorted(FOLDER.glob("*.json")):
        document = json.loads(path.read_text(encoding="utf-8"))
        for case in document["cases"]:
            yield Case(snapshot=document["snapshot"], **case)
