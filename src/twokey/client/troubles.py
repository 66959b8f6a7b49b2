"""What can go wrong between an application and the server, each by its own name.

Rules this module keeps:

* None of these reaches a caller that evaluates: they are what the client's status and its events tell.
* `waiting_helps` says who must act: True, nobody, the client tries again by itself (status STALE); False, a person must
  mend something (status ERROR). Either way the last good snapshot keeps serving and the client keeps trying.
"""

from typing import ClassVar


class Trouble(Exception):
    """Base of all. `retry_after` is the least number of seconds that the server asked to be left alone."""

    waiting_helps: ClassVar[bool] = True

    def __init__(self, sentence: str, retry_after: float | None = None) -> None:
        super().__init__(sentence)
        self.retry_after = retry_after


class Unreachable(Trouble):
    """No answer: nobody listens, the connection broke or fell silent, or the server said that it cannot now."""


class Truncated(Trouble):
    """The connection ended in the middle of a message."""


class Unauthorized(Trouble):
    """The server does not accept the token (401) or the token may not do this (403)."""

    waiting_helps = False


class NotServed(Trouble):
    """The address is none of a Twokey server, or what was asked does not exist there."""

    waiting_helps = False


class Unreadable(Trouble):
    """The flag file cannot be read."""


class BadSnapshot(Trouble):
    """Base of the reasons for which a snapshot or patch is refused."""

    waiting_helps = False


class WrongDigest(BadSnapshot):
    """A digest is missing, or does not fit the content."""


class UnknownFormat(BadSnapshot):
    """The document is of a format that this version does not read."""


class UnsoundSnapshot(BadSnapshot):
    """The document is no sound snapshot: its sentence names the flag and the field."""


class OtherEnvironment(BadSnapshot):
    """The snapshot is of another project or environment than the one served so far."""


class OlderRevision(BadSnapshot):
    """The snapshot is older than the one held, or of the same revision with other content.

    Waiting helps where a replica lags. It does not where the server was restored from a backup: then the file of the
    last known good must go (see the guide).
    """

    waiting_helps = True


class MissedRevision(BadSnapshot):
    """A patch does not start at the revision held; the whole snapshot is asked for next."""

    waiting_helps = True
