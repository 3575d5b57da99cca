"""Elementwise entries over one shape become groups, which run block by block through the L1 cache.

Entries wait in one open group per shape and dtype. A group is closed, and takes its place in the
program, as soon as an entry outside it reads one of its values or writes what it reads; so a
group never has to run both before and after another entry.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

from ..ops.table import OPS
from .ir import GROUP, OP, VJP, Entry, Program, type_name

FLOATS, BOOL = {0, 1}, 2  # the C core's codes of float32 and float64, and of bool


@dataclass(frozen=True)
class Instruction:
    """One row, or a row's vjp, in a group. Codes: the group's inputs, then its outputs, then
    temporaries; None: an operand that the kernel does not read."""

    op: Any
    k: int
    operands: tuple
    to: int
    params: tuple
    dtype: int  # of the result
    line: int

    def text(self, names: list[str], group: Entry) -> str:
        """As listing() prints it."""
        outside = [*group.inputs, *group.outputs]

        def name(code: int) -> str:
            return names[outside[code]] if code < len(outside) else f"t{code - len(outside)}"

        call = self.op.name + ("" if self.k < 0 else "_vjp")
        operands = [name(c) for c in self.operands if c is not None]
        operands += [f"{p!r}" for p in self.params]
        return f"{name(self.to)} = {call}({', '.join(operands)})"


@dataclass
class _Open:
    entries: list[Entry] = field(default_factory=list)
    made: set[int] = field(default_factory=set)
    reads: set[int] = field(default_factory=set)  # from outside


class _Fuser:
    def __init__(self, program: Program):
        from .passes import roots

        self.program = program
        self.values = program.values
        self.root = roots(program)
        self.uses: dict[int, int] = {}
        for e in program.entries:
            for v in set(e.inputs):
                self.uses[v] = self.uses.get(v, 0) + 1
        self.results = set(program.results)
        self.open: dict[tuple, _Open] = {}
        self.home: dict[int, tuple] = {}  # value: key of the open group that makes it
        self.entries: list[Entry] = []

    def key_of(self, e: Entry) -> tuple | None:
        """Shape and dtype of the group an entry may join; None: it is not elementwise."""
        if e.kind != VJP and not (e.kind == OP and e.op.id < OPS["astype"].id):
            return None
        values = self.values
        dtypes = {values[v].dtype for v in e.inputs}
        dtypes.add(values[e.outputs[0]].dtype)
        shape = values[e.outputs[0]].shape
        dtypes.discard(BOOL)
        if len(dtypes) > 1 or not dtypes <= FLOATS:
            return None
        if dtypes:
            return shape, dtypes.pop()
        return shape, 0 if (shape, 0) in self.open or (shape, 1) not in self.open else 1

    def close(self, key: tuple) -> None:
        """Put an open group, and those it reads from, into the program."""
        group = self.open.pop(key)
        for v in group.reads:
            other = self.home.get(v)
            if other is not None and other != key and other in self.open:
                self.close(other)
        for v in group.made:
            del self.home[v]
        self.entries.append(self.closed(group))

    def closed(self, group: _Open) -> Entry:
        inside: dict[int, int] = {}
        for e in group.entries:
            for v in set(e.inputs):
                inside[v] = inside.get(v, 0) + 1
        outputs = [
            e.outputs[0]
            for e in group.entries
            if e.outputs[0] in self.results
            or self.uses.get(e.outputs[0], 0) > inside.get(e.outputs[0], 0)
        ]
        inputs: list[int] = []
        codes: dict[int, int] = {}
        for e in group.entries:
            for v in e.inputs:
                if v not in group.made and v not in codes:
                    codes[v] = len(inputs)
                    inputs.append(v)
        for v in outputs:
            codes[v] = len(codes)
        instructions = []
        for e in group.entries:
            to = codes.setdefault(e.outputs[0], len(codes))
            instructions.append(self.instruction(e, codes, to))
        return Entry(
            GROUP, None, tuple(inputs), tuple(outputs), line=group.entries[0].line,
            extra=tuple(instructions),
        )  # fmt: skip

    def instruction(self, e: Entry, codes: dict[int, int], to: int) -> Instruction:
        read = [codes[v] for v in e.inputs]
        operands: tuple = tuple(read)
        if e.kind == VJP:
            rest = iter(read[1:])
            width = len(e.op.inputs) + 1
            operands = (read[0], *[next(rest) if e.reads >> i & 1 else None for i in range(width)])
        dtype = self.values[e.outputs[0]].dtype
        return Instruction(e.op, e.k, operands, to, e.params, dtype, e.line)

    def join(self, e: Entry, key: tuple) -> None:
        for v in e.inputs:
            other = self.home.get(v)
            if other is not None and other != key:
                self.close(other)
        group = self.open.setdefault(key, _Open())
        group.reads.update(v for v in e.inputs if v not in group.made)
        group.entries.append(e)
        group.made.add(e.outputs[0])
        self.home[e.outputs[0]] = key

    def stay_out(self, e: Entry) -> None:
        for v in e.inputs:
            key = self.home.get(v)
            if key is not None:
                self.close(key)
        written = {self.root[v] for v in e.writes}
        if written:
            for key in list(self.open):
                group = self.open.get(key)
                if group and any(self.root[v] in written for v in group.reads):
                    self.close(key)
        self.entries.append(e)

    def run(self) -> Program:
        for e in self.program.entries:
            key = self.key_of(e)
            if key is None:
                self.stay_out(e)
            else:
                self.join(e, key)
        while self.open:
            self.close(next(iter(self.open)))
        return replace(self.program, entries=self.entries)


def fuse(program: Program) -> Program:
    """The program with its elementwise entries in groups."""
    return _Fuser(program).run()


__all__ = ["Instruction", "fuse", "type_name"]
