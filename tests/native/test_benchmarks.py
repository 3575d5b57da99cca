"""The benchmarks know every op that has a C row."""

import importlib.util
from pathlib import Path

import pytest

import tapegrad as tg

CASES = Path(__file__).parents[2] / "benchmarks" / "op_cases.py"


@pytest.fixture
def op_cases():
    if not tg.info()["native"]:
        pytest.skip("the C core is not installed")
    spec = importlib.util.spec_from_file_location("op_cases", CASES)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_every_op_with_a_c_row_is_benchmarked(op_cases):
    timed = {op.name for op in op_cases.elementwise_rows()} | set(op_cases.STRUCTURED)
    assert set(tg.info()["c_ops"]) <= timed


def test_benchmark_cases_run(op_cases):
    calls = [op_cases.elementwise_call(op, 5, "f4") for op in op_cases.elementwise_rows()]
    calls += [op_cases.structured_call(name, "f4") for name in ("linear", "cross_entropy_vjp")]
    for call in calls:
        ours, theirs = op_cases.forward(call)
        assert ours().shape == theirs().shape
        sweep = op_cases.backward(call)
        if sweep:
            sweep()
