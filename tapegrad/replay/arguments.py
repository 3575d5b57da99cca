"""The arguments of a compiled function: which are arrays, and what a call's signature is.

Arrays (ndarrays, NumPy scalars, Tensors that no tape watches by itself) differ from call to
call; everything else is part of the signature, and so are shapes, dtypes, contiguity, and which
arguments are the same object.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from inspect import CO_VARKEYWORDS
from types import CodeType, FunctionType
from typing import Any

import numpy as np

from ..engine import select
from ..engine.operands import unmasked
from ..nn.module import Module
from ..tensor import Tensor
from ..tree import (
    attributes_of,
    dataclass_maker,
    dict_maker,
    is_dataclass_instance,
    named_tuple_maker,
)
from .checks import pairs
from .guards import same_value
from .libraries import is_library_class
from .look import SCALARS, look_at


def flatten(tree: Any, arrays: list, key: list) -> Callable[[Iterator], Any]:
    """Append the arrays of a nesting to `arrays` and its signature to `key`.

    Returns:
        rebuild(iterator): the same nesting with its arrays taken from the iterator.
    """
    kind = type(tree)
    if kind is np.ndarray:
        return _array(tree, tree.flags.c_contiguous, arrays, key)
    if isinstance(tree, Tensor):
        if tree._may_be_written:
            key.append(Identity(tree))
            return lambda it: tree
        return _array(tree, True, arrays, key)
    if isinstance(tree, (np.ndarray, np.generic)) and not isinstance(tree, np.character):
        return _array(unmasked(tree, "compile"), True, arrays, key)
    if kind in (list, tuple):
        key.append((kind, len(tree), ()))
        return _rebuilt(kind, [flatten(x, arrays, key) for x in tree])
    if isinstance(tree, tuple) and hasattr(tree, "_fields"):
        attributes = attributes_of(tree)
        key.append((kind, len(tree), tuple(attributes)))
        parts = [flatten(x, arrays, key) for x in (*tree, *attributes.values())]
        return _rebuilt(named_tuple_maker(tree, list(attributes)), parts)
    if isinstance(tree, dict):
        attributes = {} if kind is dict else attributes_of(tree)
        key.append((kind, tuple(tree), tuple(attributes), tuple(map(_exact, tree))))
        parts = [flatten(x, arrays, key) for x in (*tree.values(), *attributes.values())]
        return _rebuilt(dict_maker(tree, list(attributes)), parts)
    if is_dataclass_instance(tree) and not isinstance(tree, Module):
        attributes = attributes_of(tree)
        key.append((kind, (), tuple(attributes)))
        parts = [flatten(x, arrays, key) for x in attributes.values()]
        return _rebuilt(dataclass_maker(tree, list(attributes)), parts)
    if compares_by_value(tree) and not has_attributes(tree):
        return _static(tree, key)
    key.append(Identity(tree))
    return lambda it: tree


def _rebuilt(make: Callable, parts: list[Callable]) -> Callable[[Iterator], Any]:
    return lambda it: make([part(it) for part in parts])


def is_container(part: Any) -> bool:
    """Whether a part of a signature says what contains the next ones: (type, keys or how many
    places, names of attributes, what tells the keys from equal ones)."""
    return isinstance(part, tuple) and len(part) > 2 and isinstance(part[0], type)


class Identity:
    """An argument that a signature holds as the object it is."""

    __slots__ = ("thing",)

    def __init__(self, thing: Any):
        self.thing = thing

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Identity) and other.thing is self.thing

    def __hash__(self) -> int:
        return id(self.thing)


def sees_order(function: Any) -> bool:
    """Whether a function may tell in which order its keyword arguments come."""
    code = getattr(function, "__code__", None)
    return not isinstance(code, CodeType) or bool(code.co_flags & CO_VARKEYWORDS)


def objects(key: list) -> list[tuple[str, Any]]:
    """(name, object) of what guards look into: arguments that are neither arrays nor plain values,
    the users' classes of those taken apart, and keys of dicts."""
    found = [k.thing for k in key if isinstance(k, Identity)]
    for k in key:
        if isinstance(k, tuple) and isinstance(k[0], type) and not is_library_class(k[0]):
            found.append(k[0])
        if is_container(k) and issubclass(k[0], dict):
            found += [x for x in k[1] if type(x) not in SCALARS]
    return [(f"argument object {n}", thing) for n, thing in enumerate(found)]


def parts_of(tree: Any) -> list[tuple[Any, tuple]]:
    """(container, its parts) of those of a nesting that can be written into."""
    if isinstance(tree, Tensor):
        return []
    parts = _parts(tree)
    own = [] if parts is None or isinstance(tree, tuple) else [(tree, parts)]
    return own + [found for part in parts or () for found in parts_of(part)]


def written_into(before: list[tuple[Any, tuple]]) -> Any:
    """The first container whose parts are no longer those that parts_of() found; None: none."""
    for container, parts in before:
        now = _parts(container)
        if isinstance(container, dict):  # whose order nobody counts on
            now, parts = _by_key(now), _by_key(parts)
        if len(now) != len(parts) or not all(map(same_value, now, parts)):
            return container
    return None


def _by_key(parts: tuple) -> list:
    found = sorted(zip(parts[::2], parts[1::2]), key=lambda pair: id(pair[0]))
    return [x for pair in found for x in pair]


def _parts(tree: Any) -> tuple | None:
    if isinstance(tree, tuple) or type(tree) is list:
        return tuple(tree)
    if isinstance(tree, dict):
        return pairs(tree)
    if is_dataclass_instance(tree) and not isinstance(tree, Module):
        return pairs(attributes_of(tree))
    return None


def has_attributes(x: Any) -> bool:
    """Whether a value is of a user's kind of number or string that has some, or has slots."""
    if type(x) in SCALARS:
        return False
    return bool(getattr(x, "__dict__", None) or look_at(type(x)).slots)


def compares_by_value(x: Any) -> bool:
    """Whether an argument belongs to the signature by its value, not as the object it is."""
    if isinstance(x, slice):
        return all(map(compares_by_value, _ends(x)))
    if isinstance(type(x).__eq__, FunctionType):  # by which a user's kind may be equal to another
        return False
    return x is None or isinstance(x, (bool, int, float, complex, str, bytes))


def _static(x: Any, key: list) -> Callable:
    key.append(_typed(x))
    return lambda it: x


def _typed(x: Any) -> tuple:
    """A value with its type: 1 == True."""
    if isinstance(x, (float, complex)) and x == 0:  # 0.0 == -0.0, but 1 / 0.0 != 1 / -0.0
        return type(x), (float if isinstance(x, float) else complex).__repr__(x)
    if isinstance(x, slice):
        return slice, tuple(map(_typed, _ends(x)))
    return type(x), x


def _ends(part: slice) -> tuple:
    return part.start, part.stop, part.step


def _exact(key: Any) -> Any:
    """What tells a key of a dict from one that is equal to it."""
    if type(key) is str:
        return key
    if isinstance(key, tuple):
        return type(key), tuple(map(_exact, key))
    if isinstance(key, (np.generic, np.dtype)):
        return type(key), repr(key)
    return _typed(key) if compares_by_value(key) and not has_attributes(key) else Identity(key)


def _array(x: Any, contiguous: bool, arrays: list, key: list) -> Callable:
    for i, other in enumerate(arrays):
        if other is x:
            key.append(i)
            return lambda it: _again(it, i)
    key.append((x.dtype, x.shape, contiguous or x.strides))
    arrays.append(x)
    return next


class Taken:
    """An iterator over array arguments that can give an earlier one again."""

    def __init__(self, tensors: list):
        self.tensors = tensors
        self._at = 0

    def __iter__(self) -> Taken:
        return self

    def __next__(self) -> Any:
        self._at += 1
        return self.tensors[self._at - 1]


def _again(it: Any, i: int) -> Any:
    return it.tensors[i]


def as_tensors(arrays: list) -> list:
    """The arrays as Tensors of the step's own: the function may keep or return them."""
    engine = select.engine()
    fresh = []
    for x in arrays:
        array = engine.to_numpy(engine.adopt(x)) if isinstance(x, Tensor) else x
        fresh.append(engine.from_numpy(array, Tensor))
    return fresh


def as_arrays(arrays: list) -> list:
    """The arrays as a program reads them: Tensors of the engine in force, ndarrays in native byte
    order."""
    engine = select.engine()
    return [engine.adopt(x) if isinstance(x, Tensor) else native(x) for x in arrays]


def native(x: Any) -> Any:
    """The ndarray, a copy if its bytes are in the other order."""
    return x if x.dtype.isnative else x.astype(x.dtype.newbyteorder("="))
