"""The session that `twokey login` keeps: one file, readable by its owner alone.

Rules this module keeps:

- The file has mode 0600, its folder 0700; it is never written in place: a new file takes the old one's name.
- A file that others can read is not used.
- A session reads, drafts and signs out. It turns no key: the server asks for the password again for that, and the
  commands that turn keys do not even look here.
"""

from __future__ import annotations

import json
import os
import stat
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from twokey.cli.exits import Exit
from twokey.cli.failures import Failure


@dataclass(frozen=True)
class Session:
    """A signed-in session with one server: its cookie and its CSRF token."""

    username: str
    cookie_name: str
    cookie: str
    csrf: str
    expires_at: str


class SessionFile:
    """Sessions by server address."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "sessions.json"

    def find(self, url: str) -> Session | None:
        """The session with this server, if one is kept. Raises Failure where others can read the file."""
        held = self._load().get(url)
        try:
            return Session(**held) if held else None
        except TypeError:
            return None

    def keep(self, url: str, session: Session) -> None:
        """Remember the session."""
        self._store(self._load() | {url: asdict(session)})

    def forget(self, url: str) -> None:
        """Remove the session with this server; the file too, when it was the last."""
        rest = {other: held for other, held in self._load().items() if other != url}
        if rest:
            self._store(rest)
        else:
            self.path.unlink(missing_ok=True)

    def _load(self) -> dict[str, Any]:
        try:
            if stat.S_IMODE(self.path.stat().st_mode) & 0o077:
                raise _exposed(self.path)
            held = json.loads(self.path.read_text("utf-8"))
        except (FileNotFoundError, json.JSONDecodeError, UnicodeDecodeError):
            return {}
        return held if isinstance(held, dict) else {}

    def _store(self, held: dict[str, Any]) -> None:
        self.path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        # mkstemp makes the file with mode 0600 from its first moment.
        handle, name = tempfile.mkstemp(dir=self.path.parent, prefix=".sessions-")
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            json.dump(held, file)
        Path(name).replace(self.path)


def _exposed(path: Path) -> Failure:
    return Failure(
        Exit.NOT_SIGNED_IN,
        f"The session file `{path}` is not used: others can read it",
        "whoever can read it can act as you until the session ends",
        f"remove it (`rm {path}`), then sign in again with `twokey login`",
    )
