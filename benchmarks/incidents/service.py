"""A simulated service: an assistant whose behaviour a few dozen flags decide, and who comes to it.

Everything follows from a seed. Flags have surfaces, audiences, histories and guardrails as teams give them; units are
conversations with a plan, a region, a workflow and an account; metrics have base rates that differ by plan and region,
so that cohorts of unequal health are compared.
"""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta

import msgspec

from twokey.domain.control import Control, Kind, Surface, Upkeep
from twokey.domain.guardrail import Guardrail, GuardrailKind
from twokey.engine.flag import Clause, Flag, FlagType, Operator, Rollout, Rule, Segment, SegmentRule, Serve, Variation

PROJECT, ENVIRONMENT = "assistant", "production"
ALERT = datetime(2026, 9, 14, 12, 0, tzinfo=UTC)
"""When the alert of every case begins."""
PLANS, REGIONS, WORKFLOWS = ("free", "pro", "enterprise"), ("eu", "us", "apac"), ("support", "sales", "search")
STAFF = Segment(
    key="internal-staff",
    rules=(SegmentRule(clauses=(Clause(attribute="email", operator=Operator.ENDS_WITH, values=("@our.test",)),)),),
)

GUARDRAILS = {
    "latency": Guardrail(key="p95_latency", metric="latency", kind=GuardrailKind.TAIL, limit=2500, unit_label="ms"),
    "correction": Guardrail(key="corrections", metric="correction", kind=GuardrailKind.RATE, limit=0.12),
    "citation": Guardrail(key="citations", metric="citation", kind=GuardrailKind.RATE, limit=0.06),
    "refusal": Guardrail(key="refusals", metric="refusal", kind=GuardrailKind.RATE, limit=0.08),
    "tool_error": Guardrail(key="tool_errors", metric="tool_error", kind=GuardrailKind.RATE, limit=0.06),
    "cost": Guardrail(key="cost", metric="cost", kind=GuardrailKind.MEAN, limit=1.5, unit_label="cents"),
}
RATES = {"correction": 0.07, "citation": 0.025, "refusal": 0.03, "tool_error": 0.025}
"""Base rates of what fails or not; latency and cost are amounts."""
WATCHED = {
    Surface.PROMPT: ("correction", "citation", "latency"),
    Surface.MODEL: ("latency", "cost", "correction"),
    Surface.RETRIEVAL: ("latency", "citation"),
    Surface.GUARDRAIL: ("refusal", "correction"),
    Surface.AGENT_MODE: ("tool_error", "correction"),
    Surface.TOOL: ("tool_error", "latency"),
    Surface.ROUTE: ("cost", "latency"),
    Surface.FEATURE: ("latency", "correction"),
}
MODES = ("read_only", "approval", "autonomous")


@dataclass(frozen=True)
class Unit:
    """One conversation: when it came, and its context."""

    id: str
    at: datetime
    context: dict[str, str]


@dataclass(frozen=True)
class Edit:
    """A flag as it was from a moment on."""

    at: datetime
    control: Control


@dataclass
class Service:
    """The flags with their histories (oldest edit first), and the workflows in which each is met."""

    chance: random.Random
    edits: dict[str, list[Edit]] = field(default_factory=dict)
    met_in: dict[str, tuple[str, ...]] = field(default_factory=dict)

    def now(self, key: str) -> Control:
        """The flag as it is."""
        return self.edits[key][-1].control

    def edit(self, key: str, at: datetime, control: Control) -> None:
        """Edit a flag; edits are kept by time."""
        self.edits.setdefault(key, []).append(Edit(at, control))
        self.edits[key].sort(key=lambda each: each.at)


FLAGS, MANY = 24, 48
"""Every fourth service has many flags: more than are all measured closely, so that a rough look chooses."""


def make_service(seed: int) -> Service:
    """A service in which nothing is wrong yet."""
    chance = random.Random(seed)
    flags = MANY if seed % 4 == 3 else FLAGS
    places = (1,) if flags == MANY else (1, 2, 3)
    service = Service(chance)
    surfaces = list(WATCHED)
    for number in range(flags):
        surface = surfaces[number % len(surfaces)]
        key = f"{surface.value}_{chance.choice(('answers', 'summary', 'planner', 'triage', 'digest'))}_{number}"
        made = _control(key, surface, chance)
        service.met_in[key] = tuple(sorted(chance.sample(WORKFLOWS, chance.choice(places))))
        created = ALERT - timedelta(days=chance.uniform(3, 30))
        service.edit(key, created, made)
        if chance.random() < 0.5:
            later = created + (ALERT - timedelta(hours=30) - created) * chance.random()
            service.edit(key, later, with_share(made, chance.choice((5, 10, 25, 50))))
    return service


def _control(key: str, surface: Surface, chance: random.Random) -> Control:
    names = MODES if surface is Surface.AGENT_MODE else ("baseline", "candidate")
    share = chance.choice((5, 10, 25, 50))
    rules = [
        _rule(kind, share, names) for kind in chance.choice(((), ("internal",), ("plan",), ("internal", "region")))
    ]
    splits = any(each.serve.rollout for each in rules)
    flag = Flag(
        key=key,
        type=FlagType.STRING,
        enabled=True,
        variations=tuple(Variation(key=name, value=name) for name in names),
        baseline=names[0],
        unit="conversation",
        salt=key,
        rules=tuple(rules),
        otherwise=Serve(variation=names[0]) if splits else _split(share, names),
    )
    return Control(
        flag=flag,
        owner=f"team-{surface.value}",
        purpose="a simulated control",
        surface=surface,
        kind=Kind.TEMPORARY,
        review_date=date(2027, 1, 1),
        cleanup_condition="it serves everyone, or is given up",
        guardrails=tuple(GUARDRAILS[name] for name in WATCHED[surface]),
        caution=MODES if surface is Surface.AGENT_MODE else (),
        upkeep={f"rule:{each.id}": Upkeep(owner="team", review_date=date(2027, 1, 1)) for each in rules},
    )


def _rule(kind: str, share: float, names: Sequence[str]) -> Rule:
    clause, serve = {
        "internal": (
            Clause(attribute="targetingKey", operator=Operator.IN_SEGMENT, values=(STAFF.key,)),
            Serve(variation=names[-1]),
        ),
        "plan": (Clause(attribute="plan", operator=Operator.IN, values=("pro", "enterprise")), _split(share, names)),
        "region": (Clause(attribute="region", operator=Operator.IN, values=("eu", "us")), _split(share, names)),
    }[kind]
    return Rule(id=kind, clauses=(clause,), serve=serve)


def _split(share: float, names: Sequence[str]) -> Serve:
    """That many percent for each variation but the first, the baseline."""
    each = round(share * 1000 / (len(names) - 1))
    others = tuple((name, each) for name in names[1:])
    return Serve(rollout=Rollout(weights=(*others, (names[0], 100_000 - each * len(others)))))


def with_share(control: Control, share: float) -> Control:
    """The control with another share in every split."""
    names = [each.key for each in control.flag.variations]

    def again(serve: Serve) -> Serve:
        return _split(share, names) if serve.rollout else serve

    rules = tuple(msgspec.structs.replace(each, serve=again(each.serve)) for each in control.flag.rules)
    flag = msgspec.structs.replace(control.flag, rules=rules, otherwise=again(control.flag.otherwise))
    return msgspec.structs.replace(control, flag=flag)


# ---------------------------------------------------------------- who comes, and how they fare


def arrivals(chance: random.Random, since: datetime, until: datetime, rate: float) -> list[Unit]:
    """Units that come at a steady rate a minute, most of them of small accounts."""
    count = round((until - since).total_seconds() / 60 * rate)
    units = []
    for number in range(count):
        at = since + (until - since) * (number + chance.random()) / count
        account = f"acct-{min(int(chance.expovariate(0.03)), 199)}"
        name = f"c{chance.getrandbits(40):010x}"
        staff = chance.random() < 0.01
        units.append(
            Unit(
                id=name,
                at=at,
                context={
                    "conversation": name,
                    "targetingKey": name,
                    "plan": chance.choices(PLANS, (5, 3, 2))[0],
                    "region": chance.choices(REGIONS, (4, 4, 2))[0],
                    "workflow": chance.choice(WORKFLOWS),
                    "account": account,
                    "email": f"{name}@our.test" if staff else f"{name}@customer.test",
                },
            )
        )
    return sorted(units, key=lambda each: each.at)


@dataclass
class Fate:
    """What becomes of one unit: factors on its base rates and amounts, 1 where nothing is wrong."""

    factors: dict[str, float] = field(default_factory=dict)

    def worse(self, metric: str, factor: float) -> None:
        """Make a metric worse by a factor."""
        self.factors[metric] = self.factors.get(metric, 1.0) * factor


def measured(unit: Unit, fate: Fate, chance: random.Random) -> dict[str, float]:
    """The unit's metrics. Enterprise asks harder questions, staff try what fails, apac is farther away."""
    hard = 1.7 if unit.context["plan"] == "enterprise" else 1.0
    hard *= 2.0 if unit.context["email"].endswith("@our.test") else 1.0
    far = 1.3 if unit.context["region"] == "apac" else 1.0
    found = {
        name: float(chance.random() < min(0.95, rate * hard * fate.factors.get(name, 1.0)))
        for name, rate in RATES.items()
    }
    found["latency"] = chance.lognormvariate(math.log(850 * far), 0.5) * fate.factors.get("latency", 1.0)
    found["cost"] = chance.gammavariate(2.0, 0.5 * hard) * fate.factors.get("cost", 1.0)
    return found


def moved(unit: Unit, at: datetime) -> Unit:
    """The same unit at another time."""
    return replace(unit, at=at)
