"""One recorded program of a compiled function, the state of the world that it is for, and what its
replays return."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..engine import select
from ..engine.operands import is_plain
from ..tensor import Tensor
from ..tree import counted
from .build import program_of
from .guards import Guards, same_value, short
from .interpret import Interpreted
from .ir import ARRAY, GROUP, PRODUCT, PYTHON, Program
from .look import SCALARS, Members, contents
from .native import NativeProgram
from .record import Recording
from .state import State

MADE = object()  # in a result: a Tensor
MAX_WATCHED = 2**16  # bytes of an ndarray that is compared because Python may have looked into it


class Plain:
    """An ndarray, set or bytearray among the results: replays return copies of one made inside the
    step."""

    __slots__ = ("given", "copy")

    def __init__(self, given: Any):
        self.given = given
        self.copy = given.copy()

    def contents(self) -> tuple:
        is_array = isinstance(self.copy, np.ndarray)
        return contents(self.copy) if is_array else Members(self.copy)


def leaf(x: Any) -> Any:
    """What is kept of a result's leaf until a replay returns it."""
    if isinstance(x, Tensor):
        return MADE
    is_array = isinstance(x, np.ndarray) or type(x) is bytearray
    is_set = type(x) in (set, frozenset) and all(type(member) in SCALARS for member in x)
    return Plain(x) if is_array or is_set else x


def kept(x: Any) -> Any:
    """What a replay returns for a leaf that is no Tensor."""
    return x.copy.copy() if type(x) is Plain else x


def as_result(x: Any) -> Any:
    """A result's leaf as replays return it: no tape knows it, and it is a parameter's values, not
    itself."""
    if not isinstance(x, Tensor):
        return x
    if not x._may_be_written:
        return x.detach()
    engine = select.engine()
    return engine.from_numpy(engine.to_numpy(x), Tensor)


def prepare(program: Program) -> Any:
    """What runs a program on the engine in force."""
    if select.backend() == "native":
        return NativeProgram(program)
    return Interpreted(program)


class Variant:
    """One signature in one state of the world: recorded, then confirmed by a second recording."""

    def __init__(self, guards: Guards):
        self.guards = guards
        self.recording: Recording | None = None  # until it is confirmed
        self.state: State  # where the recording began
        self.changed: str | None = None  # what had, when the world was last looked at
        self.n_recorded = 0  # entries before any pass, once confirmed
        self.ready: Any = None  # what runs it, once confirmed
        self.rebuild: Any = None  # the result's nesting
        self.leaves: list[Any] = []
        self.outline = ""  # of the result
        self.pattern: tuple | None = None  # the same, as csrc/pycall.c reads it
        self.call: Any = None  # the replay in C
        self.replays = 0  # by Python

    def unfit(self) -> str | None:
        """None if the world is as at the recording, as far as can be told before a run; else a
        sentence that says what is not."""
        change = self.guards.changed()
        self.changed = change and change.path
        return change or self.state.changed(self.guards.name_of)

    def watch(self, makes_arrays: bool, looked: set[int]) -> None:
        """From now on compare the contents of those ndarrays of which Python may make something.

        Args:
            makes_arrays: whether it reads arrays that Python made, of ndarrays perhaps.
            looked: ids of the ndarrays that Python was seen to look into.
        """
        read = {id(v.source) for v in self.recording.leaves.values() if v.kind == ARRAY}
        sees_looks = self.guards.sees_looks

        def counts(x: np.ndarray) -> bool:
            """Whether a change of its contents asks for another program. (It knows no guards, which
            keep it: a cycle would keep all of this when the function is dropped.)"""
            if id(x) in looked or makes_arrays or not (sees_looks and is_plain(x)):
                return True
            # what no op reads Python reads, if anyone does
            return id(x) not in read and x.nbytes <= MAX_WATCHED

        self.guards.watch(counts)

    def confirm(self) -> None:
        """Make ready to replay what has been recorded twice."""
        program = program_of(self.recording)
        self.n_recorded = len(program.entries)
        self.recording = None
        self.ready = prepare(program)

    def result(self, outputs: list) -> Any:
        """What the function returns, of these arrays or Tensors."""
        made = iter(outputs)
        return self.rebuild(iter([next(made) if x is MADE else kept(x) for x in self.leaves]))

    def keep_leaves(self, other: Variant) -> str | None:
        """Settle what replays return beside Tensors, from two recordings of one program.

        Returns:
            Why replays cannot return it; None if they can.
        """
        if other.outline != self.outline:
            return f"it returns {other.outline} at one call and {self.outline} at the next"
        for i, (old, new) in enumerate(zip(other.leaves, self.leaves)):
            if type(new) is Plain and type(old) is Plain:
                if old.given is new.given:
                    self.leaves[i] = new.given
                elif old.contents() != new.contents():
                    kind = type(new.copy).__name__
                    return f"what it returns as {kind} changed; compute it with Tensors, or outside"
            elif not same_value(old, new):
                was, now = short(old), short(new)
                found = f"{was} at one call and {now} at the next"
                if was == now:
                    found = f"another {now} at each call"
                return (
                    f"it returns {found}: return Tensors and plain values, in lists, tuples, "
                    "deques and dicts; sets may hold plain values"
                )
        return None

    def summary(self) -> list[str]:
        """What the passes made of its program."""
        program = self.ready.program
        groups = [e for e in program.entries if e.kind == GROUP]
        grouped = sum(len(e.extra) for e in groups)
        products = [e.extra for e in program.entries if e.kind == PRODUCT]
        slow = sorted({e.name for e in program.entries if e.kind == PYTHON})
        lines = [
            f"  {counted(self.n_recorded, 'entry')} as recorded, {len(program.entries)} run",
            f"  {counted(grouped, 'elementwise entry')} in {counted(len(groups), 'group')}",
        ]
        if n := sum(then is not None for then, _ in products):
            lines.append(f"  {counted(n, 'elementwise entry')} joined to the product before")
        if n := sum(ending is not None for _, ending in products):
            lines.append(f"  {counted(n, 'reduction')} over rows joined to the product before")
        if slow:
            lines.append(f"  run by NumPy, whose bits may differ elsewhere: {', '.join(slow)}")
        return lines
