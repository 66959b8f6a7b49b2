"""Cases made of real requests: a shop under injected faults (IntelligentDDS/Nezha), from the shared data.

A dozen flags decide how the shop answers; one of them is rolled out to half of the requests. Whoever it gives its
candidate gets a request that was measured while a fault was active, everybody else one of the same route that was
measured far from any fault: the fault is the change. Decoys are edited before and after. Where nothing is any flag's
doing both arms get normal requests, or both get those of the fault.

Whether a route feels a fault is looked up in the data (`felt`): nobody made it up, and many faults are not felt at all.
Seeds below 1,000 take their faults and requests from the first day, others from the second.
"""

from __future__ import annotations

import math
import random
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from functools import cache
from pathlib import Path

import msgspec

from benchmarks.incidents.causes import LOOK, START, Incident, Served, Truth
from benchmarks.incidents.service import ALERT, Edit, Service, Unit, with_share
from tests.support import nezha
from twokey.domain.control import Control, Kind, Surface
from twokey.domain.guardrail import Guardrail, GuardrailKind
from twokey.engine import Snapshot, evaluate
from twokey.engine.flag import Flag, FlagType, Rollout, Serve, Variation
from twokey.engine.wire import ChangeEvent, ChangeKind

HELD_OUT = 1_000
LEAST = 100
"""A fault with fewer requests in its window is left out."""
FELT, FELT_ERRORS = 0.1, 4.0
"""A route feels a fault where so many more of its requests are slow, and by so many standard errors."""
BEFORE = 0.4
"""The part of the normal requests that come before anything is rolled out."""
FLAGS = 12
SURFACES = (Surface.FEATURE, Surface.ROUTE, Surface.RETRIEVAL, Surface.MODEL)

GUILTY = ("a fault behind one flag",)
NEGATIVE = ("no fault at all", "a fault for everybody")
KINDS = GUILTY + NEGATIVE


@dataclass
class ShopIncident(Incident):
    """A case whose units and figures are real requests."""

    units: list[Unit] = field(default_factory=list)
    took: dict[str, float] = field(default_factory=dict)

    def comes(self, chance: random.Random) -> list[Unit]:
        """The requests, in the order in which they come."""
        return self.units

    def measures(self, unit: Unit, served: Served, chance: random.Random) -> dict[str, float]:
        """How long the request took, in milliseconds."""
        return {"latency": self.took[unit.id]}


def make(kind: str, seed: int, home: Path) -> ShopIncident:
    """The case of that kind and seed."""
    chance = random.Random(f"{kind}-{seed}")
    day = nezha.DAYS[seed >= HELD_OUT]
    faults = usable(home, day)
    fault = faults[seed % len(faults)]
    service, began = _service(chance, limit(home, day))
    guilty = chance.choice(list(service.edits))
    rolled_out = ALERT - timedelta(minutes=chance.uniform(15, 40))
    now = service.now(guilty)
    service.edits[guilty] = [
        Edit(began, msgspec.structs.replace(now, flag=_serving(now.flag, Serve(variation="baseline")))),
        Edit(rolled_out, with_share(now, chance.choice((40, 50)))),
    ]
    for key in chance.sample([key for key in service.edits if key != guilty], 4):
        at = ALERT - timedelta(minutes=chance.uniform(2, 90))
        service.edit(key, at, with_share(service.now(key), chance.choice((20, 30, 40))))
    routes = felt(home, day, fault) if kind in GUILTY else ()
    spoils = {"a fault behind one flag": ("candidate",), "a fault for everybody": ("candidate", "baseline")}

    def harmed(unit: Unit, served: Served) -> bool:
        return served.get(guilty) == "candidate" and unit.context["route"] in routes

    truth = Truth(
        flags=(guilty,) if kind in GUILTY else (),
        cohort=("route", routes[0]) if len(routes) == 1 else None,
        blunt=len(routes) > 1,
    )
    found = ShopIncident(kind, seed, service, truth, "latency", lambda *_: None, harmed)
    _fill(found, chance, guilty, rolled_out, _Pools(home, day, fault, chance), spoils.get(kind, ()))
    if chance.random() < 0.5:
        at = ALERT - timedelta(minutes=chance.uniform(5, 120))
        found.changes.append(ChangeEvent(kind=ChangeKind.DEPLOY, title="v3.1.0", service="shop", at=at))
    return found


# ---------------------------------------------------------------- what the data say


@cache
def usable(home: Path, day: str) -> tuple[nezha.Fault, ...]:
    """The day's faults in whose windows enough requests were measured."""
    return tuple(each for each in nezha.faults(home, day) if len(nezha.during(home, each)) >= LEAST)


@cache
def limit(home: Path, day: str) -> float:
    """Milliseconds that one in twenty normal requests passes: what the team agreed on."""
    durations = sorted(each.duration_us for each in nezha.normal(home, day))
    return durations[len(durations) * 95 // 100] / 1000


@cache
def felt(home: Path, day: str, fault: nezha.Fault) -> tuple[str, ...]:
    """The routes of which far more requests are slow while the fault is active."""
    bar = limit(home, day) * 1000
    ours, theirs = nezha.during(home, fault), nezha.normal(home, day)
    routes = sorted({each.route for each in ours} & {each.route for each in theirs})
    return tuple(route for route in routes if _feels([_slow(each, route, bar) for each in (ours, theirs)]))


def _slow(requests: Sequence[nezha.Request], route: str, bar: float) -> tuple[int, int]:
    mine = [each.duration_us > bar for each in requests if each.route == route]
    return sum(mine), len(mine)


def _feels(both: list[tuple[int, int]]) -> bool:
    (slow, ours), (slows, theirs) = both
    together = (slow + slows + 1) / (ours + theirs + 2)
    error = math.sqrt(together * (1 - together) * (1 / ours + 1 / theirs))
    return slow / ours - slows / theirs > max(FELT, FELT_ERRORS * error)


# ---------------------------------------------------------------- the shop


def _service(chance: random.Random, limit: float) -> tuple[Service, datetime]:
    service, began = Service(chance), ALERT - timedelta(days=9)
    for number in range(FLAGS):
        key = f"shop_{chance.choice(('cart', 'home', 'product', 'quote', 'checkout'))}_{number}"
        service.met_in[key] = ("shop",)
        service.edit(key, began + timedelta(hours=number), _control(key, chance, limit))
    return service, began


def _control(key: str, chance: random.Random, limit: float) -> Control:
    half = Serve(rollout=Rollout(weights=(("candidate", 50_000), ("baseline", 50_000))))
    return Control(
        flag=Flag(
            key=key,
            type=FlagType.STRING,
            enabled=True,
            variations=(Variation(key="baseline", value="baseline"), Variation(key="candidate", value="candidate")),
            baseline="baseline",
            unit="conversation",
            salt=key,
            otherwise=half,
        ),
        owner="team-shop",
        purpose="how the shop answers",
        surface=chance.choice(SURFACES),
        kind=Kind.TEMPORARY,
        review_date=date(2027, 1, 1),
        cleanup_condition="it serves everyone, or is given up",
        guardrails=(
            Guardrail(key="p95_latency", metric="latency", kind=GuardrailKind.TAIL, limit=limit, unit_label="ms"),
        ),
    )


def _serving(flag: Flag, serve: Serve) -> Flag:
    return msgspec.structs.replace(flag, otherwise=serve)


class _Pools:
    """Requests to be handed out, each once: normal ones by route, and those of the fault."""

    def __init__(self, home: Path, day: str, fault: nezha.Fault, chance: random.Random) -> None:
        normal = chance.sample(nezha.normal(home, day), len(nezha.normal(home, day)))
        cut = int(len(normal) * BEFORE)
        self.before, self.after = normal[:cut], _by_route(normal[cut:])
        faulty = nezha.during(home, fault)
        self.faulty = _by_route(chance.sample(faulty, len(faulty)))
        self.mix = Counter(each.route for each in faulty if each.route in self.after)


def _by_route(requests: Sequence[nezha.Request]) -> dict[str, list[nezha.Request]]:
    found: dict[str, list[nezha.Request]] = {}
    for each in requests:
        found.setdefault(each.route, []).append(each)
    return found


def _fill(
    found: ShopIncident, chance: random.Random, guilty: str, rolled_out: datetime, pools: _Pools, spoils: Sequence[str]
) -> None:
    """Give everybody who comes a request: of the fault where what they were assigned is spoilt, else a normal one."""
    given: list[tuple[bool, nezha.Request]] = [(False, each) for each in pools.before]
    names = [f"r{chance.getrandbits(40):010x}" for _ in given]
    rolled = Snapshot.build("shop", "production", 1, [found.service.edits[guilty][-1].control.flag], ())
    most = max(pools.mix, key=lambda route: pools.mix[route])
    while most in pools.mix:
        (route,) = chance.choices(list(pools.mix), list(pools.mix.values()))
        name = f"r{chance.getrandbits(40):010x}"
        arm = evaluate(rolled, guilty, {"conversation": name}).variation
        pool = (pools.faulty if arm in spoils else pools.after)[route]
        if not pool:  # no request is given twice: from here on that route comes no more, in either arm
            del pools.mix[route]
            continue
        given.append((True, pool.pop()))
        names.append(name)
    spans = {False: (START, rolled_out), True: (rolled_out, LOOK)}
    counts = Counter(late for late, _ in given)
    numbers: Counter[bool] = Counter()
    for name, (late, request) in zip(names, given, strict=True):
        since, until = spans[late]
        at = since + (until - since) * (numbers[late] + 0.5) / counts[late]
        numbers[late] += 1
        context = {
            "conversation": name, "targetingKey": name, "route": request.route, "workflow": "shop",
            "email": f"{name}@customer.test",
        }  # fmt: skip
        found.units.append(Unit(id=name, at=at, context=context))
        found.took[name] = request.duration_us / 1000
