"""The Merkle tree, its proofs and checkpoints: by the published vectors, by law, beside another implementation."""

from __future__ import annotations

import base64
import json
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given, settings
from hypothesis import strategies as st
from tlog_scales import signing as theirs
from tlog_scales.backend import LocalBackend
from tlog_scales.reader import TilesReader
from tlog_scales.tlog import Checkpoint as TheirCheckpoint
from tlog_scales.writer import TilesWriter

from tests import needs
from twokey.adapters.signing import signature_holds
from twokey.domain.audit import Peaks
from twokey.domain.transparency import tree
from twokey.domain.transparency.note import Checkpoint, Key, Note, read_key, read_note, sign
from twokey.domain.transparency.proof_file import InclusionProof, read_proof
from twokey.domain.transparency.proofs import extends, includes, subtree_extends, subtree_includes
from twokey.engine.errors import Invalid


class Forest:
    """A tree in memory, as the store keeps one."""

    def __init__(self, *data: bytes) -> None:
        self.nodes: dict[tuple[int, int], bytes] = {}
        self.peaks = Peaks()
        for each in data:
            self.add(each)

    def add(self, data: bytes) -> None:
        leaf = tree.leaf_hash(data)
        for found in tree.completed(self.peaks.size, leaf, self.node):
            self.nodes[found.level, found.place] = found.hash
        self.peaks.add(leaf)

    def node(self, level: int, place: int) -> bytes:
        return self.nodes[level, place]


def entries(count: int) -> list[bytes]:
    return [f"entry {number}".encode() for number in range(count)]


def naive_root(data: list[bytes]) -> bytes:
    """RFC 6962, section 2.1, word for word."""
    if not data:
        return sha256(b"").digest()
    if len(data) == 1:
        return sha256(b"\x00" + data[0]).digest()
    split = 1
    while split * 2 < len(data):
        split *= 2
    return sha256(b"\x01" + naive_root(data[:split]) + naive_root(data[split:])).digest()


# -------------------------------------------------------------------- published vectors


def decoded(text: str | None) -> bytes:
    return base64.b64decode(text or "")


def holds(kind: str, said: dict[str, Any]) -> bool:
    proof = [decoded(each) for each in said["proof"] or []]
    if kind.endswith("inclusion"):
        leaf, place, root = decoded(said["leafHash"]), said["leafIdx"], decoded(said["root"])
        if kind == "inclusion":
            return includes(leaf, place, said["treeSize"], proof, root)
        return subtree_includes(leaf, place, said["start"], said["end"], proof, root)
    before, after = decoded(said["root1"]), decoded(said["root2"])
    if kind == "consistency":
        return extends(said["size1"], said["size2"], before, after, proof)
    return subtree_extends(said["start"], said["end"], said["size"], before, after, proof)


@pytest.mark.parametrize(
    ("kind", "least"), [("inclusion", 98), ("consistency", 98), ("subtreeinclusion", 204), ("subtreeconsistency", 118)]
)
def test_every_published_vector_is_answered_as_it_says(kind: str, least: int) -> None:
    files = sorted(needs.shared("standards", "tlog-vectors", "testdata", kind).rglob("*.json"))
    assert len(files) >= least
    wrong = [file.stem for file in files if holds(kind, said := json.loads(file.read_text())) is said["wantErr"]]
    assert wrong == []


# -------------------------------------------------------------------- laws


@pytest.mark.parametrize("size", [*range(18), 31, 32, 33, 100, 255, 256, 257])
def test_the_root_is_that_of_the_definition(size: int) -> None:
    forest = Forest(*entries(size))
    assert tree.root(size, forest.node) == naive_root(entries(size)) == forest.peaks.root


@given(st.integers(1, 300), st.data())
def test_every_entry_is_proven_and_no_other_entry_by_its_proof(size: int, data: st.DataObject) -> None:
    forest = Forest(*entries(size))
    place, other = data.draw(st.integers(0, size - 1)), data.draw(st.integers(0, size))
    root, proof = tree.root(size, forest.node), tree.inclusion(place, size, forest.node)
    leaf = tree.leaf_hash(entries(size)[place])
    assert includes(leaf, place, size, proof, root)
    if other != place:
        assert not includes(leaf, other, size, proof, root)
    assert not includes(tree.leaf_hash(b"forged"), place, size, proof, root)
    assert not includes(leaf, place, size, (*proof, leaf), root)


@given(st.integers(1, 300), st.data())
def test_a_log_proves_that_it_continues_an_earlier_one_and_a_forked_one_cannot(size: int, data: st.DataObject) -> None:
    old = data.draw(st.integers(1, size))
    forest, forked = Forest(*entries(size)), Forest(b"forged", *entries(size)[1:])
    before, after = tree.root(old, forest.node), tree.root(size, forest.node)
    proof = tree.consistency(old, size, forest.node)
    assert extends(old, size, before, after, proof)
    other = tree.root(size, forked.node)
    assert not extends(old, size, before, other, tree.consistency(old, size, forked.node))
    assert not extends(old, size, before, other, proof)


def test_an_inner_node_is_never_taken_for_an_entry() -> None:
    forest = Forest(*entries(4))
    inner = forest.node(1, 0) + forest.node(1, 1)
    assert tree.leaf_hash(inner) != tree.root(4, forest.node)


def test_a_tree_without_entries_has_the_root_that_the_standard_names() -> None:
    assert tree.root(0, Forest().node).hex() == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"


# -------------------------------------------------------------------- signed checkpoints


def signer(name: str = "log.example/audit") -> tuple[Key, Any]:
    private = Ed25519PrivateKey.generate()
    return Key(name=name, public=private.public_key().public_bytes_raw()), private.sign


def signed(size: int = 7, *signers: tuple[Key, Any]) -> Note:
    root = tree.root(size, Forest(*entries(size)).node)
    return sign(Checkpoint(origin="log.example/audit", size=size, root=root), signers)


def test_a_checkpoint_is_read_back_as_it_was_written_and_its_signature_holds() -> None:
    one = signer()
    note = signed(7, one)
    assert read_note(note.text) == note
    assert note.signed_by([one[0]], signature_holds) == ("log.example/audit",)
    assert read_key(one[0].text) == one[0]


def test_during_a_rotation_either_key_is_enough_and_an_unknown_one_is_ignored() -> None:
    old, new, unknown = signer("log/old"), signer("log/new"), signer("witness")
    note = signed(7, old, new, unknown)
    assert note.signed_by([old[0]], signature_holds) == ("log/old",)
    assert note.signed_by([new[0]], signature_holds) == ("log/new",)
    assert note.signed_by([signer("log/old")[0]], signature_holds) == ()


@pytest.mark.parametrize("change", [("7", "8"), ("log.example", "log.other")])
def test_a_checkpoint_of_which_a_word_was_changed_is_refused(change: tuple[str, str]) -> None:
    one = signer()
    text = signed(7, one).text
    head, _, below = text.partition("\n\n")
    altered = read_note(head.replace(*change, 1) + "\n\n" + below)
    with pytest.raises(Invalid, match="does not hold"):
        altered.signed_by([one[0]], signature_holds)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "origin\n7\n",
        "origin\n7\nAAAA\n\n— a AAAAAAAA\n",
        "origin\n07\n" + base64.b64encode(b"x" * 32).decode() + "\n\n— a AAAAAAAA\n",
        "origin\n-1\n" + base64.b64encode(b"x" * 32).decode() + "\n\n— a AAAAAAAA\n",
        "or\x1b[2Jigin\n7\n" + base64.b64encode(b"x" * 32).decode() + "\n\n— a AAAAAAAA\n",
        "origin\n7\n" + base64.b64encode(b"x" * 32).decode() + "\n\n- a AAAAAAAA\n",
        "origin\n7\n" + base64.b64encode(b"x" * 32).decode() + "\n\n— a not base64!\n",
    ],
)
def test_text_that_is_no_checkpoint_is_refused_with_a_reason(text: str) -> None:
    with pytest.raises(Invalid):
        read_note(text)


@given(st.text(max_size=300))
@settings(max_examples=300)
def test_whatever_is_read_as_a_checkpoint_or_a_proof_is_read_or_refused(text: str) -> None:
    for read in (read_note, read_proof, read_key):
        try:
            read(text)
        except Invalid:
            continue


def test_a_proof_file_says_all_that_is_needed_to_check_it_alone() -> None:
    forest, one = Forest(*entries(7)), signer()
    note = signed(7, one)
    proof = InclusionProof(index=5, hashes=tree.inclusion(5, 7, forest.node), note=note)
    found = read_proof(proof.text)
    assert found == proof
    assert proof.text.startswith("c2sp.org/tlog-proof@v1\nindex 5\n")
    assert found.holds_for(tree.leaf_hash(entries(7)[5]))
    assert not found.holds_for(tree.leaf_hash(entries(7)[4]))
    assert found.note.signed_by([one[0]], signature_holds)


# -------------------------------------------------------------------- beside another implementation


def test_another_implementation_reads_our_checkpoints_and_we_read_its(tmp_path: Path) -> None:
    count, (key, make) = 300, signer()
    forest = Forest(*entries(count))
    ours = sign(Checkpoint(origin=key.name, size=count, root=tree.root(count, forest.node)), [(key, make)])
    TheirCheckpoint.from_text(ours.text).verify(theirs.Vkey.from_string(key.text))

    private = Ed25519PrivateKey.generate()
    their_signer = theirs.PlainEd25519Signer("their.log", private)
    writer = TilesWriter.create(tmp_path / "log", "their.log")
    for each in entries(count):
        writer.add_leaf(each)
    writer.commit([their_signer])
    note = read_note((tmp_path / "log" / "checkpoint").read_text())
    assert note.checkpoint.root == ours.checkpoint.root
    assert note.signed_by([read_key(their_signer.vkey.serialize())], signature_holds) == ("their.log",)


def test_another_implementations_proofs_are_ours(tmp_path: Path) -> None:
    count = 300
    forest, writer = Forest(*entries(count)), TilesWriter.create(tmp_path / "log", "their.log")
    for each in entries(count):
        writer.add_leaf(each)
    writer.commit([theirs.PlainEd25519Signer("their.log", Ed25519PrivateKey.generate())])
    reader = TilesReader(LocalBackend(tmp_path / "log"))
    reader.set_size(count)
    root = tree.root(count, forest.node)
    for place in (0, 1, 127, 255, 256, 299):
        proof = reader.get_inclusion_proof(place, count)
        assert tuple(proof.node_hashes) == tree.inclusion(place, count, forest.node)
        proof.check(tree.leaf_hash(entries(count)[place]), root)
    for old in (1, 2, 128, 256, 257, 299):
        continued = reader.get_consistency_proof(old, count)
        assert tuple(continued.node_hashes) == tree.consistency(old, count, forest.node)
        continued.check(tree.root(old, forest.node), root)
