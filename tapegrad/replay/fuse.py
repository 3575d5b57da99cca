"""Elementwise entries over one shape become groups, which run block by block through the L1 cache.

Entries wait in one open group per shape and dtype. A group is closed, and takes its place in the
program, as soon as an entry outside it reads one of its values or writes what it reads; so a
group never has to run both before and after another entry.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache
from itertools import chain
from operator import itemgetter

import numpy as np

from ..engine.dtypes import CODES
from ..ops.table import OPS
from .again import compute_again
from .ir import GROUP, OP, VJP, Entry, Program

ROWS = {op for op in OPS.values() if op.is_elementwise}
F32, F64, BOOL = [CODES[np.dtype(name)] for name in ("f4", "f8", "?")]
FLOATS = {F32, F64}


def is_elementwise(e: Entry) -> bool:
    return e.kind == VJP or (e.kind == OP and e.op in ROWS)


# One row, or a row's vjp, in a group: (row's id, k, operands, to, params, line). k: of which input
# the vjp is, or -1. Operands and `to` are codes: the group's inputs, then its outputs, then
# temporaries; None: an operand that the kernel does not read. C reads all but the line.
Instruction = tuple[int, int, tuple, int, tuple, int]


def instruction(e: Entry, codes: dict[int, int]) -> Instruction:
    """An elementwise entry as an instruction, its values named by codes."""
    operands: tuple = tuple([codes[v] for v in e.inputs])
    if e.kind == VJP:
        operands = _of_vjp(len(e.op.inputs), e.reads)((*operands, None))
    return e.op.id, e.k, operands, codes[e.outputs[0]], e.params, e.line


@cache
def _of_vjp(n_inputs: int, reads: int) -> Callable[[tuple], tuple]:
    """Finds a vjp's operands (cotangent, inputs ..., output) among those it reads and, last, the
    one for what it does not read."""
    places, at = [0], 1
    for i in range(n_inputs + 1):
        is_read = reads >> i & 1
        places.append(at if is_read else -1)
        at += is_read
    return itemgetter(*places)


@dataclass(eq=False)
class Group:
    """Entries over one shape and dtype, its key, that shall be one."""

    key: tuple
    entries: list[Entry] = field(default_factory=list)
    reads: dict[int, None] = field(default_factory=dict)  # from outside, in order

    def closed(self, read: set[int]) -> Entry:
        """The group as an entry, where `read` is read outside of groups that make it."""
        inputs, made = tuple(self.reads), [e.outputs[0] for e in self.entries]
        outputs = tuple([v for v in made if v in read])
        inside = [v for v in made if v not in read]
        codes = {v: code for code, v in enumerate(chain(inputs, outputs, inside))}
        instructions = [instruction(e, codes) for e in self.entries]
        line = self.entries[0].line
        return Entry(GROUP, None, inputs, outputs, line=line, extra=tuple(instructions))


class _Fuser:
    def __init__(self, program: Program):
        self.program = program
        self.values = program.values
        self.open: dict[tuple, Group] = {}
        self.home: dict[int, Group] = {}  # value: the open group that makes it
        self.entries: list[Entry | Group] = []

    def key_of(self, e: Entry) -> tuple | None:
        """Shape and dtype of the group an entry may join; None: it is not elementwise."""
        if not is_elementwise(e):
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
            dtype = F64 if (made.shape, F64) in self.open else F32
        return (made.shape, dtype) if dtype in FLOATS else None

    def close(self, group: Group) -> None:
        """Put an open group, and those it reads from, into the program."""
        del self.open[group.key]
        for v in group.reads:
            other = self.home.get(v)
            if other is not None and other.key in self.open:
                self.close(other)
        for e in group.entries:
            del self.home[e.outputs[0]]
        self.entries.append(group)

    def join(self, e: Entry, key: tuple) -> None:
        home, open = self.home, self.open
        group = open.get(key)
        for v in e.inputs:
            maker = home.get(v)
            if maker is not None and maker is not group:
                self.close(maker)
                group = open.get(key)  # closed with it if it read from this one
        if group is None:
            group = open[key] = Group(key)
        reads = group.reads
        for v in e.inputs:
            if v not in home:
                reads[v] = None
        group.entries.append(e)
        home[e.outputs[0]] = group

    def stay_out(self, e: Entry) -> None:
        for v in e.inputs:
            group = self.home.get(v)
            if group is not None:
                self.close(group)
        if e.writes:
            root = self.program.root
            written = {root[v] for v in e.writes}
            for group in list(self.open.values()):
                if group.key in self.open and any(root[v] in written for v in group.reads):
                    self.close(group)
        self.entries.append(e)

    def run(self) -> Program:
        for e in self.program.entries:
            key = self.key_of(e)
            if key is None:
                self.stay_out(e)
            else:
                self.join(e, key)
        while self.open:
            self.close(next(iter(self.open.values())))
        read = set(self.program.results)
        groups = []
        for x in self.entries:
            if isinstance(x, Group):
                groups.append(x)
            else:
                read.update(x.inputs)
        compute_again(self.program, groups, read)
        for group in groups:
            read.update(group.reads)
        entries = [x.closed(read) if isinstance(x, Group) else x for x in self.entries]
        return self.program.through(entries)


def fuse(program: Program) -> Program:
    """The program with its elementwise entries in groups."""
    return _Fuser(program).run() if any(map(is_elementwise, program.entries)) else program
