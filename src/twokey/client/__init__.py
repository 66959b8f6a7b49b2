"""What a running application installs (`twokey[client]`): flags by stream, poll or file, and reports of what was met.

`TwokeyProvider` and `exposure` speak OpenFeature; `TwokeyClient` is the native way. `twokey.client.otel` holds the hook
for OpenTelemetry (`twokey[otel]`).
"""

from twokey.client.client import Counts, TwokeyClient
from twokey.client.keeper import Event, EventKind, Status
from twokey.client.provider import TwokeyProvider, exposure
from twokey.client.shown import FALLBACK, Shown
from twokey.client.sources import File, Poll, Reporting, Source, Stream
from twokey.client.troubles import (
    BadSnapshot,
    MissedRevision,
    NotServed,
    OlderRevision,
    OtherEnvironment,
    Trouble,
    Truncated,
    Unauthorized,
    UnknownFormat,
    Unreachable,
    Unreadable,
    UnsoundSnapshot,
    WrongDigest,
)
from twokey.engine.settling import settle_types

__all__ = [
    "FALLBACK",
    "BadSnapshot",
    "Counts",
    "Event",
    "EventKind",
    "File",
    "MissedRevision",
    "NotServed",
    "OlderRevision",
    "OtherEnvironment",
    "Poll",
    "Reporting",
    "Shown",
    "Source",
    "Status",
    "Stream",
    "Trouble",
    "Truncated",
    "TwokeyClient",
    "TwokeyProvider",
    "Unauthorized",
    "UnknownFormat",
    "Unreachable",
    "Unreadable",
    "UnsoundSnapshot",
    "WrongDigest",
    "exposure",
]

settle_types()  # before any thread of the client, or of the application's, decodes
