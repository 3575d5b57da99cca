"""Rows for the rest of NumPy's ufuncs, and for its sorts and searches. NumPy computes most of
them."""

from __future__ import annotations

from typing import Any

import numpy as np

from .elementwise import absolute, round, sigmoid, where
from .rows import elementwise, nondifferentiable

LN2 = 0.6931471805599453
POSITIVE = (0.5, 2.0)

# --- smooth -----------------------------------------------------------------------------------
hypot = elementwise(
    "hypot",
    np.hypot,
    # by infinity and not by 1: of every order, derivatives are 0 where both are 0
    (lambda a, y: a / where(y == 0, np.inf, y), lambda b, y: b / where(y == 0, np.inf, y)),
    ulp=2,
    doc="sqrt(a * a + b * b), without overflow; its derivatives are 0 where both are 0.",
)
# (Of negative numbers the sum may cancel: tests/native/test_vmath.py bounds what is lost then.)
logaddexp = elementwise(
    "logaddexp", np.logaddexp, (lambda a, b: sigmoid(a - b), lambda a, b: sigmoid(b - a)),
    domain=POSITIVE, ulp=4, doc="log(exp(a) + exp(b)), without overflow.",
)  # fmt: skip
logaddexp2 = elementwise(
    "logaddexp2", np.logaddexp2,
    (lambda a, b: sigmoid((a - b) * LN2), lambda a, b: sigmoid((b - a) * LN2)),
    ulp=4, doc="log2(2 ** a + 2 ** b), without overflow.",
)  # fmt: skip
cbrt = elementwise(
    "cbrt", np.cbrt, (lambda y: 1.0 / (3.0 * (y * y)),), domain=POSITIVE, ulp=2, doc="Cube root."
)
exp2 = elementwise("exp2", np.exp2, (lambda y: y * LN2,), ulp=4, doc="2 to the power x.")

# --- parts and remainders -----------------------------------------------------------------------
fmod = elementwise(
    "fmod", np.fmod, (1, lambda a, b, y: -round((a - y) / b)),
    domain=((0.2, 0.8), (1.0, 2.0)), doc="a - b * trunc(a / b): the sign is a's.",
)  # fmt: skip
fraction = elementwise(
    "fraction", lambda x: np.modf(x)[0], (1,), domain=(0.1, 0.9), doc="x less its integer part."
)


def _scaled(rng):
    return [
        ([rng.uniform(-2, 2, (3, 4)), rng.integers(-3, 4, shape)], ()) for shape in ((3, 4), (4,))
    ]


ldexp: Any = elementwise(
    "ldexp", np.ldexp, inputs=("x", "n"), promotes=(0,),
    vjps=(lambda ct, n: ldexp(ct, n), None), examples=_scaled, doc="x times 2 to the integer n.",
)  # fmt: skip
frexp_mantissa = elementwise(
    "frexp_mantissa", lambda x: np.frexp(x)[0], vjps=(lambda ct, x: ldexp(ct, -frexp_exponent(x)),),
    domain=(0.6, 0.9), doc="x scaled by a power of 2 into [0.5, 1), with x's sign.",
)  # fmt: skip
frexp_exponent: Any = nondifferentiable(
    "frexp_exponent", lambda x: np.frexp(x)[1], doc="The exponent n of x = m * 2 ** n."
)

# --- modified Bessel functions ------------------------------------------------------------------


def _i1(x: np.ndarray) -> np.ndarray:
    """The modified Bessel function I1: its series below 30, its asymptotic one above.

    Source: Abramowitz & Stegun, 9.6.10 and 9.7.1. All terms of the series are positive; both are
    summed until they add nothing in float64.
    """
    if x.dtype.kind == "c":
        raise TypeError("i1 of complex numbers is not supported")
    wide = np.asarray(x, np.float64)
    size = np.abs(wide)
    small, large = np.minimum(size, 30.0), np.maximum(size, 30.0)
    term = small / 2
    near = term.copy()
    for k in range(1, 80):
        term = term * (small * small / 4) / (k * (k + 1))
        near = near + term
    term = np.ones_like(large)
    tail = term.copy()
    for k in range(1, 40):
        term = term * ((2 * k - 1) ** 2 - 4) / (8 * k * large)
        tail = tail + term
    far = np.exp(large) / np.sqrt(2 * np.pi * large) * tail
    return np.copysign(np.where(size <= 30.0, near, far), wide).astype(
        x.dtype if x.dtype.kind == "f" else np.float64
    )


i0 = elementwise(
    "i0", lambda x: np.asarray(np.i0(x)).astype(x.dtype if x.dtype.kind == "f" else np.float64),
    (lambda x: i1(x),), ulp=8, doc="Modified Bessel function of the first kind, order 0.",
)  # fmt: skip

# Taylor coefficients of I1(x) / x in x * x: below |x| = 1 exact to rounding, as far as the fourth
# derivative and beyond. I1's own values would cancel there.
_I1_BY_X = [0.5]
for _k in range(1, 13):
    _I1_BY_X.append(_I1_BY_X[-1] / (4 * _k * (_k + 1)))


def _i1_partial(x, y):
    """I0(x) - I1(x) / x."""
    near = absolute(x) < 1.0
    inside = where(near, x, 0.0)
    series = _I1_BY_X[-1]
    for c in _I1_BY_X[-2::-1]:
        series = series * (inside * inside) + c
    return i0(x) - where(near, series, y / where(near, 1.0, x))


i1: Any = elementwise(
    "i1", _i1, (_i1_partial,), ulp=8, doc="Modified Bessel function of the first kind, order 1.",
)  # fmt: skip

# --- without derivative -------------------------------------------------------------------------


def _integers(count):
    def examples(rng):
        return [([rng.integers(1, 9, (3, 4)) for _ in range(count)], ())]

    return examples


_PAIR = {"inputs": ("a", "b")}
signbit = nondifferentiable(
    "signbit",
    lambda x: np.signbit(x) & (x == x),
    doc="Whether the sign bit is set; False for nan, whose sign is no value (NumPy looks at it).",
)
spacing = nondifferentiable("spacing", np.spacing, doc="Distance to the next larger number.")
nextafter = nondifferentiable("nextafter", np.nextafter, **_PAIR, doc="a's neighbour towards b.")
heaviside = nondifferentiable(
    "heaviside", np.heaviside, **_PAIR, doc="0 for negative a, b at 0, 1 for positive a."
)
gcd = nondifferentiable(
    "gcd", np.gcd, **_PAIR, examples=_integers(2), doc="Greatest common divisor."
)
lcm = nondifferentiable("lcm", np.lcm, **_PAIR, examples=_integers(2), doc="Least common multiple.")
left_shift = nondifferentiable(
    "left_shift", np.left_shift, **_PAIR, examples=_integers(2), doc="a times 2 ** b, by bits."
)
right_shift = nondifferentiable(
    "right_shift", np.right_shift, **_PAIR, examples=_integers(2), doc="a over 2 ** b, by bits."
)


def _bits_set(x: np.ndarray) -> np.ndarray:
    if x.dtype.kind not in "biu":
        raise TypeError(f"bitwise_count: need integers, got {x.dtype}")
    size = np.abs(x).astype(f"u{x.dtype.itemsize}") if x.dtype.kind != "b" else x.astype("u1")
    bits = np.unpackbits(size.reshape(*x.shape, 1).view("u1"), axis=-1)
    return bits.sum(axis=-1, dtype=np.uint8)


bitwise_count = nondifferentiable(
    "bitwise_count", _bits_set, examples=_integers(1), doc="How many bits of |x| are set."
)

# --- order --------------------------------------------------------------------------------------


def _lines(*params):
    return lambda rng: [([rng.uniform(-2, 2, (3, 4))], p) for p in params]


def _argsort(x: np.ndarray, axis: int, stable: int) -> np.ndarray:
    """NumPy's; of its sorts the stable one alone does not use vectors: it is had of the others."""
    n = x.shape[axis]
    if not stable or n < 64 or x.dtype not in (np.float32, np.float64):
        return np.argsort(x, axis, kind="stable" if stable else None)
    lines = np.moveaxis(x, axis, -1)
    if x.dtype == np.float32 and n < 2**32:  # each number and its place in one integer
        bits = (lines + np.float32(0)).view(np.uint32)  # -0 is 0
        bits[np.isnan(lines)] = 0x7FFFFFFF
        bits ^= (bits.view(np.int32) >> 31).view(np.uint32) | np.uint32(1 << 31)
        keys = bits.astype(np.uint64)
        keys <<= np.uint64(32)
        keys |= np.arange(n, dtype=np.uint64)
        keys.sort(axis=-1)
        keys &= np.uint64(2**32 - 1)
        where = keys.view(np.int64)
    else:
        where = np.argsort(lines, -1)
        y = np.take_along_axis(lines, where, -1)
        if np.any(y[..., 1:] == y[..., :-1]) or np.isnan(y[..., -2]).any():  # equals
            return np.argsort(x, axis, kind="stable")
    return np.moveaxis(where, -1, axis)


argsort_row = nondifferentiable(  # params: (axis, stable)
    "argsort",
    _argsort,
    examples=_lines((0, 0), (1, 1)),
    doc="Positions that sort the lines along an axis.",
)
argpartition_row = nondifferentiable(  # params: (axis, *kth)
    "argpartition",
    lambda x, axis, *kth: np.argpartition(x, kth, axis),
    examples=_lines((0, 1), (1, 0, 2)),
    doc="Positions that put the elements at kth in sorted place along an axis.",
)


def _sorted_and_sought(rng):
    found = []
    for n in (0, 1, 2, 7, 100):
        a = np.sort(np.round(rng.uniform(-2, 2, n), 1))
        last = np.append(a, [np.inf, np.nan, np.nan])
        v = np.append(rng.uniform(-3, 3, 37), [*a[:3], np.nan, np.inf, -np.inf, -0.0])
        found += [([table, v.reshape(-1, 1)], (k,)) for table in (a, last) for k in (0, 1)]
    return found


searchsorted_row = nondifferentiable(  # params: (right,)
    "searchsorted",
    lambda a, v, right: np.searchsorted(a, v, "right" if right else "left"),
    **_PAIR,
    examples=_sorted_and_sought,
    large=lambda rng: [([np.sort(rng.uniform(-2, 2, 9001)), rng.uniform(-3, 3, 90_001)], (1,))],
    doc="Where in sorted a each v would go.",
)
