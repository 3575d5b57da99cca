"""Elementwise rows that SciPy computes: error functions, the gamma and Bessel families, entropies.

Registered when tapegrad.scipy.special is imported. Orders (n of polygamma, v of the Bessel
functions) have no rule: asking for that derivative raises. Formulas: Abramowitz & Stegun,
Handbook of Mathematical Functions (1964), ch. 6 (gamma), 7 (error function) and 9 (Bessel).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from scipy import special as sp

from ..errors import UnsupportedError
from . import incomplete
from .elementwise import absolute, exp, log, log1p, sign, sqrt, where, zmul
from .rows import elementwise

SQRT_PI_HALF = 0.8862269254527580
TWO_OVER_SQRT_PI = 1.1283791670955126
SQRT_TWO_PI = 2.5066282746310002
HALF_LOG_TWO_PI = 0.9189385332046727


def _in_dtype(function: Callable) -> Callable:
    """SciPy's function with its result in the last operand's precision."""

    def numpy(*arrays: Any) -> Any:
        *orders, x = arrays
        if x.dtype.kind != "f":
            return function(*arrays)
        return function(*[a.astype(x.dtype) for a in orders], x).astype(x.dtype, copy=False)

    return numpy


def _row(name: str, *partials: Any, complex: bool = False, **facts: Any) -> Any:
    """A row of SciPy's function of that name."""
    facts.setdefault("domain", (0.5, 2.0))
    function = getattr(sp, name)
    return elementwise(
        name, _in_dtype(function), partials, ulp=4, complex=complex,
        doc=f"scipy.special.{name}.", **facts,
    )  # fmt: skip


def _refused(name: str, argument: str) -> Callable:
    def partial():
        raise UnsupportedError(
            f"{name}: its derivative with respect to {argument} is not supported; give {argument} "
            "as a number or an array"
        )

    return partial


def _row_in_last(name: str, inputs: str, partial: Any, cases: Any, **facts: Any) -> Any:
    """The same, differentiated in its last input only; cases: integers for the others."""
    names = tuple(inputs.split())
    low, high = facts.pop("domain", (0.5, 2.0))
    return _row(
        name, *[_refused(name, other) for other in names[:-1]], partial,
        inputs=names, promotes=(len(names) - 1,),
        examples=lambda rng: [
            ([*map(np.asarray, case), rng.uniform(low, high, (2, 3))], ()) for case in cases
        ],
        **facts,
    )  # fmt: skip


def _ratio(x, y):
    """x / y, and 0 where x is 0."""
    return where(x == 0.0, 0.0, x / where(x == 0.0, 1.0, y))


# --- error functions and the normal distribution ----------------------------------------------
erfc = _row("erfc", lambda x: -TWO_OVER_SQRT_PI * exp(-(x * x)), domain=(-2, 2))
erfcx = _row("erfcx", lambda x, y: 2.0 * (x * y) - TWO_OVER_SQRT_PI, domain=(-1, 2))
erfinv = _row("erfinv", lambda y: SQRT_PI_HALF * exp(y * y), domain=(-0.8, 0.8))
erfcinv = _row("erfcinv", lambda y: -SQRT_PI_HALF * exp(y * y), domain=(0.2, 1.8))
ndtr = _row("ndtr", lambda x: exp(-0.5 * (x * x) - HALF_LOG_TWO_PI), domain=(-2, 2))
log_ndtr = _row("log_ndtr", lambda x, y: exp(-0.5 * (x * x) - HALF_LOG_TWO_PI - y), domain=(-3, 2))
ndtri = _row("ndtri", lambda y: SQRT_TWO_PI * exp(0.5 * (y * y)), domain=(0.1, 0.9))

# --- the gamma family -------------------------------------------------------------------------
gamma = _row("gamma", lambda x, y: y * digamma(x), complex=True)
gammaln = _row("gammaln", lambda x: digamma(x))
loggamma = _row("loggamma", lambda x: digamma(x), complex=True)
digamma = _row("digamma", lambda x: polygamma(np.asarray(1), x), complex=True, domain=(0.7, 2.5))
polygamma = _row_in_last(
    "polygamma", "n x", lambda n, x: polygamma(n + 1, x), [(1,), (2,)], domain=(1.0, 2.0)
)
beta = _row(
    "beta",
    lambda a, b, y: y * (digamma(a) - digamma(a + b)),
    lambda a, b, y: y * (digamma(b) - digamma(a + b)),
)
betaln = _row(
    "betaln",
    lambda a, b: digamma(a) - digamma(a + b),
    lambda a, b: digamma(b) - digamma(a + b),
)


def _shapes(names: str, *cases: Any, domain: tuple = (0.5, 2.0), params: tuple = ()) -> dict:
    """Facts of a row whose last input is drawn from the domain, and shapes from cases."""
    return {
        "inputs": tuple(names.split()),
        "examples": lambda rng: [
            ([*map(np.float64, case), rng.uniform(*domain, (2, 3))], params) for case in cases
        ],
    }


# Derivatives by shapes: ops/incomplete.py; n, m of the slopes' params say how often by each.
def _gamma_density(a, x):
    return exp(xlogy(a - 1, x) - x - gammaln(a))


def _gamma_density_slope(a, x, params):
    def logs(orders):
        (k,) = orders
        return log(x) - digamma(a) if k == 1 else -polygamma(np.asarray(k - 1), a)

    return zmul(_gamma_density(a, x), incomplete.growth(params, logs))


gammainc_slope = elementwise(
    "gammainc_slope", incomplete.gammainc_slope,
    (lambda a, x, params: gammainc_slope(a, x, params=(params[0] + 1,)), _gamma_density_slope),
    inputs=("a", "x"), ulp=64, complex=False, params=(1,), domain=(0.5, 2.0),
    doc="The n-th derivative of gammainc by a; params: (n,).",
)  # fmt: skip
gammainc = _row(
    "gammainc", lambda a, x: gammainc_slope(a, x, params=(1,)), _gamma_density,
    **_shapes("a x", (1,), (3,)),
)  # fmt: skip
gammaincc = _row(
    "gammaincc", lambda a, x: -gammainc_slope(a, x, params=(1,)),
    lambda a, x: -_gamma_density(a, x), **_shapes("a x", (1,), (3,)),
)  # fmt: skip


def _beta_density(a, b, x):
    return exp(xlogy(a - 1, x) + xlog1py(b - 1, -x) - betaln(a, b))


def _beta_density_slope(a, b, x, params):
    def logs(orders):
        k, j = orders
        if k + j == 1:
            return (log(x) - digamma(a) if k else log1p(-x) - digamma(b)) + digamma(a + b)
        shared = polygamma(np.asarray(k + j - 1), a + b)
        return shared if k and j else shared - polygamma(np.asarray(k + j - 1), a if k else b)

    return zmul(_beta_density(a, b, x), incomplete.growth(params, logs))


betainc_slope = elementwise(
    "betainc_slope", incomplete.betainc_slope,
    (
        lambda a, b, x, params: betainc_slope(a, b, x, params=(params[0] + 1, params[1])),
        lambda a, b, x, params: betainc_slope(a, b, x, params=(params[0], params[1] + 1)),
        _beta_density_slope,
    ),
    ulp=64, complex=False, **_shapes("a b x", (1, 2), domain=(0.2, 0.8), params=(1, 1)),
    doc="The derivative of betainc, n times by a and m times by b; params: (n, m).",
)  # fmt: skip
betainc = _row(
    "betainc",
    lambda a, b, x: betainc_slope(a, b, x, params=(1, 0)),
    lambda a, b, x: betainc_slope(a, b, x, params=(0, 1)),
    _beta_density,
    **_shapes("a b x", (1, 2), (3, 2), domain=(0.2, 0.8)),
)


def student_density(df, x):
    """Log density of Student's t distribution."""
    scale = -betaln(0.5, df * 0.5) - 0.5 * log(df)
    return scale - 0.5 * (df + 1.0) * log1p(x * x / df)


def _by_freedom(df, x):
    """The derivative of stdtr by df: the tail beyond |x| is betainc(df / 2, 1 / 2, z) / 2 with
    z = df / (df + x^2), and z changes with df as well."""
    square = x * x
    z = df / (df + square)
    half = df * 0.5
    tail = 0.5 * betainc_slope(half, 0.5, z, params=(1, 0))
    # density(z) dz/ddf, where (1 - z)^-1/2 of the density meets (1 - z) of dz/ddf
    root = absolute(x) / sqrt(df + square)
    moved = exp(xlogy(half, z) - betaln(half, 0.5)) * root / df
    return -0.5 * sign(x) * (tail + moved)


stdtr = _row(
    "stdtr", _by_freedom, lambda df, x: exp(student_density(df, x)),
    **_shapes("df x", (1,), (5,), domain=(-2, 2)),
)  # fmt: skip


# --- logarithms and entropies -----------------------------------------------------------------
logit = _row("logit", lambda x: 1.0 / (x * (1.0 - x)), domain=(0.1, 0.9))
xlogy = _row("xlogy", lambda b: log(b), lambda a, b: _ratio(a, b))
xlog1py = _row("xlog1py", lambda b: log1p(b), lambda a, b: _ratio(a, 1.0 + b))
entr = _row("entr", lambda x: -1.0 - log(x))
rel_entr = _row("rel_entr", lambda a, b: log(a / b) + 1.0, lambda a, b: -_ratio(a, b))
kl_div = _row("kl_div", lambda a, b: log(a / b), lambda a, b: 1.0 - _ratio(a, b))
exp1 = _row("exp1", lambda x: -exp(-x) / x)
expi = _row("expi", lambda x: exp(x) / x)

# --- Bessel functions -------------------------------------------------------------------------
_ORDERS = [(0,), (1,), (3,)]
jv = _row_in_last(
    "jv", "v x", lambda v, x: 0.5 * (jv(v - 1, x) - jv(v + 1, x)), _ORDERS, domain=(-2, 2)
)
iv = _row_in_last(
    "iv", "v x", lambda v, x: 0.5 * (iv(v - 1, x) + iv(v + 1, x)), _ORDERS, domain=(-2, 2)
)
ive = _row_in_last(
    "ive", "v x",
    lambda v, x, y: 0.5 * (ive(v - 1, x) + ive(v + 1, x)) - sign(x) * y, _ORDERS,
)  # fmt: skip
j0 = _row("j0", lambda x: -j1(x), domain=(-2, 2))
j1 = _row("j1", lambda x: 0.5 * (j0(x) - jv(np.asarray(2), x)), domain=(-2, 2))
y0 = _row("y0", lambda x: -y1(x))
y1 = _row("y1", lambda x, y: y0(x) - y / x)
i0e = _row("i0e", lambda x, y: i1e(x) - sign(x) * y)
i1e = _row("i1e", lambda x, y: 0.5 * (i0e(x) + ive(np.asarray(2), x)) - sign(x) * y)
