"""Cases: tapes that a step has from outside, and cotangents that are parameters."""

import numpy as np
from corpus import batch, case

import tapegrad as tg
from tapegrad import optim

X = (batch(),)
ONES = np.ones(3, np.float32)

# --- cotangents


def cotangent_of_a_parameter(of):
    w, p = tg.parameter(np.zeros(3, np.float32)), tg.parameter(ONES)
    sgd = optim.SGD([p, w], lr=0.25)
    total = tg.primitive(np.sum)
    tg.defvjp(total, lambda ans, x: lambda g: of(p))

    def step(x):
        with tg.tape():
            loss = total(w) * 2.0 + (p * p * x).sum()
        sgd.zero_grad()
        loss.backward()
        sgd.step()
        return loss

    return step, [X] * 5, lambda: [a.numpy() for a in (w, p, w.grad, p.grad)]


@case()
def cotangent_that_is_a_parameter():
    return cotangent_of_a_parameter(lambda p: p)


@case()
def cotangent_that_is_a_view_of_a_parameter():
    return cotangent_of_a_parameter(lambda p: p[::-1])


# --- tapes from outside


def swept_inside(sweep, function=lambda w: w * w * w):
    """A step that sweeps what was recorded before it; then a parameter is written."""
    w = tg.parameter(ONES)
    with tg.tape(persistent=True) as t:
        y = function(w).sum()
    change = lambda: w.assign(w + 1)  # noqa: E731
    return lambda x: sweep(x, t, y, w), [X, X, X, X, change, X]


@case(error="sweeps a tape from outside, on which multiply read a parameter")
def tape_from_outside():
    return swept_inside(lambda x, t, y, w: t.gradient(y, w) * x)


@case(error="sweeps a tape from outside, on which multiply read a parameter")
def tape_from_outside_swept_forward():
    return swept_inside(lambda x, t, y, w: t.jvp(y, w, x[0]) * x)


@case(error="sweeps a tape from outside, on which multiply read a parameter")
def tape_from_outside_that_adds_to_grad():
    return swept_inside(lambda x, t, y, w: t.backward(y) or x)


@case(error="sweeps a tape from outside, on which multiply read a parameter")
def pullback_from_outside():
    w = tg.parameter(ONES)
    _, pullback = tg.vjp(lambda x: x * w, ONES)
    return lambda x: pullback(x[0]), [X, X, X, X, lambda: w.assign(w + 1), X]


@case()
def pullback_from_outside_that_has_read_no_parameter():
    scale = tg.tensor(ONES * 3)
    _, pullback = tg.vjp(lambda x: x * scale * x, ONES)
    return lambda x: pullback(x[0]), [X] * 5


@case()
def tape_from_outside_that_has_saved_no_parameter():
    sweep = lambda x, t, y, w: t.gradient(y, w) * x  # noqa: E731
    return swept_inside(sweep, lambda w: w * np.full(3, 2.0, "f4") - 1)


@case()
def tape_made_outside_and_filled_inside():
    w, t = tg.parameter(ONES), tg.tape(persistent=True)

    def step(x):
        t.reset()
        with t:
            y = (w * w * x).sum()
        return t.gradient(y, w)

    return step, [X, X, X, lambda: w.assign(w + 1), X, X]
