"""Groups compute again what costs less than to store and to read it.

A group stores an elementwise value for groups that come later. Where each of them reads anyway all
that the value is made of, each makes it anew, and it never reaches memory: no array is read that
was not, none lives longer. This is for rows that take no longer than reading what they give.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..engine import select
from .ir import CONSTANT, LIVE, Entry, Program

if TYPE_CHECKING:
    from .fuse import Group

LEAST = 1 << 18  # bytes of a value that, with others, goes through the second cache


def compute_again(program: Program, groups: list[Group], elsewhere: set[int]) -> None:
    """Give entries of the groups, which are in order, to those that read what they make; what is
    read `elsewhere` stays."""
    core, values = select._core, program.values
    if not core or len(groups) < 2:
        return
    readers: dict[int, list[Group]] = {}
    for group in groups:
        for v in group.reads:
            if v not in elsewhere and values[v].nbytes >= LEAST:
                readers.setdefault(v, []).append(group)
    if not readers:
        return
    root, cheap = program.root, core.Program.CHEAP
    written = {root[v] for e in program.entries for v in e.writes}
    given: dict[Group, dict[int, Entry]] = {group: {} for group in groups}

    def has(group: Group, v: int) -> bool:
        """Whether a group has a value at hand that is what it was."""
        is_number = values[v].kind in (CONSTANT, LIVE) and not values[v].shape
        is_read = v in group.reads and root[v] not in written
        return is_number or is_read or v in given[group]

    for group in groups:
        for e in group.entries:
            to = readers.get(e.outputs[0])
            if to is None or e.op.id not in cheap:
                continue
            if all(r.key == group.key and all(has(r, v) for v in e.inputs) for r in to):
                for r in to:
                    given[r][e.outputs[0]] = e
    gone = {v for entries in given.values() for v in entries}
    for group in groups if gone else ():
        group.entries = needed([*given[group].values(), *group.entries], gone)
        made = {e.outputs[0] for e in group.entries}
        group.reads = dict.fromkeys(v for e in group.entries for v in e.inputs if v not in made)


def needed(entries: list[Entry], gone: set[int]) -> list[Entry]:
    """Without those that make a value which is stored no more and which no other of them reads."""
    kept: list[Entry] = []
    read: set[int] = set()
    for e in reversed(entries):
        if e.outputs[0] in read or e.outputs[0] not in gone:
            read.update(e.inputs)
            kept.append(e)
    return kept[::-1]
