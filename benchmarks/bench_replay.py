"""Recorded steps: one call a step and one call an epoch, against JAX's jit and scan."""

from __future__ import annotations

import re
import time
from functools import partial

import numpy as np
from peak import copy_bandwidth, fma_loop

from tapegrad.cli.networks import (
    CASES,
    STILL,
    Case,
    Step,
    available,
    jax_jit,
    jax_update,
    measure,
    tapegrad_native,
    torch_eager,
    training_step,
)
from tapegrad.cli.timing import interleave

WIDE = Case((784, 1024, 1024, 10), "relu", "ce", "adam", 512)
NETWORKS = {f"W{i}": case for i, case in enumerate((*CASES, WIDE), start=1)}
EPOCH = 20  # steps in one call

# Floors, W1 to W5: times as fast as JAX; part of the FMA peak.
CALL_FLOORS = (5, 3.5, 2.6, 1.25, 1.18)
EPOCH_FLOORS = (3, 2.2, 1.7, 1.25, 1.18)
PEAK_FLOORS = (None, 0.55, 0.70, 0.80, 0.85)


def flops(case: Case) -> int:
    """Multiply-adds of the products of one step, times two: forward, weights, inputs but x."""
    pairs = list(zip(case.sizes, case.sizes[1:]))
    products = 3 * sum(m * n for m, n in pairs) - pairs[0][0] * pairs[0][1]
    return 2 * case.batch * products


# --- contenders ----------------------------------------------------------------------------------


def replay(case: Case, lr: float) -> Step:
    """tapegrad, one call a step, the batch given as ndarrays."""
    import tapegrad as tg

    step = tg.compile(training_step(case, lr))
    x, y = case.data()
    return Step(lambda: step(x, y))


def many(case: Case) -> tuple[np.ndarray, np.ndarray]:
    """The batch EPOCH times over."""
    return tuple(np.concatenate([a] * EPOCH) for a in case.data())


def epoch(case: Case, lr: float, shuffle: bool = False) -> Step:
    """tapegrad, EPOCH steps in one call; returns the last loss."""
    import tapegrad as tg

    step = tg.compile(training_step(case, lr))
    x, y = many(case)
    return Step(lambda: step.epoch(x, y, batch_size=case.batch, shuffle=shuffle)[-1])


def jax_scan(case: Case, lr: float) -> Step:
    """JAX, EPOCH steps under lax.scan, jitted, state donated."""
    update, state = jax_update(case, lr)
    import jax

    batches = tuple(jax.numpy.stack([a] * EPOCH) for a in case.data())
    run_all = jax.jit(partial(jax.lax.scan, update), donate_argnums=0)

    def run():
        nonlocal state
        state, losses = run_all(state, batches)
        return losses[-1]

    return Step(run, finish=lambda: jax.block_until_ready(state))


CALLS = {"replay": replay, "eager": tapegrad_native, "JAX jit": jax_jit, "torch": torch_eager}
EPOCHS = {"epoch": epoch, "JAX scan": jax_scan}


def available_epochs(case: Case) -> dict[str, Step]:
    """Those of EPOCHS whose library is installed; their losses agree after one call."""
    found, losses = {}, {}
    for name, build in EPOCHS.items():
        try:
            losses[name] = build(case, 1e-4).run().item()
        except ImportError:
            continue
        found[name] = build(case, STILL)
    np.testing.assert_allclose(list(losses.values()), losses["epoch"], rtol=1e-3)
    found["shuffled"] = epoch(case, STILL, shuffle=True)  # other batches, so other losses
    return found


# --- whole steps ---------------------------------------------------------------------------------


def step_rows() -> list[str]:
    """One row a network: microseconds a step of each, ratios to JAX, part of the peak."""
    import tapegrad as tg

    isa = tg.info()["isa"]
    rows = []
    for k, (name, case) in enumerate(NETWORKS.items()):
        rounds = {"rounds": 5 if case is WIDE else 21}
        steps = available(CALLS, case)
        if isa != "generic":
            alone, n_flops = fma_loop(isa, "f32", flops(case))
            steps["peak"] = Step(alone)
        calls = measure(steps, slice_seconds=0.02, **rounds)
        share = (
            calls["peak"].ratio(calls["replay"]) * flops(case) / n_flops if "peak" in calls else 0
        )
        cells = [f"{calls[n].median * 1e6:.1f}" if n in calls else "" for n in CALLS]
        cells.append(ratio(calls, "JAX jit", "replay", CALL_FLOORS[k]))
        cells.append(f"{share:.0%}" + (f" ({PEAK_FLOORS[k]:.0%})" if PEAK_FLOORS[k] else ""))
        epochs = measure(available_epochs(case), slice_seconds=0.05, **rounds)
        per_step = {n: t.median / EPOCH * 1e6 for n, t in epochs.items()}
        cells += [f"{per_step[n]:.1f}" if n in per_step else "" for n in (*EPOCHS, "shuffled")]
        cells.append(ratio(epochs, "JAX scan", "epoch", EPOCH_FLOORS[k]))
        rows.append(f"| {name} {case.name} | " + " | ".join(cells) + " |")
    return rows


def ratio(times, other: str, ours: str, floor: float) -> str:
    """How many times as fast as the other, and the floor."""
    return f"{times[other].ratio(times[ours]):.2f} ({floor})" if other in times else ""


# --- chains, scalars, the call -------------------------------------------------------------------


def chain(x):
    """Ten cheap elementwise ops, of NumPy's or tapegrad's arrays alike."""
    y = x * 1.5 + 0.5
    y = np.maximum(y, -1.0) - x
    y = np.minimum(y * y, 4.0)
    return np.abs(y - 0.25) * x + y


def chain_rows() -> list[str]:
    import tapegrad as tg

    x = np.random.default_rng(0).normal(size=1_000_000).astype(np.float32)
    target = np.empty_like(x)
    compiled = tg.compile(chain)
    for _ in range(3):
        np.testing.assert_array_equal(np.asarray(compiled(x)), chain(x))
    times = interleave(
        {
            "replay": lambda: compiled(x),
            "NumPy": lambda: chain(x),
            "copy": lambda: np.copyto(target, x),
        },
        rounds=31,
    )
    micros = {name: t.median * 1e6 for name, t in times.items()}
    memory = 2 * x.nbytes / copy_bandwidth() / 1e3
    return [
        f"| 10 elementwise ops on 1e6 float32, us | {micros['replay']:.0f} | |",
        f"| reading and writing them at the bandwidth of copies of large arrays, us; ratio | "
        f"{memory:.0f}; {micros['replay'] / memory:.2f} | 1.3 |",
        f"| (a copy of them, which stays in the third cache, takes, us; ratio) | "
        f"{micros['copy']:.0f}; {times['replay'].ratio(times['copy']):.2f} | |",
        f"| NumPy takes, us; ratio | {micros['NumPy']:.0f}; "
        f"{times['NumPy'].ratio(times['replay']):.2f} | 4 |",
    ]


def lotka_volterra(n_steps: int):
    """An unrolled RK4 of Lotka and Volterra's equations: scalars, add and multiply only.

    Returns:
        step(x0, y0) -> (gradients of the end point's x + y in the four coefficients, entries).
    """
    import tapegrad as tg
    from tapegrad import tape

    coefficients = [tg.parameter(c) for c in (1.1, -0.4, 0.1, -0.4)]
    h = 0.001

    def slope(x, y):
        a, b, c, d = coefficients
        xy = x * y
        return a * x + b * xy, c * xy + d * y

    def step(x, y):
        with tape() as t:
            for _ in range(n_steps):
                k1, l1 = slope(x, y)
                k2, l2 = slope(x + k1 * (h / 2), y + l1 * (h / 2))
                k3, l3 = slope(x + k2 * (h / 2), y + l2 * (h / 2))
                k4, l4 = slope(x + k3 * h, y + l3 * h)
                x = x + (k1 + (k2 + k3) * 2.0 + k4) * (h / 6)
                y = y + (l1 + (l2 + l3) * 2.0 + l4) * (h / 6)
            end = x + y
        n = len(t)
        return t.gradient(end, coefficients), n

    return step


def scalar_rows() -> list[str]:
    """A recording of 50,000 scalar entries: making it, and running it."""
    import tapegrad as tg

    step = lotka_volterra(962)
    start = [tg.tensor(1.0), tg.tensor(0.5)]
    gradients, n = step(*start)
    want = [g.item() for g in gradients]
    compiled = tg.compile(step)
    begun = time.perf_counter()
    compiled(*start)
    compiled(*start)  # the second recording confirms the first, and the program is planned
    made = time.perf_counter() - begun
    assert [g.item() for g in compiled(*start)[0]] == want
    times = interleave({"replay": lambda: compiled(*start)}, rounds=15, slice_seconds=0.02)
    return [
        f"| scalar program of {n} entries, ns an entry, forward and backward | "
        f"{times['replay'].median / n * 1e9:.1f} | 10 |",
        f"| recording it twice and planning, s | {made:.2f} | 1 |",
    ]


def recording_rows() -> list[str]:
    """Milliseconds per 100 entries of the two calls that record a step, less its computing."""
    w3 = NETWORKS["W3"]
    rows = [("W3", w3.sizes)] + [
        (f"32-...-10, {n} layers", (32,) * n + (10,)) for n in (10, 30, 100)
    ]
    return [f"| {name} | {recorded_twice(sizes, w3.data()[1])} |" for name, sizes in rows]


def recorded_twice(sizes: tuple, labels: np.ndarray) -> str:
    """Entries, and what the first call takes, the second one, which plans, and both.

    The step is a function of the user's, so that guards look at what it reads, and its optimizer
    has its state.
    """
    import tapegrad as tg
    from tapegrad import nn, optim, tape

    x = np.random.default_rng(0).normal(size=(len(labels), sizes[0])).astype(np.float32)
    net = nn.MLP(sizes[0], list(sizes[1:]), "relu")
    optimizer = optim.Adam(net.parameters(), lr=STILL)

    def step(x, y):
        with tape():
            loss = nn.cross_entropy(net(x), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return loss

    def seconds(function) -> float:
        begun = time.perf_counter()
        function(x, labels)
        return time.perf_counter() - begun

    step(x, labels)
    calls = []
    for _ in range(20):
        compiled = tg.compile(step)
        calls.append([seconds(compiled) for _ in range(4)])
    first, second, _, computing = np.min(calls, axis=0)
    n = int(re.search(r"(\d+) entries as recorded", compiled.explain())[1])
    ms = (np.array([first, second, first + second - computing]) - computing) / n * 1e5
    return f"{n} | " + " | ".join(f"{t:.2f}" for t in ms)


def call_rows() -> list[str]:
    """What a call costs where there is next to nothing to compute."""
    import tapegrad as tg

    x = np.ones(16, np.float32)
    a = b = c = d = e = f = g = h = i = j = np.float32(0.5)

    def guarded(x):
        return x + (a + b + c + d + e + f + g + h + i + j)

    none, ten = tg.compile(lambda x: x + x), tg.compile(guarded)
    for _ in range(3):
        none(x), ten(x)
    times = interleave(
        {"NumPy": lambda: x + x, "none": lambda: none(x), "ten": lambda: ten(x)},
        rounds=41,
        slice_seconds=0.005,
    )
    ns = {name: t.best * 1e9 for name, t in times.items()}
    return [
        f"| NumPy's `a + b` on 16 elements, ns | {ns['NumPy']:.0f} | |",
        f"| the same replayed, ns; times NumPy's | {ns['none']:.0f}; "
        f"{ns['none'] / ns['NumPy']:.1f} | 6 |",
        f"| with ten guards of closure variables, ns; times NumPy's | {ns['ten']:.0f}; "
        f"{ns['ten'] / ns['NumPy']:.1f} | 8 |",
    ]


def memory_rows() -> list[str]:
    """Bytes of a step beyond parameters, optimizer state and gradients, planned and by eager."""
    import tapegrad as tg
    from tapegrad import _core

    rows = []
    for name, case in NETWORKS.items():
        step = training_step(case, STILL)
        x, y = (tg.tensor(a) for a in case.data())
        step(x, y)
        _core.lib.tg_pool_peak_bytes()
        before = _core.lib.tg_pool_live_bytes()
        step(x, y)
        eager = _core.lib.tg_pool_peak_bytes() - before
        compiled = tg.compile(step)
        for _ in range(3):
            compiled(x, y)
        plan = compiled.memory_plan()
        kib = [f"{n / 1024:.1f}" for n in (plan.bytes, plan.lower_bound, eager)]
        rows.append(f"| {name} {case.name} | " + " | ".join(kib) + " |")
    return rows


def report() -> list[str]:
    head = [f"{n}, us" for n in CALLS] + ["JAX jit / replay (floor)", "FMA peak (floor)"]
    head += [f"{n}, us a step" for n in (*EPOCHS, "shuffled")] + ["JAX scan / epoch (floor)"]
    return [
        f"Whole training steps, float32; an epoch is {EPOCH} steps in one call. Equal losses are "
        "checked first. The peak's part counts the matrix products' operations only.",
        "",
        "| network | " + " | ".join(head) + " |",
        "|---|" + "---:|" * len(head),
        *step_rows(),
        "",
        "| what | measured | floor |",
        "|---|---:|---:|",
        *chain_rows(),
        *scalar_rows(),
        *call_rows(),
        "",
        "Milliseconds per 100 entries of the two calls that record a step, less its computing in "
        "C; the second one plans (floor of recording and planning: 1).",
        "",
        "| network | entries | first call | second | both |",
        "|---|---:|---:|---:|---:|",
        *recording_rows(),
        "",
        "KiB that a step needs beyond parameters, optimizer state and gradients, which are there "
        "all the time; the bound is what is alive at once and finds no room in gradients that are "
        "still to be made.",
        "",
        "| network | planned | lower bound | eager, at most |",
        "|---|---:|---:|---:|",
        *memory_rows(),
    ]


# --- pytest-benchmark ------------------------------------------------------------------------


def pytest_generate_tests(metafunc):
    contenders = {**CALLS, **EPOCHS}
    rows = [(n, who) for n in NETWORKS for who in contenders]
    metafunc.parametrize(("network", "who"), rows, ids=str)


def time_step(benchmark, network, who):
    import pytest

    try:
        step = {**CALLS, **EPOCHS}[who](NETWORKS[network], STILL)
    except ImportError as error:
        pytest.skip(str(error))
    benchmark.group = f"{network}, {'a step' if who in CALLS else f'{EPOCH} steps'}"
    benchmark(step.run if step.finish is None else lambda: (step.run(), step.finish()))
