"""What was said in a run, kept in a file where somebody asked for it: what the digests on record are digests of.

Rules kept here:
- only whoever runs the assistant can read it;
- one in which a secret of this process stands is not written: a provider may say anything.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from twokey.assistant.guard import Guard, Leak


def keep(folder: Path, case: str, said: Mapping[str, Any], guard: Guard) -> Path | None:
    """Write it; the file, or None where it may not be written."""
    content = json.dumps(said, ensure_ascii=True, indent=1).encode()
    try:
        guard.check(content)
    except Leak:
        return None
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    prompt = str(said["provenance"]["prompt"]).removeprefix("sha256:")
    name = "".join(each for each in case if each.isalnum() or each in "-_")[:100]
    file = folder / f"{name}-{prompt[:16]}.json"
    with os.fdopen(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as opened:
        opened.write(content)
    return file
