"""The log is checked without its server. Each test is something that somebody could do to a log."""

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest

from tests.cli.world import Person
from twokey.cli.exits import Exit
from twokey.domain.audit import GENESIS, Entry, Happening, Outcome, link

Lines = list[dict[str, Any]]


def chain(count: int = 6) -> list[Entry]:
    entries, previous = [], GENESIS
    for index in range(count):
        happening = Happening(
            action="proposal.approve", subject=f"proposal-{index}", actor={"id": "ines", "kind": "person"},
            outcome=Outcome.REFUSED if index == 2 else Outcome.DONE, project="support", environment="production",
            case="case-1" if index % 2 else None, detail={"share": 0.1, "note": "naïve ☃", "n": index, "none": None},
        )  # fmt: skip
        at = datetime(2026, 3, 5, 3, 20, 0, index * 1000, tzinfo=UTC) + timedelta(seconds=index)
        entries.append(link(happening, index, previous, at))
        previous = entries[-1].hash
    return entries


def nested(entry: Entry) -> dict[str, Any]:
    """As it is stored."""
    return dict(msgspec.json.decode(msgspec.json.encode(entry)))


def flat(entry: Entry) -> dict[str, Any]:
    """As the API shows it."""
    shown = nested(entry)
    happening = msgspec.structs.asdict(entry.happening)
    return {
        "index": shown["index"],
        "at": shown["at"],
        **happening,
        "previous": shown["previous"],
        "hash": shown["hash"],
    }


@pytest.fixture(params=[nested, flat])
def lines(request: pytest.FixtureRequest) -> Lines:
    return [request.param(entry) for entry in chain()]


def verify(ines: Person, lines: Lines, *more: str) -> tuple[int, dict[str, Any]]:
    file = ines.home / "audit.ndjson"
    file.write_text("".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines))
    ended = ines.runs("audit", "verify", "--offline", "--export", str(file), "--json", *more)
    assert ines.server.asked == []
    return ended.code, ended.json


def test_an_untouched_log_holds(ines: Person, lines: Lines) -> None:
    code, result = verify(ines, lines)
    assert (code, result["ok"], result["entries"], result["head"]) == (0, True, 6, lines[-1]["hash"])


def alter(lines: Lines) -> None:
    happening = lines[3].get("happening", lines[3])
    happening["actor"] = {"id": "mona", "kind": "person"}


def alter_time(lines: Lines) -> None:
    lines[3]["at"] = lines[3]["at"].replace("03:20:03", "03:20:04")


def drop(lines: Lines) -> None:
    del lines[3]


def insert(lines: Lines) -> None:
    lines.insert(3, dict(lines[2]))


def swap(lines: Lines) -> None:
    lines[3], lines[4] = lines[4], lines[3]


def rehash(lines: Lines) -> None:
    lines[3]["previous"] = GENESIS


def rename(lines: Lines) -> None:
    lines[3]["indexx"] = lines[3].pop("index")


def add_field(lines: Lines) -> None:
    lines[3]["approved_by"] = "mona"


def retype(lines: Lines) -> None:
    lines[3]["index"] = "3"


@pytest.mark.parametrize("attack", [alter, alter_time, drop, insert, swap, rehash, rename, add_field, retype])
def test_what_somebody_does_to_entry_3_is_found_there(
    ines: Person, lines: Lines, attack: Callable[[Lines], None]
) -> None:
    attack(lines)
    code, result = verify(ines, lines)
    assert code == Exit.VERIFICATION_FAILED
    assert (result["ok"], result["broken_at"], result["entries"]) == (False, 3, 3)
    assert result["problem"]


def test_one_flipped_bit_anywhere_in_a_line_is_found(ines: Person) -> None:
    text = "".join(json.dumps(flat(entry)) + "\n" for entry in chain(3)).encode()
    file = ines.home / "audit.ndjson"
    start = text.index(b"\n") + 1
    end = text.index(b"\n", start)
    for place in range(start, end, 19):
        file.write_bytes(text[:place] + bytes([text[place] ^ 1]) + text[place + 1 :])
        ended = ines.runs("audit", "verify", "--offline", "--export", str(file), "--json")
        assert ended.code == Exit.VERIFICATION_FAILED, text[start:end][place - start]
        assert ended.json["broken_at"] in (1, 2)


def test_a_log_cut_off_at_its_end_needs_a_noted_head(ines: Person, lines: Lines) -> None:
    head = lines[-1]["hash"]
    assert verify(ines, lines, "--head", head)[0] == 0
    assert verify(ines, lines, "--head", lines[2]["hash"])[0] == 0
    cut = lines[:4]
    assert verify(ines, cut)[0] == 0
    code, result = verify(ines, cut, "--head", head)
    assert code == Exit.VERIFICATION_FAILED
    assert "ends before" in result["problem"]


def test_people_are_told_which_entry(ines: Person, lines: Lines) -> None:
    alter(lines)
    file = ines.home / "log"
    file.write_text("\n".join(map(json.dumps, lines)))
    ended = ines.runs("audit", "verify", "--offline", "--export", str(file))
    assert ended.code == Exit.VERIFICATION_FAILED
    assert "entry 3" in ended.out
    assert "altered" in ended.out


def test_standard_input_is_a_file_too(ines: Person, lines: Lines) -> None:
    ines.terminal.piped = "\n".join(map(json.dumps, lines)) + "\n"
    assert ines.runs("audit", "verify", "--offline", "--export", "-").code == 0


def test_an_empty_log_holds_and_is_said_to_be_empty(ines: Person) -> None:
    assert verify(ines, [])[1]["entries"] == 0


def test_what_the_command_exports_it_verifies(ines: Person, lines: Lines) -> None:
    sent = "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines).encode()
    ines.server.on("GET", "audit/export", sent)
    file = ines.home / "out.ndjson"
    exported = ines.runs("audit", "export", "-o", str(file))
    assert "6 entries" in exported.err
    assert file.read_bytes() == sent
    printed = ines.runs("audit", "export")
    for text in (file.read_text(), printed.out):
        ines.terminal.piped = text
        assert ines.runs("audit", "verify", "--offline", "--export", "-").code == 0


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (("--offline",), Exit.USAGE),
        (("--offline", "--export", "a", "--database", "b"), Exit.USAGE),
        (("--offline", "--export", "nowhere"), Exit.NOT_FOUND),
        (("--offline", "--database", "sqlite:///nowhere/twokey.db"), Exit.NOT_FOUND),
        (("--head", "sha256:1"), Exit.USAGE),
    ],
)
def test_what_cannot_be_read_is_said(ines: Person, arguments: tuple[str, ...], code: int) -> None:
    ended = ines.runs("audit", "verify", *arguments)
    assert ended.code == code
    assert ended.err.startswith("Error:")


def test_reading_a_database_that_is_not_there_creates_none(
    ines: Person, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    ines.runs("audit", "verify", "--offline", "--database", "sqlite:///twokey.db")
    assert list(tmp_path.iterdir()) == []


def test_a_broken_log_on_the_server_ends_with_the_same_code(ines: Person) -> None:
    broken = {"ok": False, "entries": 3, "head": GENESIS, "broken_at": 3, "problem": "entry 3 was altered"}
    ines.server.on("GET", "audit/verify", broken)
    assert ines.runs("audit", "verify").code == Exit.VERIFICATION_FAILED
