"""The door to evaluation: `evaluate` and `explain`. Neither raises, whatever the context.

A flag is resolved by its compiled function where it has one (`twokey.engine.compiler`), else by the readable reference.
"""

from collections.abc import Mapping
from typing import Any

from msgspec.structs import replace

from twokey.engine.explanation import Explanation, explained, explained_error
from twokey.engine.flag import Flag, FlagType
from twokey.engine.operators import shown
from twokey.engine.resolution import ErrorCode, Resolution, failed
from twokey.engine.snapshot import Snapshot


def evaluate(snapshot: Snapshot, key: str, context: Mapping[str, Any], expect: FlagType | None = None) -> Resolution:
    """What the flag gives this context.

    The context is a mapping of attribute names to values, `targetingKey` among them. `expect` is the type that the
    caller asked for; a `number` may be asked of an integer flag. Errors are values of the resolution: FLAG_NOT_FOUND,
    INVALID_CONTEXT, TYPE_MISMATCH, GENERAL; then `value` is None and the application uses its own default.
    """
    try:
        # The usual call: a plain dictionary, a plain key, a flag that is compiled. Its function raises when anything in
        # the context is out of the ordinary, and then it is asked the long way round.
        if type(context) is dict and type(key) is str and (expect is None or snapshot.flags[key].type is expect):
            answer = snapshot.programs.answers.get(key)
            if answer is not None:
                return answer(context)
    except Exception:  # noqa: BLE001, S110 - the next lines say what it means
        pass
    try:
        return _resolve(snapshot, key, context, expect)
    except Exception as error:  # noqa: BLE001 - the context's own code may raise anything; evaluation never does
        return failed(ErrorCode.GENERAL, f"the context could not be read: {type(error).__name__}")


def explain(snapshot: Snapshot, key: str, context: Mapping[str, Any]) -> Explanation:
    """Why the flag gives this context what it gives: every step taken, down to each clause and bucket."""
    resolution = evaluate(snapshot, key, context)
    try:
        if resolution.error is None:
            return explained(snapshot, snapshot.flags[key], context)
    except Exception as error:  # noqa: BLE001 - as above
        resolution = failed(ErrorCode.GENERAL, f"the context could not be read: {type(error).__name__}")
    return explained_error(key, resolution)


def _resolve(snapshot: Snapshot, key: object, context: object, expect: FlagType | None) -> Resolution:
    flag = snapshot.flags.get(key) if isinstance(key, str) else None
    if flag is None:
        return failed(ErrorCode.FLAG_NOT_FOUND, f"flag {shown(key)} does not exist")
    if not isinstance(context, Mapping):
        problem = f"the context is a {type(context).__name__}, not a mapping"
        return failed(ErrorCode.INVALID_CONTEXT, problem, flag.revision)
    resolution = snapshot.programs.resolve(flag.key, context)
    return resolution if expect is None or expect is flag.type else _as_type(flag, resolution, expect)


def _as_type(flag: Flag, resolution: Resolution, expect: FlagType) -> Resolution:
    if expect is FlagType.NUMBER and flag.type is FlagType.INTEGER:
        return replace(resolution, value=float(resolution.value))
    return failed(ErrorCode.TYPE_MISMATCH, f"flag `{flag.key}` is of type {flag.type}, not {expect}", flag.revision)
