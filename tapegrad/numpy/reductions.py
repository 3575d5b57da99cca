"""NumPy's sums, extremes and statistics over axes."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..ops import composite, logic, reductions, ufuncs
from ..ops import elementwise as e
from ..ops.axes import as_tensor, axes, is_whole
from ..ops.shapes import along, as_dtype, broadcast_to, concatenate, expand_dims, moveaxis
from ..tensor import Tensor, tensor
from .registry import differentiable, plain
from .ufuncs import FOLDS, SCANS

# --- sums and products ------------------------------------------------------------------------


@differentiable(
    "sum(x)", "sum(x, axis=0, keepdims=True)", "sum(x, axis=1, where=m, initial=2.0)",
    "sum(x, (0, 1))",
)  # fmt: skip
def sum(
    a: Any, axis: Any = None, dtype: Any = None, keepdims: bool = False, initial: Any = None,
    where: Any = True,
) -> Tensor:  # fmt: skip
    """Sum over axes (None: all) of the elements where `where`, plus initial."""
    y = reductions.sum(_kept(a, where, 0), axis, dtype, None, keepdims)
    return y if initial is None else y + as_dtype(as_tensor(initial), y.dtype)


@differentiable("prod(x)", "prod(x, axis=1, where=m)", "prod(x * m, axis=0, initial=2.0)")
def prod(
    a: Any, axis: Any = None, dtype: Any = None, keepdims: bool = False, initial: Any = None,
    where: Any = True,
) -> Tensor:  # fmt: skip
    """Product over axes (None: all) of the elements where `where`, times initial."""
    y = reductions.prod(_kept(a, where, 1), axis, dtype, None, keepdims)
    return y if initial is None else y * as_dtype(as_tensor(initial), y.dtype)


@differentiable("mean(x)", "mean(x, axis=0, keepdims=True)", "mean(x, axis=1, where=m)")
def mean(
    a: Any, axis: Any = None, dtype: Any = None, keepdims: bool = False, *, where: Any = True
) -> Tensor:
    """Mean over axes (None: all) of the elements where `where`."""
    if where is True:
        y = reductions.mean(a, axis, dtype, None, keepdims)
    else:
        x = as_tensor(a)
        total = reductions.sum(_kept(x, where, 0), axis, dtype, None, keepdims)
        y = total / counted(x, axis, keepdims, where)
    return y if dtype is None else as_dtype(y, dtype)


@differentiable(
    "var(x)", "var(x, axis=0, ddof=1)", "var(x, axis=1, where=m, keepdims=True)",
    "var(x, axis=1, mean=mean(x, axis=1, keepdims=True))",
)  # fmt: skip
def var(
    a: Any, axis: Any = None, dtype: Any = None, ddof: float = 0, keepdims: bool = False, *,
    where: Any = True, mean: Any = None, correction: float | None = None,
) -> Tensor:  # fmt: skip
    """Mean squared distance from the mean over axes, of the elements where `where`."""
    ddof = ddof if correction is None else correction
    if where is True and mean is None:
        return composite.var(a, axis, dtype, ddof, keepdims)
    x = as_tensor(a) if dtype is None else as_dtype(a, dtype)
    count = counted(x, axis, True, where)
    if mean is None:
        mean = reductions.sum(_kept(x, where, 0), axis, keepdims=True) / count
    distance = _kept(x - mean, where, 0)
    squares = e.square(distance if x.dtype.kind != "c" else e.absolute(distance))
    total = reductions.sum(squares, axis, keepdims=True) / e.maximum(count - ddof, 0.0)
    return total if keepdims else reductions.sum(total, axis)


@differentiable("std(x)", "std(x, axis=0, ddof=1)", "std(x, axis=1, where=m)")
def std(
    a: Any, axis: Any = None, dtype: Any = None, ddof: float = 0, keepdims: bool = False, *,
    where: Any = True, mean: Any = None, correction: float | None = None,
) -> Tensor:  # fmt: skip
    """Square root of var, with its arguments."""
    ddof = ddof if correction is None else correction
    return composite.root(var(a, axis, dtype, ddof, keepdims, where=where, mean=mean))


@differentiable("cumsum(x)", "cumsum(x, axis=1)")
def cumsum(a: Any, axis: Any = None, dtype: Any = None) -> Tensor:
    """Running sum along axis (None: of the flat array)."""
    return reductions.cumsum(a, axis, dtype)


@differentiable("cumprod(x)", "cumprod(x * m, axis=1)", "cumprod(x, axis=0)")
def cumprod(a: Any, axis: Any = None, dtype: Any = None) -> Tensor:
    """Running product along axis (None: of the flat array)."""
    return reductions.cumprod(a, axis, dtype)


@differentiable("cumulative_sum(x, axis=1)", "cumulative_sum(v, include_initial=True)")
def cumulative_sum(
    x: Any, /, *, axis: int | None = None, dtype: Any = None, include_initial: bool = False
) -> Tensor:
    """Running sum along axis, which one-dimensional arrays need not name; from 0 if asked."""
    return _cumulative(cumsum, x, axis, dtype, 0 if include_initial else None)


@differentiable("cumulative_prod(x, axis=1)", "cumulative_prod(v, include_initial=True)")
def cumulative_prod(
    x: Any, /, *, axis: int | None = None, dtype: Any = None, include_initial: bool = False
) -> Tensor:
    """Running product along axis, which one-dimensional arrays need not name; from 1 if asked."""
    return _cumulative(cumprod, x, axis, dtype, 1 if include_initial else None)


def _cumulative(running: Any, x: Any, axis: Any, dtype: Any, first: Any) -> Tensor:
    x = as_tensor(x)
    if axis is None:
        if x.ndim != 1:
            raise ValueError(f"{running.__name__}: name the axis of an array of {x.ndim} axes")
        axis = 0
    x, axis = along(x, axis, running.__name__)
    y = running(x, axis=axis, dtype=dtype)
    if first is None:
        return y
    edge = (*y.shape[:axis], 1, *y.shape[axis + 1 :])
    return concatenate([tensor(np.full(edge, first, y.dtype)), y], axis)


def _kept(x: Any, where: Any, other: Any) -> Any:
    """x where `where`, else `other`."""
    return x if where is True else e.where(as_tensor(where), x, other)


def counted(x: Tensor, axis: Any, keepdims: bool, where: Any) -> Tensor:
    """How many elements there are where `where`, in a dtype to divide x's by."""
    mask = broadcast_to(as_tensor(where), x.shape)
    count = reductions.sum(mask, axis, keepdims=keepdims)
    return as_dtype(count, np.empty(0, x.dtype).real.dtype if x.dtype.kind in "fc" else np.float64)


# --- extremes ---------------------------------------------------------------------------------


@differentiable("max(x)", "max(x, axis=1, keepdims=True)", "max(x, axis=0, where=m, initial=-3.0)")
def max(
    a: Any, axis: Any = None, keepdims: bool = False, initial: Any = None, where: Any = True
) -> Tensor:
    """Largest value over axes (None: all): nan wins; equal ones share the derivative evenly."""
    return _extreme(reductions.max, e.maximum, a, axis, keepdims, initial, where)


@differentiable("min(x)", "min(x, axis=1, keepdims=True)", "min(x, axis=0, where=m, initial=3.0)")
def min(
    a: Any, axis: Any = None, keepdims: bool = False, initial: Any = None, where: Any = True
) -> Tensor:
    """Smallest value over axes (None: all): nan wins; equal ones share the derivative evenly."""
    return _extreme(reductions.min, e.minimum, a, axis, keepdims, initial, where)


def _extreme(
    fold: Any, pick: Any, a: Any, axis: Any, keepdims: bool, initial: Any, where: Any
) -> Tensor:
    x = as_tensor(a)
    if initial is None:
        if where is not True:
            raise ValueError(f"{fold.__name__}: where= needs initial=, the result of no element")
        return fold(x, axis, None, keepdims)
    start = as_dtype(as_tensor(initial), x.dtype)
    x = _kept(x, where, start)
    gone = axes(None if is_whole(axis, x.ndim) else axis, x.ndim, fold.__name__)
    if any_zero(x.shape, gone):
        shape = [1 if i in gone else n for i, n in enumerate(x.shape)]
        return broadcast_to(start, [n for i, n in enumerate(shape) if keepdims or i not in gone])
    return pick(fold(x, axis, None, keepdims), start)


def any_zero(shape: tuple, axes: tuple) -> bool:
    """Whether one of the axes has length 0."""
    return 0 in [shape[i] for i in axes]


@differentiable("ptp(x)", "ptp(x, axis=1, keepdims=True)")
def ptp(a: Any, axis: Any = None, keepdims: bool = False) -> Tensor:
    """Largest less smallest value over axes."""
    x = as_tensor(a)
    high = reductions.max(x, axis, keepdims=keepdims)
    return high - reductions.min(x, axis, keepdims=keepdims)


@plain
def all(a: Any, axis: Any = None, keepdims: bool = False, *, where: Any = True) -> Tensor:
    """Whether all values over axes (None: all) are true, of those where `where`."""
    return logic.all(
        a if where is True else logic.logical_or(a, logic.logical_not(where)), axis, keepdims
    )


@plain
def any(a: Any, axis: Any = None, keepdims: bool = False, *, where: Any = True) -> Tensor:
    """Whether any value over axes (None: all) is true, of those where `where`."""
    return logic.any(a if where is True else logic.logical_and(a, where), axis, keepdims)


@plain
def count_nonzero(a: Any, axis: Any = None, *, keepdims: bool = False) -> Tensor:
    """How many elements over axes (None: all) are not zero."""
    return reductions.sum(logic.truth(a), axis, keepdims=keepdims)


@plain
def argmax(a: Any, axis: Any = None, *, keepdims: bool = False) -> Tensor:
    """Position of the first maximum along axis (None: in the flat array)."""
    return reductions.argmax(a, axis, keepdims=keepdims)


@plain
def argmin(a: Any, axis: Any = None, *, keepdims: bool = False) -> Tensor:
    """Position of the first minimum along axis (None: in the flat array)."""
    return reductions.argmin(a, axis, keepdims=keepdims)


# --- weighted ---------------------------------------------------------------------------------


@differentiable(
    "average(x)", "average(x, axis=1, weights=v)", "average(x, weights=p, keepdims=True)",
    "average(x, axis=0, weights=p[:, 0], returned=True)[1]", "average(x, 1, p)",
)  # fmt: skip
def average(
    a: Any, axis: Any = None, weights: Any = None, returned: bool = False, *,
    keepdims: bool = False,
) -> Any:  # fmt: skip
    """Mean over axes, weighted; with `returned`, also the sum of the weights."""
    x = as_tensor(a)
    if weights is None:
        y = reductions.mean(x, axis, keepdims=keepdims)
        gone = axes(axis, x.ndim, "average")
        total = as_tensor(float(np.prod([x.shape[i] for i in gone])))
        return (y, broadcast_to(as_dtype(total, y.dtype), y.shape)) if returned else y
    w = as_tensor(weights)
    is_one_sum = axis is None or w.shape != x.shape
    if is_one_sum and not isinstance(weights, Tensor) and not np.sum(weights):
        raise ZeroDivisionError("average: the weights sum to zero")
    if x.dtype.kind in "biu" and w.dtype.kind in "biu":
        w = as_dtype(w, np.float64)
    w = weights_over(w, x.shape, axis, "average")
    total = reductions.sum(broadcast_to(w, x.shape), axis, keepdims=keepdims)
    y = reductions.sum(x * w, axis, keepdims=keepdims) / total
    return (y, as_dtype(total, y.dtype)) if returned else y


def weights_over(w: Tensor, shape: tuple, axis: Any, name: str) -> Tensor:
    """Weights that broadcast to an array's shape: of that shape, or of its axes' lengths."""
    if w.shape == shape:
        return w
    at = axes(axis, len(shape), name)
    if axis is None or w.shape != tuple(shape[i] for i in at):
        raise ValueError(f"{name}: weights of shape {w.shape} do not fit {shape}")
    w = moveaxis(w, tuple(range(w.ndim)), tuple(np.argsort(np.argsort(at)).tolist()))
    return expand_dims(w, tuple(i for i in range(len(shape)) if i not in at))


@differentiable(
    "cov(x)", "cov(x, rowvar=False, ddof=0)", "cov(x, y, bias=True)",
    "cov(x, aweights=v * v, fweights=[1, 2, 1, 3])", "cov(v)",
)  # fmt: skip
def cov(
    m: Any, y: Any = None, rowvar: bool = True, bias: bool = False, ddof: int | None = None,
    fweights: Any = None, aweights: Any = None, *, dtype: Any = None,
) -> Tensor:  # fmt: skip
    """Covariances of the rows (rowvar=False: columns) of m, and of y's."""
    x = _variables(m, rowvar)
    if y is not None:
        x = concatenate([x, _variables(y, rowvar)], 0)
    x = as_dtype(x, np.result_type(x.dtype, np.float64) if dtype is None else dtype)
    ddof = (0 if bias else 1) if ddof is None else ddof
    w = None
    for given in (fweights, aweights):
        if given is not None:
            w = as_tensor(given) * 1.0 if w is None else w * given
    total = float(x.shape[1]) if w is None else reductions.sum(w)
    spread = reductions.mean(x, 1) if w is None else reductions.sum(x * w, 1) / total
    x = x - expand_dims(spread, 1)
    if w is None or not ddof or aweights is None:
        norm = total - ddof
    else:
        norm = total - ddof * reductions.sum(w * aweights) / total
    norm = e.maximum(norm, 0.0) if isinstance(norm, Tensor) else np.maximum(norm, 0.0)
    other = x if w is None else x * w
    right = other.T if other.dtype.kind != "c" else other.conj().T
    return composite.dot(x, right).squeeze() / norm


def _variables(m: Any, rowvar: bool) -> Tensor:
    x = as_tensor(m)
    if x.ndim > 2:
        raise ValueError(f"cov: need one or two axes, got {x.shape}")
    if x.ndim < 2:
        return x.reshape(1, -1)
    return x if rowvar else x.T


@differentiable("corrcoef(x)", "corrcoef(x, y, rowvar=False)")
def corrcoef(x: Any, y: Any = None, rowvar: bool = True, *, dtype: Any = None) -> Tensor:
    """Correlation coefficients of the rows (rowvar=False: columns) of x, and of y's."""
    c = cov(x, y, rowvar, dtype=dtype)
    if not c.ndim:
        return c / c
    d = e.sqrt(composite.diagonal(c))
    c = c / expand_dims(d, 1) / d
    return composite.clip(c, -1, 1) if c.dtype.kind != "c" else c


# --- as methods of ufuncs ----------------------------------------------------------------------


def _logaddexp(
    x: Tensor, axis: Any, keepdims: bool, initial: Any = None, where: Any = True
) -> Tensor:
    one = np.ones((), x.dtype)
    x = as_dtype(x, np.logaddexp(one, one).dtype)
    gone = axes(None if is_whole(axis, x.ndim) else axis, x.ndim, "logaddexp.reduce")
    if any_zero(x.shape, gone):
        shape = [1 if i in gone else n for i, n in enumerate(x.shape) if keepdims or i not in gone]
        y = tensor(np.full(shape, -np.inf, x.dtype))
    else:
        y = reductions.logsumexp(_kept(x, where, -np.inf), axis, keepdims)
    return y if initial is None else ufuncs.logaddexp(y, initial)


def _truth(fold: Any, pick: Any) -> Any:
    def reduce(
        x: Tensor, axis: Any, keepdims: bool, initial: Any = None, where: Any = True
    ) -> Tensor:
        y = fold(x, axis, keepdims, where=where)
        return y if initial is None else pick(y, initial)

    return reduce


FOLDS.update(
    add=sum, multiply=prod, maximum=max, minimum=min, logaddexp=_logaddexp,
    logical_and=_truth(all, logic.logical_and), logical_or=_truth(any, logic.logical_or),
)  # fmt: skip
SCANS.update(add=cumsum, multiply=cumprod)
