"""The commands of the server's own machine: setting up for real, on a store of its own."""

import json
import sqlite3
from pathlib import Path
from typing import Any

import pytest

from tests.cli.world import FakeTerminal, Person
from twokey.cli.exits import Exit

FIRST = ("init", "--project", "support", "--environment", "production")
FLAG = {
    "key": "answers", "type": "boolean", "enabled": True, "baseline": "off", "otherwise": {"variation": "off"},
    "variations": [{"key": "off", "value": False}, {"key": "on", "value": True}],
}  # fmt: skip
SNAPSHOT = {
    "format": "twokey/1", "project": "x", "environment": "y", "revision": 7, "segments": [], "flags": [FLAG],
}  # fmt: skip
STATE = {
    "format": "twokey-state/1",
    "segments": [],
    "controls": [
        {"flag": FLAG, "owner": "support-ai", "purpose": "answers", "surface": "feature", "kind": "permanent",
         "permanent_because": "it is a mode"}
    ],
}  # fmt: skip


@pytest.fixture
def folder(ines: Person) -> Path:
    return ines.home / "data"


def set_up(ines: Person, folder: Path, *more: str) -> Any:
    return ines.runs(*FIRST, "--data", str(folder), *more)


def test_the_first_administrator_gets_a_one_time_link_and_no_password_exists(ines: Person, folder: Path) -> None:
    ended = set_up(ines, folder)
    assert ended.code == 0, ended.err
    address, _, secret = ended.out.split()[-1].partition("#")
    assert address.endswith("/invitation")
    assert len(secret) >= 40
    store = (folder / "twokey.db").read_bytes()
    assert secret.encode() not in store
    assert b"$argon2id$" not in store


def test_who_is_locked_out_is_let_in_again_on_the_server_s_machine(ines: Person, folder: Path) -> None:
    first = set_up(ines, folder, "--json").json["invitation"]
    again = ines.runs("user", "recover", "admin", "--data", str(folder), "--json")
    assert again.code == 0, again.err
    assert again.json["invitation"] != first
    assert ines.runs("user", "recover", "nobody", "--data", str(folder)).code == Exit.NOT_FOUND
    assert ines.runs("user", "recover", "admin", "--data", str(folder / "elsewhere")).code == Exit.NOT_FOUND


def test_a_script_may_have_a_password_made(ines: Person, folder: Path) -> None:
    ended = set_up(ines, folder, "--generate")
    assert ended.code == 0, ended.err
    assert (folder / "twokey.db").is_file()
    password = ended.out.split()[-1]
    assert len(password) >= 20
    assert password.encode() not in (folder / "twokey.db").read_bytes()


def test_a_person_is_asked(ines: Person, folder: Path) -> None:
    ines.terminal = FakeTerminal(["ines"])
    ended = set_up(ines, folder)
    assert ended.code == 0, ended.err
    assert "ines" in ended.out


def test_machines_get_it_as_json(ines: Person, folder: Path) -> None:
    shown = set_up(ines, folder, "--json").json
    assert shown["administrator"] == "admin"
    assert set(shown) == {"project", "environment", "administrator", "kept_in", "invitation"}


def test_a_second_time_is_a_conflict(ines: Person, folder: Path) -> None:
    set_up(ines, folder)
    ended = set_up(ines, folder)
    assert ended.code == Exit.CONFLICT
    assert "already" in ended.err


def test_a_short_password_sets_nothing_up(ines: Person, folder: Path) -> None:
    ines.terminal = FakeTerminal(piped="short\n")
    ended = set_up(ines, folder, "--password-stdin")
    assert ended.code == Exit.USAGE
    assert "12 characters" in ended.err
    assert not folder.exists()


@pytest.mark.parametrize("document", [SNAPSHOT, STATE], ids=["snapshot", "state"])
def test_it_starts_with_the_flags_of_a_file(ines: Person, folder: Path, document: dict[str, Any]) -> None:
    file = ines.home / "flags.json"
    file.write_text(json.dumps(document))
    assert set_up(ines, folder, "--from", str(file), "--approver", "release_manager").code == 0
    with sqlite3.connect(folder / "twokey.db") as database:
        assert b"answers" in b"".join(database.serialize().splitlines())


@pytest.mark.parametrize("text", ["nonsense", "[]", '{"format": "twokey-state/1", "controls": [{"flag": 1}]}'])
def test_a_file_that_is_no_such_thing_sets_nothing_up(ines: Person, folder: Path, text: str) -> None:
    file = ines.home / "flags.json"
    file.write_text(text)
    assert set_up(ines, folder, "--from", str(file)).code == Exit.USAGE
    assert not folder.exists()


def test_the_log_of_a_new_store_verifies_offline_until_it_is_touched(ines: Person, folder: Path) -> None:
    set_up(ines, folder)
    url = f"sqlite:///{folder / 'twokey.db'}"
    held = ines.runs("audit", "verify", "--offline", "--database", url, "--json")
    assert held.code == 0, held.err
    assert held.json["entries"] >= 2
    assert ines.runs("audit", "verify", "--offline", "--database", url, "--head", held.json["head"]).code == 0
    assert ines.runs("audit", "verify", "--offline", "--database", url, "--head", "sha256:1").code == 6
    with sqlite3.connect(folder / "twokey.db") as database:
        (name,) = next(database.execute("select name from sqlite_master where name like 'audit_entr%'"))
        columns = [row[1] for row in database.execute(f"pragma table_info({name})")]
        database.execute(f"drop trigger if exists {name}_immutable")
        for (trigger,) in database.execute("select name from sqlite_master where type = 'trigger'").fetchall():
            database.execute(f'drop trigger "{trigger}"')
        database.execute(f"update {name} set hash = replace(hash, substr(hash, 20, 1), 'x') where position = 1")
        assert "hash" in columns
    broken = ines.runs("audit", "verify", "--offline", "--database", url, "--json")
    assert (broken.code, broken.json["broken_at"]) == (Exit.VERIFICATION_FAILED, 1)


def test_there_is_nothing_to_serve_before_setting_up(ines: Person, folder: Path) -> None:
    ended = ines.runs("serve", "--data", str(folder))
    assert ended.code == Exit.NOT_FOUND
    assert "twokey init" in ended.err
    assert not folder.exists()


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (["--oidc-agents", "support/production"], "--oidc-issuer"),
        (
            ["--oidc-agents", "production", "--oidc-issuer", "https://id.test", "--oidc-client", "c"],
            "PROJECT/ENVIRONMENT",
        ),
        (["--oidc-agents", "a/b/c", "--oidc-issuer", "https://id.test", "--oidc-client", "c"], "PROJECT/ENVIRONMENT"),
    ],
)
def test_agents_by_a_provider_are_set_up_whole_or_not_at_all(
    ines: Person, folder: Path, options: list[str], told: str
) -> None:
    ended = ines.runs("serve", "--data", str(folder), *options)
    assert ended.code == Exit.USAGE
    assert told in ended.err


class TestValidate:
    def test_a_good_file(self, ines: Person) -> None:
        file = ines.home / "flags.json"
        file.write_text(json.dumps(SNAPSHOT))
        shown = ines.runs("snapshot", "validate", str(file), "--json")
        assert (shown.code, shown.json["flags"], shown.json["revision"]) == (0, 1, 7)
        assert ines.server.asked == []

    def test_a_bad_one_names_the_place(self, ines: Person) -> None:
        broken = SNAPSHOT | {"flags": [FLAG | {"baseline": "nope"}]}
        ines.terminal.piped = json.dumps(broken)
        ended = ines.runs("snapshot", "validate", "-")
        assert ended.code == Exit.USAGE
        assert "nope" in ended.err
