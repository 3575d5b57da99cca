"""The C core's own threads: many callers, pools that change size, work that splits."""

import threading

import numpy as np
import pytest

import tapegrad as tg
import tapegrad.numpy as tnp
from tapegrad import tape

pytest.importorskip("tapegrad._core", reason="the C core is not built")

pytestmark = pytest.mark.usefixtures("native")


def big(seed, shape=(300, 257)):
    return np.random.default_rng(seed).normal(size=shape).astype("f4")


def work(seed):
    """Products, elementwise blocks and reductions large enough to be split, and a sweep."""
    w, x = tg.parameter(big(seed)), tg.tensor(big(seed + 1))
    with tape() as t:
        h = tnp.tanh(x @ w.T) + tnp.exp(-(x * x)).mean(axis=0).sum()
        loss = (h * h).mean() + tg.softmax(h).max(axis=1).sum()
    return t.gradient(loss, w).numpy().tobytes()


def test_callers_share_the_pool(threads):
    threads(1)
    want = [work(seed) for seed in range(4)]
    threads(2)
    found = [b""] * 4
    barrier = threading.Barrier(4)

    def call(k):
        barrier.wait()
        for _ in range(3):
            found[k] = work(k)

    callers = [threading.Thread(target=call, args=(k,)) for k in range(4)]
    for caller in callers:
        caller.start()
    for caller in callers:
        caller.join()
    assert found == want


def test_the_pool_may_change_size_between_calls(threads):
    threads(1)
    want = work(7)
    for n in (2, 4, 1, 3, 2):
        threads(n)
        assert work(7) == want


def test_the_pool_may_change_size_while_others_work(threads):
    threads(2)
    want = work(5)
    stop = threading.Event()
    found = []

    def call():
        while not stop.is_set():
            found.append(work(5))

    caller = threading.Thread(target=call)
    caller.start()
    for n in (1, 3, 2, 4, 2):
        tg.set_num_threads(n)
        work(9)
    stop.set()
    caller.join()
    assert set(found) == {want}


def test_other_python_threads_run_during_long_kernels(threads):
    threads(1)
    a = tg.tensor(big(0, (1500, 1500)))
    ticks = 0
    done = threading.Event()

    def count():
        nonlocal ticks
        while not done.is_set():
            ticks += 1

    counter = threading.Thread(target=count)
    counter.start()
    before = ticks
    for _ in range(5):
        a = (a @ a) * 1e-3
    during = ticks - before
    done.set()
    counter.join()
    assert during > 100
