"""Epochs in C: the bits of one call after the other, whatever the data's layout and order."""

import time

import numpy as np
import pytest
from building import ASSIGN, Building, Program, allocations

import tapegrad as tg
from tapegrad.ops.table import OPS

pytestmark = pytest.mark.skipif(
    tg.backend() != "native", reason="programs run on the native engine only"
)

BATCH = 4


def make_step():
    """p += mean of the rows of x, times y; gives p's sum and the noisy rows; p's gradient too."""
    p = tg.parameter(np.zeros(6, "f4"))
    b = Building()
    x, y = b.argument(np.zeros((BATCH, 3, 2), "f4")), b.argument(np.zeros((BATCH, 6), "f8"))
    held = b.captured(p)
    rows = b.run("reshape", [x], (BATCH, 6), params=(BATCH, 6), role="v")
    factor = b.run("astype", [y], (BATCH, 6), params=(0,))
    noise = b.planned((BATCH, 6), "f4")
    b.step(Program.RANDOM, 0, [], [noise], (0.0, 1.0), (0, 0))
    noisy = b.value((BATCH, 6), "f4", "o")
    calls = [("multiply", -1, (0, 1), 4, ()), ("add", -1, (4, 2), 3, ())]
    b.group([rows, factor, noise], [noisy], calls)
    mean = b.run("mean", [noisy], (6,), params=(0, 0), role="o")
    more = b.run("add", [held, mean], (6,))
    b.step(Program.RUN, ASSIGN, [held, more], [b.value((6,), "f4", "v")])
    total = b.run("sum", [held], (), params=(0, 0), role="o")
    return b.program([total, noisy], [(p, mean)]), p


BLOCKS = 6  # Philox blocks of 24 numbers


def one_by_one(x, y, order, n):
    program, p = make_step()
    results = []
    for i in range(n):
        rows = order[i * BATCH : (i + 1) * BATCH]
        batch = [np.ascontiguousarray(x[rows]), np.ascontiguousarray(y[rows])]
        results.append([t.numpy() for t in program.run(batch, (7, 100 + i * BLOCKS))])
    return [np.stack(r) for r in zip(*results, strict=True)], p


def run_all(program, data, order, n, results, seed=(7, 100)):
    done = 0
    while done < n:
        state = (seed[0], seed[1] + done * BLOCKS, BLOCKS)
        done += program.run_epoch(data, order, BATCH, done, n - done, results, state)
        assert program.failed_step == -1


def layouts(a):
    wide = np.zeros((*a.shape, 2), a.dtype)
    wide[..., 0] = a
    return [a, a[::-1].copy()[::-1], np.asfortranarray(a), wide[..., 0]]


@pytest.mark.parametrize("layout", range(4))
@pytest.mark.parametrize("shuffled", [False, True])
def test_an_epoch_has_the_bits_of_its_steps(layout, shuffled, rng):
    n = 9
    x = rng.normal(size=(n * BATCH + 3, 3, 2)).astype("f4")
    y = rng.normal(size=(n * BATCH + 3, 6))
    order = rng.permutation(len(x)) if shuffled else np.arange(len(x))
    wanted, p = one_by_one(x, y, order, n)
    program, q = make_step()
    for _ in range(2):  # again, over memory that has settled
        q.assign(tg.tensor(np.zeros(6, "f4")))
        results = [np.empty(n, "f4"), np.empty((n, BATCH, 6), "f4")]
        data = [layouts(x)[layout], layouts(y)[layout]]
        run_all(program, data, order if shuffled else None, n, results)
        for found, w in zip(results, wanted, strict=True):
            assert found.tobytes() == w.tobytes()
        assert q.tolist() == p.tolist()
        assert q.grad.tolist() == p.grad.tolist()
    before, fallbacks = allocations(), program.fallbacks
    run_all(program, data, order if shuffled else None, n, results)
    assert allocations() == before
    assert program.fallbacks == fallbacks


def test_an_epoch_returns_within_a_tenth_of_a_second():
    b = Building()
    x = b.argument(np.zeros((1, 1000), "f4"))
    y = b.value((1, 1000), "f4", "o")
    b.group([x], [y], [("tanh", -1, (0,), 2, ())] + [("tanh", -1, (2 + i,), 3 + i, ())
            for i in range(200)] + [("exp", -1, (202,), 1, ())])  # fmt: skip
    program = b.program([y])
    n = 100_000
    data = [np.broadcast_to(np.ones(1000, "f4"), (n, 1000))]
    results = [np.empty((n, 1, 1000), "f4")]
    start = time.perf_counter()
    done = program.run_epoch(data, None, 1, 0, n, results)
    assert 0 < done < n
    assert time.perf_counter() - start < 5  # 0.05 on a machine that has nothing else to do
    assert program.run_epoch(data, None, 1, done, 1, results) == 1


def test_a_guard_ends_an_epoch_after_the_steps_before_it():
    b = Building()
    x = b.argument(np.zeros((1,), "f4"))
    b.step(Program.GUARD, 0, [x], (), (True,))
    y = b.run("negative", [x], (1,), role="o")
    program = b.program([y])
    x = np.array([1, 2, 3, 0, 4], "f4")
    results = [np.zeros((5, 1), "f4")]
    assert program.run_epoch([x], None, 1, 0, 5, results) == 3
    assert program.failed_step == 0
    assert results[0][:, 0].tolist() == [-1, -2, -3, 0, 0]
    assert program.run_epoch([x], None, 1, 4, 1, results) == 1
    assert program.failed_step == -1


def test_a_python_step_runs_in_an_epoch_and_its_error_ends_it():
    b = Building()
    x, y = b.argument(np.zeros((2,), "f4")), b.value((2,), "f4", "o")
    seen = []

    def call(inputs):
        seen.append(inputs[0].tolist())
        if len(seen) == 3:
            raise KeyError("third")
        return inputs[0] + 1.0

    b.step(Program.PYTHON, 0, [x], [y], (), call)
    program = b.program([y])
    results = [np.zeros((4, 2), "f4")]
    x = np.arange(8, dtype="f4")
    with pytest.raises(KeyError, match="third"):
        program.run_epoch([x], None, 2, 0, 4, results)
    assert results[0].tolist() == [[1, 2], [3, 4], [0, 0], [0, 0]]
    assert program.run_epoch([x], np.arange(8)[::-1].copy(), 2, 0, 4, results) == 4
    assert results[0].tolist() == [[8, 7], [6, 5], [4, 3], [2, 1]]


X = np.zeros((8, 3), "f4")
R = [np.zeros((4, 2, 3), "f4")]


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        (([X], None, 2, 0, 5, [np.zeros((9, 2, 3), "f4")]), IndexError, "has 8 rows"),
        (([X], None, 2, 4, 1, [np.zeros((9, 2, 3), "f4")]), IndexError, "has 8 rows"),
        (([X], np.arange(7), 2, 0, 4, R), IndexError, "has 8 rows"),
        (([X], np.array([0, 8]), 2, 0, 1, R), IndexError, "row number 8"),
        (([X], np.array([0, -1]), 2, 0, 1, R), IndexError, "row number -1"),
        (([X], None, 4, 0, 1, R), ValueError, "another size"),
        (([X.astype("f8")], None, 2, 0, 1, R), ValueError, "another shape or dtype"),
        (([X[:, :2]], None, 2, 0, 1, R), ValueError, "another shape or dtype"),
        (([], None, 2, 0, 1, R), ValueError, "one array for each input"),
        (([X], None, 2, 0, 1, []), ValueError, "one array for each output"),
        (([X], None, 2, 0, 5, R), ValueError, "results are"),
        (([X], None, 2, 0, 4, [R[0].astype("f8")]), ValueError, "results are"),
        (([X], None, 2, 0, 4, [R[0][:, :, ::-1]]), ValueError, "results are"),
        (([X], np.arange(8.0), 2, 0, 1, R), ValueError, "order is"),
        (([X], None, 0, 0, 1, R), ValueError, "batch_size >= 1"),
        (([X], None, 2, -1, 1, R), ValueError, "first_step >= 0"),
        (([X], None, 2, 0, 2**62, R), ValueError, "n_steps >= 0"),
        (([X.astype(">f4")], None, 2, 0, 1, R), ValueError, "native byte order"),
    ],
)
def test_wrong_epochs_are_refused(arguments, error, message):
    b = Building()
    program = b.program([b.run("negative", [b.argument(X[:2])], (2, 3), role="o")])
    with pytest.raises(error, match=message):
        program.run_epoch(*arguments)
    assert program.run_epoch([X], None, 2, 0, 4, R) == 4


def test_products_of_an_epoch_read_batches_in_place_or_gathered(rng):
    x = rng.normal(size=(64, 16)).astype("f4")
    w = tg.tensor(rng.normal(size=(16, 8)).astype("f4"))
    b = Building()
    y = b.value((8, 8), "f4", "o")
    b.step(Program.RUN, OPS["matmul"].id, [b.argument(x[:8]), b.captured(w)], [y])
    program = b.program([y])
    wanted = np.stack([(tg.tensor(x[i : i + 8]) @ w).numpy() for i in range(0, 64, 8)])
    for order in (None, np.arange(64)):
        results = [np.empty((8, 8, 8), "f4")]
        assert program.run_epoch([x], order, 8, 0, 8, results) == 8
        assert results[0].tobytes() == wanted.tobytes()
