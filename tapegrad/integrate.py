"""Initial value problems, differentiated by the adjoint method.

The solution comes from an adaptive Runge-Kutta method of order 5, without a record of its steps.
The derivative with respect to the start, the times and everything the right-hand side depends on is
the solution of another problem, backwards in time, so memory does not grow with the number of
steps.

Sources: Chen et al., Neural ordinary differential equations (2018), appendix B and C; Dormand &
Prince, A family of embedded Runge-Kutta formulae (1980); Hairer, Norsett & Wanner, Solving Ordinary
Differential Equations I (1993), II.4 and II.5.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from .engine import select
from .engine.dtypes import is_inexact
from .engine.node import VARIABLE
from .errors import DTypeError, ShapeError, TapegradError
from .ops.axes import as_tensor
from .ops.shapes import as_dtype, concatenate, ravel, reshape
from .switches import enable_grad, no_grad
from .tape import tape
from .tensor import Tensor, asarray, identity, tensor
from .transforms.custom import custom_vjp
from .tree import flatten, flatten_like

__all__ = ["odeint"]

# Dormand & Prince's coefficients: nodes, stages, and the difference of the two orders' weights.
_NODES = (0.0, 1 / 5, 3 / 10, 4 / 5, 8 / 9, 1.0, 1.0)
_STAGES = (
    (),
    (1 / 5,),
    (3 / 40, 9 / 40),
    (44 / 45, -56 / 15, 32 / 9),
    (19372 / 6561, -25360 / 2187, 64448 / 6561, -212 / 729),
    (9017 / 3168, -355 / 33, 46732 / 5247, 49 / 176, -5103 / 18656),
    (35 / 384, 0.0, 500 / 1113, 125 / 192, -2187 / 6784, 11 / 84),
)
_ERROR = (71 / 57600, 0.0, -71 / 16695, 71 / 1920, -17253 / 339200, 22 / 525, -1 / 40)


def odeint(
    func: Callable,
    y0: Any,
    t: Any,
    *args: Any,
    rtol: float = 1.4e-8,
    atol: float = 1.4e-8,
    mxstep: int = 10_000,
) -> Any:
    """Solve dy/dt = func(y, t, *args), y(t[0]) = y0, at the times t.

    Args:
        func: gives the derivative, structured and shaped as y, from y, a scalar Tensor t, and
            args. Where y is an array, a list of its parts will do. It may read parameters from
            elsewhere (a network's, say).
        y0: a real floating array, or any nesting of them.
        t: times (m,); the first is the start. They may ascend, descend, and turn back.
        args: arrays and nestings of them, differentiated where they are Tensors.
        rtol, atol: bounds of each step's error, relative (not below 10 eps of y's dtype) and
            absolute.
        mxstep: how many steps there may be between two times.
    Returns:
        y at the times: structured as y0, each leaf with a leading axis of length m.
    Derivatives: both modes, any order and nesting, with respect to y0, t, the Tensors of args,
    and the parameters that func reads. Forward mode transposes the adjoint problem, so func must
    be written with functions that have both modes, as all of tapegrad's have.
    Raises:
        ShapeError: if t is no vector, or func's result does not fit y.
        DTypeError: if y0 is not real. TypeError: if a derivative is wanted, and func gives an
            ndarray.
        ValueError: if a time is not finite, or a tolerance or mxstep out of range.
        TapegradError: if func gives nan, mxstep is reached, or func depends on a recorded Tensor
            that is neither a parameter nor in args: there would be no derivative with respect
            to it.
    Cost: per step, 6 calls of func; a derivative's sweep costs about 3 times the solution, a
    tangent about as much again.
    """
    if not callable(func):
        raise TypeError(f"odeint: func must be a function of y and t, got {type(func).__name__}")
    if not (rtol >= 0 and atol >= 0 and rtol + atol > 0):
        raise ValueError(
            f"odeint: rtol and atol must be >= 0, one of them > 0; got {rtol} and {atol}"
        )
    if mxstep < 1:
        raise ValueError(f"odeint: mxstep must be at least 1, got {mxstep}")
    problem = _Problem(func, y0, args, rtol, atol, mxstep)
    times = asarray(t)
    if times.ndim != 1 or not times.size:
        raise ShapeError(f"odeint: t must be a vector of times, got shape {times.shape}")
    if not np.isfinite(times.numpy()).all():
        raise ValueError(f"odeint: t must be finite times, got {times.numpy()}")
    if times.dtype != problem.dtype:
        times = as_dtype(times, problem.dtype)
    start = problem.packed(problem.leaves)
    problem.find_variables(start, times)
    ys = _solution(problem, start, times, problem.arguments, problem.variables)
    return problem.unpacked(ys, lead=(times.size,))


class _Problem:
    """A right-hand side as a function of a flat vector: structure, tolerances, what it reads."""

    def __init__(self, func: Callable, y0: Any, args: tuple, rtol: float, atol: float, mxstep: int):
        self.func, self.y0, self.atol, self.mxstep = func, y0, atol, mxstep
        found: list = []
        self._structure = flatten(y0, found)
        self.leaves = [x if isinstance(x, Tensor) else tensor(x) for x in found]
        for x in self.leaves:
            if x.dtype.kind != "f":
                raise DTypeError(f"odeint: y0 must be of real floats, got a leaf of {x.dtype}")
        self.shapes = [x.shape for x in self.leaves]
        self.dtypes = [x.dtype for x in self.leaves]
        self.dtype = np.result_type(*self.dtypes)
        self.rtol = max(rtol, 10 * float(np.finfo(self.dtype).eps))
        values: list = []
        self._args_structure = flatten(args, values)
        self._args = values
        self._at = [
            i for i, x in enumerate(values) if isinstance(x, Tensor) and is_inexact(x.dtype)
        ]
        self.arguments = [values[i] for i in self._at]
        self.variables: list[Tensor] = []

    def packed(self, leaves: list) -> Tensor:
        flat = [ravel(as_dtype(x, self.dtype)) for x in leaves]
        return flat[0] if len(flat) == 1 else concatenate(flat)

    def unpacked(self, y: Tensor, lead: tuple = ()) -> Any:
        parts, at = [], 0
        for shape, dtype in zip(self.shapes, self.dtypes):
            n = int(np.prod(shape, dtype=np.int64))
            parts.append(as_dtype(reshape(y[..., at : at + n], lead + shape), dtype))
            at += n
        return self._structure(iter(parts))

    def slope(self, y: Tensor, t: Tensor, arguments: list) -> Tensor:
        """func of the flat y, flat; arguments replace the Tensors among args."""
        return self.joined(self.called(y, t, arguments))

    def called(self, y: Tensor, t: Tensor, arguments: list) -> list:
        """What func gives for each leaf of y."""
        values = list(self._args)
        for i, x in zip(self._at, arguments):
            values[i] = x
        result = self.func(self.unpacked(y), t, *self._args_structure(iter(values)))
        return flatten_like(result, self.y0, "odeint: func's result")

    def joined(self, found: list) -> Tensor:
        for x in found:
            if isinstance(x, dict):
                raise ShapeError("odeint: func's result has a dict where y has an array")
        leaves = [as_tensor(x) for x in found]
        for x, shape in zip(leaves, self.shapes):
            if x.shape != shape:
                raise ShapeError(f"odeint: func gave shape {x.shape} for a y of shape {shape}")
        return self.packed(leaves)

    def find_variables(self, start: Tensor, times: Tensor) -> None:
        """The parameters that func reads, from one call of it; they are arguments too."""
        engine = select.engine()
        values = [tensor(x) for x in (start, times.numpy()[0], *self.arguments)]
        with enable_grad(), tape() as probe:
            given = probe.watch(values)
            found = self.called(given[0], given[1], given[2:])
            result = self.joined(found)
            outer = [t for t in engine.open_tapes() if t is not probe._tape]
        known = {identity(x) for x in given}
        met = [result]
        for entry in probe:
            known.add(identity(entry.output))
            met += entry.inputs
        for x in met:
            if x._flags & VARIABLE and identity(x) not in known:
                self.variables.append(x)
                known.add(identity(x))
            elif identity(x) not in known and any(t.tracks(engine.adopt(x)) for t in outer):
                raise TapegradError(
                    f"odeint: func depends on a recorded Tensor of shape {x.shape} that is not "
                    "among its arguments; pass it (or what it was computed from) in args"
                )
        is_recorded = any(x._is_tracked for x in (start, times, *self.arguments))
        if is_recorded or (outer and self.variables):
            for x in found:
                if isinstance(x, np.ndarray):
                    raise TypeError(
                        f"odeint: func gave an ndarray of shape {x.shape}, which has no "
                        "derivative; return a list of its parts, or make it by "
                        "tapegrad.numpy.array; if it is constant, by tapegrad.tensor"
                    )


# --- the solution and its adjoint ---------------------------------------------------------------


@custom_vjp
def _solution(
    problem: _Problem, start: Tensor, times: Tensor, arguments: list, variables: list
) -> Tensor:
    with no_grad():

        def slope(y: np.ndarray, t: float) -> np.ndarray:
            made = problem.slope(tensor(y), tensor(t, problem.dtype), arguments)
            return np.asarray(made.numpy())

        return tensor(_solve(slope, start.numpy(), times.numpy(), problem))


_solution.nondiff_argnums = (0,)


def _forward(problem, start, times, arguments, variables):
    ys = _solution(problem, start, times, arguments, variables)
    return ys, (ys, times, arguments, variables)


def _backward(problem, residuals, ct):
    """From the last time to the first: the cotangent of y, and what it makes of the others'.

    The state is (y, its cotangent, those of the first time, of arguments and variables).
    """
    ys, times, arguments, variables = residuals
    n, m = ys.shape[1], times.size
    others = [*arguments, *variables]
    zeros = [tensor(np.zeros(x.size, problem.dtype)) for x in (times[0], *others)]
    adjoint = _Adjoint(problem, n, others, len(arguments))
    rest = concatenate(zeros)
    ct_y = ct[m - 1]
    ct_times: list = [None] * m
    for i in range(m - 1, 0, -1):
        ct_times[i] = (problem.slope(ys[i], times[i], arguments) * ct[i]).sum()
        rest = concatenate([rest[:1] - ct_times[i], rest[1:]])
        state = concatenate([ys[i], ct_y, rest])
        span = concatenate([reshape(-times[i], (1,)), reshape(-times[i - 1], (1,))])
        state = _solution(adjoint, state, span, arguments, variables)[1]
        ct_y = state[n : 2 * n] + ct[i - 1]
        rest = state[2 * n :]
    ct_times[0] = rest[0]
    parts, at = [], 1
    for x in others:
        parts.append(as_dtype(reshape(rest[at : at + x.size], x.shape), x.dtype))
        at += x.size
    ct_all = concatenate([reshape(c, (1,)) for c in ct_times])
    return ct_y, ct_all, parts[: len(arguments)], parts[len(arguments) :]


_solution.defvjp(_forward, _backward)


class _Adjoint:
    """The adjoint problem of one interval, in the time -t."""

    def __init__(self, problem: Any, n: int, others: list, n_arguments: int):
        self.problem, self.n, self.others, self.n_arguments = problem, n, others, n_arguments
        self.dtype = problem.dtype
        self.rtol, self.atol, self.mxstep = problem.rtol, problem.atol, problem.mxstep

    def slope(self, state: Tensor, minus_t: Tensor, arguments: list) -> Tensor:
        y, ct = state[: self.n], state[self.n : 2 * self.n]
        # Copies: an argument that func reads as a parameter too is one thing in either role.
        sources = [y * 1.0, -minus_t, *[x * 1.0 for x in arguments]]
        with enable_grad(), tape() as t:  # within no_grad, when nobody records the adjoint
            t.watch(sources)
            dy = self.problem.slope(sources[0], sources[1], sources[2:])
        variables = self.others[self.n_arguments :]
        grads = t.gradient(dy, [*sources, *variables], ct, unconnected_gradients="zero")
        flat = [ravel(as_dtype(g, self.dtype)) for g in grads]
        return concatenate([-dy, *flat])


# --- Dormand & Prince ---------------------------------------------------------------------------


def _solve(slope: Callable, y: np.ndarray, times: np.ndarray, problem: Any) -> np.ndarray:
    """y at each of the times; plain NumPy."""
    found = [np.array(y)]
    t, k = float(times[0]), slope(y, float(times[0]))
    step = None
    for end in times[1:]:
        y, t, k, step = _advance(slope, y, t, k, float(end), step, problem)
        found.append(y)
    return np.stack(found)


def _advance(
    slope: Callable, y: np.ndarray, t: float, k: np.ndarray, end: float, step: Any, problem: Any
) -> tuple:
    """From t to end by steps whose error is within bounds; step: the size to try first."""
    sign = 1.0 if end >= t else -1.0
    if not np.isfinite(k).all():
        raise TapegradError(f"odeint: func gives nan or infinity at t = {t:.6g}, y = {y}")
    if step is None:
        step = _first_step(slope, y, t, k, sign, problem)
    for _ in range(problem.mxstep):
        left = abs(end - t)
        if not left:
            return y, t, k, step
        h = min(step, left)
        stages = [k]
        for node, weights in zip(_NODES[1:], _STAGES[1:]):
            ahead = y + sign * h * sum(w * s for w, s in zip(weights, stages))
            stages.append(slope(ahead.astype(y.dtype, copy=False), t + sign * h * node))
        error = h * sum(w * s for w, s in zip(_ERROR, stages))
        size = _norm(error, y, ahead, problem)
        factor = 0.9 * size**-0.2 if size > 0 else 10.0
        if size <= 1.0:
            y, k = ahead.astype(y.dtype, copy=False), stages[-1]
            t = end if h == left else t + sign * h
            next_step = h * min(10.0, max(0.2, factor))
            step = max(next_step, step) if h < step else next_step  # h < step: cut short by end
        else:
            step = h * max(0.2, factor) if np.isfinite(size) else h * 0.1
        if not step > 1e-14 * max(abs(t), 1e-300):
            break
    raise TapegradError(
        f"odeint: no step small enough at t = {t:.6g} (or mxstep = {problem.mxstep} reached); the "
        "problem may be stiff or singular there: loosen rtol and atol, or raise mxstep"
    )


def _norm(error: np.ndarray, y: np.ndarray, ahead: np.ndarray, problem: Any) -> float:
    scale = problem.atol + problem.rtol * np.maximum(np.abs(y), np.abs(ahead))
    return float(np.sqrt(np.mean((error / scale) ** 2))) if error.size else 0.0


def _first_step(
    slope: Callable, y: np.ndarray, t: float, k: np.ndarray, sign: float, problem: Any
) -> float:
    """Hairer, Norsett & Wanner, II.4: from the sizes of y, y' and y''."""
    scale = problem.atol + problem.rtol * np.abs(y)

    def size(v: np.ndarray) -> float:
        return float(np.sqrt(np.mean((v / scale) ** 2))) if v.size else 0.0

    d0, d1 = size(y), size(k)
    h0 = 1e-6 if d0 < 1e-5 or d1 < 1e-5 else 0.01 * d0 / d1
    ahead = (y + sign * h0 * k).astype(y.dtype, copy=False)
    d2 = size(slope(ahead, t + sign * h0) - k) / h0
    top = max(d1, d2)
    h1 = max(1e-6, h0 * 1e-3) if top <= 1e-15 else (0.01 / top) ** 0.2
    return min(100 * h0, h1)
