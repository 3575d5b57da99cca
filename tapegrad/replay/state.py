"""What a program counts on in the variables, optimizers and layers that it reads and writes."""

from __future__ import annotations

from typing import Any, NamedTuple

from ..engine.recording import Live
from ..tensor import identity
from .ir import GRAD, GUARD, MADE, RANDOM, Program


class State(NamedTuple):
    """Where a step begins; a replay is right only from a state like that of its recording.

    reads_grad: variables whose .grad from before the step is read.
    without_grad: variables that must have none.
    slots: of the optimizers that take a step (optim.optimizer.Slots).
    numbers: the hyper-parameters that are read anew before each run, or that it branched on.
    """

    reads_grad: list[Any]
    without_grad: list[Any]
    slots: list[Any]
    numbers: list[Live]

    def fits(self) -> bool:
        """Whether gradients, optimizer state and hyper-parameters are where they were."""
        for p in self.reads_grad:
            if p.grad is None:
                return False
        for p in self.without_grad:
            if p.grad is not None:
                return False
        for slots in self.slots:
            if not slots.owner.is_laid_out(slots.group, slots):
                return False
        return all(live.is_fit() for live in self.numbers)

    def is_like(self, other: State) -> bool:
        """Whether two recordings began with gradients, optimizers and hyper-parameters alike."""

        def key(s: State) -> tuple:
            return (
                [identity(x) for x in s.reads_grad],
                [identity(x) for x in s.without_grad],
                [id(x) for x in s.slots],
                len(s.numbers),
            )

        return key(self) == key(other)

    def numbers_made_anew(self, other: State) -> set[str]:
        """Names of the hyper-parameters whose owners each of two recordings of a step made itself:
        copies, perhaps, of layers whose numbers then are the step's."""
        pairs = zip(self.numbers, other.numbers)
        return {a.name for a, b in pairs if a.owner is not b.owner}


def grads_read(program: Program) -> list[Any]:
    """Variables whose .grad from before the run is read."""
    return [v.source for v in program.values if v.kind == GRAD]


def blocks_before(program: Program, failed: int) -> list[int]:
    """Random blocks of each generator that a run has taken when it fails in an entry. None if it
    does not (-1), or in a guard: then nothing has happened."""
    if failed < 0 or program.entries[failed].kind == GUARD:
        return [0] * len(program.blocks)
    blocks = list(program.blocks)
    for e in reversed(program.entries[failed:]):
        if e.kind == RANDOM:
            blocks[e.extra[1]] = e.extra[4]
    return blocks


def carries_gradients(program: Program) -> bool:
    """Whether a run leaves gradients as another one needs them: what it reads is there again, made
    by an entry and no other's; what must not be there is not."""
    root, made = program.root, [v for _, v in program.grads]
    after = {identity(p): v for p, v in program.grads}
    cleared = {identity(p) for p in program.cleared}
    if any(identity(p) in after for p in program.state.without_grad):
        return False
    for p in grads_read(program):
        v = after.get(identity(p))
        if identity(p) in cleared:
            return False
        if v is not None and (root[v] != v or made.count(v) > 1 or program.values[v].kind != MADE):
            return False
    return True
