"""NumPy's differences, integrals, interpolation, convolution and phase unwrapping."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..errors import ShapeError
from ..ops import correlation, indexing, linear, reductions
from ..ops import elementwise as e
from ..ops.axes import as_tensor, axes, one_axis
from ..ops.logic import remainder
from ..ops.shapes import as_dtype, broadcast_to, concatenate, flip, ravel
from ..tensor import Tensor
from . import plain
from .registry import differentiable

# --- differences ------------------------------------------------------------------------------


def _part(x: Tensor, axis: int, start: int | None, stop: int | None) -> Tensor:
    return x[(*(slice(None),) * axis, slice(start, stop))]


@differentiable("diff(x)", "diff(x, n=2, axis=0)", "diff(x, prepend=s, append=x[:, :1])")
def diff(a: Any, n: int = 1, axis: int = -1, prepend: Any = None, append: Any = None) -> Tensor:
    """Differences of neighbours along axis, n times."""
    x = as_tensor(a)
    if n < 0:
        raise ValueError(f"diff: n must be >= 0, got {n}")
    if not x.ndim:
        raise ValueError("diff: need one axis at least")
    axis = one_axis(axis, x.ndim, "diff")
    if not n:
        return x
    edges = []
    for edge in (prepend, append):
        if edge is not None:
            edge = as_tensor(edge)
            if not edge.ndim:
                edge = broadcast_to(edge, (*x.shape[:axis], 1, *x.shape[axis + 1 :]))
        edges.append(edge)
    parts = [p for p in (edges[0], x, edges[1]) if p is not None]
    x = concatenate(parts, axis) if len(parts) > 1 else x
    for _ in range(n):
        after, before = _part(x, axis, 1, None), _part(x, axis, None, -1)
        x = e.not_equal(after, before) if x.dtype == np.bool_ else after - before
    return x


@differentiable("ediff1d(x)", "ediff1d(v, to_begin=s, to_end=w)")
def ediff1d(ary: Any, to_end: Any = None, to_begin: Any = None) -> Tensor:
    """Differences of neighbours in the flat array, between to_begin and to_end."""
    y = diff(ravel(ary))
    parts = [
        None if edge is None else as_dtype(ravel(edge), y.dtype) for edge in (to_begin, to_end)
    ]
    parts.insert(1, y)
    parts = [p for p in parts if p is not None]
    return concatenate(parts) if len(parts) > 1 else y


@differentiable(
    "gradient(v)", "gradient(x, axis=1)", "gradient(x, 0.5, axis=0)", "gradient(x)[1]",
    "gradient(x, w, axis=1)", "gradient(x, 2.0, cumsum(w), edge_order=2)[1]",
    "gradient(x, edge_order=2)[0]", "gradient(v, s)",
)  # fmt: skip
def gradient(f: Any, *varargs: Any, axis: Any = None, edge_order: int = 1) -> Any:
    """Slopes by central differences, one-sided at the edges; one array per axis.

    Args:
        varargs: nothing (step 1), one step for all axes, or one step or coordinate vector per axis.
    Source: Fornberg, Generation of finite difference formulas, Math. Comp. 51 (1988).
    """
    x = as_tensor(f)
    x = x if x.dtype.kind in "fc" else as_dtype(x, np.float64)
    over = axes(axis, x.ndim, "gradient")
    steps = varargs or (1.0,)
    if len(steps) == 1 and as_tensor(steps[0]).ndim == 0:
        steps = steps * len(over)
    if len(steps) != len(over):
        raise TypeError(f"gradient: {len(varargs)} steps given for {len(over)} axes")
    if edge_order not in (1, 2):
        raise ValueError(f"gradient: edge_order {edge_order}: choose 1 or 2")
    found = []
    for k, step in zip(over, steps):
        if x.shape[k] < edge_order + 1:
            raise ValueError(f"gradient: axis {k} of length {x.shape[k]} is too short")
        if type(step) not in (int, float):  # a number leaves x's dtype as it is
            step = as_tensor(step)
            if step.ndim and step.shape != (x.shape[k],):
                raise ValueError(f"gradient: {step.shape} coordinates for an axis of {x.shape[k]}")
        found.append(as_dtype(_slopes(x, k, step, edge_order), x.dtype))
    return found[0] if len(found) == 1 else tuple(found)


def _slopes(x: Tensor, axis: int, step: Any, edge_order: int) -> Tensor:
    """Derivatives along an axis, at points that are one step apart or have these coordinates."""

    def part(start: int | None, stop: int | None) -> Tensor:
        return _part(x, axis, start, stop)

    if isinstance(step, Tensor) and step.ndim:
        gaps = linear.reshape(diff(step) * 1.0, (step.size - 1, *(1,) * (x.ndim - 1 - axis)))
        h, k = gaps[:-1], gaps[1:]
        inner = (
            -(k / (h * (h + k))) * part(None, -2)
            + (k - h) / (h * k) * part(1, -1)
            + h / (k * (h + k)) * part(2, None)
        )
        ends = gaps[:1], gaps[1:2], gaps[-2:-1], gaps[-1:]
    else:
        inner = _over(part(2, None) - part(None, -2), 2.0 * step)
        ends = (1.0 * step,) * 4
    if edge_order == 1:
        first = (part(1, 2) - part(0, 1)) / ends[0]
        last = (part(-1, None) - part(-2, -1)) / ends[3]
    else:
        first = _edge_slope(part(0, 3), axis, ends[0], ends[1])
        last = -_edge_slope(flip(part(-3, None), axis), axis, ends[3], ends[2])
    return concatenate([first, inner, last], axis)


def _over(x: Tensor, number: Any) -> Tensor:
    """x / number; as a product, which is several times faster, by powers of 2: the same bits."""
    if type(number) is float:
        mantissa, exponent = math.frexp(number)
        if mantissa == 0.5 and abs(exponent) < 14:  # 1 / number is exact in half precision too
            return x * (1.0 / number)
    return x / number


def _edge_slope(x: Tensor, axis: int, h: Any, k: Any) -> Tensor:
    """The slope at the first of three points, h and then k apart, by their parabola."""
    a, b, c = -(2.0 * h + k) / (h * (h + k)), (h + k) / (h * k), -h / (k * (h + k))
    return a * _part(x, axis, 0, 1) + b * _part(x, axis, 1, 2) + c * _part(x, axis, 2, 3)


@differentiable("trapezoid(x)", "trapezoid(x, v, axis=1)", "trapezoid(x, dx=s)", "trapezoid(x, y)")
def trapezoid(y: Any, x: Any = None, dx: Any = 1.0, axis: int = -1) -> Tensor:
    """The integral of y along axis, at points x or dx apart, by the trapezoidal rule."""
    y = as_tensor(y)
    axis = one_axis(axis, y.ndim, "trapezoid")
    if x is None:
        gaps = dx
    else:
        x = as_tensor(x)
        gaps = diff(x, axis=axis if x.ndim > 1 else -1)
        if x.ndim == 1:
            gaps = linear.reshape(gaps, (gaps.size, *(1,) * (y.ndim - 1 - axis)))
    heights = _part(y, axis, 1, None) + _part(y, axis, None, -1)
    return reductions.sum(gaps * heights * 0.5, axis)


# --- interpolation ----------------------------------------------------------------------------


@differentiable(
    "interp(x, t, cos(t))", "interp(x, t, t * t, left=s, right=2.0)", "interp(s, t, sin(t))",
    "interp(x, [0.1, 1.5, 0.9], [1.0, 2.0, 4.0], period=1.7)",
)  # fmt: skip
def interp(
    x: Any, xp: Any, fp: Any, left: Any = None, right: Any = None, period: Any = None
) -> Tensor:
    """The line through the points (xp, fp) at x; left and right of them, or periodic."""
    x, xp = as_dtype(x, np.float64), as_dtype(xp, np.float64)
    fp = as_dtype(fp, np.result_type(as_tensor(fp).dtype, np.float64))
    if xp.ndim != 1 or fp.shape != xp.shape or not xp.size:
        raise ValueError(f"interp: need xp and fp of one length, got {xp.shape} and {fp.shape}")
    if period is not None:
        x, xp = remainder(x, period), remainder(xp, period)
        order = plain.argsort(xp)
        xp, fp = indexing.take(xp, order), indexing.take(fp, order)
        xp = concatenate([xp[-1:] - period, xp, xp[:1] + period])
        fp = concatenate([fp[-1:], fp, fp[:1]])
        left = right = None
    if xp.size == 1:
        y = broadcast_to(fp[0], x.shape)
    else:
        at = plain.searchsorted(xp[1:-1], x, "right")  # the stretch: beyond the ends it is the last
        low, high = indexing.take(xp[:-1], at), indexing.take(xp[1:], at)
        f_low, f_high = indexing.take(fp[:-1], at), indexing.take(fp[1:], at)
        slope = (f_high - f_low) / (high - low)
        y = slope * (x - low) + f_low
        # Beside infinities that can be nan; at a knot, or between equal ones, it need not be.
        is_low = e.logical_or(x == low, e.logical_and(f_low == f_high, x == x))
        other = e.where(is_low, f_low, slope * (x - high) + f_high)
        y = e.where(x == high, f_high, e.where(e.isnan(y), other, y))
    y = e.where(x < xp[0], fp[0] if left is None else left, y)
    return e.where(x > xp[-1], fp[-1] if right is None else right, y)


@differentiable("unwrap(4 * x)", "unwrap(3 * x, axis=0, period=2.5)", "unwrap(x, discont=3.5)")
def unwrap(
    p: Any, discont: Any = None, axis: int = -1, *, period: float = 6.283185307179586
) -> Tensor:
    """p with jumps of more than half a period along axis undone; its derivative is p's."""
    x = as_tensor(p) * 1.0
    axis = one_axis(axis, x.ndim, "unwrap")
    jump = linear.stop_gradient(diff(x, axis=axis))
    inside = remainder(jump + period / 2, period) - period / 2
    inside = e.where(e.logical_and(inside == -period / 2, jump > 0), period / 2, inside)
    shift = inside - jump
    limit = period / 2 if discont is None else max(discont, period / 2)
    shift = e.where(e.absolute(jump) < limit, 0.0, shift)
    edge = _part(x, axis, 0, 1)
    return concatenate([edge, _part(x, axis, 1, None) + reductions.cumsum(shift, axis)], axis)


# --- convolution ------------------------------------------------------------------------------


@differentiable("convolve(v, t)", "convolve(v, t, 'same')", "convolve(t, v, mode='valid')")
def convolve(a: Any, v: Any, mode: str = "full") -> Tensor:
    """Sums of products of a with v reversed, at every shift ("full"), or where they overlap."""
    a, v = as_tensor(a), as_tensor(v)
    if a.ndim == v.ndim == 1 and v.size > a.size:
        a, v = v, a
    return _slid(a, flip(v), mode, "convolve")


@differentiable("correlate(v, t)", "correlate(t, v, 'same')", "correlate(v, t, mode='full')")
def correlate(a: Any, v: Any, mode: str = "valid") -> Tensor:
    """Sums of products of a with v, conjugated, at every shift, or where they overlap."""
    a, v = as_tensor(a), as_tensor(v)
    v = v.conj() if v.dtype.kind == "c" else v
    if a.ndim == v.ndim == 1 and v.size > a.size:
        return flip(_slid(v, a, mode, "correlate"))
    return _slid(a, v, mode, "correlate")


def _slid(a: Tensor, v: Tensor, mode: str, name: str) -> Tensor:
    """Inner products of v with a's windows; a is the longer."""
    if a.ndim > 1 or v.ndim > 1:
        raise ShapeError(f"{name}: need vectors, got {a.shape} and {v.shape}")
    a, v = ravel(a), ravel(v)
    if not a.size or not v.size:
        raise ValueError(f"{name}: an array is empty")
    k = v.size
    if mode not in ("full", "same", "valid"):
        raise ValueError(f"{name}: mode {mode!r}: choose 'full', 'same' or 'valid'")
    before = {"full": k - 1, "same": k // 2, "valid": 0}
    after = {"full": k - 1, "same": k - 1 - k // 2, "valid": 0}
    dtype = np.result_type(a.dtype, v.dtype)
    params = (before[mode], a.size + before[mode] + after[mode] - k + 1)
    return correlation.correlate(as_dtype(a, dtype), as_dtype(v, dtype), params=params)
