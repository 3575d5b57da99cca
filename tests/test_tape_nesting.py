"""Tapes within tapes: higher orders, closing in any order, and what is left to the outer one."""

import numpy as np
import pytest
from closeness import close

import tapegrad as tg
import tapegrad.numpy as tnp
from tapegrad import tape

pytestmark = pytest.mark.usefixtures("backend")


def test_second_derivative_by_nesting():
    x = tg.tensor(2.0)
    with tape() as outer:
        outer.watch(x)
        with tape() as inner:
            inner.watch(x)
            y = x**3
        first = inner.gradient(y, x)
    assert first.item() == pytest.approx(12.0)
    assert outer.gradient(first, x).item() == pytest.approx(12.0)


def test_fourth_derivative_by_nesting():
    x = tg.tensor(0.7)
    tapes = [tape() for _ in range(4)]
    for t in tapes:
        t.__enter__()
        t.watch(x)
    y = tnp.sin(x)
    for t in reversed(tapes):
        t.__exit__(None, None, None)
        y = t.gradient(y, x)
    assert y.item() == pytest.approx(np.sin(0.7))


def test_both_nested_tapes_see_the_same_ops(w):
    with tape() as outer, tape() as inner:
        y = (w * w).sum()
    close(inner.gradient(y, w), 2 * w.numpy())
    close(outer.gradient(y, w), 2 * w.numpy())


def test_tapes_may_close_in_any_order(w):
    first, second, third = tape(), tape(), tape()
    first.__enter__()
    a = w * 2
    second.__enter__()
    b = a * 3
    first.__exit__(None, None, None)
    third.__enter__()
    c = (w * b).sum()
    second.__exit__(None, None, None)
    d = (w * 5).sum()
    third.__exit__(None, None, None)
    close(first.gradient(b, w), np.full((2, 2), 6.0))
    assert second.gradient(c, w) is not None
    close(third.gradient([c, d], w), b.numpy() + 5)


def test_second_tape_treats_what_came_before_as_constant(w):
    with tape() as first:
        h = w * 2
        with tape() as second:
            y = (h * h * w).sum()
    close(second.gradient(y, w), h.numpy() ** 2)
    close(first.gradient(y, w), 12 * w.numpy() ** 2)


def test_tapes_of_generators_interleave(w):
    def training(scale):
        with tape() as t:
            h = w * scale
            yield None
            y = (h * h).sum()
            yield None
        yield t.gradient(y, w)

    a, b = training(2.0), training(3.0)
    for g in (a, b, b, a):
        next(g)
    close(next(a), 8 * w.numpy())
    close(next(b), 18 * w.numpy())


def test_an_abandoned_generator_closes_its_tape(w):
    def abandoned():
        with tape():
            yield w * 2

    g = abandoned()
    next(g)
    g.close()
    with tape() as t:
        y = (w * 4).sum()
    close(t.gradient(y, w), np.full((2, 2), 4.0))


def test_forward_over_reverse_gives_hessian_products(w):
    v = tg.tensor(np.array([[1.0, 2.0], [-1.0, 0.5]]))
    with tape() as outer:
        with tape() as inner:
            y = (w**3).sum()
        g = inner.gradient(y, w)
    close(outer.jvp(g, w, v), 6 * w.numpy() * v.numpy())


def test_reverse_over_forward_gives_hessian_products(w):
    v = tg.tensor(np.array([[1.0, 2.0], [-1.0, 0.5]]))
    with tape() as outer:
        with tape() as inner:
            y = (w**3).sum()
        slope = inner.jvp(y, w, v)
    close(outer.gradient(slope, w), 6 * w.numpy() * v.numpy())


def test_what_an_inner_tape_recorded_is_the_outer_ones_when_it_is_gone(w):
    for _ in range(2):  # the second time by a template: Python never had the values
        outer = tape(persistent=True)
        with outer:
            with tape(persistent=True) as inner:
                with tape() as innermost:
                    y = (w**3).sum()
                n = len(outer)
                g = innermost.gradient(y, w)
            del inner, innermost
    made = [g, *[e.output for e in outer][n:-1]]
    assert len(made) > 1
    for v in made:
        w.grad = None
        v.backward(np.ones(w.shape))
        assert w.grad is not None
