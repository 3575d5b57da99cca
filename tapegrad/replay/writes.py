"""What a recording changes of the Python around it, which a replay would not repeat."""

from __future__ import annotations

import _random
import ctypes
import pickle
import random
import struct
import sys
from typing import Any

import numpy as np

from .guards import Change, Guards
from .look import Contents, contents

MAX_COPIED = 2**28  # bytes of ndarrays that are copied during a recording


class Writes:
    """Make it before a recording, ask found() after it.

    Args:
        guards: what the recorded function reads, found just now.
    """

    def __init__(self, guards: Guards):
        self._guards = guards
        self._before = self._states()
        self._arrays = self._copies()

    def found(self) -> Change | None:
        """None, or a sentence that says what has changed.

        A write that happens at the first call only (a cache) is no longer there at the second
        recording. Includes the live hyper-parameters, so a step that sets optimizer.lr is found
        out, and draws from Python's and NumPy's random numbers.
        """
        for (path, before), (_, after) in zip(self._before, self._states()):
            if before != after:
                return Change(f"{path} was drawn from", path)
        for path, x, copy in self._arrays:
            if contents(x) != copy:
                return Change(f"{path} have changed", path)
        return self._guards.written()

    def _copies(self) -> list[tuple[str, np.ndarray, Contents]]:
        """What the ndarrays hold that can be written, up to a size."""
        room, found = MAX_COPIED, []
        for path, x in self._guards.arrays:
            room -= x.nbytes
            if x.flags.writeable and room >= 0:
                found.append((path, x, contents(x)))
        return found

    def _states(self) -> list[tuple[str, Any]]:
        """(path, state, to be compared) of generators, and of the two that everyone shares."""
        shared = [("Python's random", _python_state()), ("numpy.random", _numpy_state())]
        return shared + [(path, _state(x)) for path, x in self._guards.generators]


_python: Any = getattr(random.getstate, "__self__", None)  # who draws for everyone
_WORDS = struct.Struct("i624I")  # its position and its words


def _python_memory() -> bytes:
    return ctypes.string_at(id(_python) + object.__basicsize__, _WORDS.size)


def _is_in_memory() -> bool:
    """Whether Python's random has its words where every CPython so far does: right behind an
    object's head."""
    is_theirs = sys.implementation.name == "cpython" and type(_python) is random.Random
    if not is_theirs or _random.Random.__basicsize__ < object.__basicsize__ + _WORDS.size:
        return False
    *words, position = random.getstate()[1]
    return _python_memory() == _WORDS.pack(position, *words)


_IN_MEMORY = _is_in_memory()


def _python_state() -> Any:
    """The state of Python's random. To ask for it takes 7 us: it makes 625 numbers."""
    return (_python_memory(), _python.gauss_next) if _IN_MEMORY else random.getstate()


_whole: tuple[bytes, Any] = (b"", None)  # numpy.random's memory, and its state at that time


def _numpy_state() -> Any:
    """The state of numpy.random. Asking for the whole takes 30 us; what is drawn shows in its
    memory, but for the second of two normal numbers, which are made together."""
    global _whole
    bits = np.random.get_bit_generator()
    if not isinstance(bits, np.random.MT19937):
        return pickle.dumps(np.random.get_state(legacy=False))  # noqa: NPY002 - theirs
    memory = ctypes.string_at(bits.ctypes.state_address, 624 * 4 + 4)  # its words and its position
    if memory != _whole[0] or _whole[1]["has_gauss"]:
        _whole = memory, np.random.get_state(legacy=False)  # noqa: NPY002 - theirs
    return memory, _whole[1]["has_gauss"]


def _state(generator: Any) -> Any:
    if hasattr(generator, "getstate"):
        return generator.getstate()
    if isinstance(generator, np.random.Generator):
        return pickle.dumps(generator.bit_generator.state)  # it holds arrays: compared as bytes
    name, key, *rest = generator.get_state()
    return name, key.tobytes(), rest
