"""What is reported: exposures as assigned and as served, and what was tracked; bounded, and once in the store."""

from __future__ import annotations

import asyncio
import contextlib
import json
import math
import os
import threading
from collections.abc import Callable
from enum import StrEnum
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace
from openfeature import api
from openfeature.evaluation_context import EvaluationContext
from openfeature.hook import Hook, HookContext
from openfeature.provider.in_memory_provider import InMemoryProvider
from openfeature.track import TrackingEventDetails

from tests.client.hostile import Visitor, hostile
from tests.client.live import Live, eventually
from tests.client.test_hostile_servers import GOOD
from tests.support import processes
from tests.support.world import ENVIRONMENT, FLAG, PROJECT, initial_state
from twokey.client import FALLBACK, File, Reporting, TwokeyClient, TwokeyProvider, exposure, recorder, reporter
from twokey.domain.operation import SetEnabled
from twokey.domain.telemetry import ExposureCount, Scope
from twokey.engine import evaluate

Make = Callable[..., TwokeyClient]
SOON = Reporting(every=0.02)
NEVER = Reporting(every=3600.0)
WHERE = Scope(project=PROJECT, environment=ENVIRONMENT, flag=FLAG)


NOWHERE = Reporting(url="http://127.0.0.1:9", token="t", every=3600.0)


@pytest.fixture
def offline(tmp_path: Path) -> File:
    """The flags without a server."""
    path = tmp_path / "flags.json"
    path.write_bytes(initial_state().snapshot().to_json())
    return File(path=path)


def staff(number: int = 1) -> dict[str, Any]:
    return {"targetingKey": "u-1", "email": "ada@example.com", "conversation": f"c-{number}"}


def counted(live: Live) -> tuple[ExposureCount, ...]:
    return live.world.telemetry.exposure_counts(WHERE)


def test_what_was_evaluated_arrives_with_rule_revision_and_unit(live: Live, client: Make) -> None:
    sender = client(live.stream(), reporting=Reporting(every=0.02, attributes=("plan", "email")))
    sender.start()
    for number in range(3):
        sender.evaluate(FLAG, {**staff(number), "plan": "pro"})
    eventually(lambda: sender.counts.sent == 3, "the reports")
    assert counted(live) == (
        ExposureCount(rule="internal", assigned="reranker_v2", served="reranker_v2", exposures=3, units=3),
    )
    contexts = live.world.telemetry.contexts(WHERE)
    assert {each.unit for each in contexts} == {"c-0", "c-1", "c-2"}
    assert {each.unit_name for each in contexts} == {"conversation"}
    assert contexts[0].context.items() >= {"plan": "pro", "email": "ada@example.com"}.items()


def test_no_attribute_leaves_the_process_unless_it_is_named(live: Live, client: Make) -> None:
    sender = client(live.stream(), reporting=SOON)
    sender.start()
    sender.evaluate(FLAG, {**staff(), "plan": "pro"})
    eventually(lambda: sender.counts.sent == 1, "the report")
    assert not live.world.telemetry.contexts(WHERE)[0].context.keys() & {"plan", "email"}


def test_the_same_unit_again_is_one_record_until_it_meets_something_else(live: Live, client: Make) -> None:
    sender = client(live.stream(), reporting=NEVER)
    sender.start()
    for _ in range(100):
        sender.evaluate(FLAG, staff())
    assert sender.counts.waiting == 1
    outside = {"conversation": "c-1", "targetingKey": "u-2"}
    sender.evaluate(FLAG, outside)
    sender.evaluate(FLAG, staff())
    assert sender.counts.waiting == 3, "the last record is where the unit stands"
    live.change(SetEnabled(flag=FLAG, enabled=False))
    eventually(lambda: sender.evaluate(FLAG, staff()).reason == "DISABLED", "the change")
    assert sender.counts.waiting == 4


def test_a_window_later_the_unit_counts_as_met_again(live: Live, client: Make) -> None:
    sender = client(live.stream(), reporting=Reporting(every=0.02, window=0.05))
    sender.start()

    def met_again() -> bool:
        sender.evaluate(FLAG, staff())
        return sender.counts.sent >= 3

    eventually(met_again, "a second window")


def test_errors_and_contexts_without_a_unit_are_no_exposures(offline: File, client: Make) -> None:
    sender = client(offline, reporting=NOWHERE)
    sender.start()
    sender.evaluate("nobody", staff())
    sender.evaluate(FLAG, {"targetingKey": "u-1", "email": "ada@example.com"})
    sender.evaluate(FLAG, {**staff(), "conversation": None})
    assert sender.counts.waiting == 0
    sender.evaluate(FLAG, {**staff(), "conversation": 7})
    assert sender.counts.waiting == 1


class Slow(Exception):
    """The application's own trouble."""


def served_by(live: Live, use: Callable[[TwokeyClient], None]) -> ExposureCount:
    sender = TwokeyClient(live.stream(), reporting=NEVER)
    sender.start()
    use(sender)
    sender.close()
    (count,) = counted(live)
    return count


def test_leaving_the_block_says_that_what_was_assigned_was_served(live: Live) -> None:
    def use(sender: TwokeyClient) -> None:
        with sender.exposure(FLAG, staff(), "baseline") as shown:
            assert (shown.value, shown.variation, shown.reason) == ("reranker_v2", "reranker_v2", "TARGETING_MATCH")

    assert served_by(live, use).served == "reranker_v2"


def test_the_application_says_what_it_served_instead(live: Live) -> None:
    def use(sender: TwokeyClient) -> None:
        with sender.exposure(FLAG, staff(), "baseline") as shown:
            shown.served("baseline")

    count = served_by(live, use)
    assert (count.assigned, count.served, count.exposures) == ("reranker_v2", "baseline", 1)


def test_an_exception_that_leaves_the_block_is_a_fallback_and_goes_on(live: Live) -> None:
    def use(sender: TwokeyClient) -> None:
        with pytest.raises(Slow), sender.exposure(FLAG, staff(), "baseline"):
            raise Slow

    count = served_by(live, use)
    assert (count.assigned, count.served) == ("reranker_v2", FALLBACK)


def test_a_word_given_before_the_exception_stands(live: Live) -> None:
    def use(sender: TwokeyClient) -> None:
        with pytest.raises(Slow), sender.exposure(FLAG, staff(), "baseline") as shown:
            shown.served("baseline")
            raise Slow

    assert served_by(live, use).served == "baseline"


def test_a_cancelled_task_is_a_fallback(live: Live) -> None:
    async def answer(sender: TwokeyClient) -> None:
        with sender.exposure(FLAG, staff(), "baseline"):
            await asyncio.sleep(3600)

    async def give_up(sender: TwokeyClient) -> None:
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(answer(sender), 0.01)

    assert served_by(live, lambda sender: asyncio.run(give_up(sender))).served == FALLBACK


def test_through_openfeature_the_block_records_once_what_was_served(live: Live) -> None:
    provider = TwokeyProvider(live.stream(), reporting=NEVER)
    api.set_provider_and_wait(provider, "app")
    flags = api.get_client("app")
    api.set_evaluation_context(EvaluationContext(attributes={"email": "ada@example.com"}))
    try:
        with exposure(flags, FLAG, "baseline", EvaluationContext("u-1", {"conversation": "c-1"})) as shown:
            assert shown.value == "reranker_v2"
            assert flags.get_boolean_value("new_header", False, EvaluationContext("u-1")) is True
            shown.served("baseline")
    finally:
        api.set_evaluation_context(EvaluationContext())
    provider.shutdown()
    assert [(each.assigned, each.served, each.exposures) for each in counted(live)] == [("reranker_v2", "baseline", 1)]
    header = Scope(project=PROJECT, environment=ENVIRONMENT, flag="new_header")
    assert [each.exposures for each in live.world.telemetry.exposure_counts(header)] == [1]


class AsksAnother(Hook):
    """A hook that looks at another flag before each evaluation of the first."""

    def after(self, hook_context: HookContext, details: Any, hints: Any) -> None:
        if hook_context.flag_key == FLAG:
            api.get_client("app").get_boolean_value("new_header", False, hook_context.evaluation_context)


def test_what_a_hook_asks_on_the_way_is_an_exposure_of_its_own(live: Live) -> None:
    provider = TwokeyProvider(live.stream(), reporting=NEVER)
    api.set_provider_and_wait(provider, "app")
    flags = api.get_client("app")
    flags.add_hooks([AsksAnother()])
    with exposure(flags, FLAG, "baseline", EvaluationContext("u-1", staff())) as shown:
        shown.served("baseline")
    provider.shutdown()
    assert [(each.assigned, each.served) for each in counted(live)] == [("reranker_v2", "baseline")]
    header = Scope(project=PROJECT, environment=ENVIRONMENT, flag="new_header")
    assert [(each.assigned, each.served) for each in live.world.telemetry.exposure_counts(header)] == [("on", "on")]


def test_the_block_works_with_any_provider(live: Live) -> None:
    api.set_provider_and_wait(InMemoryProvider({}), "other")
    with exposure(api.get_client("other"), FLAG, "baseline") as shown:
        assert shown.value == "baseline"
        shown.served("baseline")


def test_tracked_values_arrive_for_each_unit_that_flags_bucket_by(live: Live) -> None:
    provider = TwokeyProvider(live.stream(), reporting=NEVER)
    api.set_provider_and_wait(provider, "app")
    flags = api.get_client("app")
    context = EvaluationContext("u-1", {"conversation": "c-1", "email": "ada@example.com"})
    flags.get_string_value(FLAG, "baseline", context)
    flags.track("answer_latency_ms", context, TrackingEventDetails(2310, {"model": "m1", "parts": [1, 2]}))
    flags.track("manual_correction", context)
    flags.track("answer_latency_ms", context, TrackingEventDetails(math.nan))
    flags.track("answer_latency_ms", EvaluationContext())
    provider.shutdown()
    presence = live.world.telemetry.metric_presence(WHERE, "answer_latency_ms")
    assert (presence.events, presence.joined_events) == (2, 1)
    assert presence.unit_names == ("conversation", "targetingKey")
    assert live.world.telemetry.metric_presence(WHERE, "manual_correction").joined_events == 1
    assert provider.client.counts.dropped == 2, "one is no number, one has no unit"


def test_what_waits_is_bounded_and_what_is_more_is_counted(offline: File, client: Make) -> None:
    sender = client(offline, reporting=replace(NOWHERE, limit=100))
    sender.start()

    def flood(thread: int) -> None:
        for number in range(1000):
            sender.evaluate(FLAG, staff(thread * 1000 + number))
            sender.track("clicks", staff(), 1)

    threads = [threading.Thread(target=flood, args=(number,)) for number in range(4)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    view = sender.keeper.view
    assert view is not None
    made = 4 * 1000 + 4 * 1000 * len(view.units)
    eventually(lambda: sender.counts.waiting + sender.counts.dropped == made, "each record to be counted")
    assert 100 <= sender.counts.waiting <= 2 * 104, "as many wait as may, and one batch more that could not be sent"


def test_while_the_server_is_away_one_batch_waits_and_is_sent_once_with_its_id(
    client: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reporter, "Backoff", lambda *_: _Short())
    taken = b'{"refused": []}'
    fine = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(taken) + taken
    busy = b"HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n"
    bodies: list[dict[str, Any]] = []

    def take(answer: bytes) -> Callable[[Visitor], None]:
        def act(visitor: Visitor) -> None:
            bodies.append(json.loads(visitor.body()))
            visitor.send(answer)

        return act

    path = tmp_path / "flags.json"
    path.write_bytes(GOOD.to_json())
    with hostile(take(busy), take(busy), take(fine)) as server:
        sender = client(File(path=path), reporting=Reporting(url=server.url, token="t", every=0.02))
        sender.start()
        sender.evaluate(FLAG, staff(1))
        eventually(lambda: len(bodies) >= 1, "the first try")
        sender.evaluate(FLAG, staff(2))
        eventually(lambda: sender.counts.sent == 2, "both")
    assert [len(each["exposures"]) for each in bodies] == [1, 1, 1, 1]
    assert len({each["batch_id"] for each in bodies[:3]}) == 1
    assert bodies[3]["batch_id"] != bodies[0]["batch_id"]


def test_a_batch_too_large_for_one_letter_loses_nothing_while_the_server_is_busy(
    client: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reporter, "Backoff", lambda *_: _Short())
    monkeypatch.setattr(reporter, "MAX_BYTES", 300)
    units: list[str] = []

    def busy(visitor: Visitor) -> None:
        visitor.body()
        visitor.send(b"HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n")

    def take(visitor: Visitor) -> None:
        units.extend(each["unit"] for each in json.loads(visitor.body())["exposures"])
        visitor.send(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}")

    path = tmp_path / "flags.json"
    path.write_bytes(GOOD.to_json())
    with hostile(busy, busy, take) as server:
        sender = client(File(path=path), reporting=Reporting(url=server.url, token="t", every=0.5))
        sender.start()
        for number in range(20):
            sender.evaluate(FLAG, staff(number))
        eventually(lambda: sender.counts.sent == 20, "all letters")
    assert units == [f"c-{number}" for number in range(20)], "each once, in order"
    assert sender.counts.waiting == 0


class _Short:
    def next(self, retry_after: float | None = None) -> float:
        return 0.01

    def reset(self) -> None:
        return


def test_what_is_recorded_while_a_batch_is_under_way_goes_out_at_the_end(client: Make, tmp_path: Path) -> None:
    bodies: list[dict[str, Any]] = []
    go_on = threading.Event()

    def take(visitor: Visitor) -> None:
        bodies.append(json.loads(visitor.body()))
        go_on.wait(10)
        visitor.send(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}")

    path = tmp_path / "flags.json"
    path.write_bytes(GOOD.to_json())
    with hostile(take) as server:
        sender = client(File(path=path), reporting=Reporting(url=server.url, token="t", every=0.02))
        sender.start()
        sender.evaluate(FLAG, staff(1))
        eventually(lambda: bodies, "the first batch")
        sender.evaluate(FLAG, staff(2))
        threading.Timer(0.1, go_on.set).start()
        sender.close(patience=20)
        assert sender.counts.sent == 2
    assert [each["exposures"][0]["unit"] for each in bodies] == ["c-1", "c-2"]


def test_a_refused_token_drops_the_batch_with_a_count_and_the_thread_lives(live: Live, client: Make) -> None:
    source = live.stream()
    sender = client(source, reporting=Reporting(every=0.02, token="unknown"))
    sender.start()
    sender.evaluate(FLAG, staff(1))
    eventually(lambda: sender.counts.refused == 1, "the refusal")
    sender.evaluate(FLAG, staff(2))
    eventually(lambda: sender.counts.refused == 2, "the next refusal")
    assert sender.counts.waiting == 0


def test_a_record_that_cannot_be_written_costs_itself_alone(live: Live, client: Make) -> None:
    sender = client(live.stream(), reporting=SOON)
    sender.start()
    sender.evaluate(FLAG, {**staff(), "conversation": "half \ud800"})
    sender.evaluate(FLAG, staff(2))
    eventually(lambda: sender.counts.sent == 1 and sender.counts.dropped == 1, "the other")


def test_large_reports_go_in_several_letters(live: Live, client: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reporter, "MAX_BYTES", 2_000)
    sender = client(live.stream(), reporting=NEVER)
    sender.start()
    for number in range(50):
        sender.evaluate(FLAG, staff(number))
    sender.flush()
    eventually(lambda: sender.counts.sent == 50, "all of them")
    assert counted(live)[0].units == 50


def test_closing_sends_what_waits(live: Live) -> None:
    sender = TwokeyClient(live.stream(), reporting=NEVER)
    sender.start()
    for number in range(2500):
        sender.evaluate(FLAG, staff(number))
    sender.close(patience=20)
    assert (sender.counts.waiting, sender.counts.sent) == (0, 2500)
    assert counted(live)[0].units == 2500


def test_nothing_is_kept_when_nothing_is_to_be_reported(offline: File, client: Make) -> None:
    quiet = client(offline, reporting=None)
    quiet.start()
    quiet.evaluate(FLAG, staff())
    quiet.track("clicks", staff())
    with quiet.exposure(FLAG, staff()) as shown:
        shown.served("baseline")
    assert (quiet.counts.waiting, quiet.counts.dropped) == (0, 0)


def test_a_forked_child_has_threads_of_its_own_and_sends_nothing_of_its_parents(live: Live, client: Make) -> None:
    sender = client(live.stream(), reporting=NEVER)
    sender.start()
    sender.evaluate(FLAG, staff(1))
    reading, writing = os.pipe()

    def child() -> None:
        os.close(reading)
        os.write(writing, b"%d" % sender.counts.waiting)
        sender.evaluate(FLAG, staff(2))
        eventually(lambda: sender.evaluate(FLAG, staff(2)).reason == "DISABLED", "the change, in the child")
        sender.close(patience=20)
        os.write(writing, b" %d" % sender.counts.sent)

    pid = processes.start(child)
    os.close(writing)
    live.change(SetEnabled(flag=FLAG, enabled=False))
    assert processes.wait(pid) == 0
    with os.fdopen(reading, "rb") as pipe:
        assert pipe.read() == b"0 2"
    eventually(lambda: sender.evaluate(FLAG, staff(3)).reason == "DISABLED", "the change, in the parent")
    sender.close(patience=20)
    assert sender.counts.sent == 2
    units = {each.unit for each in live.world.telemetry.contexts(WHERE)}
    assert units == {"c-1", "c-2", "c-3"}
    assert sum(each.exposures for each in counted(live)) == 4, "each was counted once"


def test_a_forked_child_gives_up_the_parents_connection(live: Live, client: Make) -> None:
    follower = client(live.stream(), reporting=None)
    follower.start()
    exchange = held_exchange(follower)
    parents = os.fstat(exchange._socket.fileno()).st_ino

    def child() -> None:
        eventually(lambda: held_exchange(follower) not in (None, exchange), "a connection of its own")
        assert parents not in open_files()

    assert parents in open_files()
    assert processes.wait(processes.start(child)) == 0
    live.change(SetEnabled(flag=FLAG, enabled=False))
    eventually(
        lambda: follower.evaluate(FLAG, staff()).reason == "DISABLED", "the change, over the parent's connection"
    )
    assert held_exchange(follower) is exchange


def held_exchange(follower: TwokeyClient) -> Any:
    return follower._follower._way._exchange  # type: ignore[attr-defined]


def open_files() -> set[int]:
    """The inodes behind this process's descriptors."""
    found = set()
    for descriptor in range(256):
        with contextlib.suppress(OSError):
            found.add(os.fstat(descriptor).st_ino)
    return found


class Trap(dict[str, Any]):
    """A context whose own code raises where the engine did not look."""

    def get(self, *_: object) -> Any:
        raise RuntimeError("out of order")


def test_a_context_whose_own_code_raises_costs_its_exposure_alone(offline: File, client: Make) -> None:
    sender = client(offline, reporting=NOWHERE)
    sender.start()
    assert sender.evaluate("new_header", Trap(targetingKey="u-1")).value is True
    with sender.exposure("new_header", Trap(targetingKey="u-1")) as shown:
        assert shown.value is True
    sender.track("clicks", Trap(targetingKey="u-1"))
    assert (sender.counts.waiting, sender.counts.dropped) == (0, 3)


class Plan(StrEnum):
    PRO = "pro"


class Price(float):
    """As numerical libraries have them."""


def test_attributes_of_foreign_types_arrive_as_what_they_stand_for(live: Live, client: Make) -> None:
    names = ("plan", "price", "seats", "when", "nothing", "broken")
    sender = client(live.stream(), reporting=Reporting(every=0.02, attributes=names))
    sender.start()
    facts = {"plan": Plan.PRO, "price": Price(2.5), "seats": True, "when": [1], "nothing": None, "broken": math.nan}
    sender.evaluate(FLAG, {**staff(), **facts})
    eventually(lambda: sender.counts.sent == 1, "the report")
    (recorded,) = live.world.telemetry.contexts(WHERE)
    told = {name: recorded.context[name] for name in names if name in recorded.context}
    assert told == {"plan": "pro", "price": 2.5, "seats": True}


def test_a_burst_is_sent_before_it_overflows(live: Live, client: Make) -> None:
    sender = client(live.stream(), reporting=Reporting(every=3600.0, limit=100))
    sender.start()
    for number in range(60):
        sender.evaluate(FLAG, staff(number))
    eventually(lambda: sender.counts.sent == 60, "the burst, long before its time")


def test_the_units_remembered_as_met_are_bounded(offline: File, client: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recorder, "MAX_MET", 10)
    sender = client(offline, reporting=NOWHERE)
    sender.start()
    for number in range(100):
        sender.evaluate(FLAG, staff(number))
    assert len(sender.recorder._seen) <= 10


def test_many_threads_and_a_loop_evaluate_while_snapshots_change(live: Live, client: Make) -> None:
    sender = client(live.stream(), reporting=SOON)
    sender.start()
    over, wrong = threading.Event(), list[object]()

    def ask() -> None:
        while not over.is_set():
            found = sender.evaluate(FLAG, staff())
            if found.variation not in ("baseline", "reranker_v2"):
                wrong.append(found)

    async def ask_in_a_loop() -> None:
        while not over.is_set():
            found = sender.evaluate(FLAG, staff())
            if found.variation not in ("baseline", "reranker_v2"):
                wrong.append(found)
            await asyncio.sleep(0.001)

    threads = [threading.Thread(target=ask), threading.Thread(target=lambda: asyncio.run(ask_in_a_loop()))]
    for each in threads:
        each.start()
    for number in range(6):
        live.change(SetEnabled(flag=FLAG, enabled=bool(number % 2)))
        revision = live.world.revision
        eventually(lambda r=revision: sender.snapshot is not None and sender.snapshot.revision == r, "the change")
    over.set()
    for each in threads:
        each.join()
    assert wrong == []
    assert sender.snapshot is not None
    assert evaluate(sender.snapshot, FLAG, staff()).variation == "reranker_v2"
