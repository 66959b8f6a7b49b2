"""The analyst's notebook: figures enter its text only by being read from evidence, and are cited as they enter.

Rules kept here:
- a figure is looked up in the body of the evidence at the moment it is cited, so every citation can be grounded;
- evidence is made once per fact and kept only where something of it is cited;
- foreign text (names of alerts, services, attributes and their values) is repeated only where it is a plain identifier.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from twokey.domain import evidence
from twokey.domain.evidence import Evidence, EvidenceKind
from twokey.domain.finding import Citation

NewId = Callable[[str], str]
Figure = float | int | str | bool
_PLAIN = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.:/-]{0,63}")


def plain(text: str, otherwise: str) -> str:
    """Foreign text in backticks where it is a plain identifier, else words of our own."""
    return f"`{text}`" if _PLAIN.fullmatch(text) else otherwise


def named(attribute: str) -> str:
    """The name of a context attribute, which applications choose."""
    return plain(attribute, "an attribute whose name is no word")


class Sheet:
    """One piece of evidence being written about."""

    def __init__(self, notebook: Notebook, made: Evidence) -> None:
        self.notebook, self.made = notebook, made

    def figure(self, path: str, says: str, render: Callable[[Any], str] = str) -> str:
        """The figure at a dotted path as text; from now on it is cited, with what it says in words."""
        value = look_up(self.made.body, path)
        text = render(value)
        self.notebook.note(Citation(evidence=self.made.id, path=path, value=value, says=f"{says}: {text}"))
        return text


class Notebook:
    """Evidence and citations of one finding while it is being written."""

    def __init__(self, case: str, now: datetime, new_id: NewId) -> None:
        self.case, self.now, self.new_id = case, now, new_id
        self._sheets: dict[tuple[str, ...], Sheet] = {}
        self._citations: dict[tuple[str, str], Citation] = {}

    def sheet(self, kind: EvidenceKind, key: tuple[str, ...], title: str, body: dict[str, Any]) -> Sheet:
        """The evidence of that kind and key, made at its first use."""
        known = self._sheets.get((kind, *key))
        if known is None:
            made = evidence.make(self.new_id("evidence"), self.case, kind, title, self.now, body)
            known = self._sheets[(kind, *key)] = Sheet(self, made)
        return known

    def note(self, citation: Citation) -> None:
        """Keep a citation, the first in the words that it was first cited with."""
        self._citations.setdefault((citation.evidence, citation.path), citation)

    @property
    def citations(self) -> tuple[Citation, ...]:
        """What was cited, in the order of the text."""
        return tuple(self._citations.values())

    @property
    def evidence(self) -> tuple[Evidence, ...]:
        """The evidence that something was cited from."""
        cited = {each.evidence for each in self._citations.values()}
        return tuple(sheet.made for sheet in self._sheets.values() if sheet.made.id in cited)


def look_up(body: Any, path: str) -> Any:
    """The value at a dotted path of a JSON body; KeyError or IndexError where there is none."""
    for part in path.split("."):
        body = body[part] if isinstance(body, Mapping) else body[int(part)]
    return body
