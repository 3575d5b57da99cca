"""The NumPy engine: complete and readable, the specification of what the C core does.

A Tensor's value is a Node: an array plus what tapes know of it (node.py). Ops run their row's NumPy
implementation; numpy_tape.py records and sweeps.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from .. import lines
from ..errors import ShapeError, TapeError
from ..ops.table import OPS
from . import numpy_optim
from .dtypes import CODES, DTYPES, dtype_code, promoted
from .node import WRITTEN, Node
from .numpy_tape import Entry, NumpyTape, this_thread
from .numpy_trace import NumpyLog
from .operands import as_array, as_scalar, run_numpy
from .recording import ASSIGN, here


class NumpyEngine:
    """See interface.Engine."""

    name = "numpy"

    def __init__(self, tensor_type: type):
        from . import select

        self._tensor = tensor_type
        self._make = select.make_tensor
        self._engines = select._engines
        self.c_rows: frozenset[str] = frozenset()
        self.log = NumpyLog(self)

    def wrap(self, node: Any) -> Any:
        return self._make(self._tensor, node)

    def node_of(self, tensor: Any) -> Node:
        """The node of a Tensor; a native Tensor gets one that shares its memory."""
        node = tensor._node
        if node is None:
            array = self._engines["native"].shared_memory(tensor)
            node = Node(array, tensor._flags, home=self._tensor(tensor))
            tensor._node = node
        return node

    def apply(self, op: Any, inputs: tuple, params: tuple) -> Any:
        nodes = self._operands(op, inputs)
        if op.name != "copy":
            nodes = [self._settled(n) if n.writers else n for n in nodes]
        array = run_numpy(op, [n.array for n in nodes], params)
        if any(n.flags & WRITTEN and np.may_share_memory(array, n.array) for n in nodes):
            array = array.copy()  # a Tensor is a value: writing the variable must not change it
        out = Node(array)
        self._record(op, nodes, out, params)
        if this_thread.trace is not None:
            this_thread.trace.log(op, nodes, out, params)
        return self.wrap(out)

    def _settled(self, node: Node) -> Node:
        """The node, or a copy of it while somebody holds a view to write through."""
        if not node.has_writers():
            return node
        return self.apply(OPS["copy"], (self.wrap(node),), ())._node

    def _operands(self, op: Any, inputs: tuple) -> list[Node]:
        shared = range(len(inputs)) if op.promotes is None else op.promotes
        nodes: list[Any] = list(inputs)
        weak = []
        for i, x in enumerate(inputs):
            if isinstance(x, self._tensor):
                nodes[i] = self.node_of(x)
            elif type(x) in (int, float, complex, bool) and i in shared:
                weak.append(i)
            else:
                array = as_array(x, op)
                nodes[i] = Node(np.array(array))
                if this_thread.trace is not None:
                    this_thread.trace.source(nodes[i], array)
        strong = [nodes[i].dtype for i in shared if i not in weak]
        if len(set(strong)) > 1 or weak:
            dtype = promoted(op, strong, [inputs[i] for i in weak])
            for i in weak:
                nodes[i] = Node(as_scalar(inputs[i], dtype))
                if this_thread.trace is not None:
                    this_thread.trace.constant(nodes[i])
            for i in shared:
                if nodes[i].dtype != dtype:
                    cast = self.apply(OPS["astype"], (self.wrap(nodes[i]),), (CODES[dtype],))
                    nodes[i] = cast._node
        return nodes

    def _record(self, op: Any, nodes: list[Node], out: Node, params: tuple) -> None:
        if not this_thread.recording or not op.is_differentiable:
            return
        for tape in reversed(this_thread.open):
            if tape.is_paused:
                continue
            tracked = [i for i, x in enumerate(nodes) if tape.tracks_node(x)]
            if not tracked:
                continue
            saved = 0
            for i in tracked:
                saved |= op.residuals(i)
            keeps = tape._lines or this_thread.trace is not None
            line = this_thread.line_here() if keeps else 0
            tape.append(Entry(op, nodes, out, params, saved, line), nodes, out)
            if out.tape is None:
                out.tape = tape

    def from_numpy(self, array: np.ndarray, tensor_type: type | None = None) -> Any:
        node = Node(np.array(array, DTYPES[dtype_code(array.dtype)]))
        if this_thread.trace is not None:
            this_thread.trace.source(node, array)
        return self._make(tensor_type or self._tensor, node)

    def to_numpy(self, tensor: Any, writable: bool = False) -> np.ndarray:
        node = self.node_of(tensor)
        if writable:
            native = self._engines.get("native")
            home = node.home
            return node.writable_view(node.array if home is None else native.to_numpy(home, True))
        view = node.array.view()
        view.flags.writeable = False
        return view

    def adopt(self, tensor: Any) -> Any:
        self.node_of(tensor)
        return tensor

    def new_tape(self, persistent: bool, automatic: bool, lines: bool) -> NumpyTape:
        return NumpyTape(self, persistent, automatic, lines)

    def backward(self, target: Any, cotangent: Any, tape: NumpyTape | None = None) -> None:
        tape = tape or self.node_of(target).tape
        if tape is None:
            raise TapeError(
                "backward: no tape recorded this Tensor; compute it inside 'with tape():' from a "
                "parameter or a watched Tensor, and where tapegrad.compile is used, call backward "
                "in the step"
            )
        tape.backward(target, cotangent)

    def set_recording(self, on: bool) -> bool:
        before, this_thread.recording = this_thread.recording, bool(on)
        return before

    def assign(self, parameter: Any, value: Any) -> None:
        if here.recorder is not None:
            here.recorder.writes()
        node, new = self.node_of(parameter), self.node_of(value).array
        if node.shape != new.shape or node.dtype != new.dtype:
            raise ShapeError("assign: the value has another shape or dtype")
        self.touch(parameter)
        node.array[...] = new
        if this_thread.trace is not None:
            this_thread.trace.log(ASSIGN, [node, self.node_of(value)], Node(node.array.view()), ())

    def touch(self, parameter: Any) -> None:
        node = self.node_of(parameter)
        if node.home is None:
            node.touch()
            if lines.are_kept:
                lines.wrote(id(node))
        else:
            self._engines["native"].touch(node.home)

    def optimizer_step(self, kind: str, slots: Any) -> None:
        if here.recorder is not None:
            here.recorder.optimizer(kind, slots)
        numpy_optim.step(self, kind, slots)

    def open_tapes(self) -> list[NumpyTape]:
        return [t for t in this_thread.open if not t.is_paused and this_thread.recording]

    def is_recording(self) -> int:
        """1: a tape of this thread records; 0: none does; -1: inside no_grad."""
        if not this_thread.recording:
            return -1
        return int(any(not t.is_paused for t in this_thread.open))
