"""The engine beside a hand-written floor: `python -m benchmarks.engine`.

Cases, mixes and the user are those of `benchmarks/workload.py`. Rules kept here:

* answers are checked before anything is timed, the floor's against the engine's;
* a figure is the median of several runs (of each the mean of many calls); the target stands beside it;
* engine and floor take turns, so that a slow minute of the machine falls on both;
* memory, import and load are measured in fresh processes, with compiled bytecode, as an application meets them.

Options: `--quick` (fewer repetitions), `--markdown FILE`, `--json FILE`.
"""

from __future__ import annotations

import argparse
import gc
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from benchmarks import workload
from benchmarks.floor import floor_of
from twokey.engine import Snapshot, apply_patch, diff, evaluate

FLAGS = 1_000
MANY = 10_000
ROOT = Path(__file__).resolve().parents[1]


class Row(NamedTuple):
    """One line of the table: what, in which unit, our figure, the floor's where there is one, and the target."""

    what: str
    unit: str
    ours: float
    floor: float | None = None
    target: float | None = None

    def cells(self) -> tuple[str, ...]:
        floor = "" if self.floor is None else f"{self.floor:.2f}"
        target = "" if self.target is None else f"<= {self.target:g}"
        return self.what, self.unit, f"{self.ours:.2f}", floor, target


def median_of(calls: list[Callable[[], object]], repeat: int, number: int) -> list[float]:
    """Seconds of one call of each, median over the runs; they take turns."""
    runs: list[list[float]] = [[] for _ in calls]
    for _ in range(repeat):
        for call, found in zip(calls, runs, strict=True):
            started = time.perf_counter()
            for _ in range(number):
                call()
            found.append((time.perf_counter() - started) / number)
    return [statistics.median(found) for found in runs]


CASES = {"boolean": 0.25, "rules": 0.8, "rollout": 0.7, "segment": 0.35}
SAYS = {
    "boolean": "1 boolean, on, no rules",
    "rules": "2 three rules, only the last matches",
    "rollout": "3 rollout of 10 % on the user's key",
    "segment": "4 JSON variation, segment of 10,000 users",
}


def calls(repeat: int, number: int) -> list[Row]:
    """Cases 1 to 4: microseconds a call, on a snapshot of 1,000 flags with the 10,000-user segment."""
    document = workload.heavy(FLAGS)
    snapshot, floor = Snapshot.from_json(document), floor_of(document)
    check(snapshot, floor)
    rows = []
    for case, target in CASES.items():
        key = workload.key_of(case, FLAGS)
        ours, bottom = median_of([_one(snapshot, key), _one_of_floor(floor, key)], repeat, number)
        rows.append(Row(SAYS[case], "us", ours * 1e6, bottom * 1e6, target))
    return rows


def _one(snapshot: Snapshot, key: str) -> Callable[[], object]:
    context = workload.CONTEXT
    return lambda: evaluate(snapshot, key, context)


def _one_of_floor(floor: dict[str, Callable[[dict[str, Any]], object]], key: str) -> Callable[[], object]:
    context = workload.CONTEXT
    return lambda: floor[key](context)


def bulks(repeat: int) -> list[Row]:
    """Case 5: milliseconds for all 1,000 flags of one user, and what a fresh snapshot takes for its first ones."""
    rows = []
    for mix, make in workload.MIXES.items():
        document = make(FLAGS)
        snapshot, floor = Snapshot.from_json(document), floor_of(document)
        check(snapshot, floor)
        ours, bottom = median_of([_all(snapshot), _all_of_floor(floor)], repeat, 5)
        rows.append(Row(f"5 all 1,000 flags, {mix}", "ms", ours * 1e3, bottom * 1e3, 1.0))
        first = [cold(document) for _ in range(3)]
        rows.append(
            Row(f"  first bulk of a fresh snapshot, {mix}", "ms", statistics.median(f[0] for f in first), None, 50)
        )
        rows.append(Row(f"  slowest of its first 20, {mix}", "ms", statistics.median(max(f) for f in first), None, 50))
    return rows


def cold(document: dict[str, Any]) -> list[float]:
    """Milliseconds of each of the first 20 bulks, flags being compiled on the way."""
    snapshot = Snapshot.from_json(document)
    ask, took = _all(snapshot), []
    for _ in range(20):
        started = time.perf_counter()
        ask()
        took.append((time.perf_counter() - started) * 1e3)
    return took


def _all(snapshot: Snapshot) -> Callable[[], object]:
    keys, context = list(snapshot.flags), workload.CONTEXT
    return lambda: [evaluate(snapshot, key, context) for key in keys]


def _all_of_floor(floor: dict[str, Callable[[dict[str, Any]], object]]) -> Callable[[], object]:
    keys, context = list(floor), workload.CONTEXT
    return lambda: [floor[key](context) for key in keys]


def check(snapshot: Snapshot, floor: dict[str, Callable[[dict[str, Any]], object]]) -> None:
    """The floor answers what the engine answers, before and after compiling; else nothing is worth timing."""
    for context in (workload.CONTEXT, {**workload.CONTEXT, "targetingKey": "nobody", "version": "1.0.0"}, {}):
        before = {key: evaluate(snapshot, key, context).value for key in snapshot.flags}
        if snapshot.compile():
            raise SystemExit(f"not compiled: {snapshot.compile_failures[:3]}")
        after = {key: evaluate(snapshot, key, context).value for key in snapshot.flags}
        if not before == after == {key: floor[key](context) for key in floor}:
            raise SystemExit("the floor and the engine disagree")


LOAD = """
import json, sys, time
def rss():
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) for line in status if line.startswith("VmRSS")) / 1024
empty = rss()
data = open(sys.argv[1], "rb").read()
text = rss() - empty
from twokey.engine import Snapshot, evaluate
started = time.perf_counter()
snapshot = Snapshot.from_json(data)
load = time.perf_counter() - started
del data
loaded = rss() - empty
context = json.loads(sys.argv[2])
for _ in range(2):
    for key in list(snapshot.flags)[:1000]:
        evaluate(snapshot, key, context)
asked = rss() - empty
snapshot.compile()
print(json.dumps({"load": load, "loaded": loaded, "text": text, "asked": asked, "compiled": rss() - empty}))
"""


def loads(repeat: int) -> list[Row]:
    """Load of 10,000 flags: seconds, and megabytes of the process above an empty one, the engine itself included."""
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        for mix in ("light", "heavy"):
            for form, data in _forms(workload.MIXES[mix](MANY)).items():
                file = Path(folder) / f"{mix}.json"
                file.write_bytes(data)
                found = [fresh(LOAD, str(file), json.dumps(workload.CONTEXT)) for _ in range(repeat)]
                middle = {name: statistics.median(one[name] for one in found) for name in found[0]}
                rows.append(Row(f"load of 10,000 flags, {mix}, {form}", "s", middle["load"], None, 0.3))
                rows.append(Row("  memory above an empty process", "MB", middle["loaded"], None, 40))
            rows.append(Row("  and with 1,000 of them in use", "MB", middle["asked"]))
            rows.append(Row("  and with all of them compiled", "MB", middle["compiled"]))
    return rows


def _forms(document: dict[str, Any]) -> dict[str, bytes]:
    return {"plain JSON": json.dumps(document).encode(), "as published": Snapshot.from_json(document).to_json()}


IMPORT = """
import json, sys, time
import msgspec
started = time.perf_counter()
import twokey.engine
print(json.dumps({"import": (time.perf_counter() - started) * 1e3}))
"""


def imports(repeat: int) -> list[Row]:
    """Milliseconds that `import twokey.engine` takes once msgspec is there."""
    found = [fresh(IMPORT)["import"] for _ in range(repeat + 1)][1:]  # the first one writes the bytecode
    return [Row("import of the engine above msgspec", "ms", statistics.median(found), None, 20)]


def patches(repeat: int) -> list[Row]:
    """Milliseconds to apply a patch of one flag of 10,000, all of them compiled; and to find the difference."""
    rows = []
    for mix in ("light", "heavy"):
        document = workload.MIXES[mix](MANY)
        old = Snapshot.from_json(document)
        old.compile()
        document["revision"] = 2
        document["flags"][MANY // 2]["enabled"] = False
        new = Snapshot.from_json(document)
        patch = diff(old, new)
        gc.collect()
        took = median_of([lambda: apply_patch(old, patch), lambda: diff(old, new)], repeat, 1)  # noqa: B023
        result = apply_patch(old, patch)
        kept = sum(
            result.programs.answers[key] is answer
            for key, answer in old.programs.answers.items()
            if key in result.programs.answers
        )
        if kept != MANY - 1:
            raise SystemExit(f"only {kept} flags stayed compiled")
        rows.append(Row(f"patch of one flag of 10,000, {mix}", "ms", took[0] * 1e3, None, 5))
        rows.append(Row("  finding that patch", "ms", took[1] * 1e3))
    return rows


def fresh(program: str, *arguments: str) -> dict[str, float]:
    """What a program prints that runs in a process of its own, with bytecode kept from one run to the next."""
    kept = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    paths = {"PYTHONPATH": str(ROOT / "src"), "PYTHONPYCACHEPREFIX": str(Path(tempfile.gettempdir()) / "twokey-bench")}
    command = [sys.executable, "-c", program, *arguments]
    done = subprocess.run(command, env=kept | paths, capture_output=True, text=True, check=True)
    found: dict[str, float] = json.loads(done.stdout)
    return found


def table(rows: list[Row]) -> str:
    """The rows as a Markdown table."""
    lines = [("", "unit", "Twokey", "floor", "target"), *(row.cells() for row in rows)]
    widths = [max(len(line[column]) for line in lines) for column in range(5)]
    written = [
        "| " + " | ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)) + " |" for line in lines
    ]
    written.insert(1, "|" + "|".join("-" * (width + 2) for width in widths) + "|")
    return "\n".join(written)


def main() -> None:
    """Measure everything and print one table; the status says whether a target was missed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="fewer repetitions")
    parser.add_argument("--markdown", type=Path, help="write the table to this file")
    parser.add_argument("--json", type=Path, help="write the rows to this file")
    chosen = parser.parse_args()
    repeat, number = (3, 20_000) if chosen.quick else (9, 100_000)
    rows = [*calls(repeat, number), *bulks(repeat * 3), *loads(1 if chosen.quick else 3)]
    rows += [*patches(repeat), *imports(repeat)]
    written = table(rows)
    print(written)
    if chosen.markdown:
        chosen.markdown.write_text(written + "\n", encoding="utf-8")
    if chosen.json:
        chosen.json.write_text(json.dumps([row._asdict() for row in rows], indent=1) + "\n", encoding="utf-8")
    missed = [row.what for row in rows if row.target is not None and row.ours > row.target]
    if missed:
        raise SystemExit(f"missed: {', '.join(missed)}")


if __name__ == "__main__":
    main()
