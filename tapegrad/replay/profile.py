"""Where the time of a replayed step goes, entry by entry."""

from __future__ import annotations

from collections.abc import Callable
from statistics import median
from typing import Any, NamedTuple

from ..errors import ReplayError
from ..tree import counted
from .ir import Entry, listing
from .native import NativeProgram


class EntryTime(NamedTuple):
    """One entry of a program, as text and as it is, and the seconds it takes."""

    text: str
    entry: Entry
    seconds: float


class Profile(list):
    """The EntryTimes of a program in order; it prints as a table, the parts of the whole first."""

    def __str__(self) -> str:
        total = sum(t.seconds for t in self) or 1.0
        lines = [f"{1e6 * t.seconds:10.2f} us {t.seconds / total:6.1%}  {t.text}" for t in self]
        return "\n".join([*lines, f"{1e6 * total:10.2f} us, {counted(len(self), 'entry')}"])


def measure(ready: NativeProgram, call: Callable[[], Any], runs: int) -> Profile:
    """Medians over so many calls, each of which runs that program."""
    core, found = ready.core, []
    try:
        for _ in range(runs):
            core.time_steps(True)
            call()
            found.append(core.step_ns)
    finally:
        core.time_steps(False)
    times = [1e-9 * median(ns) for ns in zip(*found)]
    if times and not all(map(any, found)):
        raise ReplayError("profile: not all calls replayed the same program")
    texts = listing(ready.program).splitlines()
    return Profile(map(EntryTime, texts, ready.program.entries, times))
