"""What a peer is to the runner, and the workload's flags as a translator reads them.

Rules kept here: only the standard library, for it runs in every peer's environment; what is timed is the peer's own
call with a context made beforehand, and turning its answer into a plain value is not.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

Plain = dict[str, Any]
Call = Callable[[], Any]


class Questions(NamedTuple):
    """What the three rules of case 2 ask for."""

    country: str
    plans: list[str]
    suffix: str
    version: str


class Loaded:
    """A peer that holds flags. `contexts` are plain ones, as in the workload."""

    def __init__(self, document: Plain) -> None:
        self.cases = {flag["key"]: case_of(flag) for flag in document["flags"]}

    def ask(self, key: str, context: Plain) -> Call:
        """The call that asks for one flag; everything that can be prepared is."""
        raise NotImplementedError

    def ask_all(self, context: Plain) -> Call:
        """The call that asks for every flag: the peer's own, where it has one."""
        calls = [self.ask(key, context) for key in self.cases]
        return lambda: [call() for call in calls]

    def value(self, key: str, answer: Any) -> Any:
        """The plain value in an answer to `ask`."""
        return answer

    def values(self, answers: Any) -> Plain:
        """The plain values in an answer to `ask_all`."""
        return {key: self.value(key, answer) for key, answer in zip(self.cases, answers, strict=True)}


def case_of(flag: Mapping[str, Any]) -> str:
    """The case of `workload.CASES` that a flag belongs to."""
    if "rollout" in flag["otherwise"]:
        return "rollout"
    if flag["type"] == "object":
        return "segment"
    return "rules" if "rules" in flag else "boolean"


def flags_of(document: Plain) -> Iterator[tuple[str, str, Plain]]:
    """Each flag as its key, its case and the whole of it."""
    return ((flag["key"], case_of(flag), flag) for flag in document["flags"])


def questions(flag: Plain) -> Questions:
    """What a flag of case 2 asks."""
    first, second, third = (rule["clauses"] for rule in flag["rules"])
    return Questions(first[0]["values"][0], first[1]["values"], second[0]["values"][0], third[0]["values"][0])


def percent(flag: Plain) -> float:
    """The share of a flag of case 3, of 100."""
    return float(flag["otherwise"]["rollout"]["weights"][0][1]) / 1_000


def listed(flag: Plain) -> tuple[str, Any, Any]:
    """Of a flag of case 4: its segment, what those in it get, what the others get."""
    inside, outside = (variation["value"] for variation in flag["variations"])
    return flag["rules"][0]["clauses"][0]["values"][0], inside, outside
