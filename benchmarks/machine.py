"""What a figure was measured on, and the environment that makes a comparison fair.

Import this before NumPy, torch or JAX: thread pools are sized when those load.
"""

from __future__ import annotations

import os
import platform
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

ONE_THREAD = {
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "TAPEGRAD_NUM_THREADS": "1",
    "XLA_FLAGS": "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1",
    "JAX_PLATFORMS": "cpu",
}

# OpenBLAS runs its best kernel only if nobody has chosen another one.
FORGET = ("OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE")

PEERS = ("numpy", "torch", "jax", "autograd")


def fair_environment(**more: str) -> dict[str, str]:
    """The environment for a measuring process: one thread each, OpenBLAS free to choose."""
    kept = {name: value for name, value in os.environ.items() if name not in FORGET}
    return {**kept, **ONE_THREAD, **more}


def pin() -> None:
    """Keep this process on the last CPU it may use: the first takes most interrupts."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})


def cpu() -> str:
    """The CPU's name."""
    try:
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()


def openblas() -> str:
    """The kernel NumPy's OpenBLAS runs, if threadpoolctl can tell."""
    try:
        from threadpoolctl import threadpool_info
    except ImportError:
        return "unknown"
    import numpy  # noqa: F401 - loads OpenBLAS

    found = [i for i in threadpool_info() if i.get("internal_api") == "openblas"]
    return f"{found[0]['architecture']} {found[0]['version']}" if found else "none"


def versions() -> str:
    """Python and the peers that are installed, with versions."""
    found = [f"Python {platform.python_version()}"]
    for name in PEERS:
        try:
            found.append(f"{name} {version(name)}")
        except PackageNotFoundError:
            continue
    return ", ".join(found)


def describe() -> list[str]:
    """The lines that go above a table of figures."""
    import tapegrad as tg

    facts = tg.info()
    return [
        f"- CPU: {cpu()}, {os.cpu_count()} logical CPUs, {platform.system()}; load average "
        f"before the run {os.getloadavg()[0]:.1f}",
        f"- tapegrad {facts['version']}: {facts['engine']} engine, ISA {facts['isa']}, "
        f"{facts['threads']} thread(s)",
        f"- OpenBLAS kernel: {openblas()}",
        f"- {versions()}",
    ]
