"""Ids that nobody guesses, and secrets of which nothing but a hash is kept."""

from datetime import timedelta

import pytest

from twokey.adapters import system


def test_the_clock_is_aware_and_in_utc() -> None:
    assert system.utc_now().utcoffset() == timedelta()


def test_an_id_is_its_prefix_and_twelve_characters_that_cannot_be_misread() -> None:
    made = {system.new_id("case") for _ in range(1000)}
    assert len(made) == 1000
    for each in made:
        prefix, _, rest = each.partition("-")
        assert (prefix, len(rest)) == ("case", 12)
        assert set(rest) <= set("0123456789abcdefghjkmnpqrstvwxyz")
    assert set("".join(made)) > set("0123456789abcdefghjkmnpqrstvwxyz")


def test_a_secret_says_what_it_is_and_carries_256_bits() -> None:
    one, other = system.new_secret("twokey"), system.new_secret("twokey")
    assert one != other
    assert one.startswith("twokey_")
    assert len(one) == len("twokey_") + 43


def test_the_hash_of_a_secret_is_its_sha256() -> None:
    empty = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    assert system.hash_secret("") == empty
    assert system.hash_secret("a") != system.hash_secret("b")


@pytest.mark.parametrize("foreign", ["\ud800", "\0", "é" * 10_000])
def test_whatever_a_stranger_sends_has_a_hash_and_fits_no_password(foreign: str) -> None:
    assert system.hash_secret(foreign).startswith("sha256:")
    assert not system.password_fits(None, foreign)


def test_a_password_is_kept_as_argon2id_with_its_own_salt() -> None:
    one, other = system.hash_password("open sesame"), system.hash_password("open sesame")
    assert one != other
    assert one.startswith("$argon2id$v=19$m=19456,t=2,p=1$")
    assert "sesame" not in one
    assert system.password_fits(one, "open sesame")
    assert not system.password_fits(one, "open sesam")
    assert not system.password_fits(one, "")
    assert not system.outdated(one)
    assert system.outdated("$argon2id$v=19$m=8,t=1,p=1$c29tZXNhbHQ$EgNdVXQmRS4OmhXFrq3tSg")


@pytest.mark.parametrize("broken", ["", "plain text", "$argon2id$v=19$broken", "$2b$12$abcdefghijklmnopqrstuv"])
def test_what_is_no_argon2_hash_fits_nothing(broken: str) -> None:
    assert not system.password_fits(broken, "")
    assert not system.password_fits(broken, broken)


def test_for_nobody_the_work_is_done_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    """Else the time to an answer would tell who has an account."""
    asked: list[str] = []

    class Recorder:
        def verify(self, encoded: str, _password: bytes) -> bool:
            asked.append(encoded)
            return True

    decoy = system.hash_password("anything")
    monkeypatch.setattr(system, "_nobody", lambda: decoy)
    monkeypatch.setattr(system, "_passwords", Recorder())
    assert not system.password_fits(None, "anything")
    assert asked == [decoy]
