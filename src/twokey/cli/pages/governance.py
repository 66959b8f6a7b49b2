"""Access, reviews and standing orders, for people to read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from twokey.cli.output import facts, heading, say, table
from twokey.cli.times import stamp
from twokey.documents.text import plain

View = Mapping[str, Any]


def access_page(view: View) -> None:
    """Who holds what, how environments are governed, and the standing orders."""
    if not view["founded"]:
        say("Nobody can agree to changes of access yet: until two people hold `security`, the first acts alone.")
    heading("People")
    table(
        ("WHO", "HOLDS"),
        ([each["person"], ", ".join(each["grants"]) or "nothing"] for each in view["people"]),
        fixed=("WHO",),
        empty="Nobody.",
    )
    heading("Environments")
    for each in view["environments"]:
        facts(
            [
                (
                    f"{each['project']}/{each['key']}",
                    "guarded" if each["guarded"] else "NOT guarded: drafts are live at once",
                ),
                ("every change", ", ".join(each["approvers"])),
                ("what widens", ", ".join(each["widening_approvers"])),
                ("good for", f"proposals {each['proposal_hours']:g} h, keys {each['approval_hours']:g} h"),
            ]
        )
    heading("Standing orders")
    order_table(view["orders"])


def environment_table(rows: Sequence[View]) -> None:
    """Environments, and who agrees to changes in each."""
    table(
        ("ENVIRONMENT", "REVISION", "FLAGS", "CASES", "CHANGES NEED"),
        ([f"{row['project']}/{row['key']}", str(row["revision"]), str(row["flags"]), str(row["open_cases"]),
          " and ".join(row["approvers"]) if row["guarded"] else "nobody: it is not guarded"] for row in rows),
        fixed=("REVISION", "FLAGS", "CASES"),
        empty="No environments.",
    )  # fmt: skip


def order_table(rows: Sequence[View]) -> None:
    """Standing orders in force."""
    table(
        ("ID", "SAYS"),
        ([each["id"], plain(each["says"])] for each in rows),
        fixed=("ID",),
        empty="No standing orders.",
    )


def access_table(rows: Sequence[View]) -> None:
    """Access proposals."""
    table(
        ("ID", "STATUS", "BY", "SAYS"),
        ([each["id"], each["status"], each["author"], plain("; ".join(each["says"]))] for each in rows),
        fixed=("ID", "STATUS", "BY"),
        empty="No access proposals.",
    )


def access_proposal_page(view: View) -> None:
    """One access proposal: what it says, the power it gives, who has answered, what its policies would have decided."""
    heading(f"{view['id']}: {view['status']}")
    for each in view["says"]:
        say(f"  - {plain(each)}")
    power = "; ".join(view["power"]) or "it gives nobody power"
    alone = " (alone: there are not two people of the security role yet)" if view["alone"] else ""
    facts(
        [
            ("why", plain(view["reason"])),
            ("by", view["author"]),
            ("power", plain(power)),
            ("keys", (" and ".join(view["required_roles"]) or "none") + alone),
            ("answers", "; ".join(f"{each['person']}: {each['answer']}" for each in view["answers"]) or "none yet"),
            ("until", stamp(view["expires_at"])),
            ("digest", view["digest"]),
        ]
    )
    for each in view["preview"]:
        say(f"  would have decided otherwise: {plain(each)}")


def review_table(rows: Sequence[View]) -> None:
    """Reviews of break-glass."""
    table(
        ("ID", "STATUS", "WHERE", "WHO", "WHY"),
        ([each["id"], _status(each), f"{each['project']}/{each['environment']}", each["person"], plain(each["reason"])]
         for each in rows),
        fixed=("ID", "STATUS", "WHO"),
        empty="No reviews.",
    )  # fmt: skip


def _status(review: View) -> str:
    if review["status"] == "closed":
        return f"closed: {review['found']}"
    return "OVERDUE" if review["overdue"] else f"open until {stamp(review['due_at'])}"
