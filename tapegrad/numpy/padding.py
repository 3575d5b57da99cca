"""numpy.pad, in all its modes."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..errors import ShapeError
from ..ops import elementwise as e
from ..ops import indexing, linear, reductions
from ..ops.axes import as_tensor
from ..ops.shapes import as_dtype, broadcast_to, concatenate, moveaxis
from ..tensor import Tensor, tensor
from . import order
from .registry import differentiable, values

# Modes that repeat elements: where each comes from is what NumPy makes of the positions.
_REPEATS = ("edge", "wrap", "reflect", "symmetric")
_FOLDS = {
    "maximum": reductions.max,
    "minimum": reductions.min,
    "mean": reductions.mean,
    "median": order.median,
}


@differentiable(
    "pad(x, ((1, 2), (0, 1)))", "pad(x, 1, constant_values=3.0)", "pad(x, (1, 2), 'edge')",
    "pad(x, ((1, 0), (0, 2)), constant_values=((s, 2.0), (3.0, s)))", "pad(x, 2, 'wrap')",
    "pad(x, 2, mode='reflect')", "pad(x, 2, 'symmetric')",
    "pad(x, 5, 'reflect', reflect_type='odd')",
    "pad(x, 2, 'symmetric', reflect_type='odd')", "pad(x, ((2, 1), (0, 3)), 'linear_ramp')",
    "pad(v, (2, 3), 'linear_ramp', end_values=(s, 4.0))", "pad(x, 1, 'mean', stat_length=2)",
    "pad(x, ((1, 2), (2, 0)), 'maximum')", "pad(x, 1, 'minimum', stat_length=((1, 2), (2, 3)))",
    "pad(x, (1, 0), 'median')",
)  # fmt: skip
def pad(array: Any, pad_width: Any, mode: Any = "constant", **kwargs: Any) -> Tensor:
    """x with more around it: pad_width is n, (before, after), or one pair for each axis.

    Args:
        mode: "constant" (constant_values), "edge", "wrap", "reflect", "symmetric" (reflect_type),
            "linear_ramp" (end_values), "maximum", "minimum", "mean", "median" (stat_length), or
            "empty". Constants and end values may be Tensors.
    Raises:
        ValueError: for another mode, an option it does not have, or a negative width.
    """
    x = as_tensor(array)
    widths = _widths(x, pad_width)
    options = {
        "constant": "constant_values", "linear_ramp": "end_values", "reflect": "reflect_type",
        "symmetric": "reflect_type", **dict.fromkeys(_FOLDS, "stat_length"),
    }  # fmt: skip
    if mode not in (*options, "edge", "wrap", "empty"):
        raise ValueError(f"pad: mode {mode!r} is not supported")
    for name in kwargs:
        if options.get(mode) != name:
            raise ValueError(f"pad: mode {mode!r} has no option {name!r}")
    if x.dtype.kind not in "fc" and mode not in ("constant", *_REPEATS):
        return tensor(np.pad(x.numpy(), widths, mode, **values(kwargs)))
    option = next(iter(kwargs.values()), None)
    is_number = type(option) in (int, float) and x.dtype.kind == "f"
    if mode == "constant" and (option is None or is_number):
        return linear.pad(x, (*widths.ravel().tolist(), 0.0 if option is None else float(option)))
    for axis, (before, after) in enumerate(widths.tolist()):
        if not before + after:
            continue
        if not x.shape[axis] and mode not in ("constant", "empty"):
            raise ValueError(f"pad: mode {mode!r} has nothing to go by: axis {axis} is empty")
        if mode in _REPEATS and option != "odd":
            where = np.pad(np.arange(x.shape[axis]), (before, after), mode)
            ends = [where[:before], where[len(where) - after :]]
            low, high = (indexing.take(x, at, axis) for at in ends)
            x = concatenate([low, x, high], axis)
        else:
            lines = _padded(moveaxis(x, axis, -1), before, after, mode, _of(option, axis, x.ndim))
            x = moveaxis(lines, -1, axis)
    return x


def _widths(x: Tensor, pad_width: Any) -> np.ndarray:
    if isinstance(pad_width, dict):
        pad_width = [pad_width.get(k, pad_width.get(k - x.ndim, 0)) for k in range(x.ndim)]
        pad_width = [(w, w) if isinstance(w, int) else w for w in pad_width]
    try:
        widths = np.broadcast_to(np.asarray(values(pad_width)), (x.ndim, 2))
    except ValueError:
        raise ShapeError(
            f"pad: pad_width {pad_width!r} does not fit {x.ndim} axes; give (before, after) "
            "for each"
        ) from None
    if widths.dtype.kind not in "iu" or (widths < 0).any():
        raise ValueError(f"pad: widths must be integers >= 0, got {pad_width!r}")
    return widths


def _of(option: Any, axis: int, ndim: int) -> Any:
    """The (before, after) pair of an option for one axis; None and words as they are."""
    if option is None or isinstance(option, str):
        return option
    pairs = broadcast_to(as_tensor(option), (ndim, 2))
    return pairs[axis, 0], pairs[axis, 1]


def _padded(x: Tensor, before: int, after: int, mode: str, option: Any) -> Tensor:
    """x with `before` and `after` elements more along its last axis."""
    n = x.shape[-1]
    if mode in (*_REPEATS, "linear_ramp"):  # linear in x: what it does to the unit vectors
        more = {"reflect_type": "odd"} if mode in _REPEATS else {}
        matrix = np.pad(np.eye(n), ((before, after), (0, 0)), mode, **more)
        low, high = (_combined(x, rows) for rows in (matrix[:before], matrix[before + n :]))
        y = concatenate([low, x, high], -1)
        if option is None or option == "odd":
            return y
        ramp = np.pad(np.zeros(n), (before, after), mode, end_values=1.0).astype(x.dtype)
        is_before = np.arange(ramp.size) < before
        ends = [as_dtype(end, x.dtype) for end in option]
        return y + e.zmul(ramp, e.where(is_before, *ends))
    lead = x.shape[:-1]
    if mode in _FOLDS:
        lengths = (n, n) if option is None else [int(k) for k in option]
        fold = _FOLDS[mode]
        low = fold(x[..., : lengths[0]], -1, keepdims=True)
        high = fold(x[..., max(n - lengths[1], 0) :], -1, keepdims=True)
    else:
        low, high = (0, 0) if option is None else option
    parts = [(low, before), (x, 0), (high, after)]
    return concatenate(
        [
            part if part is x else broadcast_to(as_dtype(part, x.dtype), (*lead, k))
            for part, k in parts
        ],
        -1,
    )


def _combined(x: Tensor, matrix: np.ndarray) -> Tensor:
    """x's last axis times the rows of a matrix, each of which has its ends and one place more.

    By zmul: what a row leaves out does not reach it, nan and infinities neither.
    """
    middle = matrix[:, 1:-1]
    at = np.abs(middle).argmax(1) if middle.size else np.zeros(len(matrix), np.int64)
    one = middle[np.arange(len(at)), at] if middle.size else np.zeros(len(matrix))
    last = matrix[:, -1] if matrix.shape[1] > 1 else np.zeros(len(matrix))
    own, first, last = (factor.astype(x.dtype) for factor in (one, matrix[:, 0], last))
    place = np.minimum(at + 1, x.shape[-1] - 1)
    y = e.zmul(own, indexing.take(x, place, -1)) + e.zmul(first, x[..., :1])
    return y + e.zmul(last, x[..., -1:])
