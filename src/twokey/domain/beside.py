"""What is kept beside an entry of the audit log, and not in it: what is personal.

Rules kept here:
- the entry holds `sha256(salt || value)` in its place, so that the value is bound to the log and cannot be guessed from
  it;
- what is personal (a browser's name, an address, what somebody wrote in a note) can be erased; the log then still
  verifies, and says that something stood there. Usernames are ids that a team chooses, and stay;
- a value that is gone without a later erasure on record was removed by somebody who may not.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

import msgspec

from twokey.domain.audit import Entry, Happening, commitment
from twokey.engine.canonical import canonical

PERSONAL = frozenset({"address", "email", "label", "note", "text"})
"""Members of an entry's detail that tell something of a person, whatever happened."""
ERASE = "audit.erase"


class Aside(msgspec.Struct, frozen=True, kw_only=True):
    """One value that is kept beside its entry, as canonical JSON; `person` is whose it is."""

    field: str
    person: str
    salt: str
    value: str


def person_of(happening: Happening) -> str:
    """Whose the personal data of an entry is: the person who acted, or for whom an agent did."""
    return happening.actor.get("on_behalf_of") or happening.actor.get("id", "")


def set_aside(happening: Happening, new_salt: Callable[[], str]) -> tuple[Happening, tuple[Aside, ...]]:
    """A happening with its commitments, and what is to be kept beside it."""
    person = person_of(happening)
    found = tuple(
        Aside(field=name, person=person, salt=new_salt(), value=canonical(value).decode())
        for name, value in happening.detail.items()
        if name in PERSONAL and value not in ("", None)
    )
    if not found:
        return happening, ()
    beside = {each.field: commitment(each.salt, each.value) for each in found}
    return msgspec.structs.replace(happening, beside=beside), found


def put_back(entry: Entry, found: Iterable[Aside]) -> Entry:
    """An entry with what is kept beside it."""
    known = tuple(found)
    if not known:
        return entry
    detail = entry.happening.detail | {each.field: msgspec.json.decode(each.value) for each in known}
    happening = msgspec.structs.replace(entry.happening, detail=detail)
    return msgspec.structs.replace(entry, happening=happening, salts={each.field: each.salt for each in known})


class Erasures:
    """Follows a log, and knows what is gone from it without an erasure on record."""

    def __init__(self) -> None:
        self._missing: dict[str, int] = {}

    def see(self, entry: Entry) -> None:
        """The next entry."""
        happening = entry.happening
        if any(name not in happening.detail for name in happening.beside):
            self._missing.setdefault(person_of(happening), entry.index)
        if happening.action == ERASE:
            self._missing.pop(happening.subject, None)

    def end(self) -> tuple[int, str] | None:
        """The first entry that lacks something, and the sentence about it; nothing where all is accounted for."""
        if not self._missing:
            return None
        at = min(self._missing.values())
        return at, f"what is personal in entry {at} is gone, and no erasure of it is on record"
