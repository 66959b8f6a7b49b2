"""The shapes that more than one door speaks: the base of all, the problem document, the gate's tree."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field


class Model(BaseModel):
    """Base of all shapes."""

    model_config = ConfigDict(extra="forbid")


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
