"""Checks: whether containers still hold the very objects they held.

By identity alone, so that a check costs nanoseconds: an object replaced by an equal one fails it,
and guards.py then compares by value. csrc/pyguards.c is the same in C.
"""

from __future__ import annotations

import gc
from collections.abc import Iterable
from itertools import chain, pairwise
from operator import is_
from typing import Any

from ..engine import select


class PythonChecks:
    """Rows to check together.

    Args:
        rows: (container, key, expected, how). how: "item": container[key] is expected; "attr":
            getattr(container, key) is expected; "cell": the same of a closure's cell; "len":
            len(container) == expected; "list": the container's items are those of the tuple
            expected; "dict": its keys and values in turn, and in order, are; "same": container[0]
            is key[0]; "bytes": an ndarray in C order, of a dtype of the C core, has the contents
            expected: (shape, dtype, bytes); "unset": the descriptor key, of a slot or of a cell's
            content, finds nothing in the container; "kept": the container, a functools.lru_cache,
            shows the collector expected after key.
    """

    def __init__(self, rows: Iterable[tuple[Any, Any, Any, str]]):
        hows = ("same", "item", "attr", "cell", "len", "list", "bytes", "unset", "kept", "dict")
        kinds: dict[str, list] = {how: [] for how in hows}
        for container, key, expected, how in rows:
            kinds[how].append((container, key, expected))
        self._pairs, self._items, attributes, cells, *rest = kinds.values()
        self._sizes, self._lists, self._contents, self._unset, self._kept, self._dicts = rest
        self._attributes = attributes + cells

    def hold(self) -> bool:
        """Whether every row does. About 40 ns a row."""
        try:
            for container, other, _ in self._pairs:
                if container[0] is not other[0]:
                    return False
            for container, key, value in self._items:
                if container[key] is not value:
                    return False
            for thing, name, value in self._attributes:
                if getattr(thing, name) is not value:
                    return False
            for container, _, n in self._sizes:
                if len(container) != n:
                    return False
            for container, _, copy in self._lists:
                if len(container) != len(copy) or not all(map(is_, container, copy)):
                    return False
            for array, _, (shape, dtype, found) in self._contents:
                if (array.shape, array.dtype, array.tobytes()) != (shape, dtype, found):
                    return False
            for container, descriptor, _ in self._unset:
                if not is_unset(container, descriptor):
                    return False
            for container, key, value in self._kept:
                parts = gc.get_referents(container)
                if not any(a is key and b is value for a, b in pairwise(parts)):
                    return False
            return all(same_pairs(container, copy) for container, _, copy in self._dicts)
        except (AttributeError, LookupError, TypeError, ValueError, RuntimeError):
            return False  # something has gone, or is being changed


def is_unset(container: Any, descriptor: Any) -> bool:
    try:
        descriptor.__get__(container)
    except (AttributeError, ValueError):
        return True
    return False


def pairs(found: dict) -> tuple:
    """Keys and values in turn, in order."""
    return tuple(chain.from_iterable(found.items()))


def same_pairs(found: dict, copy: tuple) -> bool:
    return 2 * len(found) == len(copy) and all(map(is_, pairs(found), copy))


Checks: Any = PythonChecks if select._core is None else select._core.Checks
