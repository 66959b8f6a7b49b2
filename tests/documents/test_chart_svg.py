"""A chart as a picture: the same bytes everywhere, nothing of others' text as markup, letters that are really drawn."""

from __future__ import annotations

import re
import struct
import xml.etree.ElementTree as ElementTree
import zlib
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from twokey.adapters.raster import png
from twokey.documents.chart_svg import HEIGHT, WIDTH, Line, Mark, Picture, chart_svg

NOON = datetime(2026, 7, 1, 12, tzinfo=UTC)


def picture(*, title: str = "p95 latency", values: tuple[float, ...] = (2100, 2150, 3200), **more: object) -> Picture:
    points = tuple((NOON + timedelta(minutes=each), value) for each, value in enumerate(values))
    fields: dict[str, object] = {
        "title": title,
        "where": "profile in support/production",
        "since": NOON,
        "until": NOON + timedelta(minutes=len(values)),
        "lines": (Line("baseline", points),),
        "limit": 2500.0,
        "unit": "ms",
    }
    return Picture(**(fields | more))  # type: ignore[arg-type]


def texts(svg: str) -> list[str]:
    return [each.text or "" for each in ElementTree.fromstring(svg).iter("{http://www.w3.org/2000/svg}text")]


def test_it_names_its_lines_its_limit_and_round_values() -> None:
    shown = texts(chart_svg(picture()))
    assert "baseline 3,200 ms" in shown
    assert "limit 2,500 ms" in shown
    assert {"2,250 ms", "2,500 ms", "2,750 ms", "3,000 ms"} <= set(shown)


def test_shares_are_in_percent_and_markers_are_lettered() -> None:
    marks = (Mark(NOON, "deploy 4.18"), Mark(NOON + timedelta(minutes=1), "10 %"))
    shown = texts(chart_svg(picture(values=(0.01, 0.2), limit=0.05, share=True, unit="", marks=marks)))
    assert "baseline 20 %" in shown
    assert "A 12:00 deploy 4.18" in shown
    assert "B 12:01 10 %" in shown


@given(st.text(max_size=40), st.lists(st.floats(allow_nan=True, width=32), max_size=5))
def test_whatever_is_named_or_measured_it_is_one_well_formed_picture(said: str, values: list[float]) -> None:
    made = chart_svg(
        picture(title=said, values=tuple(values), lines=(Line(said, ()),), marks=(Mark(NOON, said),), limit=None)
    )
    root = ElementTree.fromstring(made)
    assert {each.tag.rpartition("}")[2] for each in root.iter()} <= {"svg", "title", "rect", "text", "line", "polyline"}
    made = chart_svg(picture(values=tuple(values)))
    assert "nan" not in made
    assert "inf" not in made


def test_markup_in_a_name_stays_text() -> None:
    said = '</text><script href="x">&'
    assert any(said[:20] in each for each in texts(chart_svg(picture(title=said))))


# ---------------------------------------------------------------- drawn


def darkness(image: bytes) -> tuple[int, int, int]:
    """Width, height, and how many pixels are not white: PNG as the standard writes it, eight bits a channel."""
    width, height, depth, kind = struct.unpack(">IIBB", image[16:26])
    assert (image[:8], depth, kind) == (b"\x89PNG\r\n\x1a\n", 8, 6)
    data, place = b"", 8
    while place < len(image):
        length, name = struct.unpack(">I4s", image[place : place + 8])
        data += image[place + 8 : place + 8 + length] if name == b"IDAT" else b""
        place += 12 + length
    return width, height, len(zlib.compress(zlib.decompress(data)))


def test_letters_are_drawn_with_the_font_that_comes_along() -> None:
    """A renderer without fonts draws none, and says nothing."""
    width, height, much = darkness(png(chart_svg(picture())))
    assert (width, height) == (2 * WIDTH, 2 * HEIGHT)
    bare = re.sub(r"<text .*?</text>", "", chart_svg(picture()))
    assert much > 1.5 * darkness(png(bare))[2]


def test_the_same_figures_are_the_same_picture() -> None:
    assert png(chart_svg(picture())) == png(chart_svg(picture()))


def test_what_is_no_picture_is_refused() -> None:
    with pytest.raises(ValueError, match="root node"):
        png("<svg")
