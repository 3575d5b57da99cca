"""NumPy's polynomial functions: coefficients in one array, highest power first."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..ops import composite, linear, reductions
from ..ops.axes import as_tensor
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
    y: Any = x * 0
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
    x = x if x.dtype.kind in "fc" else as_dtype(x, np.result_type(x.dtype, int))
    if not N:
        return tensor(np.zeros((x.size, 0), x.dtype))
    columns = [x * 0 + 1]
    for _ in range(N - 1):
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
    return convolve(_coefficients(a1), _coefficients(a2))


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
    y = tensor(np.ones(1, np.result_type(roots.dtype, np.float64)))
    for r in ravel(roots):
        y = convolve(y, concatenate([tensor(np.ones(1, y.dtype)), linear.reshape(-r, (1,))]))
    return y


@differentiable("real(sum(exp(roots(p[0]))))", note="by linalg.eigvals")
def roots(p: Any) -> Tensor:
    """The roots of a polynomial: the eigenvalues of its companion matrix."""
    p = _coefficients(p)
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


@differentiable("polyfit(t, cos(t), 2)", "polyfit(t, stack([t * t, sin(t)], 1), 1)",
                "polyfit(v, w, 2, w=w)")  # fmt: skip
def polyfit(x: Any, y: Any, deg: int, rcond: Any = None, full: bool = False, w: Any = None) -> Any:
    """Coefficients of the polynomial of degree deg that fits points (x, y) with least squares."""
    if full:
        raise ValueError("polyfit: full=True is not supported for Tensors")
    x, y = as_tensor(x) * 1.0, as_tensor(y) * 1.0
    lhs, rhs = vander(x, deg + 1), y
    if w is not None:
        weights = as_tensor(w)
        lhs = lhs * expand_dims(weights, 1)
        rhs = rhs * (weights if rhs.ndim == 1 else expand_dims(weights, 1))
    scale = reductions.sum(lhs * lhs, 0) ** 0.5
    scaled = lhs / scale
    c = composite.dot(linalg.pinv(scaled), rhs)
    return c / scale if c.ndim == 1 else c / expand_dims(scale, 1)
