"""Records come back as they went in, are found by what they are indexed by, and are never there twice."""

from collections.abc import Callable
from datetime import timedelta

import msgspec
import pytest

from tests.adapters.sql import samples
from twokey.adapters.sql import SqlStore
from twokey.domain.case import CaseStatus
from twokey.domain.errors import Conflict, NotFound
from twokey.domain.evidence import make
from twokey.domain.proposal import is_sealed
from twokey.ports import UnitOfWork

KINDS = (
    *("users", "sessions", "tokens", "cases", "signals", "findings", "evidence"),
    *("proposals", "approvals", "changes", "checks", "decisions"),
)


def fill(uow: UnitOfWork) -> None:
    """One record of every kind."""
    for kind in KINDS:
        record = getattr(samples, {"cases": "case", "evidence": "evidence"}.get(kind, kind[:-1]))()
        getattr(uow, kind).add(record)


def test_a_record_of_every_kind_comes_back_as_it_went_in(store: SqlStore) -> None:
    with store.begin() as uow:
        fill(uow)
    with store.read() as uow:
        for kind in KINDS:
            sample = getattr(samples, {"cases": "case", "evidence": "evidence"}.get(kind, kind[:-1]))()
            found = getattr(uow, kind).get("case-1" if kind == "decisions" else sample.id)
            assert found == sample, kind
            assert type(found) is type(sample)


def test_what_digests_cover_survives_the_store(store: SqlStore) -> None:
    with store.begin() as uow:
        fill(uow)
    with store.read() as uow:
        assert is_sealed(uow.proposals.get("proposal-1"))
        evidence = uow.evidence.get("evidence-1")
        assert make(evidence.id, evidence.case, evidence.kind, evidence.title, evidence.at, evidence.body) == evidence


def test_no_copy_of_a_secret_stands_beside_its_hash(store: SqlStore) -> None:
    with store.begin() as uow:
        fill(uow)
    with store.read() as uow:
        assert uow.sessions.where(secret_hash="sha256:aa")[0].user == "ana"
        assert uow.tokens.where(secret_hash="sha256:bb")[0].name == "prometheus"
        assert uow.users.where(username="ana")[0].id == "user-1"


def test_what_is_not_there_is_said_by_name(store: SqlStore) -> None:
    with store.begin() as uow:
        assert uow.cases.find("case-x") is None
        with pytest.raises(NotFound, match="there is no case `case-x`"):
            uow.cases.get("case-x")
        with pytest.raises(NotFound, match="there is no case `case-x`"):
            uow.cases.replace(samples.case("case-x"))
        with pytest.raises(NotFound, match="there is no case `case-x`"):
            uow.cases.where(before="case-x")


def test_what_fails_leaves_nothing_of_the_whole_transaction(store: SqlStore) -> None:
    def fail() -> None:
        with store.begin() as uow:
            fill(uow)
            uow.flags.put_environment(samples.ENVIRONMENT)
            uow.audit.append(samples.happening())
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fail()
    with store.read() as uow:
        assert [getattr(uow, kind).count() for kind in KINDS] == [0] * len(KINDS)
        assert uow.flags.environments() == ()
        assert uow.audit.entries() == ()
        assert uow.audit.verify().ok


def test_newest_first_means_last_inserted_whatever_the_clock_said(store: SqlStore) -> None:
    with store.begin() as uow:
        for number in range(5):
            uow.cases.add(samples.case(f"case-{number}", opened_at=samples.AT - timedelta(days=number)))
        uow.cases.replace(samples.case("case-0", title="edited"))
    with store.read() as uow:
        assert [each.id for each in uow.cases.where()] == ["case-4", "case-3", "case-2", "case-1", "case-0"]
        assert [each.id for each in uow.cases.where(limit=2)] == ["case-4", "case-3"]
        assert [each.id for each in uow.cases.where(limit=2, before="case-3")] == ["case-2", "case-1"]
        assert uow.cases.where(limit=0) == ()


def test_records_are_found_by_their_copies_which_follow_every_edit(store: SqlStore) -> None:
    with store.begin() as uow:
        uow.cases.add(samples.case("case-1"))
        uow.cases.add(samples.case("case-2", owner="ana"))
        uow.cases.replace(samples.case("case-1", CaseStatus.TRIAGED))
    with store.read() as uow:
        assert [each.id for each in uow.cases.where(status="open")] == ["case-2"]
        assert [each.id for each in uow.cases.where(status=CaseStatus.TRIAGED, project="support")] == ["case-1"]
        assert [each.id for each in uow.cases.where(owner="ana")] == ["case-2"]
        assert uow.cases.count(status="open") == 1
        assert uow.cases.count(project="other") == 0


def test_a_value_of_none_does_not_filter(store: SqlStore) -> None:
    with store.begin() as uow:
        uow.cases.add(samples.case())
    with store.read() as uow:
        assert uow.cases.count(status=None, project="support") == 1


def test_a_column_that_is_not_indexed_is_refused_rather_than_ignored(store: SqlStore) -> None:
    with store.read() as uow, pytest.raises(TypeError, match="a case cannot be found by `title`"):
        uow.cases.where(title="x")


def test_text_that_a_database_cannot_index_is_still_found_and_kept(store: SqlStore) -> None:
    with store.begin() as uow:
        uow.users.add(samples.user(username="an\0a"))
    with store.read() as uow:
        assert uow.users.where(username="an\0a")[0].username == "an\0a"
        assert uow.users.where(username="\ud800") == ()


DUPLICATES: dict[str, tuple[Callable[[UnitOfWork], None], str]] = {
    "id": (lambda uow: uow.cases.add(samples.case()), "case `case-1` exists already"),
    "username": (lambda uow: uow.users.add(samples.user("user-2")), "another user has this username"),
    "session": (lambda uow: uow.sessions.add(samples.session("session-2")), "another session has this secret hash"),
    "token": (lambda uow: uow.tokens.add(samples.token("token-2")), "another token has this secret hash"),
    "approval": (
        lambda uow: uow.approvals.add(samples.approval("approval-2")),
        "another approval has this proposal, person and digest",
    ),
    "signal": (
        lambda uow: uow.signals.add(samples.signal("signal-2")),
        "another signal has this project, environment, fingerprint and starts at",
    ),
    "decision": (lambda uow: uow.decisions.add(samples.decision()), "decision `case-1` exists already"),
}


@pytest.mark.parametrize("what", DUPLICATES)
def test_a_duplicate_is_a_conflict_that_says_what_is_taken(store: SqlStore, what: str) -> None:
    add, message = DUPLICATES[what]
    with store.begin() as uow:
        fill(uow)
    with store.begin() as uow:
        with pytest.raises(Conflict, match=message):
            add(uow)
        uow.audit.append(samples.happening(refused=what))  # the same transaction can still record the refusal
    with store.read() as uow:
        assert [getattr(uow, kind).count() for kind in KINDS] == [1] * len(KINDS)
        assert len(uow.audit.entries()) == 1


def test_renaming_to_a_taken_name_is_a_conflict(store: SqlStore) -> None:
    with store.begin() as uow:
        uow.users.add(samples.user("user-1", "ana"))
        uow.users.add(samples.user("user-2", "ben"))
        with pytest.raises(Conflict, match="this username"):
            uow.users.replace(samples.user("user-2", "ana"))
        uow.users.replace(samples.user("user-1", "ana"))


def test_an_alert_that_fires_anew_after_it_ended_is_a_new_signal(store: SqlStore) -> None:
    with store.begin() as uow:
        uow.cases.add(samples.case())
        uow.signals.add(samples.signal("signal-1", resolved_at=samples.AT))
        uow.signals.add(samples.signal("signal-2"))
        with pytest.raises(Conflict):
            uow.signals.replace(samples.signal("signal-1"))
    with store.read() as uow:
        assert [each.id for each in uow.signals.where(status="firing")] == ["signal-2"]


def test_a_person_may_answer_each_digest_once(store: SqlStore) -> None:
    with store.begin() as uow:
        fill(uow)
        uow.approvals.add(samples.approval("approval-2", digest="sha256:22"))
        uow.approvals.add(samples.approval("approval-3", person="ben"))
        assert uow.approvals.count(proposal="proposal-1") == 3


def test_a_record_of_nothing_is_refused_when_the_transaction_ends(store: SqlStore) -> None:
    def orphan() -> None:
        with store.begin() as uow:
            uow.signals.add(samples.signal(case="case-x"))

    with pytest.raises(Conflict, match="the store refuses what was written"):
        orphan()
    with store.begin() as uow:  # within the transaction the order is free
        uow.signals.add(samples.signal())
        uow.cases.add(samples.case())
    with store.read() as uow:
        assert uow.signals.count() == 1


def test_a_reading_transaction_writes_nothing(store: SqlStore) -> None:
    with store.read() as uow, pytest.raises(RuntimeError, match="only reads"):
        uow.cases.add(samples.case())


def test_msgspec_would_notice_a_record_of_another_shape(store: SqlStore) -> None:
    """A document is decoded with its exact type, so a record that was altered by hand does not pass for one."""
    with store.begin() as uow:
        uow.cases.add(samples.case())
    with store.engine.begin() as connection:
        connection.exec_driver_sql("""UPDATE cases SET document = replace(document, '"open"', '"done"')""")
    with store.read() as uow, pytest.raises(msgspec.ValidationError, match="done"):
        uow.cases.get("case-1")
