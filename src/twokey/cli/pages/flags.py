"""Flags for a terminal."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from twokey.cli.output import facts, heading, outline, say, section, table
from twokey.cli.pages.charts import charts
from twokey.cli.times import stamp
from twokey.documents.text import clip, plain, plain_json

View = Mapping[str, Any]
MARKERS = {"same": " ", "removed": "-", "added": "+"}


def flag_table(rows: Sequence[View], place: tuple[str, str]) -> None:
    """The flags of an environment."""
    table(
        ("FLAG", "ON", "WHO GETS SOMETHING ELSE", "REVIEW"),
        ([row["key"], _on(row), row["reach"], _review(row)] for row in rows),
        fixed=("ON", "REVIEW"),
        empty=f"No flags in {'/'.join(place)} yet. Draft one with `twokey flag create`.",
    )


def flag_page(flag: View) -> None:
    """One flag whole."""
    heading(flag["key"], "archived" if flag["archived"] else _on(flag), "overdue" if flag["overdue"] else "")
    facts(
        [
            ("purpose", flag["purpose"]),
            ("reach", flag["reach"]),
            ("owner", flag["owner"]),
            ("approvers", ", ".join(flag["approvers"])),
            ("surface", f"{flag['surface']}, {flag['type']}, {flag['kind']}"),
            ("baseline", flag["baseline"]),
            ("caution", ", ".join(flag["caution"])),
            ("review", str(flag["review_date"] or "")),
            ("clean up when", flag["cleanup_condition"]),
            ("permanent because", flag["permanent_because"]),
            ("revision", str(flag["revision"])),
        ]
    )
    section_lines("Targeting", flag["lines"])
    section("Guardrails", (_guardrail(each) for each in flag["guardrails"]))
    section("Met in the last hour", (_exposure(each) for each in flag["exposures"]))
    _history(flag["history"])


def section_lines(title: str, lines: Iterable[View]) -> None:
    """Lines of targeting, each with its mark: removed, added or the same."""
    say("")
    heading(title)
    for line in lines:
        say(f"  {MARKERS.get(line['marker'], ' ')} {plain(line['text'])}")


def explain_page(key: str, view: View) -> None:
    """What a context gets, and why."""
    heading(f"{key} = {plain_json(view['value'], indent=None)}", view["error"] or "")
    facts(
        [
            ("variation", view["variation"] or "none: the application's own default"),
            ("reason", view["reason"]),
            ("rule", view["rule"] or ""),
            ("revision", str(view["revision"] or "")),
        ]
    )
    outline("Why", view["sentences"])


def _on(row: View) -> str:
    return "on" if row["enabled"] else "off"


def _review(row: View) -> str:
    if row["kind"] == "permanent":
        return "permanent"
    return f"{row['review_date'] or 'none'}{' overdue' if row['overdue'] else ''}"


def _guardrail(guardrail: View) -> str:
    unit = f" {guardrail['unit_label']}" if guardrail["unit_label"] else ""
    if guardrail["query"]:
        return f"{guardrail['key']}: {guardrail['query']}, limit {guardrail['limit']:g}{unit}, against the limit alone"
    per = f" to {guardrail['denominator']}" if guardrail["denominator"] else ""
    others = ", ".join(f"{each:g}" for each in guardrail["other_limits"])
    also = f" (and {others})" if others else ""
    return (
        f"{guardrail['key']}: {guardrail['kind']} of {guardrail['metric']}{per}, "
        f"limit {guardrail['limit']:g}{unit}{also}, margin {guardrail['margin'] * 100:g} % against the baseline"
    )


def _exposure(count: View) -> str:
    served = "" if count["served"] == count["assigned"] else f", served {count['served']}"
    return f"{count['units']} units by {count['rule'] or 'otherwise'}: assigned {count['assigned']}{served}"


def _history(history: Sequence[View]) -> None:
    if not history:
        return
    say("")
    heading("History")
    table(
        ("REV", "AT", "BY", "WHAT"),
        (
            [str(each["revision"]), stamp(each["at"]), each["applied_by"], clip(each["summary"], 200)]
            for each in history
        ),
        fixed=("REV", "AT"),
    )


def insights_page(view: View, series: Sequence[View]) -> None:
    """Who met a flag over time, by variation, and what its guardrails measured."""
    heading(view["key"], view["reach"])
    if not any(line["points"] for chart in series for line in chart["lines"]):
        say("Nobody met it in this time, as far as exposures were sent.")
    charts(series)
