"""NumPy's functions of sorted order: sorts, medians, quantiles."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..ops import elementwise as e
from ..ops import gather, logic, reductions
from ..ops.axes import as_tensor, axes, one_axis
from ..ops.shapes import as_dtype, moveaxis, ravel, reshape
from ..tensor import Tensor
from . import plain
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
    return as_dtype(y, np.result_type(y.dtype, np.complex64))


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
)  # fmt: skip
def quantile(
    a: Any, q: Any, axis: Any = None, overwrite_input: bool = False, method: str = "linear",
    keepdims: bool = False,
) -> Tensor:  # fmt: skip
    """The q-quantiles over axes; q in 0..1 may be a Tensor too, and its axes come first.

    Raises:
        ValueError: for an unknown method, or q outside 0..1.
    """
    q = _checked(q, 1, a)
    x, kept = _in_lines(as_tensor(a), axis)
    y = _quantile(sort(x), q, float(x.shape[-1]), method)
    nan = e.isnan(x)
    y = e.where(_any_last(nan), np.nan, y) if x.dtype.kind == "f" else y
    return _shaped(y, q.shape, kept, keepdims)


@differentiable("percentile(x, 30)", "percentile(x, [10, 60.0], axis=1)", "percentile(x, 50 + s)")
def percentile(
    a: Any, q: Any, axis: Any = None, overwrite_input: bool = False, method: str = "linear",
    keepdims: bool = False,
) -> Tensor:  # fmt: skip
    """As quantile, with q in 0..100."""
    return quantile(a, _checked(q, 100, a) / 100, axis, method=method, keepdims=keepdims)


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
        y = e.where(_any_last(e.isnan(x)), np.nan, y) if x.dtype.kind == "f" else y
    return _shaped(y, (), kept, keepdims)


@differentiable("nanmedian(n)", "nanmedian(n, axis=1, keepdims=True)")
def nanmedian(
    a: Any, axis: Any = None, overwrite_input: bool = False, keepdims: bool = False
) -> Tensor:
    """The median of the elements that are not nan."""
    return nanquantile(a, 0.5, axis, keepdims=keepdims)


@differentiable("nanquantile(n, 0.3)", "nanquantile(n, [0.2, 0.6], axis=1)")
def nanquantile(
    a: Any, q: Any, axis: Any = None, overwrite_input: bool = False, method: str = "linear",
    keepdims: bool = False,
) -> Tensor:  # fmt: skip
    """As quantile, of the elements that are not nan; nan where there is none."""
    q = _checked(q, 1, a)
    x, kept = _in_lines(as_tensor(a), axis)
    missing = e.isnan(x)
    count = reductions.sum(as_dtype(e.logical_not(missing), x.dtype), -1)
    y = _quantile(sort(x), q, count, method)  # nan sort to the end
    return _shaped(e.where(count == 0, np.nan, y), q.shape, kept, keepdims)


@differentiable("nanpercentile(n, 30)", "nanpercentile(n, [20, 60.0], axis=1)")
def nanpercentile(
    a: Any, q: Any, axis: Any = None, overwrite_input: bool = False, method: str = "linear",
    keepdims: bool = False,
) -> Tensor:  # fmt: skip
    """As nanquantile, with q in 0..100."""
    return nanquantile(a, _checked(q, 100, a) / 100, axis, method=method, keepdims=keepdims)


def _checked(q: Any, top: int, a: Any) -> Tensor:
    if isinstance(q, (int, float)):  # weak, as in arithmetic
        dtype = as_tensor(a).dtype
        q = np.asarray(q, dtype if dtype.kind == "f" else np.float64)
    plain_q = np.asarray(values(q))
    if not ((plain_q >= 0) & (plain_q <= top)).all():
        raise ValueError(f"quantiles must be in the range [0, {top}], got {plain_q}")
    q = as_tensor(q)
    return q if q.dtype.kind == "f" else as_dtype(q, np.float64)


def _in_lines(x: Tensor, axis: Any) -> tuple[Tensor, tuple[int, ...]]:
    """x with the axes merged into a last one, and its shape with those of length 1."""
    gone = sorted(axes(axis, x.ndim, "quantile"))
    x_moved = moveaxis(x, tuple(gone), tuple(range(-len(gone), 0))) if gone else x
    kept = tuple(1 if i in gone else n for i, n in enumerate(x.shape))
    lead = tuple(n for i, n in enumerate(x.shape) if i not in gone)
    n = int(np.prod([x.shape[i] for i in gone], dtype=np.int64))
    x_moved = reshape(x_moved, (*lead, n))
    return (x_moved if x.dtype.kind in "fc" else as_dtype(x_moved, np.float64)), kept


def _any_last(mask: Tensor) -> Tensor:
    return logic.any(mask, -1)


def _quantile(ordered: Tensor, q: Tensor, n: Any, method: str) -> Tensor:
    """Quantiles of sorted lines, of which the first n elements count; q's axes first."""
    if method not in _PLACES:
        raise ValueError(f"quantile: method {method!r}: choose one of {', '.join(_PLACES)}")
    lead = ordered.shape[:-1]
    q = reshape(as_dtype(q, np.result_type(q.dtype, ordered.dtype)), q.shape + (1,) * len(lead))
    place = _PLACES[method](n, q)
    last = n - 1 if isinstance(n, float) else e.maximum(n - 1, 0.0)
    # e.where, not clip: beyond an end nothing flows back to q
    place = e.where(place < 0, 0.0, e.where(place > last, last, place))
    low = e.floor(place)
    weight = place - low
    if method == "averaged_inverted_cdf":
        weight = e.where(weight == 0, 0.5, 1.0)
        weight = e.where(e.logical_or(q == 0, q == 1), 0.0, weight)
    elif method == "midpoint":
        weight = e.where(weight == 0, 0.0, 0.5)
    elif method in _STEPS:
        weight = weight * 0.0
    high = e.where(low + 1 > last, last, low + 1)
    a, b = _picked(ordered, low), _picked(ordered, high)
    return a + (b - a) * weight


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
