"""Traffic: conversations that ask for their flags over OFREP with the official client, and report what came of it.

Rules kept here:
- every assignment is the answer of a real evaluation of that conversation; nothing is made up beside the outcome;
- exposures say rule, revision, assigned and served; latency, correction and cost are reported by conversation;
- citation failures are found later, on tickets, and reported by ticket without a variation: they cannot be joined;
- the load is bounded: a few threads, each waiting for its answer.
"""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from itertools import islice
from typing import Any

import httpx
import msgspec
from openfeature import api
from openfeature.client import OpenFeatureClient
from openfeature.contrib.provider.ofrep import OFREPProvider
from openfeature.evaluation_context import EvaluationContext

from twokey.demo import scenario
from twokey.demo.conversations import Behaviour, Conversation, Outcome, behave, conversations
from twokey.engine.wire import ChangeEvent, Exposure, MetricEvent, TelemetryBatch

BATCH = 400
"""Conversations in one telemetry batch."""
MOMENT = timedelta(milliseconds=1)


class Place(msgspec.Struct, frozen=True, kw_only=True):
    """A server, and the tokens that an application there would hold."""

    url: str
    evaluate_token: str
    telemetry_token: str


class Assignment(msgspec.Struct, frozen=True, kw_only=True):
    """What one evaluation answered."""

    flag: str
    variation: str
    rule: str | None
    revision: int
    reason: str


class EvaluationFailed(RuntimeError):
    """The server did not answer an evaluation as it should."""


class Evaluator:
    """Asks for flags as an application does: OpenFeature SDK, OFREP provider. One per thread."""

    def __init__(self, place: Place, name: str) -> None:
        headers = {"Authorization": f"Bearer {place.evaluate_token}"}
        self._provider = OFREPProvider(place.url, headers_factory=lambda: headers, timeout=10.0)
        # A proxy of the environment is for other machines, never for this one.
        self._provider.session.trust_env = False
        api.set_provider(self._provider, name)
        self._client: OpenFeatureClient = api.get_client(name)

    def ask(self, asked: Conversation, flag: str) -> Assignment:
        """The assignment of this conversation; raises EvaluationFailed."""
        context = EvaluationContext(asked.targeting_key, dict(asked.context))
        details = self._client.get_string_details(flag, scenario.BASELINE, context)
        if details.error_code is not None or details.variant is None:
            raise EvaluationFailed(f"`{flag}` for {asked.id}: {details.error_code} {details.error_message or ''}")
        told = details.flag_metadata
        rule = told.get("rule")
        return Assignment(
            flag=flag,
            variation=details.variant,
            rule=None if rule is None else str(rule),
            revision=int(told.get("revision", 0)),
            reason=str(details.reason),
        )


class Played(msgspec.Struct, frozen=True, kw_only=True):
    """One conversation as it went."""

    asked: Conversation
    at: datetime
    assignments: tuple[Assignment, ...]
    outcome: Outcome

    @property
    def profile(self) -> Assignment:
        """What the answer profile's flag gave it."""
        return self.assignments[0]


def exposures(played: Played) -> list[Exposure]:
    """What the application reports of its evaluations."""
    return [
        Exposure(
            flag=each.flag,
            rule=each.rule,
            revision=each.revision,
            assigned=each.variation,
            served=played.outcome.served if each.flag == scenario.PROFILE else each.variation,
            unit=played.asked.id,
            unit_name=scenario.UNIT,
            at=played.at,
            reason=each.reason,
            context={key: value for key, value in played.asked.context.items() if key != scenario.UNIT},
        )
        for each in played.assignments
    ]


def metrics(played: Played) -> list[MetricEvent]:
    """What is measured of the answer. Citation failures come by ticket, so they meet no exposure."""
    outcome, told = played.outcome, played.at + MOMENT
    values = (
        (scenario.LATENCY, outcome.latency),
        (scenario.CORRECTION, float(outcome.corrected)),
        (scenario.COST, outcome.cost),
    )
    found = [
        MetricEvent(metric=metric, value=value, unit=played.asked.id, unit_name=scenario.UNIT, at=told)
        for metric, value in values
    ]
    if outcome.citation_failed:
        ticket = f"t-{played.asked.id[2:]}"
        found.append(MetricEvent(metric=scenario.CITATION, value=1.0, unit=ticket, unit_name="ticket", at=told))
    return found


class Traffic:
    """Plays conversations against a server, in numbers or at a pace. Close it when done."""

    def __init__(
        self,
        place: Place,
        clock: Callable[[], datetime],
        seed: int = 7,
        *,
        threads: int = 3,
        profiles: dict[str, Behaviour] | None = None,
        flags: tuple[str, ...] = (scenario.PROFILE, scenario.TONE),
    ) -> None:
        self._place, self._clock, self._seed, self._profiles, self._flags = place, clock, seed, profiles, flags
        self._queue: Iterator[Conversation] = conversations(seed)
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="conversations")
        self._local = threading.local()
        self._lock = threading.Lock()
        self._http = httpx.Client(base_url=place.url, trust_env=False, timeout=20.0)
        self._batches = 0
        self._live: threading.Thread | None = None
        self._stop = threading.Event()
        self.problem: Exception | None = None
        """What went wrong with the latest conversations, if anything did."""
        self.tally: Counter[tuple[str | None, str]] = Counter()
        self.seen: dict[tuple[str | None, str], Conversation] = {}

    # ------------------------------------------------------------ in numbers

    def play(self, count: int) -> None:
        """Play that many conversations as fast as the server answers, and report them."""
        left = count
        while left > 0:
            size = min(BATCH, left)
            with self._lock:
                asked = list(islice(self._queue, size))
            self._report(list(self._pool.map(self._play_one, asked)))
            left -= size

    def ask_again(self, asked: Conversation) -> Assignment:
        """What this conversation's answer profile is now."""
        return self._pool.submit(lambda: self._evaluator().ask(asked, scenario.PROFILE)).result()

    def announce(self, change: ChangeEvent) -> None:
        """Report a change elsewhere."""
        self._send(TelemetryBatch(batch_id=self._batch_id(), changes=(change,)))

    # ------------------------------------------------------------ at a pace

    def start(self, per_second: float) -> None:
        """Go on in the background at this pace, until `stop`."""
        self.stop()
        self._stop.clear()
        self._live = threading.Thread(target=self._go_on, args=(per_second,), name="traffic", daemon=True)
        self._live.start()

    def stop(self) -> None:
        """End the background traffic; what was played is reported."""
        self._stop.set()
        if self._live is not None:
            self._live.join(timeout=30)
            self._live = None

    def close(self) -> None:
        """Stop, and let go of threads and connections."""
        self.stop()
        self._pool.shutdown(cancel_futures=True)
        self._http.close()

    def _go_on(self, per_second: float) -> None:
        pause, owed = 0.25, 0.0
        while not self._stop.is_set():
            began = time.monotonic()
            owed += per_second * pause
            whole, owed = int(owed), owed % 1
            try:
                self.play(whole)
                self.problem = None
            except (
                EvaluationFailed,
                httpx.HTTPError,
            ) as problem:  # the server may be going down: whoever waits will say
                self.problem = problem
            self._stop.wait(max(0.0, pause - (time.monotonic() - began)))

    # ------------------------------------------------------------ one conversation, one batch

    def _evaluator(self) -> Evaluator:
        if not hasattr(self._local, "evaluator"):
            self._local.evaluator = Evaluator(self._place, f"demo-{id(self)}-{threading.get_ident()}")
        evaluator: Evaluator = self._local.evaluator
        return evaluator

    def _play_one(self, asked: Conversation) -> Played:
        at = self._clock()
        found = tuple(self._evaluator().ask(asked, flag) for flag in self._flags)
        return Played(asked=asked, at=at, assignments=found, outcome=behave(asked, found[0].variation, self._profiles))

    def _report(self, played: list[Played]) -> None:
        with self._lock:
            for each in played:
                key = (each.profile.rule, each.profile.variation)
                self.tally[key] += 1
                self.seen[key] = each.asked
        batch = TelemetryBatch(
            batch_id=self._batch_id(),
            exposures=tuple(one for each in played for one in exposures(each)),
            metrics=tuple(one for each in played for one in metrics(each)),
        )
        self._send(batch)

    def _batch_id(self) -> str:
        with self._lock:
            self._batches += 1
            return f"demo-{self._seed}-{self._batches}"

    def _send(self, batch: TelemetryBatch) -> dict[str, Any]:
        response = self._http.post(
            "/api/v1/telemetry",
            content=msgspec.json.encode(batch),
            headers={"Authorization": f"Bearer {self._place.telemetry_token}", "Content-Type": "application/json"},
        )
        response.raise_for_status()
        answer: dict[str, Any] = response.json()
        if answer["refused"]:
            raise EvaluationFailed(f"telemetry was refused: {answer['refused'][0]['problem']}")
        return answer
