"""Compositions: plain functions of rows, without rules of their own."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ..errors import ShapeError
from ..tensor import Tensor
from ..tree import flatten
from . import elementwise as e
from . import linear as rows
from .axes import as_tensor, axes
from .complex import conj
from .reductions import mean, sum
from .shapes import as_dtype, moveaxis, ravel
from .structured import matmul

# --- statistics -------------------------------------------------------------------------------


def var(
    x: Any, axis: Any = None, dtype: Any = None, ddof: float = 0, keepdims: bool = False
) -> Tensor:
    """Mean squared distance from the mean over axes, as np.var.

    Args:
        ddof: what the number of elements is lessened by before dividing.
    """
    x = as_tensor(x) if dtype is None else as_dtype(x, dtype)
    distance = x - mean(x, axis, keepdims=True)
    squares = e.square(distance) if x.dtype.kind != "c" else e.square(e.absolute(distance))
    if not ddof:
        return mean(squares, axis, keepdims=keepdims)
    n = 1
    for a in axes(axis, x.ndim, "var"):
        n *= x.shape[a]
    return sum(squares, axis, keepdims=keepdims) / (float(n - ddof) if n > ddof else 0.0)


def root(variance: Tensor) -> Tensor:
    """The square root, with the derivative 0 at 0: nothing flows to elements that are all equal."""
    is_zero = variance == 0
    return e.where(is_zero, variance, e.sqrt(e.where(is_zero, 1.0, variance)))


# --- products ---------------------------------------------------------------------------------


def dot(a: Any, b: Any) -> Tensor:
    """np.dot: the last axis of a with the last but one of b; with a scalar, the product."""
    a, b = as_tensor(a), as_tensor(b)
    if not a.ndim or not b.ndim:
        return a * b
    if b.ndim > 2:
        return tensordot(a, b, ((a.ndim - 1,), (b.ndim - 2,)))
    return matmul(a, b)


def inner(a: Any, b: Any) -> Tensor:
    """np.inner: the last axis of a with the last of b."""
    a, b = as_tensor(a), as_tensor(b)
    if not a.ndim or not b.ndim:
        return a * b
    return tensordot(a, b, ((a.ndim - 1,), (b.ndim - 1,)))


def outer(a: Any, b: Any) -> Tensor:
    """Products of each element of a with each of b, (a.size, b.size)."""
    a, b = ravel(a), ravel(b)
    return rows.reshape(a, (a.size, 1)) * b


def vdot(a: Any, b: Any) -> Tensor:
    """Inner product of the flat arrays, the first conjugated."""
    return matmul(conj(ravel(a)), ravel(b))


def tensordot(a: Any, b: Any, axes: Any = 2) -> Tensor:
    """Sum of products over axes of a paired with axes of b, as np.tensordot.

    Raises:
        ShapeError: if paired axes differ in length.
    """
    a, b = as_tensor(a), as_tensor(b)
    of_a, of_b = _paired(axes, a.ndim)
    of_a, of_b = _axes(of_a, a.ndim, "tensordot"), _axes(of_b, b.ndim, "tensordot")
    if [a.shape[i] for i in of_a] != [b.shape[i] for i in of_b]:
        raise ShapeError(f"tensordot: axes {of_a} of {a.shape} and {of_b} of {b.shape} differ")
    a = moveaxis(a, of_a, tuple(range(a.ndim - len(of_a), a.ndim)))
    b = moveaxis(b, of_b, tuple(range(len(of_b))))
    kept_a, kept_b = a.shape[: a.ndim - len(of_a)], b.shape[len(of_b) :]
    k = int(np.prod(b.shape[: len(of_b)], dtype=np.int64))
    m, n = (int(np.prod(kept, dtype=np.int64)) for kept in (kept_a, kept_b))
    product = matmul(rows.reshape(a, (m, k)), rows.reshape(b, (k, n)))
    return rows.reshape(product, kept_a + kept_b)


_axes = axes  # `axes` is also an argument's name


def _paired(axes: Any, ndim: int) -> tuple:
    if isinstance(axes, (int, np.integer)):
        return tuple(range(ndim - axes, ndim)), tuple(range(axes))
    of_a, of_b = axes
    return (
        (of_a,) if isinstance(of_a, (int, np.integer)) else tuple(of_a),
        (of_b,) if isinstance(of_b, (int, np.integer)) else tuple(of_b),
    )


def diagonal(x: Any, axis1: int = 0, axis2: int = 1) -> Tensor:
    """The diagonal of two axes, as a last axis; a view."""
    x = as_tensor(x)
    x = moveaxis(x, (axis1, axis2), (-2, -1))
    *lead, m, n = x.shape
    k = m if m < n else n
    box = [v for length in lead for v in (0, length, 1)]
    square = rows.slice_(x, (*box, 0, k, 1, 0, k, 1))
    flat = rows.reshape(square, (*lead, k * k))
    return rows.slice_(flat, (*box, 0, k, k + 1))


# --- elementwise choices ----------------------------------------------------------------------


def clip(x: Any, min: Any = None, max: Any = None) -> Tensor:
    """Values limited to min..max, as np.clip; passes the derivative at the edges.

    Args:
        min, max: numbers, arrays that broadcast, or None for no limit.
    """
    x = as_tensor(x)
    if x.dtype.kind in "iu":  # Python numbers that no element is beyond, and x's dtype cannot hold
        limits = np.iinfo(x.dtype)
        min = None if type(min) is int and min <= limits.min else min
        max = None if type(max) is int and max >= limits.max else max
    if x.dtype.kind == "f" and _is_number(min) and _is_number(max):
        low = float("-inf") if min is None else float(min)
        high = float("inf") if max is None else float(max)
        return e.clip(x, params=(low, high))
    if min is not None:
        x = e.where(_or_nan(e.less(x, min), min), min, x)
    if max is not None:
        x = e.where(_or_nan(e.greater(x, max), max), max, x)
    return x


def _or_nan(beyond: Tensor, bound: Any) -> Tensor:
    """What is beyond a bound: where that is nan, everything, as in NumPy."""
    if _is_number(bound) and bound == bound:
        return beyond
    return e.logical_or(beyond, e.isnan(bound))


def _is_number(v: Any) -> bool:
    return v is None or type(v) in (int, float)


def power(x: Any, exponent: Any) -> Tensor:
    """x ** exponent, by the cheapest row: numbers as exponents have their own."""
    if type(exponent) in (int, float) and as_tensor(x).dtype.kind in "fc":
        cheap = _POWERS.get(exponent)
        if cheap is not None:
            return cheap(x)
        if as_tensor(x).dtype.kind == "f":
            return e.power_scalar(x, params=(float(exponent),))
    return e.power(x, exponent)


_POWERS: dict[float, Callable[[Any], Tensor]] = {
    2: e.square,
    0.5: e.sqrt,
    -0.5: e.rsqrt,
    -1: e.reciprocal,
    1: lambda x: rows.copy(as_tensor(x)),
}


def stop_gradient(x: Any) -> Any:
    """The same values, unknown to any tape: nothing flows through.

    Args:
        x: a Tensor, or an array, which becomes one; or a nesting, whose Tensors are stopped.
    """
    leaves: list = []
    rebuild = flatten(x, leaves)
    if len(leaves) == 1 and leaves[0] is x:
        return rows.stop_gradient(x)
    return rebuild(iter([rows.stop_gradient(v) if isinstance(v, Tensor) else v for v in leaves]))
