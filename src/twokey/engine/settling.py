"""Let msgspec learn our types while one thread runs.

msgspec works out how to decode a struct when it first meets it, and shows what it has so far to every thread. Two
threads that meet the same struct for the first time at the same moment end the process (seen with 0.22.0: a null
pointer in its decoder). A struct that is known is only read.
"""

from __future__ import annotations

from collections.abc import Iterator

import msgspec


def settle_types(within: str = "twokey.") -> int:
    """Prepare every struct that is defined so far in modules of that name; how many there are.

    To be called once all modules are imported, and before a second thread decodes anything. Structs that msgspec cannot
    decode (a field is a protocol) are left: nobody decodes them.
    """
    settled = 0
    for each in _all_below(msgspec.Struct):
        if each.__module__.startswith(within):
            try:
                msgspec.json.Decoder(each)
            except (TypeError, NameError):
                continue
            settled += 1
    return settled


def _all_below(base: type[msgspec.Struct]) -> Iterator[type[msgspec.Struct]]:
    for each in base.__subclasses__():
        yield each
        yield from _all_below(each)
