"""Send a signed checkpoint to where this server cannot take it back: its keeper can tell that history was changed.

Rules kept here:
- each place is tried, whatever became of the others; one that failed is tried again, and after a while on record;
- a place that keeps another checkpoint of the same size has seen another history: that is refused, which is on record.
"""

from __future__ import annotations

from collections.abc import Sequence

from twokey.domain.errors import NotFound, Refused
from twokey.domain.transparency.note import Note
from twokey.ports import Keeper, Store

LOOKED_AT = 1000
"""Among how many of the newest checkpoints one is looked for."""


def export(store: Store, keepers: Sequence[Keeper], size: int) -> Note:
    """Hand the checkpoint over the first `size` entries to all who keep it.

    Raises NotFound where there is none, Refused where one of them keeps another one, OSError where one failed.
    """
    with store.read() as uow:
        kept = uow.audit.checkpoints(LOOKED_AT)
    note = next((each for each in kept if each.checkpoint.size == size), None)
    if note is None:
        raise NotFound("checkpoint", str(size))
    refused, failed = [], []
    for keeper in keepers:
        try:
            keeper.keep(note)
        except Refused as error:
            refused.append(str(error))
        except OSError as error:
            failed.append(f"{keeper.name}: {error}")
    if failed:  # tried again, and what was refused is refused again then
        raise OSError("; ".join((*failed, *refused)))
    if refused:
        raise Refused("; ".join(refused))
    return note
