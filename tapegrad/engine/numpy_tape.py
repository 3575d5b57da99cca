"""The NumPy engine's tape: a list of entries, and the two sweeps over it, in readable form.

Each open tape keeps its own list; an op is appended to every tape that tracks one of its inputs.
Griewank & Walther, Evaluating Derivatives, ch. 3.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from .. import lines
from ..errors import StaleValueError, TapeError
from ..ops.table import OPS, SAVED_OUT, is_saved
from . import select
from .node import VARIABLE, WRITTEN, Ghost, Node
from .recording import here

if TYPE_CHECKING:
    from .numpy_engine import NumpyEngine


class Thread(threading.local):
    """Per thread: the open tapes, innermost last, and whether recording is on."""

    def __init__(self) -> None:
        self.open: list[NumpyTape] = []
        self.recording = True
        self.trace: Any = None  # the log of a step that is being recorded as a program
        self._line = 0  # of the entry whose rule is at work; 0: the user's is the one in force

    def line_here(self) -> int:
        """The number of the line whose doing an op is now."""
        return self._line or lines.line_here()

    @contextlib.contextmanager
    def at_line(self, line: int) -> Iterator[None]:
        before, self._line = self._line, line
        try:
            yield
        finally:
            self._line = before


this_thread = Thread()


class Entry:
    """One recorded op. Inputs are Nodes where a rule reads them, else Ghosts."""

    __slots__ = ("op", "inputs", "routes", "out", "params", "line", "saved", "versions", "y")

    def __init__(self, op: Any, inputs: list, out: Node, params: tuple, saved: int, line: int):
        self.op = op
        self.inputs = [x if is_saved(saved, i) else Ghost(x) for i, x in enumerate(inputs)]
        self.out = out if saved & SAVED_OUT else Ghost(out)
        self.params = params
        self.line = line
        self.saved = saved
        self.versions = self.count_versions()
        self.routes: list[Any] = []  # per input: the slot that made it, or a leaf's Node

    def shapes(self) -> str:
        return ", ".join(str(x.shape) for x in self.inputs)

    def saved_names(self) -> tuple[int, ...]:
        """What engine writes call the inputs it has saved."""
        saved = [x for x in self.inputs if type(x) is Node]
        return tuple([id(x) if x.home is None else x.home.handle for x in saved])

    def count_versions(self) -> int:
        return sum(x.version for x in self.inputs if type(x) is Node)

    def check_versions(self, slot: int) -> None:
        """Raise if a parameter that the entry read has been written since."""
        if self.versions != self.count_versions():
            raise StaleValueError(
                f"entry {slot}, {self.op.name} of {self.shapes()}: a parameter it read has been "
                "written since: sweep before the update, or record again"
                + lines.place(self.line, self.saved_names())
            )


class NumpyTape:
    """See interface.EngineTape."""

    def __init__(self, engine: NumpyEngine, persistent: bool, automatic: bool, lines: bool):
        self._engine = engine
        self.persistent = persistent
        self._automatic = automatic
        self._lines = lines
        self.is_open = self.is_paused = self.is_consumed = self.has_recorded = False
        self._is_swept = False
        self._watched: dict[Node, None] = {}
        self._clear()

    def _clear(self) -> None:
        self._entries: list[Entry | None] = []
        self._slots: dict[Node, int] = {}  # of each output, while somebody holds it

    def __len__(self) -> int:
        return len(self._entries)

    def open(self) -> None:
        if self.is_open:
            raise TapeError("this tape is already recording; nest a new tape() instead")
        if self.has_recorded:
            raise TapeError(
                "this tape has been closed and cannot record again; call reset() first, "
                "or make a new tape()"
            )
        self.is_open = self.has_recorded = True
        self._step = this_thread.trace and this_thread.trace.step
        this_thread.open.append(self)
        self._home = this_thread.open

    def close(self) -> None:
        if self.is_open:
            self._home.remove(self)
            self.is_open = self.is_paused = False

    def pause(self) -> None:
        if not self.is_open or self.is_paused:
            raise TapeError(
                "this tape is paused already" if self.is_open else "this tape is not recording"
            )
        self.is_paused = True

    def resume(self) -> None:
        self.is_paused = False

    def reset(self) -> None:
        if self._is_swept:
            raise TapeError("this tape is being swept")
        self._clear()
        self._watched = {}
        self.is_consumed = False
        self.has_recorded = self.is_open

    def watch(self, tensor: Any) -> None:
        self._watched[self._engine.node_of(tensor)] = None

    def watched(self) -> list:
        return [self._engine.wrap(node) for node in self._watched]

    def _is_leaf(self, node: Node) -> bool:
        return (self._automatic and bool(node.flags & VARIABLE)) or node in self._watched

    def tracks_node(self, node: Node) -> bool:
        return node in self._slots or self._is_leaf(node)

    def tracks(self, tensor: Any) -> bool:
        return self.tracks_node(self._engine.node_of(tensor))

    def mark(self) -> int:
        return len(self._entries)

    def cut(self, mark: int) -> list:
        made = {slot: node for node, slot in self._slots.items()}
        read: dict[Node, None] = {}
        for entry in self._entries[mark:]:
            for route in entry.routes if entry is not None else ():
                if isinstance(route, int):
                    if route < mark:
                        read[made[route]] = None
                elif self._is_leaf(route):
                    read[route] = None
        del self._entries[mark:]
        self._slots = {node: slot for node, slot in self._slots.items() if slot < mark}
        return [self._engine.wrap(node) for node in read]

    def append(self, entry: Entry, inputs: list[Node], out: Node) -> None:
        entry.routes = [self._slots.get(x, x) for x in inputs]
        self._slots[out] = len(self._entries)
        self._entries.append(entry)

    def entries(self) -> list[tuple]:
        wrap = self._engine.wrap
        made: list[Any] = [None] * len(self._entries)
        for node, slot in self._slots.items():
            made[slot] = node
        rows = []
        for slot, e in enumerate(self._entries):
            if e is None:
                continue
            # a value goes by its node, where there still is one, whether it was saved or not
            nodes = [made[r] if isinstance(r, int) else r for r in e.routes]
            inputs = tuple([wrap(node or x) for node, x in zip(nodes, e.inputs)])
            out = wrap(made[slot] or e.out)
            rows.append((e.op.id, inputs, out, e.params, e.line, e.saved))
        return rows

    # --- sweeps

    def _begin(self) -> bool:
        """Check that a sweep may start; returns whether recording must be resumed after it."""
        if self.is_consumed:
            raise TapeError(
                "this tape has been swept already: one gradient or backward per tape, "
                "unless it is made with tape(persistent=True)"
            )
        if not self.has_recorded:
            raise TapeError(
                "this tape has recorded nothing: run the function inside 'with tape() as t:' first"
            )
        if self._is_swept:
            raise TapeError("this tape is being swept already")
        self._check_place()
        self._is_swept = True
        self._switch = select.use_backend("numpy")  # a sweep's ops are its tape's engine's
        resume = self.is_open and not self.is_paused
        self.is_paused = True
        return resume

    def _check_place(self) -> None:
        """Refuse, in a step that will be replayed, a tape from before it that has saved a variable:
        replays would read there what has been written since."""
        trace = this_thread.trace
        if trace is None or trace.step in (None, self._step):
            return
        for e in self._entries:
            if e is not None and any(type(x) is Node and x.flags & WRITTEN for x in e.inputs):
                here.recorder.refuse(
                    f"sweeps a tape from outside, on which {e.op.name} read a parameter, and a "
                    "replay would read what has been written there since: record in the step "
                    "what it sweeps, or sweep outside"
                )

    def _end(self, resume: bool, keep: bool = False) -> None:
        self._is_swept = False
        self._switch.__exit__()
        if not self.persistent and not keep:
            self.close()
            self._clear()
            self.is_consumed = True
        self.is_paused = self.is_open and not resume

    def _key(self, node: Node) -> Any:
        """Where a cotangent for this node goes: its slot, or the node itself for a leaf."""
        return self._slots.get(node, node)

    def _needed(self, sources: set | None) -> list[bool]:
        """Which entries lie on a way from the sources (None: from any leaf)."""
        needed: list[bool] = []
        for entry in self._entries:
            needed.append(any(self._is_needed(r, needed, sources) for r in entry.routes))
        return needed

    def _is_needed(self, route: Any, needed: list[bool], sources: set | None) -> bool:
        if sources is not None and route in sources:
            return True
        if isinstance(route, int):
            return needed[route]
        return sources is None and self._is_leaf(route)

    def _reverse(
        self, cotangents: dict, sources: set | None, block: int = 0, keep: bool = False
    ) -> dict:
        """Sweep; cotangents maps slots and leaves to Tensors, and is added to in place."""
        needed = self._needed(sources)
        for slot in range(len(self._entries) - 1, -1, -1):
            entry = self._entries[slot]
            kept = sources is not None and slot in sources
            ct = cotangents.get(slot) if kept else cotangents.pop(slot, None)
            if ct is not None and needed[slot]:
                with this_thread.at_line(entry.line):
                    self._sweep_entry(slot, entry, ct, needed, sources, cotangents, block)
            if not self.persistent and not keep:
                self._entries[slot] = None
        return cotangents

    def _sweep_entry(self, slot, entry, ct, needed, sources, cotangents, block) -> None:
        entry.check_versions(slot)
        for i in reversed(range(len(entry.routes))):
            rule, route = entry.op.vjp(i), entry.routes[i]
            if rule is None or not self._is_needed(route, needed, sources):
                continue
            term = self._run(rule, entry, i, ct, block)
            if term is None:
                continue
            term = _fitted("sum_to", term, entry.inputs[i].shape, block)
            before = cotangents.get(route)
            cotangents[route] = term if before is None else before + term

    def sweep(
        self, targets: list, cotangents: list, sources: list, block: int = 0, keep: bool = False
    ) -> list:
        node_of = self._engine.node_of
        resume = self._begin()
        try:
            keys = [self._key(node_of(x)) for x in sources]
            known = {k for k in keys if isinstance(k, int) or self._is_leaf(k)}
            cts = self._seeds(targets, cotangents)
            found = self._reverse(cts, known, block, keep)
            return [found.get(k) if k in known else None for k in keys]
        finally:
            self._end(resume, keep)

    def _seeds(self, targets: list, cotangents: list) -> dict:
        cts: dict[Any, Any] = {}
        for y, ct in zip(targets, cotangents):
            key = self._key(self._engine.node_of(y))
            if ct is None:
                ct = self._engine.from_numpy(np.ones(y.shape, y.dtype))
            cts[key] = ct if key not in cts else cts[key] + ct
        return cts

    def backward(self, target: Any, cotangent: Any) -> None:
        resume = self._begin()
        try:
            found = self._reverse(self._seeds([target], [cotangent]), None)
            for node, ct in found.items():
                if isinstance(node, Node) and self._is_leaf(node):
                    if this_thread.trace is not None:
                        this_thread.trace.reads_grad(node)
                        this_thread.trace.sets_grad(node)
                    node.grad = ct if node.grad is None else node.grad + ct
        finally:
            self._end(resume)

    def push(
        self, sources: list, tangents: list, targets: list, block: int = 0, keep: bool = False
    ) -> list:
        node_of = self._engine.node_of
        resume = self._begin()
        try:
            values: dict[Any, Any] = {}
            for x, t in zip(sources, tangents):
                key = self._key(node_of(x))
                values[key] = t if key not in values else values[key] + t
            given = set(values)
            for slot, e in enumerate(self._entries):
                if slot in given:
                    continue
                with this_thread.at_line(e.line):
                    total = self._push_entry(slot, e, values, block)
                if total is not None:
                    values[slot] = total
            return [values.get(self._key(node_of(y))) for y in targets]
        finally:
            self._end(resume, keep)

    def _push_entry(self, slot: int, e: Entry, values: dict, block: int) -> Any:
        """The tangent of an entry's output, or None."""
        total = None
        e.check_versions(slot)
        for i, route in enumerate(e.routes):
            rule, tangent = e.op.jvp(i), values.get(route)
            if rule is None or tangent is None:
                continue
            term = self._run(rule, e, i, tangent, block)
            if term is not None:
                term = _fitted("broadcast_to", term, e.out.shape, block)
                total = term if total is None else total + term
        return total

    def _run(self, rule: Any, e: Entry, i: int, ct: Any, block: int) -> Any:
        """What a rule for input i makes of a cotangent, or a tangent."""
        from ..ops.calls import is_call

        wrap = self._engine.wrap
        out, inputs = wrap(e.out), tuple(map(wrap, e.inputs))
        with this_thread.at_line(0 if is_call(e.op) else e.line):  # a user's rule has its own lines
            if block:
                return select.blocks().run_rule(rule, e.op, i, ct, out, inputs, e.params, block)
            return select.own(rule(e.op, i, ct, out, inputs, e.params))


def _fitted(op: str, t: Any, shape: tuple, block: int) -> Any:
    """t in the shape, by op (sum_to or broadcast_to); behind the block axis if there is one."""
    if t.shape[1 if block else 0 :] == shape:
        return t
    if not block:
        return select.slow_apply(OPS[op].id, (t,), shape)
    return select.slow_apply(OPS[op].id, (select.blocks().Block(t),), shape).value
