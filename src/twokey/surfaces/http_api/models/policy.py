"""The written policy: its text, and the decision matrix that it makes."""

from __future__ import annotations

from typing import Literal

from twokey.surfaces.shapes import Model


class WrittenPolicyView(Model):
    """One policy. `says` is the comment above it, in plain words; `shipped` ones come with Twokey."""

    id: str
    effect: Literal["permit", "forbid"]
    says: str
    text: str
    shipped: bool


class PolicyView(Model):
    """The policies in force. `digest` is over all of them and the schema; a proposal records it."""

    digest: str
    policies: list[WrittenPolicyView]


class MatrixCell(Model):
    """An answer, and the policies that decided it."""

    says: str
    policies: list[str]


class MatrixRow(Model):
    """One kind of action, and what the policies answered about it."""

    key: str
    says: str
    ai_alone: MatrixCell
    ai_may_draft: MatrixCell
    approval: MatrixCell
    prompt_alone: MatrixCell


class MatrixView(Model):
    """The decision matrix of a guarded environment. `also` is what a change can be beside the rows of the matrix."""

    digest: str
    project: str
    environment: str
    headings: list[str]
    rows: list[MatrixRow]
    also: list[MatrixRow]
