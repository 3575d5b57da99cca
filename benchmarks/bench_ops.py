"""Every op with a C row, forward and backward, beside NumPy."""

from __future__ import annotations

import numpy as np
from op_cases import (
    DTYPES,
    SIZES,
    STRUCTURED,
    backward,
    elementwise_call,
    elementwise_rows,
    forward,
    structured_call,
)
from peak import copy_bandwidth

from tapegrad.cli.timing import interleave

ARITHMETIC = ("add", "subtract", "multiply", "divide", "negative", "square")


def _compare(call):
    """(ns of ours, NumPy's time / ours, ns of the sweep or None)."""
    ours, theirs = forward(call)
    run_back = backward(call)
    found = {"ours": ours, "NumPy": theirs}
    if run_back:
        found["back"] = run_back
    rounds = 3 if call.arrays[0].size > 1_000_000 else 9
    with np.errstate(all="ignore"):
        times = interleave(found, rounds, slice_seconds=0.003)
    back = times["back"].median * 1e9 if run_back else None
    return times["ours"].median * 1e9, times["NumPy"].ratio(times["ours"]), back


def _cell(ns: float, ratio: float, back: float | None, n: int) -> str:
    tail = f", {back / n:.2f}" if back is not None else ""
    return f"{ns / n:.2f} ({ratio:.1f}x){tail}"


def report() -> list[str]:
    """Markdown tables: elementwise rows by size and dtype, then the others."""
    lines = [
        "Cells: ns an element forward (NumPy's time / ours), then ns an element of the sweep.",
        "",
        "| op | " + " | ".join(f"{d} {n:.0e}" for d in DTYPES for n in SIZES) + " |",
        "|---|" + "---|" * (len(DTYPES) * len(SIZES)),
    ]
    slow, bandwidth = [], []
    for op in elementwise_rows():
        cells = []
        for dtype in DTYPES:
            for n in SIZES:
                call = elementwise_call(op, n, dtype)
                ns, ratio, back = _compare(call)
                cells.append(_cell(ns, ratio, back, n))
                if ratio < 1:
                    slow.append(f"{op.name} {dtype} {n:.0e} ({ratio:.2f})")
                if op.name in ARITHMETIC and n == SIZES[-1]:
                    moved = sum(a.nbytes for a in call.arrays) + n * np.dtype(dtype).itemsize
                    bandwidth.append(f"{op.name} {dtype} {moved / ns:.1f}")
        lines.append(f"| {op.name} | " + " | ".join(cells) + " |")
    lines += [
        "",
        f"Slower than NumPy: {', '.join(slow) or 'none'}.",
        "",
        f"Arithmetic on 1e7 elements, GB/s: {', '.join(bandwidth)}; copying: "
        f"{copy_bandwidth():.1f}.",
        "",
        "Other rows, microseconds: forward (NumPy's time / ours), then the sweep.",
        "",
        "| op | inputs | f4 | f8 |",
        "|---|---|---|---|",
    ]
    for name in _structured():
        cells = []
        for dtype in DTYPES:
            call = structured_call(name, dtype)
            ns, ratio, back = _compare(call)
            cells.append(_cell(ns, ratio, back, 1000))
        shapes = " ".join(str(a.shape) for a in call.arrays)
        lines.append(f"| {name} | {shapes} | " + " | ".join(cells) + " |")
    return lines


def _structured() -> list[str]:
    import tapegrad as tg

    return [name for name in STRUCTURED if name in tg.info()["c_ops"]]


# --- pytest-benchmark ------------------------------------------------------------------------


def pytest_generate_tests(metafunc):
    rows = [(op.name, d, n) for op in elementwise_rows() for d in DTYPES for n in SIZES]
    rows += [(name, d, 0) for name in _structured() for d in DTYPES]
    if metafunc.function is time_forward:
        rows = [(who, *row) for row in rows for who in ("tapegrad", "NumPy")]
        metafunc.parametrize(("who", "name", "dtype", "n"), rows, ids=str)
    else:
        metafunc.parametrize(("name", "dtype", "n"), rows, ids=str)


def _call(name, dtype, n):
    from tapegrad.ops.table import OPS

    return elementwise_call(OPS[name], n, dtype) if n else structured_call(name, dtype)


def time_forward(benchmark, who, name, dtype, n):
    ours, theirs = forward(_call(name, dtype, n))
    benchmark.group = f"{name} {dtype} {n or ''}"
    benchmark(ours if who == "tapegrad" else theirs)


def time_backward(benchmark, name, dtype, n):
    import pytest

    run = backward(_call(name, dtype, n))
    if run is None:
        pytest.skip(f"{name} has no derivative")
    benchmark.group = f"{name} {dtype} {n or ''} backward"
    benchmark(run)
