"""Whoever has the database, and its administrator's rights, cannot change what the log says and go unnoticed.

Each attack ends with a database whose chain, head and tree the attacker has made fit again wherever they could; what
they do not have is the key, and what was signed last.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec
import pytest
from sqlalchemy import delete, select, update

from tests.attacks.attempts import WIDEN, applied, drafted
from tests.support.server import Doors
from tests.support.world import World
from twokey import wiring
from twokey.adapters.signing import KEY, LAST, FileSigner, signature_holds
from twokey.adapters.sql.audit_log import _row
from twokey.adapters.sql.audit_tree import AuditTree
from twokey.adapters.sql.tables import audit_entries, audit_head, audit_nodes
from twokey.adapters.sql.transaction import Transaction
from twokey.domain.audit import GENESIS, Entry, Happening, Verification, leaf_of, link
from twokey.domain.errors import Refused
from twokey.domain.transparency.note import Note
from twokey.domain.transparency.proof_file import read_proof
from twokey.domain.transparency.proofs import extends
from twokey.domain.transparency.tree import leaf_hash
from twokey.engine.errors import Invalid
from twokey.settings import Settings
from twokey.steps.sign_checkpoint import accept_restored, contradiction, sign_checkpoint


@pytest.fixture(params=["sqlite", "postgresql"])
def world(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[World]:
    """A world in which something happened, on either database."""
    url = request.getfixturevalue("postgresql_url") if request.param == "postgresql" else ""
    made = World(tmp_path, url=url)
    applied(made)
    yield made
    made.close()


@pytest.fixture
def signer(tmp_path: Path) -> FileSigner:
    return FileSigner(tmp_path / "keys", "log.example/audit")


def signed(world: World, signer: FileSigner) -> Note:
    note = sign_checkpoint(world.store, signer)
    assert note is not None
    return note


def said(world: World, signer: FileSigner) -> str:
    """What verification says is wrong; nothing where all is well."""
    with world.store.read() as uow:
        found: Verification = uow.audit.verify()
        return found.problem or contradiction(uow, signer.last())


def entries(world: World) -> list[Entry]:
    with world.store.read() as uow:
        return list(uow.audit.entries(limit=10_000))


def rewrite(world: World, happenings: list[Happening]) -> None:
    """Put another history into the database: chain, head and tree all fit each other again."""
    times = [each.at for each in entries(world)]
    with world.store.engine.begin() as connection:
        unguard(world, connection.exec_driver_sql)
        for table in (audit_entries, audit_nodes):
            connection.execute(delete(table))
        transaction, previous, chain = Transaction(connection, world.clock(), writing=True), GENESIS, []
        for index, happening in enumerate(happenings):
            chain.append(link(happening, index, previous, times[min(index, len(times) - 1)]))
            previous = chain[-1].hash
            connection.execute(audit_entries.insert().values(**_row(chain[-1])))
        AuditTree(transaction).add(chain)
        connection.execute(update(audit_head).values(entries=len(chain), hash=previous))


def unguard(world: World, run: Callable[[str], object]) -> None:
    if world.store.engine.dialect.name == "sqlite":
        run("DROP TRIGGER IF EXISTS audit_entries_no_update")
        run("DROP TRIGGER IF EXISTS audit_entries_no_delete")
    else:
        run("DROP TRIGGER IF EXISTS audit_entries_append_only ON audit_entries")


def edited(happening: Happening) -> Happening:
    return msgspec.structs.replace(happening, actor={"id": "somebody-else", "kind": "person"})


# -------------------------------------------------------------------- nothing is wrong


def test_an_honest_log_verifies_and_every_later_one_continues_it(world: World, signer: FileSigner) -> None:
    first = signed(world, signer)
    applied(world, WIDEN)
    second = signed(world, signer)
    assert said(world, signer) == ""
    with world.store.read() as uow:
        proof = uow.audit.consistency(first.checkpoint.size, second.checkpoint.size)
    one, other = first.checkpoint, second.checkpoint
    assert extends(one.size, other.size, one.root, other.root, proof)
    assert second.signed_by([signer.key], signature_holds) == ("log.example/audit",)


def test_where_nothing_was_added_nothing_is_signed_again(world: World, signer: FileSigner) -> None:
    first = signed(world, signer)
    assert signed(world, signer) == first
    with world.store.read() as uow:
        assert len(uow.audit.checkpoints()) == 1


# -------------------------------------------------------------------- the attacks


def test_editing_an_entry_and_mending_the_chain_is_named(world: World, signer: FileSigner) -> None:
    signed(world, signer)
    history = [each.happening for each in entries(world)]
    rewrite(world, [*history[:3], edited(history[3]), *history[4:]])
    assert "another root" in said(world, signer)
    drafted(world, WIDEN)
    with pytest.raises(Refused, match="not those that were signed"):
        sign_checkpoint(world.store, signer)


def test_deleting_an_entry_is_named(world: World, signer: FileSigner) -> None:
    signed(world, signer)
    history = [each.happening for each in entries(world)]
    rewrite(world, [*history[:3], *history[4:]])
    assert "shorter than what was signed" in said(world, signer)
    with pytest.raises(Refused, match="restored from an older copy, or cut off"):
        sign_checkpoint(world.store, signer)


def test_reordering_entries_is_named(world: World, signer: FileSigner) -> None:
    signed(world, signer)
    history = [each.happening for each in entries(world)]
    rewrite(world, [*history[:2], history[3], history[2], *history[4:]])
    assert "another root" in said(world, signer)


def test_cutting_the_tail_off_is_named(world: World, signer: FileSigner) -> None:
    signed(world, signer)
    rewrite(world, [each.happening for each in entries(world)][:-2])
    assert "shorter" in said(world, signer)


def test_a_fork_with_more_entries_than_were_signed_is_named(world: World, signer: FileSigner) -> None:
    signed(world, signer)
    history = [each.happening for each in entries(world)]
    rewrite(world, [*history[:-1], edited(history[-1]), *history])
    assert "another root" in said(world, signer)
    with pytest.raises(Refused, match="forked or altered"):
        sign_checkpoint(world.store, signer)


def test_taking_the_stored_checkpoints_away_as_well_does_not_help(world: World, signer: FileSigner) -> None:
    signed(world, signer)
    history = [each.happening for each in entries(world)]
    rewrite(world, [*history[:3], edited(history[3]), *history[4:]])
    with world.store.engine.begin() as connection:
        connection.exec_driver_sql("DELETE FROM audit_checkpoints")
    assert "not those that were signed" in said(world, signer)


def test_altering_the_tree_alone_is_named(world: World, signer: FileSigner) -> None:
    with world.store.engine.begin() as connection:
        where = audit_nodes.c.level == 0
        place = connection.execute(
            select(audit_nodes.c.place).where(where).order_by(audit_nodes.c.place.desc())
        ).first()
        assert place is not None
        connection.execute(update(audit_nodes).where(where, audit_nodes.c.place == place[0]).values(hash="00" * 32))
        connection.execute(update(audit_nodes).where(audit_nodes.c.level > 1).values(hash="11" * 32))
    assert "the tree over the log was altered" in said(world, signer)


def test_a_checkpoint_of_another_key_is_none(world: World, signer: FileSigner, tmp_path: Path) -> None:
    signed(world, signer)
    other = FileSigner(tmp_path / "others", "log.example/audit")
    forged = sign_checkpoint(world.store, other)
    assert forged is not None
    assert forged.signed_by([signer.key], signature_holds) == ()


# -------------------------------------------------------------------- an older copy


def test_a_restored_older_copy_signs_nothing_until_somebody_answers_for_it(tmp_path: Path) -> None:
    made, keys = World(tmp_path), FileSigner(tmp_path / "keys")
    applied(made)
    made.store.close()
    shutil.copy(tmp_path / "twokey.db", tmp_path / "backup.db")
    applied(made, WIDEN)
    note = signed(made, keys)
    made.store.close()
    shutil.copy(tmp_path / "backup.db", tmp_path / "twokey.db")
    for more in ("-wal", "-shm"):
        (tmp_path / f"twokey.db{more}").unlink(missing_ok=True)
    with pytest.raises(Refused, match="restored from an older copy"):
        sign_checkpoint(made.store, keys)
    applied(made, WIDEN)
    applied(made)
    with pytest.raises(Refused):
        sign_checkpoint(made.store, keys)

    assert accept_restored(made.store, made.mara, keys.last(), "the disk died; backup of 09:00")
    keys.set_aside()
    again = signed(made, keys)
    assert again.checkpoint.origin == note.checkpoint.origin + "/2"
    assert said(made, keys) == ""
    accepted = next(each for each in entries(made) if each.happening.action == "audit.accept")
    assert accepted.happening.detail["signed"] == note.text
    assert not accept_restored(made.store, made.mara, keys.last(), "again")
    made.close()


def test_a_crash_between_signing_and_storing_loses_no_checkpoint(world: World, signer: FileSigner) -> None:
    note = signed(world, signer)
    with world.store.engine.begin() as connection:
        connection.exec_driver_sql("DELETE FROM audit_checkpoints")
    assert signed(world, signer) == note
    with world.store.read() as uow:
        assert uow.audit.checkpoints() == (note,)


# -------------------------------------------------------------------- the key


def test_the_key_lies_outside_the_database_and_only_its_owner_reads_it(tmp_path: Path) -> None:
    keys = FileSigner(tmp_path / "keys")
    key = keys.key
    file = tmp_path / "keys" / KEY
    assert file.stat().st_mode & 0o777 == 0o600
    assert FileSigner(tmp_path / "keys").key == key
    file.write_text("not a key")
    with pytest.raises(Invalid, match="no signing key"):
        _ = FileSigner(tmp_path / "keys").key


def test_a_damaged_memory_of_what_was_signed_stops_signing(world: World, signer: FileSigner, tmp_path: Path) -> None:
    signed(world, signer)
    (tmp_path / "keys" / LAST).write_text("nothing was ever signed\n")
    with pytest.raises(Invalid):
        sign_checkpoint(world.store, signer)


# -------------------------------------------------------------------- through the doors


def test_a_log_that_is_older_than_the_tree_gets_its_tree_with_the_next_entry(world: World, signer: FileSigner) -> None:
    with world.store.engine.begin() as connection:
        connection.execute(delete(audit_nodes))
    assert said(world, signer) == ""
    drafted(world, WIDEN)
    assert said(world, signer) == ""
    assert signed(world, signer).checkpoint.size == len(entries(world))


def test_a_decision_is_proven_without_the_log(world: World, signer: FileSigner) -> None:
    server = Doors(world, signer=signer)
    mara = server.person("mara")
    made = mara.post("/api/v1/audit/checkpoint")
    assert made.status_code == 201, made.text
    key = mara.get("/api/v1/audit/key").text
    change = world.audit("change.apply")[-1]
    proof = read_proof(mara.get("/api/v1/audit/proof", params={"subject": change}).text)
    entry = entries(world)[proof.index]
    assert entry.happening.subject == change
    assert proof.holds_for(leaf_hash(leaf_of(entry)))
    assert key.startswith("log.example/audit+")
    assert proof.note.signed_by([signer.key], signature_holds)
    assert mara.get("/api/v1/audit/verify").json()["ok"] is True
    assert server.client().get("/api/v1/audit/checkpoint").status_code == 401


def test_an_operator_accepts_a_restored_store_from_the_shell_and_it_is_on_record(tmp_path: Path) -> None:

    made = World(tmp_path)
    applied(made)
    shown = signed(made, FileSigner(tmp_path))
    settings = Settings(data=tmp_path, database=f"sqlite:///{tmp_path / 'twokey.db'}")
    assert not wiring.accept_restored(settings, "nothing happened", made.clock)
    rewrite(made, [each.happening for each in entries(made)][:-2])
    assert wiring.accept_restored(settings, "the disk died", made.clock)
    assert (tmp_path / f"{LAST}.1").read_text() == shown.text
    assert signed(made, FileSigner(tmp_path)).checkpoint.origin.endswith("/2")
    with pytest.raises(Invalid, match="reason"):
        wiring.accept_restored(settings, " ", made.clock)
    made.close()
