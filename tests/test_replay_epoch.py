"""Epochs: the bits of the same calls one by one, orders, callbacks, gradients, errors."""

import dataclasses
import itertools
import os
import signal
import threading
import time
from functools import partial

import numpy as np
import pytest
from corpus import training

import tapegrad as tg
from tapegrad import nn, optim

X = np.random.default_rng(0).normal(size=(53, 5)).astype("f4")
Y = np.random.default_rng(1).integers(0, 3, 53)


class Drawn:
    """What gives itself out for a generator."""

    def __init__(self, order):
        self.order = order

    def permutation(self, n):
        return self.order


def make():
    tg.manual_seed(3)
    net = nn.Sequential(nn.Linear(5, 8), nn.Tanh(), nn.Dropout(0.25), nn.Linear(8, 3))
    adam = optim.Adam(net.parameters(), lr=0.01)

    train = training(net, adam)
    return tg.compile(lambda x, y: {"loss": train(x, y), "net": "mlp"}), net, adam


def by_hand(step, order, batch_size, drop_last=False):
    losses = []
    for first in range(0, len(order), batch_size):
        rows = order[first : first + batch_size]
        if len(rows) == batch_size or not drop_last:
            losses.append(step(X[rows], Y[rows])["loss"].item())
    return losses


@pytest.mark.parametrize(
    ("batch_size", "drop_last"), [(1, False), (8, False), (8, True), (53, True), (60, False)]
)
def test_an_epoch_has_the_bits_of_its_calls(batch_size, drop_last):
    epochs, net, _ = make()
    found = [epochs.epoch(X, Y, batch_size=batch_size, drop_last=drop_last) for _ in range(4)]
    state = tg.get_rng_state()
    calls, other, _ = make()
    expected = [by_hand(calls, np.arange(53), batch_size, drop_last) for _ in range(4)]
    assert [f["loss"].tolist() for f in found] == expected
    assert found[0]["net"] == "mlp"
    assert found[0]["loss"].dtype == np.float32
    assert tg.get_rng_state() == state
    for p, q in zip(net.parameters(), other.parameters(), strict=True):
        np.testing.assert_array_equal(p.numpy(), q.numpy())
        np.testing.assert_array_equal(p.grad.numpy(), q.grad.numpy())


@pytest.mark.parametrize("dtype", ["f2", "c8"])
def test_an_epoch_updates_parameters_that_c_has_no_kernels_for(dtype, backend):
    found = []
    for way in ("epochs", "calls"):
        w = tg.parameter(np.ones(5, dtype))
        train = tg.compile(training(lambda x, w=w: abs(x * w), optim.Adam([w], lr=0.01)))
        if way == "epochs":
            losses = [train.epoch(X, Y, batch_size=8).tolist() for _ in range(3)]
        else:
            batches = [slice(k, k + 8) for k in range(0, 53, 8)]
            losses = [[train(X[b], Y[b]).item() for b in batches] for _ in range(3)]
        found.append((losses, w.numpy().tolist(), w.grad.numpy().tolist()))
    assert found[0] == found[1]


@pytest.mark.parametrize(
    ("shuffle", "order"),
    [
        (7, lambda: tg.random.Generator(7).permutation(53)),
        (True, lambda: tg.random.default_generator().permutation(53)),
        (np.random.default_rng(5), lambda: np.random.default_rng(5).permutation(53)),
        (tg.random.Generator(5), lambda: tg.random.Generator(5).permutation(53)),
        (np.int64(7), lambda: tg.random.Generator(7).permutation(53)),
    ],
)
def test_shuffled(shuffle, order):
    epochs, *_ = make()
    found = [epochs.epoch(X, Y, batch_size=8, shuffle=7)["loss"].tolist() for _ in range(2)]
    found.append(epochs.epoch(X, Y, batch_size=8, shuffle=shuffle)["loss"].tolist())
    calls, *_ = make()
    seven = tg.random.Generator(7).permutation(53)
    assert found[:2] == [by_hand(calls, seven, 8) for _ in range(2)]
    assert found[2] == by_hand(calls, order(), 8)


def test_a_callback_sees_results_changes_rates_and_stops():
    epochs, _, adam = make()
    seen = []

    def callback(steps, result):
        seen.append((steps, result["loss"].item()))
        adam.lr = 0.01 / steps
        return steps >= 5

    found = epochs.epoch(X, Y, batch_size=8, callback=callback, every=2)
    assert [s for s, _ in seen] == [2, 4, 6]
    assert [x for _, x in seen] == found["loss"][1::2].tolist()
    assert len(found["loss"]) == 6
    calls, _, adam = make()
    losses = []
    for k in range(6):
        losses.append(calls(X[8 * k : 8 * k + 8], Y[8 * k : 8 * k + 8])["loss"].item())
        if k % 2:
            adam.lr = 0.01 / (k + 1)
    assert losses == found["loss"].tolist()


def test_what_a_callback_is_given_is_its_own():
    step = tg.compile(lambda x: x.mean(axis=0))
    expected = step.epoch(X, batch_size=8)

    def overwrite(steps, result):
        result[...] = 0.0

    np.testing.assert_array_equal(step.epoch(X, batch_size=8, callback=overwrite), expected)


def test_ctrl_c_leaves_a_step_boundary():
    epochs, net, _ = make()

    def interrupt(steps, result):
        if steps == 4:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        epochs.epoch(X, Y, batch_size=8, callback=interrupt, every=2)
    calls, other, _ = make()
    for k in range(4):
        calls(X[8 * k : 8 * k + 8], Y[8 * k : 8 * k + 8])
    for p, q in zip(net.parameters(), other.parameters(), strict=True):
        np.testing.assert_array_equal(p.numpy(), q.numpy())


def test_errors_of_a_recorded_step_are_eagers(backend):
    step = tg.compile(lambda x, y: nn.cross_entropy(x, y))
    with pytest.raises(IndexError, match="cross_entropy"):
        step(np.ones((2, 3), "f4"), np.array([0, 9]))


def accumulating(clears_every):
    """A step that adds to .grad, and what to call after it: every so many steps it starts anew."""
    tg.manual_seed(3)
    net = nn.Sequential(nn.Linear(5, 8), nn.Dropout(0.25), nn.Linear(8, 3))
    sgd = optim.SGD(net.parameters(), lr=0.01)
    kept = []

    @tg.compile
    def step(x, y):
        with tg.tape():
            loss = nn.cross_entropy(net(x), y)
        loss.backward()
        return loss

    def after(steps, result):
        kept.append(net[0].weight.grad)
        if steps % clears_every == 0:
            sgd.step()
            sgd.zero_grad()

    return step, net, after, kept


@pytest.mark.parametrize("clears_every", [2, 3, 9])
def test_gradients_are_carried_from_step_to_step(clears_every):
    found = []
    for by_hand in False, True:
        step, net, after, kept = accumulating(clears_every)
        losses = []
        for _ in range(3):
            if by_hand:
                for k in range(10):
                    losses.append(step(X[5 * k : 5 * k + 5], Y[5 * k : 5 * k + 5]).item())
                    if k % clears_every == clears_every - 1 or k == 9:
                        after(k + 1, None)
            else:
                options = {"callback": after, "every": clears_every, "drop_last": True}
                losses += step.epoch(X[:50], Y[:50], batch_size=5, **options).tolist()
        found.append(
            [losses, [p.numpy().tolist() for p in net.parameters()], [g.tolist() for g in kept]]
        )
    assert found[0] == found[1]


def test_gradients_are_carried_in_c():
    step, net, *_ = accumulating(9)
    for _ in range(4):
        step(X[:5], Y[:5])
    variant, steps = step.ready_for((X[:5], Y[:5]), 9)
    if tg.backend() == "native":
        assert variant.ready.grads_read
        assert steps == 9
    kept = net[0].weight.grad
    before = kept.tolist()
    step.epoch(X, Y, batch_size=5)
    assert kept.tolist() == before  # a Tensor that a user holds is nobody's to write


@pytest.mark.parametrize("bad_at", [0, 1, 4, 9])
def test_an_error_leaves_what_the_steps_before_it_did(bad_at):
    labels = Y.copy()
    labels[5 * bad_at + 2] = 7  # there are three
    found = []
    for by_hand in False, True:
        step, net, *_ = accumulating(99)
        for _ in range(3):
            step(X[:5], Y[:5])
        for k in range(bad_at if by_hand else 0):
            step(X[5 * k : 5 * k + 5], labels[5 * k : 5 * k + 5])
        run = partial(step.epoch, X, labels, batch_size=5)
        if by_hand:
            run = partial(step, X[5 * bad_at : 5 * bad_at + 5], labels[5 * bad_at : 5 * bad_at + 5])
        with pytest.raises(IndexError, match="cross_entropy"):
            run()
        found.append([tg.get_rng_state(), [p.grad.tolist() for p in net.parameters()]])
        for _ in range(2):
            found[-1].append(step(X[:5], Y[:5]).item())
    assert found[0] == found[1]


@tg.primitive
def checked(z):
    if np.isnan(z).any():
        raise KeyError("nan", 3)
    return z * 2


tg.defvjp(checked, lambda ans, z: lambda g: g * 2)


def test_primitives_of_integers_run_anew_at_each_step(backend):
    order = tg.primitive(lambda x: (np.argsort(x[:, 0]), x[:, 0] > 0))
    step = tg.compile(lambda x: order(x))
    found, signs = step.epoch(X[:50], batch_size=5)
    rows = X[:50, 0].reshape(10, 5)
    np.testing.assert_array_equal(found, np.argsort(rows, axis=1))
    np.testing.assert_array_equal(signs, rows > 0)


def spoil_label(x, y, row):
    y[row] = 7


def spoil_value(x, y, row):
    x[row, 2] = np.nan


@pytest.mark.parametrize("shuffle", [False, 7])
@pytest.mark.parametrize("bad_at", [0, 1, 4, 10])
@pytest.mark.parametrize(
    ("loss_of", "spoil", "error", "text"),
    [
        (nn.cross_entropy, spoil_label, IndexError, "label 7"),
        (lambda z, y: nn.cross_entropy(checked(z), y), spoil_value, KeyError, "'nan', 3"),
    ],
    ids=["in C", "in Python"],
)
def test_an_error_names_its_step_and_rows(loss_of, spoil, error, text, bad_at, shuffle, backend):
    order = tg.random.Generator(7).permutation(53) if shuffle else np.arange(53)
    batches = [order[first : first + 5] for first in range(0, 53, 5)]
    rows = batches[bad_at]
    x, y = X.copy(), Y.copy()
    spoil(x, y, rows[1])
    shown = ", ".join(map(str, rows)) if shuffle else f"{rows[0]} to {rows[-1]}"
    found = []
    for warm, by_hand in itertools.product([0, 3], [False, True]):
        tg.manual_seed(3)
        net = nn.Sequential(nn.Linear(5, 8), nn.Dropout(0.25), nn.Linear(8, 3))
        step = tg.compile(training(net, optim.SGD(net.parameters(), lr=0.1), loss_of))
        for _ in range(warm):
            step(X[:5], Y[:5])
        run = partial(step.epoch, x, y, batch_size=5, shuffle=shuffle)
        if by_hand:
            run = lambda step=step: [step(x[rows], y[rows]) for rows in batches]  # noqa: E731
        with pytest.raises(error, match=text) as info:
            run()
        notes = [] if by_hand else [f"in step {bad_at} of the epoch, of rows {shown}"]
        assert getattr(info.value, "__notes__", []) == notes
        found.append([tg.get_rng_state(), [p.numpy().tobytes() for p in net.parameters()]])
    assert found[0] == found[1]
    assert found[2] == found[3]


def test_a_branch_in_mid_epoch_finds_the_gradients_of_the_step_before():
    found = []
    for by_hand in False, True:
        w = tg.parameter(np.ones(5, "f4"))

        @tg.compile
        def step(x, w=w):
            with tg.tape():
                loss = (x * w).sum()
            loss.backward()
            if (w.grad * w.grad).sum() > 40:
                w.grad = None
            return loss

        for _ in range(4):
            if by_hand:
                for k in range(10):
                    step(X[5 * k : 5 * k + 5])
            else:
                step.epoch(X[:50], batch_size=5)
        found.append(None if w.grad is None else w.grad.tolist())
    assert found[0] == found[1]


def test_an_epoch_audits_as_its_calls_would():
    ticks = itertools.count()

    @tg.compile(audit=4)
    def step(x):
        next(ticks)  # what no guard sees
        return (x * 2.0).sum()

    step.epoch(X, batch_size=1)
    replays = 53 - 2
    assert next(ticks) == 2 + (replays - 1) // 4


@dataclasses.dataclass
class Scaler:
    factors: np.ndarray  # as many as there are rows of data
    lift: float = 1.0

    @tg.compile
    def step(self, x):
        return x * self.factors.sum() + self.lift


def test_a_methods_object_has_no_rows(backend):
    scaler, rows = Scaler(np.arange(6.0)), np.arange(6.0)

    def change(steps_done, result):
        scaler.factors = scaler.factors + 1.0

    for _ in range(3):
        factors = np.arange(6.0)
        scaler.factors = factors
        found = scaler.step.epoch(rows, batch_size=2, callback=change)
        expected = [rows[2 * k : 2 * k + 2] * (factors + k).sum() + 1.0 for k in range(3)]
        np.testing.assert_array_equal(found, expected)


def test_a_compiled_method_has_epochs():
    class Trainer:
        def __init__(self):
            self.w = tg.parameter(np.zeros(5, "f4"))

        @tg.compile
        def step(self, x, rate=0.5):
            self.w.assign(self.w + rate * x.mean(axis=0))
            return self.w.sum()

    one, other = Trainer(), Trainer()
    for _ in range(3):
        losses = one.step.epoch(X, batch_size=8).tolist()
        assert losses == [other.step(X[k : k + 8]).item() for k in range(0, 53, 8)]
    assert "programs" in one.step.explain()


def test_a_signal_ends_an_epoch_at_a_steps_boundary():
    step, net, _ = make()
    many, labels = np.tile(X[:48], (400, 1)), np.tile(Y[:48], 400)
    whole = itertools.count()
    step.epoch(X[:48], Y[:48], batch_size=8)

    def train():
        for _ in range(2000):
            step.epoch(many, labels, batch_size=8)
            next(whole)

    timer = threading.Timer(0.1, os.kill, (os.getpid(), signal.SIGINT))
    timer.start()
    begun = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        train()
    assert time.monotonic() - begun < 10  # 0.15 on an idle machine
    timer.join()
    state, rng = [p.numpy().tobytes() for p in net.parameters()], tg.get_rng_state()
    again, other, _ = make()
    again.epoch(X[:48], Y[:48], batch_size=8)
    for _ in range(next(whole)):
        again.epoch(many, labels, batch_size=8)
    reached = []

    def compare(steps, result):
        reached.append(tg.get_rng_state() == rng)
        return reached[-1]

    again.epoch(many, labels, batch_size=8, callback=compare)
    assert reached[-1]
    assert [p.numpy().tobytes() for p in other.parameters()] == state
