"""Reductions: rows that fold axes into one value, and their public functions.

Params of a row: (keepdims, *axes), axes ascending; of arg- and cum- rows see there. The public
functions have NumPy's signatures.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..engine.dtypes import CODES
from ..engine.select import apply
from .axes import as_tensor, axes, axis_params, is_whole, reduced
from .elementwise import equal, exp, where, zmul
from .linear import astype, broadcast_to, concatenate, pad, reshape, slice_, transpose
from .rows import custom, linear, nondifferentiable
from .running import cumprod as cumprod_row
from .shapes import along, as_dtype, flip, ravel
from .special import floating

# --- shapes of rules --------------------------------------------------------------------------


def _kept_shape(x_like, params):
    return tuple(1 if i in params[1:] else n for i, n in enumerate(x_like.shape))


def _kept(y, x_like, params):
    """A reduction's result with its axes back, of length 1."""
    return y if params[0] or len(params) == 1 else reshape(y, _kept_shape(x_like, params))


def _spread(y, x_like, params):
    """A reduction's result repeated to the shape it came from."""
    return broadcast_to(_kept(y, x_like, params), x_like.shape)


def _count(x_like, params):
    n = 1
    for axis in params[1:]:
        n *= x_like.shape[axis]
    return n


def _cases(*cases, same=False):
    """(shape, params) pairs as an `examples` function; same: values that often tie."""

    def examples(rng):
        found = []
        for shape, p in cases:
            x = rng.uniform(-2, 2, shape)
            found.append(([np.round(x) if same else x], p))
        return found

    return examples


_FOLDS = (
    ((), (0,)),
    ((1,), (0, 0)),
    ((7,), (1, 0)),
    ((33,), (0, 0)),
    ((3, 4), (0, 0)),
    ((3, 4), (1, 1)),
    ((3, 4), (0, 0, 1)),
    ((2, 3, 5), (0, 0, 2)),
    ((2, 3, 5), (1, 1)),
    ((2, 3), (0,)),
)
_LARGE = (
    ((700_001,), (0, 0)),
    ((700, 1003), (0, 0)),
    ((1003, 700), (0, 1)),
    ((90, 80, 101), (0, 1)),
    ((90, 80, 101), (1, 0, 2)),
)
_EMPTY = (((0,), (0, 0)), ((3, 0), (0, 0, 1)), ((3, 0), (0, 0)))


def _exact(rng):
    """Bools and integers, of which rows with other kernels take care."""
    found = []
    for x in (rng.uniform(size=(3, 300, 1030)) < 0.7, rng.integers(-(2**62), 2**62, (3, 7, 130))):
        found += [([x], p) for p in ((0, 0), (0, 1), (1, 2), (0, 0, 2), (0, 0, 1, 2), (0,))]
        found += [([x[:0]], (0, 0)), ([x[:, :0]], (0, 0)), ([x[0, 0]], (0, 0))]
    return found


# --- sums -------------------------------------------------------------------------------------


def _sum_numpy(x, keepdims, *axes):
    return x.sum(axis=axes, keepdims=bool(keepdims))


def _mean_numpy(x, keepdims, *axes):
    # not np.mean, which warns of empty arrays; half precision adds in single, as np.mean does
    half = x.dtype == np.float16
    wide = np.float64 if x.dtype.kind in "biu" else np.float32 if half else x.dtype
    mean = x.sum(axis=axes, keepdims=bool(keepdims), dtype=wide) / _count(x, (0, *axes))
    return mean.astype(x.dtype) if half else mean


SUM = linear(
    "sum",
    _sum_numpy,
    lambda ct, x_like, params: _spread(ct, x_like, params),
    examples=lambda rng: _cases(*_FOLDS, *_EMPTY)(rng) + _exact(rng),
    large=_cases(*_LARGE),
    ulp=16,
    doc="Sum over axes.",
).op
MEAN = linear(
    "mean",
    _mean_numpy,
    lambda ct, x_like, params: _spread(ct / _count(x_like, params), x_like, params),
    examples=lambda rng: _cases(*_FOLDS, *_EMPTY[:2])(rng) + _exact(rng),
    large=_cases(*_LARGE),
    ulp=16,
    doc="Mean over axes.",
).op


def _cumsum_vjp(ct, params):
    return flip(cumsum_row(flip(ct, params[0]), params), params[0])


cumsum_row = linear(  # params: (axis,)
    "cumsum",
    lambda x, axis: np.cumsum(x, axis=axis),
    _cumsum_vjp,
    examples=_cases(((7,), (0,)), ((3, 4), (1,)), ((2, 3, 4), (1,)), ((0,), (0,)), ((2, 0), (0,))),
    large=_cases(((700, 900), (1,)), ((700, 900), (0,))),
    ulp=16,
    doc="Running sum along an axis.",
)

# --- products ---------------------------------------------------------------------------------


def _others(x, params):
    """For each element, the product of the others it is multiplied with.

    No division, so zeros are no special case, in any order of derivative.
    """
    axes, shape = params[1:], x.shape
    first = axes[0] if axes else len(shape)
    if axes != tuple(range(first, first + len(axes))):
        kept = [i for i in range(len(shape)) if i not in axes]
        perm = (*kept, *axes)
        moved = _others(transpose(x, perm), (0, *range(len(kept), len(shape))))
        return transpose(moved, tuple(int(i) for i in np.argsort(perm)))
    line = (*shape[:first], _count(x, params), *shape[first + len(axes) :])
    return reshape(_others_along(reshape(x, line), first), shape)


def _others_along(x, axis):
    """The same along one axis, in time proportional to its length.

    Element i and element i + half make a pair: what else is there for one of them is the
    other, and what else there is for the pair.
    """
    n = x.shape[axis]
    if n < 2:
        return _with_ones(_part_along(x, axis, 0, 0), axis, n)
    half = (n + 1) // 2
    left = _part_along(x, axis, 0, half)
    right = _part_along(x, axis, half, n)
    if n % 2:
        right = _with_ones(right, axis, 1)
    rest = _others_along(left * right, axis)
    both = concatenate(rest * right, rest * left, params=(axis,))
    return _part_along(both, axis, 0, n) if n % 2 else both


def _with_ones(x, axis, count):
    after = [0] * len(x.shape)
    after[axis] = count
    return pad(x, (*[v for n in after for v in (0, n)], 1.0))


def _part_along(x, axis, start, end):
    box = [(0, n, 1) for n in x.shape]
    box[axis] = (start, end - start, 1)
    return slice_(x, tuple(v for part in box for v in part))


PROD = custom(
    "prod",
    lambda x, keepdims, *axes: x.prod(axis=axes, keepdims=bool(keepdims)),
    inputs=("x",),
    vjps=[lambda ct, x, params: zmul(_spread(ct, x, params), _others(x, params))],
    jvps=[lambda t, x, params: apply(SUM.id, (zmul(t, _others(x, params)),), params)],
    examples=lambda rng: (
        _cases(*_FOLDS, *_EMPTY)(rng) + [([np.array([[0.0, 2, 3], [0, 0, 3]])], (0, 1))]
    ),
    large=_cases(*_LARGE),
    ulp=64,
    doc="Product over axes; the derivative is right where elements are zero.",
).op

# --- extremes ---------------------------------------------------------------------------------


def _ties(x, y, params):
    """Where x is the extreme, and how many such places share it."""
    mask = equal(x, _kept(y, x, params))
    return mask, apply(SUM.id, (astype(mask, (CODES[x.dtype],)),), (1, *params[1:]))


def _extreme_vjp(ct, x, y, params):
    mask, count = _ties(x, y, params)
    return where(mask, broadcast_to(_kept(ct, x, params) / count, x.shape), 0.0)


def _extreme_jvp(t, x, y, params):
    mask, count = _ties(x, y, params)
    share = where(mask, t / count, 0.0)
    return apply(SUM.id, (share,), params)


def _extreme(name, fold, doc):
    return custom(
        name,
        lambda x, keepdims, *axes: fold(x, axis=axes, keepdims=bool(keepdims)),
        inputs=("x",),
        vjps=[_extreme_vjp],
        jvps=[_extreme_jvp],
        examples=_cases(*_FOLDS),
        large=_cases(*_LARGE),
        doc=doc,
    ).op


MAX = _extreme("max", np.max, "Largest value over axes; ties share the cotangent evenly.")
MIN = _extreme("min", np.min, "Smallest value over axes; ties share the cotangent evenly.")


def _position(name, find, doc):  # params: (keepdims, axis); int64 result
    return nondifferentiable(
        name,
        lambda x, keepdims, axis: find(x, axis=axis, keepdims=bool(keepdims)),
        examples=_cases(((7,), (0, 0)), ((3, 4), (1, 1)), ((2, 3, 4), (0, 1)), same=True),
        large=_cases(((700_001,), (0, 0)), ((900, 800), (0, 1)), ((900, 800), (0, 0)), same=True),
        doc=doc,
    ).op


ARGMAX = _position("argmax", np.argmax, "Position of the first maximum along an axis.")
ARGMIN = _position("argmin", np.argmin, "Position of the first minimum along an axis.")

# --- log-sum-exp ------------------------------------------------------------------------------


def _logsumexp_numpy(x, keepdims, *axes):
    x = floating(x)
    m = x.max(axis=axes, keepdims=True)
    m = np.where(np.isfinite(m), m, 0).astype(x.dtype)
    y = np.log(np.exp(x - m).sum(axis=axes, keepdims=True)) + m
    return y if keepdims else y.reshape([n for i, n in enumerate(x.shape) if i not in axes])


def _weights(x, y, params):
    return exp(x - _kept(y, x, params))


LOGSUMEXP = custom(
    "logsumexp",
    _logsumexp_numpy,
    inputs=("x",),
    vjps=[lambda ct, x, y, params: zmul(_spread(ct, x, params), _weights(x, y, params))],
    jvps=[lambda t, x, y, params: apply(SUM.id, (zmul(t, _weights(x, y, params)),), params)],
    examples=_cases(*_FOLDS, ((3, 0), (0, 0))),
    large=_cases(*_LARGE),
    ulp=16,
    doc="log(sum(exp(x))) over axes, without overflow.",
).op

# --- public functions -------------------------------------------------------------------------


def sum(
    x: Any, axis: Any = None, dtype: Any = None, out: Any = None, keepdims: bool = False,
    initial: Any = None, where: Any = True,
) -> Any:  # fmt: skip
    """Sum over one axis, several (a tuple), or all (None), as np.sum."""
    if out is not None or initial is not None or where is not True:
        return _in_full("sum", x, axis, dtype, out, keepdims, initial, where)
    x = as_tensor(x) if dtype is None else as_dtype(x, dtype)
    y = apply(SUM.id, (x,), reduced(x.ndim, axis, keepdims, "sum"))
    return y if dtype is None else as_dtype(y, dtype)  # small integers grow when added up


def mean(
    x: Any, axis: Any = None, dtype: Any = None, out: Any = None, keepdims: bool = False, *,
    where: Any = True,
) -> Any:  # fmt: skip
    """Mean over one axis, several (a tuple), or all (None), as np.mean; of nothing it is nan."""
    if out is not None or where is not True:
        return _in_full("mean", x, axis, dtype, out, keepdims, where=where)
    x = as_tensor(x) if dtype is None else as_dtype(x, dtype)
    if axis is not None and not x.ndim:
        axes(axis, 0, "mean")  # NumPy's asks for the axis's length, and a scalar has none
    return apply(MEAN.id, (x,), reduced(x.ndim, axis, keepdims, "mean"))


def prod(
    x: Any, axis: Any = None, dtype: Any = None, out: Any = None, keepdims: bool = False,
    initial: Any = None, where: Any = True,
) -> Any:  # fmt: skip
    """Product over axes, as np.prod."""
    if out is not None or initial is not None or where is not True:
        return _in_full("prod", x, axis, dtype, out, keepdims, initial, where)
    x = as_tensor(x) if dtype is None else as_dtype(x, dtype)
    y = apply(PROD.id, (x,), reduced(x.ndim, axis, keepdims, "prod"))
    return y if dtype is None else as_dtype(y, dtype)  # small integers grow when added up


def max(
    x: Any, axis: Any = None, out: Any = None, keepdims: bool = False, initial: Any = None,
    where: Any = True,
) -> Any:  # fmt: skip
    """Largest value over axes, as np.max: nan wins. Equal ones share the derivative evenly."""
    if out is not None or initial is not None or where is not True:
        return _in_full("max", x, axis, out, keepdims, initial, where)
    x = as_tensor(x)
    return apply(MAX.id, (x,), reduced(x.ndim, axis, keepdims, "max"))


def min(
    x: Any, axis: Any = None, out: Any = None, keepdims: bool = False, initial: Any = None,
    where: Any = True,
) -> Any:  # fmt: skip
    """Smallest value over axes, as np.min: nan wins. Equal ones share the derivative evenly."""
    if out is not None or initial is not None or where is not True:
        return _in_full("min", x, axis, out, keepdims, initial, where)
    x = as_tensor(x)
    return apply(MIN.id, (x,), reduced(x.ndim, axis, keepdims, "min"))


def logsumexp(x: Any, axis: Any = None, keepdims: bool = False) -> Any:
    """log(sum(exp(x))) over axes, as scipy.special.logsumexp."""
    x = as_tensor(x)
    return apply(LOGSUMEXP.id, (x,), reduced(x.ndim, axis, keepdims, "logsumexp"))


def argmax(x: Any, axis: Any = None, out: None = None, *, keepdims: bool = False) -> Any:
    """Position of the first maximum along axis (None: in the flat array); int64."""
    return _argext(ARGMAX, x, axis, out, keepdims)


def argmin(x: Any, axis: Any = None, out: None = None, *, keepdims: bool = False) -> Any:
    """Position of the first minimum along axis (None: in the flat array); int64."""
    return _argext(ARGMIN, x, axis, out, keepdims)


def cumsum(x: Any, axis: Any = None, dtype: Any = None) -> Any:
    """Running sum along axis (None: of the flat array), as np.cumsum."""
    x, axis = along(as_tensor(x) if dtype is None else as_dtype(x, dtype), axis, "cumsum")
    y = cumsum_row(x, (axis,))
    return y if dtype is None else as_dtype(y, dtype)  # small integers grow when added up


def cumprod(x: Any, axis: Any = None, dtype: Any = None) -> Any:
    """Running product along axis (None: of the flat array), as np.cumprod."""
    x, axis = along(as_tensor(x) if dtype is None else as_dtype(x, dtype), axis, "cumprod")
    y = cumprod_row(x, (axis,))
    return y if dtype is None else as_dtype(y, dtype)  # small integers grow when multiplied


def _in_full(name: str, *args: Any, **kwargs: Any) -> Any:
    """The reduction by tapegrad.numpy, which knows out=, initial= and where=."""
    from .. import numpy as namespace

    return getattr(namespace, name)(*args, **kwargs)


def _argext(op, x, axis, out, keepdims):
    if out is not None:
        raise TypeError(f"{op.name}: out= is not supported, a Tensor is never written in place")
    x = as_tensor(x)
    ndim = x.ndim
    if is_whole(axis, ndim):
        y = apply(op.id, (ravel(x),), (0, 0))
        return reshape(y, (1,) * ndim) if keepdims else y
    return apply(op.id, (x,), (int(bool(keepdims)), *axis_params(ndim, axis, op.name)))
