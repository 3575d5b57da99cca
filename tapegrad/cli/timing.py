"""Interleaved timing: contenders take turns, so that a slow spell of the machine hits them all.

In a round each contender runs TRIES times, and the shortest counts: a preempted try says nothing.
"""

from __future__ import annotations

import gc
import time
from collections.abc import Callable
from dataclasses import dataclass
from statistics import median

TRIES = 3


@dataclass(frozen=True)
class Times:
    """Seconds per call of one contender, one figure a round."""

    rounds: list[float]

    @property
    def median(self) -> float:
        return median(self.rounds)

    @property
    def best(self) -> float:
        return min(self.rounds)

    @property
    def spread(self) -> float:
        """Half the distance between the quartiles, relative to the median."""
        ordered = sorted(self.rounds)
        quarter = len(ordered) // 4
        return (ordered[-1 - quarter] - ordered[quarter]) / 2 / self.median

    def ratio(self, other: Times) -> float:
        """Median of the rounds' ratios: how many times other's time this one took."""
        return median(a / b for a, b in zip(self.rounds, other.rounds))


def interleave(
    contenders: dict[str, Callable[[], object]],
    rounds: int = 21,
    slice_seconds: float = 0.01,
    finish: dict[str, Callable[[], object]] | None = None,
) -> dict[str, Times]:
    """Time each contender in each round, each try for about slice_seconds.

    Args:
        finish: by contender, what waits for work that its calls left running; it is timed.
    """
    finish = finish or {}
    counts = {}
    for name, run in contenders.items():
        run()
        counts[name] = _count(run, slice_seconds)
    times: dict[str, list[float]] = {name: [] for name in contenders}
    gc.collect()
    gc.disable()
    try:
        for _ in range(rounds):
            for name, run in contenders.items():
                times[name].append(_time(run, counts[name], finish.get(name)))
    finally:
        gc.enable()
    return {name: Times(found) for name, found in times.items()}


def _count(run: Callable[[], object], seconds: float) -> int:
    """How many calls fill that time."""
    n = 1
    while True:
        start = time.perf_counter()
        for _ in range(n):
            run()
        took = time.perf_counter() - start
        if took > seconds / 4:
            return max(1, round(n * seconds / took))
        n *= 4


def _time(run: Callable[[], object], n: int, finish: Callable[[], object] | None) -> float:
    run()  # caches are the last contender's until now
    if finish:
        finish()
    best = float("inf")
    for _ in range(TRIES):
        start = time.perf_counter()
        for _ in range(n):
            run()
        if finish:
            finish()
        best = min(best, time.perf_counter() - start)
    return best / n
