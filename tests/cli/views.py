"""Views as the server sends them, made from the API's own models: a change of the API's shape breaks these first."""

from datetime import UTC, date, datetime, timedelta
from typing import Any

from twokey.surfaces.http_api import models as m
from twokey.surfaces.http_api.models.session import SessionView

NOW = datetime(2026, 3, 5, 3, 20, tzinfo=UTC)
DIGEST = "sha256:" + "ab" * 32


def ago(minutes: float) -> datetime:
    return NOW - timedelta(minutes=minutes)


def line(text: str, marker: Any = "same") -> m.LineView:
    return m.LineView(marker=marker, text=text)


INTERNAL, OTHERWISE = line("internal-staff: reranker_v2"), line("otherwise: baseline")
FLAG = "support_answer_profile"


def environment(key: str = "production") -> m.EnvironmentView:
    return m.EnvironmentView(
        project="support", key=key, revision=18, guarded=True, approvers=["release_manager"], flags=3, open_cases=1
    )


def flag_row(**changes: Any) -> dict[str, Any]:
    row = m.FlagRow(
        key="support_answer_profile", type="string", enabled=True, surface="retrieval", kind="temporary",
        owner="support-ai", purpose="How support answers are retrieved", baseline="baseline", revision=18,
        archived=False, review_date=date(2026, 4, 1), overdue=False,
        reach="internal-staff; 10 % of plan in pro, enterprise", changed_at=ago(90),
    )  # fmt: skip
    return row.model_copy(update=changes).model_dump(mode="json")


def flag(**changes: Any) -> dict[str, Any]:
    view = m.FlagView(
        **flag_row(),
        document={"key": "support_answer_profile"},
        lines=[INTERNAL, line("plan in pro, enterprise: 10 % reranker_v2"), OTHERWISE],
        approvers=["support_ai_platform_owner"],
        guardrails=[
            m.GuardrailView(
                key="latency_p95", metric="latency", kind="tail", limit=2500, unit_label="ms", margin=0.25,
                other_limits=[800, 9000],
            ),
            m.GuardrailView(
                key="cost_per_answer", metric="cost", denominator="answers", kind="ratio", limit=2, unit_label="ct",
                margin=0.25,
            ),
        ],
        caution=["baseline", "reranker_v2"], workflow="support_assistant",
        cleanup_condition="reranker_v2 is the baseline, or gone", permanent_because="",
        history=[
            m.VersionView(
                revision=18, environment_revision=18, at=ago(90), change="change-aaaabbbbcccc",
                summary="widen rule pro-10 to 10 %", applied_by="ines",
            )
        ],
        exposures=[m.ExposureCount(rule="pro-10", assigned="reranker_v2", served="baseline", units=7)],
    )  # fmt: skip
    return view.model_copy(update=changes).model_dump(mode="json")


def reach() -> list[dict[str, Any]]:
    shares = [
        m.VariationShareView(variation="baseline", predicted=0.994, observed=0.962, differs=True),
        m.VariationShareView(variation="reranker_v2", predicted=0.006, observed=0.038, differs=True),
    ]
    view = m.ReachView(
        flag=FLAG, since=ago(60), until=NOW, predicted_units=2000, observed_units=1210, variations=shares,
        sentence="not as predicted: baseline 96.2 % and not 99.4 %, on 1,210 units since and 2,000 replayed",
    )  # fmt: skip
    return [view.model_dump(mode="json")]


def explanation() -> dict[str, Any]:
    return m.ExplainView(
        value="reranker_v2", variation="reranker_v2", reason="SPLIT", rule="pro-10", revision=18, error=None,
        sentences=["rule pro-10 matches: plan is pro", "conversation c-1 is in bucket 4,211 of 10,000"], tree={},
    ).model_dump(mode="json")  # fmt: skip


def proposal_row(**changes: Any) -> dict[str, Any]:
    row = m.ProposalRow(
        id="proposal-7k2m9qa3xv4b", case="case-7k2m9qa3xv4b", project="support", environment="production",
        title="Reduce support_answer_profile to internal only", status="pending", action="reduce_rollout",
        effect="narrows", author="analyst", author_kind="agent", on_behalf_of=None, created_at=ago(8),
        expires_at=NOW + timedelta(hours=4), digest=DIGEST, approved=1, required=2,
    )  # fmt: skip
    return row.model_copy(update=changes).model_dump(mode="json")


def key(role: str, person: str | None = None, yours: bool = False) -> m.KeyView:
    names = {"mona": "Mona Berg", "ines": "Ines Ruiz"}
    return m.KeyView(
        role=role, status="approved" if person else "waiting", person=person, name=names.get(person or ""),
        at=ago(3) if person else None, yours=yours,
    )  # fmt: skip


GAP = m.GapView(
    id="gap-not_joined-citation_failure", kind="not_joined",
    sentence="citation_failure_rate is not joined to a variation yet.", what_to_do="Send the flag with the metric.",
)  # fmt: skip


GATE: Any = {
    "status": "waiting", "sentence": "waiting for release_manager", "rule": "reduce",
    "children": [
        {"status": "open", "sentence": "nobody rejected it", "rule": "veto"},
        {
            "status": "waiting", "sentence": "waiting for release_manager", "rule": "quorum",
            "children": [{"status": "waiting", "sentence": "release_manager: waiting", "rule": "role"}],
        },
    ],
}  # fmt: skip


def proposal(**changes: Any) -> dict[str, Any]:
    view = m.ProposalView(
        **proposal_row(),
        reason="latency and correction guardrails breached for the candidate cohort",
        expected_effect="p95 latency falls below 2,500 ms", lower_rungs=["5 % would leave 200 conversations an hour"],
        effect_because=["support_answer_profile: only the baseline is reached anew"],
        operations=[{"op": "remove_rule", "flag": "support_answer_profile", "rule": "pro-10"}],
        sentences=["remove rule pro-10 of support_answer_profile"],
        diffs=[
            m.FlagDiff(
                flag="support_answer_profile", revision=18,
                now=[INTERNAL, line("plan in pro: 10 % reranker_v2", "removed"), OTHERWISE],
                then=[INTERNAL, line("plan in pro: baseline", "added"), OTHERWISE],
            )
        ],
        reverse=m.WayView(sentences=["add rule pro-10 again"], effect="widens", approved_with_it=False),
        rollback=m.WayView(sentences=["serve baseline to everyone"], effect="narrows", approved_with_it=True),
        gate=GATE,
        keys=[key("support_ai_platform_owner", "mona"), key("release_manager", yours=True)],
        gaps=[GAP], evidence={"evidence-1": DIGEST}, finding="finding-1", plan=None,
        rests_on="1,400 distinct units of the candidate and 1,300 of the baseline (p95)", footings=[],
        blast_radius=m.BlastRadiusView(
            sampled_units=2000, since=ago(60), until=NOW, changed_units=188, share_before=0.1, share_after=0.006,
            transitions=[
                m.TransitionView(flag=FLAG, before="reranker_v2", after="baseline", units=188, share=0.094),
                m.TransitionView(flag=FLAG, before="baseline", after="baseline", units=1812, share=0.906),
            ],
            changed_traffic=0.104,
            by_rule=[
                m.RuleMoveView(flag=FLAG, before="pro-10", after="DEFAULT", units=170),
                m.RuleMoveView(flag=FLAG, before="eu-trial", after="DEFAULT", units=18),
            ],
            by_attribute={"plan": {"pro": 150, "enterprise": 38}},
        ),
        base_revision=18, apply="when_open", apply_at=None, supersedes=None, joint=[], change=None,
        may=["approve", "reject"], why_not="",
    )  # fmt: skip
    return m.ProposalView.model_validate(view.model_dump() | changes).model_dump(mode="json")


def joint() -> dict[str, Any]:
    """A proposal that stands together with one in another environment."""
    alone = m.ProposalView.model_validate(proposal())
    shared = {name: getattr(alone, name) for name in m.JointView.model_fields}
    other = m.JointView.model_validate(shared | {"id": "proposal-eu", "environment": "eu"})
    return proposal(joint=[other])


def applied(**changes: Any) -> dict[str, Any]:
    keys = [key("support_ai_platform_owner", "mona").model_dump(), key("release_manager", "ines").model_dump()]
    return proposal(status="applied", keys=keys, change="change-7k2m9qa3xv4b", approved=2, **changes)


def verdict(guardrail: str, status: Any, sentence: str, **changes: Any) -> m.VerdictView:
    shown: dict[str, Any] = {
        "guardrail": guardrail, "status": status, "sentence": sentence, "reason": "harm", "observational": False,
        "e_value": 412.0, "interval": [1.2, 1.9], "alpha": 0.05, "margin": 0.25, "candidate_value": 3120.0,
        "baseline_value": 2050.0, "candidate_units": 188, "baseline_units": 1702, "fallback_share": 0.0,
        "method": "label test", "version": "twokey-evidence-4", "stages": [],
    }  # fmt: skip
    return m.VerdictView(**(shown | changes))


def check(phase: Any = "before", *verdicts: m.VerdictView) -> dict[str, Any]:
    found = verdicts or (verdict("latency_p95", "breached", "p95 is 52 % above the baseline"),)
    return m.CheckView(
        id="check-1", flag="support_answer_profile", phase=phase, change=None if phase == "before" else "change-1",
        at=ago(9) if phase == "before" else ago(1), since=ago(60), until=ago(9), verdicts=list(found), gaps=[GAP],
    ).model_dump(mode="json")  # fmt: skip


def case_row(**changes: Any) -> dict[str, Any]:
    row = m.CaseRow(
        id="case-7k2m9qa3xv4b", project="support", environment="production", title="p95 latency regression",
        severity="critical", status="acting", owner="ines", opened_at=ago(10), updated_at=ago(8), firing=2, signals=2,
        waiting_for="release_manager", flag="support_answer_profile",
    )  # fmt: skip
    return row.model_copy(update=changes).model_dump(mode="json")


STEPS = ("signal", "triage", "proposal", "approval", "change", "evidence", "decision")


def step(at: int, name: Any) -> m.StepView:
    return m.StepView(key=name, label=name.capitalize(), status="done" if at < 3 else "current" if at == 3 else "ahead")


def case(**changes: Any) -> dict[str, Any]:
    signal = m.SignalView(
        id="signal-1", name="SupportP95LatencyRegression", summary="p95 latency is up for support answers",
        severity="critical", source="prometheus", status="firing", labels={"service": "support"}, annotations={},
        starts_at=ago(12), received_at=ago(10), last_seen_at=ago(2), resolved_at=None, seen=3, url="",
    )  # fmt: skip
    finding = m.FindingView(
        id="finding-1", author="analyst", at=ago(9), summary="The candidate's p95 is 52 % above the baseline's.",
        recommendation="reduce_to_internal", reason="latency and correction guardrails breached", confidence=0.92,
        suspects=[
            m.SuspectView(
                flag="support_answer_profile", surface="retrieval", variation="reranker_v2", rule="pro-10",
                cohort={"plan": ["pro", "enterprise"]}, confidence=0.92, because="widened 90 minutes ago",
            )
        ],
        citations=[
            m.CitationView(
                evidence="evidence-1", path="p95", value=3120, says="p95 is 3,120 ms", supported=True, why_not=""
            ),
            m.CitationView(
                evidence="evidence-2", path="rate", value=0.5, says="half of the answers are corrected",
                supported=False, why_not="it says `0.21` there",
            ),
        ],
        gaps=[GAP], lower_rungs=["5 % would still harm"],
        warnings=["The experiment `rerank` runs, and at 08:12 UTC its guardrails were changed."],
        steps=[
            m.RunbookStepView(
                evidence="evidence-3", runbook="support/slow.md", heading="Slow answers", line=14,
                text="Tell #support-duty that answers are slow.",
            )
        ],
    )  # fmt: skip
    view = m.CaseView(
        **case_row(),
        steps=[step(at, name) for at, name in enumerate(STEPS)],
        signal_list=[signal], finding=finding, opinions=[opinion()],
        tiles=[
            m.Tile(
                guardrail="p95 latency", metric="latency", value=3120, text="3,120 ms", limit_text="limit 2,500 ms",
                change_text="+52 % against baseline", state="harm",
            )
        ],
        gaps=[GAP], evidence=[], proposals=[m.ProposalRow(**proposal_row())], changes=[],
        checks=[m.CheckView(**check())], notes=[m.NoteView(at=ago(5), author="ines", text="looking")],
        timeline=[
            m.TimelineItem(
                at=ago(10), step="signal", actor="prometheus", actor_kind="service", text="opened the case",
                outcome="done", entry=41,
            ),
            m.TimelineItem(
                at=ago(4), step="approval", actor="analyst", actor_kind="agent", text="tried to approve",
                outcome="refused", entry=44,
            ),
        ],
        decision=None, may_close=["no_action", "resolved_by_itself"], why_not_close="",
    )  # fmt: skip
    return m.CaseView.model_validate(view.model_dump() | changes).model_dump(mode="json")


def opinion() -> m.OpinionView:
    """A model's finding that differs from the analyst's, with a figure that nothing supports."""
    finding = m.FindingView(
        id="finding-2", author="token-2m9qa3xv4b7k", at=ago(8), summary="The candidate is 70 % slower.",
        recommendation="exclude", reason="plan `pro` alone is slow", confidence=0.7,
        suspects=[
            m.SuspectView(
                flag="support_answer_profile", surface="retrieval", variation="reranker_v2", rule="pro-10",
                cohort={"plan": ["pro"]}, confidence=0.7, because="the others are quiet",
            )
        ],
        citations=[
            m.CitationView(
                evidence="evidence-1", path="p95", value=3120, says="p95 is 3,120 ms", supported=True, why_not=""
            )
        ],
        gaps=[], lower_rungs=[], warnings=[], steps=[],
    )  # fmt: skip
    provenance = m.ProvenanceView(
        provider="anthropic", model="model-1", prompt=DIGEST, answer=DIGEST, requests=4, input_tokens=20_400,
        output_tokens=1_210, seconds=8.4,
    )  # fmt: skip
    return m.OpinionView(
        finding=finding, provenance=provenance, unsupported=[m.UnsupportedView(field="summary", text="70 %")],
        compared=True,
        differences=[
            m.DifferenceView(about="recommendation", analyst="reduce_to_internal", other="exclude"),
            m.DifferenceView(about="cohort", analyst="plan enterprise, pro", other="plan pro"),
        ],
        proposal="proposal-4b7k2m9qa3xv",
    )  # fmt: skip


def series() -> dict[str, Any]:
    def drawn(variation: str, values: list[float | None]) -> m.Line:
        points = [m.Point(at=ago(60 - 6 * at), value=value, units=20) for at, value in enumerate(values)]
        return m.Line(variation=variation, points=points)

    return m.SeriesView(
        guardrail="latency_p95", metric="latency", kind="tail", title="p95 latency", unit_label="ms", limit=2500,
        since=ago(60), until=NOW,
        lines=[drawn("reranker_v2", [2050, 2100, None, 2900, 3120]), drawn("baseline", [2050, 2060, 2040, 2055, 2050])],
        markers=[m.Marker(at=ago(90), text="revision 18", kind="change")],
    ).model_dump(mode="json")  # fmt: skip


def change(**changes: Any) -> dict[str, Any]:
    view = m.ChangeView(
        id="change-7k2m9qa3xv4b", project="support", environment="production", cause="proposal",
        case="case-7k2m9qa3xv4b", proposal="proposal-7k2m9qa3xv4b",
        summary="Reduce support_answer_profile to internal only", action="reduce_rollout", effect="narrows",
        flags=["support_answer_profile"], revision_before=18, revision_after=19, applied_by="ines", applied_at=ago(2),
        undoes=None, may_reverse=True,
    )  # fmt: skip
    return view.model_copy(update=changes).model_dump(mode="json")


def decision() -> dict[str, Any]:
    return m.DecisionView(
        choice="roll_back", rationale="the reranker is too slow", outcome="p95 is back at 2,050 ms", owner="support-ai",
        review_date=date(2026, 4, 1), decided_by="ines", decided_at=NOW,
    ).model_dump(mode="json")  # fmt: skip


def session(username: str = "ines") -> dict[str, Any]:
    return SessionView(
        username=username, name="Ines Ruiz", roles=["release_manager"], csrf="csrf-of-" + username,
        expires_at=NOW + timedelta(hours=12), proofs=["password"],
    ).model_dump(mode="json")  # fmt: skip


def token() -> dict[str, Any]:
    return m.TokenView(
        id="token-7k2m9qa3xv4b", name="ops agent", kind="agent", scopes=["flags:read"], project="support",
        environment="production", created_at=ago(5), created_by="ines", expires_at=NOW + timedelta(days=90),
        revoked_at=None, on_behalf_of="mona", flags=[],
    ).model_dump(mode="json")  # fmt: skip


def user() -> dict[str, Any]:
    return m.UserView(
        username="mona",
        name="Mona Berg",
        roles=["support_ai_platform_owner"],
        disabled=False,
        created_at=ago(500),
        invited=False,
        factors=[],
    ).model_dump(mode="json")


def entry(index: int = 0, **changes: Any) -> dict[str, Any]:
    view = m.EntryView(
        beside={}, salts={},
        index=index, at=ago(10), action="case.open", subject="case-7k2m9qa3xv4b",
        actor={"id": "analyst", "kind": "agent", "on_behalf_of": "twokey"}, outcome="done", project="support",
        environment="production", case="case-7k2m9qa3xv4b", detail={}, previous=DIGEST, hash=DIGEST,
    )  # fmt: skip
    return view.model_copy(update=changes).model_dump(mode="json")


def problem(status: int, title: str, detail: str, **more: Any) -> dict[str, Any]:
    """An RFC 9457 problem."""
    return {"type": "urn:twokey:problem:x", "title": title, "status": status, "detail": detail, **more}


def experiment(**changes: Any) -> dict[str, Any]:
    verdict = m.VerdictView(
        guardrail="primary", status="inconclusive", sentence="", reason="too_early", observational=False, e_value=2.0,
        interval=[1.12, 1.41], alpha=0.025, margin=0.25, candidate_value=0.52, baseline_value=0.41,
        candidate_units=1490, baseline_units=1510, fallback_share=0.0, method="label test",
        version="twokey-evidence-4", stages=[],
    )  # fmt: skip
    view = m.ExperimentView(
        key="reranker", flag=FLAG, hypothesis="reranked passages solve more questions at once",
        candidate="reranker_v2", baseline="baseline", rule="pro-10", audience="plan in (pro, enterprise)",
        split="50 % reranker_v2, 50 % baseline",
        primary=m.PrimaryView(
            metric="solved", kind="rate", better="higher", limit=0.5, title="solved at once", unit_label=""
        ),
        ends=None, began_at=ago(600), began_by="change-7k2m9qa3xv4b", ended_at=None, finding="better",
        advice="inconclusive", sentence="solved at once: 52 % on the candidate, 41 % on the baseline (1,490 and 1,510 "
        "units); the difference is between +12 % and +41 % (95 % sure, at any number of looks)",
        because="the hypothesis holds; it is too early for p95_latency", interval=[1.12, 1.41],
        alpha=0.05, verdict=verdict, guardrails=[verdict.model_copy(update={"sentence": "p95 latency: too early"})],
        marks=[
            m.MarkView(
                at=ago(30), what="its guardrails were changed", change="change-2", justification="counted twice before"
            )
        ],
    )  # fmt: skip
    return view.model_copy(update=changes).model_dump(mode="json")
