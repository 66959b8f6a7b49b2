"""Who may come in: people, their sessions, and the tokens of services and agents; and the environments there are.

Rules kept here:
- only an administrator (a person) creates people, tokens and environments, where the written policy lets them;
- an agent's token names the person it acts for and holds only scopes that read and draft; so does every token that
  drafts, since whoever drafts through it must not approve that;
- nobody is called as the product's own actors are: an author's name says who it was;
- a session or token can be ended at once; every such move is on record.
"""

from __future__ import annotations

from datetime import datetime, timedelta

import msgspec

from twokey.domain.access import check_approvers, founded
from twokey.domain.audit import Happening
from twokey.domain.control import State, check_control
from twokey.domain.errors import Conflict, NotFound, Refused
from twokey.domain.identity import (
    AGENT_DAYS,
    AGENT_SCOPES,
    MOST_AGENT_TIME,
    SYSTEM,
    Actor,
    ActorKind,
    Role,
    Scope,
    Session,
    Token,
    User,
    is_reserved,
)
from twokey.domain.policy import Environment, check_name
from twokey.engine.errors import Invalid
from twokey.ports import Secrets, Store, UnitOfWork
from twokey.steps.ask_gate import check_governs
from twokey.steps.publish import publish_first

SESSION_LENGTH = timedelta(hours=12)
HALF_LENGTH = timedelta(minutes=5)
"""For so long a right password waits for its second factor."""


def person(user: User) -> Actor:
    """The actor a signed-in person is."""
    return user.actor()


def create_user(store: Store, actor: Actor, user: User) -> User:
    """Add a person. Raises Refused for anyone but an administrator, Conflict where the username is taken."""
    _check_administrator(actor, "adds people")
    with store.begin() as uow:
        check_governs(uow, actor, "people")
        return _add_user(uow, actor, user)


def _add_user(uow: UnitOfWork, actor: Actor, user: User) -> User:
    if is_reserved(user.username):
        raise Invalid("username", f"`{user.username}` is a name of the product itself", "another name")
    if uow.users.where(username=user.username, limit=1):
        raise Conflict(f"there is a user `{user.username}` already")
    if user.roles and actor.kind is ActorKind.PERSON:
        _check_founding(uow)
    user = msgspec.structs.replace(user, created_at=uow.now)
    uow.users.add(user)
    _record(uow, actor, "user.create", user.username, {"roles": sorted(user.roles)})
    return user


def _check_founding(uow: UnitOfWork) -> None:
    """Roles are given by access proposals, as soon as there are two people who can agree to one."""
    people = uow.users.where(limit=uow.users.count())
    if founded(each.roles for each in people):
        raise Refused("people are added without roles: propose their roles, so that a second person agrees")


def open_session(store: Store, user: User, secret_hash: str, label: str, *, proved: bool = True) -> Session:
    """Begin a session of somebody who just signed in, by whatever way.

    `proved` says that they showed themselves just now: it is false where an identity provider may only have remembered
    them. Such a session does everything that a proof of its own is given for, and nothing that asks for a recent one.
    """
    with store.begin() as uow:
        session = _new_session(uow, user, secret_hash, label, SESSION_LENGTH)
        session = msgspec.structs.replace(session, proved_at=uow.now if proved else None)
        uow.sessions.add(session)
        _record(uow, user.actor(), "session.open", session.id, {"label": session.label})
        return session


def open_half(store: Store, user: User, secret_hash: str, label: str) -> Session:
    """Keep that somebody gave the right password, and owes a second factor."""
    with store.begin() as uow:
        session = _new_session(uow, user, secret_hash, label, HALF_LENGTH)
        session = msgspec.structs.replace(session, half=True)
        uow.sessions.add(session)
        _record(uow, user.actor(), "session.begin", session.id, {"label": session.label})
        return session


def _new_session(uow: UnitOfWork, user: User, secret_hash: str, label: str, length: timedelta) -> Session:
    return Session(
        id=uow.new_id("session"),
        user=user.username,
        secret_hash=secret_hash,
        created_at=uow.now,
        expires_at=uow.now + length,
        label=label[:200],
    )


def see_session(store: Store, session: Session) -> None:
    """Keep that a session is in use."""
    with store.begin() as uow:
        uow.sessions.replace(msgspec.structs.replace(uow.sessions.get(session.id), seen_at=uow.now))


def note_proof(store: Store, session: Session) -> None:
    """Keep that a session's owner has just shown that they are there."""
    with store.begin() as uow:
        uow.sessions.replace(msgspec.structs.replace(uow.sessions.get(session.id), proved_at=uow.now))


def end_session(store: Store, actor: Actor, session_id: str) -> None:
    """End a session at once: one's own, or as an administrator anybody's. Raises NotFound for what is not theirs."""
    with store.begin() as uow:
        session = uow.sessions.find(session_id)
        if session is None or (session.user != actor.id and not actor.holds(Role.ADMINISTRATOR)):
            raise NotFound("session", session_id)
        _end(uow, actor, session)


def end_other_sessions(store: Store, actor: Actor, kept: str) -> int:
    """End all of one's own sessions but this; how many that were."""
    with store.begin() as uow:
        others = [each for each in open_sessions(uow, actor.id) if each.id != kept]
        for each in others:
            _end(uow, actor, each)
        return len(others)


def open_sessions(uow: UnitOfWork, username: str) -> tuple[Session, ...]:
    """The sessions of somebody that are still good, newest first."""
    found = uow.sessions.where(user=username, limit=uow.sessions.count(user=username))
    return tuple(each for each in found if each.is_good(uow.now) and not each.half)


def end_all(uow: UnitOfWork, actor: Actor, username: str, *, but: str = "") -> None:
    """End every session of somebody, but this one."""
    for each in open_sessions(uow, username):
        if each.id != but:
            _end(uow, actor, each)


def change_password(store: Store, actor: Actor, password_hash: str, kept: str) -> None:
    """Another password for oneself. All other sessions end: who knew the old one is out."""
    with store.begin() as uow:
        (user,) = uow.users.where(username=actor.id, limit=1)
        uow.users.replace(msgspec.structs.replace(user, password_hash=password_hash))
        end_all(uow, actor, actor.id, but=kept)
        _record(uow, actor, "user.password", actor.id, {})


def disable_user(store: Store, actor: Actor, username: str) -> User:
    """Shut somebody out at once: their sessions end, and so do the tokens that act for them.

    Their grants stay on record but count for nothing. Raises Refused for anyone but an administrator, and for oneself.
    """
    _check_administrator(actor, "shuts people out")
    if username == actor.id:
        raise Refused("nobody shuts themselves out")
    with store.begin() as uow:
        check_governs(uow, actor, "people")
        found = uow.users.where(username=username, limit=1)
        if not found:
            raise NotFound("user", username)
        user = msgspec.structs.replace(found[0], disabled=True)
        uow.users.replace(user)
        end_all(uow, actor, username)
        for token in uow.tokens.where(limit=uow.tokens.count()):
            if token.on_behalf_of == username and token.revoked_at is None:
                uow.tokens.replace(msgspec.structs.replace(token, revoked_at=uow.now))
                _record(uow, actor, "token.revoke", token.id, {"name": token.name}, token.project, token.environment)
        _record(uow, actor, "user.disable", username, {})
        return user


def _end(uow: UnitOfWork, actor: Actor, session: Session) -> None:
    uow.sessions.replace(msgspec.structs.replace(session, revoked_at=session.revoked_at or uow.now))
    _record(uow, actor, "session.end", session.id, {"user": session.user})


class TokenRequest(msgspec.Struct, frozen=True, kw_only=True):
    """What a new token shall be."""

    name: str
    kind: ActorKind
    scopes: frozenset[Scope]
    project: str
    environment: str
    expires_at: datetime | None
    on_behalf_of: str | None = None
    flags: tuple[str, ...] = ()


def create_token(store: Store, secrets: Secrets, actor: Actor, wanted: TokenRequest) -> tuple[Token, str]:
    """Create a token; returns it with its secret, which is kept nowhere.

    Raises Refused for anyone but an administrator, Invalid for scopes its kind may not hold, NotFound.
    """
    _check_administrator(actor, "creates tokens")
    _check_token(wanted)
    secret = secrets.new_secret("twokey")
    with store.begin() as uow:
        uow.flags.environment(wanted.project, wanted.environment)
        check_governs(uow, actor, "tokens", (wanted.project, wanted.environment))
        _check_flags(uow, wanted)
        wanted = msgspec.structs.replace(wanted, expires_at=_end_of(wanted, uow.now))
        if wanted.on_behalf_of and not uow.users.where(username=wanted.on_behalf_of, limit=1):
            raise Invalid("on_behalf_of", f"there is no user `{wanted.on_behalf_of}`", "the username of a person")
        token = Token(
            id=uow.new_id("token"),
            secret_hash=secrets.hash_secret(secret),
            created_at=uow.now,
            created_by=actor.id,
            **{field: getattr(wanted, field) for field in TokenRequest.__struct_fields__},
        )
        uow.tokens.add(token)
        detail: dict[str, object] = {"name": token.name, "kind": str(token.kind), "scopes": sorted(token.scopes)}
        _record(uow, actor, "token.create", token.id, detail, token.project, token.environment)
        return token, secret


def _check_token(wanted: TokenRequest) -> None:
    if wanted.kind not in (ActorKind.AGENT, ActorKind.SERVICE):
        raise Invalid("kind", f"is `{wanted.kind}`", "service or agent")
    extra = wanted.scopes - AGENT_SCOPES
    if wanted.kind is ActorKind.AGENT and extra:
        allowed = ", ".join(sorted(AGENT_SCOPES))
        raise Invalid("scopes", f"`{min(extra)}` is not for an agent", allowed)
    if Scope.FLAGS_EVALUATE_VISIBLE in wanted.scopes and len(wanted.scopes) > 1:
        alone = f"`{Scope.FLAGS_EVALUATE_VISIBLE}` makes a client key, which everybody can read: it stands alone"
        raise Invalid("scopes", alone, "a token of its own for the other scopes")
    if wanted.flags and Scope.TELEMETRY_WRITE not in wanted.scopes:
        raise Invalid(
            "flags", "bind a token that sends telemetry, and no other", "none, or the scope `telemetry:write`"
        )
    drafts = wanted.kind is ActorKind.AGENT or Scope.PROPOSALS_WRITE in wanted.scopes
    if drafts and not wanted.on_behalf_of:
        raise Invalid("on_behalf_of", "is missing", "the username of the person that whoever drafts by it acts for")


def _check_flags(uow: UnitOfWork, wanted: TokenRequest) -> None:
    known = uow.flags.state(wanted.project, wanted.environment).controls if wanted.flags else {}
    for flag in wanted.flags:
        if flag not in known:
            raise Invalid("flags", f"there is no flag `{flag}` in this environment", "flags that are there")


def _end_of(wanted: TokenRequest, now: datetime) -> datetime | None:
    """When the token ends. Raises Invalid for an agent's that shall last too long."""
    if wanted.kind is not ActorKind.AGENT:
        return wanted.expires_at
    if wanted.expires_at is not None and wanted.expires_at > now + MOST_AGENT_TIME:
        raise Invalid("expires_in_days", "is too long for an agent", f"at most {MOST_AGENT_TIME.days}")
    return wanted.expires_at or now + timedelta(days=AGENT_DAYS)


def revoke_token(store: Store, actor: Actor, token_id: str) -> None:
    """End a token at once. Raises Refused for anyone but an administrator, NotFound."""
    _check_administrator(actor, "revokes tokens")
    with store.begin() as uow:
        token = uow.tokens.get(token_id)
        check_governs(uow, actor, "tokens", (token.project, token.environment))
        uow.tokens.replace(msgspec.structs.replace(token, revoked_at=token.revoked_at or uow.now))
        _record(uow, actor, "token.revoke", token_id, {"name": token.name}, token.project, token.environment)


def create_environment(store: Store, actor: Actor, environment: Environment, initial: State | None = None) -> None:
    """Create an environment, guarded, with the flags it starts with. No client has met it, so nothing moves for anyone.

    Raises Refused for anyone but an administrator, Invalid for an incomplete control, Conflict where it exists.
    """
    _check_administrator(actor, "creates environments")
    with store.begin() as uow:
        check_governs(uow, actor, "environments")
        _add_environment(uow, actor, environment, initial)


def set_up(store: Store, environment: Environment, initial: State | None, administrator: User) -> None:
    """The first environment and the first person, both or neither: without the person nobody could go on from there.

    Raises as `create_environment` and `create_user` do.
    """
    with store.begin() as uow:
        _add_environment(uow, SYSTEM, environment, initial)
        _add_user(uow, SYSTEM, administrator)


def _add_environment(uow: UnitOfWork, actor: Actor, environment: Environment, initial: State | None) -> None:
    if not environment.guarded:
        raise Invalid("guarded", "is false", "an environment starts guarded; its security role may unguard it later")
    check_name("project", environment.project)
    check_name("key", environment.key)
    check_approvers(environment.approvers, environment.widening_approvers)
    for control in (initial.controls if initial else {}).values():
        check_control(control)
    if any((each.project, each.key) == (environment.project, environment.key) for each in uow.flags.environments()):
        raise Conflict(f"there is an environment {environment.project}/{environment.key} already")
    uow.flags.put_environment(environment)
    detail: dict[str, object] = {"guarded": environment.guarded, "approvers": list(environment.approvers)}
    _record(uow, actor, "environment.create", environment.key, detail, environment.project, environment.key)
    if initial is not None:
        publish_first(uow, initial, actor)


def _check_administrator(actor: Actor, verb: str) -> None:
    if not actor.holds(Role.ADMINISTRATOR) and actor.kind is not ActorKind.SYSTEM:
        raise Refused(f"only an administrator {verb}")


def _record(
    uow: UnitOfWork,
    actor: Actor,
    action: str,
    subject: str,
    detail: dict[str, object],
    project: str = "",
    environment: str = "",
) -> None:
    uow.audit.append(
        Happening(
            action=action,
            subject=subject,
            actor=actor.reference(),
            project=project,
            environment=environment,
            detail=detail,
        )
    )
