"""What is wrong in a case, known because it was made: a guilty flag, or something that no flag does.

Each cause prepares the service (edits, decoys, changes elsewhere), says what traffic comes, and what becomes of each
unit. `truth` is what an assistant should say.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import msgspec

from benchmarks.incidents.service import (
    ALERT,
    PLANS,
    REGIONS,
    WORKFLOWS,
    Fate,
    Service,
    Unit,
    arrivals,
    measured,
    with_share,
)
from twokey.domain.control import Surface
from twokey.domain.signal import SignalStatus
from twokey.engine.flag import Prerequisite, Rollout, Serve
from twokey.engine.wire import ChangeEvent, ChangeKind

LOOK = ALERT + timedelta(minutes=12)
"""When the assistant looks; telemetry until then has arrived."""
START = ALERT - timedelta(minutes=110)
RATE = 55.0
"""Units a minute of a service that is neither quiet nor busy."""
QUIET, BUSY = 0.5, 1.2
"""Services differ in traffic: so many times that rate."""
MILD = 0.4
"""Harm differs in size: at least that part of what its kind can do, so that some of it is too weak to be seen yet."""

Served = Mapping[str, str]
"""What each flag that the unit met assigned it."""


@dataclass(frozen=True)
class Truth:
    """Whose doing it is. No flags: nobody's, and an assistant should abstain.

    `variation` is the harmful one where a flag has several candidates; `cohort` is where the harm is confined to;
    `at_most` is a cohort that may be narrowed without being wrong (planted evidence). `blunt`: no single rule can tell
    the harm from what is well beside it, so that the candidate may be taken from all of its units.
    """

    flags: tuple[str, ...] = ()
    variation: str | None = None
    cohort: tuple[str, str] | None = None
    at_most: tuple[str, str] | None = None
    blunt: bool = False


@dataclass
class Incident:
    """One case, ready to be played."""

    kind: str
    seed: int
    service: Service
    truth: Truth
    metric: str
    harm: Callable[[Unit, Served, Fate], None]
    harmed: Callable[[Unit, Served], bool]
    rate: Callable[[datetime], float] = lambda _: RATE
    changes: list[ChangeEvent] = field(default_factory=list)
    busy: float = 1.0
    alerts: tuple[tuple[timedelta, SignalStatus], ...] = ((timedelta(0), SignalStatus.FIRING),)

    def comes(self, chance: random.Random) -> list[Unit]:
        """Everybody who comes until the assistant looks, minute by minute."""
        units: list[Unit] = []
        at = START
        while at < LOOK:
            until = min(LOOK, at + timedelta(minutes=1))
            units += arrivals(chance, at, until, self.busy * self.rate(at))
            at = until
        return units

    def measures(self, unit: Unit, served: Served, chance: random.Random) -> dict[str, float]:
        """How one of them fares, with what it was served."""
        fate = Fate()
        self.harm(unit, served, fate)
        return measured(unit, fate, chance)


def make(kind: str, seed: int, service: Service) -> Incident:
    """The incident of that kind and seed, among decoys: edits near the alert, accepted costs, and a dependent flag."""
    chance = service.chance
    incident = KINDS[kind](kind, seed, service, chance)
    incident.busy = chance.uniform(QUIET, BUSY)
    guilty = set(incident.truth.flags)
    others = [key for key in service.edits if key not in guilty]
    _accept_costs(incident, [key for key in others if "cost" in _watched(service, key)], chance)
    if guilty and chance.random() < 0.5:
        _depend(service, min(guilty), chance)
    for key in chance.sample(others, chance.randint(2, 5)):
        at = ALERT - timedelta(minutes=chance.uniform(2, 240))
        service.edit(key, at, with_share(service.now(key), chance.choice((5, 10, 25, 50))))
    if incident.changes or chance.random() < 0.3:
        at = ALERT - timedelta(minutes=chance.uniform(20, 300))
        incident.changes.append(ChangeEvent(kind=ChangeKind.DEPLOY, title="v1.9.2", service="billing", at=at))
    return incident


def _watched(service: Service, key: str) -> set[str]:
    return {each.metric for each in service.now(key).guardrails}


def _accept_costs(incident: Incident, flags: list[str], chance: random.Random) -> None:
    """Candidates that cost somewhat more, within the margin that was agreed on: everybody knows, nobody is alarmed."""
    chosen, before = chance.sample(flags, min(2, len(flags))), incident.harm
    for key in chosen:
        at = ALERT - timedelta(days=2, hours=chance.uniform(0, 12))
        incident.service.edit(key, at, with_share(incident.service.now(key), 50))

    def harm(unit: Unit, served: Served, fate: Fate) -> None:
        before(unit, served, fate)
        for key in chosen:
            if served.get(key) == "candidate":
                fate.worse("cost", 1.14)

    incident.harm = harm


def _depend(service: Service, guilty: str, chance: random.Random) -> None:
    """A flag that serves its candidate only to units that have the guilty one's: it looks as bad, and is innocent."""
    parent = service.now(guilty)
    harmful = parent.flag.variations[-1].key
    key = f"{guilty}_extras"
    flag = msgspec.structs.replace(
        parent.flag,
        key=key,
        salt=key,
        rules=(),
        otherwise=Serve(rollout=Rollout(weights=((harmful, 60_000), (parent.flag.baseline, 40_000)))),
        prerequisites=(Prerequisite(flag=guilty, variations=(harmful,)),),
    )
    made = msgspec.structs.replace(parent, flag=flag, upkeep={}, purpose="what comes with it")
    service.met_in[key] = service.met_in[guilty]
    service.edit(key, max(each.at for each in service.edits[guilty]) + timedelta(minutes=chance.uniform(1, 9)), made)


# ---------------------------------------------------------------- a guilty flag

_SURFACE_OF = {
    "bad prompt profile": (Surface.PROMPT, "correction", 2.8),
    "slow reranker": (Surface.RETRIEVAL, "latency", 1.9),
    "costly route": (Surface.ROUTE, "cost", 1.9),
    "over-strict guardrail": (Surface.GUARDRAIL, "refusal", 4.5),
    "agent tool misfire": (Surface.TOOL, "tool_error", 5.0),
    "too autonomous agent": (Surface.AGENT_MODE, "tool_error", 6.0),
}


def _guilty(kind: str, seed: int, service: Service, chance: random.Random) -> Incident:
    return _guilty_of(kind, seed, service, chance, _SURFACE_OF[kind])


def _guilty_of(
    kind: str, seed: int, service: Service, chance: random.Random, what: tuple[Surface, str, float]
) -> Incident:
    surface, metric, factor = what
    flag = _raise_one(service, surface, chance)
    names = [each.key for each in service.now(flag).flag.variations]
    harmful = names[-1]

    def hit(_: Unit, served: Served) -> bool:
        return served.get(flag) == harmful

    truth = Truth(flags=(flag,), variation=harmful if len(names) > 2 else None)
    return Incident(kind, seed, service, truth, metric, _worsens(hit, metric, _size(factor, chance)), hit)


def _size(factor: float, chance: random.Random) -> float:
    """How much worse it makes what it worsens: from a mild case of its kind to the worst."""
    return 1 + (factor - 1) * chance.uniform(MILD, 1.0)


def _during_an_outage(kind: str, seed: int, service: Service, chance: random.Random) -> Incident:
    """A flag does harm, and from then on something makes the same metric worse for everybody."""
    surface, metric, factor = chance.choice(list(_SURFACE_OF.values())[:5])
    incident = _guilty_of(kind, seed, service, chance, (surface, metric, factor))
    began, harm = ALERT - timedelta(minutes=chance.uniform(3, 15)), incident.harm

    def both(unit: Unit, served: Served, fate: Fate) -> None:
        harm(unit, served, fate)
        if unit.at >= began:
            fate.worse(metric, 1.8)

    incident.harm = both
    return incident


def _in_one_cohort(kind: str, seed: int, service: Service, chance: random.Random) -> Incident:
    name, value = {
        "one region": ("region", chance.choice(REGIONS[:2])),
        "one plan": ("plan", chance.choice(PLANS[1:])),
        "one workflow": ("workflow", chance.choice(WORKFLOWS)),
    }[kind]
    surface, metric, factor = chance.choice(
        [each for each in _SURFACE_OF.values() if each[0] is not Surface.AGENT_MODE]
    )
    flag = _raise_one(service, surface, chance, share=50)
    service.met_in[flag] = WORKFLOWS
    baseline = service.now(flag).flag.baseline

    def hit(unit: Unit, served: Served) -> bool:
        return served.get(flag, baseline) != baseline and unit.context[name] == value

    truth = Truth(flags=(flag,), cohort=(name, value))
    return Incident(kind, seed, service, truth, metric, _worsens(hit, metric, _size(factor * 1.4, chance)), hit)


def _interaction(kind: str, seed: int, service: Service, chance: random.Random) -> Incident:
    one = _raise_one(service, Surface.PROMPT, chance, share=50)
    candidates = [key for key in service.edits if service.now(key).surface is Surface.RETRIEVAL]
    other = chance.choice(candidates)
    long_ago = ALERT - timedelta(days=2, hours=chance.uniform(0, 20))
    service.edit(other, long_ago, with_share(service.now(other), 50))
    service.met_in[one] = service.met_in[other] = WORKFLOWS

    def hit(_: Unit, served: Served) -> bool:
        return served.get(one) == "candidate" and served.get(other) == "candidate"

    truth = Truth(flags=(one, other), blunt=True)
    return Incident(kind, seed, service, truth, "latency", _worsens(hit, "latency", _size(2.4, chance)), hit)


def _raise_one(service: Service, surface: Surface, chance: random.Random, share: float = 0) -> str:
    """A flag of that surface whose share is raised shortly before the alert, or (one in five) hours before."""
    flag = chance.choice([key for key in service.edits if service.now(key).surface is surface])
    if with_share(service.now(flag), share or 50) == service.now(flag):  # it had that share already: from a smaller one
        service.edit(flag, ALERT - timedelta(hours=26), with_share(service.now(flag), 5))
    minutes = chance.uniform(15, 60) if chance.random() < 0.8 else chance.uniform(180, 600)
    before = service.now(flag)
    raised = [each for each in (20, 30, 50) if with_share(before, each) != before]
    service.edit(flag, ALERT - timedelta(minutes=minutes), with_share(before, share or chance.choice(raised)))
    return flag


def _worsens(hit: Callable[[Unit, Served], bool], metric: str, factor: float) -> Callable[[Unit, Served, Fate], None]:
    def harm(unit: Unit, served: Served, fate: Fate) -> None:
        if hit(unit, served):
            fate.worse(metric, factor)

    return harm


# ---------------------------------------------------------------- nobody's doing


def _never(_: Unit, __: Served) -> bool:
    return False


def _everywhere(kind: str, seed: int, service: Service, chance: random.Random) -> Incident:
    """An outage (of one region, at times), a deploy, a load spike or a drift: both arms of every flag meet it alike."""
    metric = {"outage": "tool_error", "deploy": "latency", "load": "latency", "drift": "correction"}[kind]
    factor = {"outage": 6.0, "deploy": 1.7, "load": 1.6, "drift": 1.8}[kind]
    began = ALERT - timedelta(minutes=chance.uniform(3, 15))
    where = chance.choice(REGIONS) if kind == "outage" and chance.random() < 0.4 else None

    def harm(unit: Unit, _: Served, fate: Fate) -> None:
        if where is not None and unit.context["region"] != where:
            return
        if kind == "drift":
            fate.worse(metric, 1 + (factor - 1) * (unit.at - START) / (LOOK - START))
        elif unit.at >= began:
            fate.worse(metric, factor)

    incident = Incident(kind, seed, service, Truth(), metric, harm, _never)
    if kind == "deploy":
        at = began - timedelta(minutes=2)
        incident.changes.append(ChangeEvent(kind=ChangeKind.DEPLOY, title="v2.0.0", service="assistant-api", at=at))
    if kind == "load":
        incident.rate = lambda at: 3 * RATE if at >= began else RATE
    return incident


def _flapping(kind: str, seed: int, service: Service, chance: random.Random) -> Incident:
    """An alert that comes and goes; in half of the cases the metric does so as well, for everybody."""
    metric, swings = chance.choice(("latency", "correction")), chance.random() < 0.5
    span = timedelta(minutes=chance.uniform(2, 5))
    firings = chance.randint(2, 5)

    def harm(unit: Unit, _: Served, fate: Fate) -> None:
        ago = (ALERT - unit.at) / span
        if swings and ago < 2 * firings and int(ago // 1) % 2:
            fate.worse(metric, 1.5)

    alerts = [
        (-span * number, SignalStatus.RESOLVED if number % 2 else SignalStatus.FIRING)
        for number in range(2 * firings, -1, -1)
    ]
    return Incident(kind, seed, service, Truth(), metric, harm, _never, alerts=tuple(alerts))


def _poisoned(kind: str, seed: int, service: Service, chance: random.Random) -> Incident:
    """One account's owner makes many conversations, and lets those fail that were given one flag's candidate."""
    flag = _raise_one(service, chance.choice((Surface.PROMPT, Surface.TOOL, Surface.GUARDRAIL)), chance, share=50)
    metric = {Surface.PROMPT: "correction", Surface.TOOL: "tool_error", Surface.GUARDRAIL: "refusal"}[
        service.now(flag).surface
    ]
    account = f"acct-{chance.randint(0, 5)}"
    baseline = service.now(flag).flag.baseline

    def harm(unit: Unit, served: Served, fate: Fate) -> None:
        if unit.context["account"] == account and served.get(flag, baseline) != baseline:
            fate.worse(metric, 1000.0)

    return Incident(kind, seed, service, Truth(at_most=("account", account)), metric, harm, _never)


Maker = Callable[[str, int, Service, random.Random], Incident]
GUILTY: dict[str, Maker] = {
    **dict.fromkeys(_SURFACE_OF, _guilty),
    "one region": _in_one_cohort,
    "one plan": _in_one_cohort,
    "one workflow": _in_one_cohort,
    "interaction of two flags": _interaction,
    "a bad flag during an outage": _during_an_outage,
}
NEGATIVE: dict[str, Maker] = {
    **dict.fromkeys(("outage", "load", "deploy", "drift"), _everywhere),
    "flapping alert": _flapping,
    "planted evidence": _poisoned,
}
KINDS = GUILTY | NEGATIVE
