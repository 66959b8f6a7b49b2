"""Twokey's own server as a process of its own: `python -m benchmarks.streaming.server FOLDER PORT`.

It is put together and started as `twokey serve` does it. The one addition: for every revision that is
published it writes a line with the moments (of the monotonic clock, which all processes share) when the approver's
password had been checked, when the commit began, and when the hub had told everybody.
"""

from __future__ import annotations

import sys
import threading
import time
from pathlib import Path

from sqlalchemy import Connection, event

from benchmarks import workload
from twokey import wiring
from twokey.adapters import system
from twokey.domain.control import Control, Kind, State, Surface
from twokey.domain.identity import SYSTEM, ActorKind, Scope, User
from twokey.domain.policy import Environment
from twokey.engine import Snapshot
from twokey.settings import Settings
from twokey.steps.manage_access import TokenRequest, create_token, create_user
from twokey.surfaces.hub import Moved

PROJECT, ENVIRONMENT = "bench", "production"
PASSWORD = "a long password for the bench"
APPROVER, DRAFTER = "mara", "root"


def prepare(folder: Path, flags: int) -> str:
    """Data for a server with that many flags of the light mix; the secret of a token that may follow them."""
    settings, now = Settings(data=folder), system.utc_now()
    administrator = wiring.Administrator(username=DRAFTER, name="Root", password=PASSWORD)
    wiring.initialise(settings, Environment(project=PROJECT, key=ENVIRONMENT), administrator, _state(flags))
    store = wiring.open_store(settings)
    hashed = system.hash_password(PASSWORD)
    roles = frozenset({"release_manager"})
    create_user(
        store, SYSTEM, User(id=APPROVER, username=APPROVER, name="M", password_hash=hashed, roles=roles, created_at=now)
    )
    wanted = TokenRequest(
        name="bench",
        kind=ActorKind.SERVICE,
        scopes=frozenset({Scope.FLAGS_EVALUATE}),
        project=PROJECT,
        environment=ENVIRONMENT,
        expires_at=None,
    )
    secret = create_token(store, system, SYSTEM, wanted)[1]
    store.close()
    return secret


def _state(flags: int) -> State:
    snapshot = Snapshot.from_json(workload.light(flags))
    controls = {
        flag.key: Control(
            flag=flag,
            owner="bench",
            purpose="to be measured",
            surface=Surface.FEATURE,
            kind=Kind.PERMANENT,
            permanent_because="it is measured again and again",
        )
        for flag in snapshot.flags.values()
    }
    return State(
        project=PROJECT, environment=ENVIRONMENT, revision=0, controls=controls, segments=dict(snapshot.segments)
    )


class Moments:
    """Writes down when a password was checked, when the commit after it began, and when everybody had been told."""

    def __init__(self, server: wiring.Server) -> None:
        self._hub = server.services.hub
        self._here, self._last = threading.local(), 0.0
        self._fits = system.password_fits
        system.password_fits = self._checked  # the server looks it up in this module at every use
        event.listen(server.store.engine, "commit", self._commit)
        self._hub.listen(self._moved)

    def _checked(self, encoded: str | None, password: str) -> bool:
        fits = self._fits(encoded, password)
        self._here.checked = time.monotonic()
        return fits

    def _commit(self, connection: Connection) -> None:
        if connection.get_execution_options().get("twokey_begin"):  # writers have it, readers do not
            self._here.began = self._last = time.monotonic()

    def _moved(self, moved: Moved) -> None:
        for place in moved.places:
            edition = self._hub.held(place)
            if edition is not None:
                # Where the hub's own look came first, the commit was another thread's.
                began = getattr(self._here, "began", self._last)
                checked = getattr(self._here, "checked", began)
                print(edition.mark.revision, checked, began, time.monotonic(), flush=True)


def main() -> None:
    """Serve until told to stop."""
    put_together = wiring.build

    def watched(settings: Settings) -> wiring.Server:
        server = put_together(settings)
        Moments(server)
        return server

    wiring.build = watched  # type: ignore[assignment]
    wiring.serve(Settings(data=Path(sys.argv[1]), port=int(sys.argv[2])))


if __name__ == "__main__":
    main()
