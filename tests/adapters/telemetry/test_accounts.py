"""Looks read what is new: after any history, in any order of arrival, they say what a whole reading says."""

from __future__ import annotations

import threading
from pathlib import Path

import duckdb
import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.support.telemetry import LATER, NOON, SCOPE, Sender, assert_alike, at, measured, met
from twokey.adapters.telemetry import DuckTelemetry, ledger
from twokey.adapters.telemetry.accounts import Accounts
from twokey.domain.guardrail import Guardrail, GuardrailKind, StageArms, Worse, fallback_guardrail
from twokey.domain.telemetry import ALL_TIME, StagePlan, Window
from twokey.engine.wire import Exposure, MetricEvent

TEN = StagePlan(rule="pro-10", first_revision=18, last_revision=18, shares={"reranker": 10_000, "baseline": 90_000})
HALF = StagePlan(rule="pro-10", first_revision=19, shares={"reranker": 50_000, "baseline": 50_000})
GUARDRAILS = (
    Guardrail(key="p95", metric="latency", kind=GuardrailKind.TAIL, limit=100, quantile=0.5),
    Guardrail(
        key="anywhere", metric="latency", kind=GuardrailKind.TAIL, limit=100, other_limits=(-1, 0.5, 1e9), quantile=0.9
    ),
    Guardrail(key="mean", metric="latency", kind=GuardrailKind.MEAN, limit=100),
    Guardrail(key="right", metric="right", kind=GuardrailKind.RATE, limit=0.5, worse=Worse.LOWER),
    Guardrail(key="each", metric="latency", denominator="right", kind=GuardrailKind.RATIO, limit=100),
    Guardrail(key="turned", metric="unwatched", denominator="latency", kind=GuardrailKind.RATIO, limit=100),
    fallback_guardrail(),
)
UNITS = ["a", "b", "c", "d"]
VARIATIONS = ["reranker", "baseline"]


def look(store: DuckTelemetry, window: Window = ALL_TIME) -> tuple[tuple[StageArms, ...], ...]:
    return store.arms_of_all(SCOPE, GUARDRAILS, [TEN, HALF], baseline="baseline", window=window)


def whole(store: DuckTelemetry, window: Window = ALL_TIME) -> tuple[tuple[StageArms, ...], ...]:
    return tuple(store.arms(SCOPE, each, [TEN, HALF], baseline="baseline", window=window) for each in GUARDRAILS)


EXPOSURES = st.builds(
    lambda unit, assigned, served, when, revision: met(unit, assigned, when, served=served, revision=revision),
    st.sampled_from(UNITS),
    st.sampled_from(VARIATIONS),
    st.sampled_from(VARIATIONS),
    st.integers(0, 30),
    st.sampled_from([17, 18, 19]),
)
OWN = st.one_of(
    st.just({}),
    st.builds(
        lambda variation, revision, rule, unit_name: {
            "flag": "profile", "variation": variation, "revision": revision, "rule": rule, "unit_name": unit_name,
        },
        st.sampled_from(VARIATIONS),
        st.sampled_from([18, 19]),
        st.sampled_from([None, "pro-10"]),
        st.sampled_from(["conversation", "observation"]),
    ),
)  # fmt: skip
METRICS = st.builds(
    lambda unit, value, when, metric, own: measured(unit, value, when, metric=metric, **own),
    st.sampled_from(UNITS),
    st.sampled_from([-40.0, 0.0, 1.0, 90.0, 150.0, 1e9, 1e9 + 1]),
    st.integers(0, 30),
    st.sampled_from(["latency", "right", "unwatched"]),
    OWN,
)
Batch = tuple[list[Exposure], list[MetricEvent], int | None]
BATCHES = st.tuples(
    st.lists(EXPOSURES, max_size=5), st.lists(METRICS, max_size=6), st.one_of(st.none(), st.integers(0, 31))
)


@settings(max_examples=40, deadline=None)
@given(st.lists(BATCHES, min_size=1, max_size=5))
def test_looking_on_the_way_changes_nothing_of_what_is_seen(batches: list[Batch]) -> None:
    """Late, doubled and future events, stays that end, units that come back; looks at ends that only grow."""
    store = DuckTelemetry(threads=1)
    sender, furthest = Sender(store), 0
    for exposures, metrics, end in batches:
        sender.send(exposures, metrics)
        if end is not None:
            furthest = max(furthest, end)
            window = Window(until=at(furthest))
            assert_alike(look(store, window), whole(store, window))
    assert_alike(look(store), whole(store))
    store.close()


FIRST = msgspec.structs.replace(TEN, last_revision=None)
OTHER = StagePlan(rule="other", first_revision=19, shares={"reranker": 10_000, "baseline": 90_000})
STAGES = [[FIRST], [TEN, HALF], [TEN, HALF, OTHER]]


@settings(max_examples=30, deadline=None)
@given(st.lists(st.tuples(BATCHES, st.booleans()), min_size=1, max_size=6))
def test_stages_that_end_and_begin_between_looks_change_nothing_of_what_is_seen(
    steps: list[tuple[Batch, bool]],
) -> None:
    """A rollout widens while its rows arrive, some of them before it is known, some long after."""
    store = DuckTelemetry(threads=1)
    sender, stage = Sender(store), 0
    for (exposures, metrics, _), widens in steps:
        sender.send(exposures, metrics)
        stage = min(stage + widens, len(STAGES) - 1)
        plans = STAGES[stage]
        found = store.arms_of_all(SCOPE, GUARDRAILS, plans, baseline="baseline")
        assert_alike(found, tuple(store.arms(SCOPE, each, plans, baseline="baseline") for each in GUARDRAILS))
    store.close()


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=st.lists(st.tuples(BATCHES, st.one_of(st.none(), st.integers(0, 20))), min_size=1, max_size=6))
def test_what_retention_deletes_on_the_way_changes_nothing_of_what_is_seen(
    steps: list[tuple[Batch, int | None]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Units whose first encounter is deleted, or some of whose events are; old rows that arrive after a deletion."""
    monkeypatch.setattr(ledger, "MOST_TAKEN_OUT", 99)
    store = DuckTelemetry(threads=1)
    sender, furthest = Sender(store), 0
    for (exposures, metrics, end), before in steps:
        sender.send(exposures, metrics)
        if end is not None:
            furthest = max(furthest, end)
            look(store, Window(until=at(furthest)))
        if before is not None:
            store.prune(at(before))
            window = Window(until=at(furthest))
            assert_alike(look(store, window), whole(store, window))
    assert_alike(look(store), whole(store))
    store.close()


def never(*_: object) -> None:
    raise AssertionError("everything was read again")


def test_the_next_stage_carries_the_account_on(
    sender: Sender, store: DuckTelemetry, monkeypatch: pytest.MonkeyPatch
) -> None:
    from twokey.adapters.telemetry import accounts

    sender.send([met(f"u{each}", "baseline", each) for each in range(50)])
    store.arms_of_all(SCOPE, GUARDRAILS, [FIRST], baseline="baseline")
    with monkeypatch.context() as patch:
        patch.setattr(accounts, "whole", never)
        sender.send([met("late", "reranker", 60, revision=19)])
        assert look(store)[0][1].candidate.units == 1
        with pytest.raises(AssertionError, match="read again"):
            store.arms_of_all(SCOPE, GUARDRAILS, [HALF], baseline="baseline")
    assert_alike(look(store), whole(store))


def test_another_process_goes_on_where_the_last_one_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from twokey.adapters.telemetry import accounts

    file = tmp_path / "telemetry.duckdb"
    store = DuckTelemetry(file)
    Sender(store).send([met(f"u{each}", "reranker", each) for each in range(9)], [measured("u3", 150, 20)])
    before = look(store)
    store.close()
    again = DuckTelemetry(file)
    with monkeypatch.context() as patch:
        patch.setattr(accounts, "whole", never)
        assert look(again) == before
        later = Sender(again)
        later.sent = 1
        later.send([met("new", "reranker", 30)], [measured("new", 50, 31)])
        found = look(again)
    assert_alike(found, whole(again))
    again.prune(at(5))
    again.close()
    last = DuckTelemetry(file)
    assert_alike(look(last), whole(last))
    last.close()


def test_an_account_that_cannot_be_read_is_read_anew_from_its_rows(tmp_path: Path) -> None:
    file = tmp_path / "telemetry.duckdb"
    store = DuckTelemetry(file)
    Sender(store).send([met("a", "reranker", 1)])
    look(store)
    store.close()
    with duckdb.connect(str(file)) as connection:
        connection.execute("UPDATE accounts SET body = 'of another version'::BLOB")
    again = DuckTelemetry(file)
    assert look(again)[0][0].candidate.units == 1
    again.close()


def test_an_enormous_value_that_leaves_takes_no_digits_with_it(sender: Sender, store: DuckTelemetry) -> None:
    """Taken out of sums of squares, it would leave noise where the others vary."""
    units = [f"u{each}" for each in range(20)]
    sender.send(
        [met(unit, "reranker", 10) for unit in [*units, "huge"]],
        [measured(unit, each % 3, 12) for each, unit in enumerate(units)] + [measured("huge", 1e17, 12)],
    )
    assert look(store)[1][0].candidate.mean > 1e15
    sender.send([met("huge", "baseline", 11)])
    assert_alike(look(store), whole(store))
    assert 0.5 < look(store)[1][0].candidate.variance < 1


def test_an_end_before_the_last_one_is_read_anew(sender: Sender, store: DuckTelemetry) -> None:
    sender.send([met("a", "reranker", 1), met("b", "baseline", 20)], [measured("a", 150, 2), measured("b", 50, 21)])
    assert_alike(look(store), whole(store))
    early = Window(until=at(10))
    assert look(store, early)[0][0].baseline.units == 0
    assert_alike(look(store, early), whole(store, early))
    assert_alike(look(store), whole(store))


def test_what_retention_deletes_is_not_counted_on(sender: Sender, store: DuckTelemetry) -> None:
    sender.send([met("a", "reranker", 1), met("b", "baseline", 20)], [measured("a", 150, 2), measured("b", 50, 21)])
    assert look(store)[0][0].candidate.units == 1
    store.prune(at(10))
    assert look(store)[0][0].candidate.units == 0
    sender.send([met("c", "reranker", 30)])
    assert_alike(look(store), whole(store))


def crowd(sender: Sender, units: int = 40) -> None:
    """Units a second apart, half of them candidates, each measured a second later."""
    names = [f"u{each}" for each in range(units)]
    sender.send(
        [met(name, VARIATIONS[each % 2], each) for each, name in enumerate(names)],
        [measured(name, 50 + each, each + 1) for each, name in enumerate(names)],
    )


def test_after_a_deletion_a_look_reads_no_more_than_before(
    sender: Sender, store: DuckTelemetry, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Retention deletes every day: it may not cost a reading of everything every day."""
    from twokey.adapters.telemetry import accounts

    crowd(sender)
    assert look(store)[0][0].candidate.units == 20
    with monkeypatch.context() as patch:
        patch.setattr(accounts, "whole", never)
        store.prune(at(10))
        assert look(store)[0][0].candidate.units == 15
        sender.send([met("new", "reranker", 60)], [measured("new", 70, 61)])
        found = look(store)
    assert_alike(found, whole(store))


def test_where_more_is_deleted_than_stays_what_stays_is_read_anew(sender: Sender, store: DuckTelemetry) -> None:
    crowd(sender)
    look(store)
    store.prune(at(30))
    assert all(each.account is None for each in store._accounts._places.values())
    assert_alike(look(store), whole(store))


def test_a_deletion_that_fails_costs_a_reading_and_no_figure(
    sender: Sender, store: DuckTelemetry, monkeypatch: pytest.MonkeyPatch
) -> None:
    from twokey.adapters.telemetry import store as module

    def breaks(*_: object) -> int:
        raise RuntimeError("disk full")

    crowd(sender)
    before = look(store)
    with monkeypatch.context() as patch:
        patch.setattr(module, "_deleted", breaks)
        with pytest.raises(RuntimeError, match="disk full"):
            store.prune(at(10))
    assert_alike(look(store), before)


def test_a_look_during_a_deletion_waits_for_it_and_reads_on(
    sender: Sender, store: DuckTelemetry, monkeypatch: pytest.MonkeyPatch
) -> None:
    from twokey.adapters.telemetry import accounts
    from twokey.adapters.telemetry import store as module

    real, found = module._deleted, []
    looker = threading.Thread(target=lambda: found.append(look(store)))

    def slowly(connection: duckdb.DuckDBPyConnection, statement: str, values: dict[str, int]) -> int:
        if "exposures" in statement:
            looker.start()
            looker.join(0.3)
        return real(connection, statement, values)

    crowd(sender)
    look(store)
    monkeypatch.setattr(module, "_deleted", slowly)
    monkeypatch.setattr(accounts, "whole", never)
    store.prune(at(10))
    looker.join()
    assert found == [look(store)]


def test_what_a_killed_process_had_deleted_is_not_counted_by_the_next(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Accounts lie beside the rows since the last orderly end: a deletion replaces them as it deletes."""
    from twokey.adapters.telemetry import accounts

    file = tmp_path / "telemetry.duckdb"
    first = DuckTelemetry(file)
    crowd(Sender(first))
    look(first)
    first.close()
    second = DuckTelemetry(file)
    second.prune(at(10))
    second._connection.close()  # nothing is said to it: the accounts of its end are never written
    third = DuckTelemetry(file)
    with monkeypatch.context() as patch:
        patch.setattr(accounts, "whole", never)
        assert look(third)[0][0].candidate.units == 15
    assert_alike(look(third), whole(third))
    third.close()


def test_what_arrives_after_the_last_arrivals_were_deleted_is_seen(tmp_path: Path) -> None:
    """Late rows may be the oldest: when they go, the next process counts arrivals on from what accounts know."""
    file = tmp_path / "telemetry.duckdb"
    store = DuckTelemetry(file)
    sender = Sender(store)
    crowd(sender)
    for number in range(5):
        sender.send([met(f"late{number}", "reranker", -60)])
    look(store)
    store.prune(at(0))
    look(store)
    store.close()
    again = DuckTelemetry(file)
    later = Sender(again)
    later.sent = sender.sent
    later.send([met("new", "reranker", 60)], [measured("new", 70, 61)])
    assert_alike(look(again), whole(again))
    assert look(again)[0][0].candidate.units == 21
    again.close()


def test_looks_while_rows_are_deleted_lose_and_double_nothing() -> None:
    store = DuckTelemetry()
    sender, done = Sender(store), threading.Event()
    problems: list[Exception] = []

    def looking(plans: list[StagePlan]) -> None:
        try:
            while not done.is_set():
                store.arms_of_all(SCOPE, GUARDRAILS, plans, baseline="baseline")
        except Exception as problem:  # noqa: BLE001 - told by the test
            problems.append(problem)

    lookers = [threading.Thread(target=looking, args=(plans,)) for plans in ([TEN, HALF], [FIRST], [TEN, HALF, OTHER])]
    for each in lookers:
        each.start()
    for number in range(12):
        names = [f"u{number * 20 + each}" for each in range(20)]
        sender.send(
            [met(name, VARIATIONS[each % 2], number * 20 + each) for each, name in enumerate(names)],
            [measured(name, number, number * 20 + each + 1) for each, name in enumerate(names)],
        )
        store.prune(at(number * 10))
    done.set()
    for each in lookers:
        each.join()
    assert not problems
    assert_alike(look(store), whole(store))
    store.close()


def test_a_look_reads_only_the_units_of_what_is_new(
    sender: Sender, store: DuckTelemetry, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Otherwise an account would be right and useless."""
    from twokey.adapters.telemetry import accounts

    sender.send([met(f"u{each}", "baseline", each) for each in range(50)])
    look(store)

    def never(*_: object) -> None:
        raise AssertionError("everything was read again")

    monkeypatch.setattr(accounts, "whole", never)
    near: list[int] = []
    read = ledger._read_few

    def counted(cursor, *rest, **named):  # type: ignore[no-untyped-def]
        near.append(cursor.execute("SELECT count(*) FROM touched").fetchone()[0])
        return read(cursor, *rest, **named)

    monkeypatch.setattr(ledger, "_read_few", counted)
    sender.send([met("new", "reranker", 60)], [measured("u7", 150, 61)])
    assert look(store)[3][0].candidate.units == 1
    assert near == [2, 2]
    look(store)
    assert near == [2, 2], "nothing is new"


def test_the_least_used_question_is_forgotten_and_read_anew(sender: Sender, store: DuckTelemetry) -> None:
    store._accounts = Accounts(most=1)
    sender.send([met("a", "reranker", 1)], [measured("a", 150, 2)])
    for candidate in (None, "reranker", None):
        found = store.arms_of_all(SCOPE, GUARDRAILS, [TEN, HALF], baseline="baseline", candidate=candidate)
        assert found[0][0].candidate.units == 1


def test_one_that_was_cut_short_is_read_anew(
    sender: Sender, store: DuckTelemetry, monkeypatch: pytest.MonkeyPatch
) -> None:
    from twokey.adapters.telemetry import accounts

    sender.send([met("a", "reranker", 1)])
    look(store)
    sender.send([met("b", "reranker", 2)])

    def breaks(*_: object) -> None:
        raise RuntimeError("out of memory")

    with monkeypatch.context() as patch:
        patch.setattr(accounts, "bring_up", breaks)
        with pytest.raises(RuntimeError):
            look(store)
    assert look(store)[0][0].candidate.units == 2


def test_looks_while_batches_arrive_lose_and_double_nothing() -> None:
    store = DuckTelemetry()
    sender, done = Sender(store), threading.Event()
    problems: list[Exception] = []

    def looking() -> None:
        try:
            while not done.is_set():
                look(store)
        except Exception as problem:  # noqa: BLE001 - told by the test
            problems.append(problem)

    lookers = [threading.Thread(target=looking) for _ in range(3)]
    for each in lookers:
        each.start()
    for number in range(60):
        units = [f"u{number * 7 + each}" for each in range(20)]
        sender.send(
            [met(unit, VARIATIONS[len(unit) % 2], number) for unit in units],
            [measured(unit, number, number + 1) for unit in units],
        )
    done.set()
    for each in lookers:
        each.join()
    assert not problems
    assert_alike(look(store), whole(store))
    store.close()


def test_a_file_from_before_arrivals_were_counted_is_read_on(tmp_path: Path) -> None:
    file = tmp_path / "telemetry.duckdb"
    store = DuckTelemetry(file)
    Sender(store).send([met("a", "reranker", 1)], [measured("a", 150, 2)])
    for table in ("exposures", "metrics"):
        store._connection.execute(f"ALTER TABLE {table} DROP COLUMN arrival")
    store.close()
    again = DuckTelemetry(file)
    later = Sender(again)
    later.sent = 1
    assert look(again)[0][0].candidate.joined_units == 1
    later.send([met("b", "reranker", 3)], [measured("b", 50, 4)])
    assert look(again)[0][0].candidate.joined_units == 2
    again.close()


def test_names_and_titles_are_no_part_of_the_question(sender: Sender, store: DuckTelemetry) -> None:
    sender.send([met("a", "reranker", 1)])
    look(store)
    renamed = [msgspec.structs.replace(each, title="so much for that") for each in GUARDRAILS]
    store.arms_of_all(SCOPE, renamed, [TEN, HALF], baseline="baseline")
    assert len(store._accounts._places) == 1
    assert LATER > NOON
