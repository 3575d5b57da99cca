"""A replayed call that never enters Python's interpreter: csrc/pycall.c gets the patterns of the
arguments and of the result, what must be as it was, and the program."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..engine import select
from ..engine.dtypes import CODES
from ..tensor import Tensor
from .arguments import compares_by_value, has_attributes
from .checks import Checks, pairs
from .look import SCALARS
from .native import NativeProgram


class NoPattern(Exception):
    """A nesting that only Python can match or make."""


def fast_call(
    variant: Any, args: tuple, kwargs: dict, any_order: bool, state: int, turn: Any
) -> Any:
    """A CompiledCall, whose call(args, kwargs) gives the result, or NotImplemented where Python
    must decide; None: it cannot be had for these arguments or this result.

    any_order: whether keywords may come in another one.
    """
    ready, checks = variant.ready, variant.guards.checks()
    if not isinstance(ready, NativeProgram) or checks is None or variant.pattern is None:
        return None
    arrays: list[Any] = []
    try:
        positional, (kind, *keywords) = argument(args, arrays), argument(kwargs, arrays)
    except NoPattern:
        return None
    p = ready.program
    adopt = select.engine().adopt
    guards = (checks, Checks(_layout(ready)))
    numbers = (_numbers(ready), lambda: _refresh(ready))
    grads = [[adopt(v) for v in vs] for vs in (ready.grads_read, p.state.without_grad, p.cleared)]
    draws = (ready.seeds, ready.moved_on) if p.generators else (None, None)
    patterns = positional, ("keywords" if any_order else kind, *keywords)
    answer = _numbered(variant.pattern, ready.order)
    return select._core.CompiledCall(
        ready.core, state, *patterns, guards, *numbers, *grads, *draws, answer, turn
    )


# --- patterns


def argument(x: Any, arrays: list) -> tuple:
    """The pattern of an argument, as arguments.flatten sees it; its arrays join `arrays`."""
    if type(x) in (tuple, list):
        return type(x).__name__, tuple([argument(part, arrays) for part in x])
    if type(x) is dict:
        return "dict", tuple(x), tuple([argument(part, arrays) for part in x.values()])
    if isinstance(x, Tensor) and x._may_be_written:
        return "is", x
    if type(x) is np.ndarray or isinstance(x, Tensor):
        for i, other in enumerate(arrays):
            if other is x:
                return "same", i
        arrays.append(x)
        strides = None
        if type(x) is np.ndarray and not x.flags.c_contiguous:
            if any(s % x.itemsize for s in x.strides):
                raise NoPattern
            strides = tuple([s // x.itemsize for s in x.strides])
        if x.dtype not in CODES:
            raise NoPattern
        return "array", len(arrays) - 1, CODES[x.dtype], x.shape, strides
    if isinstance(x, np.generic) and type(x) is x.dtype.type and x.dtype in CODES:
        arrays.append(x)
        return "scalar", len(arrays) - 1, CODES[x.dtype], type(x)
    if isinstance(x, (np.ndarray, np.generic, tuple, dict)) or hasattr(
        type(x), "__dataclass_fields__"
    ):
        raise NoPattern
    if not compares_by_value(x) or has_attributes(x):
        return "is", x
    if type(x) not in SCALARS or isinstance(x, slice):
        raise NoPattern  # it may get attributes, or another one is equal, of True for 1
    if isinstance(x, (float, complex)) and x == 0:
        return "is", x  # another zero may have the other sign; Python looks
    return "equal", x


def result(x: Any, count: list) -> tuple:
    """The pattern of a result; `count` gets one item per Tensor."""
    if isinstance(x, Tensor):
        count.append(x)
        return "made", len(count) - 1
    if type(x) in (tuple, list):
        return type(x).__name__, tuple([result(part, count) for part in x])
    if type(x) is dict:
        return "dict", tuple(x), tuple([result(part, count) for part in x.values()])
    if x is None or isinstance(x, (bool, int, float, complex, str, bytes)):
        return "value", x
    raise NoPattern


def result_pattern(x: Any) -> tuple | None:
    """The pattern of a result, or None: Python must make it."""
    try:
        return result(x, [])
    except NoPattern:
        return None


def _numbered(pattern: tuple, order: list[int]) -> tuple:
    """The pattern over the program's own outputs, in which no value comes twice."""
    kind, *rest = pattern
    if kind == "made":
        return kind, order[rest[0]]
    if kind == "value":
        return pattern
    *keys, parts = rest
    return kind, *keys, tuple([_numbered(part, order) for part in parts])


# --- what is read anew


def _layout(ready: NativeProgram) -> list[tuple]:
    rows: list[tuple] = []
    for owner, group, slots in ready.optimizers:
        rows.append((vars(owner), "_slots", owner._slots, "item"))
        rows.append((owner._slots, group, slots, "item"))
        rows.append((vars(owner), "param_groups", owner.param_groups, "item"))
        rows.append((owner.param_groups, group, owner.param_groups[group], "item"))
        rows.append((owner.param_groups[group], "params", slots.params, "item"))
    return rows


def _numbers(ready: NativeProgram) -> Any:
    rows: list[tuple] = []
    for owner, group, _ in ready.optimizers:
        found = owner.param_groups[group]
        rows.append((found, None, pairs(found), "dict"))
        rows += [(x, None, tuple(x), "list") for x in found.values() if type(x) is list]  # betas
    for x in ready.lives:
        plain = x.name in vars(x.owner) and not hasattr(type(x.owner), x.name)
        where, how = (vars(x.owner), "item") if plain else (x.owner, "attr")
        rows.append((where, x.name, getattr(x.owner, x.name), how))
    return Checks(rows)


def _refresh(ready: NativeProgram) -> Any:
    """Read hyper-parameters that have changed; None: another program is needed."""
    if not all(live.is_fit() for live in ready.lives):
        return None
    if not all(owner.is_laid_out(group, slots) for owner, group, slots in ready.optimizers):
        return None
    ready.read_numbers()
    return _numbers(ready)
