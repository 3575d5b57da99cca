"""Whether Python looks into the ndarrays that a step captures, while the step is recorded.

A replay reads their contents anew, but only for recorded ops: what Python makes of them (a branch,
a number, a shape, an array of NumPy's) it does not make again. NumPy has no hook for its own; so
each is of a subclass until the recording ends, which is told of all but being an operand.
"""

from __future__ import annotations

import contextlib
import ctypes
import sys
import threading
import types
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import numpy as np

from ..engine.recording import here
from ..tensor import Tensor
from .libraries import LIBRARIES, is_library_module
from .reads import GLOBAL, Reads

# What of an array, or of where a memmap's file is, is no content; and where the engines read an
# operand's memory.
_OUTSIDE = frozenset(
    ("shape", "dtype", "ndim", "size", "itemsize", "nbytes", "strides", "flags")
) | {"filename", "mode", "offset", "_mmap", "flush", "__array_struct__", "__array_priority__"}


class Observed(np.ndarray):
    """An ndarray's type while a step that captures it is recorded. It has the memory layout of an
    ndarray, and whatever it is asked for a plain view of it answers, so that nothing of this type
    stays behind."""

    __slots__ = ()

    def __getattribute__(self, name: str) -> Any:
        if name == "__class__":
            return PLAIN_OF[type(self)]
        return object.__getattribute__(self if name in _OUTSIDE else _look(self), name)

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **kwargs: Any) -> Any:
        out = kwargs.get("out", ())
        if any(isinstance(x, Tensor) for x in (*inputs, *out)):
            return NotImplemented  # a Tensor's op, of which this is an operand
        result = getattr(ufunc, method)(*_plain(inputs), **_plain(kwargs))
        return out[0] if len(out) == 1 else out or result

    def __array_function__(self, function: Any, types: Any, args: Any, kwargs: Any) -> Any:
        if any(issubclass(kind, Tensor) for kind in types):
            return NotImplemented
        return function(*_plain(args), **_plain(kwargs))


class ObservedMap(Observed, np.memmap):
    """The same of a memmap."""

    __slots__ = ()

    def flush(self) -> None:
        self._mmap.flush()


PLAIN_OF: dict[type, type] = {Observed: np.ndarray, ObservedMap: np.memmap}
OBSERVED_OF = {plain: kind for kind, plain in PLAIN_OF.items()}


def _answered(name: str) -> Callable:
    def method(self: Any, *args: Any) -> Any:
        return getattr(_look(self), name)(*_plain(args))

    return method


# Methods that Python and copy, pickle and format find on the type; operators are ufuncs.
for _name in (
    "getitem", "setitem", "delitem", "contains", "iter", "bool", "int", "float", "complex", "index",
    "repr", "str", "format", "copy", "deepcopy", "reduce", "reduce_ex",
):  # fmt: skip
    setattr(Observed, f"__{_name}__", _answered(f"__{_name}__"))


def _look(x: Any) -> np.ndarray:
    """A plain view of it, for somebody who looks into it: the step, or another thread."""
    if here.recorder is not None:
        here.recorder.looked.add(id(x))
    return np.asarray(x)


def _plain(x: Any) -> Any:
    """A nesting of arguments with plain views in place of what is observed."""
    if type(x) in PLAIN_OF:
        return _look(x)
    if isinstance(x, dict):
        return {key: _plain(part) for key, part in x.items()}
    return type(x)(map(_plain, x)) if type(x) in (list, tuple) else x


# --- what is not told -----------------------------------------------------------------------------

# What reads an array's memory without asking its type; and libraries that may.
_NUMPYS = (
    np.array, np.asarray, np.asanyarray, np.ascontiguousarray, np.asfortranarray, np.require,
    np.frombuffer, np.nditer, np.ndenumerate, np.flatiter, np.lib.stride_tricks.as_strided,
)  # fmt: skip
_BUILTINS = (memoryview, bytes, bytearray)
_IDS = frozenset(map(id, (*_NUMPYS, *_BUILTINS)))
_NUMPY_NAMES = frozenset(x.__name__ for x in _NUMPYS)
_BUILTIN_NAMES = frozenset(x.__name__ for x in _BUILTINS)
_OTHERS = LIBRARIES - sys.stdlib_module_names - {"tapegrad", "numpy"}


def looks_unseen(value: Any) -> bool:
    """Whether a function, class or module may look into arrays without their knowledge."""
    if id(value) in _IDS:
        return True
    name = value.__name__ if isinstance(value, types.ModuleType) else value.__module__
    return isinstance(name, str) and name.partition(".")[0] in _OTHERS


def names_unseen(reads: Reads, scope: dict) -> bool:
    """Whether code names an attribute of a module, a builtin or an import that does."""
    if any(name.partition(".")[0] in _OTHERS for name in reads.imports):
        return True
    for name in reads.globals:
        value = scope.get(name)
        if type(value) is types.ModuleType and looks_unseen(value):
            return True
        if name in _BUILTIN_NAMES and name not in scope:
            return True
    named = _NUMPY_NAMES & reads.attributes
    return bool(named) and not named <= _names_of_ours(reads, scope)


def _names_of_ours(reads: Reads, scope: dict) -> set[str]:
    """The attributes that are read of tapegrad's modules and of nothing else."""
    ours, others = set(), set(reads.loose)
    for kind, root, *path in reads.chains:
        module = scope.get(root) if kind == GLOBAL else None
        is_ours = isinstance(module, types.ModuleType) and is_library_module(module)
        is_ours = is_ours and module.__name__.partition(".")[0] == "tapegrad"
        (ours if is_ours else others).add(path[-1])
    return ours - others


# --- for the time of a recording ------------------------------------------------------------------

_OFFSET = object.__basicsize__ - ctypes.sizeof(ctypes.c_void_p)  # of an object's type in its memory
_lock = threading.Lock()
_recordings: dict[int, int] = {}  # by an array's id: how many of them there are


@contextlib.contextmanager
def observed(arrays: Iterable[np.ndarray]) -> Iterator[None]:
    """Let these tell here.recorder when somebody looks into them; users' kinds of arrays do not.

    The arrays stay what and where they are. What looks at them past NumPy's protocols is not seen:
    np.asarray and the like, and whatever is written in C (walk.py finds the names of those).
    """
    taken: list[np.ndarray] = []
    try:
        for x in arrays:
            if type(x) in PLAIN_OF or type(x) in OBSERVED_OF:
                taken.append(x)
                _count(x, 1)
        yield
    finally:
        for x in taken:
            _count(x, -1)


def _count(x: np.ndarray, change: int) -> None:
    with _lock:
        n = _recordings.pop(id(x), 0) + change
        if n:
            _recordings[id(x)] = n
        plain = PLAIN_OF.get(type(x), type(x))
        kind = OBSERVED_OF[plain] if n else plain
        ctypes.c_void_p.from_address(id(x) + _OFFSET).value = id(kind)
