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
    both could join: a reduction's result is their last output, and an Ending their extra[1].

    An elementwise entry moves up to the product, so what else it reads must have been made before
    it, and be no view of what was; nothing is written in between.
    """
    if not any(map(is_product, program.entries)):
        return program
    values, root, uses, results = program.values, program.root, program.uses, program.results
    # which entry makes what lies in no other value
    maker = {v: at for at, e in enumerate(program.entries) if not e.view for v in e.outputs}
    home: dict[int, int] = {}  # value: the product without ending that makes it
    products = home.keys()
    last_write = -1
    entries: list[Any] = list(program.entries)

    def is_there(v: int, at: int) -> bool:
        return maker[v] < at if v in maker else root[v] == v and values[v].kind != MADE

    def joins(e: Entry, product: int) -> bool:
        at, like, y = home[product], values[product], values[e.outputs[0]]
        if uses[product] > 1 or product in results or like.dtype not in FLOATS:
            return False
        if entries[at].kind == PRODUCT and entries[at].extra[0]:
            return False  # it has taken one
        if last_write > at or y.dtype != like.dtype or y.shape != like.shape:
            return False
        for v in e.inputs:
            if v != product and (values[v].dtype != like.dtype or not is_there(v, at)):
                return False
        return True

    def reads_alike(e: Entry, product: int) -> bool:
        return {values[v].shape for v in e.inputs} <= {values[product].shape, ()}

    for now, e in enumerate(program.entries):
        if e.writes:
            last_write = now
        if is_product(e):
            home[e.outputs[0]] = now
        elif products.isdisjoint(e.inputs):
            continue
        elif is_reduction(e):
            ending = ending_of(e, values)
            if ending is not None and ending.folds_rows(values):
                at = home.pop(ending.value)
                entries[at], entries[now] = ended(entries[at], ending, e.outputs[0]), None
        elif is_elementwise(e):
            product = next((v for v in e.inputs if v in home and joins(e, v)), None)
            if product is None:
                continue
            at, y = home[product], e.outputs[0]
            bias = bias_for(entries[at], product, e, values)
            if bias is not None:
                entries[at] = biased(entries[at], bias, y)
            elif reads_alike(e, product):
                entries[at] = joined(entries[at], product, e)
            else:
                continue
            del home[product]
            home[y] = maker[y] = at
            entries[now] = None
    return program.through([e for e in entries if e is not None])


def bias_for(product: Entry, v: int, e: Entry, values: list) -> int | None:
    """What `x @ w + b` adds to every row of the product v, or None: e does something else."""
    if product.kind != OP or product.op.name != "matmul" or e.op is not OPS["add"] or e.kind != OP:
        return None
    other = e.inputs[e.inputs[0] == v]
    matrices = all(len(values[u].shape) == 2 for u in product.inputs)
    return other if matrices and values[other].shape == values[v].shape[1:] else None


def biased(product: Entry, bias: int, y: int) -> Entry:
    """The matmul with a third input, a bias."""
    inputs = (*product.inputs, bias)
    return Entry(PRODUCT, product.op, inputs, (y,), (3,), product.line, extra=(None, None))


def places_for(e: Entry, values: list) -> tuple[int, ...]:
    """The inputs in whose place a product may lie, once they are read for the last time: arrays of
    its shape that are added to it or that what follows reads. Its order of arithmetic must store
    each tile only once: a matrix by a matrix in one block of k; and there is no bias."""
    core, shape = select._core, values[e.outputs[0]].shape
    if not core or e.params != (2,) or len(shape) != 2 or min(shape) < 2:
        return ()
    a, b, *others = e.inputs
    x = values[a]
    if len(x.shape) != 2 or len(values[b].shape) != 2 or x.shape[1] > core.Program.DEPTHS[x.dtype]:
        return ()
    return tuple([v for v in others if values[v].shape == shape])


def joined(product: Entry, v: int, e: Entry) -> Entry:
    """The product, value v of its own or with a bias, and the entry e in one."""
    others = [u for u in dict.fromkeys(e.inputs) if u != v]
    inputs = (*product.inputs, *others)
    codes = {u: i + len(product.inputs) for i, u in enumerate(others)}
    codes[v] = codes[e.outputs[0]] = len(inputs)
    n, then = (len(product.inputs),), instruction(e, codes)
    return Entry(PRODUCT, product.op, inputs, e.outputs, n, product.line, extra=(then, None))


def ended(product: Entry, ending: Ending, result: int) -> Entry:
    """The product, with what follows it or alone, and a reduction over its rows."""
    is_joined = product.kind == PRODUCT
    n, then = (product.params, product.extra[0]) if is_joined else ((len(product.inputs),), None)
    outputs = (*product.outputs, result)
    return Entry(
        PRODUCT, product.op, product.inputs, outputs, n, product.line, extra=(then, ending)
    )
