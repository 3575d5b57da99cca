"""checkpoint: keep a function's arguments instead of what it computes, and compute it again in
the sweep. Griewank & Walther, Evaluating Derivatives, ch. 12."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import numpy as np

from ..engine import select
from ..ops import calls
from ..ops.blocks import Block
from ..random import following
from ..tensor import Tensor, identity, tensor
from ..tree import flatten
from .entries import EntryCall, Leaves, as_one_entry
from .record import fresh


def checkpoint(fun: Callable) -> Callable:
    """fun, but the tape keeps only what it reads: the sweep runs it again.

    Args:
        fun: of any arguments, nestings and keywords; it may read parameters and Tensors from
            elsewhere. It runs again with the states that tapegrad's random generators had, so
            dropout masks are the same; other side effects happen twice, and NumPy's generators
            draw anew: draw from them outside, and pass what they gave.
    Returns:
        A function of the same arguments, with the same results and derivatives.
    Cost: fun once more per sweep; memory for one call's inner values at a time. Where tapes nest,
    the innermost saves memory; outer ones record all.
    """
    if not callable(fun):
        raise TypeError(f"checkpoint: need a function, got {type(fun).__name__}")

    @functools.wraps(fun)
    def checkpointed(*args: Any, **kwargs: Any) -> Any:
        engine = select.engine()
        tapes = engine.open_tapes()
        if not tapes:
            return fun(*args, **kwargs)
        tape = tapes[-1]
        mark = tape.mark()
        with following() as draws:
            result = fun(*args, **kwargs)
        read = tape.cut(mark)
        if not read:
            return result
        arguments = Leaves([args, kwargs])
        given = {identity(engine.adopt(t)) for t in arguments.tensors}
        captured = list({identity(t): t for t in read if identity(t) not in given}.values())
        return as_one_entry(
            tape,
            result,
            [*arguments.tensors, *captured],
            (),
            lambda leaves, packing: _Rerun(fun, arguments, len(captured), draws, leaves, packing),
        )

    return checkpointed


class _Rerun(EntryCall):
    """The call that runs the function again; its rules take blocks as they are."""

    def __init__(self, fun, arguments, n_captured, draws, result, packing):
        super().__init__("checkpoint", result, packing, len(arguments.tensors) + n_captured)
        self.fun, self.draws = fun, draws
        self.arguments, self.n_given = arguments.detached(), len(arguments.tensors)

    def _again(self, inputs: tuple) -> tuple:
        """(tape, the arguments' Tensors as it watches them, the result's Tensors)."""
        operands = inputs[1 : 1 + self.n_arguments]
        engine = select.engine()
        # what the function captured is watched as it is: the function will read that very Tensor
        xs = [fresh(x) for x in operands[: self.n_given]] + list(operands[self.n_given :])
        xs = [engine.adopt(x) for x in xs]
        now = {generator: generator.get_state() for generator in self.draws}
        tape = engine.new_tape(True, False, False)
        was_on = engine.set_recording(True)
        try:
            for generator, state in self.draws.items():
                generator.go_back(state)
            tape.open()
            for x in xs:
                if x.dtype.kind in "fc":
                    tape.watch(x)
            args, kwargs = self.arguments.filled(xs)
            result = self.fun(*args, **kwargs)
        finally:
            tape.close()
            engine.set_recording(was_on)
            for generator, state in now.items():
                generator.go_back(state)
        leaves: list = []
        flatten(result, leaves)
        return tape, xs, [y for y in leaves if isinstance(y, Tensor) and y.dtype.kind in "fc"]

    def _pulled(self, ct: Any, inputs: tuple) -> list:
        tape, xs, ys = self._again(inputs)
        block, cts = _values(self.packing.unpack(ct))
        found = tape.sweep(ys, cts, xs, block)
        return [Block(g) if block and g is not None else g for g in found]

    def jvp(self, index: int, tangent: Any, y: Any, inputs: tuple) -> Any:
        if not 0 < index <= self.n_arguments:
            return None
        tape, xs, ys = self._again(inputs)
        block, ts = _values([tangent])
        found = tape.push([xs[index - 1]], ts, ys, block)
        lead = (block,) if block else ()
        parts: list[Any] = [
            tensor(np.zeros((*lead, *like.shape), like.dtype)) if t is None else t
            for t, like in zip(found, ys)
        ]
        return self.packing.pack([Block(t) if block else t for t in parts])


def _values(cts: list) -> tuple[int, list]:
    """(length of the block or 0, the cotangents as Tensors of this engine)."""
    adopt = select.engine().adopt
    if calls.is_block(cts[0]):
        return cts[0].value.shape[0], [adopt(ct.value) for ct in cts]
    return 0, [adopt(ct) for ct in cts]
