"""What is kept, what is refused, what counts once: the same on each kind of store."""

from __future__ import annotations

from datetime import timedelta

import msgspec
import pytest

from tests.support.telemetry import LATER, NOON, SCOPE, Sender, at, measured, met
from twokey.domain.telemetry import Scope, Telemetry
from twokey.engine.wire import ChangeEvent, ChangeKind, TelemetryBatch


@pytest.fixture
def store(any_store: Telemetry) -> Telemetry:
    return any_store


def exposures_of(store: Telemetry, scope: Scope = SCOPE) -> int:
    return sum(each.exposures for each in store.exposure_counts(scope))


def test_a_batch_sent_again_counts_once(store: Telemetry) -> None:
    batch = TelemetryBatch(batch_id="b-1", exposures=(met("u1", "baseline", 1),), metrics=(measured("u1", 5, 2),))
    first = store.add(SCOPE, batch, source="app", received_at=LATER)
    again = store.add(SCOPE, batch, source="app", received_at=LATER)
    assert (first.exposures, first.metrics, first.duplicate) == (1, 1, False)
    assert (again.exposures, again.metrics, again.duplicate) == (0, 0, True)
    assert exposures_of(store) == 1


def test_the_same_batch_id_from_another_source_or_environment_is_another_batch(store: Telemetry) -> None:
    batch = TelemetryBatch(batch_id="b-1", exposures=(met("u1", "baseline", 1),))
    staging = msgspec.structs.replace(SCOPE, environment="staging")
    assert not store.add(SCOPE, batch, source="app", received_at=LATER).duplicate
    assert not store.add(SCOPE, batch, source="worker", received_at=LATER).duplicate
    assert not store.add(staging, batch, source="app", received_at=LATER).duplicate
    assert (exposures_of(store), exposures_of(store, staging)) == (2, 1)


def test_bad_records_are_refused_one_by_one_and_the_rest_is_kept(store: Telemetry) -> None:
    exposures = (
        met("u1", "baseline", 1),
        met("", "baseline", 1),
        met("u2", "baseline", 1, at=LATER + timedelta(hours=1)),
        met("u3", "baseline", 1, context={"note": "x" * 20_000}),
        met("u4", "baseline", 1, revision=2**70),
        met("u5", "baseline", 1),
    )
    metrics = (measured("u1", float("nan"), 2), measured("u1", 7, 2), measured("u1", float("inf"), 2))
    batch = TelemetryBatch(batch_id="b", exposures=exposures, metrics=metrics)
    found = store.add(SCOPE, batch, source="app", received_at=LATER)
    assert (found.exposures, found.metrics) == (2, 1)
    assert [(each.kind, each.index) for each in found.refused] == [
        ("exposures", 1),
        ("exposures", 2),
        ("exposures", 3),
        ("exposures", 4),
        ("metrics", 0),
        ("metrics", 2),
    ]
    reasons = [each.reason for each in found.refused]
    for reason, word in zip(reasons, ("unit", "future", "bytes", "revision", "nan", "inf"), strict=True):
        assert word in reason


def test_a_text_the_store_cannot_take_costs_its_own_record_only(store: Telemetry) -> None:
    broken = met("u1", "baseline", 1, reason="half a pair \ud800")
    batch = TelemetryBatch(batch_id="b", exposures=(met("u0", "baseline", 1), broken, met("u2", "baseline", 1)))
    found = store.add(SCOPE, batch, source="app", received_at=LATER)
    assert (found.exposures, [(each.kind, each.index) for each in found.refused]) == (2, [("exposures", 1)])
    assert exposures_of(store) == 2


def test_hostile_text_is_only_text(sender: Sender, store: Telemetry) -> None:
    evil = "'; DROP TABLE exposures; --"
    sender.send(
        [met(evil, evil, 1, flag=evil, rule=evil, context={evil: evil, "a/b~c": 1})],
        [measured(evil, 1, 2, metric=evil)],
    )
    scope = msgspec.structs.replace(SCOPE, flag=evil)
    assert [(each.rule, each.assigned) for each in store.exposure_counts(scope)] == [(evil, evil)]
    assert store.metrics(SCOPE) == (evil,)
    assert store.metric_presence(scope, evil).joined_events == 1


def test_a_nul_character_is_kept_or_refused_but_never_lost_silently(sender: Sender, store: Telemetry) -> None:
    found = sender.send([met("a\x00b", "baseline", 1), met("ok", "baseline", 1)])
    assert found.exposures + len(found.refused) == 2
    assert exposures_of(store) == found.exposures


def test_moments_keep_their_microseconds(sender: Sender, store: Telemetry) -> None:
    odd = NOON + timedelta(microseconds=123_457)
    sender.send([met("u1", "baseline", 0, at=odd)])
    assert store.contexts(SCOPE)[0].at == odd


def test_the_same_change_event_is_kept_once_however_it_arrives(sender: Sender, store: Telemetry) -> None:
    deploy = ChangeEvent(kind=ChangeKind.DEPLOY, title="release 7", service="answers", at=at(5), attributes={"pr": 9})
    later = ChangeEvent(kind=ChangeKind.MIGRATION, title="index", service="db", at=at(1))
    sender.send(changes=[deploy, deploy])
    first = store.add_change(SCOPE, deploy, source="app", received_at=LATER)
    second = store.add_change(SCOPE, deploy, source="ci", received_at=LATER)
    sender.send(changes=[later])
    found = store.change_events(SCOPE)
    assert [each.event for each in found] == [later, deploy, deploy]
    assert {each.id for each in found if each.event == deploy} == {first.id, second.id}
    assert store.change_events(Scope(project="support", environment="staging")) == ()


def test_what_is_older_than_the_retention_is_deleted(sender: Sender, store: Telemetry) -> None:
    deploy = ChangeEvent(kind=ChangeKind.DEPLOY, title="release 7", service="answers", at=at(5))
    sender.send([met("u1", "baseline", 1), met("u2", "baseline", 100)], [measured("u1", 1, 2)], [deploy])
    gone = store.prune(at(50))
    assert (gone.exposures, gone.metrics, gone.changes) == (1, 1, 1)
    assert [each.unit for each in store.contexts(SCOPE)] == ["u2"]
