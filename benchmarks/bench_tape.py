"""A long tape, importing, and the size of what is installed."""

from __future__ import annotations

import subprocess
import sys
import time
import zlib
from pathlib import Path
from statistics import median

N = 1_000_000


def long_tape() -> tuple[float, float]:
    """(million entries swept a second, ns an entry recorded) of N scalar ops, the best of 3."""
    import tapegrad as tg
    from tapegrad import tape

    x, a = tg.tensor(1.0, requires_grad=True), tg.tensor(1.0000001)
    best_sweep = best_record = float("inf")
    for _ in range(3):
        start = time.perf_counter()
        with tape() as t:
            y = x
            for _ in range(N):
                y = y * a
        best_record = min(best_record, time.perf_counter() - start)
        start = time.perf_counter()
        t.gradient(y, x)
        best_sweep = min(best_sweep, time.perf_counter() - start)
        del y, t
    return N / best_sweep / 1e6, best_record / N * 1e9


def resident_bytes() -> float:
    """Growth of the process's memory per entry while a tape of N scalar ops is recorded."""
    code = f"""
import resource, tapegrad as tg
from tapegrad import tape
def resident():
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * resource.getpagesize()
x, a = tg.tensor(1.0, requires_grad=True), tg.tensor(1.0000001)
before = resident()
with tape() as t:
    y = x
    for _ in range({N}):
        y = y * a
print((resident() - before) / {N})
"""
    return float(subprocess.check_output([sys.executable, "-c", code], text=True))


def import_seconds(module: str) -> float:
    """Time of a whole process that imports a module (median), as it is installed: a source tree
    may lack bytecode."""
    found, elsewhere = [], Path(sys.executable).parent
    for _ in range(9):
        start = time.perf_counter()
        subprocess.run([sys.executable, "-c", f"import {module}"], check=True, cwd=elsewhere)
        found.append(time.perf_counter() - start)
    return median(found)


def wheel_megabytes() -> float:
    """Size of the installed package, compressed file by file as a wheel is."""
    import tapegrad

    kept = (".py", ".so", ".gz", ".md", ".typed")
    files = [p for p in Path(tapegrad.__file__).parent.rglob("*") if p.suffix in kept]
    return sum(len(zlib.compress(p.read_bytes())) for p in files) / 1e6


def report() -> list[str]:
    swept, recorded = long_tape()
    extra = import_seconds("tapegrad") - import_seconds("numpy")
    return [
        "| what | measured | floor |",
        "|---|---:|---:|",
        f"| tape of 1e6 scalar entries: bytes an entry | {resident_bytes():.0f} | 256 |",
        f"| its sweep, million entries a second | {swept:.1f} | 10 |",
        f"| its recording, ns an entry | {recorded:.0f} | |",
        f"| import, ms more than NumPy | {extra * 1e3:.0f} | 50 |",
        f"| wheel, MB | {wheel_megabytes():.2f} | 2 |",
    ]


# --- pytest-benchmark ------------------------------------------------------------------------


def time_long_tape(benchmark):
    benchmark.pedantic(long_tape, rounds=1)


def time_import(benchmark):
    benchmark.pedantic(lambda: subprocess.run([sys.executable, "-c", "import tapegrad"]), rounds=9)
