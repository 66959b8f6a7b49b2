"""The decision record of a case: what stays when everybody has gone home.

Rules this module keeps:

- It answers six questions, always the same ones in the same order: what signal, which flag and rule, who approved, who
  was affected, what telemetry showed after, temporary or permanent. What is not known is said, never left out.
- It is made from what was recorded (the API's views of the case, its proposals, changes, flags and its audit entries),
  and adds nothing that is not there. The recommendation is quoted as such; it is never the record.
- The JSON form holds the facts; the Markdown form is drawn from the JSON form alone.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from twokey.documents.text import to_second

View = Mapping[str, Any]
FORMAT = "twokey-decision-record/1"
SHOWN_UNITS = 6

QUESTIONS = (
    ("signal", "What signal triggered it?"),
    ("control", "Which flag, variation, rule or segment changed?"),
    ("approval", "Who approved it?"),
    ("affected", "Which users, accounts or workflows were affected?"),
    ("telemetry", "What did telemetry show after the change?"),
    ("lifetime", "Was the control temporary or permanent?"),
)


def decision_record(
    case: View,
    *,
    proposals: Sequence[View] = (),
    flags: Sequence[View] = (),
    entries: Sequence[View] = (),
) -> dict[str, Any]:
    """The record as JSON.

    `case` is a CaseView, `proposals` the ProposalViews of the case, `flags` the FlagViews of the flags that they touch,
    `entries` the audit entries of the case, oldest first. All are plain JSON values.
    """
    answers = {
        "signal": _signals(case),
        "control": _controls(case, proposals),
        "approval": _approvals(proposals),
        "affected": _affected(case, proposals),
        "telemetry": _telemetry(case),
        "lifetime": _lifetime(case, flags),
    }
    return {
        "format": FORMAT,
        "case": _pick(case, "id project environment title severity status owner opened_at updated_at"),
        "decision": case.get("decision"),
        "answers": [{"key": key, "question": question, "answer": answers[key]} for key, question in QUESTIONS],
        "signals": [_pick(each, _SIGNAL) for each in case.get("signal_list", ())],
        "finding": _finding(case.get("finding")),
        "proposals": [_proposal(each) for each in proposals],
        "changes": [dict(each) for each in case.get("changes", ())],
        "checks": [dict(each) for each in case.get("checks", ())],
        "gaps": [dict(each) for each in case.get("gaps", ())],
        "evidence": [_pick(each, "id kind title at sha256") for each in case.get("evidence", ())],
        "notes": [dict(each) for each in case.get("notes", ())],
        "timeline": [dict(each) for each in case.get("timeline", ())],
        "audit": _audit(entries),
    }


_SIGNAL = "id name summary severity source status starts_at received_at resolved_at seen labels"
_PROPOSAL = (
    "id title status action effect author author_kind on_behalf_of digest reason expected_effect lower_rungs "
    "sentences reverse rollback keys gaps blast_radius base_revision created_at supersedes change"
)


def _pick(view: View, names: str) -> dict[str, Any]:
    return {name: view.get(name) for name in names.split()}


def _signals(case: View) -> list[str]:
    signals = case.get("signal_list", ())
    return [_signal(each) for each in signals] or ["No signal is recorded; the case was opened by hand."]


def _signal(signal: View) -> str:
    state = (
        f"resolved at {to_second(signal['resolved_at'])}"
        if signal.get("resolved_at")
        else f"{signal.get('status', 'firing')}"
    )
    seen = signal.get("seen", 1)
    times = f", received {seen} times" if seen > 1 else ""
    said = signal.get("summary") or signal["name"]
    return f"{signal['name']} from {signal['source']} at {to_second(signal['starts_at'])}{times}, {state}: {said}"


def _controls(case: View, proposals: Sequence[View]) -> list[str]:
    by_change = {each["change"]: each for each in proposals if each.get("change")}
    lines = [_change(each, by_change.get(each["id"])) for each in case.get("changes", ())]
    return lines or ["Nothing was changed."]


def _change(change: View, proposal: View | None) -> str:
    flags = ", ".join(change["flags"])
    revisions = f"revision {change['revision_before']} to {change['revision_after']}"
    what = "; ".join(proposal["sentences"]) if proposal and proposal.get("sentences") else change["summary"]
    return f"{flags}: {what} ({change['action']}, {change['effect']}; {revisions}; {to_second(change['applied_at'])})"


def _approvals(proposals: Sequence[View]) -> list[str]:
    lines = [
        _approval(key, proposal)
        for proposal in proposals
        for key in proposal.get("keys", ())
        if key.get("person") and key["status"] == "approved"
    ]
    return lines or ["Nobody: no approval is recorded."]


def _approval(key: View, proposal: View) -> str:
    who = f"{key.get('name') or key['person']} ({key['person']})"
    return f"{who} as {key['role']} at {to_second(key['at'])}, for {proposal['digest']}"


def _affected(case: View, proposals: Sequence[View]) -> list[str]:
    applied = [each for each in proposals if each.get("change")] or list(proposals)
    lines = [_radius(each["blast_radius"]) for each in applied if each.get("blast_radius")]
    finding = case.get("finding") or {}
    cohorts = [_cohort(each) for each in finding.get("suspects", ())[:1] if each.get("cohort")]
    return [*lines, *cohorts] or ["Not known: no recorded contexts were replayed."]


def _radius(radius: View) -> str:
    before, after = _percent(radius["share_before"]), _percent(radius["share_after"])
    moved = f"{radius['changed_units']} of {radius['sampled_units']} replayed units changed variation"
    by = [f"{name}: {_counts(counts)}" for name, counts in radius.get("by_attribute", {}).items()]
    return "; ".join([f"{moved} ({before} got something other than the baseline before, {after} after)", *by])


def _counts(counts: Mapping[str, int]) -> str:
    ordered = sorted(counts.items(), key=lambda pair: (-pair[1], pair[0]))
    shown = [f"{value} {count}" for value, count in ordered[:SHOWN_UNITS]]
    return ", ".join(shown) + (f" and {len(ordered) - SHOWN_UNITS} more" if len(ordered) > SHOWN_UNITS else "")


def _cohort(suspect: View) -> str:
    parts = [f"{name} in {', '.join(map(str, values))}" for name, values in suspect["cohort"].items()]
    return f"The finding named the cohort of {suspect['flag']} = {suspect['variation']}: {'; '.join(parts)}"


def _telemetry(case: View) -> list[str]:
    after = [each for each in case.get("checks", ()) if each["phase"] == "after"]
    if not after:
        return ["Nothing was measured after a change."]
    last = max(after, key=lambda check: str(check["at"]))
    lines = [f"{each['guardrail']}: {_verdict(each)}" for each in last["verdicts"]]
    return [*lines, *(f"Not known: {gap['sentence']}" for gap in last.get("gaps", ()))] or ["No guardrail is defined."]


def _verdict(verdict: View) -> str:
    word = str(verdict["status"]).replace("_", " ")
    sentence = str(verdict["sentence"])
    if not verdict.get("observational") or "observational" in sentence.lower():
        return f"{word}. {sentence}"
    return f"{word}. {sentence.removesuffix('.')}. Observational: no control arm was left to compare with."


def _lifetime(case: View, flags: Sequence[View]) -> list[str]:
    lines = [_kept(each) for each in flags]
    decision = case.get("decision")
    if decision:
        lines.append(f"The decision is looked at again on {decision['review_date']} by {decision['owner']}.")
    return lines or ["Not known: no flag is named."]


def _kept(flag: View) -> str:
    if flag["kind"] == "permanent":
        return f"{flag['key']} is permanent: {flag.get('permanent_because') or 'no reason is recorded'}."
    until = flag.get("review_date") or "no review date"
    return f"{flag['key']} is temporary: review {until}, removed when {flag.get('cleanup_condition') or 'not said'}."


def _finding(finding: View | None) -> dict[str, Any] | None:
    if finding is None:
        return None
    kept = _pick(finding, "id author at summary recommendation reason confidence suspects gaps lower_rungs")
    unsupported = [each["says"] for each in finding.get("citations", ()) if not each["supported"]]
    return kept | {"unsupported": unsupported}


def _proposal(proposal: View) -> dict[str, Any]:
    return _pick(proposal, _PROPOSAL)


def _audit(entries: Iterable[View]) -> dict[str, Any]:
    found = list(entries)
    if not found:
        return {"entries": 0, "first": None, "last": None, "hash": None}
    return {"entries": len(found), "first": found[0]["index"], "last": found[-1]["index"], "hash": found[-1]["hash"]}


def _percent(share: float) -> str:
    return f"{share * 100:.3g} %"
