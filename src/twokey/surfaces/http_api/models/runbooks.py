"""The team's own runbooks. All of their text is foreign."""

from __future__ import annotations

from twokey.surfaces.shapes import Model


class RunbookTextView(Model):
    """One step, and the line at which it stands."""

    line: int
    text: str


class RunbookSectionView(Model):
    """A section of a runbook that says what was looked for: where it stands, what it says, and its steps."""

    runbook: str
    title: str
    sha256: str
    headings: list[str]
    text: str
    steps: list[RunbookTextView]
