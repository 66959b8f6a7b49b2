"""Checkpoints are sent out of reach: who rewrites the log and signs it again contradicts what somebody else keeps."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from tests.attacks.attempts import WIDEN, applied
from tests.attacks.test_log_tampering import edited, entries, rewrite
from tests.support.world import World
from twokey.adapters.keeping import keeper
from twokey.adapters.signing import LAST, FileSigner, signature_holds
from twokey.adapters.sql.tables import audit_checkpoints
from twokey.domain.transparency.note import read_note
from twokey.engine.errors import Invalid
from twokey.steps.sign_checkpoint import sign_checkpoint
from twokey.wiring import jobs_of
from twokey.worker import TRIES, Worker


class Auditor:
    """Somebody who listens on loopback, and keeps what is sent; `answer` is what they say."""

    def __init__(self) -> None:
        self.answer = 204
        self.kept: list[tuple[str, str]] = []
        auditor = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                text = self.rfile.read(int(self.headers["Content-Length"])).decode()
                auditor.kept.append((self.headers["webhook-id"], text))
                self.send_response(auditor.answer)
                self.end_headers()

            def log_message(self, *_: object) -> None: ...

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True)
        self.thread.start()

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server.server_port}/kept?key=s3cret"

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()


@pytest.fixture
def auditor() -> Iterator[Auditor]:
    made = Auditor()
    yield made
    made.close()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "kept"
    made.mkdir()
    return made


@pytest.fixture
def signer(tmp_path: Path) -> FileSigner:
    return FileSigner(tmp_path / "keys", "log.example/audit", exported=True)


def work(world: World, signer: FileSigner, *places: str, rounds: int = 30) -> None:
    jobs = jobs_of(world.store, world.telemetry, signer, [keeper(each) for each in places])
    worker = Worker(world.store, world.clock, jobs, "test")
    for _ in range(rounds):
        if not worker.step():
            return


def refusals(world: World, action: str) -> list[str]:
    with world.store.read() as uow:
        found = [each.happening for each in uow.audit.entries(limit=1000)]
    return [str(each.detail) for each in found if each.action == action]


def test_what_is_signed_after_a_change_is_kept_by_all_and_holds_there(
    any_world: World, signer: FileSigner, folder: Path, auditor: Auditor
) -> None:
    applied(any_world)
    work(any_world, signer, str(folder), auditor.address)
    last = signer.last()
    assert last is not None
    assert (folder / "checkpoint").read_text() == last.text
    assert auditor.kept[-1] == (f"log.example/audit/{last.checkpoint.size}", last.text)
    note = read_note((folder / "checkpoint").read_text())
    assert note.signed_by([signer.key], signature_holds) == ("log.example/audit",)
    applied(any_world, WIDEN)
    work(any_world, signer, str(folder), auditor.address)
    assert len(list(folder.glob("checkpoint-*"))) == 2
    assert len(auditor.kept) == 2


def test_nothing_new_is_nothing_sent(any_world: World, signer: FileSigner, auditor: Auditor) -> None:
    applied(any_world)
    work(any_world, signer, auditor.address)
    sign_checkpoint(any_world.store, signer)
    work(any_world, signer, auditor.address)
    assert len(auditor.kept) == 1


def test_who_is_away_gets_it_later_and_the_others_at_once(
    any_world: World, signer: FileSigner, folder: Path, auditor: Auditor
) -> None:
    applied(any_world)
    auditor.answer = 503
    work(any_world, signer, auditor.address, str(folder))
    assert (folder / "checkpoint").exists()
    assert len(auditor.kept) == 1
    auditor.answer = 204
    any_world.clock.forward(minutes=10)
    work(any_world, signer, auditor.address, str(folder))
    assert len(auditor.kept) == 2
    assert auditor.kept[0] == auditor.kept[1], "with the same id, so that it is counted once"
    assert refusals(any_world, "job.fail") == []


def test_who_stays_away_is_on_record_without_the_secret_of_their_address(
    any_world: World, signer: FileSigner, auditor: Auditor
) -> None:
    applied(any_world)
    auditor.answer = 500
    for _ in range(TRIES + 1):
        work(any_world, signer, auditor.address)
        any_world.clock.forward(minutes=10)
    (failed,) = refusals(any_world, "job.fail")
    assert "/kept: answered 500" in failed
    assert "s3cret" not in failed


def rewritten(world: World, tmp_path: Path) -> None:
    """Somebody with the database and the data folder makes a log of the same length, and forgets what was signed."""
    (tmp_path / "keys" / LAST).unlink()
    happenings = [each.happening for each in entries(world)]
    rewrite(world, [edited(happenings[0]), *happenings[1:]])
    with world.store.engine.begin() as sql:
        sql.execute(audit_checkpoints.delete())


def test_another_history_of_the_same_length_signed_with_the_real_key_is_refused_where_the_first_is_kept(
    world: World, signer: FileSigner, folder: Path, auditor: Auditor, tmp_path: Path
) -> None:
    applied(world)
    work(world, signer, str(folder), auditor.address)
    true = (folder / "checkpoint").read_text()
    with world.store.begin() as uow:  # as long as what was signed
        signed = signer.last()
        assert signed is not None
        assert uow.audit.size() == signed.checkpoint.size
    rewritten(world, tmp_path)
    auditor.answer = 409
    sign_checkpoint(world.store, signer)
    work(world, signer, str(folder), auditor.address)
    (said,) = refusals(world, "refused.export_checkpoint")
    assert "of another root: the log was forked" in said
    assert "keeps another checkpoint" in said
    assert (folder / "checkpoint").read_text() == true


@pytest.mark.parametrize("place", ["ftp://somewhere/x", "https://", "/nowhere/at/all"])
def test_what_is_no_place_is_refused_at_the_start(place: str) -> None:
    with pytest.raises(Invalid, match="checkpoint_to"):
        keeper(place)
