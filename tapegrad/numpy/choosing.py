"""NumPy's functions that pick elements by conditions and choices, and those that apply a
function of the user's along axes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ..ops import elementwise as e
from ..ops import indexing, linear
from ..ops.axes import as_tensor, is_whole, one_axis
from ..ops.shapes import (
    along,
    as_dtype,
    broadcast_arrays,
    broadcast_to,
    expand_dims,
    moveaxis,
    ravel,
    shared_dtype,
    stack,
)
from ..tensor import Tensor, tensor
from .registry import differentiable, values


@differentiable("select([x > 1, x > 0], [x, y * y], s)", "select([m], [x])")
def select(condlist: Sequence, choicelist: Sequence, default: Any = 0) -> Tensor:
    """Of choicelist, the first whose condition is true, else default; element by element."""
    if len(condlist) != len(choicelist) or not condlist:
        raise ValueError(
            f"select: need one choice for each condition, got {len(choicelist)} and {len(condlist)}"
        )
    y = default
    if type(default) in (bool, int, float, complex):
        y = as_dtype(as_tensor(default), shared_dtype(default, *choicelist))
    for condition, choice in zip(reversed(list(condlist)), reversed(list(choicelist))):
        y = e.where(as_tensor(condition), choice, y)
    return y


@differentiable("piecewise(x, [x < 0, x > 1], [lambda t: t * t, 2.0, lambda t: 3 * t])",
                "piecewise(x, [m], [s * 1.0])")  # fmt: skip
def piecewise(x: Any, condlist: Any, funclist: Sequence, *args: Any, **kw: Any) -> Tensor:
    """Functions (or numbers) of x where their conditions are true; the last wins, else 0."""
    x = as_tensor(x)
    if isinstance(condlist, Tensor) or not isinstance(condlist, (list, tuple)):
        condlist = list(as_tensor(condlist)) if np.ndim(values(condlist)) > x.ndim else [condlist]
    elif condlist and not isinstance(condlist[0], (list, tuple, np.ndarray, Tensor)) and x.ndim:
        condlist = [condlist]
    masks = [as_tensor(values(c)) for c in condlist]
    if len(funclist) == len(masks) + 1:
        other = masks[0]
        for mask in masks[1:]:
            other = e.logical_or(other, mask)
        masks.append(e.logical_not(other))
    if len(funclist) != len(masks):
        raise ValueError(f"piecewise: {len(masks)} conditions, but {len(funclist)} functions")
    y: Any = tensor(np.zeros(x.shape, x.dtype))
    for mask, f in zip(masks, funclist):
        if callable(f):
            # functions see only their own elements, as NumPy's do; the others never reach them
            where = np.flatnonzero(broadcast_to(mask, x.shape).numpy())
            if where.size:
                part = as_tensor(f(indexing.take(x, where), *args, **kw))
                flat = indexing.updated(ravel(y), where, part)
                y = linear.reshape(flat, x.shape)
        else:
            y = e.where(mask, f, y)
    return y if y.dtype == x.dtype else y.astype(x.dtype)


@differentiable("choose(i % 2, [x, y])", "choose(i, (x, s, v), mode='wrap')",
                "choose(i, [x, y], mode='clip')")  # fmt: skip
def choose(a: Any, choices: Any, mode: str = "raise") -> Tensor:
    """For each element, that of choices[a]; outside: "raise", "wrap" or "clip"."""
    parts = broadcast_arrays(*[as_tensor(c) for c in choices])
    which, *_ = np.broadcast_arrays(values(a), np.empty(parts[0].shape))
    n = len(parts)
    if mode == "wrap":
        which = which % n
    elif mode == "clip":
        which = np.clip(which, 0, n - 1)
    elif ((which < 0) | (which >= n)).any():
        raise ValueError(f"choose: a choice is outside 0..{n - 1}")
    both = stack([broadcast_to(p, which.shape) for p in parts])
    return indexing.take_along_axis(both, which[None], 0)[0]


@differentiable("compress([True, False, True], x, axis=0)", "compress([0, 1, 1], x)")
def compress(condition: Any, a: Any, axis: int | None = None) -> Tensor:
    """The parts of a along axis (None: of the flat array) where condition is true."""
    x, axis = along(as_tensor(a), axis, "compress")
    condition = np.asarray(values(condition))
    if condition.ndim != 1:
        raise ValueError(f"compress: the condition must have one axis, got {condition.shape}")
    return indexing.take(x, np.flatnonzero(condition), axis)


@differentiable("extract(m, x)")
def extract(condition: Any, arr: Any) -> Tensor:
    """The elements of arr where condition is true, in one axis."""
    return indexing.take(arr, np.flatnonzero(np.asarray(values(condition))))


# --- functions of the user's ------------------------------------------------------------------


@differentiable("apply_along_axis(lambda a: a * a.sum(), 1, x)",
                "apply_along_axis(lambda a: a.max() - a, 0, x)",
                "apply_along_axis(lambda a: a.sum(), 1, x)")  # fmt: skip
def apply_along_axis(func1d: Callable, axis: int, arr: Any, *args: Any, **kwargs: Any) -> Tensor:
    """func1d of each line along axis, its results in the line's place."""
    x = as_tensor(arr)
    axis = one_axis(axis, x.ndim, "apply_along_axis")
    lines = moveaxis(x, axis, -1)
    lead = lines.shape[:-1]
    if 0 in lead:
        raise ValueError("apply_along_axis: there is no line to apply the function to")
    flat = linear.reshape(lines, (int(np.prod(lead, dtype=np.int64)), lines.shape[-1]))
    results = stack([as_tensor(func1d(line, *args, **kwargs)) for line in flat])
    shape = results.shape[1:]
    y = linear.reshape(results, (*lead, *shape))
    k = len(shape)
    return moveaxis(y, tuple(range(-k, 0)), tuple(range(axis, axis + k))) if k else y


@differentiable(
    "apply_over_axes(sum, x, (0, 1))", "apply_over_axes(lambda a, axis: a.max(axis), x, 1)"
)
def apply_over_axes(func: Callable, a: Any, axes: Any) -> Tensor:
    """func(a, axis) for one axis after another, the axes kept."""
    x = as_tensor(a)
    for axis in np.atleast_1d(values(axes)).tolist():
        axis = axis if is_whole(axis, x.ndim) else one_axis(axis, x.ndim, "apply_over_axes")
        y = as_tensor(func(x, axis))
        x = y if y.ndim == x.ndim else expand_dims(y, axis)
    return x
