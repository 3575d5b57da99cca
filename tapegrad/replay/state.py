"""What a program counts on in the variables, optimizers and layers that it reads and writes."""

from __future__ import annotations

from typing import Any

from ..engine.recording import Live
from .ir import ARRAY, CONSTANT, GRAD, LIVE, OPTIMIZER, RANDOM, Program


def lives(program: Program) -> list[Live]:
    """The hyper-parameters that are read anew before each run."""
    found = [v.source[0] for v in program.values if v.kind == LIVE] + program.watched
    return found + [
        e.extra[2] for e in program.entries if e.kind == RANDOM and isinstance(e.extra[2], Live)
    ]


def grads_read(program: Program) -> list[Any]:
    """Variables whose .grad from before the run is read."""
    return [v.source for v in program.values if v.kind == GRAD]


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
            [id(x) if not x.handle else x.handle for x in grads_read(p)],
            [id(x) if not x.handle else x.handle for x in p.without_grad],
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
