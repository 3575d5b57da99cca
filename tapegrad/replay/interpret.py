"""Run a program entry by entry through the engine in force: how the NumPy engine replays, and
what the native executor is tested against."""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Iterator
from typing import Any

import numpy as np

from ..engine import select
from ..engine.dtypes import DTYPES
from ..engine.recording import Live
from ..lines import place
from ..ops.table import BY_ID
from ..random import Generator
from ..switches import no_grad
from ..tensor import Tensor, tensor
from . import ir
from .arguments import as_arrays
from .fuse import Instruction
from .state import blocks_before


class GuardFailed(Exception):
    """A branch that the recording took would go the other way; nothing has been written."""


def run(program: ir.Program, arguments: list, counters: list, done: list | None = None) -> list:
    """The Tensors of program.outputs; writes parameters, optimizer state and `.grad`.

    Args:
        counters: the state of each generator where the run begins.
        done: gets each entry when it has run.
    Raises:
        GuardFailed, and what an entry raises; .grad is then as it was.
    """
    done = [] if done is None else done
    with no_grad():
        values: list[Any] = [_bind(v, arguments) for v in program.values]
        for e in program.entries:
            try:
                _run_entry(e, values, program, counters)
            except Exception as error:
                _say_where(error, e, len(done))
                raise
            done.append(e)
        outputs = [_fresh(values[v]) for v in program.outputs]
        for p in program.cleared:
            p.grad = None
        for p, v in program.grads:
            p.grad = values[v]
    return outputs


def _say_where(error: Exception, e: ir.Entry, at: int) -> None:
    """Which entry failed, and where it was recorded; of a user's primitive the traceback tells."""
    is_users = e.kind == ir.PYTHON and e.extra is not None
    if not is_users and error.args and isinstance(error.args[0], str):
        text = f"entry {at}, {e.name}: {error.args[0]}{place(e.line)}"
        error.args = (text, *error.args[1:])


def _bind(value: Any, arguments: list) -> Any:
    if value.kind == ir.ARGUMENT:
        x = arguments[value.source]
        return x if isinstance(x, Tensor) else tensor(x)
    if value.kind == ir.ARRAY:
        return tensor(value.source)
    if value.kind in (ir.TENSOR, ir.CONSTANT):
        return value.source
    if value.kind == ir.LIVE:
        live, t = value.source
        return tensor(np.asarray(live.value(), t.dtype))
    return value.source.grad if value.kind == ir.GRAD else None


def _fresh(t: Tensor) -> Tensor:
    engine = select.engine()
    return engine.from_numpy(engine.to_numpy(t), Tensor)


def _run_entry(e: ir.Entry, values: list, program: ir.Program, counters: list) -> None:
    inputs = tuple([values[v] for v in e.inputs])
    if e.kind in (ir.OP, ir.PYTHON):
        if e.kind == ir.PYTHON and e.extra is not None:  # a primitive
            values[e.outputs[0]] = tensor(e.extra.run(tuple([t.numpy() for t in inputs])))
        elif e.op.name == "assign":
            target = e.inputs[0]
            if program.values[target].kind == ir.MADE:  # views of it stay what they were
                values[target] = _fresh(inputs[1])
            else:
                select.engine().assign(*inputs)
            values[e.outputs[0]] = values[target]
        else:
            values[e.outputs[0]] = select.apply(e.op.id, inputs, e.params)
    elif e.kind == ir.VJP:
        values[e.outputs[0]] = run_vjp(e, inputs)
    elif e.kind == ir.GROUP:
        _run_group(e, inputs, values)
    elif e.kind == ir.PRODUCT:
        _run_product(e, inputs, values)
    elif e.kind == ir.GUARD:
        if bool(inputs[0].numpy()) is not e.extra:
            raise GuardFailed
    elif e.kind == ir.RANDOM:
        values[e.outputs[0]] = _draw(e, program, counters)
    elif e.kind == ir.OPTIMIZER:
        _step(e, inputs)


def run_vjp(e: ir.Entry, inputs: tuple) -> Any:
    """A row's rule over what its fused kernel reads."""
    n = len(e.op.inputs)
    read = [i for i in range(n + 1) if e.reads >> i & 1]
    operands: list[Any] = [None] * (n + 1)
    for i, x in zip(read, inputs[1:]):
        operands[i] = x
    rule = e.op.vjp(e.k)
    return rule(e.op, e.k, inputs[0], operands[n], tuple(operands[:n]), e.params)


def _run_group(e: ir.Entry, inputs: tuple, values: list) -> None:
    codes = dict(enumerate(inputs))
    for i in e.extra:
        _run_instruction(i, codes)
    for at, v in enumerate(e.outputs, start=len(inputs)):
        values[v] = codes.get(at)
    if e.params:  # the last output is a reduction of another, or of the value after those
        op, params, v, *_ = e.params
        at = len(inputs) + (*e.outputs[:-1], v).index(v)
        values[e.outputs[-1]] = select.apply(op.id, (codes[at],), params)


def _run_product(e: ir.Entry, inputs: tuple, values: list) -> None:
    codes, at = dict(enumerate(inputs)), len(inputs)
    codes[at] = _product(e.op, inputs[: e.params[0]])
    then, ending = e.extra
    if then:
        _run_instruction(then, codes)
    values[e.outputs[0]] = codes[at]
    if ending:
        values[e.outputs[1]] = select.apply(ending.op.id, (codes[at],), ending.params)


def _product(op: Any, operands: tuple) -> Any:
    if op.name == "matmul" and len(operands) == 3:  # with a bias: epilogues.py
        return _product(op, operands[:2]) + operands[2]
    return select.apply(op.id, operands, ())


def _run_instruction(i: Instruction, codes: dict[int, Any]) -> None:
    """One of a group's instructions, or what follows a product, over whole arrays."""
    row, k, operands, to, params, _ = i
    given = tuple([None if c is None else codes[c] for c in operands])
    if k < 0:
        codes[to] = select.apply(row, given, params)
    else:
        op = BY_ID[row]
        codes[to] = op.vjp(k)(op, k, given[0], given[-1], given[1:-1], params)


def _draw(e: ir.Entry, program: ir.Program, counters: list) -> Tensor:
    kind, g, a, b, offset = e.extra
    seed, counter = counters[g]
    if isinstance(a, Live):
        a = a.value()
    generator = Generator(0)
    generator.set_state((seed, (counter + offset) % 2**64))
    value = program.values[e.outputs[0]]
    if kind == "bernoulli":
        return tensor(generator.bernoulli(a, value.shape))
    return tensor(getattr(generator, kind)(a, b, value.shape, DTYPES[value.dtype]))


def _step(e: ir.Entry, inputs: tuple) -> None:
    rule, slots, _, updated = e.extra
    before = [p.grad for p in slots.params]
    width = len(inputs) // len(updated) if updated else 0
    for p in slots.params:
        p.grad = None
    for n, k in enumerate(updated):
        slots.params[k].grad = inputs[n * width + 1]
    slots.read_anew()
    try:
        select.engine().optimizer_step(rule, slots)
    finally:
        for p, g in zip(slots.params, before):
            p.grad = g


@contextlib.contextmanager
def uninterrupted() -> Iterator[None]:
    """Let Ctrl-C wait for the end of a step, as it does in C; a second one does not wait."""
    if threading.current_thread() is not threading.main_thread():
        yield  # signals are the main thread's
        return
    handler = signal.getsignal(signal.SIGINT)
    came: list[tuple] = []

    def later(*args: Any) -> None:
        came.append(args)
        if len(came) > 1:
            handler(*args)

    if not callable(handler):
        yield
        return
    signal.signal(signal.SIGINT, later)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, handler)
        if len(came) == 1:
            handler(*came[0])


class Interpreted:
    """A program run entry by entry by the engine in force."""

    steps_without_python = 0

    def __init__(self, program: ir.Program):
        self.program = program

    def run(self, arrays: list) -> list | ir.Entry:
        """The outputs, fresh; or the guard that failed: nothing has been written."""
        program = self.program
        counters = [g.get_state() for g in program.generators]
        done: list[ir.Entry] = []
        with uninterrupted():
            try:
                return run(program, as_arrays(arrays), counters, done)
            except GuardFailed:
                return program.entries[len(done)]
            finally:
                drawn = program.blocks
                if len(done) < len(program.entries):
                    drawn = blocks_before(program, len(done))
                for g, blocks in zip(program.generators, drawn):
                    g._take(4 * blocks)
