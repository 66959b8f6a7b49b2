"""Real requests of a shop under injected faults (IntelligentDDS/Nezha, MIT), from the shared data.

A fault is injected for about three minutes. `normal` leaves out every request near a fault; `during` gives the requests
of one fault's window. Which pairs of fault and route really slow down is listed in `SLOW`: looked up in the data once,
by medians, so that a test has a truth to find.
"""

from __future__ import annotations

import csv
import gzip
import json
import os
from functools import cache
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).resolve().parents[2]
DAYS = ("2022-08-22", "2022-08-23")
WINDOW_MS = 180_000
AROUND_MS = 240_000


SLOW = (
    ("2022-08-22", "network_delay", "recommendationservice", "3"),
    ("2022-08-22", "cpu_contention", "recommendationservice", "3"),
    ("2022-08-23", "network_delay", "productcatalogservice", "3"),
    ("2022-08-23", "network_delay", "recommendationservice", "3"),
)
"""Day, kind and service of faults that made a route much slower (medians 4 to 7 times the normal one)."""

CALM = (
    ("2022-08-22", "network_delay", "shippingservice", "3"),
    ("2022-08-22", "cpu_contention", "shippingservice", "3"),
    ("2022-08-23", "cpu_contention", "paymentservice", "3"),
)
"""Faults in a service that the route does not call: nothing changed for it."""


class Request(NamedTuple):
    """One request: when (epoch milliseconds), how long (microseconds), which route (a number in `routes.json`)."""

    at_ms: int
    duration_us: int
    route: str


class Fault(NamedTuple):
    """One injected fault."""

    at_ms: int
    kind: str
    pod: str


def folder() -> Path | None:
    """The folder of the data, None where it is absent."""
    home = Path(os.environ.get("TWOKEY_SHARED") or ROOT.parent / "shared")
    found = home / "data" / "nezha"
    return found if found.exists() else None


def required() -> Path:
    """The folder of the data; skips the test where it is absent."""
    found = folder()
    if found is None:
        pytest.skip("needs the shared data `data/nezha`: set TWOKEY_SHARED to the folder that holds it")
    return found


@cache
def requests(home: Path, day: str | None = None) -> tuple[Request, ...]:
    """All requests of one day (or both), oldest first."""
    found: list[Request] = []
    for each in DAYS if day is None else (day,):
        with gzip.open(home / f"requests_{each}.csv.gz", "rt") as lines:
            found += [Request(int(row["t_ms"]), int(row["duration_us"]), row["route"]) for row in csv.DictReader(lines)]
    return tuple(sorted(found))


@cache
def faults(home: Path, day: str | None = None) -> tuple[Fault, ...]:
    """All faults of one day (or both), oldest first."""
    found: list[Fault] = []
    for each in DAYS if day is None else (day,):
        for fault in json.loads((home / f"faults_{each}.json").read_text()):
            found.append(Fault(int(fault["inject_timestamp"]) * 1000, fault["inject_type"], fault["inject_pod"]))
    return tuple(sorted(found))


@cache
def normal(home: Path, day: str | None = None, route: str | None = None) -> tuple[Request, ...]:
    """Requests far from every fault, oldest first."""
    starts = [each.at_ms for each in faults(home, day)]
    return tuple(
        each
        for each in requests(home, day)
        if (route is None or each.route == route)
        and not any(start - 30_000 <= each.at_ms < start + AROUND_MS for start in starts)
    )


def during(home: Path, fault: Fault, route: str | None = None) -> tuple[Request, ...]:
    """Requests that started while a fault was active, oldest first."""
    return tuple(
        each
        for each in requests(home)
        if fault.at_ms <= each.at_ms < fault.at_ms + WINDOW_MS and (route is None or each.route == route)
    )


def fault(home: Path, day: str, kind: str, service: str) -> Fault:
    """The fault of that day, kind and service."""
    return next(each for each in faults(home, day) if each.kind == kind and each.pod.startswith(service))
