"""Where snapshots come from, and where telemetry goes: what an application tells the client.

A token holds the scopes it needs and no more: `flags:evaluate` for the stream, `flags:read` for polling,
`telemetry:write` to report.
"""

import ssl
from pathlib import Path
from typing import Annotated
from urllib.parse import urlsplit

import msgspec

from twokey.engine import Invalid

Seconds = Annotated[float, msgspec.Meta(gt=0)]


class Spec(msgspec.Struct, frozen=True, kw_only=True):
    """Base of what an application tells the client."""


class Stream(Spec, frozen=True, kw_only=True):
    """Snapshots by the server's stream: a change arrives within milliseconds. This is the usual way.

    `url` is the server's (`https://flags.example.com`, with a path where it lives below one). After `silence` seconds
    without a word, not even a heartbeat, the connection counts as lost. `tls` replaces the system's trust.
    """

    url: str
    token: str
    connect_timeout: Seconds = 10.0
    silence: Seconds = 45.0
    tls: ssl.SSLContext | None = None

    def __post_init__(self) -> None:
        check_url(self.url)


class Poll(Spec, frozen=True, kw_only=True):
    """Snapshots by asking every `every` seconds, for networks where no connection may stay open.

    Unchanged content costs an answer without a body (ETag).
    """

    url: str
    token: str
    project: str
    environment: str
    every: Seconds = 30.0
    connect_timeout: Seconds = 10.0
    tls: ssl.SSLContext | None = None

    def __post_init__(self) -> None:
        check_url(self.url)


class File(Spec, frozen=True, kw_only=True):
    """A snapshot in a file, read again when it changes: for tests, for development, for machines without a server.

    The file is its own authority, so that an older revision may follow a newer one; digests in it are optional, and
    checked where they are given.
    """

    path: Path | str
    every: Seconds = 1.0


Source = Stream | Poll | File


class Reporting(Spec, frozen=True, kw_only=True):
    """What is reported, and how. `url`, `token` and `tls` are the source's unless given; a file has none.

    `attributes` names the context attributes that exposures carry, for cohorts and replay; by default none leave the
    process. Reports go out every `every` seconds or sooner. At most `limit` records wait; further ones are dropped and
    counted. A unit that meets the same variation again within `window` seconds is reported once.
    """

    url: str | None = None
    token: str | None = None
    tls: ssl.SSLContext | None = None
    attributes: tuple[str, ...] = ()
    every: Seconds = 10.0
    window: Seconds = 60.0
    limit: int = 10_000

    def __post_init__(self) -> None:
        if self.url is not None:
            check_url(self.url)


def check_url(url: str) -> None:
    """`Invalid` unless it is the address of a server, without a user, a query or a fragment."""
    parts = urlsplit(url)
    plain = not (parts.username or parts.password or parts.query or parts.fragment)
    if parts.scheme not in ("http", "https") or not parts.hostname or not plain:
        raise Invalid("url", f"`{url[:200]}` is no server's address", "`https://host[:port][/path]`")
