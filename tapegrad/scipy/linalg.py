"""scipy.linalg for Tensors. What is not here is in tapegrad.numpy.linalg."""

from __future__ import annotations

from typing import Any

from ..numpy.linalg import (
    EighResult,
    det,
    hermitian,
    inv,
    lstsq,
    matrices,
    norm,
    pinv,
    solve,
    svd,
    svdvals,
)
from ..numpy.linalg import cholesky as _numpys_cholesky
from ..numpy.linalg import eigh as _numpys_eigh
from ..numpy.linalg import eigvalsh as _numpys_eigvalsh
from ..numpy.norms import inexact
from ..ops import linalg as rows
from ..ops import scipy_linalg
from ..ops.complex import conj
from ..ops.shapes import matrix_transpose, reshape
from ..tensor import Tensor

__all__ = [
    "cho_factor", "cho_solve", "cholesky", "det", "eigh", "eigvalsh", "expm", "inv", "lstsq",
    "norm", "pinv", "solve", "solve_sylvester", "solve_triangular", "sqrtm", "svd", "svdvals",
]  # fmt: skip


def solve_triangular(
    a: Any, b: Any, trans: Any = 0, lower: bool = False, unit_diagonal: bool = False
) -> Tensor:
    """The solution x of a @ x = b for triangular a (..., n, n), b (n,) or (..., n, k).

    Args:
        trans: 0 or "N"; 1 or "T" solves a^T x = b; 2 or "C" a^H x = b.
        lower: which triangle of a is read; the other's derivative is 0.
        unit_diagonal: take a's diagonal for ones.
    Raises:
        LinAlgError: if a is singular.
    """
    a, b = matrices(a, "solve_triangular"), inexact(b)
    if trans in (1, 2, "T", "C"):
        a, lower = matrix_transpose(conj(a) if trans in (2, "C") else a), not lower
    elif trans not in (0, "N"):
        raise ValueError(f"solve_triangular: trans must be 0, 1, 2, 'N', 'T' or 'C', got {trans!r}")
    params = (int(lower), int(unit_diagonal))
    if b.ndim == 1:
        return scipy_linalg.triangular(a, reshape(b, (*b.shape, 1)), params)[..., 0]
    return scipy_linalg.triangular(a, b, params)


def cholesky(a: Any, lower: bool = False) -> Tensor:
    """The upper triangular U with a = U^H U, or with lower=True its adjoint; a is Hermitian."""
    low = _numpys_cholesky(a)
    return low if lower else rows.adjoint(low)


def cho_factor(a: Any, lower: bool = False) -> tuple[Tensor, bool]:
    """The Cholesky factor for cho_solve, and which one it is. Its other triangle is 0."""
    return cholesky(a, lower), lower


def cho_solve(c_and_lower: tuple[Tensor, bool], b: Any) -> Tensor:
    """The solution of a @ x = b, from cho_factor(a)."""
    c, lower = c_and_lower
    first = solve_triangular(c, b, trans=0 if lower else 2, lower=lower)
    return solve_triangular(c, first, trans=2 if lower else 0, lower=lower)


def eigh(
    a: Any, b: Any = None, *, lower: bool | None = None, eigvals_only: bool = False
) -> EighResult | Tensor:
    """Eigenvalues w, ascending, and vectors v (columns) of a v = w b v.

    Args:
        a: Hermitian (..., n, n).
        b: Hermitian positive definite (..., n, n), the identity by default. The vectors have
            v^H b v = 1.
        lower: given, only that triangle of a and of b is read, and the derivatives lie in it. By
            default both must be Hermitian (SciPy reads their lower triangles), and derivatives are.
        eigvals_only: leave the vectors out.
    Raises:
        LinAlgError: if a is not Hermitian, or b not positive definite.
    """
    triangle = None if lower is None else "L" if lower else "U"
    values = _numpys_eigvalsh if eigvals_only else _numpys_eigh
    if b is None:
        return values(a, triangle)
    root = _numpys_cholesky(hermitian(b, triangle, "eigh"))
    half = solve_triangular(root, hermitian(a, triangle, "eigh"), lower=True)
    found = values(solve_triangular(root, rows.adjoint(half), lower=True))
    if eigvals_only:
        return found
    return EighResult(found[0], solve_triangular(root, found[1], trans="C", lower=True))


def eigvalsh(a: Any, b: Any = None, *, lower: bool | None = None) -> Tensor:
    """The eigenvalues of eigh(a, b)."""
    return eigh(a, b, lower=lower, eigvals_only=True)


def solve_sylvester(a: Any, b: Any, q: Any) -> Tensor:
    """The solution x of a @ x + x @ b = q: a (m, m), b (n, n), q (m, n)."""
    return scipy_linalg.sylvester(*[matrices(x, "solve_sylvester") for x in (a, b, q)])


def expm(A: Any) -> Tensor:
    """The exponential of square matrices. Its derivative takes one of twice the size."""
    return scipy_linalg.expm(matrices(A, "expm"))


def sqrtm(A: Any) -> Tensor:
    """The principal square root of square matrices.

    Raises:
        LinAlgError: for a real matrix whose root is complex; give it as complex.
    """
    return scipy_linalg.sqrtm(matrices(A, "sqrtm"))
