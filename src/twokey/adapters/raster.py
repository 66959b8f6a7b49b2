"""SVG into PNG, with a font that is installed beside it: the same picture on every machine, whatever fonts that has."""

from __future__ import annotations

from pathlib import Path

import font_roboto
import resvg_py

_FONTS = [str(Path(font_roboto.font_directory) / f"Roboto-{weight}.ttf") for weight in ("Regular", "Bold")]


def png(svg: str) -> bytes:
    """The picture twice as fine as it is drawn. Raises ValueError for what is no SVG."""
    made: bytes = resvg_py.svg_to_bytes(
        svg_string=svg, zoom=2, skip_system_fonts=True, font_files=_FONTS, font_family="Roboto"
    )
    return made
