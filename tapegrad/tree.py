"""Nested containers of Tensors: flatten to a list, and rebuild the same structure.

Containers are lists, tuples, named tuples, dicts and dataclass instances. None is a structure
without leaves; so is a dataclass field made with `field(metadata={"static": True})`. Anything
else is a leaf.
"""

from __future__ import annotations

import dataclasses
from collections import OrderedDict, defaultdict
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np

from .errors import ShapeError
from .tensor import Parameter, Tensor


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
    if isinstance(tree, dict):
        return "{" + ", ".join(f"{key!r}: {text}" for key, text in zip(tree, inner)) + "}"
    named = (f"{key[1:]}={text}" for key, text in zip(node.keys(), inner))
    return f"{type(tree).__name__}({', '.join(named)})"


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
    if isinstance(tree, dict):
        keys = list(tree)
        return _Node(
            dict_maker(tree),
            list(tree.values()),
            lambda: [f"[{key!r}]" for key in keys],
        )
    if tree is None:
        return _Node(lambda parts: None, [], list)
    if isinstance(tree, tuple) and hasattr(tree, "_fields"):
        return _Node(
            named_tuple_maker(tree),
            tree,
            lambda: [f".{name}" for name in tree._fields],
        )
    if dataclasses.is_dataclass(kind):
        return _dataclass_node(tree)
    return None


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


def dict_maker(tree: dict) -> Callable[[Sequence], dict]:
    kind, keys, attributes = type(tree), list(tree), _attributes(tree)
    if kind is dict:
        return lambda parts: dict(zip(keys, parts))
    factory = tree.default_factory if isinstance(tree, defaultdict) else None
    write = OrderedDict.__setitem__ if isinstance(tree, OrderedDict) else dict.__setitem__

    def make(parts: Sequence) -> dict:
        made = kind.__new__(kind)
        if attributes:
            vars(made).update(attributes)
        if factory is not None:
            made.default_factory = factory  # type: ignore[attr-defined]
        for key, part in zip(keys, parts):
            write(made, key, part)
        return made

    return make


def named_tuple_maker(tree: Any) -> Callable[[Sequence], Any]:
    kind, attributes = type(tree), _attributes(tree)

    def make(parts: Sequence) -> Any:
        made = tuple.__new__(kind, parts)
        if attributes:
            vars(made).update(attributes)
        return made

    return make


def dataclass_maker(tree: Any, names: Sequence[str]) -> Callable[[Sequence], Any]:
    """names: of the parts."""
    kind, others = type(tree), _attributes(tree)
    others |= {
        f.name: getattr(tree, f.name) for f in dataclasses.fields(tree) if hasattr(tree, f.name)
    }
    for name in names:
        others.pop(name, None)

    def make(parts: Sequence) -> Any:
        made = object.__new__(kind)
        for name, value in (*others.items(), *zip(names, parts)):
            object.__setattr__(made, name, value)
        return made

    return make


def _attributes(tree: Any) -> dict[str, Any]:
    return dict(getattr(tree, "__dict__", ()))
