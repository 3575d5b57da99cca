"""Nested containers of Tensors: flatten to a list, and rebuild the same structure."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


def flatten(tree: Any, leaves: list) -> Callable[[Any], Any]:
    """Append the leaves of a nesting of lists, tuples and dicts to `leaves`.

    Returns:
        rebuild(iterator): the same structure with its leaves taken from the iterator. None
        is a structure without leaves. Named tuples keep their type; dicts their order.
    """
    kind = type(tree)
    if kind is list or kind is tuple:
        parts = [flatten(x, leaves) for x in tree]
        return lambda it: kind([part(it) for part in parts])
    if isinstance(tree, tuple) and hasattr(tree, "_fields"):
        parts = [flatten(x, leaves) for x in tree]
        return lambda it: kind(*[part(it) for part in parts])
    if isinstance(tree, dict):
        keys = list(tree)
        parts = [flatten(tree[k], leaves) for k in keys]
        return lambda it: kind(zip(keys, [part(it) for part in parts]))
    if tree is None:
        return lambda it: None
    leaves.append(tree)
    return next
