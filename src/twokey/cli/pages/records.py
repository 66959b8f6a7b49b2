"""Changes, audit entries, tokens and people for a terminal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from twokey.cli.output import facts, heading, say, section, table
from twokey.cli.times import ago, stamp
from twokey.documents.text import plain

View = Mapping[str, Any]


def change_table(rows: Sequence[View], now: datetime) -> None:
    """Changes, newest first."""
    table(
        ("CHANGE", "WHEN", "REVISION", "BY", "WHAT"),
        ([row["id"], ago(row["applied_at"], now), _revisions(row), row["applied_by"], row["summary"]] for row in rows),
        fixed=("CHANGE", "WHEN", "REVISION"),
        empty="No changes.",
    )


def change_page(change: View) -> None:
    """One change."""
    heading(change["summary"], change["effect"])
    facts(
        [
            ("change", change["id"]),
            ("where", f"{change['project']}/{change['environment']}"),
            ("flags", ", ".join(change["flags"])),
            ("revision", _revisions(change)),
            ("action", change["action"]),
            ("cause", change["cause"]),
            ("by", f"{change['applied_by']}, {stamp(change['applied_at'])}"),
            ("case", change["case"] or ""),
            ("proposal", change["proposal"] or ""),
            ("undoes", change["undoes"] or ""),
        ]
    )


def reach_page(flags: Sequence[View]) -> None:
    """What was predicted for each flag's units, and what they have got since."""
    if not flags:
        say("It published no flag that somebody could meet.")
    for each in flags:
        heading(each["flag"], each["sentence"])
        table(("VARIATION", "PREDICTED", "OBSERVED", ""), (_shares(share) for share in each["variations"]))


def _shares(share: View) -> list[str]:
    predicted, observed = (f"{share[name] * 100:.1f} %" for name in ("predicted", "observed"))
    return [share["variation"], predicted, observed, "differs" if share["differs"] else ""]


def entry_table(entries: Sequence[View]) -> None:
    """Audit entries."""
    table(
        ("#", "AT", "WHO", "WHAT"),
        ([str(each["index"]), stamp(each["at"]), _actor(each["actor"]), _happened(each)] for each in entries),
        fixed=("#", "AT", "WHAT"),
        empty="No entries.",
    )


def verification_page(result: View) -> None:
    """What walking the chain showed."""
    if result["ok"]:
        heading(f"The audit log holds: {result['entries']} entries.")
        say(f"head  {plain(result['head'])}")
        return
    heading("The audit log does not hold.")
    facts(
        [
            ("broken at", f"entry {result['broken_at']}"),
            ("problem", result["problem"]),
            ("before it", f"{result['entries']} entries hold, up to this one:"),
        ]
    )
    say(plain(result["head"]))


def token_table(rows: Sequence[View], now: datetime) -> None:
    """Tokens."""
    table(
        ("TOKEN", "KIND", "NAME", "WHERE", "SCOPES", "ENDS"),
        (
            [row["id"], row["kind"], row["name"], f"{row['project']}/{row['environment']}", " ".join(row["scopes"]),
             _ends(row, now)]
            for row in rows
        ),
        fixed=("TOKEN", "KIND", "ENDS"),
        empty="No tokens.",
    )  # fmt: skip


def user_table(rows: Sequence[View]) -> None:
    """People."""
    table(
        ("USERNAME", "NAME", "ROLES", "STATE"),
        (
            [row["username"], row["name"], ", ".join(row["roles"]), "disabled" if row["disabled"] else ""]
            for row in rows
        ),
        fixed=("USERNAME",),
        empty="Nobody.",
    )


def _revisions(change: View) -> str:
    return f"{change['revision_before']} -> {change['revision_after']}"


def _happened(entry: View) -> str:
    return f"{entry['action']} {entry['subject']}{' (refused)' if entry['outcome'] == 'refused' else ''}"


def _actor(actor: Mapping[str, str]) -> str:
    behalf = f" for {actor['on_behalf_of']}" if actor.get("on_behalf_of") else ""
    return f"{actor.get('id', '')} ({actor.get('kind', '')}{behalf})"


def _ends(token: View, now: datetime) -> str:
    if token["revoked_at"]:
        return f"revoked {ago(token['revoked_at'], now)}"
    return ago(token["expires_at"], now) if token["expires_at"] else "never"


def answers_page(views: Sequence[View]) -> None:
    """The six questions of a case, each with the entries of the log that answer it."""
    for each in views:
        section(each["question"], each["sentences"])
        if each["entries"]:
            say(f"    entries {', '.join(map(str, each['entries']))}")
