"""Whole eager training steps of small networks, against the other libraries' ways to run them."""

from __future__ import annotations

from networks import CONTENDERS

from tapegrad.cli.networks import CASES, STILL, available, measure


def report() -> list[str]:
    """Two markdown tables: microseconds a step, and how many times tapegrad's time."""
    names = list(CONTENDERS)
    head = "| network | " + " | ".join(names) + " |"
    rule = "|---|" + "---:|" * len(names)
    micros = ["Microseconds a step (medians):", "", head, rule]
    ratios = ["", "Times tapegrad's (medians of the rounds' ratios):", "", head, rule]
    for case in CASES:
        times = measure(available(CONTENDERS, case), rounds=25, slice_seconds=0.01)
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
