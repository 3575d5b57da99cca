"""Elementwise entries over one shape become groups, which run block by block through the L1 cache.

Entries wait in one open group per shape and dtype. A group is closed, and takes its place in the
program, as soon as an entry outside it reads one of its values or writes what it reads; so a
group never has to run both before and after another entry.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

from ..ops.table import OPS
from .ir import GROUP, OP, VJP, Entry, Program, roots

FIRST_OTHER = OPS["astype"]  # C rows before it are elementwise
FLOATS, BOOL = {0, 1}, 2  # the C core's codes of float32 and float64, and of bool


class Instruction(NamedTuple):
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
    made: dict[int, None] = field(default_factory=dict)  # in order
    reads: set[int] = field(default_factory=set)  # from outside


class _Fuser:
    def __init__(self, program: Program):
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
        if e.kind != VJP and (e.kind != OP or e.op.id >= FIRST_OTHER.id):
            return None
        values = self.values
        made = values[e.outputs[0]]
        dtype = made.dtype
        for v in e.inputs:
            other = values[v].dtype
            if other != dtype:
                if dtype == BOOL:
                    dtype = other
                elif other != BOOL:
                    return None
        if dtype == BOOL:
            dtype = 1 if (made.shape, 1) in self.open else 0
        return (made.shape, dtype) if dtype in FLOATS else None

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
        made, uses, results = group.made, self.uses, self.results
        inside: dict[int, int] = {}
        codes: dict[int, int] = {}
        inputs: list[int] = []
        for e in group.entries:
            for v in dict.fromkeys(e.inputs):
                if v in made:
                    inside[v] = inside.get(v, 0) + 1
                elif v not in codes:
                    codes[v] = len(inputs)
                    inputs.append(v)
        outputs = [v for v in made if v in results or uses.get(v, 0) > inside.get(v, 0)]
        for v in outputs:
            codes[v] = len(codes)
        for v in made:
            codes.setdefault(v, len(codes))
        instructions = [self.instruction(e, codes) for e in group.entries]
        return Entry(
            GROUP, None, tuple(inputs), tuple(outputs), line=group.entries[0].line,
            extra=tuple(instructions),
        )  # fmt: skip

    def instruction(self, e: Entry, codes: dict[int, int]) -> Instruction:
        operands: tuple = tuple([codes[v] for v in e.inputs])
        if e.kind == VJP:
            rest = iter(operands[1:])
            width = len(e.op.inputs) + 1
            reads = e.reads
            operands = (
                operands[0],
                *[next(rest) if reads >> i & 1 else None for i in range(width)],
            )
        to = e.outputs[0]
        return Instruction(e.op, e.k, operands, codes[to], e.params, self.values[to].dtype, e.line)

    def join(self, e: Entry, key: tuple) -> None:
        home = self.home
        for v in e.inputs:
            other = home.get(v)
            if other is not None and other != key:
                self.close(other)
        group = self.open.get(key)
        if group is None:
            group = self.open[key] = _Open()
        made = group.made
        for v in e.inputs:
            if v not in made:
                group.reads.add(v)
        group.entries.append(e)
        made[e.outputs[0]] = None
        home[e.outputs[0]] = key

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
