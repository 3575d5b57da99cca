"""custom_vjp and custom_jvp: functions whose derivative is what their author says."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import Any

import numpy as np

from ..engine.dtypes import is_inexact
from ..errors import ShapeError, TapegradError
from ..tensor import Tensor, asarray, tensor
from ..tree import flatten, flatten_like, leaf_paths, outline
from .entries import EntryCall, Leaves, as_one_entry, paused, tracking_tape
from .record import Recorded


class _Custom:
    """What both share: the call of the function, and of its rule for the innermost tape."""

    kind: str
    __call__: Callable[..., Any]

    def __init__(self, fun: Callable, nondiff_argnums: tuple[int, ...] = ()):
        if not callable(fun):
            raise TypeError(f"{self.kind}: need a function, got {type(fun).__name__}")
        functools.update_wrapper(self, fun)
        self.fun = fun
        self.nondiff_argnums = tuple(nondiff_argnums)
        self.name = f"{self.kind} {getattr(fun, '__name__', 'function')}"

    def __get__(self, instance: Any, owner: Any = None) -> Any:
        return self if instance is None else functools.partial(self, instance)

    def _split(self, args: tuple, kwargs: dict) -> tuple[list, list]:
        """(static arguments, the others), keyword arguments put in their places."""
        if kwargs:
            bound = inspect.signature(self.fun).bind(*args, **kwargs)
            bound.apply_defaults()
            args = bound.args
        static = {i % len(args) for i in self.nondiff_argnums if -len(args) <= i < len(args)}
        return (
            [a for i, a in enumerate(args) if i in static],
            [a for i, a in enumerate(args) if i not in static],
        )

    def _joined(self, static: list, others: Any) -> list:
        """The arguments in the function's order."""
        n = len(static) + len(others)
        at = {i % n for i in self.nondiff_argnums if -n <= i < n}
        one, other = iter(static), iter(others)
        return [next(one) if i in at else next(other) for i in range(n)]

    def _undefined(self, how: str) -> TapegradError:
        return TapegradError(f"{self.name} has no rule yet: define it with {how}")


class custom_vjp(_Custom):
    """A function with its own reverse rule.

        @tg.custom_vjp
        def f(x, y): ...

        def f_fwd(x, y): return f(x, y), residuals
        def f_bwd(residuals, ct): return ct_x, ct_y
        f.defvjp(f_fwd, f_bwd)

    Args:
        fun: of arrays and nestings of them.
        nondiff_argnums: positions of arguments that are passed as they are; bwd gets them first.

    f_bwd returns one cotangent per argument, structured as it, None for zero. Residuals are any
    nesting. It is used by the innermost tape or transform; outer ones differentiate f_fwd and
    f_bwd, as JAX does. Forward mode transposes f_bwd, which must then be linear in ct and written
    with tapegrad functions (JAX refuses it). What the function reads from elsewhere (closures,
    globals) is a constant to the rule: pass it as an argument.
    """

    kind = "custom_vjp"

    def __init__(self, fun: Callable, nondiff_argnums: tuple[int, ...] = ()):
        super().__init__(fun, nondiff_argnums)
        self.fwd: Callable | None = None
        self.bwd: Callable | None = None

    def defvjp(self, fwd: Callable, bwd: Callable) -> None:
        """fwd(*args) -> (value, residuals); bwd(*nondiff, residuals, ct) -> a cotangent per
        argument that is not in nondiff_argnums."""
        self.fwd, self.bwd = fwd, bwd

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        if self.fwd is None or self.bwd is None:
            raise self._undefined("f.defvjp(fwd, bwd)")
        static, others = self._split(args, kwargs)
        arguments = Leaves(others)
        tape = tracking_tape(arguments.tensors)
        if tape is None:
            return self.fun(*args, **kwargs)
        with paused([tape]):
            pair = self.fwd(*self._joined(static, others))
        if not isinstance(pair, tuple) or len(pair) != 2:
            raise TypeError(f"{self.name}: fwd must return (value, residuals)")
        residuals = Leaves(pair[1])
        return as_one_entry(
            tape,
            pair[0],
            arguments.tensors,
            residuals.tensors,
            lambda result, packing: _VjpCall(self, static, arguments, residuals, result, packing),
        )


class _VjpCall(EntryCall):
    def __init__(self, owner, static, arguments, residuals, result, packing):
        super().__init__(owner.name, result, packing, len(arguments.tensors))
        self.owner, self.static = owner, static
        self.arguments, self.residuals = arguments.detached(), residuals.detached()

    def pull(self, cts: list, inputs: tuple) -> list:
        n = self.n_arguments
        given = self.result.only(cts)
        residuals = self.residuals.filled(inputs[1 + n :])
        found = self.owner.bwd(*self.static, residuals, given)
        arguments = self.arguments.filled(inputs[1 : 1 + n])
        is_several = isinstance(found, (tuple, list))
        if not is_several or len(found) != len(arguments):
            raise TypeError(
                f"{self.name}: bwd must return a tuple of {len(arguments)} cotangents, one per "
                f"argument, got {outline(found) if is_several else type(found).__name__}"
            )
        leaves: list = []
        for i, (ct, argument) in enumerate(zip(found, arguments)):
            leaves += cotangents(ct, argument, f"{self.name}: the cotangent of argument {i}")
        return leaves

    def push(self, index: int, tangent: Tensor, inputs: tuple) -> list:
        starts = [
            tensor(np.zeros(shape, dtype))
            for shape, dtype in zip(self.packing.shapes, self.packing.dtypes)
        ]
        if self.pull(starts, inputs)[index] is None:
            return starts
        call = Recorded(
            self.name, lambda *cts: self.pull(list(cts), inputs)[index], starts, {},
            range(len(starts)),
        )  # fmt: skip
        found = call.sweep([tangent])  # the transpose of the transpose
        if all(t is None for t in found):
            raise TypeError(
                f"{self.name}: bwd is not linear in its cotangent (no derivative flows through "
                "it), so forward mode cannot be made of it; define the function with custom_jvp, "
                "or differentiate it in reverse (grad, vjp, jacrev)"
            )
        return [start if t is None else t for t, start in zip(found, starts)]


def cotangents(given: Any, argument: Any, what: str) -> list:
    """For each Tensor in an argument, its cotangent from a nesting like it, or None."""
    leaves: list = []
    flatten(argument, leaves)
    values = [None] * len(leaves) if given is None else flatten_like(given, argument, what)
    found: list = []
    for k, (value, x) in enumerate(zip(values, leaves)):
        if not isinstance(x, Tensor):
            continue
        if value is None or not is_inexact(x.dtype):
            found.append(None)
            continue
        ct = asarray(value)
        if ct.shape != x.shape:
            path = list(leaf_paths(argument))[k]
            raise ShapeError(f"{what}{path} has shape {ct.shape}; need {x.shape}")
        found.append(ct if ct.dtype == x.dtype else ct.astype(x.dtype))
    return found


class custom_jvp(_Custom):
    """A function with its own forward rule, from which reverse mode follows by transposition.

        @tg.custom_jvp
        def f(x, y): ...

        @f.defjvp
        def f_jvp(primals, tangents): return f(*primals), tangent

    Args: as custom_vjp. The rule must be linear in the tangents, and written with tapegrad
    functions. Every level of nested derivatives uses it.
    """

    kind = "custom_jvp"

    def __init__(self, fun: Callable, nondiff_argnums: tuple[int, ...] = ()):
        super().__init__(fun, nondiff_argnums)
        self.rule: Callable | None = None

    def defjvp(self, jvp: Callable) -> Callable:
        """jvp(*nondiff, primals, tangents) -> (value, tangent)."""
        self.rule = jvp
        return jvp

    def defjvps(self, *jvps: Callable | None) -> None:
        """One rule per argument, jvp(tangent, value, *primals) -> tangent; None for zero."""

        def jvp(primals: tuple, tangents: tuple) -> tuple:
            value = self(*primals)
            terms = [rule(t, value, *primals) for rule, t in zip(jvps, tangents) if rule]
            total = terms[0] if terms else tensor(np.zeros(value.shape, value.dtype))
            for term in terms[1:]:
                total = total + term
            return value, total

        self.rule = jvp

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        if self.rule is None:
            raise self._undefined("f.defjvp(rule)")
        static, others = self._split(args, kwargs)
        arguments = Leaves(others)
        tape = tracking_tape(arguments.tensors)
        if tape is None:
            return self.fun(*args, **kwargs)
        with paused([tape]):  # outer tapes take the rule too, each in turn
            result = self(*args, **kwargs)
        return as_one_entry(
            tape,
            result,
            arguments.tensors,
            (),
            lambda leaves, packing: _JvpCall(self, static, arguments, leaves, packing),
        )


class _JvpCall(EntryCall):
    def __init__(self, owner, static, arguments, result, packing):
        super().__init__(owner.name, result, packing, len(arguments.tensors))
        self.owner, self.static, self.arguments = owner, static, arguments.detached()

    def _tangents(self, inputs: tuple, tangents: list) -> list:
        """The result's tangents by the rule, from one tangent per argument's Tensor."""
        primals = tuple(self.arguments.filled(inputs))
        given = tuple(self.arguments.only(tangents))
        pair = self.owner.rule(*self.static, primals, given)
        if not isinstance(pair, tuple) or len(pair) != 2:
            raise TypeError(f"{self.name}: the rule must return (value, tangent)")
        likes = [np.broadcast_to(0.0, shape) for shape in self.packing.shapes]
        like = self.result.only(likes)
        leaves = flatten_like(pair[1], like, f"{self.name}: the tangent")
        found = []
        for value, shape, dtype in zip(leaves, self.packing.shapes, self.packing.dtypes):
            t = asarray(value)
            if t.shape != shape:
                raise ShapeError(
                    f"{self.name}: the rule's tangent has shape {t.shape}; need {shape}"
                )
            found.append(t if t.dtype == dtype else t.astype(dtype))
        return found

    def push(self, index: int, tangent: Tensor, inputs: tuple) -> list:
        inputs = inputs[1:]
        return self._tangents(
            inputs, [tangent if i == index else zeros(x) for i, x in enumerate(inputs)]
        )

    def pull(self, cts: list, inputs: tuple) -> list:
        inputs = inputs[1:]
        active = [i for i, x in enumerate(inputs) if is_inexact(x.dtype)]

        def linear(*tangents: Tensor) -> list:
            given = [zeros(x) for x in inputs]
            for i, t in zip(active, tangents):
                given[i] = t
            return self._tangents(inputs, given)

        starts = [zeros(inputs[i]) for i in active]
        call = Recorded(self.name, linear, starts, {}, range(len(starts)))
        found = dict(zip(active, call.sweep(cts)))
        return [found.get(i) for i in range(len(inputs))]


def zeros(x: Tensor) -> Tensor:
    """Zeros shaped like x."""
    return tensor(np.zeros(x.shape, x.dtype))
