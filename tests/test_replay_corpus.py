"""Steps that would fool a naive tracer: compiled, they give eager's bits or a clear error."""

import importlib
import itertools
import time
from pathlib import Path

import numpy as np
import pytest
from corpus import CASES, eager, play

import tapegrad as tg

for found in sorted(Path(__file__).parent.glob("corpus_*.py")):
    importlib.import_module(found.stem)  # which adds its cases


@pytest.mark.parametrize("name", CASES)
def test_compiled_step_agrees_with_eager(name, backend):
    case = CASES[name]
    expected = list(play(case.make, eager))
    compiled = play(case.make, tg.compile)
    for call, (want, got) in enumerate(zip(expected, compiled)):
        if got[0] == "runs":
            assert case.error is None, "nothing was refused"
            assert got[1] == case.runs
            for first, later in got[2]:
                assert later == first, "a result was written after it had been returned"
        elif got[0] == "raised" and want[0] != "raised":
            assert isinstance(got[1], tg.TapegradError), got[1]
            assert case.error is not None, got[1]
            assert case.error in str(got[1])
            return
        elif got[0] == "raised":
            assert type(got[1]) is type(want[1])
        else:
            assert got == want, f"call {call}"


KINDS, NOTHINGS = itertools.cycle((list, tuple)), itertools.cycle((None, []))


def test_clock_in_the_step_is_refused(backend):
    step = tg.compile(lambda x: x * time.perf_counter())
    x = np.ones(3)
    step(x)
    with pytest.raises(tg.ReplayError, match=r"test_replay_corpus\.py"):
        step(x)


@pytest.mark.parametrize(
    ("result", "message"),
    [
        (lambda x: (x, time.perf_counter()), "it returns .* at one call"),
        (lambda x: {time.perf_counter(): x}, r"it returns \{.*: \*\} at one call"),
        (lambda x: {("t", time.perf_counter()): [x]}, r"it returns \{.*: \[\*\]\} at one call"),
        (lambda x: next(KINDS)([x]), r"it returns \[\*\] at one call and \(\*,\) at the next"),
        (lambda x: next(NOTHINGS), r"it returns None at one call and \[\] at the next"),
    ],
)
def test_another_result_at_each_call_is_refused(result, message, backend):
    step = tg.compile(result)
    x = np.ones(3)
    step(x)
    with pytest.raises(tg.ReplayError, match=message):
        step(x)


class Unprintable(float):
    def __repr__(self):
        raise RuntimeError("repr")


TWO = Unprintable(2.0)


@pytest.mark.parametrize(
    "result", [lambda x: {("t", float(x.size)): x}, lambda x: {TWO: x}], ids=["anew", "no repr"]
)
def test_results_may_have_any_keys(result, backend):
    step, x = tg.compile(result), np.ones(2)
    for _ in range(4):
        assert list(step(x)) == list(result(x))


def test_results_are_kept_under_parameters(backend):
    params = [tg.parameter(np.ones(2)) for _ in range(2)]
    runs = itertools.count()

    @tg.compile
    def step(x):
        next(runs)
        for p in params:
            p.assign(p + x)  # after which its repr() is another one
        return {p: p * 2 for p in params} | {(p, "old"): p - x for p in params}

    for k in range(5):
        found = step(np.ones(2))
        for p in params:
            assert found[p].tolist() == [2 * (k + 2)] * 2
            assert found[p, "old"].tolist() == [k + 1] * 2
    assert next(runs) == 2


def test_arrays_among_the_results_are_fresh(backend):
    step = tg.compile(lambda x: (x, np.ones(3)))
    for _ in range(5):
        _, array = step(np.ones(2))
        assert array.tolist() == [1, 1, 1]
        array[:] = 7


def test_results_are_known_to_no_tape(backend):
    w = tg.parameter(np.ones(3))

    @tg.compile
    def forward(x):
        with tg.tape():
            return (x * w).sum()

    for _ in range(4):  # the calls that record like those that replay
        with pytest.raises(tg.TapeError, match=r"tapegrad\.compile is used, call backward in the"):
            forward(np.ones(3)).backward()
    assert w.grad is None
    with tg.tape():
        loss = forward(np.ones(3))  # part of what this tape records
    loss.backward()
    assert w.grad.tolist() == [1.0, 1.0, 1.0]
