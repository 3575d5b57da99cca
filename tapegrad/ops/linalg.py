"""Rows of linear algebra on stacks of matrices: inverses, systems, determinants, Cholesky.

NumPy (LAPACK) computes the values; the rules are products and solves of the same rows, so that each
order of derivative follows. Eigenvectors, singular vectors and QR are in decompositions.py. Complex
matrices follow docs/complex.md: rules of holomorphic functions use transposes; the others are
written for the conjugate of the cotangent, as the literature has them, and conjugated back.

Sources: Giles, Collected matrix derivative results for forward and reverse mode AD (2008); Golub &
Pereyra, The differentiation of pseudo-inverses (1973); Murray, Differentiation of the Cholesky
decomposition (2016). Cost of a rule: a few products and solves of the row's own size.
"""

from __future__ import annotations

import numpy as np

from .complex import conj, imag, real
from .elementwise import where, zmul
from .linear import reshape
from .reductions import sum
from .rows import custom
from .shapes import concatenate
from .shapes import matrix_transpose as turned
from .structured import matmul

REGULAR = (0.5, 2.0)  # the domain of rows that zeros are no operand for


def adjoint(x):
    """The conjugate of the last two axes exchanged."""
    return conj(turned(x))


def hermitian_part(x):
    return (x + adjoint(x)) * 0.5


def masked(x, mask):
    """x where the (m, n) mask is true, 0 elsewhere."""
    return where(mask, x, 0.0)


def lower(x, k=0):
    """The lower triangle, from the k-th diagonal down."""
    return masked(x, np.tri(*x.shape[-2:], k, dtype=bool))


def upper(x, k=0):
    """The upper triangle, from the k-th diagonal up."""
    return masked(x, ~np.tri(*x.shape[-2:], k - 1, dtype=bool))


def diagonals(x):
    """Matrices with the vectors x (..., n) on their diagonals."""
    return masked(reshape(x, (*x.shape[:-1], 1, x.shape[-1])), np.eye(x.shape[-1], dtype=bool))


# --- what the rows' examples are made of ------------------------------------------------------


def regular(rng, *shape):
    """Square matrices far from singular."""
    return rng.uniform(-1, 1, shape) + 3 * np.eye(shape[-1])


def positive(rng, *shape):
    """Symmetric positive definite matrices with eigenvalues apart."""
    x = rng.uniform(-0.5, 0.5, shape)
    return x + np.swapaxes(x, -1, -2) + np.diag(np.arange(3.0, 3.0 + 2 * shape[-1], 2))


def _squares(make, *shapes):
    return lambda rng: [([make(rng, *shape)], ()) for shape in shapes]


# --- inverses and systems ---------------------------------------------------------------------


def _inv_numpy(a, quiet):
    try:
        return np.linalg.inv(a)
    except np.linalg.LinAlgError:
        if not quiet or a.shape[-2] != a.shape[-1]:
            raise
    if a.ndim == 2:
        return np.full_like(a, np.nan)
    return np.stack([_inv_numpy(m, quiet) for m in a])


inv = custom(  # params: (whether singular matrices give nan instead of an error,)
    "inv",
    _inv_numpy,
    inputs=("a",),
    vjps=[lambda ct, y: -matmul(matmul(turned(y), ct), turned(y))],
    jvps=[lambda t, y: -matmul(matmul(y, t), y)],
    domain=REGULAR,
    examples=lambda rng: [([regular(rng, *s)], (0,)) for s in ((3, 3), (2, 2, 2), (1, 1))],
    doc="The inverse of matrices.",
)


def _systems(rng):
    shapes = (
        ((3, 3), (3, 2)), ((2, 3, 3), (2, 3, 1)), ((2, 2), (2, 2, 2)), ((2, 2, 2), (2, 1)),
    )  # fmt: skip
    return [([regular(rng, *a), rng.uniform(-1, 1, b)], ()) for a, b in shapes]


solve = custom(
    "solve",
    np.linalg.solve,
    inputs=("a", "b"),
    vjps=[
        lambda ct, a, y: -matmul(solve(turned(a), ct), turned(y)),
        lambda ct, a: solve(turned(a), ct),
    ],
    jvps=[lambda t, a, y: -solve(a, matmul(t, y)), lambda t, a: solve(a, t)],
    domain=REGULAR,
    examples=_systems,
    doc="The solution x of a @ x = b, for matrices b.",
)


def _pinv_vjp(ct, a, y):
    g = conj(ct)
    rows, columns = _off_range(a, y)
    ph = adjoint(y)
    ga = -matmul(matmul(ph, g), ph)
    ga = ga + matmul(matmul(matmul(rows, adjoint(g)), y), ph)
    return conj(ga + matmul(matmul(ph, y), matmul(adjoint(g), columns)))


def _pinv_jvp(t, a, y):
    rows, columns = _off_range(a, y)
    th, ph = adjoint(t), adjoint(y)
    dp = -matmul(matmul(y, t), y)
    dp = dp + matmul(matmul(y, ph), matmul(th, rows))
    return dp + matmul(matmul(columns, th), matmul(ph, y))


def _off_range(a, y):
    """I - a @ y and I - y @ a: projections off a's range and off its rows'."""
    m, n = a.shape[-2:]
    eyes = np.eye(m, dtype=a.dtype), np.eye(n, dtype=a.dtype)
    return eyes[0] - matmul(a, y), eyes[1] - matmul(y, a)


pinv = custom(  # params: (rcond,)
    "pinv",
    lambda a, rcond: np.linalg.pinv(a, rcond),
    inputs=("a",),
    vjps=[_pinv_vjp],
    jvps=[_pinv_jvp],
    domain=REGULAR,
    examples=lambda rng: [
        ([rng.uniform(-0.5, 0.5, s) + 2 * np.eye(*s[-2:])], (1e-6,))
        for s in ((3, 2), (2, 3), (2, 3, 3))
    ],
    doc="The pseudo-inverse of matrices, of constant rank near a.",
)

# --- determinants -----------------------------------------------------------------------------


def _adjugate_numpy(a):
    """Transposed cofactors, from a's singular values: right for singular a too."""
    u, s, vh = np.linalg.svd(a)
    n = s.shape[-1]
    others = np.stack([np.delete(s, i, -1).prod(-1) for i in range(n)], -1) if n else s
    scale = np.linalg.det(u) * np.linalg.det(vh)
    y = np.swapaxes(vh, -1, -2).conj() * (others * scale[..., None])[..., None, :]
    return (y @ np.swapaxes(u, -1, -2).conj()).astype(a.dtype, copy=False)


def _per_matrix(x):
    """One number a matrix, as (..., 1, 1)."""
    return reshape(x, (*x.shape, 1, 1))


def _total(x):
    return sum(x, (-2, -1))


det = custom(
    "det",
    lambda a: np.linalg.det(a),
    inputs=("a",),
    vjps=[lambda ct, a: zmul(_per_matrix(ct), turned(adjugate(a)))],
    jvps=[lambda t, a: _total(zmul(t, turned(adjugate(a))))],
    domain=REGULAR,
    examples=_squares(regular, (3, 3), (2, 2, 2), (1, 1)),
    doc="The determinant of matrices; its first derivative is right where they are singular.",
)


def _adjugate_vjp(ct, a, y):
    z = inv(a, params=(1,))
    trace = _per_matrix(_total(ct * z))
    return turned(trace * y) - matmul(matmul(turned(z), ct), turned(y))


def _adjugate_jvp(t, a, y):
    z = inv(a, params=(1,))
    return _per_matrix(_total(t * turned(y))) * z - matmul(matmul(z, t), y)


adjugate = custom(
    "adjugate",
    _adjugate_numpy,
    inputs=("a",),
    vjps=[_adjugate_vjp],
    jvps=[_adjugate_jvp],
    domain=REGULAR,
    examples=_squares(regular, (3, 3), (2, 2, 2)),
    doc="The transposed cofactors: det(a) * inv(a); its derivatives need an inverse.",
)


def _slogdet_numpy(a):
    sign, size = np.linalg.slogdet(a)
    return np.stack([sign, size], -1).astype(a.dtype if a.dtype.kind in "fc" else float, copy=False)


def _slogdet_vjp(ct, a, y):
    weight = real(ct[..., 1])
    if a.dtype.kind == "c":
        weight = weight + imag(ct[..., 0] * y[..., 0]) * 1j
    return zmul(_per_matrix(weight), turned(inv(a, params=(1,))))


def _slogdet_jvp(t, a, y):
    change = _total(zmul(t, turned(inv(a, params=(1,)))))
    turn = imag(change) * 1j * y[..., 0] if a.dtype.kind == "c" else change * 0.0
    both = [reshape(x, (*x.shape, 1)) for x in (turn, real(change))]
    return concatenate(both, -1)


slogdet = custom(
    "slogdet",
    _slogdet_numpy,
    inputs=("a",),
    vjps=[_slogdet_vjp],
    jvps=[_slogdet_jvp],
    domain=REGULAR,
    examples=_squares(regular, (3, 3), (2, 2, 2)),
    doc="Sign (or phase) and log of the size of the determinant, as (..., 2).",
)

# --- Cholesky ---------------------------------------------------------------------------------


def symmetrized(a, name):
    """(a + a^H) / 2, as NumPy arrays; derivatives of Hermitian matrices are of this.

    Raises:
        LinAlgError: for what is not Hermitian but for rounding, or a finite difference's step: the
            one triangle that LAPACK reads would silently be halved.
    """
    half = 0.5 * a
    turned_half = np.swapaxes(half, -1, -2)
    part = half + (turned_half.conj() if a.dtype.kind == "c" else turned_half)
    if a.size and a.dtype.kind in "fc":
        allowed = float(np.finfo(a.dtype).eps) ** 0.25 * np.abs(a).max((-2, -1))
        off = np.subtract(a, part, out=half)  # no more memory than it needs: that has its price
        if (2 * np.abs(off).max((-2, -1)) > allowed).any():
            raise np.linalg.LinAlgError(
                f"{name}: the matrix is not {'Hermitian' if a.dtype.kind == 'c' else 'symmetric'}; "
                "to use one triangle of it say which (cholesky: upper=, eigh and eigvalsh: UPLO=)"
            )
    return part.astype(a.dtype, copy=False)


def _half_lower(x):
    """The lower triangle, its diagonal halved and, in a Hermitian's root, real."""
    n = x.shape[-1]
    return lower(x, -1) + masked(real(x), np.eye(n, dtype=bool)) * 0.5


def _cholesky_vjp(ct, y):
    lh = adjoint(y)
    g = _half_lower(matmul(lh, conj(lower(ct))))
    return conj(hermitian_part(_congruent(inv(lh, params=(0,)), g)))


def _cholesky_jvp(t, y):
    return matmul(y, _half_lower(_congruent(inv(y, params=(0,)), hermitian_part(t))))


def _congruent(x, a):
    """x a x^H. Of an inverse x = y^-1 two products cost less than two systems, each of which would
    factor y anew; their errors are as large."""
    return matmul(matmul(x, a), adjoint(x))


cholesky = custom(
    "cholesky",
    lambda a: np.linalg.cholesky(symmetrized(a, "cholesky")),
    inputs=("a",),
    vjps=[_cholesky_vjp],
    jvps=[_cholesky_jvp],
    domain=REGULAR,
    examples=_squares(positive, (3, 3), (2, 2, 2), (1, 1)),
    doc="The lower Cholesky factor of the Hermitian part of matrices.",
)
