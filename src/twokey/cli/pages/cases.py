"""Cases for a terminal: what is wrong, what is known, where it stands."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from twokey.cli.output import facts, heading, say, section, table
from twokey.cli.pages.charts import charts
from twokey.cli.pages.proposals import proposal_table
from twokey.cli.times import ago, stamp
from twokey.documents.text import clip, plain, with_advice

View = Mapping[str, Any]


def case_table(rows: Sequence[View], now: datetime) -> None:
    """Cases, newest first."""
    table(
        ("CASE", "STATUS", "WHAT", "WAITS FOR", "MOVED"),
        ([row["id"], row["status"], row["title"], row["waiting_for"], ago(row["updated_at"], now)] for row in rows),
        fixed=("CASE", "STATUS", "MOVED"),
        empty="No cases.",
    )


def case_page(case: View, series: Sequence[View]) -> None:
    """One case whole."""
    heading(case["title"], case["status"], case["severity"])
    facts(
        [
            ("case", case["id"]),
            ("where", f"{case['project']}/{case['environment']}"),
            ("flag", case["flag"] or ""),
            ("owner", case["owner"] or "nobody yet"),
            ("opened", stamp(case["opened_at"])),
            ("waits for", case["waiting_for"]),
            ("loop", _loop(case["steps"])),
        ]
    )
    section("Signals", (_signal(each) for each in case["signal_list"]))
    _tiles(case["tiles"])
    charts(series)
    _finding(case["finding"])
    for opinion in case["opinions"]:
        _opinion(opinion)
    section("What is not known", (with_advice(each["sentence"], each["what_to_do"]) for each in case["gaps"]))
    if case["proposals"]:
        say("")
        proposal_table(case["proposals"])
    for check in case["checks"][-1:]:
        say("")
        _check(check)
    section("Notes", (f"{each['author']}, {stamp(each['at'])}: {each['text']}" for each in case["notes"]))
    _timeline(case["timeline"])
    _ending(case)


def check_page(check: View) -> None:
    """What the guardrails said at one moment, and what could not be judged."""
    _check(check)
    section("What could not be judged", (with_advice(each["sentence"], each["what_to_do"]) for each in check["gaps"]))


def _check(check: View) -> None:
    verdicts = check["verdicts"]
    # Where no control arm was left the two figures are not those of two arms, but after and before.
    alone = bool(verdicts) and all(each["observational"] for each in verdicts)
    arms = ("AFTER", "BEFORE") if alone else ("CANDIDATE", "BASELINE")
    heading(f"Evidence {check['phase']} the change of {check['flag']}, {stamp(check['at'])}")
    table(
        ("GUARDRAIL", "VERDICT", *arms, "UNITS"),
        (_verdict(each, alone) for each in verdicts),
        fixed=("VERDICT", *arms, "UNITS"),
        empty="The flag has no guardrails: nothing can be judged.",
    )
    section("In words", (f"{each['guardrail']}: {each['sentence']}" for each in verdicts))


def decision_page(decision: View) -> None:
    """How a case ended."""
    heading(f"Closed: {decision['choice'].replace('_', ' ')}")
    facts(
        [
            ("rationale", decision["rationale"]),
            ("outcome", decision["outcome"]),
            ("owner", decision["owner"]),
            ("review", str(decision["review_date"])),
            ("decided by", f"{decision['decided_by']}, {stamp(decision['decided_at'])}"),
        ]
    )


def _loop(steps: Sequence[View]) -> str:
    words = {"done": "done", "current": "now", "ahead": "then"}
    by = {word: [each["label"] for each in steps if each["status"] == status] for status, word in words.items()}
    return "; ".join(f"{word}: {', '.join(labels)}" for word, labels in by.items() if labels)


def _signal(signal: View) -> str:
    seen = f", {signal['seen']} times" if signal["seen"] > 1 else ""
    said = signal["summary"] or signal["name"]
    return (
        f"{signal['status']}: {signal['name']} ({signal['source']}, since {stamp(signal['starts_at'])}{seen}): {said}"
    )


def _tiles(tiles: Sequence[View]) -> None:
    if not tiles:
        return
    say("")
    table(
        ("GUARDRAIL", "NOW", "LIMIT", "AGAINST THE BASELINE", "STATE"),
        (_tile(each) for each in tiles),
        fixed=("STATE",),
    )


def _tile(tile: View) -> list[str]:
    limit, change = tile["limit_text"].removeprefix("limit "), tile["change_text"].removesuffix(" against baseline")
    return [tile["guardrail"], tile["text"], limit, change, tile["state"]]


def _finding(finding: View | None) -> None:
    if finding is None:
        return
    say("")
    heading(f"Finding of {finding['author']}: {finding['recommendation'].replace('_', ' ')}")
    facts(
        [("summary", finding["summary"]), ("reason", finding["reason"]), ("confidence", _share(finding["confidence"]))]
    )
    section("Suspects", (_suspect(each) for each in finding["suspects"]))
    section("Warnings", finding["warnings"])
    section("Steps of your runbooks that apply", (_step(each) for each in finding["steps"]))
    section("What it rests on", (_citation(each) for each in finding["citations"]))


def _opinion(opinion: View) -> None:
    """Another assistant's finding, with where it differs from the analyst's, and what nothing supports."""
    finding, made_by = opinion["finding"], opinion["provenance"]
    say("")
    heading(f"Second opinion of {finding['author']}: {finding['recommendation'].replace('_', ' ')}")
    facts(
        [
            ("asked, it says", _asked(made_by) if made_by else ""),
            ("summary", finding["summary"]),
            ("reason", finding["reason"]),
            ("confidence", _share(finding["confidence"])),
            ("drafted", opinion["proposal"] or ""),
            ("against the analyst", _agreement(opinion)),
        ]
    )
    section("Where the two differ", (difference(each) for each in opinion["differences"]))
    section("Figures that nothing supports", (unsupported(each) for each in opinion["unsupported"]))
    section("Suspects", (_suspect(each) for each in finding["suspects"]))
    section("What it rests on", (_citation(each) for each in finding["citations"]))


def difference(told: View) -> str:
    """One point on which another assistant differs from the analyst."""
    return f"{told['about']}: {told['other'].replace('_', ' ')}; the analyst: {told['analyst'].replace('_', ' ')}"


def unsupported(told: View) -> str:
    """A figure that no cited evidence has."""
    return f"{told['text']} ({told['field']})"


def _agreement(opinion: View) -> str:
    if not opinion["compared"]:
        return "the analyst has no finding yet"
    return "differs" if opinion["differences"] else "would do the same"


def _asked(made_by: View) -> str:
    tokens = f"{made_by['input_tokens']:,} + {made_by['output_tokens']:,} tokens"
    return f"{made_by['model']} ({made_by['provider']}): {made_by['requests']} requests, {tokens}"


def _step(step: View) -> str:
    return f"{step['text']} [{step['runbook']}, line {step['line']}: {step['heading']}]"


def _suspect(suspect: View) -> str:
    cohort = "; ".join(f"{name} in {', '.join(map(str, values))}" for name, values in suspect["cohort"].items())
    who = f" for {cohort}" if cohort else ""
    return f"{suspect['flag']} = {suspect['variation']}{who} ({_share(suspect['confidence'])}): {suspect['because']}"


def _citation(citation: View) -> str:
    doubt = "" if citation["supported"] else f" UNSUPPORTED: {citation['why_not']}"
    return f"{citation['says']} [{citation['evidence']}]{doubt}"


def _verdict(verdict: View, alone: bool) -> list[str]:
    word = verdict["status"] + (" (observational)" if verdict["observational"] and not alone else "")
    units = f"{verdict['candidate_units']} / {verdict['baseline_units']}"
    return [verdict["guardrail"], word, _value(verdict["candidate_value"]), _value(verdict["baseline_value"]), units]


def _timeline(items: Sequence[View]) -> None:
    if not items:
        return
    say("")
    heading("Timeline")
    table(("AT", "WHO", "WHAT"), (_happened(each) for each in items), fixed=("AT",))


def _happened(item: View) -> list[str]:
    refused = " (refused)" if item["outcome"] == "refused" else ""
    return [stamp(item["at"]), item["actor"], clip(item["text"], 120) + refused]


def _ending(case: View) -> None:
    say("")
    if case["decision"]:
        decision_page(case["decision"])
        return
    for proposal in case["proposals"]:
        if proposal["status"] == "pending":
            say(f"To decide: twokey proposal show {plain(proposal['id'])}")
    if case["may_close"]:
        say(f"It can be closed as: {', '.join(case['may_close'])}.")
    elif case["why_not_close"]:
        say(f"It cannot be closed yet: {plain(case['why_not_close'])}")


def _share(value: float) -> str:
    return f"{value * 100:.0f} %"


def _value(value: float | None) -> str:
    return "-" if value is None else f"{value:.4g}"
