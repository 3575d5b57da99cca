"""Whole eager training steps of small networks, against the other libraries' ways to run them."""

from __future__ import annotations

import numpy as np
from networks import CASES, CONTENDERS, losses
from timing import interleave

# small enough that thousands of steps on one batch leave the network as it is
STILL = 1e-6


def available(case):
    """Contenders that are installed, ready to run, once their first losses have been compared."""
    found, reference = {}, None
    for name, build in CONTENDERS.items():
        try:
            got = losses(build, case, 10, 1e-3)
        except ImportError as error:
            print(f"{name}: {error}, skipped")
            continue
        reference = reference or got
        np.testing.assert_allclose(got, reference, rtol=1e-4, err_msg=f"{case.name}: {name}")
        found[name] = build(case, STILL)
    return found


def measure(case, **options):
    steps = available(case)
    return interleave(
        {name: step.run for name, step in steps.items()},
        finish={name: step.finish for name, step in steps.items() if step.finish},
        **options,
    )


def report() -> list[str]:
    """Two markdown tables: microseconds a step, and how many times tapegrad's time."""
    names = list(CONTENDERS)
    head = "| network | " + " | ".join(names) + " |"
    rule = "|---|" + "---:|" * len(names)
    micros = ["Microseconds a step (medians):", "", head, rule]
    ratios = ["", "Times tapegrad's (medians of the rounds' ratios):", "", head, rule]
    for case in CASES:
        times = measure(case, rounds=25, slice_seconds=0.01)
        ours = times["tapegrad"]
        cells = [f"{times[n].median * 1e6:.1f}" if n in times else "" for n in names]
        micros.append(f"| {case.name} | " + " | ".join(cells) + " |")
        cells = [f"{times[n].ratio(ours):.2f}" if n in times else "" for n in names]
        ratios.append(f"| {case.name} | " + " | ".join(cells) + " |")
    return [
        "Forward, loss, backward, update, on one batch; equal losses over ten steps are checked "
        "first. JAX has the whole step under one `jit` with its state donated. Floors: faster "
        "than JAX on the first three, at most its time on the fourth; torch eager at least 4 "
        "times tapegrad's time on the first three.",
        "",
        *micros,
        *ratios,
    ]


# --- pytest-benchmark ------------------------------------------------------------------------


def pytest_generate_tests(metafunc):
    rows = [(case, name) for case in CASES for name in CONTENDERS]
    metafunc.parametrize(("case", "who"), rows, ids=lambda v: getattr(v, "name", v))


def time_training_step(benchmark, case, who):
    import pytest

    try:
        step = CONTENDERS[who](case, STILL)
    except ImportError as error:
        pytest.skip(str(error))
    benchmark.group = case.name
    benchmark(step.run if step.finish is None else lambda: (step.run(), step.finish()))
