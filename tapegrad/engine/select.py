"""Which engine is in force, and `apply`, the one door through which every op goes.

The native engine is used when the C core was built, unless TAPEGRAD_BACKEND=numpy; use_backend
changes it for the process or for a block. With the C core, `apply` is a builtin that runs an
op of C rows on native Tensors by itself and hands everything else to `slow_apply`.
"""

from __future__ import annotations

import os
import sys
from importlib import import_module
from typing import Any

from ..errors import EngineError
from ..ops.table import BY_ID, OPS
from . import operands
from .dtypes import CODES
from .recording import here

BACKENDS = ("native", "numpy")

try:
    _core = import_module("tapegrad._core")
except ModuleNotFoundError as error:  # a pure NumPy install; a broken core is an error
    _core = None
    _why_not_native = str(error)

_engine: Any = None  # set by start()
_engines: dict[str, Any] = {}
_blocks: Any = None  # ops/blocks.py, once a sweep in blocks has asked for it


def engine() -> Any:
    """The engine in force."""
    return _engine


def slow_apply(op_id: int, inputs: tuple, params: tuple = ()) -> Any:
    """Run an op by the engine in force: the general way, for any operands."""
    if _blocks is not None:
        for x in inputs:
            if type(x) is _blocks.Block:
                return _blocks.apply_to_blocks(BY_ID[op_id], inputs, params)
    return _engine.apply(BY_ID[op_id], inputs, params)


def own(t: Any) -> Any:
    """t, or a copy of a variable: gradients and tangents are of no memory that is written."""
    return apply(OPS["copy"].id, (t,), ()) if getattr(t, "_may_be_written", False) else t


def operate(op_id: int, a: Any, b: Any) -> Any:
    """An operator the general way; NotImplemented where Python shall ask the other operand."""
    for x in (a, b):
        if not isinstance(x, TensorBase) and operands.is_foreign(x):
            return NotImplemented
    return slow_apply(op_id, (a, b))


if _core is not None:
    if _core.lib.tg_python_init() != 0:
        raise ImportError("tapegrad: the C core could not be set up")
    apply = _core.apply
    TensorBase = _core.TensorBase
    make_tensor = _core.make_tensor
else:
    from . import node

    apply = slow_apply
    TensorBase = node.NodeHolder
    make_tensor = node.make_tensor


def blocks() -> Any:
    """The module that applies rules to blocks of cotangents."""
    global _blocks
    if _blocks is None:
        _blocks = import_module("tapegrad.ops.blocks")
        operands.known += (_blocks.Block,)
    return _blocks


class use_backend:
    """Switch engines: `use_backend("numpy")` for good, `with use_backend("numpy"):` for a block.

    A tape belongs to the engine that was in force when it was made; Tensors of either engine can
    be used under both (native memory is shared, not copied). The switch is process-wide.

    Raises:
        EngineError: if the name is unknown or the engine is not installed.
        ReplayError: if it changes within a step that tapegrad.compile records.
    """

    def __init__(self, name: str):
        if name not in BACKENDS:
            raise EngineError(f"unknown backend {name!r}: choose one of {', '.join(BACKENDS)}")
        if name not in _engines:
            raise EngineError(
                "the native engine is not installed (the C core was not built: "
                f"{_why_not_native}); install a C compiler and reinstall tapegrad"
            )
        self._before = _engine.name
        _switch(name)

    def __enter__(self) -> use_backend:
        return self

    def __exit__(self, *exc: object) -> None:
        _switch(self._before)


def _switch(name: str) -> None:
    global _engine
    if here.recorder is not None and name != _engine.name:
        here.recorder.refuse(
            f"changes the engine from {_engine.name} to {name}, whose ops its recording would not "
            "see: call it inside use_backend(...)"
        )
    _engine = _engines[name]
    if _core is not None:
        _core.use_native(name == "native")


def backend() -> str:
    """Name of the engine in force."""
    return _engine.name


def add_row(op: Any) -> None:
    """Make a row known that was added to the table after start()."""
    if "native" in _engines:
        _engines["native"].add_row(op)
    else:
        op.id = len(BY_ID)
    BY_ID[op.id] = op


def share(array: Any, tensor_type: type) -> Any:
    """A Tensor over an array's own memory; None where it must be copied. Others may write there,
    so tapes keep copies of what they save of it."""
    from .node import shared_node

    if array.dtype not in CODES:
        return None
    node = shared_node(array)
    if _core is None:
        return make_tensor(tensor_type, node)
    t = _core.share_array(array)
    if t is not None:
        t._node = node  # the NumPy engine asks it whether others may write
    return t


def start(rows: list, tensor_type: type) -> None:
    """Make the engines once the op table is complete (called by tapegrad/__init__.py)."""
    from .numpy_engine import NumpyEngine

    wanted = os.environ.get("TAPEGRAD_BACKEND", "")
    if wanted not in ("", *BACKENDS):
        raise EngineError(
            f"TAPEGRAD_BACKEND={wanted!r}: unknown; choose one of {', '.join(BACKENDS)}"
        )
    if _core is not None:
        from .native_engine import NativeEngine

        _engines["native"] = NativeEngine(_core, rows, tensor_type, slow_apply)
    else:
        for i, op in enumerate(rows):
            op.id = i
    BY_ID.update((op.id, op) for op in rows)
    _engines["numpy"] = NumpyEngine(tensor_type)
    if wanted == "native" and _core is None:
        raise EngineError(
            "TAPEGRAD_BACKEND=native, but the C core was not built: "
            f"{_why_not_native}; install a C compiler and reinstall tapegrad"
        )
    if _core is None and not wanted:
        print(
            "tapegrad: the C core was not built (no compiler when it was installed); "
            "using the NumPy engine",
            file=sys.stderr,
        )
    _switch(wanted or ("native" if _core is not None else "numpy"))
