"""Products take the elementwise entry that alone reads them: a bias and its activation going
forward, an activation's derivative going back. It runs on rows of the product while they are in the
cache. A bias, or another array to which the product is added as a new gradient is to those so far,
is added before tiles are stored. And they end in a reduction over their rows, as the gradient of a
bias is."""

from __future__ import annotations

from typing import Any

from ..engine import select
from ..ops.table import OPS
from .endings import Ending, ending_of, is_reduction
from .fuse import FLOATS, instruction, is_elementwise
from .ir import MADE, OP, PRODUCT, Entry, Program

PRODUCTS = {OPS["linear"], OPS["matmul"]}


def is_product(e: Entry) -> bool:
    return e.kind == OP and e.op in PRODUCTS


def join_epilogues(program: Program) -> Program:
    """The program whose products are PRODUCT entries where an elementwise entry, a reduction or
    both could join: a reduction's result is their last output, and an Ending their extra[1]."""
    return _Joiner(program).run() if any(map(is_product, program.entries)) else program


class _Joiner:
    """An entry that joins a product moves up to it, so what else it reads must have been made
    before the product, and be no view of what was; nothing is written in between."""

    def __init__(self, program: Program):
        self.program = program
        self.values = program.values
        self.uses = program.uses
        self.entries: list[Any] = list(program.entries)  # None: it has joined a product
        self.maker: dict[int, int] = {}  # value that is no view: which entry makes it
        self.home: dict[int, int] = {}  # value: the product without ending that makes it
        self.last_write = -1

    def run(self) -> Program:
        home, maker = self.home, self.maker
        products = home.keys()
        for now, e in enumerate(self.program.entries):
            if e.writes:
                self.last_write = now
            if e.view:
                continue
            for v in e.outputs:
                maker[v] = now
            if is_product(e):
                home[e.outputs[0]] = now
            elif not products.isdisjoint(e.inputs):
                if is_elementwise(e):
                    self.add(e, now)
                elif is_reduction(e):
                    self.end(e, now)
        return self.program.through([e for e in self.entries if e is not None])

    def add(self, e: Entry, now: int) -> None:
        """Let an elementwise entry join a product that it reads, if one takes it."""
        for v in e.inputs:
            if v in self.home and self.is_its_own(v) and self.moves_to(self.home[v], e):
                at, y = self.home[v], e.outputs[0]
                product = with_bias(self.entries[at], v, e, self.values)
                if product is None and reads_alike(e, self.values):
                    product = followed(self.entries[at], v, e)
                if product is not None:
                    del self.home[v]
                    self.home[y] = self.maker[y] = at
                    self.entries[at], self.entries[now] = product, None
                return

    def end(self, e: Entry, now: int) -> None:
        """Let a reduction over its rows end the product that it reads."""
        ending = ending_of(e, self.values)
        if ending is not None and ending.folds_rows(self.values):
            at = self.home.pop(ending.value)
            self.entries[at], self.entries[now] = ended(self.entries[at], ending, e), None

    def is_its_own(self, v: int) -> bool:
        """Whether one entry alone reads a product, which nothing follows as yet."""
        e = self.entries[self.home[v]]
        if self.uses[v] > 1 or v in self.program.results or self.values[v].dtype not in FLOATS:
            return False
        return e.kind == OP or e.extra[0] is None

    def moves_to(self, at: int, e: Entry) -> bool:
        """Whether an entry can be where a product of its result's shape and dtype is."""
        values = self.values
        y, like = values[e.outputs[0]], values[self.entries[at].outputs[0]]
        if self.last_write > at or y.dtype != like.dtype or y.shape != like.shape:
            return False
        for v in e.inputs:
            made = self.maker.get(v)  # None: it is a view, or from outside
            is_there = values[v].kind != MADE if made is None else made <= at
            if not is_there or values[v].dtype != y.dtype:
                return False
        return True


def reads_alike(e: Entry, values: list) -> bool:
    """Whether an elementwise entry reads scalars and what has its result's shape alone."""
    shape = values[e.outputs[0]].shape
    for v in e.inputs:
        other = values[v].shape
        if other and other != shape:
            return False
    return True


def with_bias(product: Entry, v: int, e: Entry, values: list) -> Entry | None:
    """The matmul, which makes v, with a third input that e adds to every row of it; or None."""
    if product.kind != OP or product.op.name != "matmul" or e.op is not OPS["add"] or e.kind != OP:
        return None
    bias = e.inputs[e.inputs[0] == v]
    matrices = all(len(values[u].shape) == 2 for u in product.inputs)
    if not matrices or values[bias].shape != values[v].shape[1:]:
        return None
    inputs = (*product.inputs, bias)
    return Entry(PRODUCT, product.op, inputs, e.outputs, (3,), product.line, extra=(None, None))


def followed(product: Entry, v: int, e: Entry) -> Entry:
    """The product, which makes v, with a bias or without, and the entry e in one."""
    inputs, codes = list(product.inputs), {}
    for u in e.inputs:
        if u != v and u not in codes:
            codes[u] = len(inputs)
            inputs.append(u)
    codes[v] = codes[e.outputs[0]] = len(inputs)
    n, then = (len(product.inputs),), instruction(e, codes)
    return Entry(PRODUCT, product.op, tuple(inputs), e.outputs, n, product.line, extra=(then, None))


def ended(product: Entry, ending: Ending, e: Entry) -> Entry:
    """The product, with what follows it or alone, and the reduction e over its rows."""
    is_joined = product.kind == PRODUCT
    n, then = (product.params, product.extra[0]) if is_joined else ((len(product.inputs),), None)
    outputs = (*product.outputs, *e.outputs)
    return Entry(
        PRODUCT, product.op, product.inputs, outputs, n, product.line, extra=(then, ending)
    )


def places_for(e: Entry, values: list) -> tuple[int, ...]:
    """The inputs in whose place a product may lie, once they are read for the last time: arrays of
    its shape that are added to it or that what follows reads. Its order of arithmetic must store
    each tile only once: a matrix by a matrix in one block of k; and there is no bias."""
    core, shape = select._core, values[e.outputs[0]].shape
    if e.params != (2,) or not core or len(shape) != 2 or min(shape) < 2:
        return ()
    a, b, *others = e.inputs
    x = values[a]
    if len(x.shape) != 2 or len(values[b].shape) != 2 or x.shape[1] > core.Program.DEPTHS[x.dtype]:
        return ()
    return tuple([v for v in others if values[v].shape == shape])
