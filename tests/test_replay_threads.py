"""Compiled functions and Python threads: calls of one take turns, and no wait is for ever."""

import os
import queue
import signal
import threading
import time
import warnings
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from corpus import training

import tapegrad as tg
from tapegrad import nn, optim

pytestmark = pytest.mark.usefixtures("backend")

X = np.random.default_rng(0).normal(size=(32, 16)).astype("f4")
Y = np.random.default_rng(1).integers(0, 4, 32)
SECONDS = 20  # what must come, comes well before


def make(seed=0):
    """A training step and its parameters."""
    tg.manual_seed(seed)
    net = nn.MLP(16, [24, 4], "tanh")
    adam = optim.Adam(net.parameters(), lr=0.01)

    return tg.compile(training(net, adam)), net


def state(net):
    return [p.numpy().tobytes() for p in net.parameters()]


def together(*functions):
    """What they return, each called in a thread of its own, started at once."""
    barrier = threading.Barrier(len(functions))

    def call(function):
        barrier.wait(SECONDS)
        return function()

    with ThreadPoolExecutor(len(functions)) as pool:
        return [found.result(SECONDS) for found in [pool.submit(call, f) for f in functions]]


@pytest.mark.parametrize("warm", [0, 3])
def test_threads_that_call_one_step_take_turns(warm):
    step, net = make()
    losses = [step(X, Y).item() for _ in range(warm)]

    def train():
        return [step(X, Y).item() for _ in range(20)]

    def train_by_epochs():
        return step.epoch(np.tile(X, (20, 1)), np.tile(Y, 20), batch_size=32).tolist()

    for found in together(train, train, train_by_epochs):
        assert found == sorted(found, reverse=True)  # it sees every step it makes
        losses += found
    alone, other = make()
    expected = [alone(X, Y).item() for _ in range(60 + warm)]
    assert sorted(losses, reverse=True) == expected
    assert state(net) == state(other)


def test_threads_with_steps_of_their_own_do_not_mind_each_other():
    def train(step, net):
        return [step(X, Y).item() for _ in range(30)], state(net)

    expected = [train(*make(seed)) for seed in range(4)]
    pairs = [make(seed) for seed in range(4)]  # seeds are the process's: not drawn in threads
    assert together(*[lambda pair=pair: train(*pair) for pair in pairs]) == expected


def test_a_thread_that_calls_in_a_loop_does_not_starve_others():
    step, _ = make()
    for _ in range(3):
        step(X, Y)
    started, stop = threading.Event(), threading.Event()

    def busy():
        while not stop.is_set():
            step(X, Y)
            started.set()

    def few():
        assert started.wait(SECONDS)
        for _ in range(20):
            step(X, Y)
        stop.set()

    together(busy, few)  # in time


def waiting_step():
    """A compiled function with a Python op, and a queue of what that op calls once each."""
    in_op = queue.SimpleQueue()  # no guard looks into one

    @tg.primitive
    def op(x):
        if not in_op.empty():
            in_op.get()()
        return x * 2.0

    step = tg.compile(lambda x: op(x) + 1.0)
    for _ in range(3):
        step(X)
    return step, in_op


def stopping_step():
    """One whose next call sets an event in its Python op, and goes on at another."""
    step, in_op = waiting_step()
    inside, go_on = threading.Event(), threading.Event()
    in_op.put(lambda: (inside.set(), go_on.wait(SECONDS)))
    return step, inside, go_on


def test_another_thread_waits_for_a_step_in_python():
    step, inside, go_on = stopping_step()
    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(step, X)
        assert inside.wait(SECONDS)
        second = pool.submit(step, X)
        time.sleep(0.1)
        assert not second.done()
        go_on.set()
        for found in first, second:
            np.testing.assert_array_equal(found.result(SECONDS).numpy(), X * 2 + 1)


def test_ctrl_c_ends_a_wait():
    step, inside, go_on = stopping_step()
    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(step, X)
        assert inside.wait(SECONDS)
        pool.submit(lambda: (time.sleep(0.2), os.kill(os.getpid(), signal.SIGINT)))
        begun = time.monotonic()
        with pytest.raises(KeyboardInterrupt):
            step(X)
        assert time.monotonic() - begun < 5  # 0.25 on an idle machine
        go_on.set()
        np.testing.assert_array_equal(first.result(SECONDS).numpy(), X * 2 + 1)
    np.testing.assert_array_equal(step(X).numpy(), X * 2 + 1)


def test_a_step_that_calls_itself_in_a_python_op_is_an_error():
    if tg.backend() == "numpy":
        pytest.skip("the NumPy engine keeps nothing of a run: it may call itself")
    step, in_op = waiting_step()
    in_op.put(lambda: step(X))
    with pytest.raises(tg.TapeError, match="call the plain function there"):
        step(X)
    for _ in range(3):
        step(X[:5])
    found = []
    in_op.put(lambda: found.append(step(X[:5])))  # other shapes: another program
    np.testing.assert_array_equal(step(X).numpy(), X * 2 + 1)
    np.testing.assert_array_equal(found[0].numpy(), X[:5] * 2 + 1)
    np.testing.assert_array_equal(step(X).numpy(), X * 2 + 1)


def test_two_steps_that_would_wait_for_each_other_say_so():
    if tg.backend() == "numpy" and not tg.info()["native"]:
        pytest.skip("Python's own locks do not find this out")
    (one, in_one), (two, in_two) = waiting_step(), waiting_step()
    barrier = threading.Barrier(2)

    def call(other):
        def inner():
            barrier.wait(SECONDS)
            other(X)

        return inner

    in_one.put(call(two))
    in_two.put(call(one))

    def run(step):
        try:
            return step(X).numpy().tobytes()
        except tg.TapeError as error:
            return str(error)

    found = together(lambda: run(one), lambda: run(two))
    assert sum("wait for each other" in x for x in found if isinstance(x, str)) == 1
    assert (X * 2 + 1).tobytes() in found


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this platform")
def test_a_child_forked_in_the_middle_of_a_step_does_not_hang():
    if tg.backend() == "numpy" and not tg.info()["native"]:
        pytest.skip("Python's own locks do not find this out")
    step, inside, go_on = stopping_step()
    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(step, X)
        assert inside.wait(SECONDS)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # of forking with threads
            pid = os.fork()
        if not pid:
            status = 1
            try:
                step(X)
            except tg.TapeError as error:
                status = 0 if "forked" in str(error) else 2
            finally:
                os._exit(status)
        go_on.set()
        assert os.waitpid(pid, 0)[1] == 0
        np.testing.assert_array_equal(first.result(SECONDS).numpy(), X * 2 + 1)


def gradient(x):
    with tg.tape() as t:
        t.watch(x)
        y = (x * x).sum()
    return t.gradient(y, x)


@pytest.mark.parametrize(
    "compute",
    [lambda x, w: x * 2, lambda x, w: w * 2, lambda x, w: x.astype("i8"), lambda x, w: gradient(x)],
    ids=["of an argument", "of a parameter", "by NumPy", "a sweep"],
)
@pytest.mark.parametrize("after", [lambda y: y * 3, lambda y: y], ids=["used", "returned"])
def test_what_another_thread_computes_for_a_step_is_refused(compute, after, backend):
    w = tg.parameter(np.ones(3))

    def step(x):
        found = []
        worker = threading.Thread(target=lambda: found.append(compute(x, w)))
        worker.start()
        worker.join()
        return after(found[0])

    compiled = tg.compile(step)
    compiled(np.ones(3))
    with pytest.raises(tg.ReplayError, match="what other threads compute is outside"):
        compiled(np.ones(3))
