"""Rows: what is reached through others: members, keys, views, wrappers; names that come later."""

import argparse
import array
import enum
import functools
import operator
import sys
import types
import weakref
from collections import UserDict

from guard_rows import Net, row, setting

import tapegrad as tg
from tapegrad import nn, optim

LATER = {}  # what tests/guard_rows_reach.py may get later


class Thing:
    rate = 1.0

    def __init__(self, **attributes):
        vars(self).update(attributes)


class Slotted:
    __slots__ = ("rate",)


class Counted(optim.SGD):
    def step(self):
        return self.factor


class Sized(nn.Module):
    __slots__ = ("rate",)

    def forward(self, x):
        return x * self.rate


class Named(UserDict):
    def rate(self):
        return self["a"] * self.factor


def _deep(kind):
    """Data nested deeper than Python's stack: a change of the innermost is seen."""
    inner = found = Thing(rate=1.0)
    for _ in range(3000):
        found = [found, 2.0] if kind is list else kind(rate=2.0, next=found)
    return (
        lambda x: x * (found[1] if kind is list else found.next.rate),
        setting(inner, "rate", 3.0),
        ".rate was 1.0, is 3.0",
    )


for _kind in (list, Thing):
    row(functools.partial(_deep, _kind), f"deep_{_kind.__name__}")


@row
def _member_of_a_set():
    thing = Thing(scale=1.0)
    things = {thing}
    return lambda x: sum(t.scale for t in things), setting(thing, "scale", 2.0), ".scale was 1.0"


@row
def _key_of_a_dict():
    layer = nn.Dropout(0.5)
    table = {layer: 2.0}
    return lambda x: [k(x) for k in table], layer.eval, ".training was True, is False"


@row
def _number_in_a_set_of_another_type():
    numbers = {1}
    return lambda x: max(numbers), lambda: (numbers.clear(), numbers.add(1.0)), "have changed"


@row
def _sign_of_zero_in_an_array():
    numbers = array.array("d", [0.0])
    return lambda x: numbers[0], lambda: numbers.__setitem__(0, -0.0), "have changed"


@row
def _same_nan_in_an_array():
    numbers = array.array("d", [float("nan")])
    return lambda x: numbers[0], lambda: numbers.__setitem__(0, float("nan")), None


@row
def _values_of_a_dict():
    table = {"a": 1.0}
    values = table.values()
    return lambda x: sum(values), lambda: table.update(a=2.0), "['a'] was 1.0, is 2.0"


@row
def _method_of_a_dict():
    table = {"a": 1.0}
    get = table.get
    return lambda x: get("a"), lambda: table.update(a=2.0), "['a'] was 1.0, is 2.0"


@row
def _attribute_that_comes_later():
    module = types.ModuleType("user_settings")
    return lambda x: getattr(module, "rate", 1.0), setting(module, "rate", 2.0), "rate is new"


@row
def _attribute_of_a_namespace_that_comes_later():
    options = argparse.Namespace(depth=1)
    return lambda x: getattr(options, "rate", 1.0), setting(options, "rate", 2.0), "rate is new"


@row
def _slot_that_is_filled_later():
    thing = Slotted()
    return lambda x: getattr(thing, "rate", 1.0), setting(thing, "rate", 2.0), "rate is new"


@row
def _slot_of_an_object_that_answers_any_name():
    class Answers:
        __slots__ = ("rate",)

        def __getattr__(self, name):
            return 1.0

    thing = Answers()
    return lambda x: x * thing.rate, setting(thing, "rate", 2.0), "rate is new: 2.0"


@row
def _class_of_an_object_of_slots():
    class Other:
        __slots__ = ("rate",)

    thing = Slotted()
    thing.rate = 1.0
    change = setting(thing, "__class__", Other)
    return lambda x: x * thing.rate, change, "the class of closure variable 'thing' was"


@row
def _global_that_comes_later():
    scope = {}
    exec("def step(x):\n try: return late\n except NameError: return 1", scope)
    return scope["step"], lambda: scope.update(late=2.0), "'late'"


@row
def _variable_that_is_assigned_later():
    def step(x):
        try:
            return late
        except NameError:
            return 1

    def change():
        nonlocal late
        late = 2.0

    if LATER:
        late = 1.0
    return step, change, "'late' is new"


@row
def _vars_of_a_class():
    class Settings:
        rate = 1.0

    return lambda x: vars(Settings)["rate"], setting(Settings, "rate", 2.0), "rate was 1.0"


@row
def _vars_of_a_layer():
    layer = nn.Dropout(0.5)
    return lambda x: vars(layer)["p"], setting(layer, "p", 0.25), ".p was 0.5, is 0.25"


@row
def _getter_of_a_live_number():
    layer, p = nn.Dropout(0.5), operator.attrgetter("p")
    return lambda x: p(layer), setting(layer, "p", 0.25), ".p was 0.5, is 0.25"


@row
def _live_number_of_a_rebound_self():
    layer = nn.Dropout(0.5)

    def step(x):
        x = layer
        return x.p

    return step, setting(layer, "p", 0.25), ".p was 0.5, is 0.25"


@row
def _numbers_in_a_state_dict():
    opt = optim.SGD([tg.parameter(1.0)], lr=0.5)
    return lambda x: opt.state_dict()["param_groups"], setting(opt, "lr", 0.25), "was 0.5, is 0.25"


@row
def _attribute_of_an_optimizer():
    opt = Counted([tg.parameter(1.0)], lr=0.5)
    opt.factor = 1.0
    return lambda x: opt.step(), setting(opt, "factor", 2.0), "factor was 1.0, is 2.0"


@row
def _numbers_of_a_property_that_is_cached():
    table = {"a": 1.0}

    class Cached:
        @functools.cached_property
        def rate(self):
            return table["a"]

    return lambda x: Cached().rate, lambda: table.update(a=2.0), "['a'] was 1.0, is 2.0"


@row
def _method_that_dispatches():
    table = {"a": 1.0}

    class Dispatching:
        @functools.singledispatchmethod
        def rate(self, x):
            return table["a"]

    thing = Dispatching()
    return lambda x: thing.rate(x), lambda: table.update(a=2.0), "['a'] was 1.0, is 2.0"


@row
def _function_that_is_vectorized():
    table = {"a": 1.0}
    each = tg.numpy.vectorize(lambda x: x * table["a"])
    return lambda x: each(x), lambda: table.update(a=2.0), "['a'] was 1.0, is 2.0"


@row
def _attribute_of_a_kind_of_user_dict():
    table = Named(a=1.0)
    table.factor = 1.0
    return lambda x: table.rate(), setting(table, "factor", 2.0), "factor was 1.0, is 2.0"


@row
def _call_that_is_a_partial_method():
    table = {"a": 1.0}

    class Called:
        __call__ = functools.partialmethod(lambda self, x: x * table["a"])

    thing = Called()
    return lambda x: thing(x), lambda: table.update(a=2.0), "['a'] was 1.0, is 2.0"


@row
def _item_of_a_class():
    table = {"a": 1.0}

    class Indexed:
        def __class_getitem__(cls, key):
            return table["a"]

    return lambda x: Indexed[0], lambda: table.update(a=2.0), "['a'] was 1.0, is 2.0"


@row
def _text_of_an_object():
    class Shown:
        def __repr__(self):
            return self.kind

    thing = Shown()
    thing.kind = "a"
    return lambda x: repr(thing), setting(thing, "kind", "b"), "kind was 'a', is 'b'"


@row
def _dotted_getter():
    outer = Thing(inner=Thing(scale=1.0))
    get = "inner.scale"
    return (
        lambda x: operator.attrgetter("inner.scale")(outer) if get else 0,
        setting(outer.inner, "scale", 2.0),
        "scale was 1.0, is 2.0",
    )


@row
def _value_of_an_enum():
    mode = enum.Enum("Mode", {"A": {"rate": 1.0}})
    return lambda x: mode.A.value["rate"], lambda: mode.A.value.update(rate=2.0), "was 1.0, is 2.0"


@row
def _keyword_defaults():
    def step(x, *, k=1.0):
        return x * k

    return step, setting(step, "__kwdefaults__", {"k": 2.0}), "'k' was 1.0, is 2.0"


@row
def _slot_of_a_module():
    layer = Sized()
    layer.rate = 1.0
    return lambda x: layer(x), setting(layer, "rate", 2.0), "rate was 1.0, is 2.0"


@row
def _module_imported_from_beside():
    package = types.ModuleType("user_package")
    settings = types.ModuleType("user_package.settings")
    package.settings, settings.RATE = settings, 1.0
    sys.modules.update({"user_package": package, "user_package.settings": settings})
    scope = {"__package__": "user_package", "__name__": "user_package.work"}
    exec("def step(x):\n from .settings import RATE\n return x * RATE", scope)
    return scope["step"], setting(settings, "RATE", 2.0), "RATE was 1.0, is 2.0"


@row
def _object_behind_a_proxy():
    thing = Thing(rate=1.0)
    proxy = weakref.proxy(thing)
    return lambda x: x * proxy.rate, setting(thing, "rate", 2.0), "'proxy'.rate was 1.0, is 2.0"


@row
def _module_behind_a_proxy():
    net = Net()
    proxy = weakref.proxy(net)
    return lambda x: proxy(x), setting(net, "beta", 0.6), "'proxy'.beta was 0.5, is 0.6"


@row
def _member_of_a_weak_set():
    thing = Thing(rate=1.0)
    things = weakref.WeakSet([thing])
    return lambda x: [x * t.rate for t in things], setting(thing, "rate", 2.0), ".rate was 1.0"


@row
def _weak_set_grown():
    both = [Thing(rate=1.0), Thing(rate=2.0)]
    things = weakref.WeakSet(both[:1])
    change = lambda: things.add(both[1])  # noqa: E731
    return lambda x: [x * t.rate for t in things], change, "contents of closure variable 'things'"


@row
def _order_of_the_parts_that_match_takes():
    class Pair:
        __match_args__ = ("a",)
        a, b = 1, 2

    pair = Pair()

    def step(x):
        match pair:
            case Pair(n):
                return x * n

    return step, setting(Pair, "__match_args__", ("b",)), "__match_args__"
