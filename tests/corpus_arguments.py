"""Cases: arguments that are containers, with classes, constructors and contents of their own."""

import copy
import dataclasses
import enum
import functools
from collections import Counter, OrderedDict, defaultdict, namedtuple
from typing import Any

import numpy as np
from corpus import batch, case, numbers

import tapegrad as tg
from tapegrad import nn, optim

X = batch()


@dataclasses.dataclass
class Doubled:
    """Its constructor must not run again; `factor` is none of its arguments."""

    rate: float
    factor: float = dataclasses.field(default=1.0, init=False)
    start: dataclasses.InitVar[Any] = 2.0

    def __post_init__(self, start):
        self.rate *= start

    def scale(self):
        return self.rate * RATES["a"]


class Pair(namedtuple("Pair", "a b")):
    def __new__(cls, a):
        return super().__new__(cls, a, 2 * a)


class Titled(dict):
    def __init__(self, title, **items):
        super().__init__(**items)
        self.title = title


class Rated(float):
    pass


RATES = {"a": 1.0}


def with_factor(factor):
    settings = Doubled(1.5)
    settings.factor = factor
    return settings


@case(runs=4)
def dataclass_with_a_constructor():
    first, other = with_factor(3.0), with_factor(4.0)
    return lambda x, c: x * c.rate * c.factor, [(X, first)] * 4 + [(X, other)] * 3


@case(runs=4)
def method_of_a_dataclass_argument():
    RATES["a"] = 1.0
    change = lambda: RATES.update(a=2.0)  # noqa: E731
    settings = with_factor(1.0)
    script = [(X, settings)] * 3 + [change] + [(X, settings)] * 3
    return lambda x, c: x * c.scale(), script


@case(runs=4)
def module_that_is_a_dataclass():
    @dataclasses.dataclass(eq=False)
    class Net(nn.Module):
        rate: float = 2.0

        def forward(self, x):
            return x * self.rate if self.training else x

    net = Net()
    return lambda net, x: net(x), [(net, X)] * 3 + [net.eval] + [(net, X)] * 3


@case(runs=8)
def dicts_and_tuples_with_constructors():
    def step(x, table):
        found = table["a"] if isinstance(table, dict) else table.b
        return x * found, table

    tables = Counter(a=2), defaultdict(int, a=3), Pair(2.0), OrderedDict(a=4)
    return step, [(X, table) for table in tables for _ in range(4)]


@case()
def results_with_constructors():
    def step(x):
        titled = Titled("t", a=x)
        return titled, titled.title, defaultdict(list, a=x), Pair(x), Counter(b=x.size)

    return step, [(X,)] * 4


@case(runs=14)
def dicts_with_equal_keys():
    def step(x, table):
        ((key, value),) = table.items()
        return value * key[0] if isinstance(key, tuple) else value / key

    numbers = np.arange(1, 4)
    keys = 1, 1.0, True, 0.0, -0.0, (1,), (1.0,)
    return step, [(X, {key: numbers}) for key in keys for _ in range(4)]


@case()
def dicts_with_keys_made_anew():
    def step(x, table):
        return [value * key for key, value in table.items()]

    return step, [(X, {int("1000"): X, np.int64(3): X}) for _ in range(5)]


@case(runs=4)
def key_with_an_attribute():
    first, other = Rated(2.0), Rated(2.0)
    first.scale, other.scale = 1.0, 3.0

    def step(x, table):
        return [x * key.scale for key in table]

    return step, [(X, {key: 1}) for key in (first, other) for _ in range(4)]


@case(runs=4)
def number_with_an_attribute():
    rate = Rated(2.0)
    rate.scale = 1.0
    change = lambda: setattr(rate, "scale", 3.0)  # noqa: E731
    return lambda x, r: x * r * r.scale, [(X, rate)] * 3 + [change] + [(X, rate)] * 3


@case(error="writes into a list that it is given")
def list_argument_appended_to():
    log = []
    return lambda x, log: log.append(1) or x * 2, [(X, log)] * 3


@case(error="writes into a dict that it is given")
def dict_argument_written():
    state = {"h": np.zeros(3, "f4")}

    def step(x, state):
        state["h"] = state["h"] + x.sum(axis=0)
        return state["h"]

    return step, [(X, state)] * 3


@case(error="writes into a Doubled that it is given")
def dataclass_argument_written():
    def step(x, settings):
        settings.rate += 1.0
        return x * settings.rate

    return step, [(X, Doubled(1.0))] * 3


# --- parameters without requires_grad


def frozen(value):
    p = tg.parameter(value)
    p.requires_grad = False
    return p


@case()
def frozen_parameter_in_a_constant_expression():
    p = frozen(2.0)
    change = lambda: p.assign(p - 3.0)  # noqa: E731
    return lambda x: x * (p * 2), [(X,)] * 3 + [change, (X,), change, (X,)]


@case(runs=4)
def frozen_parameter_in_a_branch():
    p = frozen(2.0)
    change = lambda: p.assign(-p)  # noqa: E731
    step = lambda x: x * 2 if p > 0 else x * 3  # noqa: E731
    return step, [(X,)] * 3 + [change] + [(X,)] * 3 + [change, (X,)]


@case()
def frozen_parameter_given_and_written():
    p = frozen(np.ones(3, "f4"))

    def step(x, p):
        p.assign(p * 0.5 + x[0])
        return x * p

    return step, [(X, p)] * 5, lambda: [p.numpy().copy()]


@case(error="item()")
def frozen_parameter_read_as_a_number():
    p = frozen(2.0)
    return lambda x: x * p.item(), [(X,)] * 3


# --- what belongs to an optimizer


def stepping(opt, net):
    def step(x):
        with tg.tape():
            loss = (net(x) ** 2).sum()
        opt.zero_grad()
        loss.backward()
        opt.step()
        return loss

    return step


def out_of_range(name, *values):
    net = nn.Linear(3, 2)
    opt = optim.Adam(net.parameters(), lr=0.01)
    group, good = opt.param_groups[0], opt.param_groups[0][name]
    script = [(X,)] * 3
    for value in values:
        script += [lambda v=value: group.update({name: v}), (X,)]
    script += [lambda: group.update({name: good}), (X,)]
    return stepping(opt, net), script, numbers(net)


@case(runs=8)
def learning_rates_out_of_range():
    return out_of_range("lr", -0.1, "0.5", None, float("inf"), float("nan"), np.array(0.1))


@case(runs=6)
def betas_out_of_range():
    return out_of_range("betas", (1.0, 0.9), (0.9, None), 0.9, (0.9,))


@case(runs=4)  # a list is another object than the tuple was
def betas_in_a_list():
    net = nn.Linear(3, 2)
    opt = optim.Adam(net.parameters(), lr=0.01)
    betas = [0.5, 0.9]
    opt.param_groups[0]["betas"] = betas
    change = lambda: betas.__setitem__(0, 0.1)  # noqa: E731
    return stepping(opt, net), [(X,)] * 4 + [change, (X,), (X,)], numbers(net)


@case(runs=4)
def factor_of_a_kind_of_optimizer():
    class Scaled(optim.SGD):
        def step(self):
            for p in self.param_groups[0]["params"]:
                p.grad = p.grad * self.factor
            super().step()

    net = nn.Linear(3, 2)
    opt = Scaled(net.parameters(), lr=0.1)
    opt.factor = 1.0
    change = lambda: setattr(opt, "factor", 0.0)  # noqa: E731
    return stepping(opt, net), [(X,)] * 3 + [change] + [(X,)] * 3, numbers(net)


# --- what is made once, or anew at each call


@case(runs=3)
def tensor_from_a_cache():
    @functools.lru_cache
    def table(n):
        return tg.tensor(np.arange(n, dtype="f4"))

    return lambda x: x + table(3), [(X,)] * 5


@case(runs=4)
def copy_of_a_layer():
    layer = nn.LeakyReLU(0.5)
    change = lambda: setattr(layer, "negative_slope", 0.25)  # noqa: E731
    return lambda x: copy.deepcopy(layer)(-x), [(X,)] * 3 + [change] + [(X,)] * 3


# --- what containers have beside their parts


class Attributes(dict):
    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.__dict__ = self


@dataclasses.dataclass
class Cached:
    x: Any

    @functools.cached_property
    def mean(self):
        return self.x.mean()


class Tagged(dict):
    pass


@dataclasses.dataclass(frozen=True)
class Factor:
    k: float


class Member(Factor, enum.Enum):
    A = 1.0
    B = 2.0


@case()
def attributes_that_are_items():
    step = lambda x: Attributes(loss=x.sum()).loss  # noqa: E731
    return step, [(batch(seed=k),) for k in range(4)]


@case()
def cached_property_of_an_argument():
    return lambda c: c.x - c.mean, [(Cached(batch(seed=k)),) for k in range(4)]


@case(runs=4)
def attribute_of_a_kind_of_dict():
    table = Tagged(w=2.0)
    table.k = 2.0
    change = lambda: setattr(table, "k", 5.0)  # noqa: E731
    return lambda x, t: x * t["w"] * t.k, [(X, table)] * 3 + [change] + [(X, table)] * 3


@case()
def member_of_an_enum():
    return lambda x, m: (x * (2.0 if m is Member.A else 3.0), m), [(X, Member.A)] * 4


@case()
def item_taken_out_and_put_back():
    def step(x, table):
        k = table.pop("k")
        y = x * k
        table["k"] = k
        return y

    return step, [(X, {"k": 2.0, "z": 1})] * 4


@case()
def frozen_parameter_returned():
    w = frozen(np.ones(3, "f4"))
    change = lambda: w.assign(w + 1)  # noqa: E731
    return lambda x: (w, x * w), [part for _ in range(4) for part in ((X,), change)]


@case()
def views_given_to_numpy():
    """Its bits depend on strides."""
    total = tg.primitive(lambda x: np.sum(x, axis=0))
    return lambda x: total((x * 1.5).T), [(batch(90, seed=k, features=90),) for k in range(4)]


@case()
def slope_that_is_nan():
    layer = nn.LeakyReLU(float("nan"))
    return lambda x: layer(abs(x)), [(X,)] * 4
