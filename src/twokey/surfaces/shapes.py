"""The shapes that more than one door speaks: the base of all, the problem document, the gate's tree."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field


class Model(BaseModel):
    """Base of all shapes."""

    model_config = ConfigDict(extra="forbid")


class Proven(Model):
    """Fresh proof: exactly one of the password, a code of one's app, and a passkey that signed what was asked.

    What a passkey shall sign is asked for with `POST /session/challenge`, about what the call says.
    """

    password: str | None = Field(default=None, max_length=1024)
    code: str | None = Field(default=None, max_length=16)
    passkey: dict[str, Any] | None = None


class GateView(Model):
    """A node of the gate's explanation tree."""

    status: Literal["open", "waiting", "refused"]
    sentence: str
    rule: str
    children: list[GateView] = Field(default_factory=list)


class Problem(BaseModel):
    """An RFC 9457 problem: `type` names the kind, `field` and `accepted` say what to change."""

    type: str
    title: str
    status: int
    detail: str
    field: str | None = None
    accepted: str | None = None
    remedy: str | None = None
    gate: GateView | None = None
