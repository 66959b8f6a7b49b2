"""Runbooks out of a folder of Markdown files, read when a case is triaged.

Rules kept here:
- nothing is followed out of the folder: no symbolic link, no file beside `*.md`, no link or image in the text;
- bounded: so many files of so many bytes; what is larger, or no UTF-8, is left out and said in the server's log;
- steps are the items of lists; their text is plain, and holds no control or invisible characters.
"""

from __future__ import annotations

import hashlib
import logging
import unicodedata
from collections.abc import Iterator, Sequence
from pathlib import Path

from markdown_it import MarkdownIt
from markdown_it.token import Token

from twokey.domain.runbook import Runbook, Section, Step

MOST_FILES, MOST_BYTES, MOST_STEP = 500, 256_000, 400
log = logging.getLogger(__name__)


class FolderRunbooks:
    """The Markdown files of one folder and those below it."""

    def __init__(self, folder: Path) -> None:
        self._folder, self._parser = folder, MarkdownIt("commonmark")

    def read(self) -> tuple[Runbook, ...]:
        """Every runbook, by path. A folder that is not there holds none."""
        return tuple(found for path in self._files() if (found := self._runbook(path)) is not None)

    def _files(self) -> list[Path]:
        root = self._folder.resolve()
        files = [path for path in sorted(root.rglob("*.md")) if path.is_file() and path.resolve().is_relative_to(root)]
        if len(files) > MOST_FILES:
            log.warning("of %d runbooks in %s the first %d are read", len(files), root, MOST_FILES)
        return files[:MOST_FILES]

    def _runbook(self, path: Path) -> Runbook | None:
        try:
            if path.stat().st_size > MOST_BYTES:
                log.warning("runbook %s is larger than %d bytes and is left out", path, MOST_BYTES)
                return None
            body = path.read_bytes()
            text = body.decode()
        except (OSError, UnicodeDecodeError) as why:
            log.warning("runbook %s is left out: %s", path, why)
            return None
        name = path.relative_to(self._folder.resolve()).as_posix()
        sections = tuple(_sections(self._parser.parse(text)))
        titles = [each.headings[0] for each in sections if each.headings]
        return Runbook(
            path=name,
            title=titles[0] if titles else path.stem,
            sha256=f"sha256:{hashlib.sha256(body).hexdigest()}",
            sections=sections,
        )


def _sections(tokens: Sequence[Token]) -> Iterator[Section]:
    """Each heading's own text and steps, up to the next heading of any level."""
    headings: dict[int, str] = {}
    said: list[str] = []
    steps: list[Step] = []
    depth = 0
    for index, token in enumerate(tokens):
        if token.type == "heading_open":
            if said or steps:
                yield _section(headings, said, steps)
            level = int(token.tag[1:])
            headings = {kept: text for kept, text in headings.items() if kept < level}
            headings[level] = plain(tokens[index + 1])
            said, steps = [], []
        depth += {"list_item_open": 1, "list_item_close": -1}.get(token.type, 0)
        if token.type in ("inline", "fence", "code_block") and tokens[index - 1].type != "heading_open":
            text = plain(token)
            said.append(text)
            if depth and text:
                steps.append(Step(line=(token.map or [0])[0] + 1, text=text[:MOST_STEP]))
    if said or steps or headings:
        yield _section(headings, said, steps)


def _section(headings: dict[int, str], said: Sequence[str], steps: Sequence[Step]) -> Section:
    return Section(
        headings=tuple(headings[level] for level in sorted(headings)), text=" ".join(said), steps=tuple(steps)
    )


def plain(token: Token) -> str:
    """A token's text without markup, links or images, in one line of visible characters."""
    parts = [token.content] if not token.children else [_text(each) for each in token.children]
    shown = "".join(each for each in "".join(parts).replace("\n", " ") if unicodedata.category(each)[0] != "C")
    return " ".join(shown.split())


def _text(token: Token) -> str:
    if token.type in ("text", "code_inline"):
        return token.content
    return " " if token.type in ("softbreak", "hardbreak") else ""
