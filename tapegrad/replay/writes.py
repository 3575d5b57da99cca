"""What a recording changes of the Python around it, which a replay would not repeat."""

from __future__ import annotations

import ctypes
import pickle
import random
from typing import Any

import numpy as np

from .guards import Guards


class Writes:
    """Make it before a recording, ask found() after it.

    Args:
        guards: what the recorded function reads, found just now.
    """

    def __init__(self, guards: Guards):
        self._guards = guards
        self._before = self._states()

    def found(self) -> str | None:
        """None, or a sentence that says what has changed.

        A write that happens at the first call only (a cache) is no longer there at the second
        recording. Includes the live hyper-parameters, so a step that sets optimizer.lr is found
        out, and draws from Python's and NumPy's random numbers.
        """
        for (path, before), (_, after) in zip(self._before, self._states()):
            if before != after:
                return f"{path} was drawn from"
        return self._guards.written()

    def _states(self) -> list[tuple[str, Any]]:
        """(path, state, to be compared) of generators, and of the two that everyone shares."""
        shared = [("Python's random", random.getstate()), ("numpy.random", _numpy_state())]
        return shared + [(path, _state(x)) for path, x in self._guards.generators]


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
