"""Guards: whether what a recorded function read of the world around it is still so.

A replayed program is right only while the plain data that its function reads is as it was when
it was recorded. Guards finds that data (walk.py), keeps a snapshot, and tells what has changed.
What no guard can see is listed in docs/replay.md.
"""

from __future__ import annotations

import types
from collections import deque
from collections.abc import Iterable
from dataclasses import is_dataclass
from functools import partial
from operator import is_
from typing import Any

import numpy as np

from .. import changes
from ..nn.module import Module
from ..tensor import Tensor
from .look import is_library_function
from .walk import SCALARS, Contents, Known, Order, Walk, contents, pairs

# Containers whose parts are compared one by one: another one with the same parts is as good.
_CONTAINERS = (
    list, tuple, dict, deque, set, frozenset, bytearray, partial, staticmethod, classmethod,
    property, types.SimpleNamespace,
)  # fmt: skip


class Guards:
    """What a function and the user functions it calls read, as it was at construction.

    Args:
        function: a Python function, bound method, functools.partial, Module or callable object.
        watch_arrays: compare the contents of the ndarrays it reads, too; else only which arrays
            they are.
        arguments: (name, value) of objects that the function is called with and that are not
            Tensors, arrays or numbers.

    Plain data (numbers, strings, None and containers and dataclasses of them) is compared by
    value, Tensors, ndarrays and other objects by identity; of objects the attributes that the
    bytecode names. Hyper-parameters of tapegrad's own optimizers and layers, which a replayed
    step reads anew, count only if user code reads them. Building takes about 0.1 to 1 ms.
    """

    def __init__(
        self,
        function: Any,
        watch_arrays: bool = False,
        arguments: Iterable[tuple[str, Any]] = (),
    ):
        self._function = function
        self._watch_arrays = watch_arrays
        self._arguments = tuple(arguments)
        self._known = Known()
        self._found: Walk
        self._config: int
        self._adopt(self._walk())

    def changed(self) -> str | None:
        """None if everything is as it was, else a sentence that says what is not.

        About 40 ns a guard; when a value has been replaced by an equal one, a new walk.
        """
        try:
            if self._is_as_it_was():
                return None
        except (AttributeError, LookupError, ValueError, RuntimeError):
            pass  # something has gone, or is being changed: the walk says what
        return self._compare()

    def written(self) -> str | None:
        """After a recording with guards made before it: what the function itself has changed.

        None, or a sentence. Replay would not repeat such a write. A write that happens at the
        first call only (a cache) is no longer there at the second recording. Includes the live
        hyper-parameters, so a step that sets optimizer.lr is found out.
        """
        now = self._walk()
        return _difference([*self._values, *self._live], [*now.values, *now.live])

    def flat(self) -> list[tuple[Any, Any, Any, str]]:
        """(container, key, expected, how) for a check in C, every one by identity.

        how: "item": container[key] is expected, container a dict, list or mappingproxy;
        "attr": getattr(container, key) is expected; "len": len(container) == expected;
        "list": container's items are those of the tuple expected; "dict": its keys and values,
        in turn and in order, are. If all hold and slow() is None, nothing has changed; if not,
        changed() decides, and after it flat() may be another list.
        """
        walk = self._found
        return [
            (changes.config, 0, self._config, "item"),
            *((c, k, v, "item") for c, k, v in walk.items),
            *((c, k, v, "attr") for c, k, v in walk.attributes),
            *((c, None, n, "len") for c, n in walk.sizes),
            *((c, None, v, "list") for c, v in walk.lists),
            *((c, None, v, "dict") for c, v in walk.dicts),
        ]

    def slow(self) -> str | None:
        """As changed(), of what flat() leaves out: sets and watched arrays."""
        return None if self._others_are_as_they_were() else self._compare()

    # --- the checks

    def _is_as_it_was(self) -> bool:
        walk = self._found
        for container, key, value in walk.items:
            if container[key] is not value:
                return False
        for thing, name, value in walk.attributes:
            if getattr(thing, name) is not value:
                return False
        for container, n in walk.sizes:
            if len(container) != n:
                return False
        for container, copy in walk.lists:
            if len(container) != len(copy) or not all(map(is_, container, copy)):
                return False
        for container, copy in walk.dicts:
            if not _same_pairs(container, copy):
                return False
        if walk.others and not self._others_are_as_they_were():
            return False
        config = changes.config[0]
        if config is not self._config:
            for found, copy in walk.modules:
                if not _same_pairs(found, copy):
                    return False
            for tensor, flags in walk.tensors:
                if tensor._flags != flags:
                    return False
            self._config = config
        return True

    def _others_are_as_they_were(self) -> bool:
        return all(
            contents(value) == copy if isinstance(value, np.ndarray) else value == copy
            for value, copy in self._found.others
        )

    def _compare(self) -> str | None:
        """By value, after a check by identity has failed; adopts what is equal but new."""
        now = self._walk()
        difference = _difference(self._values, now.values)
        if difference is None:
            self._adopt(now)
        return difference

    # --- the walk

    def _walk(self) -> Walk:
        """A walk with all the names that walking teaches."""
        size = None
        self._before = changes.config[0]
        while size != (size := self._known.size()):
            walk = Walk(self._function, self._arguments, self._known, self._watch_arrays)
        return walk

    def _adopt(self, walk: Walk) -> None:
        self._config = self._before
        self._found = walk
        self._values = walk.values
        self._live = walk.live


def _same_pairs(container: dict, copy: tuple) -> bool:
    return 2 * len(container) == len(copy) and all(map(is_, pairs(container), copy))


def _same(old: Any, new: Any) -> bool:
    """Whether a recording that read old would have read the same in new."""
    if old is new:
        return True
    if type(old) is not type(new):
        return False
    if type(old) in SCALARS or isinstance(old, (np.generic, np.dtype)):
        # equal is not enough: 0.0 == -0.0, and nan is as good as another
        return repr(old) == repr(new)
    if isinstance(old, (Tensor, np.ndarray, Module)):
        return False
    if isinstance(old, (Contents, Order, set, frozenset, bytearray, types.CodeType)):
        return old == new
    if isinstance(old, types.FunctionType):
        # made again by the same def: its closure and defaults are compared on their own
        return old.__code__ is new.__code__ and not is_library_function(old)
    if isinstance(old, types.MethodType):
        return old == new
    return isinstance(old, _CONTAINERS) or is_dataclass(old)


def _difference(old: list[tuple[str, Any]], new: list[tuple[str, Any]]) -> str | None:
    """The first difference between two walks in words."""
    for (path, before), (new_path, after) in zip(old, new):
        if path == new_path:
            if not _same(before, after):
                return _sentence(path, before, after)
            continue
        if path not in dict(new):
            return f"{path} was {_describe(before)}, is no more"
        return f"{new_path} is new: {_describe(after)}"
    if len(old) == len(new):
        return None
    if len(old) > len(new):
        path, before = old[len(new)]
        return f"{path} was {_describe(before)}, is no more"
    path, after = new[len(old)]
    return f"{path} is new: {_describe(after)}"


def _sentence(path: str, old: Any, new: Any) -> str:
    if isinstance(old, (Contents, set, frozenset, bytearray)):
        return f"{path} have changed"
    was, now = _describe(old), _describe(new)
    return f"{path} was {was}, is {'another' if was == now else now}"


def _describe(value: Any) -> str:
    if isinstance(value, (Tensor, np.ndarray)):
        return f"{type(value).__name__} of shape {value.shape} and {value.dtype}"
    if isinstance(value, (types.FunctionType, types.MethodType)):
        return f"{value.__qualname__} of line {value.__code__.co_firstlineno}"
    if isinstance(value, types.CodeType):
        return f"that of line {value.co_firstlineno}"
    if isinstance(value, (Module, type)):
        return f"{type(value).__name__} {getattr(value, '__qualname__', '')}".rstrip()
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."
