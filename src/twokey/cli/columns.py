"""How wide the columns of a table are drawn, so that it fits and nothing of it is cut off."""

from __future__ import annotations

from collections.abc import Collection, Sequence

GAP = 2
FAVOURED = 30
"""As much room as a favoured column gets before any other."""
LEAST = 8


def widths(natural: Sequence[int], favoured: Collection[int], total: int) -> list[int]:
    """Widths that fit into `total` with a gap between: natural ones where they fit.

    Otherwise the favoured columns keep theirs (up to a limit) and the others share what is left, the narrow ones first
    served; each keeps at least a few characters, which then are wrapped.
    """
    room = total - GAP * (len(natural) - 1)
    if sum(natural) <= room:
        return list(natural)
    found = [min(width, FAVOURED) if at in favoured else min(width, LEAST) for at, width in enumerate(natural)]
    over = sum(found) - room
    for at in sorted(favoured, key=lambda at: -found[at]):
        cut = max(0, min(over, found[at] - LEAST))
        found[at], over = found[at] - cut, over - cut
    return _spread(found, natural, room, favoured)


def _spread(found: list[int], natural: Sequence[int], room: int, served: Collection[int]) -> list[int]:
    while (spare := room - sum(found)) > 0:
        hungry = [at for at, width in enumerate(natural) if found[at] < width]
        # Favoured columns have had theirs; they grow only when the others are full.
        hungry = [at for at in hungry if at not in served] or hungry
        if not hungry:
            break
        share = max(1, spare // len(hungry))
        for at in hungry[:spare]:
            found[at] += min(share, natural[at] - found[at])
    return found
