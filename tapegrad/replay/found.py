"""What a walk (walk.py) found of the data that a function reads, and whether it is still so."""

from __future__ import annotations

import builtins
import functools
from collections.abc import Iterable, KeysView, Mapping
from contextvars import ContextVar
from typing import Any

import numpy as np

from ..nn.module import Module
from ..tensor import Tensor
from .checks import Checks, same_pairs
from .look import (
    NOTHING,
    Contents,
    contents,
    context_value,
    held_by,
    inside,
    static,
)

BUILTINS = vars(builtins).keys()


class Found:
    """Lists of what there is to compare.

    Attributes:
        rows: what to check at every call, see checks.py.
        others: what no row can compare, see is_content: (set, Identities), (bytearray, Members),
            (OrderedDict, Order), (ContextVar, what it holds or NOTHING) and (ndarray, Contents).
        modules, tensors: what to look at only when changes.config has risen: (module, its class,
            tuple of its attributes' names and values in turn), (Tensor, its flags, what it holds,
            path).
        settings: (vars(module), name, path, value) of the numbers and flags among them.
        values: (path, value) of everything compared, in the order of the walk.
        kept: the same of each result that a cache keeps, which come and go; by the call.
        live: (path, value) of hyper-parameters that recorded steps read anew at each call.
        groups: (group of an optimizer, tuple of keys and values in turn).
        generators: (path, random number generator) of Python's and NumPy's.
        arrays: (what to call its contents, ndarray).
        looks_unseen: whether the code may look into arrays where observed.py is not told.
    What the walk's course depended on beside:
        course: rows.
        absent: (keys of a container, names that were not among them).
        unset: (object, name of a slot in which nothing was).
        inside: (wrapper, what it wrapped).
    """

    def __init__(self) -> None:
        self.rows: list[tuple[Any, Any, Any, str]] = []
        self.others: list[tuple[Any, Any]] = []
        self.modules: list[tuple[Module, type, tuple]] = []
        self.tensors: list[tuple[Tensor, int, Contents, str]] = []
        self.settings: list[tuple[dict, str, str, Any]] = []
        self.values: list[tuple[str, Any]] = []
        self.kept: dict[str, list[tuple[str, Any]]] = {}
        self.live: list[tuple[str, Any]] = []
        self.groups: list[tuple[dict, tuple]] = []
        self.generators: list[tuple[str, Any]] = []
        self.arrays: list[tuple[str, np.ndarray]] = []
        self.looks_unseen = False
        self.course: list[tuple[Any, Any, Any, str]] = []
        self.absent: list[tuple[KeysView, set[str]]] = []
        self.unset: list[tuple[Any, str]] = []
        self.inside: list[tuple[Any, Any]] = []

    def names_in(self, container: Mapping, names: Iterable[str], grows: bool = True) -> list[str]:
        """Those of the names that a container has, in order. grows: the others may come."""
        found = [name for name in names if name in container]
        absent = set(names).difference(found)
        if absent:
            self.absent.append((container.keys(), absent))
        if grows and not absent <= BUILTINS:
            self.rows.append((container, None, len(container), "len"))
        return sorted(found)

    def others_hold(self) -> bool:
        return all(map(is_content, self.others))

    def modules_hold(self) -> bool:
        """Whether modules and Tensors are as they were; what to ask when changes.config rises."""
        for module, kind, parts in self.modules:
            if type(module) is not kind or not same_pairs(vars(module), parts):
                return False
        return self._tensors_hold()

    def _tensors_hold(self) -> bool:
        for tensor, flags, held, _ in self.tensors:
            if tensor._flags != flags or (held and held_by(tensor) != held):
                return False
        return True

    @functools.cached_property
    def _whole(self) -> Any:
        """Checks of everything that lies in containers."""
        dicts = [(found, None, parts, "dict") for found, parts in self.groups]
        return Checks([*self.rows, *self.course, *dicts])

    def is_as_it_was(self) -> bool:
        """Whether another walk would find just this."""
        return (
            self._whole.hold()
            and self.modules_hold()
            and self.others_hold()
            and all(there.isdisjoint(names) for there, names in self.absent)
            and all(static(value, name) is NOTHING for value, name in self.unset)
            and all(inside(value) is wrapped for value, wrapped in self.inside)
        )


def is_content(pair: tuple[Any, Any]) -> bool:
    """Whether an object has the contents that a copy tells."""
    value, copy = pair
    if isinstance(value, np.ndarray):
        return contents(value) == copy
    if isinstance(value, ContextVar):
        return context_value(value) is copy
    return type(copy)(value) == copy
