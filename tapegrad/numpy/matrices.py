"""numpy.linalg's products, powers and diagonals, where they differ from numpy's of that name."""

from __future__ import annotations

import operator
from typing import Any

import numpy as np
from numpy.linalg import LinAlgError

from ..errors import ShapeError
from ..ops import composite, shapes, structured
from ..ops import linalg as rows
from ..ops.axes import as_tensor
from ..tensor import Tensor, tensor
from . import products
from .norms import inexact
from .registry import differentiable


@differentiable("linalg.matmul(x, y.T)", name="linalg.matmul")
def matmul(x1: Any, x2: Any, /) -> Tensor:
    """Matrix product."""
    return structured.matmul(x1, x2)


@differentiable("linalg.tensordot(x, y)", "linalg.tensordot(x, y, axes=((0,), (0,)))",
                name="linalg.tensordot")  # fmt: skip
def tensordot(x1: Any, x2: Any, /, *, axes: Any = 2) -> Tensor:
    """Sum of products over paired axes, as numpy.tensordot."""
    return composite.tensordot(x1, x2, axes)


@differentiable("linalg.vecdot(x, y)", name="linalg.vecdot")
def vecdot(x1: Any, x2: Any, /, *, axis: int = -1) -> Tensor:
    """Inner products along an axis; the first is conjugated."""
    return products.vecdot(x1, x2, axis=axis)


@differentiable("linalg.outer(v, w)", name="linalg.outer")
def outer(x1: Any, x2: Any, /) -> Tensor:
    """Products of each element of one vector with each of another.

    Raises:
        ValueError: if one is no vector.
    """
    a, b = as_tensor(x1), as_tensor(x2)
    if a.ndim != 1 or b.ndim != 1:
        raise ShapeError(f"outer: need two vectors, got {a.shape} and {b.shape}")
    return composite.outer(a, b)


@differentiable("linalg.cross(x[:, :3], y[:, :3])", "linalg.cross(x, y, axis=0)",
                name="linalg.cross")  # fmt: skip
def cross(x1: Any, x2: Any, /, *, axis: int = -1) -> Tensor:
    """Vector products of vectors of length 3.

    Raises:
        ValueError: for another length.
    """
    a, b = as_tensor(x1), as_tensor(x2)
    if a.shape[axis] != 3 or b.shape[axis] != 3:
        raise ShapeError(f"cross: need vectors of length 3, got {a.shape} and {b.shape}")
    return products.cross(a, b, axis=axis)


@differentiable("linalg.matrix_transpose(x)", name="linalg.matrix_transpose")
def matrix_transpose(x: Any, /) -> Tensor:
    """The last two axes exchanged."""
    return shapes.matrix_transpose(x)


@differentiable("linalg.diagonal(x)", "linalg.diagonal(x, offset=-1)", name="linalg.diagonal")
def diagonal(x: Any, /, *, offset: int = 0) -> Tensor:
    """The diagonals of the matrices in the last two axes, above (offset > 0) or below the main."""
    x = as_tensor(x)
    return composite.diagonal(x[..., offset:] if offset > 0 else x[..., -offset:, :], -2, -1)


@differentiable("linalg.trace(x)", "linalg.trace(x, offset=1)", name="linalg.trace")
def trace(x: Any, /, *, offset: int = 0, dtype: Any = None) -> Tensor:
    """The sums of the diagonals of the matrices in the last two axes."""
    return diagonal(x, offset=offset).sum(-1, dtype=dtype)


@differentiable("linalg.matrix_power(A, 3)", "linalg.matrix_power(A, -2)",
                "linalg.matrix_power(A, 0) + A", name="linalg.matrix_power")  # fmt: skip
def matrix_power(a: Any, n: int) -> Tensor:
    """Square matrices to an integer power, by repeated squaring; of the inverse for n < 0."""
    a, n = as_tensor(a), operator.index(n)
    if a.ndim < 2 or a.shape[-1] != a.shape[-2]:
        raise LinAlgError(f"matrix_power: need square matrices, got {a.shape}")
    if not n:
        return tensor(np.broadcast_to(np.eye(a.shape[-1], dtype=a.dtype), a.shape))
    if n < 0:
        a, n = rows.inv(inexact(a), (0,)), -n
    power = None
    while True:
        if n & 1:
            power = a if power is None else structured.matmul(power, a)
        n >>= 1
        if not n:
            return power
        a = structured.matmul(a, a)


@differentiable("linalg.multi_dot([v, x.T, A, B])", "linalg.multi_dot([x, y.T])",
                name="linalg.multi_dot")  # fmt: skip
def multi_dot(arrays: Any) -> Tensor:
    """The product of matrices in the order of fewest multiplications; the ends may be vectors.

    Source: Cormen et al., Introduction to Algorithms, section 15.2.
    """
    chain = [as_tensor(x) for x in arrays]
    if len(chain) < 2:
        raise ShapeError(f"multi_dot: need at least two arrays, got {len(chain)}")
    ends = [chain[0].ndim == 1, chain[-1].ndim == 1]
    if ends[0]:
        chain[0] = shapes.reshape(chain[0], (1, -1))
    if ends[1]:
        chain[-1] = shapes.reshape(chain[-1], (-1, 1))
    if any(x.ndim != 2 for x in chain):
        raise LinAlgError("multi_dot: need matrices, and vectors only at the ends")
    y = _product(chain, _splits([x.shape[0] for x in chain] + [chain[-1].shape[1]]), 0, len(chain))
    return shapes.reshape(y, tuple(n for n, gone in zip(y.shape, ends) if not gone))


def _product(chain: list, splits: dict, i: int, j: int) -> Tensor:
    """The product of chain[i:j]."""
    if j == i + 1:
        return chain[i]
    k = splits[i, j]
    return structured.matmul(_product(chain, splits, i, k), _product(chain, splits, k, j))


def _splits(sizes: list[int]) -> dict:
    """Where to split each part [i:j] of the chain; matrix k is (sizes[k], sizes[k + 1])."""
    n = len(sizes) - 1
    cost = {(i, i + 1): 0 for i in range(n)}
    splits = {}
    for length in range(2, n + 1):
        for i in range(n - length + 1):
            j = i + length
            cost[i, j], splits[i, j] = min(
                (cost[i, k] + cost[k, j] + sizes[i] * sizes[k] * sizes[j], k)
                for k in range(i + 1, j)
            )
    return splits
