"""The two ways back of a change, and their proof by replay.

Rules kept here:
- the *reverse* restores what was, exactly; the *rollback* gives the baseline to everyone the change can reach;
- both are computed from the state, never by whoever drafted; both are proven before anybody approves: the reverse by
  comparing whole states, the rollback by evaluating recorded and made-up contexts;
- a rollback never exposes somebody else: a flag that would widen because it waits for one that is rolled back is
  disabled with it;
- a change that reaches nobody's value has only one way back, and its rollback is the reverse.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from msgspec.structs import replace

from twokey.domain.control import Control, State
from twokey.domain.exposure import RecordedContext
from twokey.domain.operation.content import same_content, whole
from twokey.domain.operation.contexts import Context, made_up
from twokey.domain.operation.effects import Effect, effect
from twokey.domain.operation.kinds import (
    AddVariation,
    CreateFlag,
    EditVariation,
    Operation,
    RestoreFlag,
    SetBaseline,
    SetEnabled,
)
from twokey.domain.operation.law import apply_all, reverse_all, touched
from twokey.domain.operation.uses import flags_using, prerequisites_of
from twokey.engine import Snapshot, evaluate
from twokey.engine.canonical import canonical, digest
from twokey.engine.errors import Invalid
from twokey.engine.flag import Flag, Variation


class Proof(NamedTuple):
    """Both ways back and whether they hold. `reason` says what was proven, or what could not be.

    `reverse_effect` and `rollback_effect` are what these would do to the state after the change.
    """

    ok: bool
    reason: str
    reverse: tuple[Operation, ...] = ()
    reverse_effect: Effect = Effect.WIDENS
    rollback: tuple[Operation, ...] = ()
    rollback_effect: Effect = Effect.WIDENS
    contexts_replayed: int = 0


def reached(before: State, after: State, operations: Sequence[Operation]) -> tuple[str, ...]:
    """Keys of the flags whose published part the operations edit, themselves or through a segment."""
    edited = touched(before, operations)
    direct = {key for key in edited.flags if _published_digest(before, key) != _published_digest(after, key)}
    using = {*flags_using(before, edited.segments), *flags_using(after, edited.segments)} if edited.segments else set()
    return tuple(sorted(direct | using))


def _published_digest(state: State, key: str) -> str:
    control = state.controls.get(key)
    if control is None or control.archived:
        return "not published"
    return digest(whole(replace(control.flag, revision=0, digest=None)))


def rollback(before: State, operations: Sequence[Operation]) -> tuple[Operation, ...]:
    """What takes everyone whom these operations reach to the baseline, from the state after them."""
    after = apply_all(before, operations)
    flags = reached(before, after, operations)
    return _to_baseline(before, after, flags) if flags else reverse_all(before, operations)


def rollback_now(before: State, operations: Sequence[Operation], present: State) -> tuple[Operation, ...]:
    """What takes everyone whom these operations reached to the baseline, from a state that has moved on since.

    A flag that is no longer published serves nobody, and is left alone; nothing where that holds for all of them.
    """
    flags = reached(before, apply_all(before, operations), operations)
    live = tuple(key for key in flags if key in present.controls and not present.controls[key].archived)
    return _to_baseline(before, present, live)


def _to_baseline(before: State, after: State, flags: tuple[str, ...]) -> tuple[Operation, ...]:
    """Disable these flags, and those which that would expose."""
    keys = set(flags)
    while True:
        operations = tuple(each for key in _in_order(before, keys) for each in _disable(before, after, key))
        safe = apply_all(after, operations)
        exposed = {each.flag for each in effect(after, safe).flags if each.effect is Effect.WIDENS}
        new = {key for key in exposed - keys if key in safe.controls and not safe.controls[key].archived}
        if not new:
            return operations
        keys |= new


def _in_order(state: State, keys: set[str]) -> list[str]:
    """A flag after all that it waits for, so that it can be published again."""
    return sorted(keys, key=lambda key: (len(prerequisites_of(state, (key,))), key))


def _disable(before: State, after: State, key: str) -> tuple[Operation, ...]:
    control = after.controls.get(key)
    if control is None:
        kept = before.controls[key]
        return (CreateFlag(control=replace(kept, flag=replace(kept.flag, enabled=False))),)
    back = (RestoreFlag(flag=key),) if control.archived else ()
    return (*back, *_safe_again(before, control), SetEnabled(flag=key, enabled=False))


def _safe_again(before: State, after: Control) -> Iterator[Operation]:
    """Give a flag the baseline that it had before, where a change has moved or edited that."""
    if after.key not in before.controls:
        return
    known = before.controls[after.key].flag
    safe = Variation(key=known.baseline, value=known.value_of(known.baseline))
    found = next((each for each in after.flag.variations if each.key == safe.key), None)
    if found is None:
        yield AddVariation(flag=after.key, variation=safe)
    elif canonical(found.value) != canonical(safe.value):
        yield EditVariation(flag=after.key, variation=safe.key, value=safe.value)
    if after.flag.baseline != safe.key:
        yield SetBaseline(flag=after.key, variation=safe.key)


def prove_ways_back(
    before: State,
    operations: Sequence[Operation],
    contexts: Sequence[RecordedContext],
    published: Snapshot | None = None,
) -> Proof:
    """Compute both ways back of these operations and prove them by replay. Raises Invalid where they do not apply.

    `published` is the snapshot of `before`, where the caller has it.
    """
    after = apply_all(before, operations)
    try:
        back, safe = reverse_all(before, operations), rollback(before, operations)
        restored, rolled_back = apply_all(after, back), apply_all(after, safe)
    except Invalid as error:
        return Proof(ok=False, reason=f"a way back does not apply: {error}")
    proof = Proof(
        ok=True,
        reason="",
        reverse=back,
        reverse_effect=effect(after, restored).effect,
        rollback=safe,
        rollback_effect=effect(after, rolled_back).effect,
    )
    if not same_content(before, restored):
        return proof._replace(ok=False, reason="the reverse does not restore what was")
    states = _States(before, after, rolled_back, published)
    return _replayed(proof, states, reached(before, after, operations), contexts)


class _States(NamedTuple):
    """Before, after, and rolled back from there; and what is published before, where that is known."""

    before: State
    after: State
    safe: State
    published: Snapshot | None


def _replayed(proof: Proof, states: _States, flags: tuple[str, ...], contexts: Sequence[RecordedContext]) -> Proof:
    before, after, safe, published = states
    snapshot = safe.snapshot(published)
    recorded = [_context(each) for each in contexts]
    replayed = 0
    for key in flags:
        every = [*recorded, *made_up(after, key), *made_up(before, key)]
        replayed = max(replayed, len(every))
        known = before.controls.get(key) or safe.controls[key]
        if (problem := _not_safe(snapshot, known.flag, every)) is not None:
            return proof._replace(ok=False, reason=f"after the rollback `{key}` gives {problem}")
    got = f"after the rollback all of {replayed} contexts get the baseline" if flags else "nobody's value is reached"
    reason = f"the reverse restores what was; {got}"
    return proof._replace(reason=reason, contexts_replayed=replayed)


def _context(recorded: RecordedContext) -> Context:
    return {recorded.unit_name: recorded.unit, **recorded.context}


def _not_safe(snapshot: Snapshot, known: Flag, contexts: Iterable[Context]) -> str | None:
    """What a context gets that is not the baseline as it is known; None where all of them get that."""
    safe = canonical(known.value_of(known.baseline))
    for context in contexts:
        got = evaluate(snapshot, known.key, context)
        if got.error is not None or got.variation != known.baseline or canonical(got.value) != safe:
            what = got.error.message if got.error is not None else f"`{got.variation}`"
            return f"{what} to the context `{context}`"
    return None
