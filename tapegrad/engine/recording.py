"""Whether this thread is recording a step as a program, and who does.

Code that lets a value escape into Python, draws random numbers or steps an optimizer asks
`here.recorder`; it is None unless tapegrad.compile is recording (replay/record.py).
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from sys import float_info
from typing import Any, NamedTuple

import numpy as np

from ..ops.table import Op

# The write of a variable: no row of the table, since users call p.assign(v), but an entry.
ASSIGN = Op("assign", lambda p, value: value, ("p", "value"), kind="nondifferentiable")
TRACED = 4  # in a Tensor's flags: computed in, or given to, the step being recorded


# In an entry's notes: NumPy ran it; it is no op but reads a variable's .grad from before the step.
PYTHON_NOTE, GRAD_NOTE = 1, 2


class Logged(NamedTuple):
    """What an engine logged of a step. Values go by numbers, in the order in which entries read
    or make them; then come those that were asked for and that no entry knows."""

    words: Any  # the entries without their lines: equal for steps that did the same
    lines: Sequence[int]  # of the entries
    asked: list[list[int]]  # the numbers of the Tensors that end() was given
    # (number, Tensor, dtype code, shape, record) of values that no entry made; record is the name
    # of the Tensor's array, or 0 if the step made it and nobody but the log holds it
    leaves: list[tuple[int, Any, int, tuple, int]]
    reads_grad: list[Any]  # variables whose .grad from before the step was read
    without_grad: list[Any]  # variables found without .grad
    sets_grad: list[tuple[Any, int | None]]  # variables whose .grad was set or read, its number
    arrays: list[tuple[int, Any]]  # (number, ndarray) of values copied from arrays
    calls: list[int]  # of entries that stand for calls (ops/calls.py), their numbers


class _Here(threading.local):
    recorder: Any = None


here = _Here()


class Live:
    """A number that a program reads anew before each run: function(owner.name).

    fits: whether a program recorded with one value is right for another.
    was: the value that it was recorded with.
    """

    __slots__ = ("owner", "name", "function", "fits", "was")

    def __init__(self, owner: Any, name: str, function: Any, fits: Any):
        self.owner = owner
        self.name = name
        self.function = function
        self.fits = fits
        self.was = getattr(owner, name)

    def value(self) -> float:
        return self.function(float(getattr(self.owner, self.name)))

    def is_fit(self) -> bool:
        return self.fits(getattr(self.owner, self.name))

    def is_as(self, other: Live) -> bool:
        """Whether both read the same number the same way. Owners that are not one, with one number,
        were made inside the step, where nobody else changes what they have; or the step takes them
        from an iterator in turn, which no guard sees (docs/replay.md)."""
        if (self.name, self.function) != (other.name, other.function):
            return False
        alike = type(self.owner) is type(other.owner) and self.value() == other.value()
        return self.owner is other.owner or alike


class Hyper(float):
    """A number that a layer of ours has, while a step is recorded: it knows whose it is."""

    owner: Any
    name: str

    def __repr__(self) -> str:
        return repr(getattr(self.owner, self.name))

    def live(self, function: Any, fits: Any) -> Live:
        return Live(self.owner, self.name, function, fits)


def is_number(value: Any) -> bool:
    """Whether it is a number of those that a float can hold: 10**400 is none."""
    if isinstance(value, int):
        return -float_info.max <= value <= float_info.max
    return isinstance(value, (float, np.integer, np.floating))


def is_zero(value: Any) -> bool:
    return is_number(value) and bool(value == 0)


def hyper(owner: Any, name: str) -> Any:
    """owner.name for the function that computes with it: a Hyper while a step is recorded.

    Whatever that function does with it must go through operand() or Hyper.live: elsewhere it is a
    float, which the program would keep.
    """
    value = getattr(owner, name)
    if here.recorder is None or not is_number(value):
        return value
    number = Hyper(value)
    number.owner, number.name = owner, name
    return number


def operand(value: Any, dtype: Any, function: Any = float, fits: Any = is_number) -> Any:
    """function(value) as ops take it; of a Hyper anew at each run, while fits(owner.name).

    function is of floats, and but for float itself of Tensors, too.
    """
    if isinstance(value, Hyper):
        return here.recorder.live(value.live(function, fits), dtype)
    if is_number(value) or (isinstance(value, np.ndarray) and not value.ndim):
        return function(float(value))
    return value if function is float else function(value)
