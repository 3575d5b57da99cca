"""What guards look at in arrays, lists, dicts and sets: their parts, order and length."""

from __future__ import annotations

from array import array
from collections import OrderedDict, deque
from typing import Any

import numpy as np

from ..engine.dtypes import CODES
from ..engine.operands import is_plain
from ..tree import text_of
from .checks import pairs
from .found import Found
from .look import FROZEN, SCALARS, Identities, Members, Order, contents
from .reads import Known

# Containers without attributes of their own; a user's kinds of them may have some.
PLAIN = (list, tuple, dict, deque, set, frozenset, bytearray, array, np.ndarray, *FROZEN)


class Containers(Found):
    """The part of a Walk (walk.py) that is about containers."""

    _known: Known
    _visit: Any
    _watched: Any

    def _container(self, path: str, value: Any) -> None:
        if isinstance(value, (list, tuple, deque)):
            self._sequence(path, value)
        elif isinstance(value, (dict, *FROZEN)):
            self._dict(path, value)
        elif isinstance(value, np.ndarray):
            self._array(path, value)
        else:
            members = Members(value)
            if isinstance(value, set):
                self.others.append((value, Identities(value)))
            elif not isinstance(value, frozenset):
                self.others.append((value, members))
            self.values.append((f"the contents of {path}", members))
            for member in value if isinstance(value, (set, frozenset)) else ():
                if type(member) not in SCALARS or isinstance(member, range):
                    self._visit(f"a member of {path}", member)

    def _array(self, path: str, value: np.ndarray) -> None:
        self.arrays.append((f"the contents of {path}", value))
        if self._watched(value):
            found = contents(value)
            is_behaved = value.dtype.isnative and value.flags.aligned and value.flags.c_contiguous
            if is_plain(value) and value.dtype in CODES and is_behaved:
                self.rows.append((value, None, found, "bytes"))
            else:
                self.others.append((value, found))
            self.values.append((f"the contents of {path}", found))

    def _sequence(self, path: str, value: Any) -> None:
        self.values.append((f"len({path})", len(value)))
        parts = tuple(value)
        if not isinstance(value, tuple):
            self.rows.append((value, None, parts, "list"))
        for i, part in enumerate(parts):
            self._visit(f"{path}[{i}]", part)

    def _dict(self, path: str, value: dict) -> None:
        self.values.append((f"list({path})", Order(value)))
        if not isinstance(value, FROZEN):
            self.rows.append((value, None, pairs(value), "dict"))
        if isinstance(value, OrderedDict):  # whose order is not that of the dict in it
            self.others.append((value, Order(value)))
        for key, part in list(value.items()):
            if type(key) in SCALARS:
                self._known.hear(key)
            else:
                self._visit(f"a key of {path}", key)
            self._visit(f"{path}[{text_of(key)}]", part)
