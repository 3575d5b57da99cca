"""The NumPy engine's log of a whole step, the counterpart of csrc/pytrace.c."""

from __future__ import annotations

from typing import Any

import numpy as np

from .dtypes import CODES
from .node import VARIABLE, Node
from .numpy_tape import this_thread
from .recording import TRACED

GRAD_NOTE = 2


class NumpyTrace:
    """Entries as csrc/pytrace.c gives them; values go by the id of their Node, which is held."""

    def __init__(self, engine: Any):
        self._engine = engine
        self._held: list[Any] = []
        self.entries: list[tuple] = []
        self.leaves: dict[int, Any] = {}
        self.sources: list[tuple[int, np.ndarray]] = []
        self.constants: set[int] = set()
        self._made: set[int] = set()
        self._grads_set: dict[int, Any] = {}
        self._without: dict[int, Any] = {}

    def _read(self, node: Node) -> int:
        key = id(node)
        if key not in self._made and key not in self.leaves:
            self.leaves[key] = self._engine.wrap(node)
        return key

    def log(self, op: Any, nodes: list, out: Node, params: tuple, notes: int = 0) -> None:
        from .native_engine import line_here

        keys = tuple([self._read(node) for node in nodes])
        view = 0
        for i, node in enumerate(nodes):
            if np.may_share_memory(node.array, out.array) and node.array.size:
                view = i + 1
                break
        self._held.append(out)
        self._made.add(id(out))
        out.flags |= TRACED
        self.entries.append(
            (op, keys, id(out), params, line_here(), notes | view << 4, CODES[out.dtype], out.shape)
        )

    def constant(self, node: Node) -> Node:
        """A weak scalar among an op's operands."""
        self._held.append(node)
        self.constants.add(id(node))
        return node

    def source(self, node: Node, array: np.ndarray) -> Node:
        """A value copied from an array."""
        self._held.append(node)
        self.sources.append((id(node), array))
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
        self.sets_grad(node)

    def sets_grad(self, node: Node) -> None:
        self._grads_set.setdefault(id(node), self._engine.wrap(node))

    def end(self) -> tuple:
        without, grads_set = list(self._without.values()), list(self._grads_set.values())
        return self.entries, self.leaves, without, grads_set, self.sources

    def is_held_outside(self, tensor: Any) -> bool:
        node = self._engine.node_of(tensor)
        return bool(node.flags & VARIABLE) or id(node) not in self.constants


class NumpyLog:
    """See interface.EngineLog."""

    def __init__(self, engine: Any):
        self._engine = engine
        self._ended: Any = None

    def begin(self) -> None:
        this_thread.trace = NumpyTrace(self._engine)

    def length(self) -> int:
        return len(this_thread.trace.entries)

    def end(self) -> tuple:
        self._ended, this_thread.trace = this_thread.trace, None
        return self._ended.end()

    def key_of(self, tensor: Any) -> int:
        return id(self._engine.node_of(tensor))

    def is_held_outside(self, tensor: Any) -> bool:
        return self._ended.is_held_outside(tensor)

    def reads_grad(self, variable: Any) -> None:
        this_thread.trace.reads_grad(self._engine.node_of(variable))

    def sets_grad(self, variable: Any) -> None:
        this_thread.trace.sets_grad(self._engine.node_of(variable))
