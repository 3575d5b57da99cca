"""The native engine: glue over the C core (csrc/).

C does the work: shapes, memory, kernels, the Wengert list, both sweeps. Python is asked for
three things: operands that are not native Tensors of one dtype, ops or dtypes without a C
kernel (run by NumPy on views of the same memory), and derivative rules C has no template of yet.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NoReturn

import numpy as np

from .. import errors, lines
from ..ops.table import BY_ID, OPS
from . import numpy_optim, select
from .dtypes import CODES, DTYPES, dtype_code, promoted
from .operands import as_array, as_scalar, run_numpy
from .recording import ASSIGN, Logged, here

LIB: Any = select._core.lib  # without a C core nobody imports this module
RULE_SLOTS = 4  # C's: inputs past the third share the fourth's rule

ERRORS = {
    LIB.TG_EMEMORY: MemoryError,
    LIB.TG_ESHAPE: errors.ShapeError,
    LIB.TG_EDTYPE: errors.DTypeError,
    LIB.TG_EVALUE: ValueError,
    LIB.TG_ERELEASED: errors.StaleValueError,
    LIB.TG_EVERSION: errors.StaleValueError,
    LIB.TG_ESTALE: errors.StaleValueError,
    LIB.TG_ETAPE: errors.TapeError,
    LIB.TG_EINDEX: IndexError,
}


class _Memory:
    """A C buffer as NumPy's array interface describes it, which keeps the buffer alive."""

    __slots__ = ("__array_struct__",)


class _OptimizerCall:
    """Arguments of a C optimizer step over one group, laid out once."""

    __slots__ = ("step", "n", "params", "states", "steps", "hyper", "numbers")

    def __init__(self, core: Any, kind: str, slots: Any):
        ffi = core.ffi
        self.step = getattr(core.lib, f"tg_{kind}_step")
        self.n = len(slots.params)
        self.params = ffi.new("uint64_t[]", [p.handle for p in slots.params])
        states = [t.handle for tensors in slots.states.values() for t in tensors]
        self.states = ffi.new("uint64_t[]", states)
        self.steps = ffi.from_buffer("int64_t[]", slots.steps)
        self.hyper: tuple = ()  # what numbers holds
        self.numbers = ffi.new("double[16]")


class NativeLog:
    """See interface.EngineLog; csrc/pytrace.c does the work, and sees gradients for itself."""

    def __init__(self, core: Any, adopt: Any):
        self._begin = core.trace_begin
        self.length = core.trace_length
        self._end = core.trace_end
        self._entries = core.trace_entries
        self._adopt = adopt

    def begin(self, is_step: bool = False) -> None:
        self._begin(is_step)

    def end(self, asked: list[list]) -> Logged:
        words, lines, *rest = self._end(asked, self._adopt)
        return Logged(words, memoryview(lines).cast("I"), *rest)

    def entries(self, words: Any) -> Iterator[tuple]:
        at = 0
        while at < len(words):
            some, at = self._entries(words, at, BY_ID, ASSIGN)
            yield from some

    def reads_grad(self, variable: Any) -> None:
        pass

    sets_grad = reads_grad


class NativeEngine:
    """See interface.Engine."""

    name = "native"

    def __init__(self, core: Any, rows: list, tensor_type: type, slow_apply: Any):
        self._core = core
        self._tensor = tensor_type
        self._new_tape = core.NativeTape
        self.backward = core.backward
        self.set_recording = core.set_recording
        self.open_tapes = core.open_tapes
        self.calls = core.calls
        self.is_recording = core.is_recording
        self.log = NativeLog(core, self.adopt)
        lib, ffi = core.lib, core.ffi
        c_rows = {ffi.string(lib.tg_op_name(i)).decode(): i for i in range(lib.tg_op_count())}
        self.c_rows = frozenset(c_rows)
        ASSIGN.id = c_rows["assign"]
        for op in rows:
            self.add_row(op, c_rows.get(op.name, -1))
        core.setup(
            tensor_type, np.ndarray, slow_apply, select.operate, run_rule, raise_error,
            lines.line_number, DTYPES,
        )  # fmt: skip

    def add_row(self, op: Any, c_id: int = -1) -> None:
        """Give a row its id (a new one unless C has the row) and tell C what its rules read."""
        lib = self._core.lib
        op.id = c_id if c_id >= 0 else lib.tg_op_register(op.name.encode())
        self.check(op.id)
        for i in range(RULE_SLOTS if op.variadic else len(op.inputs)):
            if op.vjp(i) or op.jvp(i):
                self.check(lib.tg_op_residuals(op.id, i, op.residuals(i)))

    def check(self, status: int) -> None:
        """Raise what a C entry point's code says."""
        if status < 0:
            text = self._core.ffi.string(self._core.lib.tg_error_text()).decode()
            raise_error(status, text, -1, None)

    # --- operands and results

    def apply(self, op: Any, inputs: tuple, params: tuple) -> Any:
        operands = self._operands(op, inputs)
        if operands is not inputs:
            return self._core.apply(op.id, operands, params)
        # in C order, as replays have them: NumPy's bits depend on strides
        arrays = [np.asarray(self.to_numpy(t), order="C") for t in operands]
        out = self.from_numpy(run_numpy(op, arrays, params), self._tensor)
        self._core.record(op.id, operands, params, out)
        return out

    def _operands(self, op: Any, inputs: tuple) -> tuple:
        """The inputs as native Tensors of one dtype; the same tuple if they are that already."""
        shared = range(len(inputs)) if op.promotes is None else op.promotes
        is_native = all(isinstance(x, self._tensor) and x.handle for x in inputs)
        if is_native and len({inputs[i].dtype for i in shared}) < 2:
            return inputs
        operands = list(inputs)
        weak = []
        for i, x in enumerate(inputs):
            if isinstance(x, self._tensor):
                operands[i] = self.adopt(x)
            elif type(x) in (int, float, complex, bool) and i in shared:
                weak.append(i)
            else:
                operands[i] = self.from_numpy(as_array(x, op), self._tensor)
        strong = [operands[i].dtype for i in shared if i not in weak]
        if len(set(strong)) > 1 or weak:
            dtype = promoted(op, strong, [inputs[i] for i in weak])
            for i in weak:
                operands[i] = self.from_numpy(as_scalar(inputs[i], dtype), self._tensor)
            for i in shared:
                if operands[i].dtype != dtype:
                    cast = OPS["astype"].id
                    operands[i] = self._core.apply(cast, (operands[i],), (CODES[dtype],))
        return tuple(operands)

    def from_numpy(self, array: np.ndarray, tensor_type: type) -> Any:
        code = dtype_code(array.dtype)
        if not array.dtype.isnative:
            array = array.astype(DTYPES[code])
        try:
            t = self._core.from_array(array)
        except ValueError:  # strides that are not whole elements: fields of records
            t = self._core.from_array(np.ascontiguousarray(array))
        return t if tensor_type is self._tensor else tensor_type(t)

    def to_numpy(self, tensor: Any, writable: bool = False) -> np.ndarray:
        if not tensor.handle:
            return tensor._node.array
        return self._view(tensor, writable, exposed=writable)

    def _view(self, tensor: Any, writable: bool, exposed: bool) -> np.ndarray:
        memory = _Memory()
        memory.__array_struct__ = self._core.pin_array(tensor, writable, exposed)
        return np.asarray(memory)

    def shared_memory(self, tensor: Any) -> np.ndarray:
        """The NumPy engine's array for a native Tensor: writable, and not counted as exposed."""
        return self._view(tensor, writable=True, exposed=False)

    def adopt(self, tensor: Any) -> Any:
        """A Tensor of the NumPy engine becomes a native one, whose memory its node uses from now.

        Raises:
            EngineError: while a view that may write the NumPy engine's memory is alive.
        """
        if not tensor.handle:
            node = tensor._node
            if node.home is None:
                self._take_in(node)
            native = self._tensor(node.home)
            native._node = node
            tensor._become(native)
        return tensor

    def _take_in(self, node: Any) -> None:
        if node.has_writers():
            raise errors.EngineError(
                "this parameter was made on the NumPy engine, and a writable view of it (p.data) "
                "is alive: drop the view before the native engine uses the parameter"
            )
        home = self._core.take_in(node.array)
        home._flags = node.flags
        node.move_to(home, self.shared_memory(home))

    # --- tapes and parameters

    def new_tape(self, persistent: bool, automatic: bool, lines: bool) -> Any:
        return self._new_tape(persistent, automatic, lines)

    def assign(self, parameter: Any, value: Any) -> None:
        if here.recorder is not None:
            here.recorder.writes()
        value = self.adopt(value)
        self.check(self._core.lib.tg_assign(parameter.handle, value.handle))
        if lines.are_kept:
            lines.wrote(parameter.handle)

    def touch(self, parameter: Any) -> None:
        self.check(self._core.lib.tg_touch(parameter.handle))
        if lines.are_kept:
            lines.wrote(parameter.handle)

    def optimizer_step(self, kind: str, slots: Any) -> None:
        if here.recorder is not None:
            here.recorder.optimizer(kind, slots)
        call = slots.native or self._lay_out(kind, slots)
        if call.hyper is not slots.hyper:
            call.hyper = slots.hyper
            call.numbers[0 : len(call.hyper)] = call.hyper
        status = call.step(call.n, call.params, call.states, call.steps, call.numbers)
        if status == LIB.TG_ENOKERNEL:
            numpy_optim.step(select._engines["numpy"], kind, slots)
        elif status < 0:
            self.check(status)
        elif lines.are_kept:
            for p in slots.params:
                lines.wrote(p.handle)

    def _lay_out(self, kind: str, slots: Any) -> _OptimizerCall:
        """The arguments of the C step; they hold as long as the slots do."""
        for p in slots.params:
            self.adopt(p)
        for tensors in slots.states.values():
            tensors[:] = map(self.adopt, tensors)
        slots.native = _OptimizerCall(self._core, kind, slots)
        return slots.native


def run_rule(
    kind: int, op_id: int, i: int, ct: Any, out: Any, inputs: tuple, params: tuple, block: int
) -> Any:
    """Run a row's vjp (kind 0) or jvp (kind 1) for input i, on one cotangent or on a block of
    them; called by a C sweep."""
    op = BY_ID[op_id]
    rule = op.jvp(i) if kind else op.vjp(i)
    if rule is None:
        return None
    if select.engine().name != "native":  # a sweep's ops are its tape's engine's
        with select.use_backend("native"):
            return run_rule(kind, op_id, i, ct, out, inputs, params, block)
    if block:
        return select.blocks().run_rule(rule, op, i, ct, out, inputs, params, block)
    return select.own(rule(op, i, ct, out, inputs, params))


def raise_error(
    code: int, text: str, op_id: int, inputs: tuple | None, line: int = -1, written: tuple = ()
) -> NoReturn:
    """Turn a C code into its exception: the one place that does.

    line, written: of the entry that a sweep could not pass; see lines.place. -1: no entry.
    """
    if code == LIB.TG_EOUTSIDE:
        here.recorder.refuse(text)
    if line >= 0:
        text += lines.place(line, written)
    if op_id in BY_ID:
        name = BY_ID[op_id].name
        shapes = ", ".join(
            str(x.shape if hasattr(x, "shape") else np.shape(x)) for x in inputs or ()
        )
        of = f" of {shapes}" if shapes else ""
        text = f"{name}{of}: {text.removeprefix(f'{name}: ')}"
    raise ERRORS.get(code, errors.TapegradError)(text)
