"""Rows: plain data changes: numbers in closures, and containers."""

import functools
import types
from collections import OrderedDict, defaultdict, deque
from dataclasses import make_dataclass
from typing import NamedTuple

import numpy as np
from guard_rows import row, setting


class Table(dict):
    pass


class Unprintable(float):
    def __repr__(self):
        raise RuntimeError("repr")


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


# --- what is nobody's business


@row
def _equal_list():
    n = [1, [2]]

    def change():
        nonlocal n
        n = [1, [2]]

    return lambda x: n, change, None


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


@row
def _tuple_in_a_set_replaced_by_an_equal_one():
    members = {(1,)}

    def change():
        members.clear()
        members.add((1.0,))

    return lambda x: [x * a for (a,) in members], change, "a member of closure variable 'members'"


@row
def _tuple_in_a_set_made_anew():
    members = {(1,)}

    def change():
        members.clear()
        members.add((int("1"),))

    return lambda x: [x * a for (a,) in members], change, None


@row
def _object_in_a_set_replaced_by_an_equal_one():
    config = make_dataclass("config", ["depth"], frozen=True)
    members = {config(2)}

    def change():
        members.clear()
        members.add(config(2.0))

    return lambda x: [x * member.depth for member in members], change, "depth was 2, is 2.0"


@row
def _range_in_a_set_replaced_by_an_equal_one():
    members = {range(0)}

    def change():
        members.clear()
        members.add(range(-1))

    return lambda x: [x * r.stop for r in members], change, "was range(0, 0), is range(0, -1)"
