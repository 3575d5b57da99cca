"""Nested containers of Tensors: flatten to a list, and rebuild the same structure.

Containers are lists, tuples, named tuples, deques, dicts and dataclass instances. None is a
structure without leaves; so is a dataclass field made with `field(metadata={"static": True})`.
Anything else is a leaf.
"""

from __future__ import annotations

import dataclasses
from collections import OrderedDict, defaultdict, deque
from collections.abc import Callable, Iterator, Sequence
from enum import Enum
from functools import cached_property
from types import MemberDescriptorType
from typing import Any, NamedTuple

import numpy as np

from .errors import ShapeError
from .parameter import Parameter
from .tensor import Tensor


def flatten(tree: Any, leaves: list) -> Callable[[Any], Any]:
    """Append the leaves of a nesting to `leaves`.

    Returns:
        rebuild(iterator): the same structure with its leaves taken from the iterator. Named
        tuples, dicts and dataclasses keep their type, and what else they have; their constructors
        do not run again. Dicts keep their order.
    """
    node = _node(tree)
    if node is None:
        leaves.append(tree)
        return next
    rebuilds = [flatten(part, leaves) for part in node.parts]
    make = node.make
    return lambda it: make([rebuild(it) for rebuild in rebuilds])


def flatten_like(tree: Any, like: Any, what: str) -> list:
    """The values of `tree` where `like` has its leaves; a value may be anything array-like.

    Raises:
        ShapeError: naming the place under `what` where the two structures differ.
    """
    model = _node(like)
    if model is None:
        return [tree]
    mine = _node(tree)
    keys = model.keys()
    if mine is None or mine.keys() != keys:
        raise ShapeError(f"{what}: need the structure {outline(like)}, got {outline(tree)}")
    found = []
    for key, part, like_part in zip(keys, mine.parts, model.parts):
        found += flatten_like(part, like_part, what + key)
    return found


def leaf_paths(tree: Any) -> Iterator[str]:
    """Where each leaf lies, as Python would index it: "[0]['w']"; "" for a leaf alone."""
    node = _node(tree)
    if node is None:
        yield ""
        return
    for key, part in zip(node.keys(), node.parts):
        for path in leaf_paths(part):
            yield key + path


def outline(tree: Any) -> str:
    """The structure in one line: containers as they are written, leaves as *."""
    node = _node(tree)
    if tree is None or node is None:
        return "None" if tree is None else "*"
    inner = [outline(part) for part in node.parts]
    if type(tree) is list:
        return f"[{', '.join(inner)}]"
    if type(tree) is tuple:
        return f"({inner[0]},)" if len(inner) == 1 else f"({', '.join(inner)})"
    if type(tree) is deque:
        return f"deque([{', '.join(inner)}], {tree.maxlen})"
    if isinstance(tree, dict):
        return "{" + ", ".join(f"{text_of(key)}: {text}" for key, text in zip(tree, inner)) + "}"
    named = (f"{key[1:]}={text}" for key, text in zip(node.keys(), inner))
    return f"{type(tree).__name__}({', '.join(named)})"


def text_of(value: Any) -> str:
    """Its repr(), or what it would be if its class had none: one may fail, and that of a Tensor
    says other values after each step, while it is the same key of a dict."""
    if isinstance(value, Tensor):
        return object.__repr__(value)
    try:
        if type(value) is tuple:
            return f"({', '.join(map(text_of, value))}{',' * (len(value) == 1)})"
        return repr(value)
    except Exception:
        return object.__repr__(value)


def counted(n: int, one: str) -> str:
    """So many of what this is the singular of: "1 entry", "2 entries", "0 groups"."""
    many = f"{one[:-1]}ies" if one.endswith("y") else f"{one}s"
    return f"{n} {one if n == 1 else many}"


class _Node(NamedTuple):
    """A container taken apart."""

    make: Callable[[list], Any]
    parts: Sequence
    keys: Callable[[], list[str]]  # how each part is written after the container's name


_LEAVES = {Tensor, Parameter, np.ndarray, int, float, complex, bool, str}  # known without asking


def _node(tree: Any) -> _Node | None:
    """A container's parts; None for a leaf."""
    kind = type(tree)
    if kind in _LEAVES:
        return None
    if kind is list or kind is tuple:
        return _Node(kind, tree, lambda: [f"[{i}]" for i in range(len(tree))])
    if kind is deque:
        parts, longest = list(tree), tree.maxlen
        return _Node(
            lambda new: deque(new, longest), parts, lambda: [f"[{i}]" for i in range(len(parts))]
        )
    if isinstance(tree, dict):
        keys = list(tree)
        return _Node(
            dict_maker(tree),
            list(tree.values()),
            lambda: [f"[{text_of(key)}]" for key in keys],
        )
    if tree is None:
        return _Node(lambda parts: None, [], list)
    if isinstance(tree, tuple) and hasattr(tree, "_fields"):
        return _Node(
            named_tuple_maker(tree),
            tree,
            lambda: [f".{name}" for name in tree._fields],
        )
    if is_dataclass_instance(tree):
        return _dataclass_node(tree)
    return None


def is_dataclass_instance(tree: Any) -> bool:
    """Whether it is made of its fields: of a dataclass, but no member of an Enum, and no kind of
    list or exception."""
    kind = type(tree)
    return (
        dataclasses.is_dataclass(kind) and not isinstance(tree, Enum) and _base_of(kind) is object
    )


def _base_of(kind: type) -> type:
    """The nearest base that is not made by a class statement."""
    return next(base for base in kind.__mro__ if not base.__flags__ & _HEAP)


_HEAP = 1 << 9  # Py_TPFLAGS_HEAPTYPE


def _dataclass_node(tree: Any) -> _Node:
    names = [f.name for f in dataclasses.fields(tree) if not f.metadata.get("static")]
    names = [name for name in names if hasattr(tree, name)]
    return _Node(
        dataclass_maker(tree, names),
        [getattr(tree, name) for name in names],
        lambda: [f".{name}" for name in names],
    )


# --- what makes a container like one of other parts: without its constructor, which may check or
# convert, and with what else it has. The parts that it had are not kept alive.


def dict_maker(tree: dict, names: Sequence[str] = ()) -> Callable[[Sequence], dict]:
    """names: of the attributes whose values come after those of the keys."""
    kind, keys = type(tree), list(tree)
    if kind is dict:
        return lambda parts: dict(zip(keys, parts))
    is_own = getattr(tree, "__dict__", None) is tree  # so that d.key is d["key"]
    finish = _finisher(tree, names, list(tree.values()))
    factory = tree.default_factory if isinstance(tree, defaultdict) else None
    base = OrderedDict if isinstance(tree, OrderedDict) else dict

    def make(parts: Sequence) -> dict:
        made = base.__new__(kind)
        if factory is not None:
            made.default_factory = factory  # type: ignore[attr-defined]
        for key, part in zip(keys, parts):
            base.__setitem__(made, key, part)
        if is_own:
            object.__setattr__(made, "__dict__", made)
        return finish(made, parts)

    return make


def named_tuple_maker(tree: Any, names: Sequence[str] = ()) -> Callable[[Sequence], Any]:
    """names: as dict_maker's."""
    kind, n, finish = type(tree), len(tree), _finisher(tree, names, tree)
    return lambda parts: finish(tuple.__new__(kind, parts[:n]), parts)


def dataclass_maker(tree: Any, names: Sequence[str]) -> Callable[[Sequence], Any]:
    """names: of the parts."""
    kind, finish = type(tree), _finisher(tree, names, ())
    return lambda parts: finish(object.__new__(kind), parts)


def _finisher(tree: Any, names: Sequence[str], values: Sequence) -> Callable[[Any, Sequence], Any]:
    """What gives a new container its attributes: those of `names` from the parts after the first
    ones, which take the place of `values`; those that were an array among them, that part; the
    others as they were."""
    n = len(values)
    places = {id(x): k for k, x in enumerate(values) if isinstance(x, (Tensor, np.ndarray))}
    attributes = {k: v for k, v in attributes_of(tree).items() if k not in names}
    same = [(name, places[id(v)]) for name, v in attributes.items() if id(v) in places]
    others = [(name, v) for name, v in attributes.items() if id(v) not in places]

    def finish(made: Any, parts: Sequence) -> Any:
        for name, value in (*others, *zip(names, parts[n:])):
            object.__setattr__(made, name, value)
        for name, k in same:
            object.__setattr__(made, name, parts[k])
        return made

    return finish


def attributes_of(tree: Any) -> dict[str, Any]:
    """What a container has beside its parts: of its __dict__ what is not computed from them once
    (cached properties), and its slots."""
    kind, found = type(tree), getattr(tree, "__dict__", None)
    own: dict[str, Any] = {}
    for base in kind.__mro__:
        for name, slot in vars(base).items():
            if isinstance(slot, MemberDescriptorType) and hasattr(tree, name):
                own[name] = getattr(tree, name)
    if found is not None and found is not tree:
        own |= found
    return {k: v for k, v in own.items() if not isinstance(getattr(kind, k, None), cached_property)}
