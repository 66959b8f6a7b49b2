"""MurmurHash3 x86_32 in plain Python, written from the algorithm's description: what a port looks like."""

MASK = 0xFFFFFFFF


def _turn(word: int, bits: int) -> int:
    return (word << bits | word >> (32 - bits)) & MASK


def _mix(word: int) -> int:
    return _turn(word * 0xCC9E2D51 & MASK, 15) * 0x1B873593 & MASK


def murmur3_32(data: bytes, seed: int = 0) -> int:
    """The unsigned 32-bit hash."""
    state = seed
    whole = len(data) // 4 * 4
    for start in range(0, whole, 4):
        state ^= _mix(int.from_bytes(data[start : start + 4], "little"))
        state = (_turn(state, 13) * 5 + 0xE6546B64) & MASK
    state ^= _mix(int.from_bytes(data[whole:], "little"))
    state ^= len(data)
    state = (state ^ state >> 16) * 0x85EBCA6B & MASK
    state = (state ^ state >> 13) * 0xC2B2AE35 & MASK
    return state ^ state >> 16
