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


_LARGE_P = (1.63153871373020978e-2, 3.05326634961232344e-1, 3.60344899949804439e-1,
            1.25781726111229246e-1, 1.60837851487422766e-2, 6.58749161529837803e-4)  # fmt: skip
_LARGE_Q = (1.0, 2.56852019228982242, 1.87295284992346047, 5.27905102951428412e-1,
            6.05183413124413191e-2, 2.33520497626869185e-3)  # fmt: skip


def floating(x: np.ndarray) -> np.ndarray:
    """Integers and bools as float64, the rest as it is."""
    return x if x.dtype.kind in "fc" else x.astype(np.float64)


def rsqrt(x: np.ndarray) -> np.ndarray:
    """x to the power -1/2: 1 / sqrt(x), which is -inf at -0 and nan at -inf, put right there."""
    root = np.sqrt(x)
    if root.dtype.kind != "c":
        root = np.where(np.equal(x, -np.inf), np.inf, root + 0)
    return 1 / root


def _erf_near(x: np.ndarray) -> np.ndarray:
    """erf(x) for |x| <= 0.46875, anything beyond."""
    square = np.minimum(np.abs(x), 0.5) ** 2
    return x * np.polyval(_SMALL_P, square) / np.polyval(_SMALL_Q, square)


def _erfc_far(x: np.ndarray) -> np.ndarray:
    """1 - erf(x) for x >= 0.46875, with small relative error in its tail too."""
    middle = np.clip(x, 0.46875, 4.0)
    at_middle = np.polyval(_MIDDLE_P, middle) / np.polyval(_MIDDLE_Q, middle)
    z = 1 / np.clip(x, 4.0, 1e10) ** 2
    at_large = 0.5641895835477563 - z * np.polyval(_LARGE_P, z) / np.polyval(_LARGE_Q, z)
    with np.errstate(under="ignore", over="ignore"):
        return np.exp(-x * x) * np.where(x <= 4.0, at_middle, at_large * np.sqrt(z))


def erf(x: np.ndarray) -> np.ndarray:
    """The error function, 2 / sqrt(pi) times the integral of exp(-t^2) from 0 to x."""
    x = floating(x)
    wide = np.asarray(x, np.result_type(x.dtype, np.float64))
    size = np.abs(wide)
    far = np.copysign(1.0 - _erfc_far(size), wide)
    return np.where(size <= 0.46875, _erf_near(wide), far).astype(x.dtype)


def sigmoid(x: np.ndarray) -> np.ndarray:
    """1 / (1 + exp(-x)), without overflow."""
    x = floating(x)
    shrunk = np.exp(-np.abs(x))
    return np.where(x >= 0, 1, shrunk) / (1 + shrunk)


def softplus(x: np.ndarray) -> np.ndarray:
    """log(1 + exp(x)), without overflow."""
    x = floating(x)
    return np.maximum(x, 0) + np.log1p(np.exp(-np.abs(x)))


def binary_cross_entropy_with_logits(x: np.ndarray, target: np.ndarray) -> np.ndarray:
    """softplus(x) - target x, summed so that a sure and right answer keeps its small loss."""
    x = floating(x)
    return np.maximum(x, 0) - x * target + np.log1p(np.exp(-np.abs(x)))


def silu(x: np.ndarray) -> np.ndarray:
    """x * sigmoid(x); 0 at minus infinity."""
    x = floating(x)
    with np.errstate(invalid="ignore"):
        return np.where(x == -np.inf, x.dtype.type(0), x * sigmoid(x))


def gelu(x: np.ndarray) -> np.ndarray:
    """x times the normal distribution function of x."""
    x = floating(x)
    wide = np.asarray(x, np.result_type(x.dtype, np.float64))
    size = np.minimum(np.abs(wide), 60.0)  # beyond, the tail is 0
    return (np.maximum(wide, 0.0) - size * _normal_tail(size)).astype(x.dtype)


def gelu_slope(x: np.ndarray) -> np.ndarray:
    """gelu's derivative: Phi(x) + x phi(x), phi the normal distribution's density."""
    x = floating(x)
    wide = np.asarray(x, np.result_type(x.dtype, np.float64))
    size = np.minimum(np.abs(wide), 60.0)
    density = 0.3989422804014327 * np.exp(-0.5 * (size * size))
    below = _normal_tail(size) - size * density
    return np.where(wide >= 0, 1.0 - below, below).astype(x.dtype)


def _normal_tail(x: np.ndarray) -> np.ndarray:
    """Phi(-x) for 0 <= x < 60."""
    root = x * 0.7071067811865476
    return 0.5 * np.where(root <= 0.46875, 1.0 - _erf_near(root), _erfc_far(root))


def gelu_tanh(x: np.ndarray) -> np.ndarray:
    """The tanh form of gelu: x (1 + tanh(u)) / 2, u = sqrt(2 / pi) (x + 0.044715 x^3).

    As x sigmoid(2 u), which does not cancel for negative x.
    """
    x = floating(x)
    wide = np.asarray(x, np.result_type(x.dtype, np.float64))
    with np.errstate(over="ignore", invalid="ignore"):
        gate = sigmoid(1.5957691216057308 * wide + 0.07135481627260025 * (wide * wide * wide))
        return np.where(gate == 0, 0.0, wide * gate).astype(x.dtype)


def elu(x: np.ndarray, alpha: np.ndarray) -> np.ndarray:
    """x where positive, alpha * (exp(x) - 1) elsewhere."""
    x = floating(x)
    return np.where(x > 0, x, alpha * np.expm1(np.minimum(x, 0)))


def leaky_relu(x: np.ndarray, slope: np.ndarray) -> np.ndarray:
    """x where positive, slope * x elsewhere."""
    return np.where(x > 0, x, slope * x)


def zmul(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """a * b, and 0 where a is 0, whatever b is: how a cotangent meets a partial."""
    with np.errstate(invalid="ignore", over="ignore"):
        return np.where(a == 0, np.zeros((), a.dtype), a * b)


def zzmul(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """a * b, and 0 where either is 0, whatever the other is."""
    return np.where(b == 0, np.zeros((), b.dtype), zmul(a, b))


def tanh_vjp(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """a (1 - b^2), a zero staying zero."""
    with np.errstate(invalid="ignore", over="ignore"):
        return zmul(a, 1 - b * b)
