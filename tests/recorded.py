"""Functions to record, and their raw programs: for tests of passes and of the memory plan."""

import numpy as np

import tapegrad as tg
import tapegrad.numpy as tnp
from tapegrad import nn
from tapegrad.replay.build import program_of
from tapegrad.replay.record import record


def recorded(function, *arrays):
    """The raw program of function(*arrays)."""
    tensors = [tg.tensor(np.asarray(a)) for a in arrays]

    def call():
        result = function(*tensors)
        return result, list(result) if isinstance(result, tuple) else [result]

    return program_of(record(tensors, call)[1])


TWO = tg.tensor(np.float32(2.0))
X = np.linspace(-1, 1, 12, dtype="f4").reshape(3, 4)
W = tg.parameter(np.linspace(0.5, 2, 8, dtype="f4").reshape(2, 4))
B = tg.parameter(np.array([0.25, -1.0], "f4"))


def mlp_gradient(x):
    with tg.tape() as t:
        loss = nn.mse_loss(tg.linear(tnp.tanh(tg.linear(x, W, B)), W.T, None), x)
    return loss, *t.gradient(loss, [W, B])


def elementwise(x):
    y = tnp.exp(-x * x) + x
    return y.sum(axis=0), tnp.where(y > 0, y, 0.1 * y), tnp.tanh(y) * x[0]


def shapes(x):
    y = x.reshape(3, 4).reshape(2, 6).T
    return y + 1.0, tnp.broadcast_to(x, (2, 3, 4)) * 2.0


def twice(x):
    return tnp.exp(x) + tnp.exp(x), (x * 2.0) * (x * 2.0)


def constants(x):
    return x * (TWO * 1.0 + 3.0)


def kept_from(x):
    """Each product's elementwise reader also reads what a product cannot: an argument, values made
    later, another shape, a variable that is written in between."""
    p = tg.parameter(np.ones((3, 2), "f4"))
    first = tg.linear(x, W) + x[:, :2]
    second = tg.linear(x, W)
    later = second * tnp.exp(first)
    third = tg.linear(x, W) + B
    fourth = tg.linear(x, W)
    p.assign(p + first)
    return later, third, fourth * p


FUNCTIONS = [mlp_gradient, kept_from, elementwise, shapes, twice, constants]
