"""Proofs and checkpoints, checked from files alone, as an auditor does who trusts neither server nor database."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.attacks.attempts import WIDEN, applied
from tests.support.server import Doors
from tests.support.world import World
from twokey.adapters.signing import FileSigner
from twokey.cli.audit_proofs import against, check


@pytest.fixture
def files(tmp_path: Path) -> Iterator[dict[str, Any]]:
    """What an auditor was given: a key, a checkpoint, an export and the proof of one change."""
    world, signer = World(tmp_path), FileSigner(tmp_path / "keys")
    applied(world)
    mara = Doors(world, signer=signer).person("mara")
    mara.post("/api/v1/audit/checkpoint")
    found: dict[str, Any] = {"key": mara.get("/api/v1/audit/key").text}
    change = world.audit("change.apply")[-1]
    texts = {
        "checkpoint": mara.get("/api/v1/audit/checkpoint").text,
        "proof": mara.get("/api/v1/audit/proof", params={"subject": change}).text,
    }
    applied(world, WIDEN)
    texts["export"] = mara.get("/api/v1/audit/export").text
    for name, text in texts.items():
        found[name] = tmp_path / name
        found[name].write_text(text)
    yield found
    world.close()


def altered(file: Path, *change: str) -> Path:
    text = file.read_text()
    assert change[0] in text
    other = file.with_name(f"{file.name}-altered")
    other.write_text(text.replace(change[0], change[1]))
    return other


def test_what_is_as_it_was_signed_holds(files: dict[str, Any]) -> None:
    assert check(files["proof"], files["export"], files["key"]) == ""
    assert against(str(files["export"]), files["checkpoint"], files["key"])["ok"] is True


def test_an_entry_that_was_altered_is_not_the_proven_one(files: dict[str, Any]) -> None:
    export = altered(files["export"], '"ines"', '"nobody"')
    lines = [json.loads(line) for line in files["export"].read_text().splitlines()]
    index = int(files["proof"].read_text().split("index ")[1].split("\n")[0])
    lines[index]["happening"]["detail"]["summary"] = "something else"
    export.write_text("\n".join(json.dumps(each) for each in lines))
    assert "altered" in check(files["proof"], export, files["key"])
    assert "not those that were signed" in str(against(str(export), files["checkpoint"], files["key"])["problem"])


def test_a_shorter_export_is_not_what_was_signed(files: dict[str, Any]) -> None:
    export = files["export"].with_name("short")
    export.write_text("\n".join(files["export"].read_text().splitlines()[:3]))
    assert "cut off" in str(against(str(export), files["checkpoint"], files["key"])["problem"])
    assert "has no entry" in check(files["proof"], export, files["key"])


def test_another_key_signed_nothing_here(files: dict[str, Any], tmp_path: Path) -> None:
    other = FileSigner(tmp_path / "others").key.text
    assert "no signature" in check(files["proof"], files["export"], other)
    assert "no signature" in str(against(str(files["export"]), files["checkpoint"], other)["problem"])


@pytest.mark.parametrize("change", [("index ", "index 1"), ("c2sp.org", "c3sp.org")])
def test_a_proof_of_which_a_word_was_changed_does_not_hold(files: dict[str, Any], change: tuple[str, str]) -> None:
    assert check(altered(files["proof"], *change), files["export"], files["key"]) != ""


def test_a_checkpoint_of_which_a_word_was_changed_does_not_hold(files: dict[str, Any]) -> None:
    size = files["checkpoint"].read_text().splitlines()[1]
    other = altered(files["checkpoint"], f"\n{size}\n", f"\n{int(size) - 1}\n")
    assert "does not hold" in str(against(str(files["export"]), other, files["key"])["problem"])
