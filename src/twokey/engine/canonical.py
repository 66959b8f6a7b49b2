"""Canonical JSON (RFC 8785, JCS) and digests over it.

Rules this module keeps:

* Two values that mean the same JSON give the same bytes, whatever language or library wrote them.
* What has no portable meaning is refused rather than written: NaN and infinities, lone surrogates, member names that
  are not strings, and integers that a reader with IEEE doubles (every browser) would read as another number.
  An integer is accepted when its own digits are what ECMAScript writes for its double: all up to 2^53, and beyond it
  those such as 10^20 that come back unchanged. Others belong into a string.
* Structs, enums and times are written as `msgspec` writes them to JSON.

Why not the `rfc8785` wheel: see docs/adr/0003-canonical-json-in-the-engine.md.
"""

import math
from hashlib import sha256
from typing import Any

import msgspec

from twokey.engine.errors import Invalid

MAX_DEPTH = 64
"""Objects and arrays may nest this deep."""
_SAFE = 2**53
_encode = msgspec.json.Encoder(order="sorted").encode


def canonical(value: Any) -> bytes:
    """The canonical bytes of a JSON value or Struct; `Invalid` when it has none."""
    try:
        return _encode(_portable(msgspec.to_builtins(value), 0))
    except UnicodeEncodeError as error:
        bad = error.object[error.start : error.start + 1]
        raise Invalid("text", f"`{bad!a}` is half of a surrogate pair", "text that has a UTF-8 form") from None
    except RecursionError:
        raise _too_deep() from None
    except TypeError as error:
        raise Invalid("value", f"not JSON ({error})", "null, booleans, numbers, text, arrays and objects") from None


def digest(value: Any) -> str:
    """`sha256:` and the hexadecimal SHA-256 of the canonical bytes."""
    return digest_of_bytes(canonical(value))


def digest_of_bytes(data: bytes) -> str:
    """`sha256:` and the hexadecimal SHA-256 of bytes that are canonical already."""
    return "sha256:" + sha256(data).hexdigest()


def es_number(value: float) -> str:
    """How ECMAScript writes a finite double (ECMA-262, Number::toString), which is how RFC 8785 does."""
    if value == 0:
        return "0"
    sign = "-" if value < 0 else ""
    mantissa, _, exponent = repr(abs(value)).partition("e")
    whole, _, fraction = mantissa.partition(".")
    fraction = "" if fraction == "0" else fraction
    point = len(whole) + int(exponent or 0)
    digits = whole + fraction
    point -= len(digits) - len(digits.lstrip("0"))
    digits = digits.strip("0")
    return sign + _place_point(digits, point)


def _place_point(digits: str, point: int) -> str:
    """Write `0.digits * 10^point` by ECMAScript's five cases."""
    count = len(digits)
    if count <= point <= 21:
        return digits + "0" * (point - count)
    if 0 < point <= 21:
        return f"{digits[:point]}.{digits[point:]}"
    if -6 < point <= 0:
        return "0." + "0" * -point + digits
    exponent = f"e{point - 1:+d}"
    return digits + exponent if count == 1 else f"{digits[0]}.{digits[1:]}{exponent}"


def _portable(value: Any, depth: int) -> Any:
    """The value with all that msgspec would write in another way than RFC 8785 replaced by finished bytes."""
    if value is None or value is True or value is False or isinstance(value, str):
        return value
    if isinstance(value, int):
        return _integer(value)
    if isinstance(value, float):
        return msgspec.Raw(_double(value).encode())
    if depth >= MAX_DEPTH:
        raise _too_deep()
    if isinstance(value, dict):
        return _object(value, depth + 1)
    if isinstance(value, list | tuple):
        return [_portable(item, depth + 1) for item in value]
    raise TypeError(f"a {type(value).__name__}")


def _integer(value: int) -> int:
    if -_SAFE <= value <= _SAFE:
        return value
    # Only integers that come back unchanged from a reader with doubles; 10**21 and above are written with an exponent.
    if abs(value) < 10**21 and es_number(float(value)) == str(value):
        return value
    shown = f"{value:.3e}" if abs(value) < 10**300 else "a huge integer"
    accepted = "integers up to 2^53; write larger ones as text"
    raise Invalid("number", f"`{shown}` cannot be carried exactly by JSON numbers", accepted)


def _double(value: float) -> str:
    if math.isfinite(value):
        return es_number(value)
    raise Invalid("number", f"`{value}` is not a JSON number", "finite numbers")


def _object(members: dict[Any, Any], depth: int) -> Any:
    for name in members:
        if not isinstance(name, str):
            raise TypeError(f"a member name that is a {type(name).__name__}")
    portable = {name: _portable(item, depth) for name, item in members.items()}
    # RFC 8785 sorts by UTF-16 code units, msgspec by UTF-8 bytes: they differ only above U+D7FF.
    if all(name.isascii() or max(name) < "\ud800" for name in portable):
        return portable
    ordered = sorted(portable.items(), key=lambda member: member[0].encode("utf-16-be"))
    return msgspec.Raw(b"{" + b",".join(_encode(name) + b":" + _encode(item) for name, item in ordered) + b"}")


def _too_deep() -> Invalid:
    return Invalid("value", f"nested deeper than {MAX_DEPTH} levels", f"at most {MAX_DEPTH} levels")
