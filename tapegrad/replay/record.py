"""Record a step: run a Python function once while the engine logs every op of this thread.

What the engine cannot see is reported by those who do it: optimizers, random draws, values that
Python looks at. Out comes a raw Program, one entry an op, before any pass.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ..engine import select
from ..engine.dtypes import CODES
from ..engine.native_engine import line_here, line_name
from ..engine.recording import TRACED, Live, here
from ..errors import ReplayError
from ..ops.calls import CALL, CALL_Y, call_of, calls_held
from ..tensor import Tensor
from ..transforms.entries import EntryCall
from .arguments import compares_by_value
from .ir import (
    ARGUMENT,
    ARRAY,
    CONSTANT,
    GRAD,
    GUARD,
    LIVE,
    OP,
    OPTIMIZER,
    PYTHON,
    RANDOM,
    TENSOR,
    VJP,
    Entry,
    Program,
    Value,
)  # fmt: skip

PYTHON_NOTE, GRAD_NOTE = 1, 2


class Recorder:
    """What a thread's recording knows beside the engine's log."""

    def __init__(self, engine: Any):
        self.engine = engine
        self.events: list[tuple[int, str, Any, int]] = []
        self.numbers: list[tuple[Any, Live]] = []
        self.watched: list[Live] = []
        self.wrote = ""  # where the step first wrote a parameter
        self.refused: ReplayError | None = None

    def _note(self, kind: str, data: Any) -> None:
        self.events.append((self.engine.log.length(), kind, data, line_here()))

    def truth(self, tensor: Any, truth: bool) -> None:
        """Python branches on a traced Tensor: a replay must find the same truth."""
        if self.wrote:
            self.refuse(
                f"branches on a computed value after parameters were written ({self.wrote}): a "
                "replay could not go back; decide before the update, or use where()"
            )
        self._note(GUARD, (tensor, truth))

    def refuse(self, what: str) -> None:
        """Raise: the step does what no replay can repeat. A step may not get over it."""
        error = ReplayError(f"{line_name(line_here())}: the compiled step {what}")
        self.refused = self.refused or error
        raise error

    def escape(self, what: str) -> None:
        """Python reads the values of a traced Tensor."""
        self.refuse(
            f"reads a computed value by {what}, which a replay could not see: return the Tensor "
            "and read it outside, or compute with it as a Tensor"
        )

    def writes(self) -> None:
        self.wrote = self.wrote or line_name(line_here())

    def optimizer(self, kind: str, slots: Any) -> None:
        """An optimizer is about to update the parameters of slots that have a gradient."""
        self.writes()
        adopt = self.engine.adopt
        updated = []
        for k, p in enumerate(slots.params):
            g = adopt(p).grad
            if g is not None:
                states = [adopt(tensors[k]) for tensors in slots.states.values()]
                updated.append((k, p, adopt(g), states))
        self._note(OPTIMIZER, (kind, slots, updated))

    def live(self, live: Live, dtype: Any) -> Any:
        """A 0-d Tensor that replays set anew."""
        t = self.engine.from_numpy(np.asarray(live.value(), dtype), Tensor)
        self.numbers.append((t, live))
        return t

    def watch(self, live: Live) -> None:
        """A replay is right only while live.is_fit()."""
        self.watched.append(live)

    def random(
        self, kind: str, generator: Any, a: Any, b: float, state: tuple[int, int], out: Any
    ) -> None:
        """A Tensor of random numbers was drawn from a generator that had that state."""
        self._note(RANDOM, (kind, generator, a, b, state, out))


def record(arguments: list, call: Callable) -> tuple[Any, Program]:
    """Run `call()`, which calls the step with `arguments` (Tensors) in place, and log it.

    call() returns the result and the Tensors in it; the program's outputs are those Tensors.
    """
    engine = select.engine()
    recorder = Recorder(engine)
    for t in arguments:
        t._flags |= TRACED
    engine.log.begin()
    here.recorder = recorder
    try:
        result, tensors = call()
    except BaseException:
        here.recorder = None
        engine.log.end()
        raise
    here.recorder = None
    if recorder.refused is not None:  # and the step caught it: what it did then is not eager's
        engine.log.end()
        raise recorder.refused
    held = calls_held()  # the log lets go of them
    return result, Builder(engine, arguments, recorder, held, *engine.log.end()).build(tensors)


class Builder:
    """Numbers the values of a log and puts the reported events in their places."""

    def __init__(
        self, engine, arguments, recorder, calls, entries, leaves, without, grads_set, sources
    ):
        self.engine = engine
        self.arguments = arguments
        self.events = recorder.events
        self.watched = recorder.watched
        self.calls = calls
        self.numbers = {engine.log.key_of(t): (live, t) for t, live in recorder.numbers}
        self.log = entries
        self.leaves = leaves
        self.without_grad = without
        self.grads_set = grads_set
        self.sources = dict(sources)
        self.values: list[Value] = []
        self.index: dict[int, int] = {}
        self.scalars: dict[tuple, int] = {}  # constants by dtype and value

    def _add(self, key: int, value: Value) -> int:
        self.index[key] = number = len(self.values)
        self.values.append(value)
        return number

    def of(self, tensor: Any) -> int:
        """Number of the value of a Tensor that the caller holds."""
        key = self.engine.log.key_of(tensor)
        number = self.index.get(key)
        return self._leaf(key, tensor, held=True) if number is None else number

    def _leaf(self, key: int, tensor: Any, held: bool) -> int:
        dtype, shape = CODES[tensor.dtype], tensor.shape
        if key in self.numbers:
            return self._add(key, Value(dtype, shape, LIVE, self.numbers[key]))
        if key in self.sources:
            return self._add(key, Value(dtype, shape, ARRAY, self.sources[key]))
        kind = TENSOR if held or self.engine.log.is_held_outside(tensor) else CONSTANT
        if kind == CONSTANT and not shape:
            same = self.scalars.setdefault((dtype, _scalar(tensor)), len(self.values))
            if same < len(self.values):
                self.index[key] = same
                return same
        if kind == CONSTANT:  # a copy: templates share theirs, and whoever holds one is counted
            tensor = self.engine.from_numpy(self.engine.to_numpy(tensor), Tensor)
        return self._add(key, Value(dtype, shape, kind, tensor))

    def _number(self, key: int) -> int:
        number = self.index.get(key)
        return self._leaf(key, self.leaves[key], held=False) if number is None else number

    def build(self, outputs: list) -> Program:
        for i, t in enumerate(self.arguments):
            self._add(self.engine.log.key_of(t), Value(CODES[t.dtype], t.shape, ARGUMENT, i))
        self.entries: list[Entry] = []
        self.generators: list[Any] = []
        self.starts: list[tuple[int, int]] = []  # of the generators, at their first draw
        events = iter([*self.events, (len(self.log) + 1, None, None, 0)])
        position, kind, data, line = next(events)
        for at, logged in enumerate(self.log):
            while position <= at:
                self._event(kind, data, line)
                position, kind, data, line = next(events)
            self._entry(*logged)
        while kind is not None:
            self._event(kind, data, line)
            position, kind, data, line = next(events)
        program = Program(
            self.values, self.entries, [self.of(t) for t in outputs], len(self.arguments),
            without_grad=self.without_grad, generators=self.generators,
            blocks=[self._blocks(g, x.get_state()) for g, x in enumerate(self.generators)],
            watched=self.watched,
        )  # fmt: skip
        self._final_grads(program)
        return program

    def _entry(self, op, inputs, out, params, line, notes, dtype, shape) -> None:
        if notes & GRAD_NOTE:
            variable = self.values[self._number(inputs[0])].source
            self._add(out, Value(dtype, shape, GRAD, variable))
            return
        call = None
        if op in (CALL, CALL_Y):
            call, params = self.calls.get(params[0]) or call_of(params[0]), ()
            if isinstance(call, EntryCall):  # stands for its first operand, computed before it
                self.index[out] = self._number(inputs[0])
                return
        k = (notes >> 8 & 15) - 1
        kind = PYTHON if call or notes & PYTHON_NOTE else OP if k < 0 else VJP
        index = self.index
        numbers = tuple([index[x] if x in index else self._number(x) for x in inputs])
        index[out] = made = len(self.values)
        self.values.append(Value(dtype, shape))
        self.entries.append(
            Entry(
                kind, op, numbers, (made,), params, line, notes >> 4 & 15, k, notes >> 12 & 15, call
            )
        )

    def _event(self, kind, data, line) -> None:
        if kind == GUARD:
            tensor, truth = data
            self.entries.append(Entry(GUARD, None, (self.of(tensor),), (), line=line, extra=truth))
        elif kind == RANDOM:
            self._random(*data, line)
        elif kind == OPTIMIZER:
            rule, slots, updated = data
            inputs: list[int] = []
            grads = set()
            for _, p, g, states in updated:
                grads.add(self.of(g))
                for s in states:  # made inside the step by the first one, but they stay
                    self.sources.pop(self.engine.log.key_of(s), None)
                inputs += [self.of(p), self.of(g), *map(self.of, states)]
            which = tuple(k for k, *_ in updated)
            self.entries.append(
                Entry(OPTIMIZER, None, tuple(inputs), (), line=line,
                      extra=(rule, slots, frozenset(grads), which))
            )  # fmt: skip

    def _random(self, kind, generator, a, b, state, out, line) -> None:
        if not any(g is generator for g in self.generators):
            self.generators.append(generator)
            self.starts.append(state)
        g = next(i for i, x in enumerate(self.generators) if x is generator)
        made = self._add(self.engine.log.key_of(out), Value(CODES[out.dtype], out.shape))
        extra = (kind, g, a, b, self._blocks(g, state))
        self.entries.append(Entry(RANDOM, None, (), (made,), line=line, extra=extra))

    def _blocks(self, g: int, state: tuple[int, int]) -> int:
        """How far into the step's part of a stream a state is."""
        return (state[1] - self.starts[g][1]) % 2**64

    def _final_grads(self, program: Program) -> None:
        for p in self.grads_set:
            g = p.grad
            if g is None:
                program.cleared.append(p)
            elif self.engine.log.key_of(g) in self.index:
                number = self.of(g)
                if self.values[number].kind != GRAD or self.values[number].source is not p:
                    program.grads.append((p, number))


class Branch(str):
    """A difference that comes of a branch on data: both recordings are right, each on its way."""


def difference(a: Program, b: Program) -> str | None:
    """Why two recordings of one step are not the same program; None if they are."""
    for x, y in zip(a.entries, b.entries):
        if x.kind == y.kind == GUARD and x.inputs == y.inputs and x.extra != y.extra:
            return Branch(f"{line_name(y.line)}: a branch on data went the other way")
        if (x.kind, x.op, x.inputs, x.outputs, x.params, x.k) != (
            y.kind, y.op, y.inputs, y.outputs, y.params, y.k
        ):  # fmt: skip
            changed = f"; numbers {x.params} became {y.params}" if x.params != y.params else ""
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
            f"{line_name(longer.line)}: {len(b.entries)} entries where the first recording had "
            f"{len(a.entries)}"
        )
    if (a.outputs, len(a.values)) != (b.outputs, len(b.values)):
        return "the results are others"
    if [g for _, g in a.grads] != [g for _, g in b.grads]:
        return "other variables get a .grad"
    for number, (u, v) in enumerate(zip(a.values, b.values)):
        why = _value_difference(u, v)
        if why:
            line = next((e.line for e in b.entries if number in e.inputs), 0)
            return f"{line_name(line)}: {why}"
    return None


def _is_same_call(a: Any, b: Any) -> bool:
    """Whether two calls of a primitive are of one function with equal plain arguments."""
    if a is None or b is None:
        return a is b
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
    if isinstance(x[2], Live) and isinstance(y[2], Live):
        return x[2].is_as(y[2]) and (x[0], x[1], x[4]) == (y[0], y[1], y[4])
    return x == y


def _value_difference(u: Value, v: Value) -> str | None:
    outside = (TENSOR, CONSTANT)
    if u.kind in outside and v.kind in outside and _is_same(u.source, v.source):
        return None
    if (u.kind, u.dtype, u.shape) != (v.kind, v.dtype, v.shape):
        return f"a {u.kind} of shape {u.shape} became a {v.kind} of shape {v.shape}"
    if u.kind in (TENSOR, GRAD) and not _is_same(u.source, v.source):
        return "a Tensor from outside the step is another one"
    if u.kind == LIVE and not u.source[0].is_as(v.source[0]):
        return "a hyper-parameter is read from another place"
    if u.kind == CONSTANT and not _same_value(u.source, v.source):
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


def _scalar(t: Any) -> tuple:
    """A 0-d Tensor's value; zeros by their sign."""
    value = t.item()
    return value, str(value) if not value else ""


def _is_same(a: Any, b: Any) -> bool:
    """Whether two Tensors are one record."""
    return (
        a is b
        or bool(a.handle and a.handle == b.handle)
        or (a._node is not None and a._node is b._node)
    )


def _same_value(a: Any, b: Any) -> bool:
    if a.shape == () and _scalar(a) == _scalar(b):
        return True
    return same_bits(a.numpy(), b.numpy())


def same_bits(a: np.ndarray, b: np.ndarray) -> bool:
    """Equal bit for bit, nan for nan."""
    return a.shape == b.shape and a.dtype == b.dtype and a.tobytes() == b.tobytes()


def _few(tensor: Any) -> str:
    return str(tensor.numpy().ravel()[:4].tolist())
