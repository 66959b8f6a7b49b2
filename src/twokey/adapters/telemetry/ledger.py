"""Figures that are kept between looks: each look reads what arrived since the last one, not everything again.

Rules kept here:
- an account's sums are over units; when anything of a unit arrives, what the unit had counted for is taken out, and
  what it counts for now is put in, both by the statements of a whole reading: the two cannot disagree;
- what arrived is told by its `arrival`, what had lain in the future by its time; nothing is looked at twice or missed;
- where a stage ended or began, the account is carried on: only units with a row of a later revision are looked at;
- what is about to be deleted is taken out by the same statements; where more goes than stays, or the stages are others
  altogether, the account is read anew;
- squares are summed about a middle of their own; an account that has lost digits by taking out is read anew;
- the displayed quantile comes from buckets a fifth of a percent wide.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import duckdb
import msgspec
from msgspec.structs import replace

from twokey.adapters.telemetry import arms, members, ratios
from twokey.adapters.telemetry.events import Key
from twokey.adapters.telemetry.members import Rows, Split, Values, place
from twokey.adapters.telemetry.schema import LAST, micros
from twokey.adapters.telemetry.sums import Products, Sums
from twokey.domain.guardrail import (
    METHOD_VERSION,
    ArmFigures,
    Guardrail,
    GuardrailKind,
    StageArms,
    each_alone,
    together,
)
from twokey.domain.telemetry import Scope, Window

MOST_TAKEN_OUT = 0.5
"""Where a deletion touches more than this part of the units, reading what stays is less work than taking out."""
FINENESS = 500
"""Buckets of the displayed quantile for each factor of e."""


Sizes = dict[Key, tuple[int, int]]
Measured = dict[tuple[int, Key], arms.Measured]
Pairs = dict[tuple[int, Key], ratios.Found]
Counts = dict[tuple[int, int], int]
Buckets = dict[tuple[int, Key], Counts]


class Reading(msgspec.Struct):
    """What one reading of some rows gave."""

    sizes: Sizes
    measured: Measured
    buckets: Buckets
    pairs: Pairs


class Account(msgspec.Struct):
    """The sums of one question, up to an arrival and a moment."""

    question: Question
    arrival: int
    window: Window
    sizes: dict[Key, list[int]]
    sums: dict[tuple[int, Key], Sums]
    buckets: Buckets
    products: dict[tuple[int, Key], Products] = {}

    def take(self, reading: Reading, sign: int) -> None:
        """Put a reading in (1) or take it out (-1)."""
        for key, (units, fell) in reading.sizes.items():
            size = self.sizes.setdefault(key, [0, 0])
            size[0] += sign * units
            size[1] += sign * fell
        for where, found in reading.measured.items():
            self.sums.setdefault(where, Sums(middle=found[2])).take(found, sign)
        for where, pair in reading.pairs.items():
            self.products.setdefault(where, Products.about(pair)).take(pair, sign)
        for where, counts in reading.buckets.items():
            kept = self.buckets.setdefault(where, {})
            for bucket, events in counts.items():
                kept[bucket] = kept.get(bucket, 0) + sign * events

    @property
    def sound(self) -> bool:
        """Whether every figure still has its digits; else the account has to be read anew."""
        return all(each.sound for kept in (self.sums, self.products) for each in kept.values())

    def figures(self, guardrails: Sequence[Guardrail], split: Split) -> tuple[tuple[StageArms, ...], ...]:
        """Both arms of each plan, for each guardrail."""
        alone = [
            {key: self._arm(number, each, key) for key in self.sizes}
            for number, each in enumerate(each_alone(guardrails))
        ]
        return tuple(arms.staged(split, None, found) for found in together(guardrails, alone))

    def _arm(self, number: int, guardrail: Guardrail, key: Key) -> ArmFigures:
        units, fell = self.sizes[key]
        if guardrail.kind is GuardrailKind.FALLBACK:
            return arms.fallback((units, fell))
        if guardrail.kind is GuardrailKind.RATIO:
            products = self.products.get((number, key))
            return ratios.figures((units, fell), products.found if products else None)
        sums = self.sums.get((number, key))
        if sums is None or not sums.units:
            return arms.figures((units, fell), None, None)
        measured = (sums.units, sums.failures, sums.mean, sums.variance)
        counts = self.buckets.get((number, key))
        return arms.figures((units, fell), measured, quantile(counts, guardrail.quantile) if counts else None)


def quantile(counts: Counts, share: float) -> float:
    """The value below which that share of the events lies, between two neighbours where it falls there."""
    rank = share * (sum(counts.values()) - 1)
    low, high = math.floor(rank), math.ceil(rank)
    seen, below = 0, 0.0
    for value, events in sorted((_value(bucket), events) for bucket, events in counts.items() if events):
        if seen <= low < seen + events:
            below = value
        if seen <= high < seen + events:
            return below + (value - below) * (rank - low)
        seen += events
    return below


def _value(bucket: tuple[int, int]) -> float:
    sign, number = bucket
    return sign * math.exp((number + 0.5) / FINENESS) if sign else 0.0


# ---------------------------------------------------------------- reading


class Question(msgspec.Struct, frozen=True):
    """What an account answers."""

    scope: Scope
    guardrails: tuple[Guardrail, ...]
    split: Split

    @property
    def key(self) -> bytes:
        """What tells it from another; names and titles do not."""
        return msgspec.msgpack.encode((self.line, self.split.plans))

    @property
    def alone(self) -> tuple[Guardrail, ...]:
        """What is measured: its guardrails, each at one limit."""
        return each_alone(self.guardrails)

    @property
    def metrics(self) -> list[str]:
        """Every metric whose events count."""
        return [name for each in self.guardrails for name in (each.metric, each.denominator) if name]

    @property
    def line(self) -> bytes:
        """The same without the stages: questions of one line follow each other as stages end and begin.

        The method belongs to it: an account that an earlier one kept is read anew.
        """
        told = [
            (each.metric, each.denominator, each.kind, float(arms.threshold(each)), each.worse, float(each.quantile))
            for each in self.alone
        ]
        return msgspec.msgpack.encode((METHOD_VERSION, self.scope, told, self.split.baseline, self.split.candidate))

    def since(self, old: Question) -> int | None:
        """The last revision whose rows mean the same to both, where stages have only ended or begun since `old`.

        Nothing where these stages do not follow those.
        """
        ours, theirs = self.split.plans, old.split.plans
        if self.line != old.line or len(ours) < len(theirs):
            return None
        ends = [LAST, *(each.first_revision - 1 for each in ours[len(theirs) :])]
        for new, was in zip(ours, theirs, strict=False):
            if new == was:
                continue
            if was.last_revision is not None or new.last_revision is None:
                return None
            if replace(was, last_revision=new.last_revision) != new:
                return None
            ends.append(new.last_revision)
        return min(ends)


def whole(cursor: duckdb.DuckDBPyConnection, question: Question, window: Window, arrival: int) -> Account:
    """An account read from everything that has arrived."""
    account = Account(question=question, arrival=arrival, window=window, sizes={}, sums={}, buckets={})
    account.take(_read(cursor, question, window, Rows.arrived(arrival), everything=True), 1)
    return account


def bring_up(
    cursor: duckdb.DuckDBPyConnection, account: Account, question: Question, window: Window, arrival: int
) -> None:
    """Bring an account up to what has arrived, to a later end of the window, and to a question that follows its own."""
    same = question.since(account.question)
    span: Values = {
        "same": same,
        "known": account.arrival,
        "arrival": arrival,
        "passed": _end(account.window),
        "end": _end(window),
        "metric": question.metrics,
    }
    for statement in (_touched(moved=same != LAST), *_NEAR):
        values = span | place(question.scope)
        cursor.execute(statement, {name: value for name, value in values.items() if f"${name}" in statement})
    touched, before, named = cursor.execute(_FOUND, {"known": account.arrival}).fetchone() or (False, False, False)
    if touched:
        if before:
            known = Rows.near(account.arrival)
            account.take(_read_few(cursor, account.question, account.window, known, named=named), -1)
        account.take(_read_few(cursor, question, window, Rows.near(arrival), named=named), 1)
    account.question, account.arrival, account.window = question, arrival, window


def forget(cursor: duckdb.DuckDBPyConnection, account: Account, before: int) -> bool:
    """Take out of an account whatever happened before a moment, as if it had never been.

    False where it has to be read anew: most of it goes, or too few digits are left.
    """
    question, known = account.question, account.arrival
    values: Values = place(question.scope) | {"known": known, "arrival": known, "metric": question.metrics}
    cursor.execute(_OLD, {name: value for name, value in (values | {"before": before}).items() if name != "known"})
    (touched,) = cursor.execute("SELECT count(*) FROM touched").fetchone() or (0,)
    if not touched:
        return True
    if touched > MOST_TAKEN_OUT * sum(units for units, _ in account.sizes.values()):
        return False
    for statement in _NEAR:
        cursor.execute(statement, {name: value for name, value in values.items() if f"${name}" in statement})
    account.take(_read(cursor, question, account.window, Rows.near(known)), -1)
    account.take(_read(cursor, question, account.window, Rows.near(known, before)), 1)
    return account.sound


def reaches(account: Account, question: Question, window: Window) -> bool:
    """Whether an account can be brought up to this: time only goes on, and stages only end and begin."""
    return _end(window) >= _end(account.window) and question.since(account.question) is not None


def _end(window: Window) -> int:
    return LAST if window.until is None else micros(window.until)


_OLD = """
CREATE OR REPLACE TEMP TABLE touched AS
SELECT who FROM exposures WHERE happened < $before AND arrival <= $arrival
    AND project = $project AND environment = $environment AND flag = $flag
UNION
SELECT who FROM metrics WHERE happened < $before AND arrival <= $arrival
    AND project = $project AND environment = $environment AND (flag = $flag OR list_contains($metric, metric)
        AND who IN (SELECT who FROM exposures
                    WHERE project = $project AND environment = $environment AND flag = $flag))"""
"""Units of the flag of which something is about to be deleted."""

_HERE = "project = $project AND environment = $environment AND flag = $flag"
_WANTED = "project = $project AND environment = $environment AND (list_contains($metric, metric) OR flag = $flag)"
_CAME = """
SELECT who FROM exposures WHERE arrival > $known AND arrival <= $arrival AND happened < $end AND {here}
UNION
SELECT who FROM exposures WHERE happened >= $passed AND happened < $end AND arrival <= $arrival AND {here}
UNION
SELECT who FROM metrics WHERE arrival > $known AND arrival <= $arrival AND happened < $end AND {wanted}
UNION
SELECT who FROM metrics WHERE happened >= $passed AND happened < $end AND arrival <= $arrival AND {wanted}"""
_MOVED = """
UNION
SELECT who FROM exposures WHERE revision > $same AND happened < $end AND arrival <= $arrival AND {here}
UNION
SELECT who FROM metrics WHERE revision > $same AND happened < $end AND arrival <= $arrival AND {here}"""


def _touched(*, moved: bool) -> str:
    """The statement that finds the units that are looked at again; `moved` where stages have ended or begun."""
    found = (_CAME + _MOVED if moved else _CAME).format(here=_HERE, wanted=_WANTED)
    return "CREATE OR REPLACE TEMP TABLE touched AS" + found


def _near(table: str, columns: str, which: str) -> str:
    return f"""
CREATE OR REPLACE TEMP TABLE near_{table} AS
WITH known AS MATERIALIZED (
    SELECT e.rowid AS place FROM {table} e SEMI JOIN touched USING (who) WHERE e.arrival <= $known
),
near AS (
    SELECT e.* FROM {table} e WHERE e.arrival > $known
    UNION ALL
    SELECT e.* FROM {table} e JOIN known ON e.rowid = known.place
)
SELECT {columns} FROM near WHERE {which} AND arrival <= $arrival"""  # noqa: S608 - assembled from this module's own text


_NEAR = (
    _near("exposures", "who, happened, rule, revision, assigned, served, reason, arrival", _HERE),
    _near(
        "metrics",
        "who, happened, metric, value, flag, variation, rule, revision, arrival, unit_name = 'observation' AS nobody",
        _WANTED,
    ),
)
"""Of everything known, `who` alone is read to find the rows of a few units; of what is new, all of the flag's is taken:
what is none of these units lies in the future, where no question looks. Texts are copied where they are asked for."""


_FOUND = """
SELECT EXISTS (FROM touched),
       EXISTS (SELECT 1 FROM near_exposures WHERE arrival <= $known UNION ALL
               SELECT 1 FROM near_metrics WHERE arrival <= $known),
       EXISTS (SELECT 1 FROM near_metrics WHERE variation IS NOT NULL AND NOT nobody)"""


def _read(
    cursor: duckdb.DuckDBPyConnection, question: Question, window: Window, rows: Rows, *, everything: bool = False
) -> Reading:
    """What these rows say. Of everything, units are gathered in two steps: faster there, and slower for a few."""
    gather = members.by_plans_of_all if everything else members.by_plans
    gather(cursor, question.scope, question.split, window, rows=rows)
    alone = question.alone
    sizes, measured = arms.measure(cursor, question.scope, alone, window, rows)
    tails = [(n, each) for n, each in enumerate(alone) if each.kind is GuardrailKind.TAIL]
    counts = arms.buckets(cursor, question.scope, tails, window, rows, FINENESS)
    return Reading(sizes, measured, counts, ratios.measure(cursor, question.scope, alone, window, rows))


def _read_few(
    cursor: duckdb.DuckDBPyConnection, question: Question, window: Window, rows: Rows, *, named: bool
) -> Reading:
    """The same of few rows, in fewer and shorter statements; `named` where metric events name their variation."""
    members.by_plans(cursor, question.scope, question.split, window, rows=rows, named=named)
    found = arms.measure_at_once(cursor, question.scope, question.alone, window, rows, FINENESS)
    return Reading(*found, ratios.measure(cursor, question.scope, question.alone, window, rows))
