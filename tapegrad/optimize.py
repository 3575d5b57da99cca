"""Minimisation by scipy.optimize, with derivatives from tapes and parameters of any structure.

SciPy moves a flat float64 vector; the function sees the nesting it was written for. Needs the extra
`scipy`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from .engine.dtypes import is_inexact
from .errors import DTypeError, MissingExtra, ShapeError
from .tape import tape
from .tensor import Tensor, tensor
from .tree import flatten, flatten_like

__all__ = ["minimize"]

# Methods of SciPy's that take products with the Hessian.
_USE_HVP = {"newton-cg", "trust-ncg", "trust-krylov", "trust-constr"}
_USE_HESSIAN = {"dogleg", "trust-exact"}
_USE_NO_GRADIENT = {"nelder-mead", "powell", "cobyla", "cobyqa"}


def minimize(
    fun: Callable,
    x0: Any,
    args: tuple = (),
    method: str | Callable | None = "BFGS",
    *,
    bounds: Any = None,
    tol: float | None = None,
    options: dict | None = None,
    callback: Callable | None = None,
) -> Any:
    """Minimise fun(x, *args), handing SciPy its value, gradient and Hessian-vector products.

    Args:
        fun: returns a real scalar Tensor.
        x0: where to start: a floating array, or any nesting of them. Each keeps its dtype.
        args: passed on to fun, not differentiated.
        method: of scipy.optimize.minimize. BFGS, L-BFGS-B, CG, TNC and SLSQP use the gradient;
            Newton-CG, trust-ncg, trust-krylov and trust-constr Hessian-vector products too, and
            so may a function, which SciPy calls as its own methods; dogleg and trust-exact the
            whole Hessian. None: as SciPy chooses, by bounds.
        bounds: (low, high), each a number or a nesting like x0 whose leaves broadcast to its,
            for methods that take bounds.
        tol, options: as SciPy's.
        callback: called with x, structured as x0, after each iteration.
    Returns:
        SciPy's OptimizeResult, with x and jac (trust-constr: grad) structured as x0.
    Raises:
        MissingExtra: without SciPy.
        DTypeError: if x0 has leaves that are not real floats.
        ShapeError: if fun does not return a scalar.
    Cost: of each gradient, about three times fun; of each product with the Hessian, about two
    gradients: one forward, recorded once for each x; a Hessian takes one for each number in x0.
    """
    try:
        from scipy import optimize
    except ImportError as error:
        raise MissingExtra(
            "minimize uses SciPy, which is not installed: pip install 'tapegrad[scipy]'"
        ) from error
    flat = _Flat(x0)
    objective = _Objective(fun, flat, args)
    kind = method.lower() if isinstance(method, str) else ""
    more: dict[str, Any] = {"jac": None if kind in _USE_NO_GRADIENT else True}
    if kind in _USE_HVP or callable(method):
        more["hessp"] = objective.hessian_product
    if kind in _USE_HESSIAN:
        more["hess"] = objective.hessian
    if bounds is not None:
        more["bounds"] = optimize.Bounds(*[flat.vector_like(b, "bounds") for b in bounds])
    if callback is not None:
        more["callback"] = lambda x, *rest: callback(flat.nested(x))
    value = objective.value if kind in _USE_NO_GRADIENT else objective.value_and_gradient
    result = optimize.minimize(
        value, flat.vector(flat.leaves), method=method, tol=tol, options=options, **more
    )
    for name in ("x", "jac", "grad"):
        vector = result.get(name)
        if isinstance(vector, np.ndarray) and vector.shape == (flat.size,):
            result[name] = flat.nested(vector)
    return result


class _Flat:
    """A nesting of real arrays as one float64 vector, and back."""

    def __init__(self, tree: Any):
        found: list = []
        self.tree = tree
        self._structure = flatten(tree, found)
        self.leaves = [x.numpy() if isinstance(x, Tensor) else np.asarray(x) for x in found]
        for x in self.leaves:
            if not is_inexact(x.dtype) or x.dtype.kind != "f":
                raise DTypeError(f"minimize: x0 must be of real floats, got a leaf of {x.dtype}")
        if not self.leaves:
            raise ShapeError("minimize: x0 has no arrays in it")
        self.size = sum(x.size for x in self.leaves)

    def vector(self, leaves: list) -> np.ndarray:
        return np.concatenate([np.asarray(x, np.float64).ravel() for x in leaves])

    def vector_like(self, tree: Any, what: str) -> np.ndarray:
        """A number, or a nesting like x0, as a vector."""
        if np.ndim(tree) == 0 and not isinstance(tree, (dict, list, tuple)):
            return np.full(self.size, tree, np.float64)
        given = flatten_like(tree, self.tree, what)
        return self.vector([np.broadcast_to(b, x.shape) for b, x in zip(given, self.leaves)])

    def tensors(self, vector: np.ndarray) -> list[Tensor]:
        ends = np.cumsum([x.size for x in self.leaves])[:-1]
        parts = np.split(vector, ends)
        return [tensor(p.reshape(x.shape), x.dtype) for p, x in zip(parts, self.leaves)]

    def nested(self, vector: np.ndarray) -> Any:
        return self.rebuild(self.tensors(vector))

    def rebuild(self, tensors: list) -> Any:
        return self._structure(iter(tensors))


class _Objective:
    """fun of a flat vector: value, gradient, and products with the Hessian at the last x."""

    def __init__(self, fun: Callable, flat: _Flat, args: tuple):
        self._fun, self._flat, self._args = fun, flat, args
        self._at: bytes = b""  # the x that the recorded gradient below is of

    def _evaluated(self, xs: list[Tensor]) -> Tensor:
        y = self._fun(self._flat.rebuild(xs), *self._args)
        if not isinstance(y, Tensor) or y.size != 1 or y.dtype.kind != "f":
            what = f"shape {y.shape}, {y.dtype}" if isinstance(y, Tensor) else type(y).__name__
            raise ShapeError(f"minimize: fun must return a real scalar Tensor, got {what}")
        return y

    def value(self, vector: np.ndarray) -> float:
        return self._evaluated(self._flat.tensors(vector)).item()

    def value_and_gradient(self, vector: np.ndarray) -> tuple[float, np.ndarray]:
        with tape() as t:
            xs = t.watch(self._flat.tensors(vector))
            y = self._evaluated(xs)
        grads = t.gradient(y, xs, unconnected_gradients="zero")
        return y.item(), self._flat.vector([g.numpy() for g in grads])

    def hessian_product(self, vector: np.ndarray, direction: np.ndarray) -> np.ndarray:
        if self._at != vector.tobytes():
            self._record_gradient(vector)
        tangents = self._flat.tensors(direction)
        products = self._tape.jvp(self._grads, self._xs, tangents)
        return self._flat.vector([p.numpy() for p in products])

    def hessian(self, vector: np.ndarray) -> np.ndarray:
        return np.stack([self.hessian_product(vector, unit) for unit in np.eye(self._flat.size)])

    def _record_gradient(self, vector: np.ndarray) -> None:
        self._tape = tape(persistent=True)
        with self._tape:
            self._xs = self._tape.watch(self._flat.tensors(vector))
            with tape() as inner:
                inner.watch(self._xs)
                y = self._evaluated(self._xs)
            self._grads = inner.gradient(y, self._xs, unconnected_gradients="zero")
        self._at = vector.tobytes()
