"""Proposals for a terminal: what would change, who must agree, and what is not known."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from twokey.cli.output import facts, heading, say, section, table
from twokey.cli.pages.flags import section_lines
from twokey.cli.times import stamp
from twokey.documents.text import plain, with_advice

View = Mapping[str, Any]


def proposal_table(rows: Sequence[View]) -> None:
    """Proposals, newest first."""
    table(
        ("PROPOSAL", "STATUS", "KEYS", "EFFECT", "WHAT"),
        (
            [row["id"], row["status"], f"{row['approved']}/{row['required']}", row["effect"], row["title"]]
            for row in rows
        ),
        fixed=("PROPOSAL", "STATUS", "KEYS", "EFFECT"),
        empty="No proposals.",
    )


def proposal_page(view: View) -> None:
    """One proposal whole."""
    heading(view["title"], view["status"])
    facts(_facts(view))
    say(digest_line(view))
    section("What it does", view["sentences"])
    for diff in view["diffs"]:
        _diff(diff)
    section("The plan", view["plan"]["says"] if view["plan"] else ())
    section("Who it moves", _radius(view["blast_radius"]))
    section("Ways back", [_way("reverse", view["reverse"]), _way("rollback", view["rollback"])])
    section("Why a milder step would not do", view["lower_rungs"])
    section("What is not known", (_gap(each) for each in view["gaps"]))
    _keys(view["keys"])
    _joint(view["joint"])
    section("Gate", _gate(view["gate"]))
    if view["why_not"]:
        say("", f"You: {plain(view['why_not'])}")


def key_page(view: View, move: str) -> None:
    """What a person reads before turning a key: sentences, effect, ways back, gaps, digest."""
    heading(view["title"], view["status"])
    facts(
        [
            ("effect", view["effect"]),
            ("because", "; ".join(view["effect_because"])),
            ("reason", view["reason"]),
            ("rests on", view["rests_on"]),
            ("drafted by", _author(view)),
            ("expires", stamp(view["expires_at"])),
        ]
    )
    section("What it does", view["sentences"])
    for diff in view["diffs"]:
        _diff(diff)
    section("The plan", view["plan"]["says"] if view["plan"] else ())
    section("Who it moves", _radius(view["blast_radius"]))
    section("Ways back", [_way("reverse", view["reverse"]), _way("rollback", view["rollback"])])
    section("What is not known", (_gap(each) for each in view["gaps"]))
    _keys(view["keys"])
    _joint(view["joint"])
    say("", digest_line(view), "")
    if move not in view["may"] and view["why_not"]:
        say(f"You: {plain(view['why_not'])}", "")


def digest_line(view: View) -> str:
    """The digest on a line of its own: it is copied whole."""
    return f"digest  {plain(view['digest'])}"


def _facts(view: View) -> list[tuple[str, str]]:
    return [
        ("proposal", view["id"]),
        ("case", view["case"] or ""),
        ("where", f"{view['project']}/{view['environment']}, on revision {view['base_revision']}"),
        ("action", view["action"]),
        ("effect", view["effect"]),
        ("because", "; ".join(view["effect_because"])),
        ("reason", view["reason"]),
        ("rests on", view["rests_on"]),
        ("expected", view["expected_effect"]),
        ("drafted by", _author(view)),
        ("applies", _when(view)),
        ("expires", stamp(view["expires_at"])),
        ("replaces", view["supersedes"] or ""),
        ("change", view["change"] or ""),
    ]


def _author(view: View) -> str:
    behalf = f", on behalf of {view['on_behalf_of']}" if view["on_behalf_of"] else ""
    return f"{view['author']} ({view['author_kind']}{behalf}), {stamp(view['created_at'])}"


def _when(view: View) -> str:
    if view["apply"] == "at":
        return f"at {stamp(view['apply_at'])}"
    return {"when_open": "with the last key", "manual": "when an approver applies it"}.get(str(view["apply"]), "")


def _diff(diff: View) -> None:
    section_lines(f"{diff['flag']} now (-) and if approved (+)", merged(diff["now"], diff["then"]))


def merged(now: Sequence[View], then: Sequence[View]) -> list[View]:
    """Both sides as one: what stays once, before it what goes, then what comes."""
    rest, lines = list(then), []
    for line in now:
        if line["marker"] == "same":
            while rest and rest[0]["marker"] == "added":
                lines.append(rest.pop(0))
            rest = rest[1:]
        lines.append(line)
    return [*lines, *rest]


def _radius(radius: View | None) -> list[str]:
    if radius is None or not radius["sampled_units"]:
        return ["not known: no recorded contexts could be replayed"]
    before, after = (f"{radius[name] * 100:.3g} %" for name in ("share_before", "share_after"))
    traffic = f"{radius['changed_traffic'] * 100:.3g} %"
    head = (
        f"{radius['changed_units']:,} of {radius['sampled_units']:,} replayed units change ({traffic} of evaluations): "
        f"{before} get something other than the baseline now, {after} would then"
    )
    moves = [
        f"{each['units']:,} units ({each['share'] * 100:.3g} %) of {each['flag']}: {each['before']} -> {each['after']}"
        for each in radius["transitions"]
        if each["before"] != each["after"]
    ]
    rules = [
        f"{each['units']:,} units of {each['flag']}: by {each['before']}, then by {each['after']}"
        for each in radius["by_rule"]
    ]
    return [head, *moves, *(rules if len(rules) > 1 else ())]


def _way(name: str, way: View) -> str:
    agreed = "approved with it" if way["approved_with_it"] else "needs keys of its own"
    return f"{name} ({way['effect']}, {agreed}): {'; '.join(way['sentences'])}"


def _gap(gap: View) -> str:
    return with_advice(gap["sentence"], gap["what_to_do"])


def _keys(keys: Sequence[View]) -> None:
    say("")
    heading("Keys")
    table(
        ("KEY", "STATUS", "WHO", "WHEN"),
        ([each["role"], each["status"], _who(each), stamp(each["at"])] for each in keys),
        fixed=("STATUS", "WHEN"),
        empty="No role is required, which no gate lets through.",
    )


def _joint(others: Sequence[View]) -> None:
    """What is applied together with it, or not at all: one answer is an answer to all of it."""
    for other in others:
        say("")
        heading(f"Together with {other['environment']}", other["effect"])
        say(f"{plain(other['id'])}: applied with this one, or neither is. Your answer is to both.")
        section("What it does there", other["sentences"])
        for diff in other["diffs"]:
            _diff(diff)
        section("Who it moves there", _radius(other["blast_radius"]))
        section("Ways back there", [_way("reverse", other["reverse"]), _way("rollback", other["rollback"])])
        _keys(other["keys"])


def _who(key: View) -> str:
    if key["person"]:
        return f"{key['name'] or key['person']} ({key['person']})"
    return "you may turn it" if key["yours"] else ""


def gate_page(view: View) -> None:
    """The gate as it would be if these people approved."""
    heading(f"If {' and '.join(view['people'])} approved now, the gate would be {view['gate']['status']}.")
    section("Gate", _gate(view["gate"]))


def _gate(gate: View) -> Iterator[str]:
    for child in gate["children"] or [gate]:
        yield f"{child['status']}: {child['sentence']}"
