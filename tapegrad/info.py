"""What this installation is and can do: info(), and the number of threads."""

from __future__ import annotations

import os
import platform
from typing import Any

import numpy as np

from ._version import __version__
from .engine import select
from .errors import EngineError
from .ops.table import OPS


class Info(dict):
    """The facts of tapegrad.info(), printed one a line."""

    def __repr__(self) -> str:
        return "\n".join(f"{name:>10}  {_text(value)}" for name, value in self.items())


def _text(value: Any) -> str:
    return ", ".join(map(str, value)) if isinstance(value, (list, tuple)) else str(value)


def info() -> Info:
    """Describe this installation.

    Returns:
        A dict that prints as a table: version, engine in force, native (whether the C core was
        built; reason if not), isa, isas (what this machine can run, best first), threads,
        python, numpy, c_ops (rows with C kernels for float32 and float64: the same bits on every
        ISA and thread count) and numpy_ops (the others, whose bits are NumPy's).
    """
    core = select._core
    facts = Info(version=__version__, engine=select.backend(), native=core is not None)
    if core is None:
        facts["reason"] = select._why_not_native
        c_rows: frozenset[str] = frozenset()
    else:
        c_rows = select._engines["native"].c_rows
    facts["isa"] = _c_string("tg_isa_name") if core else "none"
    facts["isas"] = (
        [_c_string("tg_isa_available", i) for i in range(core.lib.tg_isa_count())] if core else []
    )
    facts["threads"] = get_num_threads()
    facts["python"] = platform.python_version()
    facts["numpy"] = np.__version__
    facts["c_ops"] = [name for name in OPS if name in c_rows]
    facts["numpy_ops"] = [name for name in OPS if name not in c_rows]
    return facts


def get_num_threads() -> int:
    """How many threads large operations may use; 1 on the NumPy engine."""
    return select._core.lib.tg_get_num_threads() if select._core else 1


def set_num_threads(n: int) -> None:
    """Let large operations use up to n threads. Results have the same bits for every n.

    The default is TAPEGRAD_NUM_THREADS, else the processors this process may use (affinity and
    container limits count). Small operations run in the caller whatever n is.

    Raises:
        EngineError: if n is not a positive integer.
    """
    if not isinstance(n, (int, np.integer)) or isinstance(n, bool) or n < 1:
        raise EngineError(f"set_num_threads: need a positive integer, got {n!r}")
    if select._core:
        select._engines["native"].check(select._core.lib.tg_set_num_threads(int(n)))


def _c_string(name: str, *args: int) -> str:
    return select._core.ffi.string(getattr(select._core.lib, name)(*args)).decode()


def check_environment() -> None:
    """Apply TAPEGRAD_ISA and TAPEGRAD_NUM_THREADS; an unknown value is an error at import."""
    isa = os.environ.get("TAPEGRAD_ISA", "")
    known = ["generic", "avx2", "avx512", "neon"]
    if isa and isa not in known:
        raise EngineError(f"TAPEGRAD_ISA={isa!r}: unknown; choose one of {', '.join(known)}")
    if isa and select._core and select._core.lib.tg_isa_select(isa.encode()) != 0:
        available = ", ".join(info()["isas"])
        raise EngineError(
            f"TAPEGRAD_ISA={isa!r}: this machine cannot run it; choose one of {available}"
        )
    threads = os.environ.get("TAPEGRAD_NUM_THREADS", "")
    if threads:
        if not threads.isdecimal() or int(threads) < 1:
            raise EngineError(f"TAPEGRAD_NUM_THREADS={threads!r}: unknown; give a positive integer")
        set_num_threads(int(threads))
