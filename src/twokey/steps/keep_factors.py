"""What a person proves by beside a password: an authenticator app, passkeys, recovery codes.

Rules kept here:
- each code counts once, a recovery code too; of two calls with the same code one is refused;
- a passkey answers what this session was asked, about this matter, once, and within minutes;
- whoever has a second factor has recovery codes; each such move is on record, and none of the secrets is.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

from msgspec.structs import replace

from twokey.domain.audit import Happening
from twokey.domain.credentials import Challenge, Passkey, Totp
from twokey.domain.errors import Conflict, NotFound, Refused
from twokey.domain.identity import Actor, Session, User
from twokey.engine.errors import Invalid
from twokey.ports import Factors, Secrets, Store, UnitOfWork

CODES = 10
"""Recovery codes that somebody is given at once."""
MOST_PASSKEYS = 10
ANSWER_WITHIN = timedelta(minutes=5)


def person_of(uow: UnitOfWork, username: str) -> User:
    """The user of this name who may act; raises Refused where there is none, or was shut out."""
    found = uow.users.where(username=username, limit=1)
    if not found or found[0].disabled:
        raise Refused(f"there is nobody called `{username}`")
    return found[0]


# -------------------------------------------------------------------- authenticator apps


def begin_totp(store: Store, factors: Factors, actor: Actor) -> str:
    """A new secret for an authenticator app, which proves nothing until a first code confirms it.

    Raises Conflict where one is in use: it is removed first.
    """
    with store.begin() as uow:
        user = person_of(uow, actor.id)
        if user.has_totp:
            raise Conflict("an authenticator app is in use already", remedy="remove it first")
        secret = factors.new_totp()
        uow.users.replace(replace(user, totp=Totp(secret=secret)))
        return secret


def confirm_totp(store: Store, factors: Factors, secrets: Secrets, actor: Actor, code: str) -> tuple[str, ...]:
    """Put the app in use. Returns new recovery codes, where there were none. Raises Conflict, Invalid."""
    with store.begin() as uow:
        user = person_of(uow, actor.id)
        if user.totp is None or user.totp.confirmed:
            raise Conflict("no authenticator app waits for its first code", remedy="begin anew")
        step = factors.totp_step(user.totp.secret, code, uow.now)
        if step is None:
            raise Invalid("code", "does not fit", "the six digits that the app shows now; the clocks must agree")
        user = replace(user, totp=replace(user.totp, confirmed=True, last_step=step))
        user, codes = _with_codes(user, factors, secrets)
        uow.users.replace(user)
        _record(uow, actor, "factor.add", {"factor": "totp"})
        return codes


def remove_totp(store: Store, actor: Actor) -> None:
    """Take the authenticator app out of use. Raises NotFound where there is none."""
    with store.begin() as uow:
        user = person_of(uow, actor.id)
        if user.totp is None:
            raise NotFound("authenticator app of", actor.id)
        uow.users.replace(_tidied(replace(user, totp=None)))
        _record(uow, actor, "factor.remove", {"factor": "totp"})


def use_code(store: Store, factors: Factors, username: str, code: str) -> bool:
    """Whether this is a code of the person's app that was not used before; then it is used."""
    with store.begin() as uow:
        user = person_of(uow, username)
        if user.totp is None or not user.totp.confirmed:
            return False
        step = factors.totp_step(user.totp.secret, code, uow.now)
        if step is None or step <= user.totp.last_step:
            return False
        uow.users.replace(replace(user, totp=replace(user.totp, last_step=step)))
        return True


# -------------------------------------------------------------------- recovery codes


def new_recovery_codes(store: Store, factors: Factors, secrets: Secrets, actor: Actor) -> tuple[str, ...]:
    """Other recovery codes; the old ones are void. Raises Conflict where there is no second factor to recover."""
    with store.begin() as uow:
        user = person_of(uow, actor.id)
        if not user.has_second_factor:
            raise Conflict("there is no second factor to recover from", remedy="add one first")
        user, codes = _with_codes(replace(user, recovery_hashes=()), factors, secrets)
        uow.users.replace(user)
        _record(uow, actor, "factor.codes", {"codes": len(codes)})
        return codes


def use_recovery_code(store: Store, secrets: Secrets, username: str, code: str) -> bool:
    """Whether this is a recovery code that is left; then it is used, and that is on record."""
    with store.begin() as uow:
        user = person_of(uow, username)
        used = secrets.hash_secret(code.strip().lower())
        left = tuple(each for each in user.recovery_hashes if each != used)
        if len(left) == len(user.recovery_hashes):
            return False
        uow.users.replace(replace(user, recovery_hashes=left))
        _record(uow, user.actor(), "factor.recover", {"left": len(left)})
        return True


def _with_codes(user: User, factors: Factors, secrets: Secrets) -> tuple[User, tuple[str, ...]]:
    """The person with recovery codes, and those that are new."""
    if user.recovery_hashes:
        return user, ()
    codes = tuple(factors.new_recovery_code() for _ in range(CODES))
    return replace(user, recovery_hashes=tuple(secrets.hash_secret(each) for each in codes)), codes


def _tidied(user: User) -> User:
    """Recovery codes go with the last second factor."""
    return user if user.has_second_factor else replace(user, recovery_hashes=())


# -------------------------------------------------------------------- passkeys


def ask(store: Store, secrets: Secrets, session: Session, about: str) -> bytes:
    """What the session's owner shall sign about this matter. What was asked before is void."""
    with store.begin() as uow:
        nonce = secrets.new_secret("challenge")
        challenge = Challenge(nonce=nonce, about=about, expires_at=uow.now + ANSWER_WITHIN)
        uow.sessions.replace(replace(uow.sessions.get(session.id), challenge=challenge))
        return challenge.signed(session.id)


def asked(uow: UnitOfWork, session: Session, about: str) -> bytes | None:
    """What this session was asked to sign about this matter, once: it is void from now on."""
    found = uow.sessions.get(session.id)
    challenge = found.challenge
    uow.sessions.replace(replace(found, challenge=None))
    if challenge is None or challenge.about != about or uow.now >= challenge.expires_at:
        return None
    return challenge.signed(session.id)


Reader = Callable[[bytes, datetime], Passkey | None]
"""Reads a browser's answer to a challenge: the passkey that it made, if it did."""


def add_passkey(
    store: Store, factors: Factors, secrets: Secrets, session: Session, about: str, read: Reader
) -> tuple[Passkey, tuple[str, ...]]:
    """Keep a passkey that was made for this session's question; returns it, and recovery codes where there were none.

    Raises Refused for an answer that does not verify, Conflict where it is known or there are too many.
    """
    with store.begin() as uow:
        user = person_of(uow, session.user)
        challenge = asked(uow, session, about)
        made = read(challenge, uow.now) if challenge else None
        problem = _cannot_keep(user, made)
        if made is not None and not problem:
            user, codes = _with_codes(replace(user, passkeys=(*user.passkeys, made)), factors, secrets)
            uow.users.replace(user)
            _record(uow, user.actor(), "factor.add", {"factor": "passkey", "name": made.name})
            return made, codes
    raise Refused(problem)


def _cannot_keep(user: User, made: Passkey | None) -> str:
    if made is None:
        return "this passkey does not answer what was asked: begin anew"
    if any(each.id == made.id for each in user.passkeys):
        return "this passkey is kept already"
    return f"nobody keeps more than {MOST_PASSKEYS} passkeys" if len(user.passkeys) >= MOST_PASSKEYS else ""


def remove_passkey(store: Store, actor: Actor, id: str) -> None:
    """Forget a passkey. Raises NotFound."""
    with store.begin() as uow:
        user = person_of(uow, actor.id)
        gone = [each for each in user.passkeys if each.id == id]
        if not gone:
            raise NotFound("passkey", id)
        left = tuple(each for each in user.passkeys if each.id != id)
        uow.users.replace(_tidied(replace(user, passkeys=left)))
        _record(uow, actor, "factor.remove", {"factor": "passkey", "name": gone[0].name})


Verifier = Callable[[bytes, Passkey], int | None]
"""Checks a browser's answer to a challenge by one passkey: its new count of signatures, if it fits."""


def use_passkey(store: Store, session: Session, about: str, id: str, fits: Verifier) -> bool:
    """Whether a passkey of the session's owner signed what this session was asked about this matter."""
    with store.begin() as uow:
        user = person_of(uow, session.user)
        challenge = asked(uow, session, about)
        held = next((each for each in user.passkeys if each.id == id), None)
        count = fits(challenge, held) if challenge is not None and held is not None else None
        if held is None or count is None:
            return False
        used = replace(held, sign_count=count)
        uow.users.replace(replace(user, passkeys=tuple(used if each is held else each for each in user.passkeys)))
        return True


def _record(uow: UnitOfWork, actor: Actor, action: str, detail: dict[str, object]) -> None:
    uow.audit.append(Happening(action=action, subject=actor.id, actor=actor.reference(), detail=detail))
