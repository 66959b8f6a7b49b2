"""Proofs and checkpoints of the audit log, checked here from files alone.

Rule: nothing in a file is believed. The key is the caller's, the entry's hash is computed from its content, and a
checkpoint counts only with a signature of that key.
"""

from __future__ import annotations

from pathlib import Path

from twokey.adapters.signing import signature_holds
from twokey.cli.audit_files import entries_of
from twokey.cli.failures import usage
from twokey.domain.audit import Entry, Peaks, leaf_of
from twokey.domain.transparency.note import Note, read_key, read_note
from twokey.domain.transparency.proof_file import read_proof
from twokey.domain.transparency.tree import leaf_hash
from twokey.engine.errors import Invalid


def check(proof_file: Path, export: Path, key: str) -> str:
    """What is wrong with a proof; nothing where it holds for the entry of its index in the export."""
    try:
        proof = read_proof(_read(proof_file))
        if problem := _unsigned(proof.note, key):
            return problem
    except Invalid as error:
        return f"{error.field} {error.problem}"
    entry = next((each for each in entries_of(export) if each.index == proof.index), None)
    if entry is None:
        return f"the export has no entry {proof.index}"
    if not proof.holds_for(leaf_hash(leaf_of(entry))):
        return f"entry {proof.index} is not the one that the proof is for: it was altered, or it is of another log"
    return ""


def against(export: str, checkpoint: Path, key: str) -> dict[str, object]:
    """Whether the exported log continues a checkpoint that was kept elsewhere: the result's `ok` and `problem`."""
    if not export or not key:
        raise usage("--checkpoint needs --export and --key", "give an exported log, and the key that signed it")
    try:
        note = read_note(_read(checkpoint))
        problem = _unsigned(note, key) or _differs(entries_of(Path(export)), note)
    except Invalid as error:
        problem = f"{error.field} {error.problem}"
    return {"ok": not problem, "problem": problem}


def _differs(entries: tuple[Entry, ...], note: Note) -> str:
    said, peaks = note.checkpoint, Peaks()
    for entry in entries[: said.size]:
        peaks.add(leaf_hash(leaf_of(entry)))
    if peaks.size < said.size:
        return f"the log has {peaks.size} entries, but {said.size} were signed: it was cut off, or is an older copy"
    return "" if peaks.root == said.root else f"the first {said.size} entries are not those that were signed"


def _unsigned(note: Note, key: str) -> str:
    known = read_key(key)
    return "" if note.signed_by([known], signature_holds) else f"the checkpoint carries no signature of {known.name}"


def _read(file: Path) -> str:
    try:
        return file.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise usage(f"`{file}` cannot be read", "give a file that can be read", str(error)) from None
