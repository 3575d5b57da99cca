"""What makes a recorded program smaller. Each pass is a function from Program to Program that
leaves every result's bits as they are; optimise() runs them in order."""

from __future__ import annotations

from typing import Any

from ..engine import select
from ..engine.dtypes import CODES
from ..ops.table import OPS
from . import ir
from .endings import join_endings
from .epilogues import join_epilogues
from .fuse import fuse

VARIABLE = 1  # in a Tensor's flags
FOLD_BYTES = 1 << 20  # larger constants stay computations


def optimise(program: ir.Program) -> ir.Program:
    """All passes, in the order in which each leaves most to the next."""
    fewer = (keep_views, drop_dead, fold_constants, skip_same_shape, merge_common)
    together = (join_epilogues, fuse, join_endings)
    for step in (*fewer, *together):
        program = step(program)
    return program


def is_pure(e: ir.Entry) -> bool:
    """Whether running it again gives the same values and changes nothing."""
    return (e.kind == ir.OP or e.kind == ir.VJP) and not e.writes


def substitute(e: ir.Entry, by: dict[int, int]) -> ir.Entry:
    """The entry over other inputs, where `by` names any."""
    if by.keys().isdisjoint(e.inputs):
        return e
    inputs = tuple([by.get(v, v) for v in e.inputs])
    if e.kind == ir.OPTIMIZER:
        rule, slots, grads, updated = e.extra
        extra = (rule, slots, frozenset(by.get(v, v) for v in grads), updated)
        return ir.Entry(ir.OPTIMIZER, None, inputs, (), line=e.line, extra=extra)
    return e.over(inputs)


def rename(program: ir.Program, entries: list[ir.Entry], by: dict[int, int]) -> ir.Program:
    """The program over new entries, its results renamed."""
    return program.but(
        entries=entries,
        outputs=[by.get(v, v) for v in program.outputs],
        grads=[(p, by.get(v, v)) for p, v in program.grads],
    )


def keep_views(program: ir.Program) -> ir.Program:
    """Views of a variable that are read after it is written keep its old values: Tensors are
    values, and eager mode gives such a view memory of its own before the write."""
    writing = [e for e in program.entries if e.writes]
    if not writing:
        return program
    root = ir.roots(program)
    written = {root[v] for e in writing for v in e.writes}
    if not any(e.view and not e.writes and root[e.outputs[0]] in written for e in program.entries):
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
        entries.append(substitute(e, kept))
    return rename(program, entries, kept).but(values=values)


def drop_dead(program: ir.Program) -> ir.Program:
    """Without entries that no result, write or guard depends on."""
    needed = set(program.results)
    kept = []
    for e in reversed(program.entries):
        if not needed.isdisjoint(e.outputs) or e.writes or e.kind == ir.GUARD:
            needed.update(e.inputs)
            kept.append(e)
    return program.but(entries=kept[::-1])


def fold_constants(program: ir.Program) -> ir.Program:
    """Entries over constants alone are computed now."""
    values = list(program.values)
    written = {v for e in program.entries for v in e.writes}

    def is_constant(v: int) -> bool:  # Tensors are values: only variables and state are written
        value = values[v]
        return value.kind == ir.CONSTANT or (
            value.kind == ir.TENSOR and v not in written and not value.source._flags & VARIABLE
        )

    entries = []
    for e in program.entries:
        if (
            e.kind == ir.OP
            and values[e.inputs[0]].kind in (ir.CONSTANT, ir.TENSOR)
            and all(map(is_constant, e.inputs))
            and is_pure(e)
            and values[e.outputs[0]].nbytes <= FOLD_BYTES
        ):
            t = select.apply(e.op.id, tuple([values[v].source for v in e.inputs]), e.params)
            values[e.outputs[0]] = ir.Value(CODES[t.dtype], t.shape, ir.CONSTANT, t)
        else:
            entries.append(e)
    return program.but(values=values, entries=entries)


def skip_same_shape(program: ir.Program) -> ir.Program:
    """Reshapes and broadcasts to the shape that is there already go."""
    values, results = program.values, set(program.results)
    same: dict[int, int] = {}
    entries = []
    for e in program.entries:
        if same:
            e = substitute(e, same)
        if (
            e.view
            and e.kind == ir.OP
            and e.op.name in ("reshape", "broadcast_to", "stop_gradient")
            and values[e.inputs[0]].shape == values[e.outputs[0]].shape
            and values[e.inputs[0]].kind != ir.ARGUMENT  # whose layout may be another
            and e.outputs[0] not in results
        ):
            same[e.outputs[0]] = e.inputs[0]
        else:
            entries.append(e)
    return rename(program, entries, same)


def merge_common(program: ir.Program) -> ir.Program:
    """Entries that compute the same once."""
    root = ir.roots(program)
    writes: dict[int, int] = {}  # by root: how often it has been written so far
    same: dict[int, int] = {}
    seen: dict[Any, int] = {}
    entries = []
    for e in program.entries:
        if same:
            e = substitute(e, same)
        if is_pure(e):
            written = tuple([writes.get(root[v], 0) for v in e.inputs]) if writes else ()
            params = repr(e.params) if 0 in e.params else e.params  # 0.0 is not -0.0
            key = (e.op.id, e.k, e.inputs, params, written)
            found = seen.setdefault(key, e.outputs[0])
            if found != e.outputs[0]:
                same[e.outputs[0]] = found
                continue
        for v in e.writes:
            writes[root[v]] = writes.get(root[v], 0) + 1
        entries.append(e)
    return rename(program, entries, same)
