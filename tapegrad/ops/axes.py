"""Axis arguments as NumPy takes them, turned into the normal form of params.

What a call asks (axis, keepdims, number of axes) repeats every training step: answers are cached.
"""

from __future__ import annotations

import operator
from functools import lru_cache
from typing import Any

import numpy as np

from ..errors import AxisError, ShapeError
from ..tensor import Tensor, asarray


def as_tensor(x: Any) -> Tensor:
    """x itself if it is a Tensor, else a Tensor of its values; a list of Tensors is stacked."""
    if isinstance(x, Tensor):
        return x
    if isinstance(x, (list, tuple)) and holds_tensors(x):
        from .shapes import stacked

        return stacked(x)
    return asarray(x)


def holds_tensors(items: Any) -> bool:
    """Whether there is a Tensor in nested lists and tuples."""
    return any(
        isinstance(i, Tensor) or (isinstance(i, (list, tuple)) and holds_tensors(i)) for i in items
    )


def one_axis(axis: Any, ndim: int, name: str) -> int:
    """An axis as a number in 0..ndim-1.

    Raises:
        AxisError: if it is out of range.
    """
    try:
        k = operator.index(axis)
    except TypeError:
        raise TypeError(
            f"{name}: axis must be an integer, got {type(axis).__name__}: {axis!r}"
        ) from None
    if not -ndim <= k < ndim:
        raise AxisError(f"{name}: axis {k} is out of bounds for an array of dimension {ndim}")
    return k + ndim if k < 0 else k


def axes(axis: Any, ndim: int, name: str) -> tuple[int, ...]:
    """One axis or a sequence of them, normalised, in the order given; None is all.

    Raises:
        AxisError: if one is out of range.
        ShapeError: if one comes twice.
    """
    if axis is None:
        return tuple(range(ndim))
    if not isinstance(axis, (tuple, list)):
        return (one_axis(axis, ndim, name),)
    found = tuple(one_axis(a, ndim, name) for a in axis)
    if len(set(found)) != len(found):
        raise ShapeError(f"{name}: an axis comes twice in {tuple(axis)}")
    return found


def is_whole(axis: Any, ndim: int) -> bool:
    """Whether an axis argument means all elements: None, and of a scalar 0 and -1.

    Those NumPy takes where it does not ask for an axis's length, and not within a tuple.
    """
    return axis is None or (not ndim and isinstance(axis, (int, np.integer)) and axis in (0, -1))


def reduced(ndim: int, axis: Any, keepdims: bool, name: str) -> tuple[int, ...]:
    """Params of a reduction: (keepdims, *axes ascending)."""
    try:
        return _reduced(ndim, axis, keepdims, name)
    except TypeError:  # a list, or wrong
        return _reduced.__wrapped__(ndim, axis, keepdims, name)


@lru_cache(maxsize=1024, typed=True)  # 1.0 is no axis, but equal to 1
def _reduced(ndim: int, axis: Any, keepdims: bool, name: str) -> tuple[int, ...]:
    found = axes(None if is_whole(axis, ndim) else axis, ndim, name)
    return (int(bool(keepdims)), *sorted(found))


@lru_cache(maxsize=1024, typed=True)
def axis_params(ndim: int, axis: Any, name: str) -> tuple[int]:
    """Params of an op along one axis: (axis,)."""
    return (one_axis(axis, ndim, name),)


def shape_of(shape: Any, name: str) -> tuple[int, ...]:
    """A shape argument, an integer or a sequence of integers, as a tuple."""
    try:
        return (operator.index(shape),)
    except TypeError:
        pass
    try:
        return tuple(operator.index(n) for n in shape)
    except TypeError:
        raise TypeError(f"{name}: a shape must be integers, got {shape!r}") from None
