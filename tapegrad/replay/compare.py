"""Whether two recordings of one step are the same program, and if not, why."""

from __future__ import annotations

from collections.abc import Iterable
from operator import attrgetter
from typing import Any

import numpy as np

from ..engine.recording import Live
from ..lines import line_name
from ..tensor import identity
from ..transforms.entries import EntryCall
from ..tree import counted
from .arguments import compares_by_value
from .build import program_of
from .ir import (
    ARGUMENT,
    ARRAY,
    CONSTANT,
    GRAD,
    GUARD,
    LIVE,
    OPTIMIZER,
    PYTHON,
    RANDOM,
    TENSOR,
    Entry,
    Program,
    Value,
)
from .record import Event, Recording, scalar


class Branch(str):
    """A difference where both recordings are right, each on its way: a branch on data went another
    way, or the first one made what later ones find in a cache."""

    @classmethod
    def at(cls, line: int) -> Branch:
        return cls(f"{line_name(line)}: a branch on data went the other way")


def difference(a: Recording, b: Recording) -> str | None:
    """Why two recordings of one step are not the same program; None if they are."""
    if _are_same(a, b):
        return None
    return _explain(program_of(a), program_of(b)) or "it does something else at each call"


def _are_same(a: Recording, b: Recording) -> bool:
    return (
        a.words == b.words
        and (a.outputs, a.same) == (b.outputs, b.same)
        and [n for _, n in a.grads] == [n for _, n in b.grads]
        and len(a.events) == len(b.events)
        and all(map(_is_same_event, a.events, b.events))
        and all(
            g is h and blocks == others
            for (g, _, blocks), (h, _, others) in zip(a.streams, b.streams)
        )
        and all(map(_is_same_call, a.calls, b.calls))
        and a.leaves.keys() == b.leaves.keys()
        and not any(_value_difference(a.leaves[n], b.leaves[n]) for n in _uncertain(a, b))
    )


def _uncertain(a: Recording, b: Recording) -> Iterable[int]:
    """The leaves that have to be looked at; Tensors of the same records need not."""
    if 0 not in a.outside.values() and a.outside == b.outside:
        return a.leaves.keys() - a.outside.keys()
    return a.leaves.keys()


def makes_arrays(a: Recording, b: Recording) -> bool:
    """Whether, in two recordings of one program, an array that it reads is another object at each:
    plain NumPy made it, our functions of an array that they were given perhaps."""
    leaves = b.leaves.items()
    return any(v.kind == ARRAY and v.source is not a.leaves[n].source for n, v in leaves)


def _is_same_event(x: Event, y: Event) -> bool:
    if (x.position, x.kind, x.tensors) != (y.position, y.kind, y.tensors):
        return False
    if x.kind == RANDOM:
        return _is_same_draw(x.data, y.data)
    if x.kind == OPTIMIZER:
        return x.data[1] is y.data[1] and x.data[2] == y.data[2]
    return x.data == y.data


def _guards_same(a: Program, x: Entry, b: Program, y: Entry) -> bool:
    """Whether two guards look at one value. What no op has read by then has the number of its
    first use, later on."""
    u, v = a.values[x.inputs[0]], b.values[y.inputs[0]]
    if u.kind == v.kind == ARGUMENT:
        return u.source == v.source
    if u.kind == v.kind == TENSOR:
        return identity(u.source) == identity(v.source)
    return x.inputs == y.inputs


_what = attrgetter("kind", "op", "inputs", "outputs", "k")


def _explain(a: Program, b: Program) -> str | None:
    for x, y in zip(a.entries, b.entries):
        if x.kind == y.kind == GUARD and x.extra != y.extra and _guards_same(a, x, b, y):
            return Branch.at(y.line)
        same_params = repr(x.params) == repr(y.params)  # 0.0 is not -0.0, nan is nan
        if not same_params or _what(x) != _what(y):
            changed = "" if same_params else f"; numbers {x.params} became {y.params}"
            first = f" ({line_name(x.line)})" if x.line != y.line else ""
            return f"{line_name(y.line)}: {y.name} where the first recording had {x.name}" + (
                first + changed
            )
        if x.kind == PYTHON and not _is_same_call(x.extra, y.extra):
            return f"{line_name(y.line)}: {y.name} has other plain arguments"
        if x.kind == RANDOM and not _is_same_draw(x.extra, y.extra):
            return f"{line_name(y.line)}: {y.name} draws other numbers than at the first recording"
        if x.kind == OPTIMIZER and (x.extra[1] is not y.extra[1] or x.extra[3] != y.extra[3]):
            return f"{line_name(y.line)}: the optimizer's parameters or state are others"
    if len(a.entries) != len(b.entries):
        longer = max(a.entries, b.entries, key=len)[min(len(a.entries), len(b.entries))]
        return (
            f"{line_name(longer.line)}: {counted(len(b.entries), 'entry')} where the first "
            f"recording had {len(a.entries)}"
        )
    if (a.outputs, len(a.values)) != (b.outputs, len(b.values)):
        return "the results are others"
    if [g for _, g in a.grads] != [g for _, g in b.grads]:
        return "other variables get a .grad"
    for number, (u, v) in enumerate(zip(a.values, b.values)):
        why = _value_difference(u, v)
        if why:
            line = next((e.line for e in b.entries if number in e.inputs), 0)
            return type(why)(f"{line_name(line)}: {why}")
    return None


def _is_same_call(a: Any, b: Any) -> bool:
    """Whether two calls of a primitive are of one function with equal plain arguments."""
    if a is None or b is None:
        return a is b
    if isinstance(a, EntryCall) or isinstance(b, EntryCall):  # what it did is in the log
        return type(a) is type(b)
    ours, theirs = ([*c.args, *c.kwargs, *c.kwargs.values()] for c in (a, b))
    return (
        a.owner is b.owner
        and len(ours) == len(theirs)
        and all(
            x is y or (type(x) is type(y) and compares_by_value(x) and x == y)
            for x, y in zip(ours, theirs)
        )
    )


def _is_same_draw(x: tuple, y: tuple) -> bool:
    """Of (kind, generator, a, b, blocks, ...)."""
    if isinstance(x[2], Live) and isinstance(y[2], Live):
        return x[2].is_as(y[2]) and (x[0], x[1], x[4:]) == (y[0], y[1], y[4:])
    return x == y


def _value_difference(u: Value, v: Value) -> str | None:
    outside = (TENSOR, CONSTANT)
    if u.kind in outside and v.kind in outside and identity(u.source) == identity(v.source):
        return None
    if u.kind in (ARRAY, CONSTANT) and (v.kind, u.dtype, u.shape) == (TENSOR, v.dtype, v.shape):
        return Branch("what the first recording made, the second found there")
    if (u.kind, u.dtype, u.shape) != (v.kind, v.dtype, v.shape):
        return f"a {u.kind} of shape {u.shape} became a {v.kind} of shape {v.shape}"
    if u.kind in (TENSOR, GRAD) and identity(u.source) != identity(v.source):
        return (
            "a Tensor from outside the step is another one; what other threads compute is outside, "
            "even for this step: compute it here"
        )
    if u.kind == LIVE and not u.source[0].is_as(v.source[0]):
        return "a hyper-parameter is read from another place"
    if u.kind == CONSTANT and not _same_constant(u.source, v.source):
        return (
            f"a number computed by plain Python changed: {_few(u.source)} became {_few(v.source)}; "
            "pass it as an argument (an array), or compute it with Tensors"
        )
    if u.kind == ARRAY and u.source is not v.source and not same_bits(u.source, v.source):
        return (
            "an array made by plain NumPy inside the step changed between two calls: draw or "
            "compute it outside and pass it as an argument"
        )
    return None


def _same_constant(a: Any, b: Any) -> bool:
    if a.shape == () and scalar(a) == scalar(b):
        return True
    return same_bits(a.numpy(), b.numpy())


def same_bits(a: np.ndarray, b: np.ndarray) -> bool:
    """Equal bit for bit, nan for nan."""
    return a.shape == b.shape and a.dtype == b.dtype and a.tobytes() == b.tobytes()


def _few(tensor: Any) -> str:
    return str(tensor.numpy().ravel()[:4].tolist())
