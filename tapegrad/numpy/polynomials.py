"""NumPy's polynomial functions: coefficients in one array, highest power first."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..ops import composite, linear, reductions
from ..ops.axes import as_tensor
from ..ops.complex import real
from ..ops.shapes import as_dtype, concatenate, expand_dims, ravel, stack
from ..tensor import Tensor, tensor
from . import linalg
from .calculus import convolve
from .joining import trim_zeros
from .registry import differentiable


@differentiable("polyval(v, x)", "polyval(x[0], s)")
def polyval(p: Any, x: Any) -> Tensor:
    """The polynomial's value at x, by Horner's rule."""
    x = as_tensor(x)
    y: Any = tensor(np.zeros(x.shape, x.dtype))
    for c in as_tensor(p):
        y = y * x + c
    return y


@differentiable("vander(v)", "vander(v, 3, increasing=True)")
def vander(x: Any, N: int | None = None, increasing: bool = False) -> Tensor:
    """Columns of powers of x: N - 1 down to 0, or 0 up."""
    x = as_tensor(x)
    if x.ndim != 1:
        raise ValueError(f"vander: need one axis, got {x.shape}")
    N = x.size if N is None else N
    x = as_dtype(x, np.result_type(x.dtype, int))
    if not N:
        return tensor(np.zeros((x.size, 0), x.dtype))
    columns = [tensor(np.ones(x.size, x.dtype)), x][:N]
    for _ in range(N - 2):
        columns.append(columns[-1] * x)
    return stack(columns if increasing else columns[::-1], 1)


def _coefficients(a: Any) -> Tensor:
    x = as_tensor(a)
    return x if x.ndim else linear.reshape(x, (1,))


def _aligned(a1: Any, a2: Any) -> tuple[Tensor, Tensor]:
    a, b = _coefficients(a1), _coefficients(a2)
    n = max(a.size, b.size)
    found = []
    for x in (a, b):
        zeros = tensor(np.zeros(n - x.size, x.dtype))
        found.append(concatenate([zeros, x]) if n > x.size else x)
    return found[0], found[1]


@differentiable("polyadd(v, t)", "polyadd(t, w)")
def polyadd(a1: Any, a2: Any) -> Tensor:
    """The sum of two polynomials."""
    a, b = _aligned(a1, a2)
    return a + b


@differentiable("polysub(v, t)")
def polysub(a1: Any, a2: Any) -> Tensor:
    """The difference of two polynomials."""
    a, b = _aligned(a1, a2)
    return a - b


@differentiable("polymul(v, t)")
def polymul(a1: Any, a2: Any) -> Tensor:
    """The product of two polynomials."""
    return convolve(_trimmed(a1), _trimmed(a2))


def _trimmed(a: Any) -> Tensor:
    """Coefficients from the first that is not zero; one zero if all are."""
    p = trim_zeros(_coefficients(a), "f")
    return p if p.size else tensor(np.zeros(1, p.dtype))


@differentiable("polydiv(t, w)[0]", "polydiv(t, w)[1]")
def polydiv(u: Any, v: Any) -> tuple[Tensor, Tensor]:
    """Quotient and remainder of two polynomials."""
    rest, v = _coefficients(u) * 1.0, _coefficients(v) * 1.0
    digits: list[Any] = []
    for k in range(rest.size - v.size + 1):
        digits.append(rest[k] / v[0])
        lead, after = rest[:k], rest[k + v.size :]
        rest = concatenate([lead, rest[k : k + v.size] - digits[-1] * v, after])
    if not digits:
        return tensor(np.zeros(1, rest.dtype)), rest
    rest = rest[len(digits) :] if v.size > 1 else rest[-1:] * 0.0
    while rest.size > 1 and abs(rest[0].item()) <= 1e-8:
        rest = rest[1:]
    return stack(digits), rest


@differentiable("polyder(t)", "polyder(t, 2)")
def polyder(p: Any, m: int = 1) -> Tensor:
    """The m-th derivative of a polynomial."""
    p = _coefficients(p)
    if m < 0:
        raise ValueError(f"polyder: order {m} is negative")
    for _ in range(m):
        p = p[:-1] * np.arange(p.size - 1, 0, -1)
    return p


@differentiable("polyint(v)", "polyint(v, 2, k=[s, 1.0])")
def polyint(p: Any, m: int = 1, k: Any = None) -> Tensor:
    """The m-th antiderivative of a polynomial; k are the constants of integration."""
    if m < 0:
        raise ValueError(f"polyint: order {m} is negative")
    p = _coefficients(p)
    constants = as_tensor(np.zeros(m) if k is None else k)
    constants = constants if constants.ndim and constants.size == m else constants * np.ones(m)
    for i in range(m):
        p = concatenate([p / np.arange(p.size, 0, -1), constants[i : i + 1]])
    return p


@differentiable("poly(v)", "poly(t)")
def poly(seq_of_zeros: Any) -> Tensor:
    """The polynomial with these roots; of a square matrix, its characteristic polynomial."""
    roots = as_tensor(seq_of_zeros)
    if roots.ndim == 2:
        roots = linalg.eigvals(roots)
    if not roots.size:
        return tensor(1.0)
    roots = as_dtype(roots, np.mintypecode(roots.dtype.char))
    y = tensor(np.ones(1, roots.dtype))
    for r in ravel(roots):
        y = convolve(y, concatenate([tensor(np.ones(1, y.dtype)), linear.reshape(-r, (1,))]))
    if y.dtype.kind == "c":  # real if the roots come in conjugate pairs
        known = np.sort_complex(roots.numpy())
        if np.array_equal(known, np.sort_complex(known.conj())):
            return real(y)
    return y


@differentiable("real(sum(exp(roots(p[0]))))", note="by linalg.eigvals")
def roots(p: Any) -> Tensor:
    """The roots of a polynomial: the eigenvalues of its companion matrix."""
    p = _coefficients(p) * 1.0
    if p.ndim != 1:
        raise ValueError(f"roots: need one axis, got {p.shape}")
    n_zero = p.size - trim_zeros(p, "b").size
    p = trim_zeros(p)
    zeros = tensor(np.zeros(n_zero))
    if p.size < 2:
        return zeros
    below = np.eye(p.size - 2, p.size - 1, dtype=p.dtype)
    companion = concatenate([linear.reshape(-p[1:] / p[0], (1, p.size - 1)), below])
    found = linalg.eigvals(companion)
    return concatenate([found, zeros]) if n_zero else found


@differentiable(
    "polyfit(t, cos(t), 2)", "polyfit(t, stack([t * t, sin(t)], 1), 1)", "polyfit(v, w, 2, w=w)",
    "polyfit(t, sin(t), 1, full=True)[1]", "polyfit(t, sin(t), 1, cov=True)[1]",
    "polyfit(t, stack([t * t, sin(t)], 1), 1, cov='unscaled')[1]",
)  # fmt: skip
def polyfit(
    x: Any, y: Any, deg: int, rcond: Any = None, full: bool = False, w: Any = None,
    cov: bool | str = False,
) -> Any:  # fmt: skip
    """Coefficients of the polynomial of degree deg that fits points (x, y) with least squares.

    Args:
        w: factors of each point's distance.
        full: give also residuals, rank, singular values and rcond, as linalg.lstsq has them.
        cov: give also the coefficients' covariances, times the residuals over the degrees of
            freedom ("unscaled": not so).
    Raises:
        ValueError: if there are too few points to scale covariances.
    """
    x, y = as_tensor(x) * 1.0, as_tensor(y) * 1.0
    if x.ndim != 1 or not x.size or y.ndim not in (1, 2) or y.shape[0] != x.size or deg < 0:
        raise ValueError(
            f"polyfit: need points x (m,), y (m,) or (m, k), and deg >= 0; got {x.shape}, "
            f"{y.shape} and {deg}"
        )
    lhs, rhs = vander(x, deg + 1), y
    if w is not None:
        weights = as_tensor(w)
        if weights.shape != x.shape:
            raise ValueError(f"polyfit: w of shape {weights.shape} does not fit x {x.shape}")
        lhs = lhs * expand_dims(weights, 1)
        rhs = rhs * (weights if rhs.ndim == 1 else expand_dims(weights, 1))
    scale = reductions.sum(lhs * lhs, 0) ** 0.5
    rcond = x.size * float(np.finfo(x.dtype).eps) if rcond is None else rcond
    c, residuals, rank, sizes = linalg.lstsq(lhs / scale, rhs, rcond)
    c = c / scale if c.ndim == 1 else c / expand_dims(scale, 1)
    if full:
        return c, residuals, rank, sizes, rcond
    if not cov:
        return c
    spread = linalg.inv(composite.dot(lhs.T, lhs))
    if cov != "unscaled":
        if x.size <= deg + 1:
            raise ValueError(
                f"polyfit: {x.size} points are too few to scale the covariance of {deg + 1} "
                "coefficients; give cov='unscaled'"
            )
        factors = residuals / (x.size - deg - 1)
        spread = spread * factors if y.ndim == 1 else expand_dims(spread, -1) * factors
    elif y.ndim == 2:
        spread = expand_dims(spread, -1)
    return c, spread
