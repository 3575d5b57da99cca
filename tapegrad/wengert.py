"""The Wengert list as Python shows it: a tape's entries, and all of them as a table."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from .engine.node import VARIABLE
from .lines import line_name
from .ops.table import BY_ID, SAVED_OUT, is_saved
from .tensor import Tensor, identity


class Entry(NamedTuple):
    """One line of the Wengert list."""

    op: str
    inputs: tuple[Tensor, ...]
    output: Tensor
    params: tuple
    saved: tuple[str, ...]  # names of the values kept for the rules
    line: str  # "file:line" when the tape keeps lines

    def __repr__(self) -> str:  # without values: those that no rule needs are gone
        inputs = ", ".join(map(_kind, self.inputs))
        notes = [f"saved {' '.join(self.saved)}"] if self.saved else []
        notes += [self.line] if self.line else []
        return f"<{'; '.join([f'{self.op}({inputs}) -> {_kind(self.output)}', *notes])}>"


def entry_of(row: tuple) -> Entry:
    """The entry that a row of an engine's tape stands for (engine/interface.py, entries)."""
    op_id, inputs, out, params, line, saved = row
    op = BY_ID[op_id]
    names = [n for i, n in enumerate(op.inputs) if is_saved(saved, i)]
    if saved & SAVED_OUT:
        names.append("y")
    return Entry(op.name, inputs, out, params, tuple(names), line_name(line))


def table(entries: Iterable[Entry]) -> str:
    """One line per entry: v0, v1 ... are their outputs, p0 ... variables, c0 ... constants."""
    names: dict = {}
    rows = [("", "op", "inputs", "output", "saved", "line")]
    for k, e in enumerate(entries):
        inputs = ", ".join(_value_name(t, names) for t in e.inputs)
        names[identity(e.output)] = f"v{k}"
        rows.append((f"v{k}", e.op, inputs, _kind(e.output), " ".join(e.saved), e.line))
    widths = [max(len(row[c]) for row in rows) for c in range(6)]
    lines = ("  ".join(cell.ljust(w) for cell, w in zip(row, widths)).rstrip() for row in rows)
    return "\n".join(lines)


def _kind(t: Tensor) -> str:
    return f"{t.dtype}{list(t.shape)}"


def _value_name(t: Tensor, names: dict) -> str:
    if identity(t) not in names:
        letter = "p" if t._flags & VARIABLE else "c"
        names[identity(t)] = f"{letter}{sum(n[0] == letter for n in names.values())}"
    return names[identity(t)]
