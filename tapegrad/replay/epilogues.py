"""Products take the elementwise entry that alone reads them: a bias's activation going forward, an
activation's derivative or a sum of gradients going back. It runs on rows of the product while
they are in the cache."""

from __future__ import annotations

from collections import Counter

from .fuse import FIRST_OTHER, FLOATS, instruction
from .ir import MADE, OP, PRODUCT, VJP, Entry, Program

PRODUCTS = ("linear", "matmul")


def join_epilogues(program: Program) -> Program:
    """The program whose products are PRODUCT entries where an elementwise entry could join.

    That entry moves up to the product, so what else it reads must have been made before it, and
    lie in memory of the program's own in the product's order; nothing is written in between.
    """
    made = {e.outputs[0] for e in program.entries if e.kind == OP and e.op.name in PRODUCTS}
    if not made:
        return program
    values, root = program.values, program.root
    uses = Counter([v for e in program.entries for v in e.inputs if v in made])
    results = set(program.results)
    maker: dict[int, int] = {}  # where in entries
    products: dict[int, int] = {}
    waiting = products.keys()
    last_write = -1
    entries: list[Entry] = []

    def joins(e: Entry, product: int) -> bool:
        at = products[product]
        like = values[product]
        return (
            like.dtype in FLOATS
            and uses[product] == 1
            and product not in results
            and last_write < at
            and values[e.outputs[0]].dtype == like.dtype
            and all(
                values[v].dtype == like.dtype
                and values[v].shape == like.shape
                and (v == product or (maker.get(v, at) < at and root[v] == v))
                for v in e.inputs
            )
        )

    for e in program.entries:
        product = None
        if not waiting.isdisjoint(e.inputs) and is_elementwise(e):
            product = next((v for v in e.inputs if v in products and joins(e, v)), None)
        if product is not None:
            at = products.pop(product)
            entries[at] = joined(entries[at], product, e)
            maker[e.outputs[0]] = at
            continue
        for v in e.outputs:
            if values[v].kind == MADE and not e.view:
                maker[v] = len(entries)
        if e.writes:
            last_write = len(entries)
        if e.outputs and e.outputs[0] in made:
            products[e.outputs[0]] = len(entries)
        entries.append(e)
    return program.but(entries=entries, root=root)


def is_elementwise(e: Entry) -> bool:
    return e.kind == VJP or (e.kind == OP and e.op.id < FIRST_OTHER.id)


def joined(product: Entry, v: int, e: Entry) -> Entry:
    """The product, value v of its own, and the entry e in one."""
    others = [u for u in dict.fromkeys(e.inputs) if u != v]
    inputs = (*product.inputs, *others)
    codes = {u: i + len(product.inputs) for i, u in enumerate(others)}
    codes[v] = codes[e.outputs[0]] = len(inputs)
    n, then = (len(product.inputs),), instruction(e, codes)
    return Entry(PRODUCT, product.op, inputs, e.outputs, n, product.line, extra=then)
