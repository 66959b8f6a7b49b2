"""The decision matrix, drawn by asking the policies in force.

Rules kept here:
- a row says in words what it is about, and which questions find out its cells; it holds no answer;
- "no" and "never" are only said after every question that could have been answered otherwise was asked;
- a cell names the policies that decided it, so that a person can look them up.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain, product

import msgspec
from msgspec.structs import replace

from twokey.domain.identity import Actor, ActorKind
from twokey.domain.permission import Ask, Question, Verb

HEADINGS = ("action", "AI alone", "AI may draft", "approval", "may rest on a prompt alone")
YES, NO, NEVER, DOES_NOT_APPLY = "yes", "no", "never", "-"
WARNING = "only a warning"
JUSTIFIED, REVIEWED = ", with strong justification", ", after code-reference review"
KEYS = ((0, 0), (1, 0), (1, 1))
"""How many keys are needed, and how many are turned: none at all, one of one missing, all there."""
_DEEDS = (Verb.APPLY, Verb.REVERSE, Verb.BREAK_GLASS)


class Place(msgspec.Struct, frozen=True, kw_only=True):
    """Where the matrix is drawn for, and the roles of the person who is asked about."""

    project: str = ""
    environment: str = ""
    roles: frozenset[str] = frozenset()


class Subject(msgspec.Struct, frozen=True, kw_only=True):
    """What a row is about: reading, where `change` is empty; else a change, with what is computed of it.

    `instead` says where it belongs, if it should turn out that nobody may do it.
    """

    key: str
    says: str
    change: str = ""
    effect: str = ""
    action: str = ""
    surfaces: frozenset[str] = frozenset()
    mid_test: bool = False
    instead: str = "nobody may"


class Cell(msgspec.Struct, frozen=True, kw_only=True):
    """What the policies answered, in a word, and which of them decided."""

    says: str
    policies: tuple[str, ...] = ()


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """One row as it was answered."""

    key: str
    says: str
    ai_alone: Cell
    ai_may_draft: Cell
    approval: Cell
    prompt_alone: Cell

    def texts(self) -> tuple[str, ...]:
        """The row in words, in the order of the headings."""
        return (
            self.says,
            *(each.says for each in (self.ai_alone, self.ai_may_draft, self.approval, self.prompt_alone)),
        )


class Matrix(msgspec.Struct, frozen=True, kw_only=True):
    """The rows of the matrix, and what else a change can be."""

    rows: tuple[Row, ...]
    also: tuple[Row, ...]


SUBJECTS: tuple[Subject, ...] = (
    Subject(key="summarise", says="summarise alerts and recent flag changes"),
    Subject(key="cohort", says="identify likely affected cohort"),
    Subject(key="pause", says="recommend a rollout pause", change="pause", effect="neither", action="pause_rollout"),
    Subject(
        key="reduce",
        says="reduce a rollout in production",
        change="reduce",
        effect="narrows",
        action="reduce_rollout",
    ),
    Subject(
        key="disable_tool",
        says="disable one AI agent tool",
        change="disable_tool",
        effect="narrows",
        action="disable_tool",
        surfaces=frozenset({"tool"}),
    ),
    Subject(key="kill", says="activate a global kill switch", change="kill", effect="narrows", action="kill_switch"),
    Subject(
        key="change_metrics",
        says="change experiment metrics mid-test",
        change="change_metrics",
        effect="neither",
        action="change_metrics",
        surfaces=frozenset({"experiment"}),
        mid_test=True,
    ),
    Subject(key="archive", says="delete or archive a flag", change="archive", effect="neither", action="archive"),
    Subject(
        key="authorization",
        says="change hard authorization or credentials",
        change="authorization",
        effect="neither",
        action="other",
        instead="security-owned workflow outside Twokey flags",
    ),
)
ALSO: tuple[Subject, ...] = (
    Subject(
        key="expand",
        says="expand exposure, or what cannot be shown to narrow it",
        change="expand",
        effect="widens",
        action="expand_rollout",
    ),
    Subject(
        key="edit",
        says="edit a control without changing what anyone gets",
        change="edit",
        effect="neither",
        action="edit_control",
    ),
)
"""What the article's table leaves to one sentence."""


_ANYWHERE = Place()


def draw(ask: Ask, place: Place = _ANYWHERE) -> Matrix:
    """The matrix, in a guarded environment there."""
    return Matrix(
        rows=tuple(_row(ask, place, each) for each in SUBJECTS), also=tuple(_row(ask, place, each) for each in ALSO)
    )


def _row(ask: Ask, place: Place, about: Subject) -> Row:
    asking = _Asking(ask, place, about)
    cells = (asking.alone(), asking.draft(), asking.approval(), asking.prompt())
    return Row(
        key=about.key,
        says=about.says,
        ai_alone=cells[0],
        ai_may_draft=cells[1],
        approval=cells[2],
        prompt_alone=cells[3],
    )


class _Asking:
    """Finds out the four cells of one row."""

    def __init__(self, ask: Ask, place: Place, about: Subject) -> None:
        self._ask, self._about = ask, about
        self._actors = _actors(place)
        self._blank = Question(
            actor=self._actors[ActorKind.PERSON],
            verb=Verb.READ,
            project=place.project,
            environment=place.environment,
            change=about.change,
            effect=about.effect,
            action=about.action,
            surfaces=about.surfaces,
            mid_test=about.mid_test,
        )
        self._reads = not about.change

    def alone(self) -> Cell:
        """Whether software, with whatever else is fulfilled, does it by its own hand."""
        if self._reads:
            return self._cell(self._by(ActorKind.AGENT, Verb.READ), YES, NO)
        return self._cell(self._deeds((ActorKind.AGENT, ActorKind.SERVICE)), YES, NO)

    def draft(self) -> Cell:
        """Whether an assistant may draft it; or, where people alone may, tell them and no more."""
        verb = Verb.READ if self._reads else Verb.DRAFT
        found = self._cell(self._by(ActorKind.AGENT, verb), YES, NO)
        if found.says == NO and self._any(self._by(ActorKind.PERSON, verb))[0]:
            return replace(found, says=WARNING)
        return found

    def approval(self) -> Cell:
        """What a person must have before it is done, found by leaving away one thing after the other."""
        if self._reads:
            return self._cell(self._by(ActorKind.AGENT, Verb.READ), NO, YES)
        whole = replace(self._blank, verb=Verb.APPLY, needed=1, filled=1, justified=True, reviewed=True)
        permitted, permits = self._any([whole])
        if not permitted:
            return Cell(says=self._about.instead, policies=permits)
        if self._any([replace(whole, filled=0)])[0]:
            return Cell(says=NO, policies=permits)
        without = {JUSTIFIED: replace(whole, justified=False), REVIEWED: replace(whole, reviewed=False)}
        answers = {words: self._any([question]) for words, question in without.items()}
        missed = [words for words, (allowed, _) in answers.items() if not allowed]
        deciding = {*permits, *(each for words in missed for each in answers[words][1])}
        return Cell(says=YES + "".join(missed), policies=tuple(sorted(deciding)))

    def prompt(self) -> Cell:
        """Whether anybody at all may do it with no key turned and nothing on record but the words that asked for it."""
        if self._reads:
            return Cell(says=DOES_NOT_APPLY)
        bare = [
            replace(self._blank, actor=actor, verb=Verb.APPLY, needed=needed)
            for actor, needed in product(self._actors.values(), (0, 1))
        ]
        return self._cell(bare, YES, NEVER)

    def _by(self, kind: ActorKind, verb: Verb) -> list[Question]:
        return [replace(self._blank, actor=self._actors[kind], verb=verb)]

    def _deeds(self, kinds: Iterable[ActorKind]) -> Iterator[Question]:
        """Every way to do it by these kinds of actors, with all else fulfilled."""
        fulfilled = replace(self._blank, justified=True, reviewed=True, breached=True)
        for kind, verb, guarded, (needed, filled) in product(kinds, _DEEDS, (True, False), KEYS):
            yield replace(fulfilled, actor=self._actors[kind], verb=verb, guarded=guarded, needed=needed, filled=filled)

    def _cell(self, questions: Iterable[Question], allowed: str, refused: str) -> Cell:
        found, policies = self._any(questions)
        return Cell(says=allowed if found else refused, policies=policies)

    def _any(self, questions: Iterable[Question]) -> tuple[bool, tuple[str, ...]]:
        """Whether one of them is allowed, and by which policies; or a few policies that refuse them all."""
        refusals = []
        for question in questions:
            ruling = self._ask(question)
            if ruling.allowed:
                return True, ruling.policies
            refusals.append(frozenset(ruling.policies))
        return False, _few(refusals)


def _few(refusals: Sequence[frozenset[str]]) -> tuple[str, ...]:
    """Policies out of each of these sets, as few as taking the most frequent one first gives."""
    chosen: list[str] = []
    left = [each for each in refusals if each]
    while left:
        counts = Counter(chain.from_iterable(left))
        chosen.append(min(counts, key=lambda policy: (-counts[policy], policy)))
        left = [each for each in left if chosen[-1] not in each]
    return tuple(sorted(chosen))


def _actors(place: Place) -> dict[ActorKind, Actor]:
    """One of each kind, at home in this place."""
    software = {ActorKind.AGENT, ActorKind.SERVICE}
    return {
        kind: Actor(
            id=str(kind),
            kind=kind,
            roles=place.roles if kind is ActorKind.PERSON else frozenset(),
            project=place.project if kind in software else None,
            environment=place.environment if kind in software else None,
        )
        for kind in ActorKind
    }
