"""The NumPy engine's log of a whole step, the counterpart of csrc/pytrace.c."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from .dtypes import CODES
from .node import WRITTEN, Node
from .numpy_tape import this_thread
from .recording import GRAD_NOTE, TRACED, Logged


class NumpyTrace:
    """What is logged of a step, for Logged."""

    def __init__(self, engine: Any, outer: NumpyTrace | None, is_step: bool):
        self._engine = engine
        self.step = object() if is_step else None  # which one that will be replayed
        self.outer = outer  # the one that waits for this one's end
        self._held: list[Any] = []
        self._numbers: dict[int, int] = {}  # of values, by the id of their Node, which is held
        self._leaves: list[tuple[int, Node]] = []
        self._lines: list[int] = []
        self._sources: list[tuple[Node, np.ndarray]] = []
        self._reads_grad: list[Any] = []
        self._grads_set: dict[int, Any] = {}
        self._without: dict[int, Any] = {}
        self._calls: list[int] = []
        self.entries: list[tuple] = []
        self.constants: set[int] = set()

    def _number(self, node: Node) -> int:
        """The number of a value; of a new one, which no entry has made."""
        number = self._numbers.get(id(node))
        if number is None:
            number = self._numbers[id(node)] = len(self._numbers)
            self._leaves.append((number, node))
        return number

    def log(self, op: Any, nodes: list, out: Node, params: tuple, notes: int = 0) -> None:
        from ..ops.calls import is_call

        if op is not None and is_call(op):  # its number, which no two recordings share
            self._calls.append(params[0])
            params = ()
        numbers = tuple([self._number(node) for node in nodes])
        view = 0
        for i, node in enumerate(nodes):
            if np.may_share_memory(node.array, out.array) and node.array.size:
                view = i + 1
                break
        self._held.append(out)
        made = self._numbers.setdefault(id(out), len(self._numbers))
        out.flags |= TRACED
        self._lines.append(this_thread.line_here())
        notes |= view << 4
        self.entries.append((op, numbers, made, params, notes, CODES[out.dtype], out.shape))

    def constant(self, node: Node) -> Node:
        """A weak scalar among an op's operands."""
        self._held.append(node)
        self.constants.add(id(node))
        return node

    def source(self, node: Node, array: np.ndarray) -> Node:
        """A value copied from an array."""
        self._sources.append((node, array))
        return node

    def reads_grad(self, node: Node) -> None:
        """A variable's .grad is about to be read."""
        if id(node) in self._grads_set:
            return
        if node.grad is None:
            self._without.setdefault(id(node), self._engine.wrap(node))
            return
        grad = self._engine.node_of(node.grad)
        self.log(None, [node], grad, (), GRAD_NOTE)
        self._reads_grad.append(self._engine.wrap(node))
        self.sets_grad(node)

    def sets_grad(self, node: Node) -> None:
        self._grads_set.setdefault(id(node), self._engine.wrap(node))

    def end(self, asked: list[list]) -> Logged:
        node_of, numbers = self._engine.node_of, self._numbers
        asked = [[self._number(node_of(t)) for t in tensors] for tensors in asked]
        leaves = [self._leaf(number, node) for number, node in self._leaves]
        grads = [(p, None if p.grad is None else node_of(p.grad)) for p in self._grads_set.values()]
        return Logged(
            self.entries,
            self._lines,
            asked,
            leaves,
            self._reads_grad,
            list(self._without.values()),
            [(p, numbers.get(id(grad))) for p, grad in grads],
            [(numbers[id(x)], array) for x, array in self._sources if id(x) in numbers],
            self._calls,
        )

    def _leaf(self, number: int, node: Node) -> tuple:
        is_held = bool(node.flags & WRITTEN) or id(node) not in self.constants
        array = node.array
        record = id(node) if is_held else 0
        return number, self._engine.wrap(node), CODES[array.dtype], array.shape, record


class NumpyLog:
    """See interface.EngineLog."""

    def __init__(self, engine: Any):
        self._engine = engine

    def begin(self, is_step: bool = False) -> None:
        this_thread.trace = NumpyTrace(self._engine, this_thread.trace, is_step)

    def length(self) -> int:
        return len(this_thread.trace.entries)

    def end(self, asked: list[list]) -> Logged:
        trace, this_thread.trace = this_thread.trace, this_thread.trace.outer
        return trace.end(asked)

    def entries(self, words: Any) -> Iterator[tuple]:
        return iter(words)

    def reads_grad(self, variable: Any) -> None:
        this_thread.trace.reads_grad(self._engine.node_of(variable))

    def sets_grad(self, variable: Any) -> None:
        this_thread.trace.sets_grad(self._engine.node_of(variable))
