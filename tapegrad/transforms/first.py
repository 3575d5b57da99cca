"""First derivatives: grad, value_and_grad, elementwise_grad and vjp; jvp and linearize.

Each runs the function once on a tape of its own (record.py). Arguments and results are nestings
of arrays; each transform of a transform is a higher derivative.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from ..errors import ShapeError
from .record import Recorded, match, positions


def value_and_grad(
    fun: Callable,
    argnums: int | tuple[int, ...] = 0,
    has_aux: bool = False,
    holomorphic: bool = False,
) -> Callable:
    """A function that gives fun's value and its gradient.

    Args:
        fun: returns a scalar Tensor; with has_aux, a pair (scalar, anything).
        argnums: which positional argument, or arguments (a tuple), to differentiate; each a
            floating array, a Python float, or any nesting of them.
        has_aux: fun returns (value, aux).
        holomorphic: fun takes and returns complex numbers, and its complex derivative is meant.
    Returns:
        A function of the same arguments that returns (value, gradient), or with has_aux
        ((value, aux), gradient). The gradient has the structure of the argument, or is a tuple
        of gradients if argnums is one; zeros where the value does not depend on a leaf. For a
        complex argument of a real function it is df/dRe - i df/dIm, as JAX's and autograd's.
    Raises:
        DTypeError: for an integer argument, naming it; for an integer or complex value.
        ShapeError: for a value that is not a scalar.
        TypeError: for a value that is not a Tensor.
    Cost: fun, recorded, and one reverse sweep, about twice fun.
    """
    return _with_gradient("value_and_grad", fun, argnums, has_aux, holomorphic)


def grad(
    fun: Callable,
    argnums: int | tuple[int, ...] = 0,
    has_aux: bool = False,
    holomorphic: bool = False,
) -> Callable:
    """A function that gives fun's gradient; with has_aux, (gradient, aux).

    Arguments, errors and cost: as value_and_grad.
    """
    both = _with_gradient("grad", fun, argnums, has_aux, holomorphic)

    @functools.wraps(fun)
    def gradient(*args: Any, **kwargs: Any) -> Any:
        value, found = both(*args, **kwargs)
        return (found, value[1]) if has_aux else found

    return gradient


def _with_gradient(
    name: str, fun: Callable, argnums: Any, has_aux: bool, holomorphic: bool
) -> Callable:
    real = "" if holomorphic else "outputs"

    def value_and_gradient(*args: Any, **kwargs: Any) -> Any:
        at = positions(name, argnums, len(args))
        call = Recorded(name, fun, args, kwargs, at, has_aux, real=real)
        check_scalar(call)
        value = call.value()
        found = call.gradients([None])
        gradient = found[0] if isinstance(argnums, int) else found
        return ((value, call.aux) if has_aux else value), gradient

    return functools.wraps(fun)(value_and_gradient) if callable(fun) else value_and_gradient


def check_scalar(call: Recorded) -> None:
    """Raise unless the function returned one scalar."""
    if len(call.ys) != 1 or call.result is not call.ys[0]:
        raise TypeError(
            f"{call.name}: the function returned {type(call.result).__name__}, not a scalar "
            "Tensor; for (value, aux) give has_aux=True"
        )
    if call.ys[0].shape:
        raise ShapeError(
            f"{call.name}: the function returned shape {call.ys[0].shape}; reduce it to a scalar "
            "(sum, mean), or use jacobian or elementwise_grad"
        )


def elementwise_grad(fun: Callable, argnums: int | tuple[int, ...] = 0) -> Callable:
    """A function that gives the derivative of the sum of fun's results.

    Where each result depends on the argument's element of the same place only, that is the
    derivative of each. As autograd's. Arguments, errors and cost: as grad, but for the result,
    an array of any shape or a nesting of them.
    """

    @functools.wraps(fun)
    def derivative(*args: Any, **kwargs: Any) -> Any:
        at = positions("elementwise_grad", argnums, len(args))
        call = Recorded("elementwise_grad", fun, args, kwargs, at)
        found = call.gradients([None] * len(call.ys))
        return found[0] if isinstance(argnums, int) else found

    return derivative


def vjp(fun: Callable, *primals: Any, has_aux: bool = False) -> tuple:
    """fun's value, and the function that pulls cotangents of it back to the arguments.

    Args:
        fun: any function of floating arrays, or nestings of them.
        primals: its arguments.
        has_aux: fun returns (value, aux).
    Returns:
        (value, pullback), or (value, pullback, aux). pullback(cotangent), structured and shaped
        like the value, gives a tuple of cotangents, one per argument; it may be called again.
    Raises:
        DTypeError, TypeError: for an argument or result without derivative, naming it.
        ShapeError: from pullback, for a cotangent of another structure, shape or dtype.
    Cost: fun, recorded; each pullback about twice that. The record lives as long as pullback.
    """
    call = Recorded("vjp", fun, primals, {}, range(len(primals)), has_aux, persistent=True)

    def pullback(cotangent: Any) -> tuple:
        return call.gradients(match(cotangent, call.result, call.ys, "cotangent"))

    value = call.value()
    return (value, pullback, call.aux) if has_aux else (value, pullback)


def jvp(fun: Callable, primals: Any, tangents: Any, has_aux: bool = False) -> tuple:
    """fun's value, and its derivative along the tangents: forward mode.

    Args:
        fun: any function of floating arrays, or nestings of them.
        primals: its arguments, a tuple or list.
        tangents: the same, structured and shaped like primals.
        has_aux: fun returns (value, aux).
    Returns:
        (value, tangent), or (value, tangent, aux); the tangent is structured like the value.
    Raises: as vjp; ShapeError for tangents that do not fit primals.
    Cost: fun, recorded, and about once fun more, however many elements primals have.
    """
    for what, given in (("primals", primals), ("tangents", tangents)):
        if not isinstance(given, (tuple, list)):
            raise TypeError(
                f"jvp: {what} must be a tuple of arguments, got {type(given).__name__}; for one "
                "argument write (x,)"
            )
    call = Recorded("jvp", fun, primals, {}, range(len(primals)), has_aux)
    value = call.value()
    tangent = call.tangents(tuple(tangents))
    return (value, tangent, call.aux) if has_aux else (value, tangent)


def linearize(fun: Callable, *primals: Any, has_aux: bool = False) -> tuple:
    """fun's value, and its derivative as a linear function of tangents.

    As jvp at fixed primals, for many tangents: fun runs once.

    Returns:
        (value, push), or (value, push, aux). push(*tangents) takes one per argument.
    Raises, cost: as jvp. The record lives as long as push.
    """
    call = Recorded("linearize", fun, primals, {}, range(len(primals)), has_aux, persistent=True)

    def push(*tangents: Any) -> Any:
        return call.tangents(tangents)

    value = call.value()
    return (value, push, call.aux) if has_aux else (value, push)
