"""What a program counts on in the variables, optimizers and layers that it reads and writes."""

from __future__ import annotations

from typing import Any

from ..engine.recording import Live
from .ir import ARRAY, CONSTANT, GRAD, LIVE, MADE, OPTIMIZER, RANDOM, Program, roots


def lives(program: Program) -> list[Live]:
    """The hyper-parameters that are read anew before each run."""
    found = [v.source[0] for v in program.values if v.kind == LIVE] + program.watched
    return found + [
        e.extra[2] for e in program.entries if e.kind == RANDOM and isinstance(e.extra[2], Live)
    ]


def grads_read(program: Program) -> list[Any]:
    """Variables whose .grad from before the run is read."""
    return [v.source for v in program.values if v.kind == GRAD]


def blocks_before(program: Program, failed: int) -> list[int]:
    """Random blocks of each generator that a run takes before it fails in an entry; -1: it does
    not."""
    blocks = list(program.blocks)
    for e in reversed(program.entries[failed:] if failed >= 0 else []):
        if e.kind == RANDOM:
            blocks[e.extra[1]] = e.extra[4]
    return blocks


def carries_gradients(program: Program) -> bool:
    """Whether a run leaves gradients as another one needs them: what it reads is there again, made
    by an entry and no other's; what must not be there is not."""
    root, made = roots(program), [v for _, v in program.grads]
    after = {_key(p): v for p, v in program.grads}
    cleared = {_key(p) for p in program.cleared}
    if any(_key(p) in after for p in program.without_grad):
        return False
    for p in grads_read(program):
        v = after.get(_key(p))
        if _key(p) in cleared:
            return False
        if v is not None and (root[v] != v or made.count(v) > 1 or program.values[v].kind != MADE):
            return False
    return True


def _key(p: Any) -> int:
    """One for each record, however many Tensors show it."""
    return p.handle or id(p)


def state_fits(program: Program) -> bool:
    """Whether gradients, optimizer state and hyper-parameters are where the program has them."""
    fit = program.fit
    if fit is None:
        optimizers = [e.extra[1] for e in program.entries if e.kind == OPTIMIZER]
        fit = program.fit = (
            grads_read(program),
            program.without_grad,
            [(slots.owner, slots.group, slots) for slots in optimizers],
            lives(program),
        )
    present, missing, laid_out, numbers = fit
    for p in present:
        if p.grad is None:
            return False
    for p in missing:
        if p.grad is not None:
            return False
    for owner, group, slots in laid_out:
        if not owner.is_laid_out(group, slots):
            return False
    return all(live.is_fit() for live in numbers)


def same_state(a: Program, b: Program) -> bool:
    """Whether two recordings began with gradients, optimizers and hyper-parameters alike."""

    def state(p: Program) -> tuple:
        return (
            [_key(x) for x in grads_read(p)],
            [_key(x) for x in p.without_grad],
            [id(e.extra[1]) for e in p.entries if e.kind == OPTIMIZER],
            len(lives(p)),
        )

    return state(a) == state(b)


def uses_arrays(a: Program, b: Program) -> bool:
    """Whether plain NumPy or Python computed something that the program has as a constant: an
    array that is another object at each recording, or a number."""
    return any(
        v.kind == CONSTANT or (v.kind == ARRAY and v.source is not u.source)
        for u, v in zip(a.values, b.values)
    )
