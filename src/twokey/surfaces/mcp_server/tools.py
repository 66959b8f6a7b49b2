"""What an agent may do: each tool with the scope it needs. None approves, applies or governs.

Rules kept here:
- the order is fixed, and so are names: agents' prompts speak of them;
- a list is told page by page, with a cursor that is nothing but the place in it;
- every result says which of its text others wrote: that is data, whatever it says;
- what a tool answers has the API's own shape, which its output schema says; what a newer server adds is left out.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from twokey.surfaces.mcp_server.asking import Ask
from twokey.surfaces.mcp_server.drafting import Drafting
from twokey.surfaces.mcp_server.reading import Reading

SIGNALS, FLAGS, EVIDENCE, PROPOSALS = "signals:read", "flags:read", "evidence:read", "proposals:write"


@dataclass(frozen=True)
class Tool:
    """One tool: what it is called, which scope it needs, whether it only reads, and what it does."""

    name: str
    title: str
    scope: str
    run: Callable[..., Awaitable[Any]]
    reads: bool = True


def tools_of(ask: Callable[[], Ask]) -> tuple[Tool, ...]:
    """Every tool, bound to what it asks. `ask` is called for each call of a tool: the token is the caller's."""
    reading = Reading(ask)
    drafting = Drafting(ask)
    return (
        Tool("list_cases", "Cases, newest first", SIGNALS, reading.list_cases),
        Tool("get_case", "One case: signals, finding, evidence, timeline", SIGNALS, reading.get_case),
        Tool("list_gaps", "What is not known about a case, and should be", SIGNALS, reading.list_gaps),
        Tool("get_runbook_steps", "The team's runbook steps that apply to a case", SIGNALS, reading.get_runbook_steps),
        Tool("search_runbooks", "The team's runbooks, by word", SIGNALS, reading.search_runbooks),
        Tool("list_environments", "Environments this token sees", FLAGS, reading.list_environments),
        Tool("list_flags", "Flags of an environment", FLAGS, reading.list_flags),
        Tool("get_flag", "One flag: rules, guardrails, versions", FLAGS, reading.get_flag),
        Tool("explain_evaluation", "Which variation a context gets, and why", FLAGS, reading.explain),
        Tool("preview_change", "What operations would do, and to whom", FLAGS, reading.preview),
        Tool("list_changes", "Changes of flags that took effect", FLAGS, reading.list_changes),
        Tool("list_changes_elsewhere", "Deploys and other changes from elsewhere", FLAGS, reading.list_elsewhere),
        Tool("list_stale_controls", "Temporary flags past their review date", FLAGS, reading.list_stale),
        Tool("list_proposals", "Proposals and where they stand", FLAGS, reading.list_proposals),
        Tool("get_proposal", "One proposal: gate, blast radius, ways back", FLAGS, reading.get_proposal),
        Tool("list_rollouts", "Guarded rollouts and their stages", FLAGS, reading.list_rollouts),
        Tool("get_insights", "Exposures and guardrails of a flag", EVIDENCE, reading.get_insights),
        Tool("list_experiments", "Running experiments", EVIDENCE, reading.list_experiments),
        Tool("read_audit", "What happened here, from the audit log", EVIDENCE, reading.read_audit),
        Tool("draft_proposal", "Draft a change for people to decide on", PROPOSALS, drafting.draft, reads=False),
        Tool("submit_finding", "Submit your finding on a case", PROPOSALS, drafting.submit, reads=False),
        Tool("annotate_case", "Write a note on a case", PROPOSALS, drafting.annotate, reads=False),
    )


def _nobody() -> Ask:
    raise AssertionError


SCOPE_OF = {each.name: each.scope for each in tools_of(_nobody)}
"""The scope that each tool needs."""
