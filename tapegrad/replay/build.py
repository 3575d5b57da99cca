"""Make a Program of a recording: entries over values that keep the log's numbers."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import lru_cache
from itertools import islice, repeat
from typing import Any

from ..engine.recording import GRAD_NOTE, PYTHON_NOTE
from ..ops.calls import is_call
from ..ops.table import OPS
from ..tensor import identity
from ..transforms.entries import EntryCall
from .ir import ARRAY, GRAD, OP, OPTIMIZER, PYTHON, RANDOM, VJP, Entry, Program, Value
from .record import Event, Recording


def program_of(recording: Recording) -> Program:
    """The recording as a Program, one entry an op, before any pass."""
    return _Builder(recording).build()


made = lru_cache(Value)  # values that entries make, one for all of a dtype and shape


class _Builder:
    """Puts logged entries and events in order. Where two values are the same, entries read the
    first, and the other is nobody's."""

    def __init__(self, recording: Recording):
        self.recording = recording
        self.entries: list[Entry] = []
        self.values = dict(recording.leaves)
        self.same = dict(recording.same)
        self.calls = iter(recording.calls)

    def build(self) -> Program:
        r = self.recording
        rows = zip(r.engine.log.entries(r.words), r.lines)
        begin = 0
        for event in r.events:
            self._add_entries(islice(rows, event.position - begin))
            begin = event.position
            self._add_event(event)
        self._add_entries(rows)
        self._copy_what_is_written()
        numbers = range(max(self.values, default=-1) + 1)
        return Program(
            list(map(self.values.get, numbers, repeat(Value(0, ())))),  # some are nobody's
            self.entries,
            self._numbers(r.outputs),
            r.n_arguments,
            grads=self._grads(),
            cleared=r.cleared,
            generators=[g for g, *_ in r.streams],
            blocks=[blocks for *_, blocks in r.streams],
            state=r.state,
        )

    def _numbers(self, numbers: Sequence[int]) -> list[int]:
        return list(map(self.same.get, numbers, numbers))

    def _add_entries(self, rows: Iterable[tuple]) -> None:
        same, values = self.same, self.values
        renamed = same.keys()
        has_calls, add = bool(self.recording.calls), self.entries.append
        for (op, inputs, out, params, notes, dtype, shape), line in rows:
            if same and not renamed.isdisjoint(inputs):
                inputs = tuple(self._numbers(inputs))
            if notes & GRAD_NOTE:
                values[out] = Value(dtype, shape, GRAD, values[inputs[0]].source)
                continue
            call = None
            if has_calls and is_call(op):
                call, params = next(self.calls), ()
                if isinstance(call, EntryCall):  # stands for its first operand, computed before it
                    same[out] = inputs[0]
                    continue
            values[out] = made(dtype, shape)
            if not notes and call is None:
                add(Entry(OP, op, inputs, (out,), params, line))
                continue
            k = (notes >> 8 & 15) - 1
            kind = PYTHON if call or notes & PYTHON_NOTE else OP if k < 0 else VJP
            view, reads = notes >> 4 & 15, notes >> 12 & 15
            add(Entry(kind, op, inputs, (out,), params, line, view, k, reads, call))

    def _add_event(self, event: Event) -> None:
        _, kind, tensors, data, line = event
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

    def _copy_what_is_written(self) -> None:
        """A parameter made inside the step of an ndarray has memory of its own: if the step writes
        it, each run begins with a copy, and the ndarray stays as it is."""
        values = self.values
        for v in {v for e in self.entries for v in e.writes if values[v].kind == ARRAY}:
            array = max(values) + 1
            values[array], values[v] = values[v], Value(values[v].dtype, values[v].shape)
            self.entries.insert(0, Entry(OP, OPS["copy"], (array,), (v,)))

    def _grads(self) -> list[tuple[Any, int]]:
        """The variables whose .grad is another one after the step."""
        found = [(p, self.same.get(n, n)) for p, n in self.recording.grads]
        if not self.recording.state.reads_grad:
            return found
        before = {(identity(v.source), n) for n, v in self.values.items() if v.kind == GRAD}
        return [(p, n) for p, n in found if (identity(p), n) not in before]
