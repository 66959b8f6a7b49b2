"""What a command prints: the answer on standard output, everything said to a person on standard error.

Rules this module keeps:

- With `--json` standard output holds one JSON value in ASCII, and nothing else.
- Otherwise lines and tables for people, readable at 80 columns; no colour without a terminal or with NO_COLOR; colour
  never says anything that a word does not say as well.
- Everything passes through `plain`: text of others cannot move the cursor, change colours or hide.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, redirect_stdout
from typing import TYPE_CHECKING, Any

from twokey.cli.columns import GAP, widths
from twokey.documents.text import plain, plain_json, plain_lines

if TYPE_CHECKING:
    from rich.console import Console, RenderableType
    from rich.text import Text

STYLES = {
    "harm": "red",
    "waiting": "yellow",
    "safe": "green",
    "quiet": "dim",
    "strong": "bold",
}
_MEANINGS = {
    "breached": "harm", "refused": "harm", "rejected": "harm", "widens": "harm", "firing": "harm", "critical": "harm",
    "pending": "waiting", "waiting": "waiting", "inconclusive": "waiting", "cannot_judge": "waiting",
    "stale": "waiting", "expired": "waiting", "overdue": "harm",
    "holding": "safe", "approved": "safe", "applied": "safe", "narrows": "safe", "resolved": "safe",
}  # fmt: skip
MIN_WIDTH = 60


def answer(value: Any) -> None:
    """The answer for machines."""
    sys.stdout.write(plain_json(value) + "\n")


def say(*lines: str) -> None:
    """Lines for people, on standard output."""
    for line in lines:
        sys.stdout.write(plain_lines(line) + "\n")


def tell(*lines: str) -> None:
    """Lines for people beside the answer, on standard error."""
    for line in lines:
        sys.stderr.write(plain_lines(line) + "\n")


@contextmanager
def aside() -> Iterator[None]:
    """Whatever is drawn in the block goes to the person, on standard error, and is no part of the answer."""
    with redirect_stdout(sys.stderr):
        yield


def heading(title: str, *words: str) -> None:
    """A title, with words of state behind it."""
    line = _text(title, "strong")
    for word in words:
        line.append("  ")
        line.append(meaning(word))
    _draw(line)


def facts(pairs: Iterable[tuple[str, str]]) -> None:
    """Names and values, one pair to a line, values aligned and wrapped under themselves; empty values are left out."""
    from rich.table import Table

    grid = Table.grid(padding=(0, 2))
    grid.add_column(no_wrap=True)
    grid.add_column(overflow="fold")
    for name, value in pairs:
        if value:
            grid.add_row(_text(name, "quiet"), meaning(value))
    _draw(grid)


def section(title: str, lines: Iterable[str]) -> None:
    """A titled list of sentences; left out where there is none."""
    found = [line for line in lines if line]
    if not found:
        return
    say("")
    heading(title)
    from rich.table import Table

    grid = Table.grid(padding=(0, 1))
    grid.add_column(no_wrap=True)
    grid.add_column(overflow="fold")
    for line in found:
        grid.add_row("  -", _text(line))
    _draw(grid)


def outline(title: str, lines: Iterable[str]) -> None:
    """A titled text whose lines are indented by the blanks they begin with, and wrapped under themselves."""
    from rich.padding import Padding

    say("")
    heading(title)
    for line in lines:
        _draw(Padding(_text(line.strip()), (0, 0, 0, 2 + len(line) - len(line.lstrip(" ")))))


def table(head: Sequence[str], rows: Iterable[Sequence[str]], *, fixed: Sequence[str] = (), empty: str = "") -> None:
    """A table. The first column and those named in `fixed` are wrapped only where they are very long.

    `empty` is said to a person where there is no row.
    """
    from rich.table import Table

    found = list(rows)
    if not found:
        tell(empty)
        return
    favoured = {at for at, name in enumerate(head) if at == 0 or name in fixed}
    drawn = Table(box=None, pad_edge=False, padding=(0, GAP, 0, 0), show_edge=False, header_style="bold")
    for name, width in zip(head, widths(_natural(head, found), favoured, _console().width), strict=True):
        drawn.add_column(name, overflow="fold", width=width)
    for row in found:
        drawn.add_row(*(meaning(cell) for cell in row))
    _draw(drawn)


def mention_limit(rows: Sequence[object], limit: int) -> None:
    """Say that there may be more than was asked for."""
    if len(rows) == limit:
        tell(f"Only {limit} are shown; `--limit` shows more.")


def meaning(word: str) -> Text:
    """The word, in the colour of what it means where it is one of our own words of state."""
    return _text(word, _MEANINGS.get(word, ""))


def _text(text: str, style: str = "") -> Text:
    from rich.text import Text

    return Text(plain(text), style=STYLES.get(style, style))


def _natural(head: Sequence[str], rows: Sequence[Sequence[str]]) -> list[int]:
    from rich.cells import cell_len

    return [max(cell_len(plain(row[at])) for row in [head, *rows]) for at in range(len(head))]


def _draw(thing: RenderableType) -> None:
    console = _console()
    with console.capture() as drawn:
        console.print(thing)
    # Rich fills lines with blanks up to the width of their column; nobody needs them at the end of a line.
    sys.stdout.write(re.sub(r" +$", "", drawn.get(), flags=re.MULTILINE))


def _console() -> Console:
    from rich.console import Console

    console = Console(file=sys.stdout, markup=False, emoji=False, highlight=False)
    if not console.is_terminal:
        # A pipe has no width of its own; COLUMNS still decides where it is set.
        console = Console(
            file=sys.stdout, markup=False, emoji=False, highlight=False, no_color=True,
            width=max(MIN_WIDTH, console.width),
        )  # fmt: skip
    return console
