"""NumPy's functions that join arrays, put elements in or leave them out; r_ and c_."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..ops import indexing, linear, shapes
from ..ops.axes import as_tensor, one_axis
from ..ops.shapes import as_dtype, atleast_1d, concatenate, expand_dims, ravel
from ..tensor import Tensor, tensor
from .registry import differentiable, values
from .shaping import three_axes


def _list(arrays: Any) -> list[Tensor]:
    return [as_tensor(a) for a in arrays]


def _joined(arrays: Any, dtype: Any, casting: str) -> list[Tensor]:
    tensors = _list(arrays)
    if dtype is None:
        return tensors
    for x in tensors:
        if not np.can_cast(x.dtype, dtype, casting):
            raise TypeError(f"cannot cast {x.dtype} to {np.dtype(dtype)} by the rule {casting!r}")
    return [as_dtype(x, dtype) for x in tensors]


@differentiable("concatenate([x, y])", "concatenate((x, y), axis=None)", "concatenate([x, y], 1)",
                name="concatenate")  # fmt: skip
def _concatenate(
    arrays: Any, /, axis: int | None = 0, *, dtype: Any = None, casting: str = "same_kind"
) -> Tensor:
    """Arrays joined along an axis (None: all flattened first); dtypes promote."""
    return concatenate(_joined(arrays, dtype, casting), axis)


@differentiable("stack([x, y])", "stack([x, y], axis=-1)")
def stack(arrays: Any, axis: int = 0, *, dtype: Any = None, casting: str = "same_kind") -> Tensor:
    """Arrays of one shape along a new axis."""
    return shapes.stack(_joined(arrays, dtype, casting), axis)


@differentiable("vstack([x, v])")
def vstack(tup: Any, *, dtype: Any = None, casting: str = "same_kind") -> Tensor:
    """Arrays stacked along rows; 1-D ones are rows."""
    return shapes.vstack(_joined(tup, dtype, casting))


@differentiable("hstack([x, y])", "hstack([v, w])")
def hstack(tup: Any, *, dtype: Any = None, casting: str = "same_kind") -> Tensor:
    """Arrays joined along the second axis; 1-D ones along their first."""
    return shapes.hstack(_joined(tup, dtype, casting))


@differentiable("dstack([x, y])", "dstack([v, w])")
def dstack(tup: Any) -> Tensor:
    """Arrays joined along the third axis, new where they have none."""
    return concatenate([three_axes(a) for a in tup], 2)


@differentiable("column_stack([v, w, x.T])")
def column_stack(tup: Any) -> Tensor:
    """Arrays as columns of a matrix; 1-D ones are one column each."""
    return concatenate([x if x.ndim > 1 else x.reshape(-1, 1) for x in _list(tup)], 1)


@differentiable("block([[x, y], [y, x]])", "block([v, s])", "block([[x], [v]])")
def block(arrays: Any) -> Tensor:
    """Blocks given as nested lists joined: innermost along the last axis, and so outwards."""
    depth = _depth(arrays)
    ndim = max([depth, *[as_tensor(a).ndim for a in _leaves(arrays)]])
    return _block(arrays, ndim, depth)


def _depth(arrays: Any) -> int:
    if not isinstance(arrays, list):
        return 0
    if not arrays:
        raise ValueError("block: a list is empty")
    depths = {_depth(a) for a in arrays}
    if len(depths) > 1:
        raise ValueError("block: lists are nested to different depths")
    return 1 + depths.pop()


def _leaves(arrays: Any) -> list:
    return [leaf for a in arrays for leaf in _leaves(a)] if isinstance(arrays, list) else [arrays]


def _block(arrays: Any, ndim: int, depth: int) -> Tensor:
    if not isinstance(arrays, list):
        x = as_tensor(arrays)
        return linear.reshape(x, (1,) * (ndim - x.ndim) + x.shape)
    return concatenate([_block(a, ndim, depth - 1) for a in arrays], ndim - depth)


@differentiable("append(x, y, axis=0)", "append(x, s)")
def append(arr: Any, values: Any, axis: int | None = None) -> Tensor:
    """values after arr along axis (None: both flattened)."""
    return concatenate([as_tensor(arr), as_tensor(values)], axis)


@differentiable(
    "insert(x, 1, v, axis=0)", "insert(v, [1, 3], [s, 2.0])", "insert(x, 2, s)",
    "insert(x, [0, 2], v[:3, None], axis=1)",
)  # fmt: skip
def insert(arr: Any, obj: Any, values: Any, axis: int | None = None) -> Tensor:
    """values put before the positions obj along axis (None: arr flattened)."""
    x, new = as_tensor(arr), as_tensor(values)
    if axis is None:
        x, axis = ravel(x), 0
    axis = one_axis(axis, x.ndim, "insert")
    marks = np.arange(x.shape[axis])
    # NumPy itself says where everything goes: old positions as themselves, new ones as -1, -2 ...
    obj = _as_positions(obj)
    count = np.arange(1, np.size(np.insert(marks, obj, 0)) - marks.size + 1)
    order = np.insert(marks, obj, -count if np.ndim(obj) or count.size > 1 else -1)
    shape = (*x.shape[:axis], count.size, *x.shape[axis + 1 :])
    if np.ndim(obj) == 0 and new.ndim == x.ndim - 1 and new.ndim:
        new = shapes.expand_dims(new, axis)
    elif np.ndim(obj) == 0 and new.ndim:  # a scalar position takes as many as values has there
        new = linear.reshape(new, (1,) * (x.ndim - new.ndim) + new.shape)
        count = np.arange(1, new.shape[axis] + 1)
        order = np.insert(marks, np.full(count.size, int(obj)), -count)
        shape = (*x.shape[:axis], count.size, *x.shape[axis + 1 :])
    new = shapes.broadcast_to(as_dtype(new, x.dtype), shape)
    both = concatenate([x, new], axis)
    return indexing.take(both, np.where(order < 0, x.shape[axis] - 1 - order, order), axis)


def _as_positions(obj: Any) -> Any:
    obj = values(obj)
    if isinstance(obj, slice):
        return obj
    array = np.asarray(obj)
    return array if array.size else array.astype(np.int64)


@differentiable("delete(x, 1, axis=0)", "delete(x, [0, 3], axis=1)", "delete(x, slice(1, 3))")
def delete(arr: Any, obj: Any, axis: int | None = None) -> Tensor:
    """arr without the positions obj along axis (None: of the flat array)."""
    x = as_tensor(arr)
    if axis is None:
        x, axis = ravel(x), 0
    axis = one_axis(axis, x.ndim, "delete")
    return indexing.take(x, np.delete(np.arange(x.shape[axis]), _as_positions(obj)), axis)


@differentiable("trim_zeros(concatenate([[0, 0], v, [0]]))")
def trim_zeros(filt: Any, trim: str = "fb", **more: Any) -> Tensor:
    """Without the zeros at the front ("f") and at the back ("b")."""
    x = as_tensor(filt)
    lengths = np.trim_zeros(x.numpy(), trim, **more).shape  # from where, NumPy does not say
    kept = np.argwhere(x.numpy())
    first = kept.min(0).tolist() if kept.size and "f" in trim.lower() else [0] * x.ndim
    return x[
        tuple(
            slice(f, f + n) if n < whole else slice(None)
            for f, n, whole in zip(first, lengths, x.shape)
        )
    ]


# --- square brackets --------------------------------------------------------------------------


class _Joined:
    """What r_ and c_ are: index them with arrays, scalars and slices (which make ranges)."""

    def __init__(self, is_columns: bool):
        self._is_columns = is_columns

    def __getitem__(self, key: Any) -> Tensor:
        parts = []
        for item in key if isinstance(key, tuple) else (key,):
            if isinstance(item, str):
                raise TypeError(f"r_ and c_ take no directives here, got {item!r}; use concatenate")
            part = tensor(np.r_[item]) if isinstance(item, slice) else atleast_1d(as_tensor(item))
            parts.append(expand_dims(part, 1) if self._is_columns and part.ndim == 1 else part)
        return concatenate(parts, -1 if self._is_columns else 0)


r_ = _Joined(False)
c_ = _Joined(True)
