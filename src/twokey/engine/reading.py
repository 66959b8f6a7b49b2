"""Reading context values and clause values: text, numbers, instants, versions, addresses.

Each reader takes anything at all and gives what it stands for, or None when it is not of its kind. None raises. There
is no coercion: the text "5" is not a number, the number 5 is not text.
"""

import math
import re
from datetime import datetime
from functools import lru_cache
from typing import TYPE_CHECKING

from twokey.engine.flag import Scalar

if TYPE_CHECKING:  # at run time only who meets an address pays for the import
    from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network

Version = tuple[int, int, int, tuple[tuple[int, int, str], ...]]
"""Major, minor, patch and the pre-release, in a form that sorts by SemVer 2.0 precedence."""

MAX_LENGTH = 256
"""Longer text is no instant, version or address."""

_INSTANT = re.compile(
    r"(\d{4})-(\d\d)-(\d\d)[Tt](\d\d):(\d\d):(\d\d)(?:\.(\d+))?(?:[Zz]|([+-])([01]\d|2[0-3]):([0-5]\d))", re.ASCII
)
_IDENTIFIER = r"(?:0|[1-9]\d*|\d*[a-zA-Z-][0-9a-zA-Z-]*)"
_VERSION = re.compile(
    r"[vV]?(0|[1-9]\d*)(?:\.(0|[1-9]\d*)(?:\.(0|[1-9]\d*))?)?"
    rf"(?:-({_IDENTIFIER}(?:\.{_IDENTIFIER})*))?(?:\+[0-9a-zA-Z-]+(?:\.[0-9a-zA-Z-]+)*)?",
    re.ASCII,
)
_RELEASE: tuple[tuple[int, int, str], ...] = ((2, 0, ""),)


def text(value: object) -> str | None:
    """Text, also of a subclass of `str`."""
    return str.__str__(value) if isinstance(value, str) else None


def number(value: object) -> int | float | None:
    """A number: not a boolean, not NaN. Infinities and integers of any size compare exactly."""
    if isinstance(value, bool):
        return None
    if isinstance(value, int):
        return int.__int__(value)
    if isinstance(value, float):
        return None if math.isnan(value) else float.__float__(value)
    return None


def scalar(value: object) -> Scalar | None:
    """Text, a boolean or a number."""
    if isinstance(value, bool):
        return value
    plain = text(value)
    return number(value) if plain is None else plain


def instant(value: object) -> int | None:
    """Nanoseconds since year 1 of an RFC 3339 text or an aware `datetime`; digits after the ninth are dropped."""
    if isinstance(value, datetime):
        return _instant_of_datetime(value)
    plain = text(value)
    return instant_of_text(plain) if plain is not None and len(plain) <= MAX_LENGTH else None


def version(value: object) -> Version | None:
    """A version by SemVer 2.0; a leading `v` and an absent minor or patch (taken as 0) are tolerated."""
    plain = text(value)
    return version_of_text(plain) if plain is not None and len(plain) <= MAX_LENGTH else None


def address(value: object) -> "IPv4Address | IPv6Address | None":
    """An IPv4 or IPv6 address; an IPv4 address in IPv6 clothing (`::ffff:10.0.0.1`) counts as IPv4."""
    plain = text(value)
    return address_of_text(plain) if plain is not None and len(plain) <= MAX_LENGTH else None


def network(value: object) -> "IPv4Network | IPv6Network | None":
    """A network in CIDR notation without host bits, or a single address."""
    plain = text(value)
    return _network_of_text(plain) if plain is not None and len(plain) <= MAX_LENGTH else None


def _instant_of_datetime(value: datetime) -> int | None:
    try:
        offset = value.utcoffset()
        if offset is None:
            return None
        seconds = value.toordinal() * 86_400 + value.hour * 3_600 + value.minute * 60 + value.second
        micros = seconds * 1_000_000 + value.microsecond
        return (micros - (offset.days * 86_400 + offset.seconds) * 1_000_000 - offset.microseconds) * 1_000
    except Exception:  # noqa: BLE001 - a foreign tzinfo may do anything; then it names no instant
        return None


@lru_cache(maxsize=1024)
def instant_of_text(value: str) -> int | None:
    """The instant of a text of at most `MAX_LENGTH` characters."""
    parts = _INSTANT.fullmatch(value)
    if parts is None:
        return None
    year, month, day, hour, minute, second = (int(part) for part in parts.groups()[:6])
    leap = second == 60
    try:
        moment = datetime(year, month, day, hour, minute, 59 if leap else second)  # noqa: DTZ001 - offset below
    except ValueError:
        return None
    seconds = moment.toordinal() * 86_400 + hour * 3_600 + minute * 60 + second
    fraction, sign, offset_hours, offset_minutes = parts.groups()[6:]
    if sign is not None:
        offset = int(offset_hours) * 3_600 + int(offset_minutes) * 60
        seconds -= offset if sign == "+" else -offset
    return seconds * 1_000_000_000 + int((fraction or "0")[:9].ljust(9, "0"))


@lru_cache(maxsize=1024)
def version_of_text(value: str) -> Version | None:
    """The version of a text of at most `MAX_LENGTH` characters."""
    parts = _VERSION.fullmatch(value)
    if parts is None:
        return None
    major, minor, patch, pre = parts.groups()
    return int(major), int(minor or 0), int(patch or 0), _RELEASE if pre is None else _prerelease(pre)


def _prerelease(pre: str) -> tuple[tuple[int, int, str], ...]:
    """Numeric identifiers sort before words and by size; a release sorts after all its pre-releases."""
    return tuple((0, int(part), "") if part.isdigit() else (1, 0, part) for part in pre.split("."))


@lru_cache(maxsize=1024)
def address_of_text(value: str) -> "IPv4Address | IPv6Address | None":
    """The address of a text of at most `MAX_LENGTH` characters."""
    from ipaddress import IPv6Address, ip_address

    try:
        found = ip_address(value)
    except ValueError:
        return None
    if isinstance(found, IPv6Address) and found.ipv4_mapped is not None:
        return found.ipv4_mapped
    return found


@lru_cache(maxsize=1024)
def _network_of_text(value: str) -> "IPv4Network | IPv6Network | None":
    from ipaddress import IPv4Network, IPv6Network, ip_network

    try:
        found = ip_network(value)
    except ValueError:
        return None
    mapped = found.network_address.ipv4_mapped if isinstance(found, IPv6Network) else None
    if mapped is not None and found.prefixlen >= 96:
        return IPv4Network((int(mapped), found.prefixlen - 96))
    return found
