"""Make a Program of a recording: entries over values that keep the log's numbers."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from ..engine.recording import GRAD_NOTE, PYTHON_NOTE
from ..ops.calls import is_call
from ..transforms.entries import EntryCall
from .ir import GRAD, OP, OPTIMIZER, PYTHON, RANDOM, VJP, Entry, Program, Value
from .record import Recording
from .state import record_of


def program_of(recording: Recording) -> Program:
    """The recording as a Program, one entry an op, before any pass."""
    return _Builder(recording).build()


class _Builder:
    """Puts logged entries and events in order. Where two values are the same, entries read the
    first, and the other is nobody's. csrc/pyentries.c adds plain entries as add() would."""

    entry, value, kinds = Entry, Value, (OP, VJP)

    def __init__(self, recording: Recording):
        self.recording = recording
        self.entries: list[Entry] = []
        self.values = [Value(0, ())] * recording.n_values  # nobody's
        for n, value in recording.leaves.items():
            self.values[n] = value
        self.same = dict(recording.same)
        self.calls = iter(recording.calls)

    def build(self) -> Program:
        r = self.recording
        r.engine.log.build(r.words, r.lines, [e.position for e in r.events], self)
        return Program(
            self.values,
            self.entries,
            self._numbers(r.outputs),
            r.n_arguments,
            grads=self._grads(),
            cleared=r.cleared,
            generators=[g for g, *_ in r.streams],
            blocks=[blocks for *_, blocks in r.streams],
            state=r.state,
        )

    def _numbers(self, numbers: Iterable[int]) -> list[int]:
        return [self.same.get(v, v) for v in numbers]

    def add(self, row: tuple, line: int) -> None:
        op, inputs, out, params, notes, dtype, shape = row
        inputs = tuple(self._numbers(inputs))
        if notes & GRAD_NOTE:
            self.values[out] = Value(dtype, shape, GRAD, self.values[inputs[0]].source)
            return
        call = None
        if is_call(op):
            call, params = next(self.calls), ()
            if isinstance(call, EntryCall):  # stands for its first operand, computed before it
                self.same[out] = inputs[0]
                return
        self.values[out] = Value(dtype, shape)
        k = (notes >> 8 & 15) - 1
        kind = PYTHON if call or notes & PYTHON_NOTE else OP if k < 0 else VJP
        view, reads = notes >> 4 & 15, notes >> 12 & 15
        self.entries.append(Entry(kind, op, inputs, (out,), params, line, view, k, reads, call))

    def add_event(self, n: int) -> None:
        _, kind, tensors, data, line = self.recording.events[n]
        inputs, outputs, extra = tuple(self._numbers(tensors)), (), data
        if kind == RANDOM:
            *extra, dtype, shape = data
            inputs, outputs, extra = (), inputs, tuple(extra)
            self.values[outputs[0]] = Value(dtype, shape)
        elif kind == OPTIMIZER:
            rule, slots, updated = data
            grads = frozenset(inputs[1 :: 2 + len(slots.states)])
            extra = (rule, slots, grads, updated)
        self.entries.append(Entry(kind, None, inputs, outputs, line=line, extra=extra))

    def _grads(self) -> list[tuple[Any, int]]:
        """The variables whose .grad is another one after the step."""
        found = [(p, self.same.get(n, n)) for p, n in self.recording.grads]
        if not self.recording.state.reads_grad:
            return found
        before = {(record_of(v.source), n) for n, v in enumerate(self.values) if v.kind == GRAD}
        return [(p, n) for p, n in found if (record_of(p), n) not in before]
