"""Groups end in a reduction of one of their values: it is folded while the caches hold it, and
where nobody else reads it, it never reaches memory."""

from __future__ import annotations

from functools import lru_cache
from math import prod
from typing import Any, NamedTuple

from ..engine import select
from .fuse import FLOATS
from .ir import GROUP, OP, Entry, Program

FOLDS = {"sum": 0, "mean": 0, "sum_to": 0, "prod": 1, "max": 2, "min": 3}  # the C core's numbers


class Ending(NamedTuple):
    """The reduction that ends an entry: its row and params, and the value it reads; n of whose
    elements become one, cols of which lie side by side, as csrc/reduce.h has them."""

    op: Any
    params: tuple
    value: int
    n: int
    cols: int

    def text(self, names: list[str], e: Entry) -> str:
        """As listing() prints it."""
        operand = names[self.value] if self.value in e.outputs else "t0"
        call = ", ".join([operand, *[f"{p!r}" for p in self.params]])
        return f"{names[e.outputs[-1]]} = {self.op.name}({call})"

    def fits(self, values: list) -> bool:
        """Whether groups over that value fall into units that are whole subtrees of the fold."""
        core, size = select._core, prod(values[self.value].shape)
        return bool(core and core.Program.ending_unit(size, self.n, self.cols))

    def lowered(self) -> tuple:
        """As the C core takes it."""
        return FOLDS[self.op.name], int(self.op.name == "mean"), self.n, self.cols, self.value

    def folds_rows(self, values: list) -> bool:
        """Whether it makes one row of all of a matrix, or of a stack of them."""
        return self.n > 1 and self.cols > 1 and self.cols == values[self.value].shape[-1]


def is_reduction(e: Entry) -> bool:
    return e.kind == OP and not e.view and e.op.name in FOLDS


def ending_of(e: Entry, values: list) -> Ending | None:
    """The reduction as what another entry ends in, or None: it is not one of floats over axes at
    one end."""
    (v,), params = e.inputs, e.params
    if values[v].dtype not in FLOATS:
        return None
    sizes = sizes_of(e.op.name == "sum_to", values[v].shape, params)
    return Ending(e.op, params, v, *sizes) if sizes else None


@lru_cache
def sizes_of(is_sum_to: bool, shape: tuple, params: tuple) -> tuple[int, int] | None:
    """An Ending's n and cols where an array of that shape is reduced over axes at one end."""
    if is_sum_to:
        kept = (1,) * (len(shape) - len(params)) + params
        reduced = [n != m for n, m in zip(shape, kept)]
    else:
        reduced = [d in params[1:] for d in range(len(shape))]
    runs: list[tuple[bool, int]] = []  # neighbours of one kind
    for is_reduced, size in zip(reduced, shape):
        if runs and runs[-1][0] == is_reduced and size != 1:
            runs[-1] = is_reduced, runs[-1][1] * size
        elif size != 1:
            runs.append((is_reduced, size))
    sizes = [size for is_reduced, size in runs if is_reduced]
    if len(sizes) != 1 or len(runs) > 2:
        return None
    return sizes[0], 1 if runs[-1][0] else runs[-1][1]


def join_endings(program: Program) -> Program:
    """The program whose groups end in a reduction where one reads what they make: its result is
    their last output, and an Ending their params."""
    if not any(e.kind == GROUP for e in program.entries):
        return program
    values, uses, results = program.values, program.uses, program.results
    home: dict[int, int] = {}  # value: where the group without ending is that makes it
    entries: list[Entry] = []
    for e in program.entries:
        if e.kind == GROUP:
            home.update(dict.fromkeys(e.outputs, len(entries)))
        elif e.inputs and e.inputs[0] in home and is_reduction(e):
            at, ending = home[e.inputs[0]], ending_of(e, values)
            if ending is not None and ending.fits(values):
                is_staged = uses[ending.value] == 1 and ending.value not in results
                for v in entries[at].outputs:
                    del home[v]
                entries[at] = ended(entries[at], ending, e.outputs[0], is_staged)
                continue
        entries.append(e)
    return program.through(entries)


def ended(group: Entry, ending: Ending, result: int, is_staged: bool) -> Entry:
    """The group with an ending; a staged value's code comes right after those of the outputs."""
    outputs, instructions = group.outputs, group.extra
    if is_staged:
        first = len(group.inputs)
        staged, last = first + outputs.index(ending.value), first + len(outputs) - 1
        outputs = tuple([v for v in outputs if v != ending.value])

        def moved(code: int | None) -> int | None:
            if code is None or not staged <= code <= last:
                return code
            return last if code == staged else code - 1

        instructions = tuple(
            [
                (row, k, tuple(map(moved, operands)), moved(to), *rest)
                for row, k, operands, to, *rest in group.extra
            ]
        )
    return Entry(
        GROUP, None, group.inputs, (*outputs, result), ending, group.line, extra=instructions
    )
