"""The last known good snapshot in a file.

Rules this module keeps:

* The file is replaced in one step and belongs to its owner alone (0600); a reader sees the old one or the new one.
* What is read is checked like what comes from a server, digest included; anything else counts as no file.
* Neither reading nor writing ever raises: a full or read-only disk costs the next start, not this process.
"""

import contextlib
import logging
import os
import tempfile
from pathlib import Path

from twokey.client.reading import read_snapshot
from twokey.client.troubles import Trouble
from twokey.engine import Snapshot

log = logging.getLogger("twokey.client")


class LastKnownGood:
    """One file, which several processes may share: the last to write wins, and the server mends the rest."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def load(self) -> Snapshot | None:
        """The snapshot in the file, if there is a sound one."""
        try:
            return read_snapshot(self._path.read_bytes())
        except FileNotFoundError:
            return None
        except (OSError, Trouble) as error:
            log.warning("the last known good in %s is not used: %s", self._path, error)
            return None

    def save(self, snapshot: Snapshot) -> None:
        """Replace the file."""
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            self._replace(snapshot.to_json())
        except OSError as error:
            log.warning("the last known good cannot be written to %s: %s", self._path, error)

    def _replace(self, content: bytes) -> None:
        # `mkstemp` makes the file readable and writable by its owner alone.
        descriptor, name = tempfile.mkstemp(prefix=f".{self._path.name}.", dir=self._path.parent)
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            Path(name).replace(self._path)
        except BaseException:
            with contextlib.suppress(OSError):
                Path(name).unlink()
            raise
