"""numpy.linalg for Tensors: factorisations, systems, determinants. Norms and products are in
norms.py; the rules, with their sources, in ops/linalg.py and ops/decompositions.py.

Every function takes stacks of matrices where NumPy's does, and has derivatives of any order in both
modes. Where they do not exist is said in docs/linalg.md. Errors are NumPy's LinAlgError.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.linalg import LinAlgError

from ..errors import UnsupportedError
from ..ops import decompositions as factors
from ..ops import linalg as rows
from ..ops.complex import conj, imag, real
from ..ops.shapes import broadcast_to, concatenate, moveaxis, reshape, stack
from ..tensor import Tensor, tensor
from .matrices import (
    cross,
    diagonal,
    matmul,
    matrix_power,
    matrix_transpose,
    multi_dot,
    outer,
    tensordot,
    trace,
    vecdot,
)
from .norms import cond, inexact, matrix_norm, norm, vector_norm
from .registry import differentiable, plain, values

__all__ = [
    "LinAlgError", "cholesky", "cond", "cross", "det", "diagonal", "eig", "eigh", "eigvals",
    "eigvalsh", "inv", "lstsq", "matmul", "matrix_norm", "matrix_power", "matrix_rank",
    "matrix_transpose", "multi_dot", "norm", "outer", "pinv", "qr", "slogdet", "solve", "svd",
    "svdvals", "tensordot", "tensorinv", "tensorsolve", "trace", "vecdot", "vector_norm",
]  # fmt: skip

_NOT_GIVEN: Any = object()


class EigResult(NamedTuple):
    eigenvalues: Tensor
    eigenvectors: Tensor


class EighResult(NamedTuple):
    eigenvalues: Tensor
    eigenvectors: Tensor


class QRResult(NamedTuple):
    Q: Tensor
    R: Tensor


class SlogdetResult(NamedTuple):
    sign: Tensor
    logabsdet: Tensor


class SVDResult(NamedTuple):
    U: Tensor
    S: Tensor
    Vh: Tensor


def matrices(x: Any, name: str) -> Tensor:
    """x as a Tensor of two axes or more, floating or complex.

    Raises:
        LinAlgError: for fewer axes.
    """
    x = inexact(x)
    if x.ndim < 2:
        raise LinAlgError(f"{name}: need a matrix or a stack of them, got shape {x.shape}")
    return x


# --- inverses and systems ---------------------------------------------------------------------


@differentiable("linalg.inv(A)", name="linalg.inv")
def inv(a: Any) -> Tensor:
    """The inverse of square matrices (..., n, n).

    Raises:
        LinAlgError: for singular or not square matrices.
    """
    return rows.inv(matrices(a, "inv"), params=(0,))


@differentiable(
    "linalg.pinv(x)", "linalg.pinv(A, rcond=0.01)",
    "linalg.pinv(stack((A, A)), array([0.01, 0.1]))", name="linalg.pinv",
)  # fmt: skip
def pinv(
    a: Any, rcond: Any = None, hermitian: bool = False, *, rtol: Any = _NOT_GIVEN
) -> Tensor:  # fmt: skip
    """The pseudo-inverse (..., n, m) of matrices (..., m, n).

    Args:
        rcond, rtol: singular values below this part of the largest count as 0; a number, or
            one per matrix, broadcast against the stack.
        hermitian: taken for granted or not, the result is the same.
    The derivative assumes that the rank does not change.
    """
    a = matrices(a, "pinv")
    if rcond is None:
        rcond = 1e-15 if rtol is _NOT_GIVEN else rtol
    if rcond is None:
        rcond = max(a.shape[-2:]) * np.finfo(a.dtype).eps
    cuts = np.asarray(rcond, np.float64)
    if not cuts.ndim:
        return rows.pinv(a, params=(float(cuts),))
    stack_shape = np.broadcast_shapes(a.shape[:-2], cuts.shape)
    each = reshape(broadcast_to(a, stack_shape + a.shape[-2:]), (-1, *a.shape[-2:]))
    cuts = np.broadcast_to(cuts, stack_shape).ravel().tolist()
    found = stack([rows.pinv(each[i], params=(cut,)) for i, cut in enumerate(cuts)])
    return reshape(found, (*stack_shape, a.shape[-1], a.shape[-2]))


@differentiable("linalg.solve(A, B)", "linalg.solve(A, B[:, 0])", name="linalg.solve")
def solve(a: Any, b: Any) -> Tensor:
    """The solution x of a @ x = b: a (..., n, n), b (n,) or (..., n, k).

    Raises:
        LinAlgError: for singular or not square a.
        ShapeError: if b does not fit.
    """
    a, b = matrices(a, "solve"), inexact(b)
    if b.ndim == 1:
        return rows.solve(a, reshape(b, (*b.shape, 1)))[..., 0]
    return rows.solve(a, b)


@differentiable(
    "linalg.lstsq(x.T, y.T)[0]", "linalg.lstsq(x, B[:, 0])[0]", "linalg.lstsq(x.T, v)[1]",
    name="linalg.lstsq",
)  # fmt: skip
def lstsq(a: Any, b: Any, rcond: float | None = None) -> tuple[Tensor, Tensor, int, Tensor]:
    """The least squares solution of a @ x = b, of smallest norm: a (m, n), b (m,) or (m, k).

    Args:
        rcond: singular values below this part of the largest count as 0; None is
            max(m, n) times the dtype's eps.
    Returns:
        (x, residuals, rank, singular values), as NumPy's. The derivative assumes that the
        rank does not change.
    """
    a, b = matrices(a, "lstsq"), inexact(b)
    if a.ndim != 2 or b.ndim not in (1, 2) or a.shape[0] != b.shape[0]:
        raise LinAlgError(f"lstsq: need a (m, n) and b (m,) or (m, k), got {a.shape}, {b.shape}")
    eps = float(np.finfo(a.dtype).eps)
    rcond = max(a.shape) * eps if rcond is None else eps if rcond < 0 else float(rcond)
    x = matmul(rows.pinv(a, params=(rcond,)), b)
    s = factors.svdvals(a)
    sizes = s.numpy()
    rank = int((sizes > rcond * sizes[0]).sum()) if sizes.size else 0
    columns = b if b.ndim == 2 else reshape(b, (*b.shape, 1))
    away = columns - matmul(a, x if b.ndim == 2 else reshape(x, (*x.shape, 1)))
    residuals = (away * conj(away)).sum(0)
    is_full = rank == a.shape[1] < a.shape[0]
    return x, real(residuals if is_full else residuals[:0]), rank, s


@differentiable("linalg.tensorsolve(reshape(A, (3, 1, 3)), B[:, :1])", name="linalg.tensorsolve")
def tensorsolve(a: Any, b: Any, axes: Any = None) -> Tensor:
    """The solution x of tensordot(a, x, x.ndim) = b, as np.linalg.tensorsolve.

    Raises:
        LinAlgError: if a does not have as many elements as the square of b's.
    """
    a, b = inexact(a), inexact(b)
    if axes is not None:
        a = moveaxis(a, tuple(axes), tuple(range(a.ndim - len(axes), a.ndim)))
    shape = a.shape[b.ndim :]
    n = int(np.prod(shape))
    if a.size != n * n or b.size != n:
        raise LinAlgError(f"tensorsolve: a of shape {a.shape} is not square over b's {b.shape}")
    return reshape(solve(reshape(a, (n, n)), reshape(b, (n,))), shape)


@differentiable("linalg.tensorinv(reshape(A, (3, 3, 1)), 1)", name="linalg.tensorinv")
def tensorinv(a: Any, ind: int = 2) -> Tensor:
    """The inverse with respect to tensordot over the first `ind` axes.

    Raises:
        ValueError: for ind < 1.
    """
    a = inexact(a)
    if ind < 1:
        raise ValueError(f"tensorinv: ind must be positive, got {ind}")
    shape = a.shape[ind:] + a.shape[:ind]
    n = int(np.prod(a.shape[ind:]))
    return reshape(inv(reshape(a, (a.size // n if n else 0, n))), shape)


# --- determinants and rank --------------------------------------------------------------------


@differentiable("linalg.det(A)", name="linalg.det")
def det(a: Any) -> Tensor:
    """The determinant of square matrices; its first derivative is right for singular ones too."""
    return rows.det(matrices(a, "det"))


@differentiable("linalg.slogdet(A)[1]", "linalg.slogdet(A)[0]", name="linalg.slogdet")
def slogdet(a: Any) -> SlogdetResult:
    """Sign (of complex matrices, phase) and logarithm of the size of the determinant."""
    y = rows.slogdet(matrices(a, "slogdet"))
    return SlogdetResult(y[..., 0], real(y[..., 1]))


def matrix_rank(A: Any, tol: Any = None, hermitian: bool = False, *, rtol: Any = None) -> Tensor:
    """The rank of matrices, from their singular values; integers without derivative."""
    more = {} if rtol is None else {"rtol": values(rtol)}
    return tensor(np.linalg.matrix_rank(values(A), values(tol), hermitian, **more))


plain(matrix_rank, name="linalg.matrix_rank")

# --- factorisations ---------------------------------------------------------------------------


def _from_triangle(a: Tensor, is_upper: bool) -> Tensor:
    """The Hermitian matrices whose lower or upper triangle is a's."""
    below = rows.adjoint(rows.upper(a, 1)) if is_upper else rows.lower(a, -1)
    diagonal = rows.masked(real(a), np.eye(a.shape[-1], dtype=bool))
    return below + rows.adjoint(below) + diagonal


def _square(a: Tensor, name: str) -> Tensor:
    if a.shape[-1] != a.shape[-2]:
        raise LinAlgError(f"{name}: the last two axes must be equal, got {a.shape}")
    return a


@differentiable("linalg.cholesky(A @ A.T)", "linalg.cholesky(A + A.T, upper=True)",
                name="linalg.cholesky")  # fmt: skip
def cholesky(a: Any, /, *, upper: bool | None = None) -> Tensor:
    """The lower triangular L with a = L L^H (or with upper=True its adjoint).

    Args:
        a: Hermitian positive definite (..., n, n). The derivative is Hermitian.
        upper: given, only that triangle of a is read, and the derivative lies in it.
    Raises:
        LinAlgError: if a is not positive definite, or (with upper=None) not Hermitian.
    """
    a = _square(matrices(a, "cholesky"), "cholesky")
    low = rows.cholesky(a if upper is None else _from_triangle(a, bool(upper)))
    return rows.adjoint(low) if upper else low


def hermitian(a: Any, UPLO: str | None, name: str) -> Tensor:
    a = _square(matrices(a, name), name)
    if UPLO is None:
        return a
    if UPLO.upper() not in ("L", "U"):
        raise ValueError(f"{name}: UPLO must be 'L' or 'U', got {UPLO!r}")
    return _from_triangle(a, UPLO.upper() == "U")


@differentiable("linalg.eigh(A + A.T)[0]", "linalg.eigh(A + A.T, 'U')[1]", name="linalg.eigh")
def eigh(a: Any, UPLO: str | None = None) -> EighResult:
    """Eigenvalues, ascending, and orthonormal eigenvectors (columns) of Hermitian matrices.

    Args:
        UPLO: "L" or "U": only that triangle of a is read, and the derivative lies in it. By
            default a must be Hermitian, and so is the derivative.
    Raises:
        LinAlgError: if a is not Hermitian, or the iteration does not converge.
    """
    is_upper = int(UPLO is not None and UPLO.upper() == "U")
    y = factors.eigh(hermitian(a, UPLO, "eigh"), (is_upper,))
    return EighResult(real(y[..., 0]), y[..., 1:])


@differentiable("linalg.eigvalsh(A + A.T)", name="linalg.eigvalsh")
def eigvalsh(a: Any, UPLO: str | None = None) -> Tensor:
    """Eigenvalues of Hermitian matrices, ascending; arguments as eigh's."""
    return factors.eigvalsh(hermitian(a, UPLO, "eigvalsh"))


def _as_numpy(w: Tensor, a: Tensor) -> bool:
    """Whether NumPy gives real eigenvalues: those of a real matrix, all of them real."""
    return a.dtype.kind != "c" and not imag(w).numpy().any()


@differentiable("abs(linalg.eig(A)[0])", "abs(linalg.eig(A)[1])", name="linalg.eig")
def eig(a: Any) -> EigResult:
    """Eigenvalues and eigenvectors (columns, of norm 1) of square matrices.

    Complex, but where the matrices and all their eigenvalues are real. The phase of a complex
    eigenvector is arbitrary: derivatives are of functions that do not depend on it.
    """
    a = matrices(a, "eig")
    y = factors.eig(a)
    w, v = y[..., 0], y[..., 1:]
    return EigResult(real(w), real(v)) if _as_numpy(w, a) else EigResult(w, v)


@differentiable("abs(linalg.eigvals(A))", name="linalg.eigvals")
def eigvals(a: Any) -> Tensor:
    """Eigenvalues of square matrices; complex unless all are real."""
    a = matrices(a, "eigvals")
    w = factors.eigvals(a)
    return real(w) if _as_numpy(w, a) else w


def _completed(q: Tensor, a: Tensor, which: int) -> Tensor:
    """q with orthonormal columns added, LAPACK's, to a square matrix.

    The added columns move with q only as far as they must to stay orthogonal to it; one step of
    Newton's keeps them orthonormal to fourth order.
    """
    extra = factors.complement(a, params=(which,))
    extra = extra - matmul(q, matmul(rows.adjoint(q), extra))
    gram = matmul(rows.adjoint(extra), extra)
    eye = np.eye(gram.shape[-1], dtype=gram.dtype)
    return concatenate([q, matmul(extra, 1.5 * eye - 0.5 * gram)], -1)


@differentiable("linalg.qr(x.T)[0]", "linalg.qr(A)[1]", "linalg.qr(x, 'complete')[1]",
                "linalg.qr(x, 'r')", name="linalg.qr")  # fmt: skip
def qr(a: Any, mode: str = "reduced") -> Any:
    """Orthonormal q and upper triangular r with a = q r.

    Args:
        mode: "reduced", "complete" (q square) or "r" (r alone).
    Raises:
        UnsupportedError: for mode "raw".
        LinAlgError: in a sweep, if the first min(m, n) columns of a are dependent.
    """
    if mode not in ("reduced", "complete", "r"):
        raise UnsupportedError(
            f"qr: mode {mode!r} is not supported; choose 'reduced', 'complete' or 'r'"
        )
    a = matrices(a, "qr")
    m, n = a.shape[-2:]
    y = factors.qr(a[..., :m])
    q, r = y[..., :m, :], y[..., m:, :]
    if n > m:
        r = concatenate([r, matmul(rows.adjoint(q), a[..., m:])], -1)
    if mode == "complete" and m > n:
        q = _completed(q, a, 0)
        r = concatenate([r, np.zeros((*r.shape[:-2], m - n, n), r.dtype)], -2)
    return r if mode == "r" else QRResult(q, r)


@differentiable("linalg.svd(x)[1]", "linalg.svd(A)[0]", "linalg.svd(x, full_matrices=False)[2]",
                "linalg.svd(A, compute_uv=False)", name="linalg.svd")  # fmt: skip
def svd(
    a: Any, full_matrices: bool = True, compute_uv: bool = True, hermitian: bool = False
) -> Any:
    """u, s, vh with a = (u * s) @ vh, singular values descending.

    Args:
        full_matrices: give u and vh square. The added columns are an arbitrary basis:
            derivatives are of functions that do not depend on its choice.
        compute_uv: False gives s alone, and cheaper.
        hermitian: taken for granted or not, the result is the same up to signs.
    """
    a = matrices(a, "svd")
    if not compute_uv:
        return factors.svdvals(a)
    m, n = a.shape[-2:]
    u, s, v = factors.svd_parts(factors.svd(a), m)
    if full_matrices and m > n:
        u = _completed(u, a, 1)
    if full_matrices and n > m:
        v = _completed(v, a, 2)
    return SVDResult(u, s, rows.adjoint(v))


@differentiable("linalg.svdvals(x)", name="linalg.svdvals")
def svdvals(x: Any, /) -> Tensor:
    """Singular values of matrices, descending."""
    return factors.svdvals(matrices(x, "svdvals"))
