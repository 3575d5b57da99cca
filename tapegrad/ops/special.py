"""NumPy forms of the functions that NumPy lacks: erf, sigmoid, softplus and their kin.

They serve the NumPy engine, and dtypes the C core has no kernel for. Computed in the input's own
dtype (integers in float64), stable at both ends.
"""

from __future__ import annotations

import numpy as np

# Rational approximations of erf and erfc: W. J. Cody, Rational Chebyshev approximations for the
# error function, Math. Comp. 23 (1969); relative error below 1e-15 in float64.
_SMALL_P = (1.85777706184603153e-1, 3.16112374387056560, 1.13864154151050156e2,
            3.77485237685302021e2, 3.20937758913846947e3)  # fmt: skip
_SMALL_Q = (1.0, 2.36012909523441209e1, 2.44024637934444173e2, 1.28261652607737228e3,
            2.84423683343917062e3)  # fmt: skip
_MIDDLE_P = (2.15311535474403846e-8, 5.64188496988670089e-1, 8.88314979438837594,
             6.61191906371416295e1, 2.98635138197400131e2, 8.81952221241769090e2,
             1.71204761263407058e3, 2.05107837782607147e3, 1.23033935479799725e3)  # fmt: skip
_MIDDLE_Q = (1.0, 1.57449261107098347e1, 1.17693950891312499e2, 5.37181101862009858e2,
             1.62138957456669019e3, 3.29079923573345963e3, 4.36261909014324716e3,
             3.43936767414372164e3, 1.23033935480374942e3)  # fmt: skip


def _floating(x: np.ndarray) -> np.ndarray:
    return x if x.dtype.kind in "fc" else x.astype(np.float64)


def erf(x: np.ndarray) -> np.ndarray:
    """The error function, 2 / sqrt(pi) times the integral of exp(-t^2) from 0 to x."""
    x = _floating(x)
    wide = np.asarray(x, np.result_type(x.dtype, np.float64))
    size = np.abs(wide)
    square = np.minimum(size, 0.5) ** 2
    small = wide * np.polyval(_SMALL_P, square) / np.polyval(_SMALL_Q, square)
    middle = np.clip(size, 0.46875, 6.0)  # beyond 6, erf is 1 to float64
    tail = np.exp(-middle * middle) * np.polyval(_MIDDLE_P, middle) / np.polyval(_MIDDLE_Q, middle)
    return np.where(size <= 0.46875, small, np.copysign(1.0 - tail, wide)).astype(x.dtype)


def sigmoid(x: np.ndarray) -> np.ndarray:
    """1 / (1 + exp(-x)), without overflow."""
    x = _floating(x)
    shrunk = np.exp(-np.abs(x))
    return np.where(x >= 0, 1, shrunk) / (1 + shrunk)


def softplus(x: np.ndarray) -> np.ndarray:
    """log(1 + exp(x)), without overflow."""
    x = _floating(x)
    return np.maximum(x, 0) + np.log1p(np.exp(-np.abs(x)))


def silu(x: np.ndarray) -> np.ndarray:
    """x * sigmoid(x); 0 at minus infinity."""
    x = _floating(x)
    with np.errstate(invalid="ignore"):
        return np.where(x == -np.inf, x.dtype.type(0), x * sigmoid(x))


def gelu(x: np.ndarray) -> np.ndarray:
    """x times the normal distribution function of x."""
    x = _floating(x)
    with np.errstate(invalid="ignore"):
        y = 0.5 * x * (1 + erf(x * x.dtype.type(0.7071067811865476)))
    return np.where(x == -np.inf, x.dtype.type(0), y)


def gelu_tanh(x: np.ndarray) -> np.ndarray:
    """The tanh form of gelu: 0.5 x (1 + tanh(sqrt(2 / pi) (x + 0.044715 x^3)))."""
    x = _floating(x)
    with np.errstate(invalid="ignore", over="ignore"):
        y = 0.5 * x * (1 + np.tanh(0.7978845608028654 * (x + 0.044715 * (x * x * x))))
    return np.where(x == -np.inf, x.dtype.type(0), y)


def elu(x: np.ndarray, alpha: float) -> np.ndarray:
    """x where positive, alpha * (exp(x) - 1) elsewhere."""
    x = _floating(x)
    return np.where(x > 0, x, alpha * np.expm1(np.minimum(x, 0)))


def leaky_relu(x: np.ndarray, slope: float) -> np.ndarray:
    """x where positive, slope * x elsewhere."""
    return np.where(x > 0, x, slope * x)


def zmul(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """a * b, and 0 where a is 0, whatever b is: how a cotangent meets a partial."""
    with np.errstate(invalid="ignore", over="ignore"):
        return np.where(a == 0, np.zeros((), a.dtype), a * b)
