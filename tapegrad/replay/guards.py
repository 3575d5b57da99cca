"""Guards: whether what a recorded function read of the world around it is still so.

A replayed program is right only while the plain data that its function reads is as it was when
it was recorded. Guards finds that data (walk.py), keeps a snapshot, and tells what has changed.
What no guard can see is listed in docs/replay.md.
"""

from __future__ import annotations

import operator
import types
from array import array
from collections import deque
from collections.abc import Callable, Iterable
from copy import copy
from dataclasses import is_dataclass
from functools import partial
from typing import Any

import numpy as np

from .. import changes
from ..nn.module import Module
from ..tensor import Tensor, identity
from ..tree import text_of
from .checks import Checks
from .libraries import is_library_function
from .look import FROZEN, SCALARS, Contents, Members, Order
from .reads import Known
from .walk import Walk

# Containers whose parts are compared one by one: another one with the same parts is as good.
_WRAPPERS = (partial, staticmethod, classmethod, property)
_CONTAINERS = (
    list, tuple, dict, *FROZEN, deque, set, frozenset, bytearray, array, types.SimpleNamespace,
)  # fmt: skip


class Change(str):
    """A sentence about something that has changed, and where that is."""

    path: str

    def __new__(cls, sentence: str, path: str) -> Change:
        self = super().__new__(cls, sentence)
        self.path = path
        return self


class Guards:
    """What a function and the user functions it calls read, as it was at construction.

    Args:
        function: a Python function, bound method, functools.partial, Module or callable object.
        arguments: (name, value) of objects that the function is called with and that are not
            Tensors, arrays or numbers.

    Plain data (numbers, strings, None and containers and dataclasses of them) is compared by
    value, Tensors, ndarrays and other objects by identity; of objects the attributes that the
    bytecode names. Hyper-parameters of tapegrad's own optimizers and layers, which a replayed
    step reads anew, count only if user code reads them. Building takes about 0.1 to 1 ms.
    """

    def __init__(self, function: Any, arguments: Iterable[tuple[str, Any]] = ()):
        self._function = function
        self._watched: Callable[[np.ndarray], bool] = lambda x: False
        self._arguments = tuple(arguments)
        self._known = Known()
        self._found: Walk
        self._config = [-1]  # changes.config when modules were last looked at; C reads it, too
        self._before: int
        self._adopt(self._walk())

    def again(self) -> Guards:
        """Guards of the same function as the world is now."""
        if self._found.is_as_it_was():
            return self
        guards = copy(self)  # they know what these have learned
        guards._adopt(guards._walk())
        return guards

    def watch(self, watched: Callable[[np.ndarray], bool]) -> None:
        """From now on compare the contents of these ndarrays among those it reads; of others, as
        of all at first, only which they are."""
        self._watched = watched
        if any(watched(x) for _, x in self.arrays):
            self._adopt(self._walk())

    def read_everywhere(self, names: set[str]) -> None:
        """From now on compare live numbers of these names, whoever has them."""
        if not names <= self._known.loose:
            self._known.loose |= names
            self._adopt(self._walk())

    @property
    def arrays(self) -> list[tuple[str, np.ndarray]]:
        """(what to call its contents, ndarray) of those that the function may read."""
        return self._found.arrays

    def name_of(self, tensor: Tensor) -> str:
        """Where the function reads a Tensor."""
        found = identity(tensor)
        paths = (path for t, *_, path in self._found.tensors if identity(t) == found)
        return next(paths, f"a {short(tensor)}")

    @property
    def sees_looks(self) -> bool:
        """Whether plain ndarrays are told of all that this code does with them (observed.py)."""
        return not self._found.looks_unseen

    @property
    def generators(self) -> list[tuple[str, Any]]:
        """(path, random number generator) of Python's and NumPy's that the function reads."""
        return self._found.generators

    def changed(self) -> Change | None:
        """None if everything is as it was, else a sentence that says what is not.

        About 0.1 us and a few ns a guard while nothing has been replaced. Where a value has
        been replaced by an equal one, a new walk.
        """
        if self._hold() and changes.config[0] is self._config[0] and not self._others:
            return None
        if not self._hold() or not self._found.others_hold():
            return self._compare()
        config = changes.config[0]
        if config is self._config[0]:
            return None
        walk = self._found
        if walk.modules_hold():
            self._config[0] = config
            return None
        for found, name, path, value in walk.settings:  # train() and eval() need no walk
            if not same_value(value, found.get(name, value)):
                return _sentence(path, value, found[name])
        return self._compare()

    def written(self) -> Change | None:
        """As changed(), the live hyper-parameters included; of guards made before a recording,
        what the function itself has changed."""
        if self._found.is_as_it_was():
            return None
        now = self._walk()
        change = _difference([*self._values, *self._live], [*now.values, *now.live])
        if change is None:  # a cache has been filled
            self._adopt(now)
        return change

    def checks(self) -> Any:
        """Checks that hold only if nothing has changed; None: sets or arrays need a look, too."""
        if self._others:
            return None
        return Checks([*self._found.rows, (changes.config, self._config, None, "same")])

    def _compare(self) -> Change | None:
        """By value, after a check by identity has failed; adopts what is equal but new."""
        now = self._walk()
        difference = _difference(self._values, now.values) or _difference_kept(self._kept, now.kept)
        if difference is None:
            self._adopt(now)
        return difference

    # --- the walk

    def _walk(self) -> Walk:
        """A walk with all the names that walking teaches."""
        self._before = changes.config[0]
        while True:
            walk = Walk(self._function, self._arguments, self._known, self._watched)
            if walk.is_complete:
                return walk

    def _adopt(self, walk: Walk) -> None:
        # A new list: checks made of the walk before must not hold again by it.
        self._config = [self._before]
        self._found = walk
        self._others = walk.others
        self._values = walk.values
        self._kept = walk.kept
        self._live = walk.live
        self._hold = Checks(walk.rows).hold


def same_value(old: Any, new: Any) -> bool:
    """Whether two objects are one, or plain values that nobody can tell apart."""
    if old is new:
        return True
    if type(old) is not type(new):
        return False
    if type(old) is int:  # which may have too many digits to be written down
        return old == new
    if type(old) in (range, slice):
        ends = operator.attrgetter("start", "stop", "step")
        return all(map(same_value, ends(old), ends(new)))
    # equal is not enough: 0.0 == -0.0, and nan is as good as another
    plain = type(old) in SCALARS or isinstance(old, (np.generic, np.dtype))
    return plain and repr(old) == repr(new)


def _same(old: Any, new: Any) -> bool:
    """Whether a recording that read old would have read the same in new."""
    if old is new:
        return True
    if type(old) is not type(new):
        return False
    if type(old) in SCALARS or isinstance(old, (np.generic, np.dtype)):
        return same_value(old, new)
    if isinstance(old, (Tensor, np.ndarray, Module)):
        return False
    if isinstance(old, (Contents, Order, Members, types.CodeType)):
        return old == new
    if isinstance(old, types.FunctionType):
        # made again by the same def: its closure and defaults are compared on their own
        return old.__code__ is new.__code__ and not is_library_function(old)
    if isinstance(old, types.MethodType):
        return old == new
    return isinstance(old, _CONTAINERS + _WRAPPERS) or is_dataclass(old)


def _difference(old: list[tuple[str, Any]], new: list[tuple[str, Any]]) -> Change | None:
    """The first difference between two walks in words."""
    for (path, before), (new_path, after) in zip(old, new):
        if path == new_path:
            if not _same(before, after):
                return _sentence(path, before, after)
            continue
        if path not in dict(new):
            return Change(f"{path} was {short(before)}, is no more", path)
        return Change(f"{new_path} is new: {short(after)}", new_path)
    if len(old) == len(new):
        return None
    if len(old) > len(new):
        path, before = old[len(new)]
        return Change(f"{path} was {short(before)}, is no more", path)
    path, after = new[len(old)]
    return Change(f"{path} is new: {short(after)}", path)


def _difference_kept(old: dict[str, list], new: dict[str, list]) -> Change | None:
    """The first difference in what caches kept at the first walk: they may keep more by now."""
    for call, before in old.items():
        change = _difference(before, new.get(call, []))
        if change is not None:
            return change
    return None


def _sentence(path: str, old: Any, new: Any) -> Change:
    if isinstance(old, (Contents, Members)):
        return Change(f"{path} have changed", path)
    was, now = short(old), short(new)
    return Change(f"{path} was {was}, is {'another' if was == now else now}", path)


def short(value: Any) -> str:
    """A value in a sentence."""
    if isinstance(value, (Tensor, np.ndarray)):
        return f"{type(value).__name__} of shape {value.shape} and {value.dtype}"
    if isinstance(value, (types.FunctionType, types.MethodType)):
        return f"{value.__qualname__} of line {value.__code__.co_firstlineno}"
    if isinstance(value, types.CodeType):
        return f"that of line {value.co_firstlineno}"
    if isinstance(value, (Module, type)):
        return f"{type(value).__name__} {getattr(value, '__qualname__', '')}".rstrip()
    text = text_of(value)
    return text if len(text) <= 60 else text[:57] + "..."
