"""numpy.random, passed through: its functions take and give plain numbers and arrays.

tapegrad's own streams, the same on both engines and in replayed steps, are tapegrad.random's.
"""

from typing import Any

import numpy.random as _numpys
from numpy.random import *  # noqa: F403

__all__ = list(_numpys.__all__)


def __getattr__(name: str) -> Any:
    return getattr(_numpys, name)
