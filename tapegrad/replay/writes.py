"""What a recording changes of the Python around it, which a replay would not repeat."""

from __future__ import annotations

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
        shared = [("Python's random", random), ("numpy.random", np.random)]
        return [
            (path, _state(generator)) for path, generator in (*shared, *self._guards.generators)
        ]


def _state(generator: Any) -> Any:
    if hasattr(generator, "getstate"):
        return generator.getstate()
    if isinstance(generator, np.random.Generator):
        return pickle.dumps(generator.bit_generator.state)  # it holds arrays: compared as bytes
    name, key, *rest = generator.get_state()
    return name, key.tobytes(), rest
