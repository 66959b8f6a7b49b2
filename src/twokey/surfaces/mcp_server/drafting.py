"""The tools that write what people then read."""

from __future__ import annotations

from collections.abc import Callable
from hashlib import sha256
from typing import Annotated, Any

from pydantic import Field

from twokey.surfaces.http_api.models import NewCitation, NewSuspect, NoteView, ProposalView, SubmittedFinding
from twokey.surfaces.http_api.models.cases import Recommended
from twokey.surfaces.mcp_server.asking import Ask
from twokey.surfaces.mcp_server.told import CaseId, Environment, Operations, Project, SomeCase, Told, segment, told

Reason = Annotated[str, Field(description="Why, for those who approve.", min_length=1, max_length=4000)]
Expected = Annotated[str, Field(description="What should be seen after it.", max_length=2000)]


def _digest(text: str) -> str:
    return f"sha256:{sha256(text.encode('utf-8', 'replace')).hexdigest()}"


class Drafting:
    """The tools that write what people then read, bound to how they ask."""

    def __init__(self, ask: Callable[[], Ask]) -> None:
        self._ask = ask

    async def draft(
        self,
        project: Project,
        environment: Environment,
        operations: Operations,
        reason: Reason,
        case: SomeCase = None,
        expected_effect: Expected = "",
    ) -> Told[ProposalView]:
        """Draft a change. It changes nothing: effect, ways back and blast radius are computed, and people decide."""
        body = {
            "project": project,
            "environment": environment,
            "operations": operations,
            "reason": reason,
            "case": case,
            "expected_effect": expected_effect,
        }
        return told(Told[ProposalView], await self._ask()("POST", "/proposals", body=body))

    async def submit(
        self,
        id: CaseId,
        summary: Annotated[str, Field(description="What happened, in short.", min_length=1, max_length=2000)],
        recommendation: Recommended,
        reason: Reason,
        confidence: Annotated[float, Field(description="From 0 to 1.", ge=0, le=1)],
        model: Annotated[str, Field(description="Which model you are.", min_length=1, max_length=200)],
        provider: Annotated[str, Field(description="Who provides it.", min_length=1, max_length=200)],
        asked: Annotated[
            str, Field(description="What you were asked; its digest alone is kept.", min_length=1, max_length=50_000)
        ],
        suspects: Annotated[list[NewSuspect] | None, Field(description="The likeliest first.", max_length=10)] = None,
        citations: Annotated[
            list[NewCitation] | None, Field(description="Figures, each with the evidence it is from.", max_length=50)
        ] = None,
        title: Annotated[str, Field(description="A title for the draft.", max_length=200)] = "",
        operations: Annotated[
            list[dict[str, Any]] | None,
            Field(description="What you would draft; none to change nothing.", max_length=20),
        ] = None,
        expected_effect: Expected = "",
    ) -> Told[SubmittedFinding]:
        """Submit your finding beside the analyst's. Each cited figure is read again; operations become a draft."""
        body = {
            "summary": summary,
            "recommendation": recommendation,
            "reason": reason,
            "confidence": confidence,
            "provenance": {"model": model, "provider": provider, "prompt": _digest(asked)},
            "suspects": [each.model_dump() for each in suspects or ()],
            "citations": [each.model_dump() for each in citations or ()],
            "title": title,
            "operations": operations or [],
            "expected_effect": expected_effect,
        }
        return told(Told[SubmittedFinding], await self._ask()("POST", f"/cases/{segment(id)}/findings", body=body))

    async def annotate(
        self, id: CaseId, text: Annotated[str, Field(description="The note.", min_length=1, max_length=4000)]
    ) -> Told[NoteView]:
        """Write a note on a case, under this token's name."""
        return told(Told[NoteView], await self._ask()("POST", f"/cases/{segment(id)}/notes", body={"text": text}))
