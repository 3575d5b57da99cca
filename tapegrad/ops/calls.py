"""Rows for functions with rules of their own: one entry stands for a whole call.

What a call needs beyond arrays (the functions, plain arguments, the structure of its results)
is a Python object; the entry's one param is its number. Entries hold numbers, and the calls go
when the last entry does (csrc/entry.c). A call holds no Tensors: those are the entry's operands.
"""

from __future__ import annotations

import itertools
from typing import Any, Protocol

import numpy as np

from ..engine import select
from ..engine.select import apply
from .blocks import Block
from .table import SAVED_ALL, SAVED_OUT, Op, Rule


class Call(Protocol):
    """One call of a function with rules of its own."""

    name: str

    def run(self, arrays: tuple) -> np.ndarray:
        """The result's values, one array, from the operands'."""

    def vjp(self, index: int, ct: Any, y: Any, inputs: tuple) -> Any:
        """The cotangent of operand `index`, or None."""

    def jvp(self, index: int, tangent: Any, y: Any, inputs: tuple) -> Any:
        """The tangent of the result along that of operand `index`, or None."""


class Number(int):
    """A call's number, holding the call: what the NumPy engine's entries keep."""

    call: Call


_next_number = itertools.count(1)
_held: dict[int, list] = {}  # number: [call, entries of the C core that hold it]


def call_of(number: int) -> Call:
    """The call of an entry's param."""
    return number.call if isinstance(number, Number) else _held[number][0]


def calls_held() -> dict[int, Call]:
    """The calls that entries of the C core hold now, by number."""
    return {number: entry[0] for number, entry in _held.items()}


def _hold(number: int) -> None:
    _held[number][1] += 1


def _drop(number: int, held: dict = _held) -> None:  # held: at exit the global may be gone
    entry = held[number]
    entry[1] -= 1
    if not entry[1]:
        del held[number]


def record(call: Call, operands: tuple, row: Op) -> Any:
    """Run the call on operands and record it as one entry of that row; gives its result."""
    number = Number(next(_next_number))
    number.call = call
    _held[number] = [call, 1]
    try:
        return apply(row.id, operands, (number,))
    finally:
        _drop(number)


def _vjp(ct: Any, params: tuple, index: int, inputs_like: tuple, y_like: Any) -> Any:
    return call_of(params[0]).vjp(index, ct, y_like, inputs_like)


def _jvp(t: Any, params: tuple, index: int, inputs_like: tuple, y_like: Any) -> Any:
    return call_of(params[0]).jvp(index, t, y_like, inputs_like)


def _row(mask: int) -> Op:
    """A row for entries of calls; it is in no table of ops, since no user applies it."""
    rules = [Rule(rule, ("x",)) for rule in (_vjp, _jvp)]
    for rule in rules:
        rule.mask = mask  # the call decides which operands it reads
    op = Op(
        "call",
        lambda *args: call_of(args[-1]).run(args[:-1]),
        ("x",),
        tuple(rules[:1]) if mask else (),
        tuple(rules[1:]) if mask else (),
        variadic=True,
        promotes=(),
    )
    select.add_row(op)
    if "native" in select._engines:
        select._engines["native"].calls(op.id, _hold, _drop)
    return op


CALL = _row(SAVED_ALL)
CALL_Y = _row(SAVED_ALL | SAVED_OUT)  # its rules read the result's values
CALL_PLAIN = _row(0)  # it has no rules
# z = y as some tapes see it, v as others do; their values are the same.
EITHER = Op(
    "either",
    lambda y, v: v,
    ("y_", "v"),
    (Rule(lambda ct: ct, ("y_", "v")),) * 2,
    (Rule(lambda ct: ct, ("y_", "v")),) * 2,
)
select.add_row(EITHER)


def is_call(op: Op) -> bool:
    """Whether an entry of that row stands for a call, and has its number as its param."""
    return op is CALL or op is CALL_Y or op is CALL_PLAIN


def is_block(ct: Any) -> bool:
    """Whether a rule was given a block of cotangents."""
    return type(ct) is Block


def rows(ct: Any) -> list:
    """The cotangents of a block, one by one."""
    return [ct.value[b] for b in range(ct.value.shape[0])]
