"""Whole matrices of derivatives: jacobian, jacrev, jacfwd, hessian; and products with Hessians.

Rows (or columns) are swept in blocks: the cotangents of a block share a leading axis, and every
rule runs once per block (ops/blocks.py). A block is as long as keeps its values in cache.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import numpy as np

from ..engine import select
from ..engine.select import apply
from ..ops.table import OPS
from ..tensor import Tensor, tensor
from .first import check_scalar
from .record import Recorded, positions

BLOCK_ELEMENTS = 1 << 18  # of the largest array a block carries


def jacrev(
    fun: Callable,
    argnums: int | tuple[int, ...] = 0,
    has_aux: bool = False,
    holomorphic: bool = False,
) -> Callable:
    """A function that gives fun's Jacobian, row by row of the result: reverse mode.

    Args: as grad, but for fun's result: floating arrays, or any nesting of them.
    Returns:
        A function of the same arguments. For each leaf of the result, structured as it, the
        derivatives by each leaf of the argument, structured as that, of the result's shape
        followed by the argument's. With has_aux, (Jacobian, aux).
    Raises: as grad.
    Cost: one reverse sweep per element of the result, in blocks.
    """
    return _jacobian("jacrev", "rev", fun, argnums, has_aux, holomorphic)


def jacfwd(
    fun: Callable,
    argnums: int | tuple[int, ...] = 0,
    has_aux: bool = False,
    holomorphic: bool = False,
) -> Callable:
    """As jacrev, column by column of the argument: forward mode.

    Cost: one forward sweep per element of the argument, in blocks.
    """
    return _jacobian("jacfwd", "fwd", fun, argnums, has_aux, holomorphic)


def jacobian(
    fun: Callable,
    argnums: int | tuple[int, ...] = 0,
    has_aux: bool = False,
    holomorphic: bool = False,
) -> Callable:
    """As jacrev, in the mode that needs fewer sweeps: reverse unless the argument has fewer
    elements than the result."""
    return _jacobian("jacobian", "", fun, argnums, has_aux, holomorphic)


def hessian(
    fun: Callable,
    argnums: int | tuple[int, ...] = 0,
    has_aux: bool = False,
    holomorphic: bool = False,
) -> Callable:
    """A function that gives fun's second derivatives: jacfwd of jacrev.

    Args, errors: as jacrev. For a scalar fun of one array x the result has shape
    x.shape + x.shape; nestings nest twice.
    Cost: a gradient, and a forward sweep over it per element of the argument, in blocks.
    """
    first = jacrev(fun, argnums, has_aux, holomorphic)
    return _jacobian("hessian", "fwd", first, argnums, has_aux, holomorphic)


def hvp(fun: Callable, x: Any, v: Any) -> Any:
    """The product of fun's Hessian at x with v, without the Hessian: forward over reverse.

    Args:
        fun: of one argument, returning a scalar Tensor.
        x: its argument, a floating array or any nesting of them.
        v: structured and shaped like x.
    Returns:
        Structured and shaped like x.
    Raises: as jvp and grad.
    Cost: two to three gradients, however many elements x has.
    """

    def gradient(x: Any) -> Any:
        inner = Recorded("hvp", fun, (x,), {}, (0,), real="outputs", is_fresh=True)
        check_scalar(inner)
        return inner.gradients([None])[0]

    return Recorded("hvp", gradient, (x,), {}, (0,)).tangents((v,))


# --- sweeping in blocks -----------------------------------------------------------------------


def _jacobian(
    name: str, mode: str, fun: Callable, argnums: Any, has_aux: bool, holomorphic: bool
) -> Callable:
    real = "" if holomorphic else "inputs outputs"

    def derivatives(*args: Any, **kwargs: Any) -> Any:
        at = positions(name, argnums, len(args))
        call = Recorded(name, fun, args, kwargs, at, has_aux, persistent=True, real=real)
        rows = jacobian_of(call.tape, call.ys, call.xs, mode)
        found = [call.in_structure(iter(row)) for row in rows]
        if isinstance(argnums, int):
            found = [row[0] for row in found]
        result = call.out_structure(iter(found))
        return (result, call.aux) if has_aux else result

    return functools.wraps(fun)(derivatives) if callable(fun) else derivatives


def jacobian_of(tape: Any, ys: list, xs: list, mode: str = "") -> list[list[Tensor]]:
    """Derivatives of each y by each x, [y][x], of shape y.shape + x.shape, zeros where not
    connected, on an engine's tape, which is kept. mode: "rev", "fwd", or the one of fewer sweeps.
    """
    if not mode:
        mode = "rev" if _elements(ys) <= _elements(xs) else "fwd"
    if mode == "rev":
        return [_rows(tape, y, xs) for y in ys]
    columns = [_columns(tape, ys, x) for x in xs]
    return [list(row) for row in zip(*columns)]


def batch_jacobian_of(tape: Any, y: Tensor, x: Tensor) -> Tensor | None:
    """Derivatives of each row of y by the same row of x, (rows, *y.shape[1:], *x.shape[1:]), on an
    engine's tape, which is kept; None if y does not depend on x. Row i of y must depend on row i
    of x only."""
    n, outer, inner = y.shape[0], y.shape[1:], x.shape[1:]
    if not y.size or not x.size:
        return zeros_of((n, *outer, *inner), x)
    parts = []
    reverse = y.size <= x.size
    for seeds, m in _seeds_of_rows(y if reverse else x, x if reverse else y):
        if reverse:
            (found,) = tape.sweep([y], [seeds], [x], m, True)
        else:
            (found,) = tape.push([x], [seeds], [y], m, True)
        if found is None:
            return None
        parts.append(found)
    rows = _joined(parts, x)  # (elements of a row of one, n, *row of the other)
    if reverse:
        order = (1, 0, *range(2, rows.ndim))
    else:
        order = (*range(1, rows.ndim), 0)
    return _shaped(apply(OPS["transpose"].id, (rows,), order), (n, *outer, *inner))


def _seeds_of_rows(like: Tensor, other: Tensor) -> Any:
    """Rows of the identity of one row of `like`, the same in all of its rows."""
    n, each = like.shape[0], like.size // like.shape[0]
    length = max(1, min(each, BLOCK_ELEMENTS // max(like.size, other.size)))
    for first in range(0, each, length):
        m = min(length, each - first)
        rows = np.eye(m, each, first, like.dtype).reshape(m, 1, each)
        # repeated, not copied: a product with a matrix then takes each row once
        block = apply(OPS["broadcast_to"].id, (tensor(rows),), (m, n, each))
        yield _shaped(block, (m, *like.shape)), m


def _elements(tensors: list) -> int:
    return sum(t.size for t in tensors)


def _rows(tape: Any, y: Tensor, xs: list) -> list[Tensor]:
    """Derivatives of one y by each x, by reverse sweeps."""
    parts: list[list] = [[] for _ in xs]
    for seeds, n in _seeds(y, xs):
        found = tape.sweep([y], [seeds], xs, n, True)
        for part, g, x in zip(parts, found, xs):
            part.append(zeros_of((n, *x.shape), x) if g is None else g)
    return [_shaped(_joined(part, x), y.shape + x.shape) for part, x in zip(parts, xs)]


def _columns(tape: Any, ys: list, x: Tensor) -> list[Tensor]:
    """Derivatives of each y by one x, by forward sweeps."""
    parts: list[list] = [[] for _ in ys]
    for seeds, n in _seeds(x, ys):
        found = tape.push([x], [seeds], ys, n, True)
        for part, t, y in zip(parts, found, ys):
            part.append(zeros_of((n, *y.shape), y) if t is None else t)
    turned = []
    for part, y in zip(parts, ys):
        columns = _joined(part, y)
        order = (*range(1, columns.ndim), 0)
        turned.append(_shaped(apply(OPS["transpose"].id, (columns,), order), y.shape + x.shape))
    return turned


def _seeds(like: Tensor, others: list) -> Any:
    """Rows of the identity, as blocks of cotangents (or tangents) of `like`; with their number."""
    n = like.size
    largest = max(t.size for t in (like, *others))
    length = max(1, min(n, BLOCK_ELEMENTS // max(largest, 1)))
    adopt = select.engine().adopt
    for first in range(0, n, length):
        m = min(length, n - first)
        block = np.eye(m, n, first, like.dtype)
        yield adopt(tensor(block.reshape((m, *like.shape)))), m


def zeros_of(shape: tuple, like: Tensor) -> Tensor:
    """Zeros of a shape in like's dtype."""
    return tensor(np.zeros(shape, like.dtype))


def _joined(parts: list, like: Tensor) -> Tensor:
    if not parts:
        return zeros_of((0, *like.shape), like)
    return parts[0] if len(parts) == 1 else apply(OPS["concatenate"].id, tuple(parts), (0,))


def _shaped(t: Tensor, shape: tuple) -> Tensor:
    return t if t.shape == shape else apply(OPS["reshape"].id, (t,), shape)
