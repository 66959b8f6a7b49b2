"""Bars on a logarithmic scale, as an SVG that is readable on light and dark ground."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from html import escape

WIDTH, LEFT, RIGHT, LINE = 860, 290, 70, 18
STYLE = (
    "text{font:12px system-ui,sans-serif;fill:#334155}.t{font-weight:600}.b{fill:#94a3b8}.o{fill:#4f46e5}"
    "@media(prefers-color-scheme:dark){text{fill:#cbd5e1}.b{fill:#64748b}.o{fill:#a5b4fc}}"
)


def bars(groups: Sequence[str], series: Mapping[str, Sequence[float | None]], ours: str) -> str:
    """One group of bars for each heading; `series` has a value for each group, `ours` stands out."""
    values = [value for row in series.values() for value in row if value]
    low, high = math.log10(min(values)) - 0.3, math.log10(max(values))
    parts, top = [], 8
    for index, heading in enumerate(groups):
        top += 22
        parts.append(f'<text class="t" x="8" y="{top}">{escape(heading)}</text>')
        shown = sorted((row[index], name) for name, row in series.items() if row[index])
        for value, name in shown:
            assert value is not None
            top += LINE
            length = (math.log10(value) - low) / (high - low) * (WIDTH - LEFT - RIGHT)
            kind = "o" if name == ours else "b"
            parts.append(f'<text x="{LEFT - 8}" y="{top + 4}" text-anchor="end">{escape(name)}</text>')
            parts.append(f'<rect class="{kind}" x="{LEFT}" y="{top - 7}" width="{length:.0f}" height="13" rx="2"/>')
            label = f"{value:.2f}" if value < 10 else f"{value:.0f}"
            parts.append(f'<text x="{LEFT + length + 6:.0f}" y="{top + 4}">{label}</text>')
    box = f'viewBox="0 0 {WIDTH} {top + 16}" width="{WIDTH}" height="{top + 16}"'
    title = "Microseconds of one evaluation, logarithmic; shorter is faster"
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" {box} role="img" aria-label="{title}">'
        f"<title>{title}</title><style>{STYLE}</style>{''.join(parts)}</svg>\n"
    )
