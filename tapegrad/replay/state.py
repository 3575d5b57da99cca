"""What a program counts on in the variables, optimizers and layers that it reads and writes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from ..engine.recording import Live
from ..tensor import identity
from .guards import short
from .ir import GRAD, GUARD, MADE, RANDOM, Program


class State(NamedTuple):
    """Where a step begins; a replay is right only from a state like that of its recording.

    reads_grad: variables whose .grad from before the step is read.
    without_grad: variables that must have none.
    slots: of the optimizers that take a step (optim.optimizer.Slots).
    groups: the entries of their param_groups as they were then.
    numbers: the hyper-parameters that are read anew before each run, or that it branched on.
    """

    reads_grad: list[Any]
    without_grad: list[Any]
    slots: list[Any]
    groups: list[dict]
    numbers: list[Live]

    def changed(self, name_of: Callable[[Any], str]) -> str | None:
        """None if gradients, optimizer state and hyper-parameters are where they were, else a
        sentence that says what is not. name_of: of a variable."""
        for p in self.reads_grad:
            if p.grad is None:
                return f"{name_of(p)}.grad was there, is None"
        for p in self.without_grad:
            if p.grad is not None:
                return f"{name_of(p)}.grad was None, is there"
        for slots, group in zip(self.slots, self.groups):
            if not slots.owner.is_laid_out(slots.group, slots):
                return _laid_out_anew(slots.owner, slots.group, group)
        for x in self.numbers:
            if not x.is_fit():
                now = short(getattr(x.owner, x.name))
                return f"{type(x.owner).__name__}'s {x.name} was {short(x.was)}, is {now}"
        return None

    def difference(self, other: State) -> str | None:
        """What two recordings, of which neither found a change, began with otherwise."""
        for what, ours, theirs in (
            ("gradients", self._gradients(), other._gradients()),
            ("state of an optimizer", [*map(id, self.slots)], [*map(id, other.slots)]),
            ("hyper-parameters", len(self.numbers), len(other.numbers)),
        ):
            if ours != theirs:
                return f"the step reads other {what} than at the call before"
        return None

    def _gradients(self) -> tuple[list, list]:
        return [*map(identity, self.reads_grad)], [*map(identity, self.without_grad)]

    def numbers_made_anew(self, other: State) -> set[str]:
        """Names of the hyper-parameters whose owners each of two recordings of a step made itself:
        copies, perhaps, of layers whose numbers then are the step's."""
        pairs = zip(self.numbers, other.numbers)
        return {a.name for a, b in pairs if a.owner is not b.owner}


def _laid_out_anew(owner: Any, number: int, was: dict) -> str:
    """Why an optimizer's group, which was so, needs other state than a program has."""
    name = f"{type(owner).__name__}'s "
    if len(owner.param_groups) > 1:
        name += f"group {number}: "
    for key, now in owner.param_groups[number].items() if number < len(owner.param_groups) else ():
        if key != "params" and not owner.keeps_alike(was, {**was, key: now}):
            return f"{name}{key} was {short(was.get(key))}, is {short(now)}"
    return f"{name}state is another one: its parameters are, or a step loads it"


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
