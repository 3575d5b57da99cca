"""What one small recorded and swept op costs: a chain of multiply, add, tanh."""

from __future__ import annotations

import numpy as np

from tapegrad.cli.timing import interleave

ROUNDS = 30  # of three ops
OPS = 3 * ROUNDS
SHAPES = ((), (16,))


def numpy_add():
    """NumPy's a + b on 16 elements: the yardstick. One call is OPS additions."""
    a, b = np.ones(16, np.float32), np.ones(16, np.float32)

    def run():
        for _ in range(OPS):
            a + b

    return run


def tapegrad_chain(shape):
    import tapegrad as tg
    from tapegrad import tape
    from tapegrad.nn.functional import tanh

    x = tg.tensor(np.full(shape, 0.5, np.float32), requires_grad=True)
    a = tg.tensor(np.full(shape, 0.9, np.float32))
    b = tg.tensor(np.full(shape, 0.1, np.float32))

    def run():
        with tape() as t:
            y = x
            for _ in range(ROUNDS):
                y = tanh(y * a + b)
        return t.gradient(y, x)

    return run


def torch_chain(shape):
    import torch

    torch.set_num_threads(1)
    x = torch.full(shape, 0.5, requires_grad=True)
    a, b = torch.full(shape, 0.9), torch.full(shape, 0.1)
    ones = torch.ones(shape)

    def run():
        y = x
        for _ in range(ROUNDS):
            y = torch.tanh(y * a + b)
        return torch.autograd.grad(y, x, ones)[0]

    return run


def contenders(shape):
    """By name; torch only if it is installed."""
    found = {"NumPy a + b (16)": numpy_add(), "tapegrad": tapegrad_chain(shape)}
    try:
        found["torch eager"] = torch_chain(shape)
    except ImportError:
        print("torch: not installed, skipped")
    return found


def report() -> list[str]:
    """A markdown table."""
    lines = [
        "Time of one op, recorded and swept: multiply, add, tanh in turn, 90 ops a tape, float32.",
        "The yardstick is NumPy's `a + b` on 16 elements (best of the interleaved rounds).",
        "",
        "| shape | tapegrad, ns an op | NumPy `a + b`, ns | ratio (floor <= 1.5) "
        "| torch eager, ns an op | torch / tapegrad (floor >= 8) |",
        "|---|---:|---:|---:|---:|---:|",
    ]
    for shape in SHAPES:
        found = contenders(shape)
        values = [np.asarray(run()) for name, run in found.items() if "NumPy" not in name]
        for value in values[1:]:
            np.testing.assert_allclose(values[0], value, rtol=1e-4)
        times = interleave(found, rounds=41, slice_seconds=0.005)
        ns = {name: t.best / OPS * 1e9 for name, t in times.items()}
        ours, yardstick = ns["tapegrad"], ns["NumPy a + b (16)"]
        torch = ns.get("torch eager")
        peer = f"{torch:.0f} | {torch / ours:.1f}" if torch else "not installed |"
        lines.append(
            f"| `{shape}` | {ours:.0f} | {yardstick:.0f} | {ours / yardstick:.2f} | {peer} |"
        )
    return lines


# --- pytest-benchmark ------------------------------------------------------------------------


def pytest_generate_tests(metafunc):
    rows = [(s, n) for s in SHAPES for n in ("tapegrad", "torch eager", "NumPy a + b (16)")]
    metafunc.parametrize(("shape", "who"), rows, ids=str)


def time_chain_of_small_ops(benchmark, shape, who):
    import pytest

    found = contenders(shape)
    if who not in found:
        pytest.skip(f"{who.split()[0]} is not installed")
    benchmark.group = f"{OPS} ops recorded and swept, shape {shape}"
    benchmark(found[who])
