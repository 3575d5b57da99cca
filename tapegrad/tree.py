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
            lambda parts: dict_like(tree, keys, parts),
            list(tree.values()),
            lambda: [f"[{key!r}]" for key in keys],
        )
    if tree is None:
        return _Node(lambda parts: None, [], list)
    if isinstance(tree, tuple) and hasattr(tree, "_fields"):
        return _Node(
            lambda parts: named_tuple_like(tree, parts),
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
        lambda parts: dataclass_like(tree, names, parts),
        [getattr(tree, name) for name in names],
        lambda: [f".{name}" for name in names],
    )


# --- the same container with other parts; without its constructor, which may check or convert


def dict_like(tree: dict, keys: Sequence, parts: Sequence) -> dict:
    kind = type(tree)
    if kind is dict:
        return dict(zip(keys, parts))
    made = kind.__new__(kind)
    _copy_attributes(made, tree)
    if isinstance(tree, defaultdict):
        made.default_factory = tree.default_factory
    write = OrderedDict.__setitem__ if isinstance(tree, OrderedDict) else dict.__setitem__
    for key, part in zip(keys, parts):
        write(made, key, part)
    return made


def named_tuple_like(tree: Any, parts: Sequence) -> Any:
    made = tuple.__new__(type(tree), parts)
    _copy_attributes(made, tree)
    return made


def dataclass_like(tree: Any, names: Sequence[str], parts: Sequence) -> Any:
    made = object.__new__(type(tree))
    _copy_attributes(made, tree)
    for f in dataclasses.fields(tree):
        if f.name not in names and hasattr(tree, f.name):
            object.__setattr__(made, f.name, getattr(tree, f.name))
    for name, part in zip(names, parts):
        object.__setattr__(made, name, part)
    return made


def _copy_attributes(made: Any, tree: Any) -> None:
    if hasattr(tree, "__dict__"):
        vars(made).update(vars(tree))
