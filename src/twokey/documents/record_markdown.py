"""The decision record as Markdown: drawn from its JSON form, for people who were not there."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from twokey.documents.markdown import bullets, code, prose, table
from twokey.documents.text import clip, to_second, with_advice

View = Mapping[str, Any]
SHOWN = 200
"""Characters of one happening in the timeline; the JSON form holds the whole text."""


def record_markdown(record: View) -> str:
    """The whole record. `record` is what `decision_record` gives."""
    parts = [
        _head(record["case"]),
        _decision(record["decision"]),
        *(_answer(each) for each in record["answers"]),
        _finding(record["finding"]),
        *(_proposal(each) for each in record["proposals"]),
        _gaps(record["gaps"]),
        _timeline(record["timeline"]),
        _audit(record["audit"]),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def _head(case: View) -> str:
    facts = [
        f"Case {code(case['id'])}, {prose(case['project'])} / {prose(case['environment'])}",
        f"Severity: {prose(case['severity'] or 'not said')}",
        f"Status: {prose(case['status'])}, opened {to_second(case['opened_at'])}",
        f"Owner: {prose(case['owner'] or 'nobody yet')}",
    ]
    return f"# Decision record: {prose(case['title'])}\n\n{bullets(facts)}"


def _decision(decision: View | None) -> str:
    if decision is None:
        return "## Decision\n\nNone yet: the case is not closed."
    facts = [
        f"Rationale: {prose(decision['rationale'])}",
        f"Outcome: {prose(decision['outcome'])}",
        f"Owner: {prose(decision['owner'])}, review on {decision['review_date']}",
        f"Decided by {prose(decision['decided_by'])} at {to_second(decision['decided_at'])}",
    ]
    return f"## Decision: {prose(str(decision['choice']).replace('_', ' '))}\n\n{bullets(facts)}"


def _answer(answer: View) -> str:
    return f"## {answer['question']}\n\n{bullets(prose(each) for each in answer['answer'])}"


def _finding(finding: View | None) -> str:
    if finding is None:
        return "## What was recommended\n\nNo finding was made."
    facts = [
        f"By {prose(finding['author'])} at {to_second(finding['at'])}, confidence {finding['confidence'] * 100:.0f} %",
        f"Recommended: {prose(str(finding['recommendation']).replace('_', ' '))}. {prose(finding['reason'])}",
        *(f"Unsupported by its evidence: {prose(each)}" for each in finding["unsupported"]),
        *(f"A milder step would not do: {prose(each)}" for each in finding.get("lower_rungs") or ()),
    ]
    return f"## What was recommended\n\n{prose(finding['summary'])}\n\n{bullets(facts)}"


def _proposal(proposal: View) -> str:
    facts = [
        f"{prose(proposal['action'])}, {prose(proposal['effect'])}; drafted by {prose(proposal['author'])}",
        f"Reason: {prose(proposal['reason'])}",
        f"Digest: {code(proposal['digest'])}",
        *(f"Does: {prose(each)}" for each in proposal["sentences"] or ()),
        *(f"Restores: {prose(each)}" for each in (proposal["reverse"] or {}).get("sentences", ())),
        *(f"Known safe state: {prose(each)}" for each in (proposal["rollback"] or {}).get("sentences", ())),
    ]
    keys = _keys(proposal["keys"] or ())
    head = f"## Proposal {code(proposal['id'])}: {prose(proposal['title'])} ({prose(proposal['status'])})"
    return "\n\n".join(part for part in (head, bullets(facts), keys) if part)


def _keys(keys: Sequence[View]) -> str:
    if not keys:
        return ""
    rows = [
        [prose(each["role"]), each["status"], prose(each["person"] or ""), to_second(each["at"] or "")] for each in keys
    ]
    return table(["key", "status", "person", "at"], rows)


def _gaps(gaps: Sequence[View]) -> str:
    if not gaps:
        return ""
    return "## What was not known\n\n" + bullets(
        prose(with_advice(each["sentence"], each["what_to_do"])) for each in gaps
    )


def _timeline(timeline: Sequence[View]) -> str:
    if not timeline:
        return ""
    rows = [
        [to_second(each["at"]), prose(each["step"]), prose(each["actor"]), _happened(each), str(each["entry"])]
        for each in timeline
    ]
    return "## Timeline\n\n" + table(["at", "step", "who", "what", "entry"], rows)


def _happened(item: View) -> str:
    return prose(clip(" ".join(item["text"].split()), SHOWN)) + (" (refused)" if item["outcome"] == "refused" else "")


def _audit(audit: View) -> str:
    if not audit["entries"]:
        return "## Audit\n\nNo audit entry was read for this record."
    span = f"{audit['entries']} entries of this case, {audit['first']} to {audit['last']}"
    return f"## Audit\n\n{span}; hash of the last: {code(audit['hash'])}. Check it with `twokey audit verify`."
