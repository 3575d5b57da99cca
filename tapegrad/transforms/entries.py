"""One entry for a whole call: how custom rules and checkpoints get onto a tape.

The innermost tape that tracks an operand gets one entry, whose rules are the call's own. It does
not see what the function does inside; outer tapes do, and differentiate that, as they do what the
rules compute. So each level of nested derivatives has the rule applied once.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np

from ..engine import select
from ..engine.dtypes import is_inexact
from ..engine.select import apply
from ..ops import calls
from ..ops.blocks import Block, stacked
from ..tensor import Tensor, identity, tensor
from ..tree import flatten
from .packing import Packing


class Leaves:
    """A nesting with its Tensors taken out, to be put back as an entry's operands."""

    def __init__(self, tree: Any):
        self._leaves: list = []
        self._structure = flatten(tree, self._leaves)
        self.tensors: list[Tensor] = []
        self._at: list[int] = []
        for k, leaf in enumerate(self._leaves):
            if isinstance(leaf, Tensor):
                self._at.append(k)
                self.tensors.append(leaf)
                self._leaves[k] = None

    def detached(self) -> Leaves:
        """The same without its Tensors: what a call may keep."""
        kept = object.__new__(Leaves)
        kept._leaves, kept._structure, kept._at = self._leaves, self._structure, self._at
        kept.tensors = []
        return kept

    def filled(self, tensors: Iterable) -> Any:
        """The nesting with these in place of its Tensors."""
        return self._filled(list(self._leaves), tensors)

    def only(self, tensors: Iterable) -> Any:
        """The same with zeros in place of other arrays and floats, None in place of the rest."""
        return self._filled([_zeros_for(leaf) for leaf in self._leaves], tensors)

    def _filled(self, leaves: list, tensors: Iterable) -> Any:
        for k, t in zip(self._at, tensors):
            leaves[k] = t
        return self._structure(iter(leaves))


def _zeros_for(leaf: Any) -> Any:
    if isinstance(leaf, (float, complex, np.ndarray, np.generic)):
        array = np.zeros_like(leaf)
        return tensor(array) if is_inexact(array.dtype) else None
    return None


class EntryCall:
    """A call whose entry has operands (packed result, *arguments' Tensors, *other Tensors)."""

    def __init__(self, name: str, result: Leaves, packing: Packing, n_arguments: int):
        self.name = name
        self.result = result.detached()
        self.packing = packing
        self.n_arguments = n_arguments

    def run(self, arrays: tuple) -> np.ndarray:
        return arrays[0]

    def vjp(self, index: int, ct: Any, y: Any, inputs: tuple) -> Any:
        if not 0 < index <= self.n_arguments:
            return None
        if _last.call is not self or _last.ct_key != _key(ct):
            found = self._pulled(ct, inputs)  # may run other calls
            _last.call, _last.ct_key, _last.ct, _last.found = self, _key(ct), ct, found
        found = _last.found[index - 1]
        if index == 1:  # sweeps come to it last
            _last.call = _last.ct = _last.found = None
        return found

    def _pulled(self, ct: Any, inputs: tuple) -> list:
        if not calls.is_block(ct):
            return self.pull(self.packing.unpack(ct), inputs)
        each = [self.pull(self.packing.unpack(row), inputs) for row in calls.rows(ct)]
        return [None if col[0] is None else Block(stacked(list(col))) for col in zip(*each)]

    def jvp(self, index: int, tangent: Any, y: Any, inputs: tuple) -> Any:
        if not 0 < index <= self.n_arguments:
            return None
        if not calls.is_block(tangent):
            return self.packing.pack(self.push(index - 1, tangent, inputs))
        each = [self.push(index - 1, row, inputs) for row in calls.rows(tangent)]
        return Block(stacked([self.packing.pack(row) for row in each]))

    def pull(self, cts: list, inputs: tuple) -> list:
        """Cotangents of the arguments' Tensors (or None), from those of the result's."""
        raise NotImplementedError

    def push(self, index: int, tangent: Tensor, inputs: tuple) -> list:
        """Tangents of the result's Tensors, from that of one argument's."""
        raise NotImplementedError


class _Last(threading.local):
    """The cotangents that the last rule found: a sweep asks for them one by one."""

    call: Any = None
    ct: Any = None
    ct_key: Any = None
    found: Any = None


_last = _Last()


def _key(ct: Any) -> Any:
    t = ct.value if calls.is_block(ct) else ct
    return identity(t)


def tracking_tape(tensors: Sequence[Tensor]) -> Any:
    """The innermost recording tape that tracks one of the Tensors, or None."""
    engine = select.engine()
    adopted = [engine.adopt(t) for t in tensors]
    for tape in reversed(engine.open_tapes()):
        if any(tape.tracks(t) for t in adopted):
            return tape
    return None


@contextmanager
def paused(tapes: Iterable) -> Any:
    """The tapes do not record for the length of a block."""
    tapes = list(tapes)
    for tape in tapes:
        tape.pause()
    try:
        yield
    finally:
        for tape in tapes:
            tape.resume()


def as_one_entry(
    tape: Any,
    result: Any,
    tensors: Sequence[Tensor],
    others: Sequence[Tensor],
    make_call: Callable[[Leaves, Packing], EntryCall],
) -> Any:
    """The result of a call, as one entry of the tape, which has not seen it being computed.

    tensors: the arguments' Tensors, which the call's rules give derivatives for. others: more
    Tensors that its rules read.
    """
    leaves = Leaves(result)
    inexact = [y for y in leaves.tensors if is_inexact(y.dtype)]
    if not inexact:
        return result
    packing = Packing(inexact)
    y = packing.pack(inexact)
    call = make_call(leaves, packing)
    with paused([tape]):  # what is left recording is what must not see the entry
        rest = select.engine().open_tapes()
    with paused(rest):
        z = calls.record(call, (y, *tensors, *others), calls.CALL)
    if any(other.tracks(select.engine().adopt(y)) for other in rest):
        z = apply(calls.EITHER.id, (y, z))
    parts = iter(packing.unpack(z))
    return leaves.filled([next(parts) if is_inexact(t.dtype) else t for t in leaves.tensors])
