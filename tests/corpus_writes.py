"""Cases: what a step writes beside parameters, and what is written behind a program's back."""

import collections
import operator
import weakref

import numpy as np
from corpus import batch, case, labels, numbers, training

import tapegrad as tg
from tapegrad import nn, optim

X = (batch(),)
XY = (batch(), labels())
ONES = np.ones(3, np.float32)


class Key:
    pass


# --- state that a step keeps


@case()
def running_statistic_in_a_parameter():
    class Centred(nn.Module):
        def __init__(self):
            self.linear = nn.Linear(3, 2)
            self.register_buffer("running", tg.parameter(np.zeros(2, np.float32)))
            self.running.requires_grad = False

        def forward(self, x):
            y = self.linear(x)
            if self.training:
                self.running.assign(0.9 * self.running + 0.1 * y.mean(axis=0))
            return y - self.running

    net = Centred()
    opt = optim.SGD(net.parameters(), lr=0.1)
    step = training(net, opt)
    return step, [XY] * 6, lambda: [net.running.numpy(), *numbers(net)()]


@case()
def parameters_made_inside_of_arrays_and_written():
    start = np.ones(3)

    def step(x):
        p, q, r = tg.parameter(start), tg.parameter(np.zeros(3)), tg.parameter(2.0)
        before, product = p[1:], x[0] * r
        p.assign(p + x[0])
        q.assign(q + p * r)
        r.assign(r + before.sum())
        p.assign(p * q)
        return before * 1.0, product, p, q, r * q

    return step, [(i * np.ones((2, 3)),) for i in range(6)], lambda: [start]


def running(first, update):
    """A module that rebinds or writes an attribute at each call."""

    class Running(nn.Module):
        def __init__(self):
            self.running = first()

        def forward(self, x):
            update(self, x)
            return x - self.running

    net = Running()
    return lambda x: net(x), [X] * 5, lambda: [net.running]


@case(error="'net'.running was Tensor")
def running_statistic_rebound():
    def update(self, x):
        self.running = 0.9 * self.running + 0.1 * x.mean(axis=0)

    return running(lambda: tg.tensor(ONES), update)


@case(error="'net'.running was")
def running_statistic_rebound_from_an_array():
    def update(self, x):
        self.running = 0.9 * self.running + 0.1 * x.mean(axis=0)

    return running(ONES.copy, update)


@case(error="values of closure variable 'net'.running have changed")
def running_statistic_written_into_a_tensor():
    def update(self, x):
        self.running[...] = 0.9 * self.running + 0.1 * x.mean(axis=0)

    return running(lambda: tg.tensor(ONES), update)


@case(error="values of closure variable 'net'.running have changed")
def running_statistic_added_to():
    def update(self, x):
        self.running[1:] = self.running[1:] + 1

    return running(lambda: tg.tensor(ONES), update)


@case(error="contents of closure variable 'seen' have changed")
def array_written_by_the_step():
    seen = np.zeros(3, np.float32)

    def step(x):
        seen[...] += 1
        return x * seen

    return step, [X] * 5, lambda: [seen]


@case(error="contents of closure variable 'calls' have changed")
def array_counted_in_but_not_read():
    calls = np.zeros(1)

    def step(x):
        calls[0] += 1
        return x * 2

    return step, [X] * 5, lambda: [calls]


@case()
def array_filled_at_the_first_call():
    table = np.zeros(3, np.float32)

    def step(x):
        if not table.any():
            table[...] = 2
        return x * table

    return step, [X] * 5


@case(error="it writes into an array that it is given")
def argument_written():
    def step(x):
        x[0] = x[0] * 2
        return x * 2

    return step, [X, X, X, (tg.tensor(batch()),)]


# --- written between the calls


@case(runs=4)
def tensor_written_between_calls():
    w = tg.tensor(ONES)
    change = lambda: w.__setitem__(0, 5.0)  # noqa: E731
    return lambda x: x * w, [X, X, X, change, X, X, X]


@case(runs=4)
def tensor_of_a_module_written_between_calls():
    class Scaled(nn.Module):
        def __init__(self):
            self.scale = tg.tensor(ONES)

        def forward(self, x):
            return x * self.scale

    net = Scaled()
    change = lambda: np.add(net.scale, 1, out=net.scale)  # noqa: E731
    return lambda x: net(x), [X, X, X, change, X, X, X]


@case()
def other_tensors_written_between_calls():
    w, v = tg.tensor(ONES), tg.tensor(ONES)
    change = lambda: v.__setitem__(0, 5.0)  # noqa: E731
    return lambda x: x * w, [X, X, X, change, X, change, X]


def written_while_frozen(t):
    t.requires_grad = False
    t[...] = 5.0
    t.requires_grad = True


@case(runs=4)
def frozen_tensor_written_between_calls():
    t = tg.tensor(ONES, requires_grad=True)
    return lambda x: x * t, [X, X, X, lambda: written_while_frozen(t), X, X, X]


@case(runs=4)
def frozen_tensor_given_and_written_between_calls():
    t = tg.tensor(ONES, requires_grad=True)
    given = (*X, t)
    change = lambda: written_while_frozen(t)  # noqa: E731
    return lambda x, t: x * t, [given, given, given, change, given, given, given]


@case(runs=4)
def default_dtype_set_between_calls():
    def step(x):
        return x * tg.numpy.ones(3, dtype=tg.get_default_dtype())

    def default(name):
        return lambda: tg.set_default_dtype(name)

    return step, [X, X, X, default("f8"), X, X, X, default("f4"), X]


@case(runs=4)
def read_through_a_weak_reference():
    thing = Key()
    thing.factor = 2.0
    reference = weakref.ref(thing)
    change = lambda: setattr(thing, "factor", 3.0)  # noqa: E731
    return lambda x: x * reference().factor, [X, X, X, change, X, X, X]


@case(runs=4)
def read_from_a_weak_dict():
    key = Key()
    table = weakref.WeakKeyDictionary({key: 2.0})
    return lambda x: x * table[key], [X, X, X, lambda: table.__setitem__(key, 3.0), X, X, X]


weight = 2.0


@case(runs=4)
def read_by_globals():
    def step(x):
        return x * globals()["weight"]

    def change(value):
        return lambda: globals().__setitem__("weight", value)

    return step, [change(2.0), X, X, X, change(3.0), X, X, X, change(2.0)]


class Meta(type):
    factor = 2.0


class Made(metaclass=Meta):
    pass


@case(runs=4)
def read_from_a_metaclass():
    def factor(value):
        return lambda: setattr(Meta, "factor", value)

    return lambda x: x * Made.factor, [X, X, X, factor(3.0), X, X, X, factor(2.0)]


@case(runs=4)
def looped_over_an_array():
    rows = np.array([1, 2])

    def step(x):
        return sum((x[int(i)] for i in rows), start=x[0])

    return step, [X, X, X, lambda: rows.__setitem__(0, 3), X, X, X]


@case()
def length_of_an_array():
    rows = np.array([1, 2])
    return lambda x: x * len(rows), [X, X, X]


@case(runs=4)
def matched_attribute():
    thing = Key()
    thing.kind = "a"

    def step(x):
        match thing:
            case Key(kind="a"):
                return x * 2
            case _:
                return x * 3

    return step, [X, X, X, lambda: setattr(thing, "kind", "b"), X, X, X]


@case(runs=4)
def attribute_read_by_a_getter():
    thing, get = Key(), operator.attrgetter("hidden")
    thing.hidden = 2.0
    return lambda x: x * get(thing), [X, X, X, lambda: setattr(thing, "hidden", 3.0), X, X, X]


@case(runs=4)
def class_attribute_hidden_by_a_derived_class():
    class Base:
        factor = 2.0

    class Derived(Base):
        pass

    thing = Derived()
    return lambda x: x * thing.factor, [X, X, X, lambda: setattr(Derived, "factor", 3), X, X, X]


@case(runs=4)
def dicts_wrapped():
    table = {"a": 2.0}
    own, chain, values = (
        collections.UserDict(b=1.0),
        collections.ChainMap({}, table),
        table.values(),
    )

    def step(x):
        return x * chain["a"] + own["b"] * sum(values)

    def change():
        table["a"] = 3.0
        own["b"] = 0.5

    return step, [X, X, X, change, X, X, X]


@case(error="the contents of closure variable 'values' have changed")
def array_written_through_an_iterator_over_it():
    values = np.zeros(3).flat

    def step(x):
        values[0] += 1.0
        return x * 2

    return step, [X] * 5


@case(error="the contents of closure variable 'view' have changed")
def memory_written_through_a_view():
    view = memoryview(bytearray(3))

    def step(x):
        view[0] += 1
        return x * 2

    return step, [X] * 5


@case(runs=6)
def memory_written_between_calls():
    held, view = bytearray(b"\1"), memoryview(np.ones(1))
    view_of_held = memoryview(held)

    def change():
        held[0] += 1

    def change_array():
        view.obj[0] += 1

    calls = [X, X, X]
    return lambda x: x * view_of_held[0] * view[0], [*calls, change, *calls, change_array, *calls]
