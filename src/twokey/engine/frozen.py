"""JSON values that nobody can change.

A snapshot hands the very object that it holds to its callers, so the objects and lists inside a variation must not be
changeable by one caller for all others. They stay real dictionaries and lists (every JSON writer and every `isinstance`
takes them), refuse every change, and copy into plain ones that may be changed.
"""

from collections.abc import Callable
from typing import Any, NoReturn

from twokey.engine.canonical import es_number


def _refuse(self: object, *_args: object, **_kwargs: object) -> NoReturn:
    raise TypeError("a value that a flag serves is shared and cannot be changed; take a copy with copy.deepcopy(value)")


class FrozenDict(dict[str, Any]):
    """A JSON object that refuses changes; `copy.copy` and `copy.deepcopy` give a plain dict."""

    __slots__ = ()
    __setitem__ = __delitem__ = __ior__ = clear = pop = popitem = setdefault = update = _refuse

    def __copy__(self) -> dict[str, Any]:
        return dict(self)

    def __deepcopy__(self, memo: dict[int, Any]) -> dict[str, Any]:
        from copy import deepcopy  # where it is called, `copy` has been imported; the engine alone does without

        return {key: deepcopy(value, memo) for key, value in self.items()}

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[Any, ...]]:
        return FrozenDict, (dict(self),)


class FrozenList(list[Any]):
    """A JSON array that refuses changes; `copy.copy` and `copy.deepcopy` give a plain list."""

    __slots__ = ()
    __setitem__ = __delitem__ = __iadd__ = __imul__ = _refuse
    append = clear = extend = insert = pop = remove = reverse = sort = _refuse

    def __copy__(self) -> list[Any]:
        return list(self)

    def __deepcopy__(self, memo: dict[int, Any]) -> list[Any]:
        from copy import deepcopy

        return [deepcopy(item, memo) for item in self]

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[Any, ...]]:
        return FrozenList, (list(self),)


_UNCHANGEABLE = frozenset({str, int, bool, type(None)})


def freeze(value: Any) -> Any:
    """The JSON value as its canonical bytes would read, with every object and array in it made unchangeable."""
    if type(value) in _UNCHANGEABLE:
        return value
    if isinstance(value, dict):
        return FrozenDict({key: freeze(item) for key, item in value.items()})
    if isinstance(value, list | tuple):
        return FrozenList([freeze(item) for item in value])
    return as_read(value) if isinstance(value, float) else value


def as_read(value: float) -> int | float:
    """The number that a reader of its canonical form gets: an integer where no fraction or exponent is written."""
    return int(es_number(value)) if value.is_integer() and abs(value) < 1e21 else value
