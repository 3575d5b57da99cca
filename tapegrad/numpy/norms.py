"""Norms of vectors and matrices, of every order NumPy has, and condition numbers.

At 0, and where a largest or smallest value is shared, the derivative is a subgradient: 0, and equal
shares (docs/kinks.md).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..ops import decompositions as factors
from ..ops import elementwise as e
from ..ops import linalg as rows
from ..ops import logic
from ..ops.axes import as_tensor, axes
from ..ops.complex import imag, real
from ..ops.reductions import max as largest
from ..ops.reductions import min as smallest
from ..ops.reductions import sum
from ..ops.shapes import as_dtype, moveaxis, reshape
from ..tensor import Tensor
from .registry import differentiable

INF = float("inf")


def inexact(x: Any) -> Tensor:
    """x as a Tensor of floats or complex numbers."""
    x = as_tensor(x)
    return x if x.dtype.kind in "fc" else as_dtype(x, np.float64)


@differentiable(
    "linalg.norm(x)", "linalg.norm(v, 3)", "linalg.norm(x, inf, axis=1)", "linalg.norm(x, 'nuc')",
    "linalg.norm(x, 2, axis=(0, 1), keepdims=True)", "linalg.norm(x, 1)", "linalg.norm(x, -2)",
    "linalg.norm(x, -inf)", "linalg.norm(v, -1.5)", "linalg.norm(x, 0, axis=0) + v",
    name="linalg.norm",
)  # fmt: skip
def norm(x: Any, ord: Any = None, axis: Any = None, keepdims: bool = False) -> Tensor:
    """The norm of vectors (one axis), of matrices (two), or of all elements.

    Args:
        ord: None (root of the sum of squares); for vectors any number, inf and -inf; for
            matrices "fro", "nuc", 1, -1, 2, -2, inf and -inf.
        axis: one axis, two, or None: all elements if ord is None, else the array's own axes.
    Raises:
        ValueError: for an order that vectors or matrices do not have.
    """
    x = inexact(x)
    if axis is None and ord is None:
        return _root_of_squares(x, tuple(range(x.ndim)), keepdims)
    chosen = axes(axis, x.ndim, "norm")
    if len(chosen) == 1:
        return _vector_norm(x, chosen, ord, keepdims)
    if len(chosen) == 2:
        return _matrix_norm(x, chosen, ord, keepdims)
    raise ValueError(f"norm: ord={ord!r} is of one axis or two, got {len(chosen)}")


@differentiable(
    "linalg.vector_norm(x)", "linalg.vector_norm(x, axis=0, ord=3)",
    "linalg.vector_norm(x, axis=(0, 1), keepdims=True, ord=1)", name="linalg.vector_norm",
)  # fmt: skip
def vector_norm(x: Any, /, *, axis: Any = None, keepdims: bool = False, ord: Any = 2) -> Tensor:
    """The norm of the vectors along one axis, or along several (None: all) taken as one."""
    x = inexact(x)
    return _vector_norm(x, axes(axis, x.ndim, "vector_norm"), ord, keepdims)


@differentiable(
    "linalg.matrix_norm(x)", "linalg.matrix_norm(x, ord='nuc')",
    "linalg.matrix_norm(x, keepdims=True, ord=-1)", name="linalg.matrix_norm",
)  # fmt: skip
def matrix_norm(x: Any, /, *, keepdims: bool = False, ord: Any = "fro") -> Tensor:
    """The norm of the matrices in the last two axes."""
    x = inexact(x)
    return _matrix_norm(x, axes((-2, -1), x.ndim, "matrix_norm"), ord, keepdims)


@differentiable("linalg.cond(A)", "linalg.cond(A, 1)", "linalg.cond(A, -2)", name="linalg.cond")
def cond(x: Any, p: Any = None) -> Tensor:
    """The condition number: the norm of order p of matrices times that of their inverses.

    Args:
        p: None and 2 (largest singular value over smallest), or an order of matrix norms.
    """
    x = inexact(x)
    if p in (None, 2, -2):
        s = factors.svdvals(x)
        low, high = (s[..., -1], s[..., 0])[:: -1 if p == -2 else 1]
        product = high / low
    else:
        over = (x.ndim - 2, x.ndim - 1)
        product = _matrix_norm(x, over, p, False) * _matrix_norm(rows.inv(x, (1,)), over, p, False)
    has_nan = logic.any(e.isnan(x), (-2, -1))
    is_singular = e.logical_and(e.isnan(product), e.logical_not(has_nan))
    return e.where(is_singular, INF, product)


def _size_if_complex(x: Tensor) -> Tensor:
    return real(x) * real(x) + imag(x) * imag(x) if x.dtype.kind == "c" else e.square(x)


def _with_zero(total: Tensor, root: Any, of_zero: float = 0.0) -> Tensor:
    """root(total), and of_zero where that is 0, with derivative 0 there."""
    is_zero = total == 0.0
    return e.where(is_zero, of_zero, root(e.where(is_zero, 1.0, total)))


def _root_of_squares(x: Tensor, over: tuple, keepdims: bool) -> Tensor:
    return _with_zero(sum(_size_if_complex(x), over, keepdims=keepdims), e.sqrt)


def _vector_norm(x: Tensor, over: tuple, ord: Any, keepdims: bool) -> Tensor:
    if ord is None or ord == 2:
        return _root_of_squares(x, over, keepdims)
    if isinstance(ord, str):
        raise ValueError(f"norm: vectors have no norm of order {ord!r}")
    size = e.absolute(x)
    if ord == INF:
        return largest(size, over, keepdims=keepdims)
    if ord == -INF:
        return smallest(size, over, keepdims=keepdims)
    if ord == 0:
        return sum(as_dtype(x != 0.0, size.dtype), over, keepdims=keepdims)
    if ord == 1:
        return sum(size, over, keepdims=keepdims)
    total = sum(e.power(size, float(ord)), over, keepdims=keepdims)
    # of a negative order the sum of nothing, or of infinities, is 0 and its root infinite
    return _with_zero(total, lambda some: e.power(some, 1.0 / ord), INF if ord < 0 else 0.0)


def _matrix_norm(x: Tensor, over: tuple, ord: Any, keepdims: bool) -> Tensor:
    if ord in (None, "fro", "f"):
        return _root_of_squares(x, over, keepdims)
    row, column = over
    if ord in (2, -2, "nuc"):
        s = factors.svdvals(moveaxis(x, over, (-2, -1)))
        y = {2: largest, -2: smallest, "nuc": sum}[ord](s, -1)
    elif ord in (1, -1, INF, -INF):
        first, second = (row, column) if abs(ord) == 1 else (column, row)
        sums = sum(e.absolute(x), first, keepdims=True)
        y = (largest if ord > 0 else smallest)(sums, second, keepdims=True)
    else:
        raise ValueError(f"norm: matrices have no norm of order {ord!r}")
    one = set(over)
    shape = tuple(1 if i in one else n for i, n in enumerate(x.shape) if keepdims or i not in one)
    return reshape(y, shape)
