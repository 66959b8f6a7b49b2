"""Our engine and its peers on the same flags, in one run: `python -m benchmarks.against_peers`.

Each contestant runs in a process of its own, the peers in environments of their own (made below `.bench/` when they
are missing, from pinned requirements). Rules kept here:

* answers are checked before anything is timed; who answers wrongly is reported and not timed;
* the contestants are asked in turns of a tenth of a second, round after round, so that drift meets all alike; the
  median of the rounds counts, and the ratios more than the figures;
* who has spent six seconds on one column is asked no more, and has at least one round;
* a figure that could not be had is a dash in its cell, and the reason stands below the tables;
* load, memory and import are measured once, each in a fresh process, with a limit of four minutes and 10 GB.

Options: `--quick` (few rounds), `--only posthog unleash` (these modules of `benchmarks.peers`), `--write` (into
docs/performance.md, with the chart; of all contestants only).
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from benchmarks import report, workload
from benchmarks.chart import bars

ROOT = Path(__file__).resolve().parents[1]
ENVIRONMENTS = ROOT / ".bench" / "environments"
REQUIREMENTS = ROOT / "benchmarks" / "peers" / "requirements"
CHART = ROOT / "docs" / "performance-engine.svg"
COUNT, MANY = 1_000, 10_000
TURN, PATIENCE, LIMIT = 0.1, 6.0, 240


class Contestant(NamedTuple):
    """A module of `benchmarks.peers`, what it is called in the table, and its environment (ours, where it is empty)."""

    module: str
    name: str
    environment: str = ""

    @property
    def python(self) -> Path:
        """The interpreter of its environment."""
        return ENVIRONMENTS / self.environment / "bin" / "python" if self.environment else Path(sys.executable)


TWOKEY, FASTEST = "Twokey", "statsig-python-core 0.24 (Rust)"
CONTESTANTS = (
    Contestant("floor", "floor: written by hand"),
    Contestant("twokey", TWOKEY),
    Contestant("statsig", FASTEST, "statsig"),
    Contestant("growthbook", "growthbook", "growthbook"),
    Contestant("flagsmith", "flagsmith-flag-engine", "flagsmith"),
    Contestant("launchdarkly", "launchdarkly-server-sdk", "launchdarkly"),
    Contestant("posthog", "posthog, local evaluation", "posthog"),
    Contestant("featbit", "fb-python-sdk (FeatBit)", "featbit"),
    Contestant("unleash", "UnleashClient", "unleash"),
    Contestant("flagd", "openfeature-provider-flagd, through the client", "flagd"),
    Contestant("gofeatureflag", "gofeatureflag (WebAssembly), through the client", "gofeatureflag"),
    Contestant("openfeature_client", "OpenFeature client, constant provider"),
    Contestant("openfeature_memory", "OpenFeature client, InMemoryProvider"),
    Contestant("twokey_openfeature", "OpenFeature client, TwokeyProvider"),
)


class Column(NamedTuple):
    """One thing that is timed: its heading, the mix, what is asked, the unit per microsecond, and our target."""

    heading: str
    mix: str
    what: str
    scale: float
    target: float


COLUMNS = (
    Column("1 boolean, us", "light", "boolean", 1, 0.25),
    Column("2 three rules, us", "light", "rules", 1, 0.8),
    Column("3 rollout, us", "light", "rollout", 1, 0.7),
    Column("4 JSON, segment of 10,000, us", "heavy", "segment", 1, 0.35),
    Column("5 all 1,000, light, ms", "light", "all", 1e-3, 1.0),
    Column("5 heavy, ms", "heavy", "all", 1e-3, 1.0),
    Column("5 rollouts only, ms", "rollouts", "all", 1e-3, 1.0),
)
MIXES = {"light": workload.light, "heavy": workload.heavy, "rollouts": workload.rollouts}


class Process:
    """A contestant that answers lines of JSON."""

    def __init__(self, contestant: Contestant) -> None:
        command = [str(contestant.python), "-m", "benchmarks.peers.runner", contestant.module, "serve"]
        self._process = subprocess.Popen(
            command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        )

    def ask(self, **question: Any) -> dict[str, Any]:
        """Its answer; `error` says what went wrong."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        try:
            self._process.stdin.write(json.dumps(question) + "\n")
            self._process.stdin.flush()
        except BrokenPipeError:
            return {"error": "the process ended"}
        line = self._process.stdout.readline()
        answer: dict[str, Any] = json.loads(line) if line else {"error": "the process ended"}
        return answer

    def end(self) -> None:
        """No more questions."""
        self._process.kill()
        self._process.wait()


def prepare(contestant: Contestant) -> str:
    """Make its environment, if there is none; what went wrong, or nothing."""
    if contestant.python.exists():
        return ""
    home, pins = ENVIRONMENTS / contestant.environment, REQUIREMENTS / f"{contestant.environment}.txt"
    uv = Path(sys.executable).parent / "uv"
    install = [uv, "pip", "install", "--quiet", "--require-hashes", "--python", contestant.python, "-r", pins]
    for command in ([uv, "venv", "--quiet", home], install):
        done = subprocess.run([str(each) for each in command], check=False, cwd=ROOT, capture_output=True, text=True)
        if done.returncode:
            return f"could not be installed: {done.stderr.strip()[-200:]}"
    return ""


def _once(contestant: Contestant, *arguments: str) -> dict[str, Any]:
    command = [str(contestant.python), "-m", "benchmarks.peers.runner", contestant.module, *arguments]
    try:
        done = subprocess.run(command, check=False, cwd=ROOT, capture_output=True, text=True, timeout=LIMIT)
    except subprocess.TimeoutExpired:
        return {"error": f"took longer than {LIMIT} s"}
    lines = done.stdout.splitlines()
    answer: dict[str, Any] = json.loads(lines[-1]) if lines else {"error": done.stderr.strip()[-200:]}
    return answer


class Run:
    """One run: documents and payloads below `folder`, and what was found."""

    def __init__(self, folder: Path, rounds: int, contestants: Sequence[Contestant] = CONTESTANTS) -> None:
        self.folder, self.rounds = folder, rounds
        self.found: dict[str, dict[Column, float]] = {each.name: {} for each in contestants}
        self.footprints: dict[str, dict[str, Any]] = {}
        self.troubles: list[str] = []
        self.ready = [each for each in contestants if not self._trouble(each.name, prepare(each))]

    def _trouble(self, where: str, problem: str) -> bool:
        if problem:
            self.troubles.append(f"{where}: {problem}")
        return bool(problem)

    def document(self, mix: str, count: int) -> Path:
        """The mix as a file."""
        file = self.folder / f"{mix}-{count}.json"
        if not file.exists():
            file.write_text(json.dumps(MIXES[mix](count)), "utf-8")
        return file

    def payload(self, contestant: Contestant, mix: str, count: int) -> Path | None:
        """The mix in the contestant's own format."""
        file = self.folder / f"{contestant.module}-{mix}-{count}.json"
        answer = _once(contestant, "translate", str(self.document(mix, count)), str(file))
        return None if self._trouble(f"{contestant.name}, {mix} mix", answer.get("error", "")) else file

    def time(self, mix: str) -> None:
        """Time the columns of one mix, in turns."""
        running = self._started(mix)
        for column in COLUMNS:
            if column.mix == mix:
                self.time_column(column, running)
        for process in running.values():
            process.end()

    def _started(self, mix: str) -> dict[str, Process]:
        running = {}
        for each in self.ready:
            if payload := self.payload(each, mix, COUNT):
                process = Process(each)
                loaded = process.ask(do="load", document=str(self.document(mix, COUNT)), payload=str(payload))
                if self._trouble(f"{each.name}, {mix} mix", loaded.get("error", "")):
                    process.end()
                else:
                    running[each.name] = process
        return running

    def time_column(self, column: Column, running: Mapping[str, Process]) -> None:
        """Ask everybody, round after round; one failure costs the whole figure, for the rest may be no better."""
        taken: dict[str, list[float]] = {name: [] for name in running}
        spent = dict.fromkeys(running, 0.0)
        for _ in range(self.rounds):
            for name in [each for each in taken if spent[each] <= PATIENCE]:
                started = time.perf_counter()
                answer = running[name].ask(do="time", what=column.what, count=COUNT, seconds=TURN)
                spent[name] += time.perf_counter() - started
                if self._trouble(f"{name}, {column.heading}", answer.get("error", "")):
                    del taken[name]
                else:
                    taken[name].append(answer["us"] * column.scale)
        for name, each_round in taken.items():
            self.found[name][column] = statistics.median(each_round)

    def footprint(self, contestant: Contestant) -> None:
        """Load, memory and import, each in a fresh process."""
        row: dict[str, Any] = {}
        for mix in ("light", "heavy"):
            payload = self.payload(contestant, mix, MANY)
            answer = _once(contestant, "load", str(payload)) if payload else {"error": "no payload"}
            row[f"{mix}_s"], row[f"{mix}_mb"] = answer.get("load_s"), answer.get("memory_mb")
            self._trouble(f"{contestant.name}, 10,000 flags, {mix} mix", answer.get("error", ""))
        row["import_ms"] = _once(contestant, "import").get("import_ms")
        self.footprints[contestant.name] = row

    def _shown(self, value: float | None) -> str:
        return "-" if value is None else f"{value:.2f}" if value < 10 else f"{value:,.0f}"

    def timings(self) -> str:
        """The first table, our ratios and targets below it."""
        lines = ["| | " + " | ".join(each.heading for each in COLUMNS) + " |", "|---|" + "---:|" * len(COLUMNS)]
        for name, row in self.found.items():
            cells = " | ".join(self._shown(row.get(each)) for each in COLUMNS)
            lines.append(f"| {f'**{name}**' if name == TWOKEY else name} | {cells} |")
        return "\n".join([*lines, *self._verdicts(self.found.get(TWOKEY, {}), self.found.get(FASTEST, {}))])

    def _verdicts(self, ours: Mapping[Column, float], theirs: Mapping[Column, float]) -> list[str]:
        if not ours:
            return []
        met = [("met" if ours[each] <= each.target else "missed") if each in ours else "-" for each in COLUMNS]
        targets = (f"{each.target} ({verdict})" for each, verdict in zip(COLUMNS, met, strict=True))
        lines = ["| target for Twokey | " + " | ".join(targets) + " |"]
        times = [f"{theirs[each] / ours[each]:.1f}" if each in ours and each in theirs else "-" for each in COLUMNS]
        return [*lines, "| times as fast as statsig's Rust core | " + " | ".join(times) + " |"] if theirs else lines

    def sizes(self) -> str:
        """The second table."""
        lines = [
            "| 10,000 flags | load light, s | load heavy, s | memory light, MB | memory heavy, MB | import, ms |",
            "|---|---:|---:|---:|---:|---:|",
        ]
        keys = ("light_s", "heavy_s", "light_mb", "heavy_mb", "import_ms")
        for name, row in self.footprints.items():
            lines.append(f"| {name} | " + " | ".join(self._shown(row[key]) for key in keys) + " |")
        return "\n".join(lines)

    def told(self) -> str:
        """What could not be measured, and why."""
        return "\n".join(f"- {each}" for each in dict.fromkeys(self.troubles))


def options(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """What is asked for; a report of a few contestants would not be one."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--only", nargs="+", choices=[each.module for each in CONTESTANTS], metavar="MODULE")
    parser.add_argument("--write", action="store_true")
    asked = parser.parse_args(arguments)
    if asked.only and asked.write:
        parser.error("--write reports all contestants: leave --only out")
    return asked


def main() -> None:
    """Run it."""
    asked = options()
    chosen = [each for each in CONTESTANTS if not asked.only or each.module in asked.only]
    with tempfile.TemporaryDirectory() as folder:
        run = Run(Path(folder), 3 if asked.quick else 9, chosen)
        print(f"load {os.getloadavg()[0]:.1f}, {len(run.ready)} contestants", flush=True)
        for mix in MIXES:
            run.time(mix)
        for each in run.ready if not asked.quick else ():
            if not each.module.startswith("openfeature") and each.module != "floor":
                run.footprint(each)
    text = "\n\n".join(each for each in (run.timings(), run.sizes() if run.footprints else "", run.told()) if each)
    print(text)
    if asked.write:
        report.write_section("engine", text)
        series = {name: [row.get(each) for each in COLUMNS[:4]] for name, row in run.found.items()}
        CHART.write_text(bars([each.heading for each in COLUMNS[:4]], series, TWOKEY), "utf-8")


if __name__ == "__main__":
    main()
