"""What the person at the terminal sees: one calm line for each thing that happens, by the loop's seven steps."""

from __future__ import annotations

import sys
import textwrap
from datetime import datetime
from typing import TextIO

WIDTH = 100
STEPS = ("signal", "triage", "proposal", "approval", "change", "evidence", "decision")


class Screen:
    """Writes lines to a stream, as they happen."""

    def __init__(self, out: TextIO | None = None) -> None:
        self._out = out or sys.stdout

    def line(self, text: str = "") -> None:
        """A line of its own."""
        print(text, file=self._out, flush=True)

    def heading(self, text: str) -> None:
        """A line that starts a part."""
        self.line()
        self.line(self._bold(text))

    def row(self, name: str, *columns: str) -> None:
        """A name and what belongs to it, in columns."""
        self.line(f"  {name:<16}" + "".join(f"{each:<28}" for each in columns[:-1]) + columns[-1])

    def then(self, at: datetime, text: str) -> None:
        """Something that happened at a time of the demo's clock."""
        self._wrapped(f"  {at.astimezone():%H:%M}  ", text)

    def step(self, name: str, text: str) -> None:
        """Something that happened in one of the loop's steps."""
        self._wrapped(f"  {STEPS.index(name) + 1} {name:<9} ", text)

    def more(self, text: str) -> None:
        """A further line of the step before."""
        self._wrapped(" " * 14, text)

    def _wrapped(self, head: str, text: str) -> None:
        self.line(
            textwrap.fill(text, WIDTH, initial_indent=head, subsequent_indent=" " * len(head), break_on_hyphens=False)
        )

    def _bold(self, text: str) -> str:
        return f"\x1b[1m{text}\x1b[0m" if self._out.isatty() else text
