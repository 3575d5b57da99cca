"""Rows of factorisations of matrices: eigenvectors, singular values and vectors, QR.

A row has one result, so factors come packed in one array, which the functions of
tapegrad.numpy.linalg take apart: eigh and eig as [w | v], svd as [u; s; v], qr as [q; r].
Rules are written for the conjugate of the cotangent, as the literature has them.

Where eigenvalues or singular values coincide their vectors have no derivative. The rules put 0
where they would divide by a difference of 0: right, to first order, for functions that do not
depend on the choice of basis (docs/linalg.md).

Sources: Giles (2008), see linalg.py; Townsend, Differentiating the singular value decomposition
(2016); Wan & Zhang, Automatic differentiation for complex valued SVD (2019); Boeddeker et al., On
the computation of complex-valued gradients (2017); Walter & Lehmann, Algorithmic differentiation
of linear algebra functions (2010).
"""

from __future__ import annotations

import numpy as np

from .complex import conj, imag, real
from .composite import diagonal
from .elementwise import where
from .linalg import (
    REGULAR,
    adjoint,
    diagonals,
    hermitian_part,
    lower,
    positive,
    regular,
    solve,
    symmetrized,
    turned,
    upper,
)
from .linear import reshape
from .rows import custom, nondifferentiable
from .shapes import as_dtype, concatenate
from .structured import as_column, matmul


def over(x):
    """1 / x, and 0 where x is 0."""
    is_zero = x == 0.0
    return where(is_zero, 0.0, 1.0 / where(is_zero, 1.0, x))


def as_row(x):
    """Vectors (..., n) as (..., 1, n), to scale columns by."""
    return reshape(x, (*x.shape[:-1], 1, x.shape[-1]))


def _differences(w):
    """w_j - w_i at (i, j)."""
    return as_row(w) - as_column(w)


def _diagonal(x):
    return diagonal(x, -2, -1)


def _pack(w, v):
    return concatenate([as_column(w), v], -1)


# --- Hermitian eigenvectors -------------------------------------------------------------------


def _eigh_numpy(a, is_upper=0):
    w, v = np.linalg.eigh(symmetrized(a, "eigh"), "U" if is_upper else "L")
    return np.concatenate([w[..., None], v], -1)


def _eigh_vjp(ct, y):
    g, v = conj(ct), y[..., 1:]
    m = over(_differences(real(y[..., 0]))) * matmul(adjoint(v), g[..., 1:])
    m = m + diagonals(real(g[..., 0]))
    return conj(hermitian_part(matmul(matmul(v, m), adjoint(v))))


def _eigh_jvp(t, y):
    v = y[..., 1:]
    p = matmul(matmul(adjoint(v), hermitian_part(t)), v)
    dv = matmul(v, over(_differences(real(y[..., 0]))) * p)
    return _pack(real(_diagonal(p)), dv)


eigh = custom(  # params: (whether LAPACK reads the upper triangle: its signs differ,) or none
    "eigh",
    _eigh_numpy,
    inputs=("a",),
    vjps=[_eigh_vjp],
    jvps=[_eigh_jvp],
    examples=lambda rng: [([positive(rng, *s)], ()) for s in ((3, 3), (2, 2, 2), (1, 1))],
    doc="Eigenvalues and orthonormal eigenvectors of Hermitian matrices, as [w | v].",
)


def _eigvalsh_vjp(ct, a):
    v = eigh(a)[..., 1:]
    return conj(matmul(v * as_row(ct), adjoint(v)))


def _eigvalsh_jvp(t, a):
    v = eigh(a)[..., 1:]
    return real(_diagonal(matmul(matmul(adjoint(v), hermitian_part(t)), v)))


eigvalsh = custom(
    "eigvalsh",
    lambda a: np.linalg.eigvalsh(symmetrized(a, "eigvalsh")),
    inputs=("a",),
    vjps=[_eigvalsh_vjp],
    jvps=[_eigvalsh_jvp],
    examples=lambda rng: [([positive(rng, *s)], ()) for s in ((3, 3), (2, 2, 2))],
    doc="Eigenvalues of Hermitian matrices, ascending.",
)

# --- general eigenvectors ---------------------------------------------------------------------


def _apart(rng, *shape):
    """Matrices, not Hermitian, with eigenvalues apart."""
    x = 0.3 * regular(rng, *shape) + 0.2j * rng.uniform(-1, 1, shape)
    return x + np.diag(np.arange(1.0, 1 + 2 * shape[-1], 2))


def _complex(dtype):
    return np.result_type(dtype, np.complex64)


def _eig_numpy(a):
    w, v = np.linalg.eig(a)
    return np.concatenate([w[..., None], v], -1).astype(_complex(v.dtype), copy=False)


def _as_input(ga, a):
    """A conjugated cotangent of a; where a is real only its real part counts."""
    return conj(ga) if a.dtype.kind == "c" else as_dtype(real(ga), a.dtype)


def _eig_vjp(ct, a_like, y):
    g, v = conj(ct), y[..., 1:]
    vh = adjoint(v)
    m = matmul(vh, g[..., 1:])
    m = m - matmul(vh, v) * as_row(real(_diagonal(m)))  # the columns' norms stay 1
    m = m * over(conj(_differences(y[..., 0]))) + diagonals(g[..., 0])
    return _as_input(solve(vh, matmul(m, vh)), a_like)


def _eig_jvp(t, y):
    v = y[..., 1:]
    p = solve(v, matmul(t, v))
    dv = matmul(v, over(_differences(y[..., 0])) * p)
    dv = dv - v * as_row(real(_diagonal(matmul(adjoint(v), dv))))
    return _pack(_diagonal(p), dv)


eig = custom(
    "eig",
    _eig_numpy,
    inputs=("a",),
    vjps=[_eig_vjp],
    jvps=[_eig_jvp],
    domain=REGULAR,
    examples=lambda rng: [([_apart(rng, *s)], ()) for s in ((3, 3), (2, 2, 2))],
    doc="Eigenvalues and eigenvectors of norm 1 of square matrices, complex, as [w | v].",
)


def _eigvals_vjp(ct, a):
    vh = adjoint(eig(a)[..., 1:])
    return _as_input(solve(vh, as_column(conj(ct)) * vh), a)


def _eigvals_jvp(t, a):
    v = eig(a)[..., 1:]
    return _diagonal(solve(v, matmul(t, v)))


def _eigvals_numpy(a):
    w = np.linalg.eigvals(a)
    return w.astype(_complex(w.dtype), copy=False)


eigvals = custom(
    "eigvals",
    _eigvals_numpy,
    inputs=("a",),
    vjps=[_eigvals_vjp],
    jvps=[_eigvals_jvp],
    domain=REGULAR,
    examples=lambda rng: [([_apart(rng, *s)], ()) for s in ((3, 3), (2, 2, 2))],
    doc="Eigenvalues of square matrices, complex.",
)

# --- singular values --------------------------------------------------------------------------


def _svd_numpy(a):
    u, s, vh = np.linalg.svd(a, full_matrices=False)
    return np.concatenate([u, s[..., None, :], np.swapaxes(vh, -1, -2).conj()], -2)


def svd_parts(y, m):
    """u, s and v of svd's packed result, for matrices of m rows."""
    return y[..., :m, :], real(y[..., m, :]), y[..., m + 1 :, :]


def _gaps(s):
    """1 / (s_j^2 - s_i^2) at (i, j), 0 where they coincide."""
    return over(_differences(s) * (as_row(s) + as_column(s)))


def _off(x, u):
    """x less its part in the span of u's orthonormal columns."""
    return x - matmul(u, matmul(adjoint(u), x))


def _svd_vjp(ct, a_like, y):
    m, n = a_like.shape[-2:]
    u, s, v = svd_parts(y, m)
    gu, gs, gv = svd_parts(conj(ct), m)
    gaps = _gaps(s)
    uu, vv = matmul(adjoint(u), gu), matmul(adjoint(v), gv)
    inner = gaps * (uu - adjoint(uu)) * as_row(s)
    inner = inner + as_column(s) * (gaps * (vv - adjoint(vv)))
    inner = inner + diagonals(gs)
    if y.dtype.kind == "c":  # the phases that u and v share
        inner = inner + diagonals(imag(_diagonal(uu)) * over(s)) * 1j
    ga = matmul(matmul(u, inner), adjoint(v))
    if m > n:
        ga = ga + matmul(_off(gu, u) * as_row(over(s)), adjoint(v))
    if n > m:
        ga = ga + matmul(u, adjoint(_off(gv, v) * as_row(over(s))))
    return conj(ga)


def _svd_jvp(t, a_like, y):
    m, n = a_like.shape[-2:]
    u, s, v = svd_parts(y, m)
    gaps, tv = _gaps(s), matmul(t, v)
    p = matmul(adjoint(u), tv)
    ph = adjoint(p)
    du = matmul(u, gaps * (p * as_row(s) + as_column(s) * ph))
    dv = matmul(v, gaps * (as_column(s) * p + ph * as_row(s)))
    if y.dtype.kind == "c":
        du = du + u * as_row(imag(_diagonal(p)) * over(s)) * 1j
    if m > n:
        du = du + _off(tv, u) * as_row(over(s))
    if n > m:
        dv = dv + _off(matmul(adjoint(t), u), v) * as_row(over(s))
    return concatenate([du, as_row(real(_diagonal(p))), dv], -2)


def _spread(rng, *shape):
    """Matrices with singular values apart."""
    x = np.zeros(shape)
    k = np.arange(min(shape[-2:]))
    x[..., k, k] = 2.0 + 2 * k
    return x + rng.uniform(-0.4, 0.4, shape)


def _spreads(*shapes):
    return lambda rng: [([_spread(rng, *s)], ()) for s in shapes]


svd = custom(
    "svd",
    _svd_numpy,
    inputs=("a",),
    vjps=[_svd_vjp],
    jvps=[_svd_jvp],
    examples=_spreads((3, 3), (3, 2), (2, 3), (2, 2, 2)),
    doc="The reduced singular value decomposition u s v^H, as [u; s; v].",
)


def _svdvals_vjp(ct, a):
    u, _, v = svd_parts(svd(a), a.shape[-2])
    return conj(matmul(u * as_row(ct), adjoint(v)))


def _svdvals_jvp(t, a):
    u, _, v = svd_parts(svd(a), a.shape[-2])
    return real(_diagonal(matmul(adjoint(u), matmul(t, v))))


svdvals = custom(
    "svdvals",
    lambda a: np.linalg.svd(a, compute_uv=False),
    inputs=("a",),
    vjps=[_svdvals_vjp],
    jvps=[_svdvals_jvp],
    examples=_spreads((3, 3), (3, 2), (2, 2, 3)),
    doc="Singular values of matrices, descending.",
)

# --- QR ---------------------------------------------------------------------------------------


def _qr_numpy(a):
    q, r = np.linalg.qr(a)
    return np.concatenate([q, r], -2)


def _qr_vjp(ct, a_like, y):
    m = a_like.shape[-2]
    g, q, r = conj(ct), y[..., :m, :], y[..., m:, :]
    gq, gr = g[..., :m, :], upper(g[..., m:, :])
    x = upper(matmul(gr, adjoint(r)) - matmul(adjoint(q), gq))
    x = x + adjoint(x) - diagonals(real(_diagonal(x)))
    return conj(adjoint(solve(r, adjoint(gq + matmul(q, x)))))


def _qr_jvp(t, a_like, y):
    m = a_like.shape[-2]
    q, r = y[..., :m, :], y[..., m:, :]
    x = turned(solve(turned(r), turned(t)))  # t r^-1
    b = matmul(adjoint(q), x)
    below = lower(b, -1)
    skew = below - adjoint(below)  # q^H dq
    if b.dtype.kind == "c":  # r's diagonal is real
        skew = skew + diagonals(imag(_diagonal(b))) * 1j
    rest = upper(b - skew)
    return concatenate([x - matmul(q, rest), matmul(rest, r)], -2)


qr = custom(
    "qr",
    _qr_numpy,
    inputs=("a",),
    vjps=[_qr_vjp],
    jvps=[_qr_jvp],
    domain=REGULAR,
    examples=_spreads((3, 3), (3, 2), (2, 2, 2)),
    doc="The reduced QR factors of matrices of full rank, not wider than high, as [q; r].",
)


def _complement_numpy(a, which):
    k = min(a.shape[-2:])
    if which == 0:
        return np.linalg.qr(a, "complete")[0][..., k:]
    u, _, vh = np.linalg.svd(a)
    return u[..., k:] if which == 1 else np.swapaxes(vh, -1, -2)[..., k:].conj()


complement = nondifferentiable(  # params: (0: of qr's q, 1: of svd's u, 2: of svd's v)
    "complement",
    _complement_numpy,
    inputs=("a",),
    examples=lambda rng: [([_spread(rng, 3, 2)], (0,)), ([_spread(rng, 2, 2, 3)], (2,))],
    doc="The columns that make the factor of a decomposition square.",
)
