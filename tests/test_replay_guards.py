"""Guards: every kind of plain data that a function reads, changed behind its back.

A row is a function that returns (function to guard, change, part of the sentence): `change` is
called, and changed() must say so; a sentence of None means that it must notice nothing.
"""

import dataclasses
import functools
import gc
import random
import sys
import threading
import types
import weakref
from collections import OrderedDict, defaultdict, deque

import numpy as np
import pytest

import tapegrad as tg
from tapegrad import nn, optim
from tapegrad.replay.checks import Checks, PythonChecks
from tapegrad.replay.guards import Guards

CHECKS = list({PythonChecks, Checks})

alpha = 0.1
LAYERS = [8, 4]
ARRAY = np.arange(3.0)


def scaled(x):
    return x * alpha


class Table(dict):
    pass


@dataclasses.dataclass
class Config:
    depth: int = 2
    inner: list = dataclasses.field(default_factory=lambda: [1, [2, 3]])


class Slotted:
    __slots__ = ("rate",)

    def __init__(self):
        self.rate = 0.5


class Base:
    scale = 2.0

    def rate(self):
        return self.base_rate

    @property
    def width(self):
        return self.hidden

    def __call__(self, x):
        return x * self.factor


class Thing(Base):
    base_rate = 1.0

    def __init__(self):
        self.hidden = 3
        self.factor = 4
        self.unread = 5
        self.parts = {"a": [1]}

    def step(self, x):
        return x * self.scale * super().rate()

    def indirect(self, x):
        me = self
        return [x * part for part in me.parts["a"]]


class Net(nn.Module):
    depth = 1

    def __init__(self):
        self.layers = [nn.Linear(2, 2), nn.Dropout(0.5)]
        self.beta = 0.5
        self.best = 0.0

    def forward(self, x):
        for layer in self.layers:
            x = layer(x)
        return x * self.beta if self.depth else x


def setting(target, name, value):
    return lambda: setattr(target, name, value)


ROWS = {}


def row(make):
    ROWS[make.__name__.removeprefix("_")] = make
    return make


# --- what must be noticed


@row
def _closure():
    n = 1

    def change():
        nonlocal n
        n = 2

    return lambda x: x * n, change, "closure variable 'n' was 1, is 2"


@row
def _closure_of_nested_function():
    n = 1

    def change():
        nonlocal n
        n = 2

    def step(x):
        def inner(y):
            return y * n

        return inner(x)

    return step, change, "'n' was 1, is 2"


@row
def _closure_first_assigned_later():
    def step(x):
        return late(x)

    def change():
        nonlocal late
        late = None

    late = scaled
    return step, change, "'late' was scaled of line"


@row
def _closure_deleted():
    n = 1

    def step(x):
        return n

    def change():
        nonlocal n
        del n

    return step, change, "'n' was 1, is no more"


@row
def _float_of_other_sign_of_zero():
    n = [0.0]
    return lambda x: x / n[0], lambda: n.__setitem__(0, -0.0), "'n'[0] was 0.0, is -0.0"


@row
def _one_for_true():
    n = [1]
    return lambda x: x / n[0], lambda: n.__setitem__(0, True), "'n'[0] was 1, is True"


@row
def _list_grows():
    n = [1]
    return lambda x: len(n), lambda: n.append(2), "len(closure variable 'n') was 1, is 2"


@row
def _nested_list():
    n = [1, [2, (3, [4])]]
    return lambda x: n, lambda: n[1][1][1].append(5), "'n'[1][1][1]) was 1, is 2"


@row
def _list_of_itself():
    n = [1]
    n.append(n)
    return lambda x: n, lambda: n.__setitem__(0, 2), "'n'[0] was 1, is 2"


@row
def _deque():
    n = deque([1, 2])
    return lambda x: n, lambda: n.rotate(), "'n'[0] was 1, is 2"


@row
def _dict_value():
    n = {"lr": 0.1}
    return lambda x: n["lr"], lambda: n.update(lr=0.2), "'n'['lr'] was 0.1, is 0.2"


@row
def _dict_order():
    n = {"a": 1, "b": 2}
    return lambda x: list(n), lambda: n.update(a=n.pop("a")), "was ('a', 'b'), is ('b', 'a')"


@row
def _dict_kinds():
    n = OrderedDict(a=defaultdict(list, b=Table(c=1)))
    return lambda x: n, lambda: n["a"]["b"].update(c=2), "'n'['a']['b']['c'] was 1, is 2"


@row
def _set():
    n = {1, 2}
    return lambda x: n, lambda: n.add(3), "the contents of closure variable 'n' have changed"


@row
def _bytearray():
    n = bytearray(b"ab")
    return lambda x: n, lambda: n.__setitem__(0, 0), "the contents of"


@row
def _dataclass():
    config = Config()
    return lambda x: config.depth, setting(config, "depth", 3), ".depth was 2, is 3"


@row
def _dataclass_list():
    config = Config()
    return lambda x: config, lambda: config.inner[1].append(4), ".inner[1]) was 2, is 3"


@row
def _namespace():
    config = types.SimpleNamespace(model=types.SimpleNamespace(depth=2))
    change = setting(config.model, "depth", 3)
    return lambda x: config.model.depth, change, "'config'.model.depth was 2, is 3"


@row
def _namespace_by_string():
    config = types.SimpleNamespace(depth=2)
    return lambda x: getattr(config, "depth", 1), setting(config, "depth", 3), "was 2, is 3"


@row
def _namespace_whole():
    config = types.SimpleNamespace(depth=2)
    return lambda x: sum(vars(config).values()), setting(config, "depth", 3), "was 2, is 3"


@row
def _new_attribute_shadows_the_class():
    thing = Thing()
    return thing.step, setting(thing, "scale", 3.0), ".scale is new: 3.0"


@row
def _slots():
    thing = Slotted()
    return lambda x: thing.rate, setting(thing, "rate", 0.6), ".rate was 0.5, is 0.6"


@row
def _bound_method():
    thing = Thing()
    return thing.step, setting(thing, "base_rate", 3.0), "base_rate is new: 3.0"


@row
def _through_a_property():
    thing = Thing()
    return lambda x: x * thing.width, setting(thing, "hidden", 7), ".hidden was 3, is 7"


@row
def _callable_object():
    thing = Thing()
    return thing, setting(thing, "factor", 7), ".factor was 4, is 7"


@row
def _through_an_alias():
    thing = Thing()
    return thing.indirect, lambda: thing.parts["a"].append(2), ".parts['a']) was 1, is 2"


@row
def _class_attribute():
    class Local(Thing):
        scale = 1.0

    return Local().step, setting(Local, "scale", 2.0), "Local.scale was 1.0, is 2.0"


@row
def _class_as_a_namespace():
    class Settings:
        depth = 1

    return lambda x: x * Settings.depth, setting(Settings, "depth", 2), "was 1, is 2"


@row
def _method_replaced():
    class Local(Thing):
        def rate(self):
            return 1

    thing = Local()
    return lambda x: x * thing.rate(), setting(Local, "rate", lambda self: 2), "Local.rate was"


@row
def _method_replaced_on_the_instance():
    thing = Thing()
    return lambda x: x * thing.rate(), setting(thing, "rate", lambda: 2), ".rate is new"


@row
def _object_replaced_in_a_list():
    things = [Thing()]

    def step(x):
        return [x * thing.factor for thing in things]

    return step, lambda: things.__setitem__(0, object()), "'things'[0] was"


@row
def _attribute_of_objects_in_a_list():
    things = [Thing(), Thing()]

    def step(x):
        return [x * thing.factor for thing in things]

    return step, setting(things[1], "factor", 8), "'things'[1].factor was 4, is 8"


@row
def _what_a_constructor_reads():
    n = 1

    class Local:
        def __init__(self):
            self.n = n

    def change():
        nonlocal n
        n = 2

    return lambda x: x * Local().n, change, "'n' was 1, is 2"


@row
def _default_mutated():
    def step(x, factors=[1]):  # noqa: B006 - what is tested
        return x * factors[0]

    return step, lambda: step.__defaults__[0].append(2), "'factors') was 1, is 2"


@row
def _default_replaced():
    def step(x, n=1):
        return x * n

    return step, setting(step, "__defaults__", (2,)), "argument 'n' was 1, is 2"


@row
def _keyword_default():
    def step(x, *, n=1):
        return x * n

    return step, lambda: step.__kwdefaults__.update(n=2), "argument 'n' was 1, is 2"


@row
def _function_replaced():
    act = tg.relu  # both are made by one def of tapegrad's

    def change():
        nonlocal act
        act = tg.sigmoid

    return lambda x: act(x), change, "'act' was"


@row
def _code_replaced():
    def step(x):
        return x

    change = setting(step, "__code__", (lambda x: x * 2).__code__)
    return step, change, "the code of step was that of line"


@row
def _code_of_a_helper_replaced():
    def helper(x):
        return x

    change = setting(helper, "__code__", (lambda x: x * 2).__code__)
    return lambda x: helper(x), change, "the code of closure variable 'helper' was that"


@row
def _partial():
    n = [1]
    return functools.partial(lambda k, x: x, n), lambda: n.append(2), ".args[0]) was 1, is 2"


@row
def _wrapped():
    n = [1]

    @functools.lru_cache
    def helper():
        return n[0]

    @functools.wraps(helper)
    def wrapper(x):
        return helper()

    return wrapper, lambda: n.append(2), "'n') was 1, is 2"


@row
def _transformed_by_tapegrad():
    n = [1]

    @tg.no_grad()
    def step(x):
        return x * n[0]

    return step, lambda: n.append(2), "'n') was 1, is 2"


@row
def _tensor_replaced():
    w = tg.tensor([1.0])

    def change():
        nonlocal w
        w = tg.tensor([1.0])

    return lambda x: x * w, change, "'w' was Tensor of shape (1,) and float64, is another"


@row
def _array_replaced():
    w = np.ones(2)

    def change():
        nonlocal w
        w = np.ones(2)

    return lambda x: x * w, change, "'w' was ndarray of shape (2,) and float64, is another"


@row
def _parameter_frozen():
    w = tg.parameter([1.0])
    return lambda x: x * w, setting(w, "requires_grad", False), "was True, is False"


@row
def _module_attribute():
    net = Net()
    return net, setting(net, "beta", 0.6), ".beta was 0.5, is 0.6"


@row
def _module_class_attribute_shadowed():
    net = Net()
    return lambda x: net(x), setting(net, "depth", 0), "depth is new: 0"


@row
def _module_in_evaluation():
    net = Net()
    return lambda x: net(x), net.eval, ".training"


@row
def _module_layer_added_to_a_list():
    net = Net()
    return lambda x: net(x), lambda: net.layers.append(nn.ReLU()), ".layers) was 2, is 3"


@row
def _module_parameter_replaced():
    net = Net()
    change = setting(net.layers[0], "weight", tg.parameter(np.ones((2, 2), "f4")))
    return lambda x: net(x), change, ".weight was Parameter"


@row
def _module_attribute_deleted():
    net = Net()
    return lambda x: net(x), lambda: delattr(net, "beta"), ".beta was 0.5, is no more"


@row
def _layer_appended():
    net = nn.MLP(2, [2, 1])
    return lambda x: net(x), lambda: net.append(nn.Tanh()), "'net'._layers) was 3, is 4"


@row
def _layer_of_ours():
    act = nn.LeakyReLU(0.1)
    return lambda x: act(x), setting(act, "negative_slope", 0.2), "negative_slope was 0.1"


@row
def _layer_derived_from_ours():
    class Scaled(nn.Linear):
        def forward(self, x):
            return super().forward(x) * self.factor

    layer = Scaled(2, 2)
    layer.factor = 1
    return lambda x: layer(x), setting(layer, "factor", 2), ".factor was 1, is 2"


@row
def _live_number_that_user_code_reads():
    layer = nn.Dropout(0.5)
    return lambda x: layer(x) * (1 - layer.p), setting(layer, "p", 0.6), ".p was 0.5, is 0.6"


@row
def _dropout_switched_off():
    net = Net()
    return lambda x: net(x), setting(net.layers[1], "p", 0), ".p != 0 was True, is False"


@row
def _learning_rate_that_user_code_reads():
    opt = optim.SGD([tg.parameter(1.0)], lr=0.1)
    return lambda x: opt.lr, setting(opt, "lr", 0.2), "['lr'] was 0.1, is 0.2"


@row
def _group_that_user_code_reads():
    opt = optim.SGD([tg.parameter(1.0)], lr=0.1)
    return lambda x: opt.param_groups[0]["lr"], setting(opt, "lr", 0.2), "['lr'] was 0.1, is 0.2"


@row
def _learning_rate_read_by_a_helper():
    opt = optim.SGD([tg.parameter(1.0)], lr=0.1)

    def rate_of(optimizer):
        return optimizer.lr

    return lambda x: rate_of(opt), setting(opt, "lr", 0.2), "['lr'] was 0.1, is 0.2"


@row
def _group_added():
    opt = optim.SGD([tg.parameter(1.0)], lr=0.1)
    change = lambda: opt.add_param_group({"params": tg.parameter(2.0)})  # noqa: E731
    return lambda x: opt.step(), change, ".param_groups) was 1, is 2"


@row
def _groups_replaced():
    opt = optim.SGD([tg.parameter(1.0)], lr=0.1)
    more = [{**opt.param_groups[0]}, {**opt.param_groups[0]}]
    return lambda x: opt.step(), setting(opt, "param_groups", more), ".param_groups) was 1, is 2"


@row
def _flag_of_an_optimizer():
    opt = optim.Adam([tg.parameter(1.0)])
    change = lambda: opt.param_groups[0].update(maximize=True)  # noqa: E731
    return lambda x: opt.step(), change, "['maximize'] was False, is True"


# --- what is nobody's business


@row
def _unread_attribute():
    thing = Thing()
    return thing.step, setting(thing, "unread", 6), None


@row
def _unread_new_attribute():
    thing = Thing()
    return thing.step, setting(thing, "brand_new", 6), None


@row
def _unread_attribute_of_a_module():
    net = Net()
    return lambda x: net(x), setting(net, "best", 0.7), None


@row
def _equal_list():
    n = [1, [2]]

    def change():
        nonlocal n
        n = [1, [2]]

    return lambda x: n, change, None


@row
def _equal_dataclass():
    config = Config()

    def change():
        nonlocal config
        config = Config()

    return lambda x: config.depth, change, None


@row
def _function_made_again():
    def make(n):
        return lambda x: x * n

    act = make(1)

    def change():
        nonlocal act
        act = make(1)

    return lambda x: act(x), change, None


@row
def _array_written_in_place():
    w = np.ones(2)
    return lambda x: x * w, lambda: w.__setitem__(0, 2), None


@row
def _parameter_written():
    net = Net()
    return lambda x: net(x), lambda: net.layers[0].weight.assign(1), None


@row
def _state_loaded():
    net = Net()
    return lambda x: net(x), lambda: net.load_state_dict(net.state_dict()), None


@row
def _to_evaluation_and_back():
    net = Net()
    return lambda x: net(x), lambda: net.eval().train(), None


@row
def _live_dropout():
    net = Net()
    return lambda x: net(x), setting(net.layers[1], "p", 0.1), None


@row
def _live_learning_rate():
    opt = optim.Adam([tg.parameter(1.0)])

    def change():
        opt.lr = 0.5
        opt.param_groups[0]["betas"] = (0.8, 0.9)

    return lambda x: opt.step(), change, None


@row
def _own_rate_beside_a_live_one():
    thing = types.SimpleNamespace(lr=0.1, opt=optim.SGD([tg.parameter(1.0)], lr=0.1))

    def step(x):
        thing.opt.step()
        return x * thing.lr

    return step, setting(thing.opt, "lr", 0.2), None


@row
def _another_module_elsewhere():
    net, other = Net(), Net()
    return lambda x: net(x), other.eval, None


@pytest.fixture(params=CHECKS, ids=lambda kind: kind.__name__)
def checks(request, monkeypatch):
    """Each implementation of the checks."""
    monkeypatch.setattr("tapegrad.replay.guards.Checks", request.param)


@pytest.mark.parametrize("make", ROWS.values(), ids=ROWS)
def test_changes_are_named(make, checks):
    function, change, sentence = make()
    guards = Guards(function)
    assert guards.changed() is None
    assert guards.written() is None
    change()
    if sentence is None:
        assert guards.changed() is None
        assert guards.changed() is None  # what was replaced by an equal one has been adopted
    else:
        assert sentence in guards.changed()
        assert sentence in guards.changed()  # and stays so


@pytest.mark.parametrize("make", ROWS.values(), ids=ROWS)
def test_unchanged_guards_need_no_walk(make, checks, monkeypatch):
    guards = Guards(make()[0])
    monkeypatch.setattr(guards, "_compare", None)
    assert guards.changed() is None


def test_modes_change_without_a_walk(checks, monkeypatch):
    net, other = Net().train(), Net()
    guards = Guards(lambda x: net(x))
    held = guards.checks()
    monkeypatch.setattr(guards, "_compare", None)
    other.eval()
    assert not held.hold()  # something has changed somewhere
    assert guards.changed() is None
    assert held.hold()
    net.eval()
    assert ".training was True, is False" in guards.changed()
    assert not held.hold()
    net.train()
    assert guards.changed() is None
    assert held.hold()


def test_checks_of_an_earlier_walk_do_not_hold_again(checks):
    net = Net()
    guards = Guards(lambda x: net(x))
    held = guards.checks()
    layers, net.layers = net.layers, list(net.layers)
    assert guards.changed() is None
    assert not held.hold()
    layers.append(None)
    assert guards.changed() is None
    assert guards.checks().hold()
    assert not held.hold()


def test_checks_refuse_what_is_no_row(checks):
    Checks = sys.modules["tapegrad.replay.guards"].Checks
    assert Checks([]).hold()
    for rows in ([1], [({}, 1, 2)], [({}, 1, 2, "key")]):
        with pytest.raises((TypeError, ValueError, KeyError)):
            Checks(rows)


def test_guards_can_be_part_of_a_cycle(checks):
    class Holder:
        pass

    def cycle():
        holder = Holder()
        holder.guards = Guards(lambda x: holder.x)
        return weakref.ref(holder)

    gone = cycle()
    gc.collect()
    assert gone() is None


# --- globals and modules


def test_globals_are_named(monkeypatch):
    guards = Guards(lambda x: scaled(x) + LAYERS[0])
    monkeypatch.setitem(globals(), "alpha", 0.2)
    assert guards.changed() == "global 'alpha' was 0.1, is 0.2"
    monkeypatch.setitem(globals(), "alpha", 0.1)
    assert guards.changed() is None
    monkeypatch.setitem(globals(), "LAYERS", [8, 5])
    assert guards.changed() == "global 'LAYERS'[1] was 4, is 5"
    monkeypatch.setitem(globals(), "LAYERS", [8, 4])
    assert guards.changed() is None
    monkeypatch.setitem(globals(), "scaled", abs)
    assert "global 'scaled' was scaled of line" in guards.changed()


def test_a_global_of_the_name_of_an_attribute_is_not_read(monkeypatch):
    thing = types.SimpleNamespace(alpha=1)
    guards = Guards(lambda x: x * thing.alpha)
    monkeypatch.setitem(globals(), "alpha", 0.2)
    assert guards.changed() is None


def test_modules_of_the_user_are_read(monkeypatch):
    module = types.ModuleType("user_settings")
    exec("rate = 1\nother = 2\ndef rate_of():\n    return rate", module.__dict__)
    monkeypatch.setitem(sys.modules, "user_settings", module)

    def step(x):
        from user_settings import rate_of

        return x * rate_of()

    for function in (lambda x: module.rate, lambda x: module.rate_of(), step):
        guards = Guards(function)
        module.other += 1
        assert guards.changed() is None
        module.rate += 1
        assert "rate' of module user_settings was" in guards.changed().replace(
            "'module'.rate was", "'rate' of module user_settings was"
        )


# --- arrays, arguments, writes


def test_watched_arrays_are_compared_by_content():
    w = np.array([1.0, np.nan])
    guards = Guards(lambda x: x * w, watch_arrays=True)
    assert guards.changed() is None
    w[0] = 2
    assert guards.changed() == "the contents of closure variable 'w' have changed"
    w[0] = 1
    assert guards.changed() is None


def test_arguments_are_walked():
    config = Config()
    guards = Guards(lambda config, x: x * config.depth, arguments=[("config", config)])
    config.depth = 3
    assert guards.changed() == "config.depth was 2, is 3"


def test_an_optimizer_given_as_an_argument_is_live_until_read():
    opt = optim.SGD([tg.parameter(1.0)], lr=0.1)
    stepping = Guards(lambda opt, x: opt.step(), arguments=[("opt", opt)])
    reading = Guards(lambda opt, x: opt.lr, arguments=[("opt", opt)])
    opt.lr = 0.2
    assert stepping.changed() is None
    assert "['lr'] was 0.1, is 0.2" in reading.changed()


def test_writes_of_the_function_itself_are_named():
    class Trainer:
        def __init__(self):
            self.steps = 0
            self.history = []
            self.opt = optim.SGD([tg.parameter(1.0)], lr=0.1)
            self.cache = None

        def count(self):
            self.steps += 1

        def remember(self):
            self.history.append(1)

        def keep(self):
            self.last = tg.tensor(1.0)

        def schedule(self):
            self.opt.lr = 0.9 * self.opt.param_groups[0]["lr"]

        def set_rate(self):
            self.opt.lr = 0.5

        def fill(self):
            if self.cache is None:
                self.cache = 1

    trainer = Trainer()
    for function, sentence in (
        (trainer.count, ".steps was 0, is 1"),
        (trainer.remember, ".history) was 0, is 1"),
        (trainer.keep, ".last is new: Tensor of shape ()"),
        (trainer.schedule, "['lr'] was 0.1, is 0.09"),
        (trainer.set_rate, "['lr'] was 0.09"),
    ):
        guards = Guards(function)
        function()
        assert sentence in guards.written(), function
    first = Guards(trainer.fill)
    trainer.fill()
    assert ".cache was None, is 1" in first.written()
    second = Guards(trainer.fill)
    trainer.fill()
    assert second.written() is None


def test_draws_of_the_function_are_named():
    mine, theirs, old = random.Random(0), np.random.default_rng(0), np.random.RandomState(0)
    for draw, sentence in (
        (lambda: mine.random(), "closure variable 'mine' was drawn from"),
        (lambda: theirs.normal(), "closure variable 'theirs' was drawn from"),
        (lambda: old.normal(), "closure variable 'old' was drawn from"),
        (lambda: random.random(), "Python's random was drawn from"),
        (lambda: np.random.random(), "numpy.random was drawn from"),  # noqa: NPY002 - tested
    ):
        guards = Guards(draw)
        assert guards.written() is None
        draw()
        assert guards.written() == sentence


def test_locks_and_generators_are_guarded_by_identity():
    lock, rng = threading.Lock(), np.random.default_rng(0)
    guards = Guards(lambda x: (lock, rng))
    rng.normal()
    lock.acquire()
    assert guards.changed() is None
