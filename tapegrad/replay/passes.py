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

FOLD_BYTES = 1 << 20  # larger constants stay computations
RESHAPES = {OPS[name] for name in ("reshape", "broadcast_to", "stop_gradient")}


def optimise(program: ir.Program) -> ir.Program:
    """All passes, in the order in which each leaves most to the next."""
    fewer = (fold_constants, keep_views, drop_dead, skip_same_shape, merge_common)
    together = (join_epilogues, fuse, join_endings)
    for step in (*fewer, *together):
        program = step(program)
    return program


def substitute(e: ir.Entry, by: dict[int, int]) -> ir.Entry:
    """The entry over other inputs, which `by` names."""
    inputs = tuple(map(by.get, e.inputs, e.inputs))
    if e.kind == ir.OPTIMIZER:
        rule, slots, grads, updated = e.extra
        extra = (rule, slots, frozenset(by.get(v, v) for v in grads), updated)
        return ir.Entry(ir.OPTIMIZER, None, inputs, (), line=e.line, extra=extra)
    return e.over(inputs)


def renamed(program: ir.Program, by: dict[int, int], **changes: Any) -> ir.Program:
    """The program with other values in the place of the results that `by` names."""
    outputs = [by.get(v, v) for v in program.outputs]
    grads = [(p, by.get(v, v)) for p, v in program.grads]
    return program.but(outputs=outputs, grads=grads, **changes)


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
    return renamed(program, kept, entries=entries, values=values)


def drop_dead(program: ir.Program) -> ir.Program:
    """Without entries that no result, write or guard depends on."""
    needed = set(program.results)
    kept = []
    for e in reversed(program.entries):
        if not needed.isdisjoint(e.outputs) or e.writes or e.kind == ir.GUARD:
            needed.update(e.inputs)
            kept.append(e)
    if len(kept) == len(program.entries):
        return program
    return program.through(kept[::-1])


def fold_constants(program: ir.Program) -> ir.Program:
    """Entries over constants alone are computed now."""
    values, outside = list(program.values), {ir.CONSTANT, ir.TENSOR}
    written = {v for e in program.entries for v in e.writes}

    def is_constant(v: int) -> bool:  # Tensors are values: only variables and state are written
        value = values[v]
        return value.kind == ir.CONSTANT or (
            value.kind == ir.TENSOR and v not in written and not value.source._may_be_written
        )

    entries = []
    for e in program.entries:
        if (
            e.kind == ir.OP
            and values[e.inputs[0]].kind in outside
            and all(map(is_constant, e.inputs))
            and not e.writes
            and values[e.outputs[0]].nbytes <= FOLD_BYTES
        ):
            t = select.apply(e.op.id, tuple([values[v].source for v in e.inputs]), e.params)
            values[e.outputs[0]] = ir.Value(CODES[t.dtype], t.shape, ir.CONSTANT, t)
        else:
            entries.append(e)
    if len(entries) == len(program.entries):
        return program
    return program.but(values=values, entries=entries)


def skip_same_shape(program: ir.Program) -> ir.Program:
    """Reshapes and broadcasts to the shape that is there already go."""
    values, results = program.values, program.results
    same: dict[int, int] = {}
    gone = same.keys()
    entries = []
    for e in program.entries:
        if same and not gone.isdisjoint(e.inputs):
            e = substitute(e, same)
        if e.view and e.op in RESHAPES:
            x, y = values[e.inputs[0]], values[e.outputs[0]]
            # an argument's layout may be another
            if x.shape == y.shape and x.kind != ir.ARGUMENT and e.outputs[0] not in results:
                same[e.outputs[0]] = e.inputs[0]
                continue
        entries.append(e)
    return program.through(entries) if same else program


def merge_common(program: ir.Program) -> ir.Program:
    """Entries that compute the same once."""
    root = program.root
    writes: dict[int, int] = {}  # by root: before which entry it was written last
    same: dict[int, int] = {}
    gone = same.keys()
    seen: dict[Any, int] = {}
    entries = []
    for e in program.entries:
        if same and not gone.isdisjoint(e.inputs):
            e = substitute(e, same)
        if (e.kind != ir.OP and e.kind != ir.VJP) or e.writes:
            for v in e.writes:
                writes[root[v]] = len(entries)
            entries.append(e)
            continue
        inputs, (out,), params = e.inputs, e.outputs, e.params
        at = tuple([writes.get(root[v]) for v in inputs]) if writes else ()
        signed = repr(params) if 0 in params else params  # 0.0 is not -0.0
        found = seen.setdefault((e.op, e.k, inputs, signed, at), out)
        if found == out:
            entries.append(e)
        else:
            same[out] = found
    return renamed(program, same, entries=entries) if same else program
