"""Where results are written: each benchmark has a section of docs/performance.md of its own, between two markers."""

from __future__ import annotations

import os
import platform
from datetime import UTC, datetime
from pathlib import Path

PAGE = Path(__file__).resolve().parents[1] / "docs" / "performance.md"


def write_section(name: str, markdown: str, page: Path = PAGE) -> None:
    """Replace what stands between `<!-- name -->` and `<!-- /name -->`. Raises ValueError without them."""
    text = page.read_text("utf-8")
    start, end = f"<!-- {name} -->", f"<!-- /{name} -->"
    if text.count(start) != 1 or text.count(end) != 1 or text.index(start) > text.index(end):
        raise ValueError(f"{page.name} has no section `{name}`")
    before, after = text[: text.index(start) + len(start)], text[text.index(end) :]
    page.write_text(f"{before}\n\n{markdown.strip()}\n\n*{machine()}*\n\n{after}", "utf-8")


def machine() -> str:
    """The machine and the moment, in a line."""
    model = platform.processor() or platform.machine()
    info = Path("/proc/cpuinfo")
    if info.exists():
        lines = info.read_text().splitlines()
        model = next((each.split(":", 1)[1].strip() for each in lines if each.startswith("model name")), model)
    python = f"{platform.python_implementation()} {platform.python_version()}"
    return f"{model}, {os.cpu_count()} cores, {python}, {datetime.now(UTC):%Y-%m-%d}, load {os.getloadavg()[0]:.1f}"
