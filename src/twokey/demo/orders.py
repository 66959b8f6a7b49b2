"""What the demo tells its server process, one line of JSON each."""

from __future__ import annotations

import msgspec

from twokey.demo.clock import HurriedClock


class Orders(msgspec.Struct, frozen=True, kw_only=True):
    """The first line: where to keep what, where to listen, which time it is, and the administrator's password."""

    data: str
    port: int
    clock: HurriedClock
    password: str
