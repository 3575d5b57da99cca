"""Running products along an axis, and the recurrence that their derivatives are.

y[k] = x[0] ... x[k] has x[i] beside y[i - 1] and the elements from x[i + 1] to x[k]. What these sum
up to over k is a recurrence from the right; that of tangents is one from the left. Nothing is
divided, so zeros are no special case, in any order of derivative.
"""

from __future__ import annotations

from itertools import accumulate

import numpy as np

from .elementwise import zmul
from .linear import pad, slice_
from .rows import custom

_CASES = (((7,), 0), ((3, 4), 1), ((2, 3, 4), 1), ((0,), 0), ((2, 0), 0))
_LARGE = (((700, 900), 1), ((700, 900), 0))


def _shifted(x, by, axis, fill):
    """x moved along an axis by `by` places, `fill` moving in."""
    n = x.shape[axis]
    k = abs(by) if abs(by) < n else n
    start, ends = (0, (k, 0)) if by > 0 else (k, (0, k))
    box = [v for m in x.shape for v in (0, m, 1)]
    box[3 * axis : 3 * axis + 2] = start, n - k
    widths = [0, 0] * len(x.shape)
    widths[2 * axis : 2 * axis + 2] = ends
    return pad(slice_(x, tuple(box)), (*widths, fill))


# --- products ---------------------------------------------------------------------------------


def _products(cases):
    def examples(rng):
        return [([rng.uniform(-2, 2, shape)], (axis,)) for shape, axis in cases]

    return examples


def _cumprod_vjp(ct, x, y, axis):
    after = recurrence(ct, _shifted(x, -1, axis, 1.0), params=(axis, 1))
    return zmul(after, _shifted(y, 1, axis, 1.0))


def _cumprod_jvp(t, x, y, axis):
    return recurrence(zmul(t, _shifted(y, 1, axis, 1.0)), x, params=(axis, 0))


cumprod = custom(  # params: (axis,)
    "cumprod",
    lambda x, axis: np.cumprod(x, axis=axis),
    inputs=("x",),
    vjps=[lambda ct, x, y, params: _cumprod_vjp(ct, x, y, *params)],
    jvps=[lambda t, x, y, params: _cumprod_jvp(t, x, y, *params)],
    examples=lambda rng: (
        _products(_CASES)(rng)
        + [([np.array([[0.0, 2, 3, 4], [2, 0, 3, 0], [2, 3, 4, 0], [0, 0, 0, 5]])], (1,))]
    ),
    large=_products(_LARGE),
    ulp=64,
    doc="Running product along an axis; the derivative is right where elements are zero.",
)

# --- the recurrence ---------------------------------------------------------------------------


def _pairs(cases):
    def examples(rng):
        return [
            ([rng.uniform(-2, 2, shape), rng.uniform(-1, 1, shape)], (axis, from_right))
            for shape, axis in cases
            for from_right in (0, 1)
        ]

    return examples


def _recurrence_numpy(a, b, axis, from_right):
    if not a.size:
        return a.copy()
    a, b = (np.moveaxis(v, axis, -1) for v in (a, b))
    turn = slice(None, None, -1 if from_right else 1)
    lines = zip(*(v[..., turn].reshape(-1, v.shape[-1]).tolist() for v in (a, b)))
    found = [list(accumulate(zip(*line), _next, initial=0.0))[1:] for line in lines]
    with np.errstate(over="ignore"):  # Python's numbers are float64
        y = np.array(found, a.dtype).reshape(a.shape)[..., turn]
    return np.ascontiguousarray(np.moveaxis(y, -1, axis))


def _next(y, pair):
    a, b = pair
    return a + (y * b if y else 0.0)  # zmul(y, b)


def _neighbour(y, axis, from_right):
    """For each element of b the y that it is multiplied with."""
    return _shifted(y, -1 if from_right else 1, axis, 0.0)


def _by_a(ct, b, axis, from_right):
    after = _shifted(b, 1 if from_right else -1, axis, 0.0)
    return recurrence(ct, after, params=(axis, 1 - from_right))


def _along_a(t, b, params):
    return recurrence(t, b, params=params)


def _along_b(t, b, y, params):
    return recurrence(zmul(t, _neighbour(y, *params)), b, params=params)


recurrence = custom(  # params: (axis, from_right)
    "recurrence",
    _recurrence_numpy,
    inputs=("a", "b"),
    vjps=[
        lambda ct, b, params: _by_a(ct, b, *params),
        lambda ct, b, y, params: zmul(_by_a(ct, b, *params), _neighbour(y, *params)),
    ],
    jvps=[_along_a, _along_b],
    examples=_pairs(_CASES),
    large=_pairs(_LARGE),
    ulp=64,
    doc="y[k] = a[k] + zmul(y[k - 1], b[k]) along an axis, or with y[k + 1], from the right.",
)
