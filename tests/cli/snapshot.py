"""What people see, kept as files. `TWOKEY_SNAPSHOTS=write pytest tests/cli` writes them anew; the diff is reviewed."""

import os
from pathlib import Path

FOLDER = Path(__file__).parent / "snapshots"
WRITING = os.environ.get("TWOKEY_SNAPSHOTS") == "write"


def assert_matches(name: str, text: str) -> None:
    file = FOLDER / f"{name}.txt"
    if WRITING:
        file.write_text(text, "utf-8")
    assert file.is_file(), f"there is no snapshot {name}: write it with TWOKEY_SNAPSHOTS=write"
    assert text == file.read_text("utf-8")
