"""Flag state moves one revision at a time, and every state it ever was can be read again."""

import random
from collections.abc import Callable
from datetime import timedelta

import msgspec
import pytest
from sqlalchemy import func, select

from tests.adapters.sql import samples
from tests.support.stores import Stopwatch
from twokey.adapters.sql import SqlStore
from twokey.adapters.sql.tables import control_versions, controls, segment_versions
from twokey.domain.control import Control, State
from twokey.domain.errors import Conflict, NotFound
from twokey.domain.policy import Environment
from twokey.engine import Snapshot
from twokey.engine.flag import Segment

PLACE = ("support", "production")


@pytest.fixture(autouse=True)
def _environment(store: SqlStore) -> None:
    with store.begin() as uow:
        uow.flags.put_environment(samples.ENVIRONMENT)


def publish(
    store: SqlStore, *put: Control, segments: tuple[Segment, ...] = (), drop: str = "", change: str = "change-1"
) -> State:
    """Publish these controls and segments over what is there, without the flag `drop`."""
    with store.begin() as uow:
        before = uow.flags.state(*PLACE)
        after = samples.with_controls(before, *put, segments=segments)
        left = {key: each for key, each in after.controls.items() if key != drop}
        return uow.flags.write(before, msgspec.structs.replace(after, controls=left), change, uow.now)


def now(store: SqlStore) -> State:
    with store.read() as uow:
        return uow.flags.state(*PLACE)


def test_an_environment_starts_empty_at_revision_0(store: SqlStore) -> None:
    assert now(store) == State(project="support", environment="production", revision=0)


def test_environments_are_listed_by_project_and_key_and_keep_their_revision_when_edited(store: SqlStore) -> None:
    publish(store, samples.control())
    edited = msgspec.structs.replace(samples.ENVIRONMENT, approval_hours=1.5)
    with store.begin() as uow:
        uow.flags.put_environment(Environment(project="support", key="canary"))
        uow.flags.put_environment(Environment(project="billing", key="test", guarded=False))
        uow.flags.put_environment(edited)
    with store.read() as uow:
        listed = [(each.project, each.key) for each in uow.flags.environments()]
        assert listed == [("billing", "test"), ("support", "canary"), ("support", "production")]
        assert uow.flags.environment(*PLACE) == edited
        assert uow.flags.revision(*PLACE) == 1
        assert uow.flags.state("support", "canary").controls == {}


@pytest.mark.parametrize("read", ["environment", "revision", "state"])
def test_an_unknown_environment_is_said_by_name(store: SqlStore, read: str) -> None:
    with store.read() as uow, pytest.raises(NotFound, match="there is no environment `support/nowhere`"):
        getattr(uow.flags, read)("support", "nowhere")


def test_what_is_published_is_read_again_with_its_stamps(store: SqlStore) -> None:
    written = publish(store, samples.control(), segments=(samples.segment(),))
    assert written == now(store)
    assert written.revision == 1
    flag, segment = written.controls["answers"].flag, written.segments["internal"]
    assert (flag.revision, segment.revision) == (1, 1)
    snapshot = Snapshot.build(*PLACE, 1, [flag], [segment])  # checks the digests that are given
    assert snapshot.flags["answers"].digest == flag.digest


def test_values_of_any_shape_survive(store: SqlStore) -> None:
    value = {"model": samples.UNUSUAL, "stop": [], "temperature": 0.7, "nested": {"a": [None, True, 1]}}
    publish(store, samples.control(value=value))
    kept = now(store)
    assert kept.control("answers").flag.value_of("new") == value
    assert kept.snapshot().flags["answers"].digest == kept.control("answers").flag.digest


def test_only_what_differs_is_touched(store: SqlStore) -> None:
    publish(store, samples.control("a"), samples.control("b"), segments=(samples.segment(),))
    second = publish(store, samples.control("b", enabled=False), change="change-2")
    assert {key: each.flag.revision for key, each in second.controls.items()} == {"a": 1, "b": 2}
    assert second.segments["internal"].revision == 1
    with store.engine.connect() as connection:
        assert connection.execute(select(func.count()).select_from(control_versions)).scalar_one() == 3
        assert connection.execute(select(func.count()).select_from(segment_versions)).scalar_one() == 1
        assert connection.execute(select(func.count()).select_from(controls)).scalar_one() == 2


def test_a_dropped_stamp_is_no_difference(store: SqlStore) -> None:
    first = publish(store, samples.control())
    again = publish(store, samples.control())  # the same content, as somebody edits it: without revision and digest
    assert again.revision == 2
    assert again.controls == first.controls == now(store).controls


def test_an_old_digest_on_edited_content_is_replaced_by_the_right_one(store: SqlStore) -> None:
    kept = publish(store, samples.control()).control("answers")
    edited = msgspec.structs.replace(kept, flag=msgspec.structs.replace(kept.flag, enabled=False))
    assert publish(store, edited).snapshot().flags["answers"].digest != kept.flag.digest


def test_a_change_of_what_is_not_published_is_a_version_too(store: SqlStore) -> None:
    kept = publish(store, samples.control()).control("answers")
    publish(store, msgspec.structs.replace(kept, owner="ben"))
    with store.read() as uow:
        owners = [each.control and each.control.owner for each in uow.flags.versions(*PLACE, "answers")]
    assert owners == ["ben", "ana"]


def test_every_earlier_state_can_be_read_again(store: SqlStore) -> None:
    states = [
        now(store),
        publish(store, samples.control("a")),
        publish(store, samples.control("b"), segments=(samples.segment(),)),
        publish(store, samples.control("a", enabled=False), segments=(samples.segment("internal", "u-2"),)),
        publish(store, drop="a"),
        publish(store, samples.control("a")),
    ]
    with store.read() as uow:
        assert [uow.flags.state_at(*PLACE, number) for number in range(6)] == states
        assert uow.flags.state(*PLACE) == states[-1]
    assert [sorted(each.controls) for each in states] == [[], ["a"], ["a", "b"], ["a", "b"], ["b"], ["a", "b"]]


@pytest.mark.parametrize("revision", [-1, 2])
def test_a_revision_that_was_never_published_is_not_made_up(store: SqlStore, revision: int) -> None:
    publish(store, samples.control())
    with store.read() as uow, pytest.raises(NotFound, match=f"there is no revision `{revision} of support/production`"):
        uow.flags.state_at(*PLACE, revision)


def test_versions_tell_what_when_and_by_which_change_newest_first(store: SqlStore, clock: Stopwatch) -> None:
    started = clock.now
    publish(store, samples.control(), change="change-1")
    clock.forward(hours=1)
    publish(store, samples.control("other"), change="change-2")
    publish(store, drop="answers", change="change-3")
    with store.read() as uow:
        gone, made = uow.flags.versions(*PLACE, "answers")
        assert uow.flags.versions(*PLACE, "answers", limit=1) == (gone,)
        assert uow.flags.versions(*PLACE, "never") == ()
    assert (made.revision, made.environment_revision, made.change, made.at) == (1, 1, "change-1", started)
    assert made.control is not None
    assert made.control.flag.enabled
    assert (gone.revision, gone.change, gone.at) == (3, "change-3", started + timedelta(hours=1))
    assert gone.control is None


def test_the_histories_of_many_flags_are_read_together(store: SqlStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("twokey.adapters.sql.objects._AT_ONCE", 2)
    for key in ("a", "b", "c"):
        publish(store, samples.control(key))
    publish(store, samples.control("c", enabled=False))
    with store.read() as uow:
        found = uow.flags.histories(*PLACE, ["c", "a", "never", "b"])
        assert found == {key: uow.flags.versions(*PLACE, key) for key in ("a", "b", "c", "never")}
    assert [len(found[key]) for key in ("a", "b", "c", "never")] == [1, 1, 2, 0]


def test_which_flags_were_edited_in_a_time_and_when_last(store: SqlStore, clock: Stopwatch) -> None:
    started = clock.now
    publish(store, samples.control("early"))
    clock.forward(hours=1)
    publish(store, samples.control("twice"))
    clock.forward(hours=1)
    publish(store, samples.control("twice", enabled=False))
    clock.forward(hours=1)
    publish(store, samples.control("late"))
    hour = [started + timedelta(hours=each) for each in range(4)]
    with store.read() as uow:
        assert uow.flags.edited(*PLACE, hour[1], hour[2]) == {"twice": hour[2]}
        assert uow.flags.edited(*PLACE, hour[0], hour[1]) == {"early": hour[0], "twice": hour[1]}
        assert uow.flags.edited(*PLACE, hour[3] + timedelta(seconds=1), clock.now) == {}


def test_a_stale_base_is_a_conflict_and_changes_nothing(store: SqlStore) -> None:
    base = now(store)
    published = publish(store, samples.control())
    with store.begin() as uow:
        with pytest.raises(Conflict, match="support/production is at revision 1, not 0; read the state again"):
            uow.flags.write(base, samples.with_controls(base, samples.control("late")), "change-2", uow.now)
        uow.audit.append(samples.happening())
    assert now(store) == published


def test_environments_do_not_touch_each_other(store: SqlStore) -> None:
    publish(store, samples.control())
    with store.begin() as uow:
        uow.flags.put_environment(Environment(project="support", key="canary"))
        before = uow.flags.state("support", "canary")
        uow.flags.write(before, samples.with_controls(before, samples.control(enabled=False)), "change-2", uow.now)
    with store.read() as uow:
        assert uow.flags.state(*PLACE).control("answers").flag.enabled
        assert not uow.flags.state("support", "canary").control("answers").flag.enabled
        assert len(uow.flags.versions(*PLACE, "answers")) == 1


def test_two_processes_that_publish_in_turns_read_what_a_new_one_reads(
    store: SqlStore, store_url: str, open_store: Callable[[str], SqlStore]
) -> None:
    chance, processes = random.Random(11), (store, open_store(store_url))
    for number in range(40):
        one = chance.choice(processes)
        key = chance.choice("abcd")
        if chance.random() < 0.3 and key in now(one).controls:
            publish(one, drop=key, change=f"change-{number}")
        else:
            segments = (samples.segment("internal", f"u-{number}"),) if chance.random() < 0.3 else ()
            publish(one, samples.control(key, enabled=bool(number % 2)), segments=segments, change=f"change-{number}")
        if chance.random() < 0.6:
            fresh = now(open_store(store_url))
            assert [now(each) for each in processes] == [fresh, fresh]
            assert [list(now(each).controls) for each in processes] == [sorted(fresh.controls)] * 2


def test_a_publish_that_is_rolled_back_was_never_read(
    store: SqlStore, store_url: str, open_store: Callable[[str], SqlStore]
) -> None:
    publish(store, samples.control("a"))
    with pytest.raises(ZeroDivisionError), store.begin() as uow:
        before = uow.flags.state(*PLACE)
        uow.flags.write(before, samples.with_controls(before, samples.control("lost")), "change-2", uow.now)
        assert sorted(uow.flags.state(*PLACE).controls) == ["a", "lost"]
        raise ZeroDivisionError
    assert publish(open_store(store_url), samples.control("b")).revision == 2
    assert sorted(now(store).controls) == ["a", "b"]


def test_a_state_that_did_not_move_is_not_read_again(store: SqlStore) -> None:
    publish(store, samples.control("a"))
    assert now(store) is now(store)
