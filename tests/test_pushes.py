"""Pushes of tapes inside tapes: what an inner one found, an outer one need not find again."""

import numpy as np
import pytest

import tapegrad as tg
import tapegrad.numpy as tnp
from tapegrad import tape

X = np.array([[0.5], [-1.0], [2.0]])
W = np.array([[0.3, -0.7]])


@pytest.fixture
def w():
    return tg.parameter(W)


def derivative(f, directions):
    """The derivative of f along all directions, one after the other."""
    if not directions:
        return f
    *others, last = directions
    g = derivative(f, others)
    return lambda x: tg.jvp(g, (x,), (last,))[1]


def recorded(directions, w):
    """A high derivative of a small net, its gradient, and what a tape around it recorded."""
    with tape() as t:
        y = derivative(lambda x: tnp.tanh(x @ w).sum(axis=1), directions)(tg.tensor(X))
        loss = (y * y).sum()
    ops = [e.op for e in t]
    return y, t.gradient(loss, w), ops


@pytest.mark.parametrize("order", [2, 3])
def test_one_direction_and_equal_ones_give_the_same_bits(order, w, backend):
    one = tg.tensor(np.ones_like(X))
    y, g, _ = recorded([one] * order, w)
    want, slope, _ = recorded([tg.tensor(np.ones_like(X)) for _ in range(order)], w)
    np.testing.assert_array_equal(y, want)
    np.testing.assert_allclose(g, slope, rtol=1e-12)  # in fewer, differently ordered sums
    tanh = np.tanh(X @ W)
    slopes = 1 - tanh**2
    known = {2: -2 * tanh * slopes * W**2, 3: (4 * tanh**2 * slopes - 2 * slopes**2) * W**3}
    np.testing.assert_allclose(y, known[order].sum(axis=1), rtol=1e-12)


def test_an_order_more_along_one_direction_adds_one_product(w, native):
    one = tg.tensor(np.ones_like(X))
    for order in (1, 2, 3):
        _, _, ops = recorded([one] * order, w)
        assert ops.count("matmul") == 2  # of x, and of its tangent: constant, so no more
    _, _, ops = recorded([one, tg.tensor(2 * X)], w)
    assert ops.count("matmul") == 3


def test_an_inner_push_that_a_tape_did_not_see_is_done_again(w, backend):
    one = tg.tensor(np.ones_like(X))
    with tape() as t:
        with tape() as middle:
            x = middle.watch(tg.tensor(X))
            with tape(persistent=True) as inner:
                inner.watch(x)
                y = tnp.tanh(x @ w)
            with t.stop_recording():
                unseen = inner.jvp(y, x, one)
        seen = middle.jvp(y, x, one)
    np.testing.assert_array_equal(seen, unseen)
    slopes = 1 - np.tanh(X @ W) ** 2
    want = slopes - 2 * np.tanh(X @ W) * slopes * X * W
    np.testing.assert_allclose(t.gradient(seen, w), want.sum(axis=0, keepdims=True), rtol=1e-12)


def test_other_tangents_bring_other_answers(w, backend):
    one = tg.tensor(np.ones_like(X))
    with tape(persistent=True) as outer:
        x = outer.watch(tg.tensor(X))
        with tape(persistent=True) as inner:
            inner.watch(x)
            y = tnp.tanh(x @ w)
        first = [inner.jvp(y, x, k * one) for k in range(20)]
    again = [outer.jvp(y, x, k * one) for k in range(20)]
    for a, b in zip(first, again):
        np.testing.assert_array_equal(a, b)


def test_a_parameter_written_between_the_pushes_is_an_error(w, backend):
    one = tg.tensor(np.ones_like(X))
    with tape() as outer:
        x = outer.watch(tg.tensor(X))
        with tape() as inner:
            inner.watch(x)
            y = x @ w
        inner.jvp(y, x, one)
    w.assign(2 * W)
    with pytest.raises(tg.StaleValueError):
        outer.jvp(y, x, one)


def test_kept_tangents_go_with_the_tape(w, native):
    from tapegrad import _core

    one = tg.tensor(np.ones_like(X))

    def run():
        recorded([one] * 3, w)
        with tape() as t:
            tg.jvp(lambda x: x @ w, (tg.tensor(X),), (one,))
        assert len(t)

    run()
    before = _core.lib.tg_pool_live_bytes()
    run()
    assert _core.lib.tg_pool_live_bytes() == before
