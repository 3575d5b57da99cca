"""NumPy's namespace for Tensors: `import tapegrad.numpy as np` runs code written for NumPy.

Functions have NumPy's names and arguments, take Tensors, arrays and scalars, and return Tensors.
The registry that fills this module (registry.py) also serves `numpy.sum(tensor)` and
`numpy.ndarray * tensor`; docs/numpy-coverage.md is its list.
"""

from importlib import import_module as _import_module
from typing import Any as _Any

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
from .vectorizing import ndenumerate, vectorize


def __getattr__(name: str) -> _Any:  # numpy.random takes longer to import than all the rest
    if name == "random":
        return _import_module(".random", __name__)
    if name in ("exceptions", "polynomial", "testing", "typing"):  # NumPy's own
        return _import_module(f"numpy.{name}")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


registry.link_other_names()
globals().update(plain.computed())
globals().update((name, e.function) for name, e in registry.functions() if e.function)
