"""Python threads, each with tapes of its own; tapes swept elsewhere; forks."""

import os
import threading
import warnings
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

import tapegrad as tg
import tapegrad.numpy as tnp
from tapegrad import tape

pytestmark = pytest.mark.usefixtures("backend")


def train(seed, steps=30):
    """A small network's parameters after some steps; the same for the same seed."""
    rng = np.random.default_rng(seed)
    x, y = rng.normal(size=(16, 5)), rng.normal(size=(16, 2))
    params = [tg.parameter(rng.normal(size=s)) for s in ((5, 8), (8,), (8, 2), (2,))]
    for _ in range(steps):
        with tape() as t:
            h = tnp.tanh(x @ params[0] + params[1])
            loss = ((h @ params[2] + params[3] - y) ** 2).mean()
        for p, g in zip(params, t.gradient(loss, params)):
            p.assign(p - 0.05 * g)
    return [p.numpy().copy() for p in params], loss.item()


def test_eight_threads_train_as_one_would():
    want = [train(seed) for seed in range(8)]
    assert want[0][1] != want[1][1]
    barrier = threading.Barrier(8)

    def start(seed):
        barrier.wait()
        return train(seed)

    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(start, range(8)))
    for (params, loss), (want_params, want_loss) in zip(found, want):
        assert loss == want_loss
        for p, q in zip(params, want_params):
            np.testing.assert_array_equal(p, q)


def test_threads_share_parameters_and_read_their_own_tapes():
    w = tg.parameter(np.arange(4.0))

    def gradient(scale):
        with tape() as t:
            y = (w * w * scale).sum()
        return t.gradient(y, w).numpy()

    with ThreadPoolExecutor(8) as pool:
        for k, g in enumerate(pool.map(gradient, range(100))):
            np.testing.assert_allclose(g, 2 * k * np.arange(4.0))


def test_an_open_tape_records_only_its_own_thread():
    w = tg.parameter(2.0)
    with tape() as t, ThreadPoolExecutor(1) as pool:
        pool.submit(lambda: w * 3).result()
        y = w * 5
    assert len(t) == 1
    assert t.gradient(y, w).item() == 5.0


def test_a_closed_tape_may_be_swept_by_another_thread():
    w = tg.parameter(np.arange(3.0))
    with tape() as t:
        y = (w * w).sum()
    with ThreadPoolExecutor(1) as pool:
        g = pool.submit(t.gradient, y, w).result()
    np.testing.assert_allclose(g, 2 * np.arange(3.0))


def test_a_tape_outlives_the_thread_that_recorded_it():
    w = tg.parameter(np.arange(3.0))
    found = []

    def record():
        with tape() as t:
            y = (w * w).sum()
        found.append((t, y))

    thread = threading.Thread(target=record)
    thread.start()
    thread.join()
    ((t, y),) = found
    np.testing.assert_allclose(t.gradient(y, w), 2 * np.arange(3.0))


def test_no_grad_is_per_thread():
    w = tg.parameter(2.0)

    def count():
        with tape() as t:
            w * 3
        return len(t)

    with tg.no_grad(), ThreadPoolExecutor(1) as pool:
        assert pool.submit(count).result() == 1
        assert count() == 0


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this platform")
def test_a_forked_child_trains(threads):
    threads(2)
    big = tnp.ones((700, 700))
    (big @ big).sum().item()  # the parent's pool has started
    w = tg.parameter(np.arange(3.0))
    with tape() as t:
        y = (w * w).sum()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of forking with threads
        pid = os.fork()
    if not pid:
        status = 1
        try:
            right = np.array_equal(t.gradient(y, w).numpy(), 2 * np.arange(3.0))
            right &= (big @ big)[0, 0].item() == 700.0
            right &= train(0)[1] == train(0)[1]
            status = 0 if right else 2
        finally:
            os._exit(status)
    assert os.waitpid(pid, 0)[1] == 0
    np.testing.assert_allclose(t.gradient(y, w), 2 * np.arange(3.0))


def test_many_threads_come_and_go():
    w = tg.parameter(1.5)
    for _ in range(20):
        workers = [threading.Thread(target=lambda: (w * w).item()) for _ in range(5)]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()
    with tape() as t:
        y = w * w
    assert t.gradient(y, w).item() == 3.0
