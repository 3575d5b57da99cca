"""NumPy's functions of sorted order: sorts, medians, quantiles."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..ops import elementwise as e
from ..ops import gather, linear, logic, reductions
from ..ops.axes import as_tensor, axes, one_axis
from ..ops.shapes import as_dtype, broadcast_to, moveaxis, ravel, reshape
from ..tensor import Tensor
from . import plain
from .reductions import weights_over
from .registry import differentiable, values

# --- sorts ------------------------------------------------------------------------------------


@differentiable("sort(x)", "sort(x, axis=0)", "sort(x, axis=None)")
def sort(
    a: Any, axis: int | None = -1, kind: str | None = None, order: None = None, *,
    stable: bool | None = None, descending: bool = False,
) -> Tensor:  # fmt: skip
    """Each line along axis (None: the flat array) in ascending order."""
    x = as_tensor(a)
    if axis is None:
        x, axis = ravel(x), 0
    axis = one_axis(axis, x.ndim, "sort")
    where = plain.argsort(x, axis, kind, stable=stable, descending=descending)
    return gather.take_along_axis(x, where, (axis,))


@differentiable("partition(x, 2)", "partition(x, [0, 1], axis=0)")
def partition(
    a: Any, kth: Any, axis: int | None = -1, kind: str = "introselect", order: None = None
) -> Tensor:
    """Each line along axis rearranged so that the elements at kth are in sorted place."""
    x = as_tensor(a)
    if axis is None:
        x, axis = ravel(x), 0
    axis = one_axis(axis, x.ndim, "partition")
    return gather.take_along_axis(x, plain.argpartition(x, kth, axis), (axis,))


@differentiable("real(sort_complex(x[0]))")
def sort_complex(a: Any) -> Tensor:
    """Sorted by real, then by imaginary part; complex."""
    y = sort(a)
    if y.dtype.kind == "c":
        return y
    is_small = y.dtype.itemsize < 3 and y.dtype.kind in "iu"
    return as_dtype(y, np.complex64 if is_small else np.result_type(y.dtype, np.complex128))


# --- quantiles --------------------------------------------------------------------------------

# Of method (Hyndman & Fan, Sample quantiles in statistical packages, 1996): the place of quantile
# q among n sorted elements, from 0.
_PLACES = {
    "inverted_cdf": lambda n, q: _step(n * q - 1),
    "averaged_inverted_cdf": lambda n, q: n * q - 1,
    "closest_observation": lambda n, q: _even(n * q - 1.5),
    "interpolated_inverted_cdf": lambda n, q: n * q - 1,
    "hazen": lambda n, q: n * q - 0.5,
    "weibull": lambda n, q: (n + 1) * q - 1,
    "linear": lambda n, q: (n - 1) * q,
    "median_unbiased": lambda n, q: (n + 1 / 3) * q - 2 / 3,
    "normal_unbiased": lambda n, q: (n + 0.25) * q - 0.625,
    "lower": lambda n, q: e.floor((n - 1) * q),
    "higher": lambda n, q: e.ceil((n - 1) * q),
    "nearest": lambda n, q: e.round((n - 1) * q),
    "midpoint": lambda n, q: 0.5 * (e.floor((n - 1) * q) + e.ceil((n - 1) * q)),
}  # fmt: skip
_STEPS = frozenset(("inverted_cdf", "closest_observation", "lower", "higher", "nearest"))


def _step(place: Any) -> Any:
    return e.where(place == e.floor(place), place, e.floor(place) + 1)


def _even(place: Any) -> Any:
    """The place above, but of places that are whole numbers the even one."""
    low = e.floor(place)
    is_kept = e.logical_and(place == low, e.equal(low - 2 * e.floor(low / 2), 1.0))
    return e.where(is_kept, low, low + 1)


@differentiable(
    "quantile(x, 0.3)", "quantile(x, [0.1, 0.5], axis=1)", "quantile(x, s, axis=0, keepdims=True)",
    "quantile(x, 0.4, method='weibull')", "quantile(v, 0.4, method='midpoint')",
    "quantile(x, 0.4, 1, method='inverted_cdf')", "quantile(x, s, method='hazen', axis=(0, 1))",
    "quantile(x, 0.25, method='averaged_inverted_cdf')", "quantile(v, 0.7, method='nearest')",
    "quantile(x, 0.5, method='closest_observation')", "quantile(x, 0.3, method='median_unbiased')",
    "quantile(x, 0.4, weights=p, method='inverted_cdf')",
    "quantile(x, [0.2, 0.7], 1, weights=p[0], method='inverted_cdf')",
)  # fmt: skip
def quantile(
    a: Any, q: Any, axis: Any = None, overwrite_input: bool = False, method: str = "linear",
    keepdims: bool = False, *, weights: Any = None,
) -> Tensor:  # fmt: skip
    """The q-quantiles over axes; q in 0..1 may be a Tensor too, and its axes come first.

    Args:
        method: how to interpolate, by NumPy's names.
        weights: of a's shape or of the axes'; with method "inverted_cdf" only. Quantiles do not
            change with them but at jumps: their derivative is 0.
    Raises:
        ValueError: for an unknown method, q outside 0..1, or weights that do not fit.
    """
    return _quantiles(a, _checked(q, 1, a), axis, method, keepdims, weights)


@differentiable(
    "percentile(x, 30)", "percentile(x, [10, 60.0], axis=1)", "percentile(x, 50 + s)",
    "percentile(x, 40, weights=p, method='inverted_cdf')",
)  # fmt: skip
def percentile(
    a: Any, q: Any, axis: Any = None, overwrite_input: bool = False, method: str = "linear",
    keepdims: bool = False, *, weights: Any = None,
) -> Tensor:  # fmt: skip
    """As quantile, with q in 0..100."""
    q = _checked(q, 100, a) / 100
    return _quantiles(a, q, axis, method, keepdims, weights)


@differentiable("median(x)", "median(x, axis=1, keepdims=True)", "median(x, axis=(0, 1))")
def median(
    a: Any, axis: Any = None, overwrite_input: bool = False, keepdims: bool = False
) -> Tensor:
    """The middle element over axes, or the mean of the two in the middle."""
    x, kept = _in_lines(as_tensor(a), axis)
    n = x.shape[-1]
    if not n:
        y = reductions.mean(x, -1)
    else:
        middle = sort(x)[..., (n - 1) // 2 : n // 2 + 1]
        y = reductions.mean(middle, -1)
        y = e.where(_any_last(e.isnan(x)), np.nan, y)
    return _shaped(y, (), kept, keepdims)


@differentiable("nanmedian(n)", "nanmedian(n, axis=1, keepdims=True)")
def nanmedian(
    a: Any, axis: Any = None, overwrite_input: bool = False, keepdims: bool = False
) -> Tensor:
    """The median of the elements that are not nan; nan where there is none."""
    x, kept = _in_lines(as_tensor(a), axis)
    if not x.size:
        return median(a, axis, keepdims=keepdims)
    count = reductions.sum(e.logical_not(e.isnan(x)), -1)
    ordered = sort(x)  # nan to the end
    last = e.maximum(count - 1, 0)
    low, high = _picked(ordered, last // 2), _picked(ordered, count // 2)
    y = e.where(last // 2 == count // 2, low, (low + high) * 0.5)
    return _shaped(e.where(count == 0, np.nan, y), (), kept, keepdims)


@differentiable(
    "nanquantile(n, 0.3)", "nanquantile(n, [0.2, 0.6], axis=1)",
    "nanquantile(n, [0.2, 0.6], axis=1, weights=p, method='inverted_cdf')",
)  # fmt: skip
def nanquantile(
    a: Any, q: Any, axis: Any = None, overwrite_input: bool = False, method: str = "linear",
    keepdims: bool = False, *, weights: Any = None,
) -> Tensor:  # fmt: skip
    """As quantile, of the elements that are not nan; nan where there is none."""
    return _nanquantiles(a, _checked(q, 1, a), axis, method, keepdims, weights)


@differentiable("nanpercentile(n, 30)", "nanpercentile(n, [20, 60.0], axis=1)")
def nanpercentile(
    a: Any, q: Any, axis: Any = None, overwrite_input: bool = False, method: str = "linear",
    keepdims: bool = False, *, weights: Any = None,
) -> Tensor:  # fmt: skip
    """As nanquantile, with q in 0..100."""
    q = _checked(q, 100, a) / 100
    return _nanquantiles(a, q, axis, method, keepdims, weights)


def _ordered(a: Any, name: str) -> Tensor:
    x = as_tensor(a)
    if x.dtype.kind == "c":
        raise TypeError(f"{name}: need real numbers, got {x.dtype}: complex ones have no order")
    return x


def _checked(q: Any, top: int, a: Any) -> Tensor:
    if isinstance(q, (int, float)):  # weak, as in arithmetic
        dtype = as_tensor(a).dtype
        q = np.asarray(q, dtype if dtype.kind == "f" else np.float64)
    plain_q = np.asarray(values(q))
    if not ((plain_q >= 0) & (plain_q <= top)).all():
        raise ValueError(f"quantiles must be in the range [0, {top}], got {plain_q}")
    q = as_tensor(q)
    return q if q.dtype.kind == "f" else as_dtype(q, np.float64)


def _quantiles(a: Any, q: Tensor, axis: Any, method: str, keepdims: bool, weights: Any) -> Tensor:
    """See quantile; q has been checked."""
    x, kept = _in_lines(_ordered(a, "quantile"), axis, method)
    if weights is None:
        y = _quantile(sort(x), q, float(x.shape[-1]), method)
    else:
        y = _weighted(x, q, _weights(weights, as_tensor(a), axis, method))
    nan = e.isnan(x)
    y = e.where(_any_last(nan), np.nan, y) if x.dtype.kind == "f" else y
    return _shaped(y, q.shape, kept, keepdims)


def _nanquantiles(
    a: Any, q: Tensor, axis: Any, method: str, keepdims: bool, weights: Any
) -> Tensor:
    """See nanquantile; q has been checked."""
    x, kept = _in_lines(_ordered(a, "nanquantile"), axis, method)
    missing = e.isnan(x)
    count = reductions.sum(as_dtype(e.logical_not(missing), np.float64), -1)
    if not x.size:  # as NumPy: nan, without q's axes
        return _shaped(reductions.mean(x, -1), (), kept, keepdims)
    if weights is None:  # nan sort to the end
        y = _quantile(sort(x), q, count, method)
    else:
        w = _weights(weights, as_tensor(a), axis, method)
        y = _weighted(x, q, e.where(missing, 0.0, w))
    y = e.where(count == 0, np.nan, y) if x.dtype.kind == "f" else y
    return _shaped(y, q.shape, kept, keepdims)


def _in_lines(x: Tensor, axis: Any, method: str = "linear") -> tuple[Tensor, tuple[int, ...]]:
    """x with the axes merged into a last one, and its shape with those of length 1.

    Integers become floats, but for the methods that give elements as they are.
    """
    gone = sorted(axes(axis, x.ndim, "quantile"))
    x_moved = moveaxis(x, tuple(gone), tuple(range(-len(gone), 0))) if gone else x
    kept = tuple(1 if i in gone else n for i, n in enumerate(x.shape))
    lead = tuple(n for i, n in enumerate(x.shape) if i not in gone)
    n = int(np.prod([x.shape[i] for i in gone], dtype=np.int64))
    x_moved = reshape(x_moved, (*lead, n))
    is_fit = x.dtype.kind in "fc" or method in _STEPS
    return (x_moved if is_fit else as_dtype(x_moved, np.float64)), kept


def _any_last(mask: Tensor) -> Tensor:
    return logic.any(mask, -1)


def _quantile(ordered: Tensor, q: Tensor, n: Any, method: str) -> Tensor:
    """Quantiles of sorted lines, of which the first n elements count; q's axes first."""
    if method not in _PLACES:
        raise ValueError(f"quantile: method {method!r}: choose one of {', '.join(_PLACES)}")
    lead = ordered.shape[:-1]
    dtype = np.result_type(q.dtype, ordered.dtype)
    q = reshape(as_dtype(q, dtype), q.shape + (1,) * len(lead))
    n = n if isinstance(n, float) else as_dtype(n, dtype)
    place = _PLACES[method](n, q)
    last = n - 1 if isinstance(n, float) else e.maximum(n - 1, 0.0)
    # e.where, not clip: beyond an end nothing flows back to q
    inside = e.where(place < 0, 0.0, e.where(place > last, last, place))
    if not isinstance(n, float):
        inside = broadcast_to(inside, np.broadcast_shapes(inside.shape, n.shape))
    low = e.floor(inside)
    if method in _STEPS:
        return _picked(ordered, low)
    weight = inside - low
    if method == "averaged_inverted_cdf":
        weight = _chosen(weight == 0, 0.5, 1.0, weight)
        weight = e.where(place < 0, 0.0, weight)
    elif method == "midpoint":
        weight = _chosen(weight == 0, 0.0, 0.5, weight)
    high = e.where(low + 1 > last, last, low + 1)
    a, b = _picked(ordered, low), _picked(ordered, high)
    # from the nearer end, as NumPy: exact at both
    return e.where(weight < 0.5, a + (b - a) * weight, b - (b - a) * (1.0 - weight))


def _chosen(mask: Tensor, one: float, other: float, like: Tensor) -> Tensor:
    """Two numbers, in like's dtype."""
    return e.where(mask, np.asarray(one, like.dtype), np.asarray(other, like.dtype))


def _weights(weights: Any, a: Tensor, axis: Any, method: str) -> Tensor:
    """Weights of a's lines, from weights of a's shape or of the axes' lengths."""
    if method != "inverted_cdf":
        raise ValueError(
            f"quantile: method {method!r} takes no weights; method='inverted_cdf' does"
        )
    if not isinstance(weights, Tensor) and (np.asarray(weights) < 0).any():
        raise ValueError("quantile: weights must not be negative")
    w = linear.stop_gradient(as_dtype(weights, np.float64))
    w = broadcast_to(weights_over(w, a.shape, axis, "quantile"), a.shape)
    return _in_lines(w, axis)[0]


def _weighted(x: Tensor, q: Tensor, w: Tensor) -> Tensor:
    """The first of the sorted lines' elements up to which q of the weights lie; q's axes first."""
    where = plain.argsort(x, -1)
    ordered, w = (gather.take_along_axis(v, where, (x.ndim - 1,)) for v in (x, w))
    part = reductions.cumsum(w, -1)
    part = as_dtype(part / part[..., -1:], q.dtype)
    # what has no weight before the first element that has some is not the 0-quantile
    part = e.where(part == 0, -1.0, part)
    q = reshape(q, (*q.shape, *(1,) * x.ndim))
    place = reductions.sum(part < q, -1)
    return _picked(ordered, e.minimum(place, x.shape[-1] - 1))


def _picked(ordered: Tensor, place: Tensor) -> Tensor:
    """The elements of sorted lines at a place for each: q's axes, then the lines'."""
    lead = ordered.shape[:-1]
    extra = place.ndim - len(lead)
    places = as_dtype(place, np.int64)
    places = moveaxis(places, tuple(range(extra)), tuple(range(len(lead), place.ndim)))
    flat = reshape(places, (*places.shape[: len(lead)], -1))
    taken = gather.take_along_axis(ordered, flat, (len(lead),))
    shape = (*lead, *places.shape[len(lead) :])
    taken = reshape(taken, shape)
    return moveaxis(taken, tuple(range(len(lead), len(shape))), tuple(range(extra)))


def _shaped(y: Tensor, of_q: tuple, kept: tuple, keepdims: bool) -> Tensor:
    return reshape(y, (*of_q, *kept)) if keepdims else y
