"""Recorded steps: one thread against two, and two Python threads with a program each."""

from __future__ import annotations

import threading
import time

import numpy as np
from bench_gemm import with_threads
from bench_replay import EPOCH, NETWORKS, STILL, WIDE, epoch, replay

import tapegrad as tg
from tapegrad.cli.timing import interleave

SECONDS = 0.5  # that Python threads run side by side


def report() -> list[str]:
    """One thread against two; needs a process that may use two CPUs."""
    rows = []
    for name, case in NETWORKS.items():
        run = replay(case, STILL).run
        for _ in range(3):
            run()
        rounds = 5 if case is WIDE else 21
        found = {str(c): with_threads(c, run) for c in (1, 2)}
        times = interleave(found, rounds, 0.02)
        floor = "1.8" if name in ("W4", "W5") else "1"
        rows.append(f"| {name} {case.name} | {times['1'].ratio(times['2']):.2f} | {floor} |")
    tg.set_num_threads(1)
    return [
        "Time of one thread / time of two, a replayed step:",
        "",
        "| network | ratio | floor |",
        "|---|---:|---:|",
        *rows,
        "",
        "Steps a second of two Python threads, each with a program of its own, over those of one:",
        "",
        "| network | calls | epochs |",
        "|---|---:|---:|",
        *[
            f"| {name} | {python_threads(name, False):.2f} | {python_threads(name, True):.2f} |"
            for name in ("W1", "W3")
        ],
    ]


def python_threads(name: str, by_epochs: bool) -> float:
    """Steps a second of two Python threads, each with a program of its own, over those of one."""
    tg.set_num_threads(1)
    case = NETWORKS[name]
    make, each = (epoch, EPOCH) if by_epochs else (replay, 1)
    runs = [make(case, STILL).run for _ in range(2)]

    def steps_of(run, barrier, found) -> None:
        for _ in range(3):
            run()
        barrier.wait()
        n, begun = 0, time.perf_counter()
        while time.perf_counter() - begun < SECONDS:
            run()
            n += each
        found.append(n / (time.perf_counter() - begun))

    def rate(some: list) -> float:
        barrier, found = threading.Barrier(len(some)), []
        threads = [threading.Thread(target=steps_of, args=(run, barrier, found)) for run in some]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return sum(found)

    ratios = [rate(runs) / rate(runs[:1]) for _ in range(5)]
    return float(np.median(ratios))
