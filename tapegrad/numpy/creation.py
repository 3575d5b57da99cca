"""NumPy's functions that make arrays, returning Tensors."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..ops import linear
from ..ops.axes import as_tensor
from ..ops.elementwise import where
from ..tensor import Tensor, tensor


def array(object: Any, dtype: Any = None) -> Tensor:
    """A Tensor with a copy of the data; a Tensor given keeps its derivative.

    Nested sequences may hold Tensors: they are stacked.
    """
    if isinstance(object, Tensor):
        x = linear.copy(object)
        return x if dtype is None or x.dtype == np.dtype(dtype) else x.astype(dtype)
    if isinstance(object, (list, tuple)) and _has_tensor(object):
        from ..ops.shapes import stack

        x = stack([array(item) for item in object])
        return x if dtype is None else x.astype(dtype)
    return tensor(object, dtype)


def _has_tensor(items: Any) -> bool:
    return any(
        isinstance(i, Tensor) or (isinstance(i, (list, tuple)) and _has_tensor(i)) for i in items
    )


def asarray(a: Any, dtype: Any = None) -> Tensor:
    """a itself if it is a Tensor of that dtype, else a Tensor of its values."""
    if isinstance(a, Tensor):
        return a if dtype is None or a.dtype == np.dtype(dtype) else a.astype(dtype)
    return array(a, dtype)


def zeros(shape: Any, dtype: Any = float) -> Tensor:
    """Zeros."""
    return tensor(np.zeros(shape, dtype))


def ones(shape: Any, dtype: Any = float) -> Tensor:
    """Ones."""
    return tensor(np.ones(shape, dtype))


empty = zeros


def full(shape: Any, fill_value: Any, dtype: Any = None) -> Tensor:
    """One value everywhere."""
    return tensor(np.full(shape, fill_value, dtype))


def zeros_like(a: Any, dtype: Any = None) -> Tensor:
    """Zeros of a's shape and dtype."""
    return full_like(a, 0, dtype)


def ones_like(a: Any, dtype: Any = None) -> Tensor:
    """Ones of a's shape and dtype."""
    return full_like(a, 1, dtype)


empty_like = zeros_like


def full_like(a: Any, fill_value: Any, dtype: Any = None) -> Tensor:
    """One value everywhere, in a's shape and dtype."""
    a = as_tensor(a)
    return tensor(np.full(a.shape, fill_value, a.dtype if dtype is None else dtype))


def arange(start: Any, stop: Any = None, step: Any = 1, dtype: Any = None) -> Tensor:
    """start, start + step, ... below stop; from 0 if only one bound is given."""
    if stop is None:
        start, stop = 0, start
    return tensor(np.arange(start, stop, step, dtype))


def linspace(
    start: Any, stop: Any, num: int = 50, endpoint: bool = True, dtype: Any = None
) -> Tensor:
    """num evenly spaced numbers from start to stop."""
    return tensor(np.linspace(start, stop, num, endpoint, dtype=dtype))


def eye(N: int, M: int | None = None, k: int = 0, dtype: Any = float) -> Tensor:
    """Ones on the k-th diagonal of an (N, M) matrix of zeros."""
    return tensor(np.eye(N, M, k, dtype))


def identity(n: int, dtype: Any = float) -> Tensor:
    """The (n, n) identity."""
    return eye(n, dtype=dtype)


def tril(m: Any, k: int = 0) -> Tensor:
    """The lower triangle, zeros above the k-th diagonal."""
    m = as_tensor(m)
    return where(np.tri(*m.shape[-2:], k, dtype=bool), m, _zero(m))


def triu(m: Any, k: int = 0) -> Tensor:
    """The upper triangle, zeros below the k-th diagonal."""
    m = as_tensor(m)
    return where(np.tri(*m.shape[-2:], k - 1, dtype=bool), _zero(m), m)


def _zero(like: Tensor) -> Tensor:
    return tensor(np.zeros((), like.dtype))
