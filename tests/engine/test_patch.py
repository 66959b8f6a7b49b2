"""A patch leads from one revision to the next, or is refused; never to a snapshot nobody published."""

from typing import Any

import pytest
from msgspec.structs import replace

from tests.engine.documents import DOCUMENT, clause, other
from twokey.engine import Invalid, Patch, Snapshot, apply_patch, diff
from twokey.engine.patch import successor

BASE = Snapshot.from_json(DOCUMENT)


def after(**changes: Any) -> Snapshot:
    return Snapshot.from_json({**DOCUMENT, "revision": 19, **changes})


def test_one_flag_changes_and_the_rest_is_shared() -> None:
    flags = [{**DOCUMENT["flags"][0], "enabled": False}, DOCUMENT["flags"][1]]
    new = after(flags=flags)
    patch = diff(BASE, new)
    assert [flag.key for flag in patch.flags.set] == ["support_assistant"]
    assert (patch.from_revision, patch.to_revision, patch.digest) == (18, 19, new.digest)
    result = apply_patch(BASE, patch)
    assert result == new
    assert result.flags["answer_profile"] is BASE.flags["answer_profile"]


def test_flags_and_segments_come_and_go_in_key_order() -> None:
    new = after(flags=[DOCUMENT["flags"][0], other("a-first")], segments=[{"key": "z-last"}])
    patch = diff(BASE, new)
    assert patch.flags.removed == ("answer_profile",)
    assert patch.segments.removed == ("internal-staff",)
    result = apply_patch(BASE, Patch.from_json(patch.to_json()))
    assert list(result.flags) == ["a-first", "support_assistant"]
    assert result.to_json() == new.to_json()
    assert apply_patch(new, diff(new, BASE)) == BASE


def test_a_patch_for_another_revision_is_refused() -> None:
    patch = diff(BASE, after())
    with pytest.raises(Invalid, match="patch: from_revision: `18` is not the base; accepted: `19`"):
        apply_patch(after(), patch)


def test_a_patch_that_ends_elsewhere_is_refused() -> None:
    patch = diff(BASE, after(flags=DOCUMENT["flags"][:1]))
    with pytest.raises(Invalid, match="ask for the whole snapshot"):
        apply_patch(BASE, replace(patch, to_revision=20))


def test_a_flag_smuggled_into_a_patch_is_refused() -> None:
    patch = diff(BASE, after())
    smuggled = Snapshot.from_json({**DOCUMENT, "flags": [other("x")], "segments": []}).flags["x"]
    with pytest.raises(Invalid, match="patch: digest"):
        apply_patch(BASE, replace(patch, flags=replace(patch.flags, set=(smuggled,))))


def test_a_patch_between_environments_is_refused() -> None:
    with pytest.raises(Invalid, match="two environments"):
        diff(BASE, after(environment="staging"))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"flags": {"set": [{**other("x"), "baseline": "nope"}]}}, "flag x: baseline"),
        ({"flags": {"set": [other("x", "nope")]}}, "`nope` does not exist"),
        ({"flags": {"removed": ["support_assistant"]}}, "prerequisite support_assistant: flag"),
        ({"flags": {"removed": ["nope"]}}, "`nope` cannot be removed"),
        ({"flags": {"set": [other("x")], "removed": ["x"]}}, "`x` cannot be removed"),
        ({"segments": {"removed": ["internal-staff"]}}, "segment `internal-staff` does not exist"),
        ({"segments": {"set": [{"key": "s", "rules": [{"clauses": [clause("in_segment", "s")]}]}]}}, "leans on itself"),
        ({"flags": {"set": [other("support_assistant")]}}, "`on` is not a variation of that flag"),
        ({"flags": {"set": [{**other("x"), "digest": "sha256:0"}]}}, "flag x: digest"),
    ],
)
def test_what_a_patch_touches_is_checked(change: dict[str, Any], words: str) -> None:
    patch = Patch.from_json({"from_revision": 18, "to_revision": 19, "digest": "sha256:0", **change})
    with pytest.raises(Invalid) as caught:
        apply_patch(BASE, patch)
    assert words in str(caught.value)


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"{}", "patch: from_revision: it is missing"),
        (b'{"from_revision":1,"from_revision":2,"to_revision":1,"digest":""}', "`from_revision` appears twice"),
        (b'{"from_revision":1,"to_revision":1,"digest":"","flags":{"set":[{"key":"f"}]}}', "f: type: it is missing"),
        (b'{"from_revision":1,"to_revision":1,"digest":"","flagz":1}', "`flagz` is not a known field"),
    ],
)
def test_a_malformed_patch_is_refused(data: bytes, words: str) -> None:
    with pytest.raises(Invalid) as caught:
        Patch.from_json(data)
    assert words in str(caught.value)


def test_an_edit_that_kept_its_old_digest_is_refused_and_not_overlooked() -> None:
    edited = replace(BASE.flags["support_assistant"], enabled=False)
    flags = [edited, BASE.flags["answer_profile"]]
    with pytest.raises(Invalid, match="flag support_assistant: digest"):
        successor(BASE, 19, flags, BASE.segments.values())
