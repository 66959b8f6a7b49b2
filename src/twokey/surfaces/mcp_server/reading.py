"""The tools that read."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from operator import itemgetter
from typing import Annotated, Literal

from pydantic import Field

from twokey.surfaces.http_api.models import (
    CaseRow,
    CaseView,
    ChangeElsewhereView,
    ChangeView,
    EnvironmentView,
    ExperimentView,
    ExplainView,
    FlagRow,
    FlagView,
    GapView,
    HappeningView,
    PreviewView,
    ProposalRow,
    ProposalView,
    RolloutView,
    RunbookSectionView,
    RunbookStepView,
    SeriesView,
)
from twokey.surfaces.mcp_server.asking import Ask, Json
from twokey.surfaces.mcp_server.told import (
    PAGE,
    CaseId,
    Cursor,
    Environment,
    FlagKey,
    Limit,
    Minutes,
    Operations,
    Project,
    ProposalId,
    SomeCase,
    Status,
    Told,
    cut,
    page,
    place_of,
    segment,
    told,
)

ID, KEY, ENTRY = itemgetter("id"), itemgetter("key"), itemgetter("entry")


class Reading:
    """The tools that read, bound to how they ask."""

    def __init__(self, ask: Callable[[], Ask]) -> None:
        self._ask = ask

    async def _get(self, path: str, query: Mapping[str, object] | None = None) -> Json:
        return await self._ask()("GET", path, query=query)

    async def list_cases(
        self,
        status: Annotated[
            Literal["open", "triaged", "acting", "watching", "closed"] | None, Field(description="Only those.")
        ] = None,
        cursor: Cursor = None,
        limit: Limit = PAGE,
    ) -> Told[list[CaseRow]]:
        """Cases of this token's environment, newest first."""
        found = await self._get("/cases", {"status": status, "before": cursor, "limit": limit + 1})
        return page(Told[list[CaseRow]], found, limit, ID)

    async def get_case(self, id: CaseId) -> Told[CaseView]:
        """One case whole: signals, the finding with cited evidence, gaps, runbook steps, proposals, timeline."""
        return told(Told[CaseView], await self._get(f"/cases/{segment(id)}"))

    async def list_gaps(self, id: CaseId) -> Told[list[GapView]]:
        """The evidence gaps of a case: what should be known and is not, and what to do about it."""
        case = await self._get(f"/cases/{segment(id)}")
        return told(Told[list[GapView]], case["gaps"])

    async def get_runbook_steps(self, id: CaseId) -> Told[list[RunbookStepView]]:
        """The steps of the team's own runbooks that the analyst found to apply to a case, with file and line."""
        finding = (await self._get(f"/cases/{segment(id)}"))["finding"]
        return told(Told[list[RunbookStepView]], finding["steps"] if finding else [])

    async def search_runbooks(
        self,
        words: Annotated[str, Field(description="All of these are looked for.", min_length=1, max_length=200)],
        cursor: Cursor = None,
        limit: Limit = 10,
    ) -> Told[list[RunbookSectionView]]:
        """Sections of the team's runbooks that say these words. Steps to tell people of, not to carry out."""
        return cut(Told[list[RunbookSectionView]], await self._get("/runbooks", {"words": words}), cursor, limit)

    async def list_environments(self) -> Told[list[EnvironmentView]]:
        """The environments that this token sees, with their revision and required approvers."""
        return told(Told[list[EnvironmentView]], await self._get("/environments"))

    async def list_flags(
        self, project: Project, environment: Environment, cursor: Cursor = None, limit: Limit = PAGE
    ) -> Told[list[FlagRow]]:
        """Flags of an environment by key: surface, owner, what is served, review date."""
        found = await self._get(f"{place_of(project, environment)}/flags", {"after": cursor, "limit": limit + 1})
        return page(Told[list[FlagRow]], found, limit, KEY)

    async def get_flag(self, project: Project, environment: Environment, key: FlagKey) -> Told[FlagView]:
        """One flag whole: variations, rules, rollouts, guardrails, and its latest versions."""
        return told(Told[FlagView], await self._get(f"{place_of(project, environment)}/flags/{segment(key)}"))

    async def explain(
        self,
        project: Project,
        environment: Environment,
        key: FlagKey,
        context: Annotated[
            dict[str, str | int | float | bool], Field(description="The facts about one evaluation.", max_length=200)
        ],
    ) -> Told[ExplainView]:
        """Which variation this context gets and why: rule by rule, with the bucket. Nothing is counted as exposed."""
        path = f"{place_of(project, environment)}/flags/{segment(key)}/explain"
        return told(Told[ExplainView], await self._ask()("POST", path, body={"context": context}))

    async def preview(self, project: Project, environment: Environment, operations: Operations) -> Told[PreviewView]:
        """What if? Effect, ways back, keys it would need, and whom it would reach by replay. Nothing is kept."""
        body = {"project": project, "environment": environment, "operations": operations}
        return told(Told[PreviewView], await self._ask()("POST", "/proposals/preview", body=body))

    async def list_changes(
        self, case: SomeCase = None, cursor: Cursor = None, limit: Limit = PAGE
    ) -> Told[list[ChangeView]]:
        """Changes that were applied in this token's environment, newest first; those of one case where it is named."""
        found = await self._get("/changes", {"case": case, "before": cursor, "limit": limit + 1})
        return page(Told[list[ChangeView]], found, limit, ID)

    async def list_elsewhere(
        self,
        project: Project,
        environment: Environment,
        minutes: Minutes = 1440,
        cursor: Cursor = None,
        limit: Limit = PAGE,
    ) -> Told[list[ChangeElsewhereView]]:
        """Deploys, configuration edits and migrations that this server was told of, newest first."""
        path = f"{place_of(project, environment)}/changes-elsewhere"
        found = await self._get(path, {"minutes": minutes, "limit": 500})
        return cut(Told[list[ChangeElsewhereView]], found, cursor, limit)

    async def list_stale(
        self, project: Project, environment: Environment, cursor: Cursor = None, limit: Limit = PAGE
    ) -> Told[list[FlagRow]]:
        """Temporary flags that nobody has looked at by their review date."""
        query = {"overdue": "true", "after": cursor, "limit": limit + 1}
        found = await self._get(f"{place_of(project, environment)}/flags", query)
        return page(Told[list[FlagRow]], found, limit, KEY)

    async def list_proposals(
        self, case: SomeCase = None, status: Status = None, cursor: Cursor = None, limit: Limit = PAGE
    ) -> Told[list[ProposalRow]]:
        """Proposals of this token's environment, newest first."""
        query = {"case": case, "status": status, "before": cursor, "limit": limit + 1}
        return page(Told[list[ProposalRow]], await self._get("/proposals", query), limit, ID)

    async def get_proposal(self, id: ProposalId) -> Told[ProposalView]:
        """One proposal: its operations, effect, blast radius, ways back, and what its gate still waits for."""
        return told(Told[ProposalView], await self._get(f"/proposals/{segment(id)}"))

    async def list_rollouts(
        self,
        flag: Annotated[str | None, Field(description="Flag key.", max_length=200)] = None,
        status: Status = None,
        cursor: Cursor = None,
        limit: Limit = PAGE,
    ) -> Told[list[RolloutView]]:
        """Guarded rollouts, newest first: stage, verdicts, and why one is paused."""
        query = {"flag": flag, "status": status, "before": cursor, "limit": limit + 1}
        return page(Told[list[RolloutView]], await self._get("/rollouts", query), limit, ID)

    async def get_insights(
        self, project: Project, environment: Environment, key: FlagKey, minutes: Minutes = 90
    ) -> Told[list[SeriesView]]:
        """Units exposed by variation, assigned against served, and guardrails by variation, over so many minutes."""
        path = f"{place_of(project, environment)}/flags/{segment(key)}/insights"
        return told(Told[list[SeriesView]], await self._get(path, {"minutes": minutes}))

    async def list_experiments(
        self, project: Project, environment: Environment, cursor: Cursor = None, limit: Limit = PAGE
    ) -> Told[list[ExperimentView]]:
        """Running experiments with their results so far. Their metrics are fixed: only people may change them."""
        found = await self._get(f"{place_of(project, environment)}/experiments")
        return cut(Told[list[ExperimentView]], found, cursor, limit)

    async def read_audit(
        self,
        project: Project,
        environment: Environment,
        case: SomeCase = None,
        cursor: Cursor = None,
        limit: Limit = PAGE,
    ) -> Told[list[HappeningView]]:
        """What happened to flags, cases and proposals here, newest first: who did or was refused what, and when."""
        query = {"case": case, "before": cursor, "limit": limit + 1}
        found = await self._get(f"{place_of(project, environment)}/happenings", query)
        return page(Told[list[HappeningView]], found, limit, ENTRY)
