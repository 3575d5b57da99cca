"""Matrix products: against the FMA peak of this machine and against OpenBLAS, one thread and two.

OpenBLAS runs its best kernel here (see machine.fair_environment); the AVX2 figures come from a
process with TAPEGRAD_ISA=avx2 and OPENBLAS_CORETYPE=Haswell.
"""

from __future__ import annotations

import itertools
import math
from statistics import median

import numpy as np
from peak import fma_loop

from tapegrad.cli.timing import interleave

PEAK_FLOPS = 5e6  # of a call of the loop that measures the peak: enough to hide the call
SQUARE = (64, 96, 128, 192, 256, 384, 512, 1024, 2048)
DTYPES = {"f32": np.float32, "f64": np.float64}

BATCHES = (32, 64, 128)
LAYERS = (16, 32, 64, 128, 256)
HEADS = (1, 4, 10)
SMALL = (16, 17, 23, 24, 31, 32, 33, 40, 47, 48)
STACK, STACKED = (
    1000,
    ((2, 2, 2), (3, 3, 3), (4, 4, 4), (8, 8, 8), (16, 16, 16), (3, 3, 1), (8, 8, 1)),
)


def operands(m: int, k: int, n: int, dtype, layout: str = "nn"):
    """(a, b) for a product m x k by k x n; layout "t" is a transposed view, as autodiff makes."""
    rng = np.random.default_rng(0)
    a = rng.normal(size=(m, k) if layout[0] == "n" else (k, m)).astype(dtype)
    b = rng.normal(size=(k, n) if layout[1] == "n" else (n, k)).astype(dtype)
    return a if layout[0] == "n" else a.T, b if layout[1] == "n" else b.T


def both(a: np.ndarray, b: np.ndarray):
    """{"tapegrad": ..., "OpenBLAS": ...}: each called the way its user calls it."""
    import tapegrad as tg

    x, y = _tensor(tg, a), _tensor(tg, b)
    np.testing.assert_allclose((x @ y).numpy(), a @ b, rtol=1e-3, atol=1e-3 * math.sqrt(a.shape[1]))
    return {"tapegrad": lambda: x @ y, "OpenBLAS": lambda: a @ b}


def _tensor(tg, a: np.ndarray):
    """A Tensor laid out as the array is."""
    if a.flags.c_contiguous:
        return tg.tensor(a)
    return tg.tensor(np.ascontiguousarray(a.mT)).mT


def call_seconds() -> float:
    """What calling a product costs without the product: one of 1 x 1 matrices."""
    a = np.ones((1, 1), np.float32)
    run = both(a, a)["tapegrad"]
    return interleave({"call": run}, rounds=9, slice_seconds=0.002)["call"].median


def square_rows(isa: str) -> list[str]:
    """n, then by dtype GFLOP/s, part of the peak (call overhead taken off), ratio to OpenBLAS.

    The loop that measures the peak takes its turn in each round: a spell in which other work
    shares the core slows both.
    """
    overhead = call_seconds()
    rows = {n: f"| {n} |" for n in SQUARE}
    for n, (name, dtype) in itertools.product(SQUARE, DTYPES.items()):
        loop, loop_flops = fma_loop(isa, name, max(2 * n**3, PEAK_FLOPS))
        contenders = {"peak": loop, **both(*operands(n, n, n, dtype))}
        times = interleave(contenders, 11, max(0.01, 4 * n**3 / 5e10))
        ours, peak = times["tapegrad"], times["peak"]
        rate = 2 * n**3 / ours.median / 1e9
        share = median(
            2 * n**3 / (mine - overhead) / (loop_flops / limit)
            for mine, limit in zip(ours.rounds, peak.rounds)
        )
        ratio = times["OpenBLAS"].ratio(ours)
        rows[n] += f" {rate:.1f} | {share:.0%} of {loop_flops / peak.median / 1e9:.0f} |"
        rows[n] += f" {ratio:.2f} |"
    return list(rows.values())


def layer_shapes() -> list[tuple]:
    """(what, m, k, n, layout) of the products of small networks."""
    found = []
    for batch, n_in, n_out in itertools.product(BATCHES, LAYERS, (*LAYERS, *HEADS)):
        found += [
            ("forward", batch, n_in, n_out, "nt"),
            ("weights", n_out, batch, n_in, "tn"),
            ("inputs", batch, n_out, n_in, "nn"),
        ]
    found += [("square", n, n, n, "nn") for n in SMALL]
    return found


def layer_rows() -> list[str]:
    """Summary over layer_shapes: geometric mean, worst shapes."""
    rows = []
    for name, dtype in DTYPES.items():
        ratios = {}
        for what, m, k, n, layout in layer_shapes():
            times = interleave(both(*operands(m, k, n, dtype, layout)), 7, 0.001)
            ratios[what, m, k, n] = times["OpenBLAS"].ratio(times["tapegrad"])
        for kind in ("forward", "weights", "inputs", "square"):
            found = {key[1:]: r for key, r in ratios.items() if key[0] == kind}
            mean = math.exp(sum(map(math.log, found.values())) / len(found))
            worst = sorted(found, key=found.get)[:3]
            text = ", ".join(f"{m}x{k}x{n} {found[m, k, n]:.2f}" for m, k, n in worst)
            slower = sum(r < 1 for r in found.values())
            rows.append(f"| {kind} {name} | {len(found)} | {mean:.2f} | {slower} | {text} |")
    return rows


def stack_rows() -> list[str]:
    """m x k x n, then by dtype ns a product in a stack of them, ratio to NumPy, the same of a
    transposed b."""
    rows = []
    for m, k, n in STACKED:
        row = f"| {m}x{k}x{n} |"
        for dtype in DTYPES.values():
            rng = np.random.default_rng(0)
            a, b = (rng.normal(size=(STACK, *shape)).astype(dtype) for shape in ((m, k), (n, k)))
            plain, turned = (
                interleave(both(a, x), 11, 0.005) for x in (np.ascontiguousarray(b.mT), b.mT)
            )
            ns = plain["tapegrad"].median / STACK * 1e9
            ratios = (t["OpenBLAS"].ratio(t["tapegrad"]) for t in (plain, turned))
            row += f" {ns:.0f} | " + " | ".join(f"{r:.1f}" for r in ratios) + " |"
        rows.append(row)
    return rows


def with_threads(count, run):
    """run() on so many threads."""
    import tapegrad as tg

    def call():
        tg.set_num_threads(count)
        run()

    return call


def thread_rows() -> list[str]:
    """Two threads against one; needs a process that may use two CPUs."""
    import tapegrad as tg

    rows = []
    for n in (64, 128, 256, 512, 1024, 2048):
        a, b = operands(n, n, n, np.float32)
        run = both(a, b)["tapegrad"]
        found = {str(c): with_threads(c, run) for c in (1, 2)}
        times = interleave(found, 9, max(0.01, 4 * n**3 / 5e10))
        rows.append(f"| {n} | {times['1'].ratio(times['2']):.2f} |")
    tg.set_num_threads(1)
    return rows


def report() -> list[str]:
    """Square and layer shapes of the ISA in force."""
    import tapegrad as tg

    isa = tg.info()["isa"]
    return [
        f"ISA {isa}. GFLOP/s of `a @ b`; part of the FMA peak measured beside it (the time of a "
        "call is taken off for this one); OpenBLAS's time / ours.",
        "",
        "| n | f32 GFLOP/s | of peak | / OpenBLAS | f64 GFLOP/s | of peak | / OpenBLAS |",
        "|---:|---:|---:|---:|---:|---:|---:|",
        *square_rows(isa),
        "",
        "Products of network layers, batch "
        f"{', '.join(map(str, BATCHES))}, sizes {', '.join(map(str, LAYERS))}, heads "
        f"{', '.join(map(str, HEADS))}; squares of {', '.join(map(str, SMALL))}. OpenBLAS's time "
        "/ ours, called the way each library's user calls it.",
        "",
        "| product | shapes | geometric mean | slower | worst (m x k x n) |",
        "|---|---:|---:|---:|---|",
        *layer_rows(),
        "",
        f"{STACK} products in one stack, ns each; NumPy's time / ours, of a transposed b as well:",
        "",
        "| m x k x n | f32 ns | / NumPy | b.mT | f64 ns | / NumPy | b.mT |",
        "|---|---:|---:|---:|---:|---:|---:|",
        *stack_rows(),
    ]


def report_threads() -> list[str]:
    return [
        "Time of one thread / time of two, f32:",
        "",
        "| n | ratio |",
        "|---:|---:|",
        *thread_rows(),
    ]


# --- pytest-benchmark ------------------------------------------------------------------------


def pytest_generate_tests(metafunc):
    rows = [(n, n, n, "nn") for n in SQUARE] + [shape[1:] for shape in layer_shapes()]
    contenders = list(itertools.product(("tapegrad", "OpenBLAS"), DTYPES))
    rows = [(*contender, *row) for row in rows for contender in contenders]
    metafunc.parametrize(("who", "dtype", "m", "k", "n", "layout"), rows, ids=str)


def time_product(benchmark, who, dtype, m, k, n, layout):
    benchmark.group = f"{m}x{k}x{n} {layout} {dtype}"
    benchmark.extra_info["flops"] = 2 * m * k * n
    benchmark(both(*operands(m, k, n, DTYPES[dtype], layout))[who])
