"""The tables of the bench, and whether its targets are met."""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence

from benchmarks.incidents import baselines, causes, shop
from benchmarks.incidents.running import ANALYST, Marks
from benchmarks.incidents.scoring import Score

FIRST, ABSTAINS, NARROWEST, BEYOND = 0.90, 0.95, 0.85, 0.20
"""What is asked of the analyst; `BEYOND` is by how much it must be better than each simpler assistant."""
BINS = ((0.0, 0.25), (0.25, 0.5), (0.5, 0.6), (0.6, 0.7), (0.7, 0.8), (0.8, 0.9), (0.9, 1.01))
ENOUGH, OFF = 20, 0.1
"""A confidence is held against what was right where so many findings have it; it may claim that much more."""
MARKS = ("first", "cohort", "narrowest", "reverses", "abstains")
GUILTY = (*causes.GUILTY, *shop.GUILTY)
NEGATIVE = (*causes.NEGATIVE, *shop.NEGATIVE)


def share(marks: Sequence[bool | None]) -> float:
    """The part that is right of those to which the mark applies."""
    known = [each for each in marks if each is not None]
    return sum(known) / len(known) if known else math.nan


def counted(marks: Sequence[bool]) -> str:
    """How many of how many, with the interval that Wilson gives the share at 95 %."""
    if not marks:
        return "no case"
    n, right, z = len(marks), share(marks), 1.96
    middle = right + z * z / (2 * n)
    spread = z * math.sqrt(right * (1 - right) / n + (z / 2 / n) ** 2)
    low, high = ((middle + side * spread) / (1 + z * z / n) for side in (-1, 1))
    return f"{sum(marks)} of {n} (interval {percent(low)} to {percent(high)})"


def brier(scores: Sequence[Score]) -> float:
    """Mean squared distance of confidence from being right, over the findings that name a control."""
    named = [each for each in scores if each.named]
    return sum((each.confidence - each.right) ** 2 for each in named) / len(named) if named else math.nan


def verdict(scores: Sequence[Score]) -> float:
    """The part of all cases in which it says the right thing: the guilty control first, or nobody where nobody is."""
    return share([each.right for each in scores if each.negative or each.evidence])


# ---------------------------------------------------------------- tables


def percent(value: float) -> str:
    """A share for a table."""
    return "-" if value != value else f"{100 * value:.0f} %"


def compared(marks: Sequence[Marks]) -> list[str]:
    """Every assistant on the same cases."""
    lines = [
        "| assistant | right control first | among three | abstains where it should | right in all | Brier score |",
        "|---|---|---|---|---|---|",
    ]
    for name in (ANALYST, *baselines.BASELINES):
        scores = [each[name] for each in marks]
        seen = [each for each in scores if each.evidence]
        error = brier(scores)
        lines.append(
            f"| {name} | {percent(share([each.first for each in seen]))} "
            f"| {percent(share([each.among_three for each in seen]))} "
            f"| {percent(share([each.abstains for each in scores]))} "
            f"| {percent(verdict(scores))} | {'-' if error != error else f'{error:.2f}'} |"
        )
    return lines


def by_kind(scores: Sequence[Score], kinds: Collection[str]) -> list[str]:
    """The analyst's marks, kind by kind."""
    lines = [
        "| what is wrong | cases | with evidence | right first | among three | right cohort | narrowest action |",
        "|---|---|---|---|---|---|---|",
    ]
    for kind in (each for each in GUILTY if each in kinds):
        lines.append(_row(kind, [each for each in scores if each.kind == kind]))
    lines.append(_row("**all**", [each for each in scores if not each.negative]))
    lines += [
        "",
        "| nobody's doing | cases | abstains | narrows the attacker alone |",
        "|---|---|---|---|",
    ]
    for kind in (each for each in NEGATIVE if each in kinds):
        lines.append(_nobodys(kind, [each for each in scores if each.kind == kind]))
    lines.append(_nobodys("**all**", [each for each in scores if each.negative]))
    return lines


def _row(kind: str, mine: Sequence[Score]) -> str:
    seen = [each for each in mine if each.evidence]
    marks = [percent(share([getattr(each, name) for each in seen])) for name in ("first", "among_three", "cohort")]
    narrowest = percent(share([each.narrowest for each in seen]))
    return f"| {kind} | {len(mine)} | {len(seen)} | {' | '.join(marks)} | {narrowest} |"


def _nobodys(kind: str, mine: Sequence[Score]) -> str:
    quiet = share([not each.named for each in mine])
    narrowed = share([each.named and each.right for each in mine])
    return f"| {kind} | {len(mine)} | {percent(quiet)} | {percent(narrowed)} |"


def calibration(scores: Sequence[Score]) -> list[str]:
    """Of the findings with such a confidence how many were right, where a control is named and where none is."""
    lines = [
        "| confidence | name a control | on average | were right | abstain | on average | nobody was guilty |",
        "|---|---|---|---|---|---|---|",
    ]
    for low, high in BINS:
        named = _bin(scores, low, high)
        quiet = [each for each in scores if not each.named and low <= each.confidence < high]
        if named or quiet:
            cells = [*_right([(each.confidence, each.right) for each in named])]
            cells += _right([(each.confidence, each.negative) for each in quiet])
            lines.append(f"| {low:g} to {min(high, 1.0):g} | {' | '.join(cells)} |")
    return lines


def _right(found: Sequence[tuple[float, bool]]) -> tuple[str, str, str]:
    """How many there are, how sure they were on average, and how many were right."""
    if not found:
        return "0", "-", "-"
    right = [each for _, each in found]
    mean = sum(sure for sure, _ in found) / len(found)
    return str(len(found)), f"{mean:.2f}", f"{sum(right)} ({percent(share(right))})"


def _bin(scores: Sequence[Score], low: float, high: float) -> list[Score]:
    return [each for each in scores if each.named and low <= each.confidence < high]


def summary(scores: Sequence[Score]) -> list[str]:
    """What holds over all cases of the analyst."""
    seen = [each for each in scores if each.evidence]
    unseen = [each for each in scores if not each.negative and not each.evidence]
    drafted = [each for each in scores if each.reverses is not None]
    seconds = sorted(each.seconds for each in scores)
    told = (
        f"Right control first: {counted([bool(each.first) for each in seen])}.",
        f"Narrowest sufficient action: {counted([bool(each.narrowest) for each in seen])}.",
        f"Abstains where nobody is guilty: {counted([bool(each.abstains) for each in scores if each.negative])}.",
        f"Guilty without evidence yet: {len(unseen)}; a flag is named in {sum(each.named for each in unseen)}.",
        f"Reverses that restore the state: {sum(bool(each.reverses) for each in drafted)} of {len(drafted)}.",
        f"Widening drafts: {sum(each.widens for each in scores)}.",
        f"Seconds to a finding: median {seconds[len(seconds) // 2]:.1f}, most {seconds[-1]:.1f}. No model, no cost.",
    )
    return [" ".join(told)]


# ---------------------------------------------------------------- targets


def missed(marks: Sequence[Marks]) -> list[str]:
    """The targets that these cases do not meet. What no case speaks of is not asked; simpler assistants are compared
    where there are guilty flags and cases without one.
    """
    scores = [each[ANALYST] for each in marks]
    seen = [each for each in scores if each.evidence]
    drafted = [each.reverses for each in scores if each.reverses is not None]
    asked = (
        ("right control first", share([each.first for each in seen]), FIRST),
        ("abstains where nobody is guilty", share([each.abstains for each in scores]), ABSTAINS),
        ("narrowest sufficient action", share([each.narrowest for each in seen]), NARROWEST),
        ("drafts that do not widen", share([not each.widens for each in scores]), 1.0),
        ("reverses that restore the state", share(drafted), 1.0),
    )
    found = [f"{what}: {percent(value)}, asked for {percent(least)}" for what, value, least in asked if value < least]
    both = any(each.negative for each in scores) and bool(seen)
    for name in baselines.BASELINES if both else ():
        ours, theirs = verdict(scores), verdict([each[name] for each in marks])
        if ours < theirs + BEYOND:
            found.append(f"right in all: {percent(ours)}, and `{name}` {percent(theirs)}")
    return found + _overconfident(scores)


def _overconfident(scores: Sequence[Score]) -> list[str]:
    told = []
    for low, high in BINS:
        found = _bin(scores, low, high)
        mean = sum(each.confidence for each in found) / max(1, len(found))
        right = share([each.right for each in found])
        if len(found) >= ENOUGH and mean > right + OFF:
            told.append(f"confidence {low:.1f} to {high:.1f}: right in {percent(right)}")
    return told


def misses(marks: Sequence[Marks]) -> list[str]:
    """Every case that the analyst did not get right, with what it said."""
    told = []
    for each in (one[ANALYST] for one in marks):
        wrong = [name for name in MARKS if getattr(each, name) is False]
        if each.evidence or each.negative or (each.named and not each.first):
            marked = wrong + (["widens"] if each.widens else [])
            if marked:
                told.append(f"{each.kind}, seed {each.seed}: {', '.join(marked)}. {each.says}")
    return told
