"""What the written policy is asked, and what it answers.

Rules kept here:
- a question states facts that the control plane computed (effect, action, how many keys are turned); nothing that an
  author wrote is one of them, so no text can answer for a person;
- an answer names the policies that decided; whatever went wrong on the way is a refusal that says so.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum
from typing import NamedTuple

import msgspec

from twokey.domain.identity import Actor


class Verb(StrEnum):
    """What somebody wants to do."""

    READ = "read"
    DRAFT = "draft"
    APPROVE = "approve"
    APPLY = "apply"
    REVERSE = "reverse"
    BREAK_GLASS = "break_glass"
    GOVERN = "govern"


class Question(msgspec.Struct, frozen=True, kw_only=True):
    """May this actor do this, here?

    `change` is the row of the decision matrix that the change falls under (empty: none, as for reading), computed from
    what its operations do. `effect` and `action` are the computed words behind it; `surfaces` what the touched flags
    control. `needed` and `filled` count the required roles and those that distinct people have filled. `guarded` says
    whether the environment takes keys at all. `justified` and `reviewed` say whether a justification and a
    code-reference review by a person are on record; `mid_test` whether an experiment runs on a touched flag;
    `breached` whether the guardrail that a policy gate acts for is breached now.
    """

    actor: Actor
    verb: Verb
    project: str
    environment: str
    guarded: bool = True
    change: str = ""
    effect: str = ""
    action: str = ""
    surfaces: frozenset[str] = frozenset()
    needed: int = 0
    filled: int = 0
    justified: bool = False
    reviewed: bool = False
    mid_test: bool = False
    breached: bool = False


class Ruling(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The answer: allowed or not, the ids of the policies that decided, and what went wrong if anything did.

    `allowed` is never true where `problem` says something.
    """

    allowed: bool
    policies: tuple[str, ...] = ()
    problem: str = ""


class Written(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One policy as it is written: whether it permits or forbids, what it says in plain words, and its text.

    `shipped` ones come with Twokey; the others are the team's.
    """

    id: str
    effect: str
    says: str
    text: str
    shipped: bool = False


Ask = Callable[[Question], Ruling]
"""Asks the policies in force."""


class Rules(NamedTuple):
    """The policies in force: how to ask them, and the digest that names them."""

    ask: Ask
    digest: str
