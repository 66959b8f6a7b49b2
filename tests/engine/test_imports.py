"""What the engine brings along: the standard library, msgspec and the hash wheel, and of these as little as it can."""

import json
import subprocess
import sys
from pathlib import Path

PROGRAM = """
import sys
import msgspec, mmh3
before = set(sys.modules)
import twokey.engine
imported = set(sys.modules) - before
from twokey.engine import Snapshot, evaluate, explain
snapshot = Snapshot.from_json(sys.argv[1])
snapshot.compile()
evaluate(snapshot, "f", {"targetingKey": "u"})
explain(snapshot, "f", {"targetingKey": "u"})
print(msgspec.json.encode([sorted(imported), sorted(set(sys.modules) - before)]).decode())
"""
FLAG = {
    "key": "f",
    "type": "boolean",
    "enabled": True,
    "variations": [{"key": "on", "value": True}, {"key": "off", "value": False}],
    "baseline": "off",
    "otherwise": {"rollout": {"weights": [["on", 50_000], ["off", 50_000]]}},
}
LATE = {
    "ipaddress",
    "decimal",
    "fractions",
    "json",
    "copy",
    "logging",
    "threading",
    "asyncio",
    "inspect",
    "dataclasses",
}
"""Modules that cost a millisecond or more, and that only some callers need or nobody does."""


def modules() -> tuple[set[str], set[str]]:
    document = {"format": "twokey/1", "project": "p", "environment": "e", "revision": 1, "flags": [FLAG]}
    command = [sys.executable, "-c", PROGRAM, json.dumps(document)]
    source = str(Path(__file__).parents[2] / "src")
    done = subprocess.run(command, capture_output=True, text=True, env={"PYTHONPATH": source}, timeout=60)
    assert done.returncode == 0, done.stderr
    imported, used = json.loads(done.stdout)
    return set(imported), set(used)


def test_the_engine_imports_the_standard_library_and_two_wheels() -> None:
    for found in modules():
        roots = {name.partition(".")[0] for name in found}
        assert "twokey" in roots
        assert roots - sys.stdlib_module_names - {"twokey", "msgspec", "mmh3"} == set()


def test_of_twokey_itself_only_the_engine_is_imported() -> None:
    _, used = modules()
    ours = {name for name in used if name.startswith("twokey.")}
    assert {name for name in ours if not name.startswith("twokey.engine")} == set()


def test_what_only_some_callers_need_is_not_imported_at_the_start() -> None:
    imported, _ = modules()
    assert imported & LATE == set()
