"""Cases: results of every structure."""

import dataclasses
from collections import deque

import numpy as np
from corpus import batch, case, labels, network, numbers

import tapegrad as tg
from tapegrad import nn, tape

X = batch()


@case()
def structures():
    w = tg.parameter(np.ones(3, np.float32))

    def step(x):
        y = x * w
        return {"a": [y, (y, None)], "b": {"c": 3, "d": "text", "e": ()}, "f": y}

    return step, [(X,)] * 5


@case()
def nothing():
    w = tg.parameter(np.ones(3, np.float32))

    def step(x):
        w.assign(w * 2)

    return step, [(X,)] * 5, lambda: [w.numpy()]


@case()
def the_argument_itself():
    return lambda x, y: (x, y, x.T, y[1:]), [(tg.tensor(X), tg.tensor(X))] * 5


@case()
def a_view():
    return lambda x: (x * 2)[1:, ::2].T, [(X,)] * 5


@case()
def constants():
    return lambda x: (tg.tensor([1.0, 2.0]), np.ones(3), x.sum() * 0, 7), [(X,)] * 5


@case()
def object_around_results():
    @dataclasses.dataclass
    class Result:
        loss: object

    return lambda x: Result(x.sum()), [(i * X,) for i in range(5)]


@case()
def deques_and_sets_made_anew():
    def step(x):
        y = x * 2
        return (
            deque([y, deque([y.sum(), 1])], maxlen=3),
            {1, "a"},
            [frozenset({2.0})],
            bytearray(b"c"),
        )

    return step, [(X,)] * 5


@case()
def a_set_from_outside():
    names = {"a"}
    return lambda x: (x * 2, names), [(X,)] * 5


@case(error="sets may hold plain values")
def a_set_of_tensors():
    return lambda x: {x * 2}, [(X,)] * 5


@case(error="what it returns as set changed")
def a_set_that_changes():
    count = iter(range(9))
    return lambda x: (x, {next(count)}), [(X,)] * 5


@case(error="it returns another Box at each call: return Tensors")
def opaque_object_around_results():
    class Box:
        def __init__(self, content):
            self.content = content

        def __repr__(self):
            return "Box"

    return lambda x: Box(x.sum()), [(i * X,) for i in range(5)]


@case(runs=4)
def number_out_of_a_captured_array_as_a_result():
    w = np.arange(3.0)
    change = lambda: w.__setitem__(0, 7)  # noqa: E731
    return lambda x: (x, float(w[0])), [(X,), (X,), (X,), change, (X,), (X,), (X,)]


@case(runs=4)
def captured_array_as_a_result():
    w = np.arange(3.0)
    change = lambda: w.__setitem__(0, 7)  # noqa: E731
    return lambda x: (x, w.copy(), w[1:].copy()), [(X,), (X,), (X,), change, (X,), (X,), (X,)]


@case()
def a_captured_tensor():
    w = tg.tensor([1.0, 2.0])
    return lambda x: (w, w[::-1]), [(X,)] * 5


@case()
def gradients_as_results():
    net = network()

    def step(x, y):
        with tape() as t:
            loss = nn.cross_entropy(net(x), y)
        return t.gradient(loss, {"first": list(net[0].parameters()), "last": net[2].weight})

    return step, [(X, labels())] * 5, numbers(net)


@case()
def parameter_as_a_result():
    w = tg.parameter(np.ones(3, np.float32))

    def step(x):
        w.assign(w * 2)
        return w * 1, (x * w).sum()

    return step, [(X,)] * 5
