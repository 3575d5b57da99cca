"""A long tape, importing, and the size of what is installed."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path
from statistics import median

N = 1_000_000


def long_tape() -> tuple[float, float, float]:
    """(bytes an entry, million entries swept a second, ns an entry recorded) of N scalar ops."""
    import tapegrad as tg
    from tapegrad import tape
    from tapegrad.engine.select import _core

    x = tg.tensor(1.0, requires_grad=True)
    best_sweep = best_record = float("inf")
    each = 0.0
    for _ in range(3):
        before = _core.lib.tg_pool_live_bytes()
        start = time.perf_counter()
        with tape() as t:
            y = x
            for _ in range(N):
                y = y * 1.0000001
        best_record = min(best_record, time.perf_counter() - start)
        each = (_core.lib.tg_pool_live_bytes() - before) / N
        start = time.perf_counter()
        t.gradient(y, x)
        best_sweep = min(best_sweep, time.perf_counter() - start)
        del y, t
    return each, N / best_sweep / 1e6, best_record / N * 1e9


def resident_bytes() -> float:
    """Growth of the process's memory per entry while a tape of N scalar ops is recorded."""
    code = f"""
import resource, tapegrad as tg
from tapegrad import tape
x = tg.tensor(1.0, requires_grad=True)
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
with tape() as t:
    y = x
    for _ in range({N}):
        y = y * 1.0000001
print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * 1024 / {N})
"""
    return float(subprocess.check_output([sys.executable, "-c", code], text=True))


def import_seconds(module: str) -> float:
    """Time of a whole process that imports a module (median)."""
    found = []
    for _ in range(9):
        start = time.perf_counter()
        subprocess.run([sys.executable, "-c", f"import {module}"], check=True)
        found.append(time.perf_counter() - start)
    return median(found)


def core_megabytes() -> float:
    """Size of the compiled extension."""
    import tapegrad

    found = list(Path(tapegrad.__file__).parent.glob("_core*"))
    return sum(p.stat().st_size for p in found) / 1e6


def report() -> list[str]:
    _, swept, recorded = long_tape()
    extra = import_seconds("tapegrad") - import_seconds("numpy")
    return [
        "| what | measured | floor |",
        "|---|---:|---:|",
        f"| tape of 1e6 scalar entries: bytes an entry | {resident_bytes():.0f} | 256 |",
        f"| its sweep, million entries a second | {swept:.1f} | 10 |",
        f"| its recording, ns an entry | {recorded:.0f} | |",
        f"| import, ms more than NumPy | {extra * 1e3:.0f} | 50 |",
        f"| compiled core, MB | {core_megabytes():.2f} | 2 |",
    ]


# --- pytest-benchmark ------------------------------------------------------------------------


def time_long_tape(benchmark):
    benchmark.pedantic(long_tape, rounds=1)


def time_import(benchmark):
    benchmark.pedantic(lambda: subprocess.run([sys.executable, "-c", "import tapegrad"]), rounds=9)
