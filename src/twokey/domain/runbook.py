"""The team's own runbooks: which speak of a case, and which of their steps apply. They are cited, never followed.

Rules kept here:
- a runbook speaks of a case where it names, as a whole word, an alert of it, the suspected flag, a guardrail or metric
  that is breached, the workflow, or (in its title) the surface; what is named weighs as `WEIGHTS` say;
- a section that names another flag than the suspected one is about that one, and its steps are left out;
- a step is repeated as it stands, with the place it stands at; it moves nothing.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence

import msgspec

WEIGHTS = {"alert": 3.0, "flag": 3.0, "metric": 2.0, "workflow": 2.0, "surface": 1.0}
ENOUGH = 2.0
"""The least that a runbook must name of a case."""
MOST_RUNBOOKS, MOST_STEPS = 2, 12
MOST_FOUND = 20
"""So many sections are the answer to a search, at most."""
_WORD = re.compile(r"[\w.:-]+")


class Step(msgspec.Struct, frozen=True, kw_only=True):
    """One step as it stands in its section: at which line, and its text without markup."""

    line: int
    text: str


class Section(msgspec.Struct, frozen=True, kw_only=True):
    """A heading (with those above it) and the steps under it. `text` is everything that is said there."""

    headings: tuple[str, ...]
    text: str
    steps: tuple[Step, ...] = ()


class Runbook(msgspec.Struct, frozen=True, kw_only=True):
    """One Markdown file of the configured folder. `sha256` is of the file as it was read."""

    path: str
    title: str
    sha256: str
    sections: tuple[Section, ...] = ()


class Topic(msgspec.Struct, frozen=True, kw_only=True):
    """What a case is about, by kind of name (`WEIGHTS`), and the flags that it is not about."""

    names: Mapping[str, Collection[str]]
    surface: str = ""
    other_flags: frozenset[str] = frozenset()


class Chosen(msgspec.Struct, frozen=True, kw_only=True):
    """A runbook that speaks of a case, with the steps that apply, each under its innermost heading."""

    runbook: Runbook
    steps: tuple[tuple[str, Step], ...]


class Match(msgspec.Struct, frozen=True, kw_only=True):
    """A section that says what was looked for."""

    runbook: Runbook
    section: Section


def search(runbooks: Sequence[Runbook], words: str) -> tuple[Match, ...]:
    """The sections that say all of these words: first those that say most of them in their headings, then by place."""
    wanted = _words(words)
    found = []
    for runbook in runbooks:
        for number, section in enumerate(runbook.sections):
            above = _words(" ".join((runbook.title, *section.headings)))
            if wanted and wanted <= above | _words(section.text):
                rank = (-len(wanted & above), runbook.path, number)
                found.append((rank, Match(runbook=runbook, section=section)))
    found.sort(key=lambda pair: pair[0])
    return tuple(match for _, match in found[:MOST_FOUND])


def choose(runbooks: Sequence[Runbook], topic: Topic) -> tuple[Chosen, ...]:
    """The runbooks that speak of the case and have steps for it, the one that names most of it first."""
    found = []
    for each in runbooks:
        weight = relevance(each, topic)
        steps = _steps(each, topic)
        if weight >= ENOUGH and steps:
            found.append((weight, Chosen(runbook=each, steps=steps)))
    found.sort(key=lambda pair: (-pair[0], pair[1].runbook.path))
    return tuple(chosen for _, chosen in found[:MOST_RUNBOOKS])


def relevance(runbook: Runbook, topic: Topic) -> float:
    """What a runbook names of a case, weighed."""
    said = _words(" ".join((runbook.title, *(f"{' '.join(each.headings)} {each.text}" for each in runbook.sections))))
    named = [kind for kind, names in topic.names.items() if any(name and name.lower() in said for name in names)]
    titled = topic.surface.replace("_", " ") in runbook.title.lower() if topic.surface else False
    return sum(WEIGHTS[kind] for kind in named) + (WEIGHTS["surface"] if titled else 0.0)


def _steps(runbook: Runbook, topic: Topic) -> tuple[tuple[str, Step], ...]:
    found = [
        (section.headings[-1] if section.headings else runbook.title, step)
        for section in runbook.sections
        if not _is_of_another(section, topic)
        for step in section.steps
    ]
    return tuple(found[:MOST_STEPS])


def _is_of_another(section: Section, topic: Topic) -> bool:
    """Whether a section's headings name another flag, and not the suspected one."""
    said = _words(" ".join(section.headings))
    own = any(name.lower() in said for name in topic.names.get("flag", ()))
    return not own and any(name.lower() in said for name in topic.other_flags)


def _words(text: str) -> frozenset[str]:
    return frozenset(each.strip(".:-").lower() for each in _WORD.findall(text))
