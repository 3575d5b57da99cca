"""Functions of NumPy's that the C core has no row for, and that training seldom calls: bits,
remainders, any and all, rounding to decimals. They run in NumPy on both engines.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..engine.select import apply
from ..tensor import Tensor
from . import elementwise as e
from .axes import as_tensor, reduced
from .rows import elementwise, nondifferentiable

# --- integers ---------------------------------------------------------------------------------


def _integers(count):
    def examples(rng):
        return [([rng.integers(0, 9, (3, 4)) for _ in range(count)], ())]

    return examples


bitwise_and = nondifferentiable(
    "bitwise_and", np.bitwise_and, inputs=("a", "b"), examples=_integers(2), doc="a & b."
)
bitwise_or = nondifferentiable(
    "bitwise_or", np.bitwise_or, inputs=("a", "b"), examples=_integers(2), doc="a | b."
)
bitwise_xor = nondifferentiable(
    "bitwise_xor", np.bitwise_xor, inputs=("a", "b"), examples=_integers(2), doc="a ^ b."
)
invert = nondifferentiable("invert", np.invert, examples=_integers(1), doc="~x.")
floor_divide = nondifferentiable(
    "floor_divide",
    np.floor_divide,
    inputs=("a", "b"),
    examples=lambda rng: [([rng.uniform(-9, 9, (3, 4)), rng.uniform(1, 3, (4,))], ())],
    doc="floor(a / b), exactly; no derivative.",
)
remainder = elementwise(
    "remainder",
    np.remainder,
    (1, lambda a, b: -floor_divide(a, b)),
    domain=((0.2, 0.8), (1.0, 2.0)),
    doc="a - b * floor(a / b): the sign is b's.",
)

# --- any, all, round --------------------------------------------------------------------------


def _folds(rng):
    x = rng.integers(0, 2, (3, 4)).astype(bool)
    return [([x], (0, 0, 1)), ([x], (1, 1)), ([x[:0]], (0, 0))]


ALL = nondifferentiable(  # params: (keepdims, *axes)
    "all",
    lambda x, keepdims, *axes: np.all(x, axis=axes, keepdims=bool(keepdims)),
    examples=_folds,
    doc="Whether all values over axes are true.",
).op
ANY = nondifferentiable(  # params: (keepdims, *axes)
    "any",
    lambda x, keepdims, *axes: np.any(x, axis=axes, keepdims=bool(keepdims)),
    examples=_folds,
    doc="Whether any value over axes is true.",
).op


def all(x: Any, axis: Any = None, keepdims: bool = False) -> Tensor:
    """Whether all values over axes are true (not zero)."""
    x = as_tensor(x)
    return apply(ALL.id, (x,), reduced(x.ndim, axis, keepdims, "all"))


def any(x: Any, axis: Any = None, keepdims: bool = False) -> Tensor:
    """Whether any value over axes is true (not zero)."""
    x = as_tensor(x)
    return apply(ANY.id, (x,), reduced(x.ndim, axis, keepdims, "any"))


def round(x: Any, decimals: int = 0) -> Tensor:
    """Rounded to that many decimals, halves to even; no derivative."""
    if not decimals:
        return e.round(x)
    scale = 10.0 ** abs(decimals)
    if decimals > 0:
        return e.round(as_tensor(x) * scale) / scale
    return e.round(as_tensor(x) / scale) * scale
