"""Looking into objects without running any of their code."""

from __future__ import annotations

import builtins
import collections
import gc
import operator
import sys
import types
import weakref
from array import array
from contextvars import ContextVar
from functools import partial
from typing import Any, NamedTuple

import numpy as np

from ..nn.module import Module
from ..tensor import PARAMETER, Tensor
from ..tree import text_of
from .libraries import is_library_class

# Values without parts, compared by type and value.
SCALARS = frozenset(
    (int, float, complex, bool, str, bytes, type(None), type(Ellipsis), range, slice)
)

# Dicts that stay as they are, though not what is in them; Python has them from 3.15 on.
FROZEN: tuple = (builtins.frozendict,) if hasattr(builtins, "frozendict") else ()

# The descriptor of what a closure's cell holds.
CELL_CONTENTS = vars(types.CellType)["cell_contents"]

# What is not there.
NOTHING = object()

# Methods that run without being named where they are called from, and those that no step calls.
CONSTRUCTORS = frozenset(("__init__", "__new__", "__post_init__"))
NOT_CALLED = frozenset(
    ("__reduce__", "__reduce_ex__", "__init_subclass__", "__set_name__", "__del__")
) | {"__getstate__", "__setstate__", "__sizeof__", "__subclasshook__", "__annotate__"}

_WEAK = (weakref.WeakKeyDictionary, weakref.WeakValueDictionary, weakref.WeakSet)
_VIEWS = (type({}.keys()), type({}.values()), type({}.items()))
_WITH_DATA: tuple = (*_WEAK, collections.UserDict, collections.UserList)


def is_namespace(cls: type) -> bool:
    """Whether it is a kind of the standard library's that is nothing but its attributes."""
    name = f"{cls.__module__}.{cls.__name__}"
    return cls is types.SimpleNamespace or name == "argparse.Namespace"


def inside(value: Any) -> Any:
    """What a wrapper of the standard library around other data wraps, or NOTHING: it is none."""
    if type(value) in weakref.ProxyTypes:
        return _behind(value)
    if isinstance(value, weakref.ref):
        return value()
    if isinstance(value, np.flatiter):
        return value.base
    if isinstance(value, memoryview):
        return _viewed(value)
    if isinstance(value, _VIEWS):
        value = value.mapping
    if isinstance(value, types.MappingProxyType):  # refers to nothing else
        return gc.get_referents(value)[0]
    if isinstance(value, _WITH_DATA):
        return value.data
    return value.maps if isinstance(value, collections.ChainMap) else NOTHING


def _behind(proxy: Any) -> Any:
    """What a weakref.proxy stands for, which shows itself by its bound methods alone."""
    try:
        return proxy.__dir__.__self__
    except (AttributeError, ReferenceError):
        return NOTHING


def _viewed(view: memoryview) -> Any:
    try:
        return view.obj
    except ValueError:  # it has been released
        return NOTHING


def names_got_by(getter: Any) -> set[str]:
    """The attributes that an operator.attrgetter reads, or the name a methodcaller calls."""
    make, found = getter.__reduce__()[:2]
    if isinstance(getter, operator.methodcaller):  # with keywords it is made by a partial
        found = (make.args if isinstance(make, partial) else found)[:1]
    return {part for name in found for part in name.split(".")}


def cell_value(cell: Any) -> Any:
    try:
        return NOTHING if cell is None else cell.cell_contents
    except ValueError:
        return NOTHING


def context_value(variable: ContextVar) -> Any:
    try:
        return variable.get()
    except LookupError:
        return NOTHING


def static(value: Any, name: str) -> Any:
    """value.name without running user code, or NOTHING."""
    if value is NOTHING:
        return NOTHING
    if type(value) is types.CellType:
        return cell_value(value)
    found = getattr(value, "__dict__", None)  # a __getattr__ may answer that, too
    if isinstance(found, (dict, types.MappingProxyType)) and name in found:
        return found[name]
    descriptor = look_at(type(value)).slots.get(name)
    try:
        return NOTHING if descriptor is None else descriptor.__get__(value)
    except AttributeError:
        return NOTHING


class Look(NamedTuple):
    """What is the same for all objects of a class."""

    order: tuple[type, ...]  # its __mro__
    bases: tuple[type, ...]  # the user's of them
    is_ours: bool  # it or a base is a library's, but for those that everyone has
    slots: dict[str, Any]  # the descriptors of __slots__ of the user's


_looks: weakref.WeakKeyDictionary[type, Look] = weakref.WeakKeyDictionary()


def look_at(cls: type) -> Look:
    """See Look; about 0.2 us after the first time."""
    found = _looks.get(cls)
    if found is None or found.order is not cls.__mro__:
        bases = tuple(base for base in cls.__mro__ if not is_library_class(base))
        is_ours = any(b not in bases and b not in (Module, object) for b in cls.__mro__)
        slots = {
            name: part
            for base in reversed(bases)
            for name, part in vars(base).items()
            if isinstance(part, types.MemberDescriptorType)
        }
        found = _looks[cls] = Look(cls.__mro__, bases, is_ours, slots)
    return found


def globals_of(root: Any) -> Any:
    """The globals that a sentence need not name the module of."""
    while not isinstance(root, types.FunctionType):
        inner = static(root, "__wrapped__")
        if inner is NOTHING:
            inner = getattr(root, "__func__", None) or getattr(root, "func", None)
        if inner is None:
            return vars(sys.modules.get(type(root).__module__, sys))
        root = inner
    return root.__globals__


def name_of(root: Any) -> str:
    return getattr(root, "__name__", None) or type(root).__name__


class Contents(tuple):
    """(shape, dtype, bytes) of an ndarray that is watched, or what stands for a Tensor's values."""


class Order(tuple):
    """The keys of a dict."""


class Identities(frozenset):
    """Of a set: which objects are in it. Others may be equal."""

    def __new__(cls, value: set) -> Identities:
        return super().__new__(cls, map(id, value.copy()))


class Members(tuple):
    """Of a set, bytearray or array.array: what tells it from another one. 1 is not 1.0, 0.0 is not
    -0.0, and one nan is as good as another."""

    def __new__(cls, value: Any) -> Members:
        if isinstance(value, (set, frozenset)):
            held = frozenset(value.copy())  # in one step, should another thread write it
            kinds = frozenset(map(type, held))
            zeros = [text_of(x) for x in held if isinstance(x, (float, complex)) and x == 0]
            return super().__new__(cls, (type(value), held, kinds, tuple(zeros)))
        code = value.typecode if isinstance(value, array) else ""
        return super().__new__(cls, (type(value), code, bytes(value)))


_NOTHING = Contents()


def held_by(tensor: Tensor) -> Contents:
    """What x[i] = v replaces; parameters are written where they are, and read anew."""
    return _NOTHING if tensor._flags & PARAMETER else Contents((tensor.handle or tensor._node,))


def contents(x: np.ndarray) -> Contents:
    return Contents((x.shape, x.dtype, x.tobytes()))
