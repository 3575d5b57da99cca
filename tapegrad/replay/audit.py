"""Audit: run a step both ways from one state, and compare every bit."""

from __future__ import annotations

from typing import Any

import numpy as np

from .. import tree
from ..engine import select
from ..errors import ReplayError
from ..lines import line_name
from ..tensor import Tensor
from .arguments import Taken, as_tensors
from .compare import same_bits
from .guards import same_value
from .ir import OPTIMIZER, TENSOR, Program
from .variant import as_result


def audit(
    compiled: Any, variant: Any, before: tuple, outputs: list, rebuild: Any, arrays: list
) -> Any:
    """After a replay, note what it did, go back, run the Python, and compare; returns its result.

    Args:
        before: the snapshot to go back to.
        outputs: of the replay.
    Raises:
        ReplayError: if any written value or result differs. The state is then the Python's.
    """
    program = variant.ready.program
    replayed = snapshot(program)
    restore(program, before)
    args, kwargs = rebuild(Taken(as_tensors(arrays)))
    result = compiled._function(*args, **kwargs)
    variant.replays += 1
    leaves: list[Any] = []
    rebuild_result = tree.flatten(result, leaves)
    wrong = _wrong_result(variant, result, leaves, outputs)
    for (name, _), a, b in zip(written(program), snapshot(program)[0], replayed[0]):
        if not same_bits(a, b):
            wrong = wrong or f"{name} differs after a replay from what the Python writes"
    if wrong:
        compiled._forget(variant)
        raise ReplayError(
            f"compile: audit of {compiled._name}: {wrong}: something that no guard sees has "
            "changed; the program is given up, and the next call is recorded"
        )
    return rebuild_result(iter([as_result(x) for x in leaves]))


def _wrong_result(variant: Any, result: Any, leaves: list, outputs: list) -> str:
    """What differs between the Python's result, whose leaves these are, and the replay's; ""."""
    if (outline := tree.outline(result)) != variant.outline:
        return (
            f"the replay's result has other parts, {variant.outline}, than the Python's, {outline}"
        )
    replayed: list[Any] = []
    tree.flatten(variant.result(outputs), replayed)
    for place, x, y in zip(tree.leaf_paths(result), leaves, replayed):
        if isinstance(x, Tensor) and isinstance(y, Tensor):
            x, y = x.numpy(), y.numpy()
        arrays = isinstance(x, np.ndarray) and isinstance(y, np.ndarray)
        if not (same_bits(x, y) if arrays else same_value(x, y)):
            return f"result{place} of the replay differs from the Python's"
    return ""


def written(program: Program) -> list[tuple[str, Any]]:
    """(name, Tensor) of everything that a run writes."""
    found: dict[int, tuple[str, Any]] = {}
    for e in program.entries:
        for v in e.writes:
            value = program.values[v]
            if value.kind == TENSOR:
                found[v] = (f"p{v} (written at {line_name(e.line)})", value.source)
    return list(found.values())


def snapshot(program: Program) -> tuple:
    """Copies of what a run writes: arrays, optimizer counts, random streams, gradients."""
    counts = [e.extra[1].steps for e in program.entries if e.kind == OPTIMIZER]
    variables = [p for p, _ in program.grads] + program.cleared
    return (
        [t.numpy().copy() for _, t in written(program)],
        [c.copy() for c in counts],
        [g.get_state() for g in program.generators],
        [(p, p.grad) for p in variables],
    )


def restore(program: Program, saved: tuple) -> None:
    """Put everything back to a snapshot."""
    arrays, counts, streams, grads = saved
    for (_, t), array in zip(written(program), arrays):
        select.engine().to_numpy(t, writable=True)[...] = array
    steps = [e.extra[1].steps for e in program.entries if e.kind == OPTIMIZER]
    for now, then in zip(steps, counts):
        now[:] = then
    for g, state in zip(program.generators, streams):
        g.set_state(state)
    for p, g in grads:
        p.grad = g
