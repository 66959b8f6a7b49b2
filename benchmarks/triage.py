"""From an alert to a drafted proposal, at scale: `python -m benchmarks.triage [--write]`.

An environment of 10,000 flags, each with a rollout and two guardrails, 1,000 of them edited in the last day, and a
million telemetry events of which one flag's candidate does harm. What is timed is what the server does with one alert:
receive it, triage the case, draft the proposal, with the control store (SQLite) and the telemetry on disk.

Options: `--flags N`, `--events N`, `--write` into the docs.
"""

from __future__ import annotations

import argparse
import random
import tempfile
import time
from datetime import date, datetime, timedelta
from pathlib import Path

import duckdb
import msgspec

from benchmarks.report import write_section
from tests.support.world import ENVIRONMENT, PROJECT, World, alert
from twokey.adapters.telemetry import DuckTelemetry
from twokey.adapters.telemetry.schema import micros
from twokey.domain.control import Control, Kind, Surface
from twokey.domain.guardrail import Guardrail, GuardrailKind
from twokey.engine.flag import Flag, FlagType, Rollout, Serve, Variation
from twokey.steps.draft_proposal import draft_from_finding
from twokey.steps.receive_signal import receive
from twokey.steps.triage_case import triage

EDITED = 1_000
MET = 5
"""Flags that one unit meets."""
METRICS = ("latency", "failure", "cost", "correction")
GUILTY = "flag-00007"


def control(number: int) -> Control:
    """A flag that gives half of its units the candidate, with a tail and a rate to be watched."""
    key = f"flag-{number:05d}"
    flag = Flag(
        key=key,
        type=FlagType.BOOLEAN,
        enabled=True,
        variations=(Variation(key="off", value=False), Variation(key="on", value=True)),
        baseline="off",
        unit="account",
        salt=key,
        otherwise=Serve(rollout=Rollout(weights=(("on", 50_000), ("off", 50_000)))),
    )
    return Control(
        flag=flag,
        owner=f"team-{number % 50}",
        purpose="one of very many",
        surface=Surface.FEATURE,
        kind=Kind.TEMPORARY,
        review_date=date(2027, 1, 1),
        cleanup_condition="it is on for everyone",
        guardrails=(
            Guardrail(key="latency", metric="latency", kind=GuardrailKind.TAIL, limit=900, unit_label="ms"),
            Guardrail(key="failures", metric="failure", kind=GuardrailKind.RATE, limit=0.05),
        ),
    )


def edited(control: Control) -> Control:
    """The same after its share was raised."""
    serve = Serve(rollout=Rollout(weights=(("on", 50_001), ("off", 49_999))))
    return msgspec.structs.replace(control, flag=msgspec.structs.replace(control.flag, otherwise=serve))


def edit_some(world: World, flags: int) -> None:
    """Edit as many flags as were edited in a day, the guilty one nearly last."""
    chosen = random.Random(1).sample(range(flags), min(flags, EDITED) - 1)
    keys = [*(f"flag-{number:05d}" for number in chosen if number != 7), GUILTY]
    for number, key in enumerate(keys):
        world.clock.now = START_OF_EDITS + (END_OF_EDITS - START_OF_EDITS) * number / len(keys)
        with world.store.begin() as uow:
            before = uow.flags.state(PROJECT, ENVIRONMENT)
            controls = dict(before.controls) | {key: edited(before.controls[key])}
            after = msgspec.structs.replace(before, controls=controls)
            uow.flags.write(before, after, f"change-{number}", uow.now)


NOON = datetime.fromisoformat("2026-11-02T12:00:00+00:00")
START_OF_EDITS, END_OF_EDITS = NOON - timedelta(hours=20), NOON - timedelta(minutes=40)
FIRST = micros(NOON - timedelta(minutes=30))

_FILL = (
    """
CREATE TEMP TABLE met AS
SELECT DISTINCT u, 'u' || u AS unit, (hash(u)::HUGEINT - 9223372036854775808)::BIGINT AS who,
       CASE WHEN k = 0 AND u % 3 = 0 THEN 7
            ELSE (pow(hash(u, k) % 1000000 / 1000000.0, 2) * $flags)::BIGINT % $flags END AS flag,
       hash(u || '-' || flag) % 2 = 0 AS ours, $first + (hash(u) % 1500000000)::BIGINT AS happened
FROM range($units) units(u), range($met) times(k)""",
    """
INSERT INTO exposures
SELECT 'support', 'production', 'flag-' || lpad(met.flag::VARCHAR, 5, '0'), NULL,
       coalesce(revisions.revision, 1), CASE WHEN ours THEN 'on' ELSE 'off' END,
       CASE WHEN ours THEN 'on' ELSE 'off' END, unit, 'account', who, happened, 'SPLIT',
       '{"plan":"' || CASE u % 3 WHEN 0 THEN 'free' WHEN 1 THEN 'pro' ELSE 'enterprise' END
           || '","region":"' || CASE u % 2 WHEN 0 THEN 'eu' ELSE 'us' END || '"}', 1
FROM met LEFT JOIN revisions ON revisions.flag = 'flag-' || lpad(met.flag::VARCHAR, 5, '0')""",
    """
INSERT INTO metrics
SELECT 'support', 'production', m, CASE m
           WHEN 'failure' THEN (hash(u, j, m) % 100 < CASE WHEN harmed THEN 12 ELSE 2 END)::INTEGER
           WHEN 'latency' THEN 100 + hash(u, j, m) % CASE WHEN harmed THEN 1400 ELSE 820 END
           ELSE hash(u, j, m) % 100 END,
       'u' || u, 'account', (hash(u)::HUGEINT - 9223372036854775808)::BIGINT,
       $first + (hash(u) % 1500000000)::BIGINT + 1000000 * (j + 1), NULL, NULL, NULL, NULL, '{}', 1
FROM range($units) units(u), range($each) numbers(j), (SELECT unnest($names::VARCHAR[]) AS m),
     (SELECT u AS known, bool_or(flag = 7 AND ours) AS harmed FROM met GROUP BY u) harm
WHERE harm.known = u""",
)


def fill(file: Path, flags: int, events: int, revisions: dict[str, int]) -> None:
    """Write the telemetry: a fifth exposures, the rest metric events, as fast as the engine can make them."""
    units = events // 25
    values = {"units": units, "flags": flags, "met": MET, "first": FIRST, "each": 20 // len(METRICS)}
    with duckdb.connect(str(file)) as connection:
        connection.execute(
            "CREATE TEMP TABLE revisions AS SELECT unnest(?) AS flag, unnest(?) AS revision",
            [list(revisions), list(revisions.values())],
        )
        for statement in _FILL:
            used = {key: value for key, value in values.items() if f"${key}" in statement}
            more = {"names": list(METRICS)} if "$names" in statement else {}
            connection.execute(statement, used | more)


def measure(flags: int, events: int) -> dict[str, float]:
    """Seconds of each part, and whether the right flag was named."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "telemetry.duckdb"
        DuckTelemetry(file).close()
        world = World(Path(folder), *(control(number) for number in range(flags)))
        world.telemetry.close()
        edit_some(world, flags)
        with world.store.read() as uow:
            state = uow.flags.state(PROJECT, ENVIRONMENT)
        fill(file, flags, events, {key: each.flag.revision for key, each in state.controls.items()})
        world.telemetry = DuckTelemetry(file)
        world.clock.now = NOON
        try:
            return _timed(world)
        finally:
            world.close()


def _timed(world: World) -> dict[str, float]:
    marks = [time.perf_counter()]
    noticed = alert("LatencyHigh", at=NOON - timedelta(minutes=2))
    (received,) = receive(world.store, world.service, PROJECT, ENVIRONMENT, [noticed])
    marks.append(time.perf_counter())
    finding = triage(world.store, world.telemetry, received.case or "")
    marks.append(time.perf_counter())
    assert finding is not None
    print(finding.summary)
    proposal = draft_from_finding(world.store, world.telemetry, finding.id)
    marks.append(time.perf_counter())
    assert proposal is not None
    assert finding.suspects[0].flag == GUILTY, finding.suspects
    names = ("receive", "triage", "draft")
    return {name: marks[at + 1] - marks[at] for at, name in enumerate(names)} | {"all": marks[-1] - marks[0]}


def main() -> None:
    """Measure, print, and write where asked to."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--flags", default="100,1000,10000")
    parser.add_argument("--events", type=int, default=1_000_000)
    parser.add_argument("--write", action="store_true")
    chosen = parser.parse_args()
    lines = ["| flags | receive | triage | draft | from alert to draft |", "|---|---|---|---|---|"]
    for flags in map(int, chosen.flags.split(",")):
        took = measure(flags, chosen.events)
        lines.append(f"| {flags:,} | " + " | ".join(f"{each:.2f} s" for each in took.values()) + " |")
    print("\n".join(lines))
    if chosen.write:
        write_section("triage", "\n".join(lines))


if __name__ == "__main__":
    main()
