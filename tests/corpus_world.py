"""Cases: what a step reads of the world around it changes between calls."""

import dataclasses
import types

import numpy as np
from corpus import batch, case, network

import tapegrad as tg
from tapegrad import nn, optim

X = (batch(),)

scale = 2.0
table = np.arange(3, dtype=np.float32)


def factor():
    return 2.0


def set_global(**values):
    return lambda: globals().update(values)


# --- plain data


@case(runs=4)
def number_in_the_closure():
    n = 2.0

    def step(x):
        return tg.asarray(x) * n

    def change():
        nonlocal n
        n = 3.0

    return step, [X, X, X, change, X, X, X]


@case(runs=4)
def branch_on_the_closure():
    deep = True

    def step(x):
        return (x * x).sum() if deep else (x + x).sum()

    def change():
        nonlocal deep
        deep = False

    return step, [X, X, X, change, X, X, X]


@case(runs=4)
def branch_on_a_global_and_back():
    def step(x):
        return x * scale if scale > 2 else x + scale

    back = [set_global(scale=2.0), X, X]
    return step, [set_global(scale=2.0), X, X, X, set_global(scale=3.0), X, X, X, *back]


@case(runs=4)
def global_read_by_a_helper():
    def helper(x):
        return x * scale

    def step(x):
        return helper(x).sum()

    changes = [set_global(scale=3.0), X, X, X, set_global(scale=2.0), X]
    return step, [set_global(scale=2.0), X, X, X, *changes]


@case(runs=2)
def number_replaced_by_an_equal_one():
    def step(x):
        return x * scale

    return step, [set_global(scale=2.0), X, X, X, set_global(scale=float("2")), X, X]


@case(runs=6)
def length_of_a_list():
    weights = [1.0, 2.0]

    def step(x):
        return sum((x * w for w in weights), start=tg.tensor(0.0))

    return step, [X, X, X, lambda: weights.append(3.0), X, X, X, weights.clear, X, X, X]


@case(runs=4)
def order_of_a_dict():
    weights = {"a": 2.0, "b": 3.0}

    def step(x):
        y = x
        for w in weights.values():
            y = y * w + w
        return y

    def change():
        weights["a"] = weights.pop("a")

    return step, [X, X, X, change, X, X, X]


@case(runs=4)
def nested_settings():
    config = types.SimpleNamespace(model={"depth": [1]})

    def step(x):
        for _ in range(config.model["depth"][0]):
            x = x * x
        return x

    return step, [X, X, X, lambda: config.model["depth"].__setitem__(0, 3), X, X, X]


@case(runs=4)
def dataclass_in_the_closure():
    @dataclasses.dataclass
    class Config:
        depth: int = 1

    config = Config()

    def step(x):
        return x**config.depth

    return step, [X, X, X, lambda: setattr(config, "depth", 2), X, X, X]


@case(runs=4)
def mutated_default_argument():
    def step(x, weights=[2.0]):  # noqa: B006 - what is tested
        return x * weights[0]

    return step, [X, X, X, lambda: step.__defaults__[0].__setitem__(0, 3.0), X, X, X]


@case(runs=4)
def function_replaced():
    def step(x):
        return x * factor()

    def three():
        return 3.0

    def two():
        return 2.0

    return step, [set_global(factor=two), X, X, X, set_global(factor=three), X, X, X]


@case(runs=4)
def activation_replaced():
    act = tg.relu

    def step(x):
        return act(x)

    def change():
        nonlocal act
        act = tg.sigmoid

    return step, [X, X, X, change, X, X, X]


@case(runs=4)
def class_attribute():
    class Net(nn.Module):
        power = 2

        def forward(self, x):
            return x**self.power

    net = Net()
    return lambda x: net(x), [X, X, X, lambda: setattr(Net, "power", 3), X, X, X]


@case(runs=4)
def method_replaced():
    class Net(nn.Module):
        def forward(self, x):
            return x + 1

    net = Net()
    change = lambda: setattr(Net, "forward", lambda self, x: x + 2)  # noqa: E731
    return lambda x: net(x), [X, X, X, change, X, X, X]


@case(runs=4)
def module_attribute_and_back():
    class Net(nn.Module):
        def __init__(self):
            self.power = 2

        def forward(self, x):
            return x**self.power

    net = Net()

    def power(value):
        return lambda: setattr(net, "power", value)

    return lambda x: net(x), [X, X, X, power(3), X, X, X, power(2), X, X]


@case(runs=2)
def module_attribute_that_nobody_reads():
    class Net(nn.Module):
        def __init__(self):
            self.layer = nn.Linear(3, 2)

        def forward(self, x):
            return self.layer(x)

    net = Net()
    changes = [lambda: setattr(net, "best", 1.0), X, lambda: setattr(net, "best", 2.0), X]
    return lambda x: net(x), [X, X, X, *changes]


@case(runs=4)
def layer_added():
    net = network()
    return lambda x: net(x), [X, X, X, lambda: net.append(nn.Tanh()), X, X, X]


@case(runs=4)
def layer_added_to_a_list():
    layers = [nn.Linear(3, 3)]

    def step(x):
        for layer in layers:
            x = layer(x)
        return x

    return step, [X, X, X, lambda: layers.append(nn.Linear(3, 2)), X, X, X]


@case(runs=4)
def parameter_replaced():
    net = network()

    def change():
        net[0].weight = tg.parameter(np.ones((4, 3), "f4"))

    return lambda x: net(x), [X, X, X, change, X, X, X]


@case(runs=4)
def bound_method_of_a_trainer():
    class Trainer:
        def __init__(self):
            self.power = 2

        def step(self, x):
            return x**self.power

    trainer = Trainer()
    return trainer.step, [X, X, X, lambda: setattr(trainer, "power", 3), X, X, X]


@case(runs=4)
def branch_on_a_learning_rate():
    w = tg.parameter(1.0)
    opt = optim.SGD([w], lr=0.1)

    def step(x):
        return x * 2 if opt.lr > 0.05 else x * 3

    return step, [X, X, X, lambda: setattr(opt, "lr", 0.01), X, X, X]


# --- captured arrays


@case(runs=2)
def captured_array_written_in_place():
    w = np.arange(3, dtype=np.float32)

    def step(x):
        return x * w

    return step, [X, X, X, lambda: w.__setitem__(0, 7), X, X]


@case(runs=4)
def global_array_replaced():
    def step(x):
        return x * table

    changes = [set_global(table=np.ones(3, np.float32)), X, X, X]
    return step, [set_global(table=np.arange(3, dtype=np.float32)), X, X, X, *changes]


@case(runs=4)
def constant_computed_from_a_captured_array():
    w = np.arange(3, dtype=np.float32)

    def step(x):
        return x * np.exp(w)

    return step, [X, X, X, lambda: w.__setitem__(0, 7), X, X, X]


@case(runs=4)
def slice_of_a_captured_array():
    w = np.arange(6, dtype=np.float32)

    def step(x):
        return x * w[1:4]

    return step, [X, X, X, lambda: w.__setitem__(2, 7), X, X, X]


@case(runs=4)
def number_out_of_a_captured_array():
    w = np.arange(6, dtype=np.float32)

    def step(x):
        return x * float(w[2]) if w[3] > 0 else x

    return step, [X, X, X, lambda: w.__setitem__(2, 7), X, X, X]


@case()
def empty_arrays_that_only_python_reads():
    empty = [np.zeros(shape) for shape in ((0, 2), (2, 0), (3, 0, 2))]
    return lambda x: x * (2.0 + sum(map(np.size, empty))), [X] * 5


@case(runs=4)
def captured_tensor_replaced():
    w = tg.tensor([1.0, 2.0, 3.0])

    def step(x):
        return x * w

    def change():
        nonlocal w
        w = tg.tensor([3.0, 2.0, 1.0])

    return step, [X, X, X, change, X, X, X]
