"""Rows of linear algebra that SciPy computes: triangular systems, Sylvester equations, matrix
exponential and square root. Registered when tapegrad.scipy.linalg is imported. Two-dimensional;
stacks are computed one by one.

Sources: Giles (2008), see linalg.py; Higham, Functions of Matrices (2008), ch. 3 and 10.
"""

from __future__ import annotations

import numpy as np
from scipy import linalg as sp

from .linalg import REGULAR, lower, positive, regular, upper
from .rows import custom
from .shapes import concatenate
from .shapes import matrix_transpose as turned
from .structured import matmul


def _stacked(function, arrays):
    """function of each matrix of broadcast stacks."""
    lead = np.broadcast_shapes(*[a.shape[:-2] for a in arrays])
    if not lead:
        return function(*arrays)
    whole = [np.broadcast_to(a, lead + a.shape[-2:]) for a in arrays]
    found = [function(*[a[i] for a in whole]) for i in np.ndindex(lead)]
    return np.stack(found).reshape(lead + found[0].shape)


# --- triangular systems -----------------------------------------------------------------------


def _triangular_numpy(a, b, is_lower, unit):
    def one(m, x):
        return sp.solve_triangular(m, x, lower=bool(is_lower), unit_diagonal=bool(unit))

    return _stacked(one, (a, b))


def _turned_params(params):
    return (1 - params[0], params[1])


def _in_triangle(x, params):
    is_lower, unit = params
    return lower(x, -unit) if is_lower else upper(x, unit)


def _triangular_vjp_a(ct, a, y, params):
    gb = triangular(turned(a), ct, _turned_params(params))
    return _in_triangle(-matmul(gb, turned(y)), params)


triangular = custom(  # params: (whether lower, whether the diagonal counts as ones)
    "solve_triangular",
    _triangular_numpy,
    inputs=("a", "b"),
    vjps=[
        _triangular_vjp_a,
        lambda ct, a, params: triangular(turned(a), ct, _turned_params(params)),
    ],
    jvps=[
        lambda t, a, y, params: -triangular(a, matmul(_in_triangle(t, params), y), params),
        lambda t, a, params: triangular(a, t, params),
    ],
    domain=REGULAR,
    examples=lambda rng: [
        ([regular(rng, *s), rng.uniform(-1, 1, (*s[:-1], 2))], p)
        for s, p in (((3, 3), (1, 0)), ((3, 3), (0, 1)), ((2, 2, 2), (0, 0)))
    ],
    doc="The solution x of a @ x = b, of a's lower or upper triangle.",
)

# --- Sylvester equations ----------------------------------------------------------------------


def _sylvester_numpy(a, b, q):
    return _stacked(sp.solve_sylvester, (a, b, q)).astype(q.dtype, copy=False)


def _adjoint_solution(ct, a, b):
    return sylvester(turned(a), turned(b), ct)


sylvester = custom(
    "solve_sylvester",
    _sylvester_numpy,
    inputs=("a", "b", "q"),
    vjps=[
        lambda ct, a, b, y: -matmul(_adjoint_solution(ct, a, b), turned(y)),
        lambda ct, a, b, y: -matmul(turned(y), _adjoint_solution(ct, a, b)),
        lambda ct, a, b: _adjoint_solution(ct, a, b),
    ],
    jvps=[
        lambda t, a, b, y: -sylvester(a, b, matmul(t, y)),
        lambda t, a, b, y: -sylvester(a, b, matmul(y, t)),
        lambda t, a, b: sylvester(a, b, t),
    ],
    domain=REGULAR,
    examples=lambda rng: [
        ([regular(rng, 3, 3), regular(rng, 2, 2), rng.uniform(-1, 1, (3, 2))], ())
    ],
    doc="The solution x of a @ x + x @ b = q.",
)

# --- functions of matrices --------------------------------------------------------------------


def _along(a, t):
    """The derivative of expm at a along t: a block of expm([[a, t], [0, a]])."""
    n = a.shape[-1]
    top = concatenate([a, t], -1)
    return expm(concatenate([top, concatenate([a * 0.0, a], -1)], -2))[..., :n, n:]


expm = custom(
    "expm",
    lambda a: _stacked(sp.expm, (a,)),
    inputs=("a",),
    vjps=[lambda ct, a: _along(turned(a), ct)],
    jvps=[lambda t, a: _along(a, t)],
    examples=lambda rng: [([rng.uniform(-1, 1, s)], ()) for s in ((3, 3), (2, 2, 2))],
    doc="The matrix exponential.",
)


def _sqrtm_numpy(a):
    root = _stacked(sp.sqrtm, (a,))
    if a.dtype.kind == "f" and root.dtype.kind == "c":
        raise np.linalg.LinAlgError(
            "sqrtm: a real matrix without a real square root; give it as complex"
        )
    return root.astype(a.dtype, copy=False)


sqrtm = custom(
    "sqrtm",
    _sqrtm_numpy,
    inputs=("a",),
    vjps=[lambda ct, y: sylvester(turned(y), turned(y), ct)],
    jvps=[lambda t, y: sylvester(y, y, t)],
    domain=REGULAR,
    examples=lambda rng: [([positive(rng, *s)], ()) for s in ((3, 3), (2, 2, 2))],
    doc="The principal square root of matrices.",
)
