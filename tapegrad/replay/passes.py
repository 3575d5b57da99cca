"""What makes a recorded program smaller. Each pass is a function from Program to Program that
leaves every result's bits as they are; optimise() runs them in order."""

from __future__ import annotations

from typing import Any

from ..engine import select
from ..engine.dtypes import CODES
from ..ops.table import OPS
from ..tensor import VARIABLE
from . import ir
from .endings import join_endings
from .epilogues import is_elementwise, join_epilogues
from .fuse import fuse

FOLD_BYTES = 1 << 20  # larger constants stay computations
RESHAPES = [OPS[name] for name in ("reshape", "broadcast_to", "stop_gradient")]


def optimise(program: ir.Program) -> ir.Program:
    """All passes, in the order in which each leaves most to the next."""
    program = join_epilogues(simplify(drop_dead(keep_views(program))))
    if any(map(is_elementwise, program.entries)):
        program = join_endings(fuse(program))
    return program


def substitute(e: ir.Entry, by: dict[int, int]) -> ir.Entry:
    """The entry over other inputs, which `by` names."""
    inputs = tuple([by.get(v, v) for v in e.inputs])
    if e.kind == ir.OPTIMIZER:
        rule, slots, grads, updated = e.extra
        extra = (rule, slots, frozenset(by.get(v, v) for v in grads), updated)
        return ir.Entry(ir.OPTIMIZER, None, inputs, (), line=e.line, extra=extra)
    return e.over(inputs)


def rename(
    program: ir.Program, entries: list[ir.Entry], by: dict[int, int], values: list[ir.Value]
) -> ir.Program:
    """The program over new entries and values, its results renamed."""
    return program.but(
        entries=entries,
        values=values,
        outputs=[by.get(v, v) for v in program.outputs],
        grads=[(p, by.get(v, v)) for p, v in program.grads],
    )


def keep_views(program: ir.Program) -> ir.Program:
    """Views of a variable that are read after it is written keep its old values: Tensors are
    values, and eager mode gives such a view memory of its own before the write."""
    writing = [e for e in program.entries if e.writes]
    if not writing:
        return program
    root = program.root
    written = {root[v] for e in writing for v in e.writes}
    if written.isdisjoint([root[e.outputs[0]] for e in program.entries if e.view and not e.writes]):
        return program
    last: dict[int, int] = dict.fromkeys(program.results, len(program.entries))
    for at, e in enumerate(program.entries):
        if not e.writes:
            for v in e.inputs:
                last[v] = max(last.get(v, 0), at)
    values = list(program.values)
    kept: dict[int, int] = {}
    views: dict[int, list[int]] = {}  # by root, made so far
    entries = []
    for at, e in enumerate(program.entries):
        for r in {root[v] for v in e.writes}:
            for v in views.pop(r, []):
                if last.get(v, -1) > at:
                    kept[v] = len(values)
                    values.append(ir.Value(values[v].dtype, values[v].shape))
                    entries.append(ir.Entry(ir.OP, OPS["copy"], (v,), (kept[v],), line=e.line))
        for v in e.outputs:
            if root[v] != v and not e.writes:
                views.setdefault(root[v], []).append(v)
        entries.append(e if kept.keys().isdisjoint(e.inputs) else substitute(e, kept))
    return rename(program, entries, kept, values)


def drop_dead(program: ir.Program) -> ir.Program:
    """Without entries that no result, write or guard depends on."""
    needed = set(program.results)
    kept = []
    for e in reversed(program.entries):
        if not needed.isdisjoint(e.outputs) or e.writes or e.kind == ir.GUARD:
            needed.update(e.inputs)
            kept.append(e)
    return program.but(entries=kept[::-1], root=program.root)


def simplify(program: ir.Program) -> ir.Program:
    """Entries over constants alone are computed now, reshapes and broadcasts to the shape that is
    there already go, and what is computed twice is computed once. It is one way through the
    entries, since each of the three renames what the others read."""
    values, results, root = list(program.values), set(program.results), program.root
    outside = (ir.CONSTANT, ir.TENSOR)
    written = {v for e in program.entries for v in e.writes}
    writes: dict[int, int] = {}  # by root: how often it has been written so far
    same: dict[int, int] = {}
    renamed = same.keys()
    seen: dict[Any, int] = {}
    entries = []

    def is_constant(v: int) -> bool:  # Tensors are values: only variables and state are written
        value = values[v]
        return value.kind == ir.CONSTANT or (
            value.kind == ir.TENSOR and v not in written and not value.source._flags & VARIABLE
        )

    for e in program.entries:
        if not renamed.isdisjoint(e.inputs):
            e = substitute(e, same)
        if (e.kind != ir.OP and e.kind != ir.VJP) or e.writes:
            for v in e.writes:
                writes[root[v]] = writes.get(root[v], 0) + 1
            entries.append(e)
            continue
        inputs, (out,), params = e.inputs, e.outputs, e.params
        first = values[inputs[0]]
        if (
            e.kind == ir.OP
            and first.kind in outside
            and all(map(is_constant, inputs))
            and values[out].nbytes <= FOLD_BYTES
        ):
            t = select.apply(e.op.id, tuple([values[v].source for v in inputs]), params)
            values[out] = ir.Value(CODES[t.dtype], t.shape, ir.CONSTANT, t)
            continue
        if (
            e.view
            and e.op in RESHAPES
            and first.shape == values[out].shape
            and first.kind != ir.ARGUMENT  # whose layout may be another
            and out not in results
        ):
            same[out] = inputs[0]
            continue
        at = tuple([writes.get(root[v], 0) for v in inputs]) if writes else ()
        signed = repr(params) if 0 in params else params  # 0.0 is not -0.0
        found = seen.setdefault((e.op.id, e.k, inputs, signed, at), out)
        if found == out:
            entries.append(e)
        else:
            same[out] = found
    return rename(program, entries, same, values)
