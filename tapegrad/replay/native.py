"""A program on the native engine: lowered to the C executor's lists, and run."""

from __future__ import annotations

import functools
import sys
from typing import Any

import numpy as np

from ..engine import numpy_optim, select
from ..engine.dtypes import DTYPES
from ..engine.recording import Live
from ..tensor import asarray
from . import ir
from .arguments import as_arrays
from .passes import optimise
from .plan import plan_memory
from .state import blocks_before, carries_gradients, grads_read

# The executor's roles of values from outside: given to each run, read from an array, kept. Of what
# entries make: VIEW, an output "o" or planned "p".
ROLES = {ir.ARGUMENT: "i", ir.GRAD: "i", ir.ARRAY: "a"} | dict.fromkeys(
    (ir.TENSOR, ir.CONSTANT, ir.LIVE), "c"
)
VIEW = "v", 0
RULES = {"sgd": (0, 6), "adam": (1, 8)}  # the executor's number, hyper-parameters
DRAWS = {"uniform": 0, "normal": 1, "bernoulli": 2}


class NativeProgram:
    """A program after all passes, planned, and ready to run in C."""

    def __init__(self, recorded: ir.Program):
        self.program = optimise(recorded)
        self._optimizers: list[tuple[Any, int, np.ndarray]] = []  # optimizer, group, its numbers
        self._lives: list[tuple[Live, np.ndarray]] = []
        self.grads_read = grads_read(self.program)
        self._outputs = list(dict.fromkeys(self.program.outputs))
        self.order = [self._outputs.index(v) for v in self.program.outputs]
        self.lives = self.program.state.numbers
        self.optimizers = [(x.owner, x.group, x) for x in self.program.state.slots]
        self.core = self._lower()

    # --- lowering

    def _lower(self) -> Any:
        p, plan = self.program, plan_memory(self.program)
        made: dict[int, tuple] = {v: ("o", n) for v, n in p.results.items() if p.root[v] == v}
        for place in plan.places:
            where = place.offset, -1 if place.host is None else place.host
            made.update(dict.fromkeys(place.values, ("p", where)))
        grads_read = iter(range(p.n_arguments, p.n_arguments + len(self.grads_read)))
        values: list[tuple] = []
        for i, v in enumerate(p.values):
            if v.kind == ir.MADE:
                role, source = made.get(i, VIEW)
            else:
                role, source = ROLES[v.kind], v.source
                if v.kind == ir.GRAD:
                    source = next(grads_read)
                elif v.kind == ir.LIVE:
                    source = self._number(*source)
            values.append((v.dtype, v.shape, role, source))
        steps = [(*self._step(e), e.line) for e in p.entries]
        n = p.n_arguments + len(self.grads_read)
        adopt = select.engine().adopt
        grads = [(adopt(q), v) for q, v in p.grads]
        return select._core.Program(values, steps, self._outputs, grads, plan.bytes, n)

    def _number(self, live: Live, t: Any) -> Any:
        """The Tensor of a hyper-parameter, written before each run."""
        self._lives.append((live, select.engine().shared_memory(t).reshape(1)))
        return t

    def _step(self, e: ir.Entry) -> tuple:
        kinds = select._core.Program
        if e.kind == ir.OP:
            return kinds.RUN, e.op.id, e.inputs, e.outputs, e.params, (0,)
        if e.kind == ir.GROUP:
            ending = e.params.lowered() if e.params else ()
            return kinds.GROUP, -1, e.inputs, e.outputs, ending, list(e.extra)
        if e.kind == ir.PRODUCT:
            then, ending = e.extra
            fold = ending.lowered()[:3] if ending else ()
            return kinds.PRODUCT, e.op.id, e.inputs, e.outputs, (*e.params, *fold), then
        if e.kind == ir.GUARD:
            return kinds.GUARD, -1, e.inputs, (), (int(e.extra),), None
        if e.kind == ir.RANDOM:
            kind, generator, a, b, offset = e.extra
            if not isinstance(a, Live):
                return kinds.RANDOM, DRAWS[kind], (), e.outputs, (a, b), (generator, offset)
            numbers = np.array([a.value(), b])
            self._lives.append((a, numbers))
            return kinds.RANDOM, DRAWS[kind], (), e.outputs, (), (generator, offset, numbers, 0)
        if e.kind == ir.OPTIMIZER:
            return self._optimizer(e)
        if e.kind == ir.PYTHON:
            return kinds.PYTHON, e.op.id, e.inputs, e.outputs, (), _caller(e)
        raise AssertionError("a fused vjp outside a group")

    def _optimizer(self, e: ir.Entry) -> tuple:
        kinds = select._core.Program
        rule, slots, _, updated = e.extra
        if not {p.dtype for p in slots.params} <= {np.dtype("f4"), np.dtype("f8")}:
            width = 2 + len(slots.states)
            written = tuple([i for i in range(len(e.inputs)) if i % width != 1])
            return kinds.PYTHON, -1, e.inputs, (), written, _updater(e)
        number, width = RULES[rule]
        numbers = np.zeros(width)
        self._optimizers.append((slots.owner, slots.group, numbers))
        params = (len(slots.states), *updated)
        return kinds.OPTIM, number, e.inputs, (), params, (numbers, slots.steps)

    # --- running

    def read_numbers(self) -> None:
        for owner, group, numbers in self._optimizers:
            numbers[:] = owner.hyper(group)
        for live, numbers in self._lives:
            numbers[0] = live.value()

    def seeds(self) -> tuple:
        """Where the random streams are: a (seed, counter) each."""
        return tuple([g.get_state() for g in self.program.generators])

    def moved_on(self, failed: int = -1) -> None:
        """Take what a run has drawn, up to a failed step, out of the random streams."""
        self._take(0 if failed >= 0 else 1, failed)

    def _take(self, runs: int, failed: int) -> None:
        p = self.program
        for g, blocks, rest in zip(p.generators, p.blocks, blocks_before(p, failed)):
            g._take(4 * (blocks * runs + rest))

    def _settle(self, runs: int) -> None:
        """After C: what so many whole runs, and one that failed perhaps, leave for Python to do.

        It asks C and not what C returned: Ctrl-C may have come in between.
        """
        self._take(runs, self.core.failed_step)
        if runs:
            for p in self.program.cleared:
                p.grad = None

    def run(self, arrays: list) -> list | ir.Entry:
        """The outputs, fresh; or the guard that failed: nothing has been written."""
        self.read_numbers()
        before = [q.grad for q in self.grads_read]
        inputs = as_arrays([*arrays, *before])
        try:
            outputs = self.core.run(inputs, *self.seeds())
        finally:
            failed = self.core.failed_step >= 0
            self._settle(runs=not failed)
            for q, grad in zip(self.grads_read if failed else (), before):
                q.grad = grad  # what was summed up so far
        if type(outputs) is int:
            return self.program.entries[outputs]
        return outputs if len(outputs) == len(self.order) else [outputs[i] for i in self.order]

    @functools.cached_property
    def steps_without_python(self) -> int:
        """How many steps can follow each other in C: none, one, or as many as there are.

        Gradients must be after a step as the next one needs them, and functions of the user may
        change anything.
        """
        if not carries_gradients(self.program):
            return 0
        runs_python = any(e.kind == ir.PYTHON and e.extra is not None for e in self.program.entries)
        return 1 if runs_python else sys.maxsize

    @functools.cached_property
    def results(self) -> list[tuple]:
        """(shape, dtype) of the outputs."""
        values = [self.program.values[v] for v in self.program.outputs]
        return [(v.shape, np.dtype(DTYPES[v.dtype])) for v in values]

    def run_epoch(
        self,
        data: list,
        order: np.ndarray | None,
        batch_size: int,
        first: int,
        steps: int,
        stacks: list,
    ) -> None:
        """Up to `steps` steps from step `first`; core.steps_done tells how many were done, even
        after an error.

        read_numbers is the caller's. Comes back about every 50 ms, for Python to look at signals.
        """
        drawn = zip(self.program.generators, self.program.blocks)
        seeds = [(*g.get_state(), blocks) for g, blocks in drawn]
        inputs = [*data, *map(select.engine().adopt, self.grads_read)]
        own: dict[int, np.ndarray] = {}  # a value may be returned twice
        for output, stack in zip(self.order, stacks):
            own.setdefault(output, stack)
        results = [own[i] for i in range(len(own))]
        try:
            done = self.core.run_epoch(inputs, order, batch_size, first, steps, results, *seeds)
        finally:
            self._settle(runs=self.core.steps_done)
        for output, stack in zip(self.order, stacks):
            if stack is not own[output]:
                stack[first : first + done] = own[output][first : first + done]


def _caller(e: ir.Entry) -> Any:
    """What runs an entry that has no C kernel: a function of its Tensors."""

    def call(inputs: list) -> Any:
        if e.extra is not None:  # a primitive
            return asarray(e.extra.run(tuple([t.numpy() for t in inputs])))
        return select.slow_apply(e.op.id, tuple(inputs), e.params)

    return call


def _updater(e: ir.Entry) -> Any:
    """What updates parameters that C has no kernels for: the NumPy engine's rule."""
    rule, slots, _, updated = e.extra
    engine, width = select._engines["numpy"], 2 + len(slots.states)

    def call(inputs: list) -> None:
        slots.read_anew()
        for n, i in enumerate(updated):
            numpy_optim.update(engine, rule, slots, i, inputs[n * width + 1])

    return call
