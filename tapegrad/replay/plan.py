"""Where a program's values lie: one block of memory, planned before the first run.

Each value that no view and no result is gets an offset for its lifetime, from the entry that makes
it to the last that reads it or a view of it: at the smallest hole that holds it, or in the very
place of an operand that dies there: of an elementwise group, or of what a product is added to.
"""

from __future__ import annotations

from bisect import bisect, insort
from dataclasses import dataclass

from .epilogues import addend_in_place
from .ir import GROUP, MADE, PRODUCT, Entry, Program

ALIGN = 64


@dataclass
class MemoryPlan:
    """Bytes of a program's own memory, and who has them when.

    Attributes:
        bytes: of the block, the peak of a run; arguments, parameters and results are not in it.
        lower_bound: the most bytes alive at any one entry: no plan can have less.
        lifetimes: (value, offset, bytes, first entry, last entry) of each planned value.
    """

    bytes: int
    lower_bound: int
    lifetimes: list[tuple[int, int, int, int, int]]

    @property
    def peak(self) -> int:
        return self.bytes

    def __str__(self) -> str:
        lines = [f"{self.bytes} bytes planned; at least {self.lower_bound} are alive at once"]
        for v, offset, n, first, last in self.lifetimes:
            lines.append(f"  v{v}: {n} bytes at {offset}, entries {first} to {last}")
        return "\n".join(lines)


class Holes:
    """Free intervals of the block, and its end."""

    def __init__(self) -> None:
        self.free: list[tuple[int, int]] = []  # (offset, bytes), by offset
        self.end = 0

    def take(self, n: int) -> int:
        fitting = [(size, offset) for offset, size in self.free if size >= n]
        if not fitting:
            last = self.free[-1] if self.free else None
            if last is not None and sum(last) == self.end:  # grow the hole at the end
                self.free.pop()
                self.end = last[0] + n
                return last[0]
            self.end += n
            return self.end - n
        size, offset = min(fitting)
        self.free.remove((offset, size))
        if size > n:
            insort(self.free, (offset + n, size - n))
        return offset

    def give(self, offset: int, n: int) -> None:
        free = self.free
        at = bisect(free, (offset, n))
        if at < len(free) and free[at][0] == offset + n:
            n += free.pop(at)[1]
        if at and sum(free[at - 1]) == offset:
            at -= 1
            offset, before = free.pop(at)
            n += before
        free.insert(at, (offset, n))


def plan_memory(program: Program) -> MemoryPlan:
    """Offsets for the values entries make; results lie in fresh memory of each run instead."""
    root, values, results = program.root, program.values, set(program.results)
    born: dict[int, int] = {}
    last: dict[int, int] = {}
    size: dict[int, int] = {}
    for at, e in enumerate(program.entries):
        for v in e.inputs:
            if root[v] in last:
                last[root[v]] = at
        for v in e.outputs:
            if root[v] == v and v not in results and values[v].kind == MADE:
                born[v] = last[v] = at
                size[v] = max(-(-values[v].nbytes // ALIGN) * ALIGN, ALIGN)
    for v in results:  # of a result that is a view, the memory stays to the end
        if root[v] in born:
            last[root[v]] = len(program.entries)
    dying: dict[int, list[int]] = {}
    for v, at in last.items():
        dying.setdefault(at, []).append(v)
    holes = Holes()
    offset: dict[int, int] = {}
    alive = bound = 0
    for at, e in enumerate(program.entries):
        ending = dying.get(at, ())
        places: dict[int, int] = {}
        if e.kind in (GROUP, PRODUCT) and ending:
            owners = [root[v] for v in e.inputs]
            own = {v for v in ending if owners.count(v) == 1}
            places = (_in_place if e.kind == GROUP else _added_to)(program, e, own, born)
        for v in e.outputs:
            if v in places:
                offset[v] = offset[places[v]]
            elif v in born:
                offset[v] = holes.take(size[v])
                alive += size[v]
                bound = max(bound, alive)
        for v in ending:
            if v not in places.values():
                holes.give(offset[v], size[v])
                alive -= size[v]
    lifetimes = [(v, offset[v], size[v], born[v], last[v]) for v in sorted(born)]
    return MemoryPlan(holes.end, bound, lifetimes)


def _added_to(program: Program, product: Entry, ending: set[int], born: dict) -> dict[int, int]:
    """The product in the place of the sum so far: {output: operand}."""
    v, y = addend_in_place(product, program.values), product.outputs[0]
    return {y: v} if v in ending and y in born else {}


def _in_place(program: Program, group: Entry, ending: set[int], born: dict) -> dict[int, int]:
    """Outputs that may take a dying operand's place: {output: operand}.

    Blocks go through the instructions in order, so the operand must not be read after the
    instruction that writes the output.
    """
    last_read: dict[int, int] = {}
    written: dict[int, int] = {}
    n, outputs = len(group.inputs), group.outputs[:-1] if group.params else group.outputs
    for at, (_, _, operands, to, *_) in enumerate(group.extra):
        for code in operands:
            if code is not None and code < n:
                last_read[group.inputs[code]] = at
        if n <= to < n + len(outputs):
            written[outputs[to - n]] = at
    places: dict[int, int] = {}
    values = program.values
    for v, at in written.items():
        if v not in born:
            continue
        for x in sorted(ending - set(places.values())):
            same = values[x].shape == values[v].shape and values[x].dtype == values[v].dtype
            if same and last_read.get(x, at + 1) <= at:
                places[v] = x
                break
    return places
