"""compiled.profile: the time of each entry, and what it leaves behind."""

import numpy as np
import pytest

import tapegrad as tg
from tapegrad import nn, optim
from tapegrad.replay.profile import measure

X = np.linspace(-1, 1, 60, dtype="f4").reshape(15, 4)


def training():
    model = nn.MLP(4, [8, 3], "tanh")
    optimizer = optim.SGD(model.parameters(), lr=0.1)

    @tg.compile
    def step(x, scale=1.0):
        with tg.tape():
            loss = (model(x) * scale).sum()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return loss

    return model, step


@pytest.mark.skipif(tg.backend() != "native", reason="times are those of the C core")
class TestNative:
    def test_each_entry_has_a_time_and_each_run_is_a_step(self):
        tg.manual_seed(0)
        model, step = training()
        tg.manual_seed(0)
        twin, same = training()
        found = step.profile(X, runs=5)
        for _ in range(8):
            same(X)
        for p, q in zip(model.parameters(), twin.parameters()):
            np.testing.assert_array_equal(p, q)
        assert [t.entry for t in found] == step.program.entries
        assert sum(t.seconds for t in found) > 0  # a clock may be coarse, but not for all of it
        text = str(found).splitlines()
        assert len(text) == len(found) + 1
        assert "linear(x0" in text[0]
        assert text[-1].endswith(f"{len(found)} entries")

    def test_the_program_is_that_of_the_arguments(self):
        _, step = training()
        step.profile(X, runs=1)
        step.profile(X[:3], runs=1)
        assert "f32(15, 8)" in str(step.profile(X, runs=2))
        assert "f32(3, 8)" in str(step.profile(X[:3], scale=1.0, runs=2))

    def test_nothing_is_timed_afterwards(self):
        _, step = training()
        step.profile(X, runs=1)
        assert step._last.ready.core.step_ns is None

    def test_calls_that_replay_something_else_are_an_error(self):
        factors = iter((1.0, 2.0, 3.0))
        state = {"factor": 1.0}
        changing = tg.compile(lambda x: x * state["factor"])
        changing.profile(X, runs=3)

        def call():
            state["factor"] = next(factors)
            changing(X)

        ready = changing._last.ready
        with pytest.raises(tg.ReplayError, match="not all calls replayed the same"):
            measure(ready, call, runs=3)
        assert ready.core.step_ns is None

    def test_an_empty_program(self):
        assert tg.compile(lambda x: x).profile(X, runs=2) == []


def test_bad_arguments():
    _, step = training()
    for runs in (0, -1):
        with pytest.raises(ValueError, match=f"runs is {runs}; it must be at least 1"):
            step.profile(X, runs=runs)
    for runs in (1.5, True, "many"):
        with pytest.raises(TypeError, match=r"runs is .*; it must be a whole number"):
            step.profile(X, runs=runs)
    if tg.backend() == "numpy":
        with pytest.raises(tg.ReplayError, match="native engine"):
            step.profile(X)


@pytest.mark.skipif(tg.backend() != "native", reason="C takes the times")
def test_a_compiled_method_is_profiled_without_its_object():
    class Trainer:
        @tg.compile
        def step(self, x):
            return (x * 2.0).sum()

    assert "multiply" in str(Trainer().step.profile(np.ones((8, 3), "f4"), runs=3))
