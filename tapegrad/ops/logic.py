"""Functions of NumPy's that training seldom calls: bits and remainders, which run in NumPy on both
engines, what is true, any and all, rounding to decimals.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..engine.select import apply
from ..tensor import Tensor
from . import elementwise as e
from .axes import as_tensor, reduced
from .rows import elementwise, nondifferentiable
from .shapes import as_dtype

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
    (1, lambda a, b, y: -e.round((a - y) / b)),
    domain=((0.2, 0.8), (1.0, 2.0)),
    doc="a - b * floor(a / b): the sign is b's.",
)

# --- truth, round --------------------------------------------------------------------------------


def _folds(rng):
    x = rng.integers(0, 2, (3, 4)).astype(bool)
    wide = rng.uniform(size=(3, 300, 1030)) < 0.99
    return [
        ([x], (0, 0, 1)), ([x], (1, 1)), ([x], (0, 0)), ([x[:0]], (0, 0)), ([x[:0]], (0, 1)),
        ([wide], (0, 1)), ([wide], (0, 2)), ([wide], (0, 0, 2)), ([wide[0, 0, 0]], (0,)),
    ]  # fmt: skip


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


def truth(x: Any) -> Any:
    """Whether the elements are true (not zero; nan is true): bools."""
    x = as_tensor(x)
    if x.dtype == np.bool_:
        return x
    return e.not_equal(x, 0.0) if x.dtype.kind == "f" else as_dtype(x, np.bool_)


def logical_not(x: Any) -> Tensor:
    """Not x."""
    return e.logical_not(truth(x))


def logical_and(a: Any, b: Any) -> Tensor:
    """a and b."""
    return e.logical_and(truth(a), truth(b))


def logical_or(a: Any, b: Any) -> Tensor:
    """a or b."""
    return e.logical_or(truth(a), truth(b))


def logical_xor(a: Any, b: Any) -> Tensor:
    """Exactly one of a, b."""
    return e.logical_xor(truth(a), truth(b))


def all(x: Any, axis: Any = None, keepdims: bool = False) -> Tensor:
    """Whether all values over axes are true (not zero)."""
    x = truth(x)
    return apply(ALL.id, (x,), reduced(x.ndim, axis, keepdims, "all"))


def any(x: Any, axis: Any = None, keepdims: bool = False) -> Tensor:
    """Whether any value over axes is true (not zero)."""
    x = truth(x)
    return apply(ANY.id, (x,), reduced(x.ndim, axis, keepdims, "any"))


def round(x: Any, decimals: int = 0) -> Tensor:
    """Rounded to that many decimals, halves to even; no derivative."""
    if not decimals:
        return e.round(x)
    scale = 10.0 ** abs(decimals)
    if decimals > 0:
        return e.round(as_tensor(x) * scale) / scale
    return e.round(as_tensor(x) / scale) * scale
