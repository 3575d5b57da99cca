"""NumPy's namespace for Tensors: `import tapegrad.numpy as np` runs code written for NumPy.

Functions have NumPy's names and arguments, take Tensors, arrays and scalars, and return Tensors.
The registry that fills this module (registry.py) also serves `numpy.sum(tensor)` and
`numpy.ndarray * tensor`; docs/numpy-coverage.md is its list.
"""

from typing import TYPE_CHECKING as _TYPE_CHECKING
from typing import Any as _Any

import numpy as _np

from ..tensor import Tensor as ndarray
from . import (
    calculus,
    choosing,
    creation,
    dlpack,
    elementwise,
    fft,
    joining,
    linalg,
    nans,
    order,
    padding,
    plain,
    polynomials,
    products,
    protocols,
    reductions,
    registry,
    shaping,
    standard,
    writing,
)
from .joining import c_, r_
from .standard import *  # noqa: F403
from .vectorizing import vectorize

if _TYPE_CHECKING:  # most names come from the registry, as this is imported

    def __getattr__(name: str) -> _Any: ...


registry.link_other_names()
globals().update(plain.computed())
globals().update((name, e.function) for name, e in registry.functions() if e.function)

random = _np.random
