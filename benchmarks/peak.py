"""The machine's own limits, measured in the same run as what is compared with them.

fma_loop: a C loop of independent multiply-adds in registers, compiled here with the system's
compiler. copy_bandwidth: NumPy copying a large array.
"""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sysconfig
import tempfile
import time
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path

# 24 accumulators: enough to hide an FMA's latency, few enough for 32 registers (AVX2 has 16, so
# 12 there). The values stay near 1, and the sum is returned, so that nothing is optimised away.
SOURCE = """
#include <stddef.h>
#define LOOP(NAME, T, BYTES, TARGET, CHAINS) \\
    typedef T NAME##_v __attribute__((vector_size(BYTES))); \\
    __attribute__((noinline TARGET)) double NAME(size_t n) \\
    { \\
        NAME##_v s[CHAINS], x, y; \\
        for (size_t k = 0; k < BYTES / sizeof(T); ++k) { x[k] = (T)0.999; y[k] = (T)0.001; } \\
        _Pragma("GCC unroll 24") for (int c = 0; c < CHAINS; ++c) s[c] = x + (T)c; \\
        for (size_t i = 0; i < n; ++i) \\
            _Pragma("GCC unroll 24") for (int c = 0; c < CHAINS; ++c) s[c] = s[c] * x + y; \\
        NAME##_v sum = s[0]; \\
        for (int c = 1; c < CHAINS; ++c) sum += s[c]; \\
        double total = 0; \\
        for (size_t k = 0; k < BYTES / sizeof(T); ++k) total += sum[k]; \\
        return total; \\
    } \\
    const size_t NAME##_flops = 2 * CHAINS * BYTES / sizeof(T);
#if defined(__x86_64__)
LOOP(avx512_f32, float, 64, , 24)
LOOP(avx512_f64, double, 64, , 24)
LOOP(avx2_f32, float, 32, , 12)
LOOP(avx2_f64, double, 32, , 12)
#else
LOOP(neon_f32, float, 16, , 24)
LOOP(neon_f64, double, 16, , 24)
#endif
"""

FLAGS = {"avx512": ["-mavx512f", "-mfma"], "avx2": ["-mavx2", "-mfma"], "neon": []}


@lru_cache
def _library(isa: str):
    import ctypes

    compiler = os.environ.get("CC") or sysconfig.get_config_var("CC") or "cc"
    command = shlex.split(compiler)[:1]
    if not shutil.which(command[0]):
        command = ["cc"]
    folder = tempfile.mkdtemp(prefix="tapegrad-peak-")
    source, target = Path(folder, "peak.c"), Path(folder, "peak.so")
    wanted = [line for line in SOURCE.splitlines() if not line.startswith("LOOP(")]
    wanted += [line for line in SOURCE.splitlines() if line.startswith(f"LOOP({isa}")]
    source.write_text("\n".join(wanted), encoding="utf-8")
    flags = ["-O3", "-ffp-contract=fast", "-shared", "-fPIC", *FLAGS[isa]]
    subprocess.run([*command, *flags, str(source), "-o", str(target)], check=True)
    library = ctypes.CDLL(str(target))
    shutil.rmtree(folder)
    return library


def fma_loop(isa: str, dtype: str, flops: float) -> tuple[Callable[[], object], float]:
    """A call that does multiply-adds alone, as fast as one thread can, and its exact flops.

    Args:
        isa: avx512, avx2 or neon. dtype: f32 or f64. flops: about how many.
    """
    import ctypes

    library = _library(isa)
    loop = getattr(library, f"{isa}_{dtype}")
    loop.argtypes, loop.restype = [ctypes.c_size_t], ctypes.c_double
    a_turn = ctypes.c_size_t.in_dll(library, f"{isa}_{dtype}_flops").value
    n = max(1, round(flops / a_turn))
    return lambda: loop(n), float(n * a_turn)


def copy_bandwidth(n_bytes: int = 40_000_000) -> float:
    """Best GB/s (read + written) of NumPy copying that much."""
    import numpy as np

    source, target = np.ones(n_bytes, np.uint8), np.ones(n_bytes, np.uint8)
    best = 0.0
    for _ in range(5):
        start = time.perf_counter()
        np.copyto(target, source)
        best = max(best, 2 * n_bytes / (time.perf_counter() - start) / 1e9)
    return best
