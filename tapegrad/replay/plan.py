"""Where a program's values lie: one block of memory, planned before the first run.

Each value that no view and no result is gets a place for its lifetime, from the entry that makes
it to the last that reads it or a view of it. It may be the very place of an operand that dies
there, of an elementwise group or of what follows a product. Large values lie in the memory of
results that are not made yet, where that is free; the block is for the rest.
"""

from __future__ import annotations

from bisect import bisect, bisect_left, insort
from dataclasses import dataclass, field

from .epilogues import places_for
from .ir import GROUP, PRODUCT, Entry, Program

ALIGN = 64
LARGE = 256  # bytes of a value that is worth finding room in a result for
MANY = 100  # places that are too many to compare each with each


@dataclass(eq=False, slots=True)
class Place:
    """Memory that one value has, or several one after the other."""

    values: list[int]
    bytes: int
    born: list[int]  # of each value, the entry that makes it
    first: int  # entries
    last: int
    offset: int = 0
    host: int | None = None  # a result


@dataclass(eq=False, slots=True)
class Room:
    """A result's memory, free until the entry that makes it; or the block, which grows."""

    result: int | None
    bytes: float
    until: float
    places: list[Place] = field(default_factory=list)  # by offset

    def find(self, place: Place) -> int | None:
        """The lowest offset at which it fits, or None."""
        first, last, size, at = place.first, place.last, place.bytes, 0
        if last >= self.until:
            return None
        for other in self.places:
            if other.first <= last and first <= other.last:
                if at + size <= other.offset:
                    break
                end = other.offset + other.bytes
                if end > at:
                    at = end
        return at if at + size <= self.bytes else None

    def take(self, place: Place, offset: int) -> None:
        place.offset, place.host = offset, self.result
        insort(self.places, place, key=lambda p: p.offset)


@dataclass
class MemoryPlan:
    """Bytes of a program's own memory, and who has them when.

    Attributes:
        bytes: of the block, the peak of a run; arguments, parameters and results are not in it.
        places, rooms: where values that are no results lie, and what of results is free.
    """

    bytes: int
    places: list[Place]
    rooms: list[Room]

    @property
    def peak(self) -> int:
        return self.bytes

    @property
    def lower_bound(self) -> int:
        """The most bytes that at any one entry are alive and find no room in results: no plan can
        have less."""
        changes: dict[float, int] = {0: -sum(int(room.bytes) for room in self.rooms)}
        for place in self.places:
            changes[place.first] = changes.get(place.first, 0) + place.bytes
            changes[place.last + 1] = changes.get(place.last + 1, 0) - place.bytes
        for room in self.rooms:
            changes[room.until] = changes.get(room.until, 0) + int(room.bytes)
        bound = alive = 0
        for at in sorted(changes):
            alive += changes[at]
            bound = max(bound, alive)
        return bound

    @property
    def lifetimes(self) -> list[tuple[int, int, int, int, int]]:
        """(value, offset, bytes, first entry, last entry) of each planned value."""
        return sorted(
            (v, place.offset, place.bytes, first, last)
            for place in self.places
            for v, first, last in zip(place.values, place.born, [*place.born[1:], place.last])
        )

    @property
    def hosts(self) -> dict[int, int]:
        """Of values in a result's memory, that result; their offsets count from there."""
        hosted = [place for place in self.places if place.host is not None]
        return {v: place.host for place in hosted for v in place.values}

    def __str__(self) -> str:
        hosts = self.hosts
        lines = [f"{self.bytes} bytes planned; at least {self.lower_bound} are alive at once"]
        for v, offset, n, first, last in self.lifetimes:
            where = f"{offset} of v{hosts[v]}" if v in hosts else f"{offset}"
            lines.append(f"  v{v}: {n} bytes at {where}, entries {first} to {last}")
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
    """Places for the values entries make; results lie in fresh memory of each run instead."""
    root, values, results = program.root, program.values, program.results
    last: dict[int, int] = {}
    rooms = []
    for at, e in enumerate(program.entries):
        for v in e.inputs:
            r = root[v]
            if r in last:
                last[r] = at
        for v in e.outputs:
            if root[v] != v:
                continue
            if v not in results:
                last[v] = at
            elif (size := values[v].nbytes) >= LARGE:
                rooms.append(Room(v, size // ALIGN * ALIGN, at))
    for v in results:  # of a result that is a view, the memory stays to the end
        if root[v] in last:
            last[root[v]] = len(program.entries)
    places = _places(program, last)
    rooms.sort(key=lambda room: room.bytes)
    end = _by_size(places, rooms) if len(places) <= MANY else _by_time(places)
    return MemoryPlan(end, places, rooms)


def _places(program: Program, last: dict[int, int]) -> list[Place]:
    """One for each value that needs memory up to its last entry, but for those that take a dying
    operand's."""
    values = program.values
    of: dict[int, Place] = {}
    places = []
    for at, e in enumerate(program.entries):
        taken: dict[int, int] = {}
        if e.kind == GROUP:
            taken = _in_place(program, e, at, last)
        elif e.kind == PRODUCT:
            taken = _under(program, e, at, last)
        for v in e.outputs:
            if v in taken:
                place = of[v] = of[taken[v]]
                place.values.append(v)
                place.born.append(at)
                place.last = last[v]
            elif v in last:
                size = max(-(-values[v].nbytes // ALIGN) * ALIGN, ALIGN)
                place = of[v] = Place([v], size, [at], at, last[v])
                places.append(place)
    return places


def _by_size(places: list[Place], rooms: list[Room]) -> int:
    """Find the places, largest first, each as low as it goes; the end of the block.

    Source: Pisarchyk & Lee (2020), Efficient memory management for deep neural net inference:
    offsets, greedy by size.
    """
    block, end = Room(None, float("inf"), float("inf")), 0
    sizes = [room.bytes for room in rooms]
    for place in sorted(places, key=lambda p: (-p.bytes, p.first)):
        fitting = rooms[bisect_left(sizes, place.bytes) :] if place.bytes >= LARGE else ()
        for room in (*fitting, block):
            offset = room.find(place)
            if offset is not None:
                room.take(place, offset)
                break
        if place.host is None:
            end = max(end, place.offset + place.bytes)
    return end


def _by_time(places: list[Place]) -> int:
    """The same, all in the block, in the order of entries: each in the smallest hole that is there
    when it is made. The time it takes is as the number of places."""
    holes, ended = Holes(), sorted(places, key=lambda p: p.last)
    n = 0
    for place in places:
        while ended[n].last < place.first:
            holes.give(ended[n].offset, ended[n].bytes)
            n += 1
        place.offset = holes.take(place.bytes)
    return holes.end


def _under(program: Program, product: Entry, at: int, last: dict[int, int]) -> dict[int, int]:
    """The product in the place of an array that only what follows it reads: {output: operand}."""
    y = product.outputs[0]
    if y in last:
        for v in places_for(product, program.values):
            if last.get(v) == at and _owners(program, product).count(v) == 1:
                return {y: v}
    return {}


def _owners(program: Program, e: Entry) -> list[int]:
    """In whose memory what an entry reads lies."""
    return [program.root[v] for v in e.inputs]


def _in_place(program: Program, group: Entry, at: int, last: dict[int, int]) -> dict[int, int]:
    """Outputs that may take a dying operand's place: {output: operand}.

    Blocks go through the instructions in order, so the operand must not be read after the
    instruction that writes the output.
    """
    owners = _owners(program, group)
    dying = sorted([v for v in group.inputs if last.get(v) == at and owners.count(v) == 1])
    if not dying:
        return {}
    last_read: dict[int, int] = {}
    written: dict[int, int] = {}
    n, outputs = len(group.inputs), group.outputs[:-1] if group.params else group.outputs
    for i, (_, _, operands, to, *_) in enumerate(group.extra):
        for code in operands:
            if code is not None and code < n:
                last_read[group.inputs[code]] = i
        if n <= to < n + len(outputs):
            written[outputs[to - n]] = i
    places: dict[int, int] = {}
    values = program.values
    for v, i in written.items():
        if v not in last:
            continue
        for x in dying:
            same = values[x].shape == values[v].shape and values[x].dtype == values[v].dtype
            if same and last_read.get(x, i + 1) <= i:
                places[v] = x
                dying.remove(x)
                break
    return places
