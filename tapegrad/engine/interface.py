"""The engine seam: what the rest of tapegrad asks of an engine.

Two engines implement it: `numpy_engine.NumpyEngine`, complete and readable, the specification;
and `native_engine.NativeEngine`, glue over the C core. Data flows one way: Tensor, engine,
kernels, and back. Everything else (ops, tapes, nn, optim) is written once, above this line.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Protocol

import numpy as np

from .recording import Logged


class EngineTape(Protocol):
    """A tape as an engine sees it. Positions, watched set and sweeps; no nesting of containers."""

    persistent: bool
    is_open: bool
    is_paused: bool
    is_consumed: bool
    has_recorded: bool

    def open(self) -> None: ...
    def close(self) -> None: ...
    def pause(self) -> None: ...
    def resume(self) -> None: ...
    def reset(self) -> None: ...
    def watch(self, tensor: Any) -> None: ...
    def watched(self) -> list: ...

    def sweep(
        self, targets: list, cotangents: list, sources: list, block: int = 0, keep: bool = False
    ) -> list:
        """Reverse sweep: one cotangent per source, None where not connected.

        block: when not 0, cotangents given and returned are stacks of that many along a leading
        axis. keep: leave a tape that is not persistent as it is.
        """

    def push(
        self, sources: list, tangents: list, targets: list, block: int = 0, keep: bool = False
    ) -> list:
        """Forward sweep: one tangent per target, None where not connected. As sweep."""

    def tracks(self, tensor: Any) -> bool:
        """Whether what is computed from the Tensor is recorded here."""

    def mark(self) -> int:
        """Where the tape stands now, for cut()."""

    def cut(self, mark: int) -> list:
        """Forget the entries recorded since; gives the tracked Tensors they read."""

    def entries(self) -> list[tuple]:
        """(op id, inputs, output, params, line, saved bits) of each entry, in order."""

    def __len__(self) -> int: ...


class EngineLog(Protocol):
    """Every op of this thread while a step is recorded for replay; csrc/pytrace.c says more. What
    happens between an inner begin() and its end() is not part of the outer log."""

    def begin(self, is_step: bool = False) -> None:
        """is_step: replays will follow, so that a sweep of a tape from before that has saved a
        variable is an error."""

    def length(self) -> int:
        """Entries so far."""

    def end(self, asked: list[list]) -> Logged:
        """What was logged; the values of the Tensors in these lists get numbers, too."""

    def entries(self, words: Any) -> Iterator[tuple]:
        """(row, inputs, output, params, notes, dtype code, shape) of each, values by number."""

    def reads_grad(self, variable: Any) -> None: ...

    def sets_grad(self, variable: Any) -> None: ...


class Engine(Protocol):
    """At most fifteen methods; ops are data (rows of the op table), not methods."""

    name: str

    def start(self, rows: Sequence[Any]) -> None:
        """Give every row of the op table its id, and learn what its rules read."""

    def apply(self, op: Any, inputs: tuple, params: tuple) -> Any:
        """Run a row on operands of any kind (Tensors, arrays, scalars) and record it."""

    def from_numpy(self, array: np.ndarray, tensor_type: type) -> Any:
        """A Tensor of that type with a copy of the array."""

    def to_numpy(self, tensor: Any, writable: bool = False) -> np.ndarray:
        """A view of the Tensor's memory; it stays valid however long it is kept."""

    def adopt(self, tensor: Any) -> Any:
        """The same Tensor, usable by this engine, whichever engine made it."""

    def new_tape(self, persistent: bool, automatic: bool, lines: bool) -> EngineTape: ...

    def open_tapes(self) -> list[EngineTape]:
        """This thread's tapes that are recording now, innermost last."""

    def backward(self, target: Any, cotangent: Any, tape: EngineTape | None) -> None:
        """Sweep `tape` (None: the innermost that recorded target), adding to every `.grad`."""

    def set_recording(self, on: bool) -> None:
        """Switch recording off and on for this thread; calls nest."""

    def assign(self, parameter: Any, value: Any) -> None:
        """Write a parameter in place; its version goes up by one."""

    def touch(self, parameter: Any) -> None:
        """Say that a parameter may be written through a view."""

    def is_recording(self) -> int:
        """1: a tape of this thread records; 0: none does; -1: inside no_grad."""

    @property
    def log(self) -> EngineLog:
        """The log of a step that is recorded as a program."""

    def optimizer_step(self, kind: str, slots: Any) -> None:
        """Update the parameters of slots (optim.optimizer.Slots) that have a `.grad`, and count.

        kind: a rule of numpy_optim.py; slots.hyper are its numbers, in its order.
        """
