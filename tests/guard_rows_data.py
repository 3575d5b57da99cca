"""Rows: plain data changes: numbers, containers, attributes of objects and classes."""

import functools
import types
from collections import OrderedDict, defaultdict, deque
from contextvars import ContextVar
from typing import NamedTuple

import numpy as np
from guard_rows import Config, Thing, row, setting


class Table(dict):
    pass


class Unprintable(float):
    def __repr__(self):
        raise RuntimeError("repr")


class Slotted:
    __slots__ = ("rate",)

    def __init__(self):
        self.rate = 0.5


def scaled(x):
    return x * 2


@row
def _closure():
    n = 1

    def change():
        nonlocal n
        n = 2

    return lambda x: x * n, change, "closure variable 'n' was 1, is 2"


@row
def _closure_with_too_many_digits():
    numbers = [10**5000, slice(10**5000)]
    return (
        lambda x: x * (numbers[0] % 7),
        lambda: numbers.__setitem__(0, 10**5000 + 1),
        "'numbers'[0] was <int object",
    )


@row
def _slice_with_too_many_digits():
    part = [slice(10**5000)]
    return (
        lambda x: x[part[0]],
        lambda: part.__setitem__(0, slice(10**5001)),
        "'part'[0] was <slice",
    )


@row
def _slice_made_anew():
    part = [slice(1, None)]
    return lambda x: x[part[0]], lambda: part.__setitem__(0, slice(1, None)), None


@row
def _number_in_a_slice_of_another_type():
    part = [slice(0, 1)]
    return (
        lambda x: part[0].stop,
        lambda: part.__setitem__(0, slice(0, True)),
        "'part'[0] was slice",
    )


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
def _order_of_an_ordered_dict():
    n = OrderedDict(a=1, b=2)
    return lambda x: list(n), lambda: n.move_to_end("a"), "was ('a', 'b'), is ('b', 'a')"


@row
def _view_of_a_dict():
    n = {"a": [1]}
    view = types.MappingProxyType(n)
    return lambda x: view["a"], lambda: n["a"].append(2), "'view'['a']) was 1, is 2"


@row
def _dict_kinds():
    n = OrderedDict(a=defaultdict(list, b=Table(c=1)))
    return lambda x: n, lambda: n["a"]["b"].update(c=2), "'n'['a']['b']['c'] was 1, is 2"


class Named(NamedTuple):
    rate: float


class Rates(Named):
    pass


class Line(np.ndarray):
    pass


class Group(set):
    pass


class Items(list):
    pass


def with_attribute(container):
    container.scale = 1
    return lambda x: x * container.scale, setting(container, "scale", 2), ".scale was 1, is 2"


row(lambda: with_attribute(Table(a=1)), "attribute_of_a_dict")
row(lambda: with_attribute(Items([1])), "attribute_of_a_list")
row(lambda: with_attribute(Group({1})), "attribute_of_a_set")
row(lambda: with_attribute(Rates(1.0)), "attribute_of_a_named_tuple")
row(lambda: with_attribute(np.ones(2).view(Line)), "attribute_of_an_array")
row(lambda: with_attribute(functools.partial(scaled)), "attribute_of_a_partial")


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
def _namespace_by_a_string_of_its_own():
    config, name = types.SimpleNamespace(depth=2), "depth"
    return lambda x: getattr(config, name), setting(config, "depth", 3), "was 2, is 3"


@row
def _namespace_by_a_list_of_strings():
    config = types.SimpleNamespace(names=["depth"], depth=2)

    def step(x):
        return [getattr(config, name) for name in config.names]

    return step, setting(config, "depth", 3), "was 2, is 3"


@row
def _namespace_by_formatted_strings():
    config = types.SimpleNamespace(w0=2, w1=2)

    def step(x):
        return [getattr(config, f"w{i}") for i in range(2)]

    return step, setting(config, "w1", 3), "'config'.w1 was 2, is 3"


@row
def _slot_and_class_attribute_by_formatted_strings():
    class Rates(Slotted):
        rate_of_class = 1

    rates, kind = Rates(), "of_class"
    change = setting(Rates, "rate_of_class", 2)
    return lambda x: getattr(rates, f"rate_{kind}"), change, "rate_of_class was 1, is 2"


@row
def _context_variable():
    rate = ContextVar("rate", default=1)
    return lambda x: x * rate.get(), lambda: rate.set(2), "'rate'.get() was 1, is 2"


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
def _key_without_a_repr():
    key = Unprintable(2)
    table = {key: 1}
    return lambda x: x * table[2], lambda: table.update({key: 3}), "Unprintable object at"


@row
def _value_without_a_repr():
    table = {"a": [Unprintable(2)]}
    change = lambda: table.update(a=[Unprintable(3)])  # noqa: E731
    return lambda x: x * table["a"][0], change, "closure variable 'table'['a'][0] was <"


@row
def _member_without_a_repr():
    members = {1.0, Unprintable(0)}
    return lambda x: x * len(members), lambda: members.add(2), "members' have changed"
