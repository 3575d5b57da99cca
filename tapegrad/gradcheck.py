"""Check derivatives against finite differences.

One directional derivative per check, along random directions, costs two evaluations however large
the arguments are; only when it disagrees is every element looked at, to name the worst.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from .culprit import find_culprit
from .engine.dtypes import is_inexact
from .errors import DTypeError, TapegradError
from .tape import tape
from .tensor import Tensor, tensor
from .tree import flatten, leaf_paths

# Per dtype: finite difference step, absolute and relative tolerance. Central differences err by
# step^2 times the third derivative, plus rounding / step.
_STEPS = {"f2": (2e-1, 2e-1, 1e-1), "f4": (1e-2, 2e-3, 1e-2), "f8": (1e-5, 1e-7, 1e-6)}
_MODES = {"rev": "reverse", "fwd": "forward"}


class GradcheckError(TapegradError, AssertionError):
    """A derivative that does not agree with finite differences."""


def gradcheck(
    f: Callable,
    args: Any,
    *,
    order: int = 2,
    modes: Sequence[str] = ("rev", "fwd"),
    eps: float | None = None,
    atol: float | None = None,
    rtol: float | None = None,
    raise_exception: bool = True,
) -> bool:
    """Compare derivatives of f with central differences along random directions.

    Args:
        f: function of arrays to one array or a nesting of arrays, written with tapegrad
            operations; called many times.
        args: its arguments, a list or tuple of arrays or nestings of them (what is neither, an
            array, a number or a dict, is the one argument). Floating and complex ones are
            differentiated (docs/complex.md), others passed as they are.
        order: 1 checks first derivatives; 2 also those of the gradient, and so on.
        modes: "rev" checks tape.gradient, "fwd" tape.jvp, and both against each other.
        eps, atol, rtol: step and tolerances; by default by the least precise dtype among the
            arguments.
        raise_exception: raise where they disagree, rather than return False.
    Returns:
        Whether all derivatives agree.
    Raises:
        GradcheckError: naming order, mode, argument, element and op that disagree.
        DTypeError: if no argument is floating. TypeError: if f returns no floating Tensor.
        ValueError: for an order below 1, or modes that are none.
    Cost: about 6 evaluations per mode and order; per element, two more, after a disagreement.
    """
    modes = (modes,) if isinstance(modes, str) else tuple(modes)
    if not modes or set(modes) - _MODES.keys():
        raise ValueError(f"gradcheck: modes={modes!r}: choose among 'rev' and 'fwd'")
    if not isinstance(order, (int, np.integer)) or order < 1:
        raise ValueError(f"gradcheck: order={order!r}: give 1 for first derivatives, 2 ...")
    arguments = list(args) if isinstance(args, (list, tuple, Iterator)) else [args]
    leaves: list = []
    structure = flatten(arguments, leaves)
    arrays = [a.numpy() if isinstance(a, Tensor) else np.asarray(a) for a in leaves]
    names = [re.sub(r"^\[(\d+)\]", r"argument \1", path) for path in leaf_paths(arguments)]
    active = [i for i, a in enumerate(arrays) if is_inexact(a.dtype)]
    if not active:
        raise DTypeError("gradcheck: no argument is floating: there is nothing to differentiate")
    xs = [arrays[i] for i in active]
    function = _only(f, structure, arrays, active)
    ys = function(*map(tensor, xs))
    if not ys:
        raise TypeError(
            "gradcheck: the function returned no floating Tensor: was it computed by plain NumPy, "
            "or converted with .numpy() or float()?"
        )
    narrow = min([v.dtype for v in xs + ys], key=lambda d: np.finfo(d).precision)
    defaults = _STEPS.get(np.finfo(narrow).dtype.str[1:], _STEPS["f8"])
    check = _Check(*(d if v is None else v for v, d in zip((eps, atol, rtol), defaults)))
    try:
        if sum(x.size for x in xs):
            check.run(function, xs, [names[i] for i in active], order, modes)
    except GradcheckError:
        if raise_exception:
            raise
        return False
    return True


def _only(f: Callable, structure: Callable, arrays: list, active: list[int]) -> Callable:
    """f as a function of its differentiable arguments; gives a list of Tensors."""

    def function(*tensors: Tensor) -> list[Tensor]:
        values: list[Any] = list(arrays)
        for i, t in zip(active, tensors):
            values[i] = t
        leaves: list[Any] = []
        flatten(f(*structure(iter(values))), leaves)
        return [y for y in leaves if isinstance(y, Tensor) and is_inexact(y.dtype)]

    return function


def _wide(x: Any) -> np.ndarray:
    x = np.asarray(x)
    return x.astype("c16" if x.dtype.kind == "c" else "f8")


def _inner(a: Sequence, b: Sequence) -> float:
    """How cotangents and tangents pair, those of complex arrays by the real part of the product."""
    return float(sum(np.sum((_wide(x) * _wide(y)).real) for x, y in zip(a, b)))


class _Check:
    """Step, tolerances and a stream of random directions."""

    def __init__(self, eps: float, atol: float, rtol: float):
        self.eps, self.atol, self.rtol = eps, atol, rtol
        self.random = np.random.default_rng(0)

    def like(self, arrays: Sequence) -> list[np.ndarray]:
        return [self.draw(a.shape, a.dtype) for a in arrays]

    def draw(self, shape: tuple, dtype: np.dtype) -> np.ndarray:
        x = self.random.uniform(-1, 1, shape)
        if dtype.kind == "c":
            return (x + 1j * self.random.uniform(-1, 1, shape)).astype(dtype)
        return x.astype(dtype)

    def run(self, f: Callable, xs: list, names: list[str], order: int, modes: Any) -> None:
        """Check f's derivatives at xs; then those of its gradient, up to `order`."""
        first = f
        for level in range(1, order + 1):
            cts, ts = self.like(self.values(f, xs)), self.like(xs)
            want = self.difference(f, xs, ts, cts)
            for mode in [m for m in _MODES if m in modes]:
                partial = _partial(mode, f, xs, cts)
                got = partial(ts)
                if not self.agree(got, want, xs):
                    raise GradcheckError(
                        f"gradcheck, order {level}, {_MODES[mode]}: the derivative is {got:.6g}, "
                        f"finite differences give {want:.6g}"
                        + self.worst(f, xs, cts, names, partial)
                        + find_culprit(first, xs, self.is_right)
                    )
            f = _gradient_function(f, [tensor(ct) for ct in cts])

    def values(self, f: Callable, xs: Sequence) -> list[np.ndarray]:
        return [y.numpy() for y in f(*[tensor(x) for x in xs])]

    def difference(self, f: Callable, xs: list, ts: list, cts: list) -> float:
        """The derivative of <cts, f> along ts, from values on both sides."""
        sides = []
        for sign in (1, -1):
            ahead = [(x + sign * self.eps * t).astype(x.dtype) for x, t in zip(xs, ts)]
            sides.append((self.values(f, ahead), ahead))
        (high, x_high), (low, x_low) = sides
        # narrow dtypes round x + eps t: divide by the step that was taken
        along = [t.conj() for t in ts]
        taken = _inner([_wide(a) - b for a, b in zip(x_high, x_low)], along)
        length = _inner(ts, along)
        step = taken / length if length else 2 * self.eps
        return _inner(cts, [_wide(a) - b for a, b in zip(high, low)]) / step

    def agree(self, got: float, want: float, xs: list) -> bool:
        size = sum(x.size for x in xs) + 1
        return abs(got - want) <= self.atol * size**0.5 + self.rtol * max(abs(got), abs(want))

    def is_right(self, f: Callable, xs: list) -> bool:
        """Whether f's derivatives agree in both modes, along one direction."""
        cts, ts = self.like(self.values(f, xs)), self.like(xs)
        want = self.difference(f, xs, ts, cts)
        found = [_partial(mode, f, xs, cts)(ts) for mode in _MODES]
        return all(self.agree(got, want, xs) for got in found)

    def worst(self, f: Callable, xs: list, cts: list, names: list[str], partial: Callable) -> str:
        """Say which element's partial derivative disagrees most."""
        found = (0.0, "")
        for k, x in enumerate(xs):
            units = ((1, ""), (1j, ", imaginary part")) if x.dtype.kind == "c" else ((1, ""),)
            for index, (unit, part) in itertools.product(np.ndindex(x.shape), units):
                ts = [np.zeros_like(v) for v in xs]
                ts[k][index] = unit
                want, got = self.difference(f, xs, ts, cts), partial(ts)
                if not abs(got - want) <= found[0]:
                    where = f"{names[k]}{list(index) if index else ''}{part}"
                    found = abs(got - want), f"; worst at {where}: {got:.6g}, not {want:.6g}"
        return found[1]


def _partial(mode: str, f: Callable, xs: list, cts: list) -> Callable[[list], float]:
    """The derivative of <cts, f> at xs along directions, by one of the modes."""
    if mode == "fwd":
        return lambda ts: _inner(cts, _push(f, xs, ts))
    gradient = _gradient_function(f, [tensor(ct) for ct in cts])
    grads = [g.numpy() for g in gradient(*map(tensor, xs))]
    return lambda ts: _inner(grads, ts)


def _gradient_function(f: Callable, cts: list[Tensor]) -> Callable:
    """The gradient of <cts, f> as a function of the same arguments."""

    def gradient(*xs: Tensor) -> list[Tensor]:
        with tape() as t:
            xs = t.watch(xs)
            ys = f(*xs)
        return t.gradient(ys, list(xs), cts, unconnected_gradients="zero")

    return gradient


def _push(f: Callable, xs: list, ts: list) -> list[np.ndarray]:
    with tape() as t:
        tensors = [t.watch(tensor(x)) for x in xs]
        ys = f(*tensors)
    return [y.numpy() for y in t.jvp(ys, tensors, [tensor(v) for v in ts])]
