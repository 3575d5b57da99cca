"""What goes into an epoch and what comes out: layouts of data, bad input, results stacked."""

import numpy as np
import pytest
from test_replay_epoch import Drawn, X, Y, make

import tapegrad as tg
from tapegrad.errors import ShapeError


def misaligned(array):
    moved = np.empty(array.nbytes + 1, "u1")[1:].view(array.dtype).reshape(array.shape)
    moved[...] = array
    assert not moved.flags.aligned
    return moved


@pytest.mark.parametrize(
    ("make_data", "sums"),
    [
        (lambda: np.ones((9, 3)), [9, 0, 0]),
        (lambda: np.ones((3, 9)).T, [9, 0, 0]),
        (lambda: np.ones((9, 3), ">f8"), [9, 9, 9]),
        (lambda: misaligned(np.ones((9, 3))), [9, 9, 9]),
        (lambda: tg.tensor(np.ones((9, 3))), [9, 9, 9]),
    ],
    ids=["plain", "transposed", "swapped", "misaligned", "tensor"],
)
def test_what_a_callback_writes_is_seen_in_arrays_read_in_place(make_data, sums, backend):
    data = make_data()

    def write(steps, result):
        data[...] = 0.0

    found = tg.compile(lambda x: x.sum()).epoch(data, batch_size=3, callback=write)
    assert found.tolist() == sums


@pytest.mark.parametrize(
    ("arrays", "options", "error", "message"),
    [
        ((X, Y[:5]), {"batch_size": 8}, ShapeError, "same number of rows"),
        ((list(X), Y[:7]), {"batch_size": 8}, ShapeError, r"got \(5,\), \(7,\)$"),
        ((), {"batch_size": 8}, ShapeError, "no arrays"),
        ((X, np.float32(1)), {"batch_size": 8}, ShapeError, "same number of rows"),
        ((X, Y), {"batch_size": 0}, ValueError, "batch_size is 0"),
        ((X, Y), {"batch_size": 8, "every": 0}, ValueError, "every is 0"),
        ((X, Y), {"batch_size": 8.0}, TypeError, r"batch_size is 8\.0; .* whole number"),
        ((X, Y), {"batch_size": True}, TypeError, "batch_size is True; .* whole number"),
        ((X, Y), {"batch_size": 8, "every": True}, TypeError, "every is True; .* whole number"),
        ((X, Y), {"batch_size": 8, "drop_last": "no"}, TypeError, "drop_last is 'no'"),
        ((X, Y), {"batch_size": 8, "callback": 3}, TypeError, "callback is 3"),
        ((X, Y), {"batch_size": 60, "drop_last": True}, ValueError, "no batch of 60 in"),
        ((X[:0], Y[:0]), {"batch_size": 8}, ValueError, "arrays with rows"),
        ((X, Y), {"batch_size": 8, "shuffle": "yes"}, TypeError, "a seed or a Generator"),
        ((X, Y), {"batch_size": 8, "shuffle": Drawn([0, 1])}, ValueError, "no permutation of 53"),
        ((X, Y), {"batch_size": 8, "shuffle": Drawn([0] * 53)}, ValueError, "no permutation"),
        ((tg.parameter(X),), {"batch_size": 8}, ShapeError, "no parameters"),
        (([[1.0, 2.0]],), {"batch_size": 8}, TypeError, "argument 0 is a list without arrays"),
        ((X, [1.0, 2.0]), {"batch_size": 8}, TypeError, "argument 1 is a list"),
        ((2.0,), {"batch_size": 8}, ShapeError, "give ndarrays"),
    ],
)
def test_bad_input(arrays, options, error, message):
    step, *_ = make()
    with pytest.raises(error, match=message):
        step.epoch(*arrays, **options)


def test_a_result_per_row_needs_whole_batches():
    @tg.compile
    def double(x):
        return x * 2

    assert double.epoch(X, batch_size=8, drop_last=True).shape == (6, 8, 5)
    with pytest.raises(ShapeError, match="drop_last"):
        double.epoch(X, batch_size=8)


def test_results_of_any_nesting_are_stacked():
    @tg.compile
    def step(x):
        y = x.sum(axis=1)
        return {"y": y, "again": [y, (x.mean(), 3)]}

    for _ in range(2):
        found = step.epoch(X, batch_size=2, drop_last=True)
        np.testing.assert_array_equal(found["again"][1][1], [3] * 26)
        np.testing.assert_array_equal(found["y"], found["again"][0])
        np.testing.assert_array_equal(found["y"][3], np.asarray(step(X[6:8])["y"]))
        assert found["again"][1][0].shape == (26,)


def test_numbers_among_results_are_stacked_and_other_plain_values_the_last():
    @tg.compile
    def step(x):
        return x.sum(), len(x), "text", x[:0]

    for _ in range(2):
        total, rows, text, empty = step.epoch(X, batch_size=20)
        assert (rows.tolist(), text) == ([20, 20, 13], "text")
        assert total.shape == (3,)
        assert empty.shape == (3, 0, X.shape[1])


def test_an_epoch_of_steps_without_results_runs_all_of_them():
    w = tg.parameter(np.zeros(5, "f4"))

    @tg.compile
    def step(x):
        w.assign(w + x.sum(axis=0))

    for _ in range(2):
        assert step.epoch(np.ones((8, 5), "f4"), batch_size=2) is None
    assert w.tolist() == [16] * 5


@pytest.mark.parametrize(
    "results",
    [
        lambda x: x.sum() if len(x) == 8 else (x.sum(), x.sum()),
        lambda x: x.sum() if len(x) == 8 else x.sum().astype("f8"),
        lambda x: (x.sum(), x.sum()) if len(x) == 8 else x.sum(),
    ],
)
def test_results_that_cannot_be_stacked_are_an_error(results):
    step = tg.compile(results)
    for _ in range(3):
        with pytest.raises(ShapeError, match="cannot be stacked"):
            step.epoch(X, batch_size=8)


ODD = {
    "big endian": X.astype(">f4"),
    "unaligned": np.frombuffer(b"." + X.tobytes(), "u1")[1:].view("f4").reshape(X.shape),
    "field": np.array([(x, 1) for x in X], [("x", "f4", 5), ("y", "i2")])["x"],
    "columns": np.asfortranarray(X),
    "reversed": X[:, ::-1][:, ::-1],
    "read-only": np.broadcast_to(X[:1], X.shape),
    "half": X.astype("f2"),
    "Tensor": tg.tensor(X),
}


@pytest.mark.parametrize("form", ODD)
@pytest.mark.parametrize("shuffle", [False, 3])
def test_data_of_any_layout(form, shuffle):
    data = ODD[form]
    order = tg.random.Generator(3).permutation(53) if shuffle else np.arange(53)
    rows = np.asarray(data)[order][:48].reshape(6, 8, 5)
    step = tg.compile(lambda x: (x * 2, x.sum(axis=0)))
    for _ in range(3):
        doubled, total = step.epoch(data, batch_size=8, shuffle=shuffle, drop_last=True)
        np.testing.assert_array_equal(doubled, rows * 2)
        np.testing.assert_allclose(total, rows.sum(axis=1), rtol=1e-3)
