"""Rows: Python 3.15's frozen dicts, which stay as they are, though not what is in them."""

import builtins

import pytest
from guard_rows import row


def frozen(**items):
    if not hasattr(builtins, "frozendict"):
        pytest.skip("frozendict is a builtin from Python 3.15 on")
    return builtins.frozendict(items)


@row
def _list_in_a_frozen_dict():
    n = frozen(a=[1], b=2)
    return lambda x: x * n["a"][0], lambda: n["a"].append(2), "'n'['a']) was 1, is 2"


@row
def _frozen_dict_in_a_frozen_dict():
    n = frozen(a=frozen(b=[1]))

    def change():
        n["a"]["b"][0] = 2

    return lambda x: x * n["a"]["b"][0], change, "'n'['a']['b'][0] was 1, is 2"


@row
def _frozen_dict_replaced():
    n = frozen(a=1)

    def change():
        nonlocal n
        n = frozen(a=2)

    return lambda x: x * n["a"], change, "'n'['a'] was 1, is 2"


@row
def _frozen_dict_made_anew():
    n = frozen(a=1)

    def change():
        nonlocal n
        n = frozen(a=1)

    return lambda x: x * n["a"], change, None
