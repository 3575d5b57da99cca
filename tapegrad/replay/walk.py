"""One look at the data that a function and the user functions it calls read.

From the function's globals, closure, defaults and `self` the walk descends into containers,
objects and further functions, and writes down what it found twice: as checks, quick to repeat,
and as a list of (path, value) to say what has changed when a check fails.
"""

from __future__ import annotations

import functools
import operator
import random
import sys
import types
import weakref
from collections.abc import Callable, Iterable
from contextvars import ContextVar
from dataclasses import is_dataclass
from enum import Enum
from typing import Any

import numpy as np

from ..nn import defaults
from ..nn.module import Module
from ..numpy.vectorizing import vectorize
from ..optim.optimizer import Optimizer
from ..tensor import VARIABLE, Tensor
from ..transforms.custom import custom_jvp, custom_vjp
from ..transforms.primitives import primitive
from .caches import results_of
from .containers import PLAIN, Containers
from .libraries import is_library_function, is_library_module
from .look import (
    CELL_CONTENTS,
    CONSTRUCTORS,
    NOT_CALLED,
    NOTHING,
    SCALARS,
    cell_value,
    context_value,
    globals_of,
    held_by,
    inside,
    is_namespace,
    look_at,
    name_of,
    names_got_by,
    static,
)
from .nets import Nets
from .observed import looks_unseen, names_unseen
from .reads import FREE, GLOBAL, Known, imported, reads_of

_METHODS = (types.FunctionType, functools.partialmethod, classmethod, staticmethod, property)
# Functions with rules of their own, and where those are; what they wrap is found as anyone's.
RULES = (custom_vjp, custom_jvp, primitive)
RULES_IN = ("fwd", "bwd", "rule", "vjps", "jvps")
# Random number generators: objects without attributes to guard, but with a state.
GENERATORS = (random.Random, np.random.Generator, np.random.RandomState)
# Levels that the walk recurses into, to go on later: data may be deeper than Python's stack. And
# how many characters of a path are kept then.
MAX_DEPTH, MAX_PATH = 50, 200


class Walk(Nets, Containers):
    """See the module.

    Args:
        root: the function.
        arguments: (path, value) of objects it is called with; walked as what it reads.
        known: what earlier walks learned; names found late in a walk matter to objects met
            early in it, so that a walk is repeated until it learns nothing.
        watched: of which ndarrays to check the contents, not only which they are.
    Attributes:
        is_complete: whether it learned nothing that objects met before could have shown.
    """

    def __init__(
        self,
        root: Any,
        arguments: Iterable[tuple[str, Any]],
        known: Known,
        watched: Callable[[np.ndarray], bool],
    ):
        super().__init__()
        self._known = known
        self._watched = watched
        # Objects by id, which are kept: some are temporary; also (id of a class, whether its
        # constructors count).
        self._seen: dict[Any, Any] = {}
        self._depth = 0  # of recursion
        self._deeper: list[tuple[str, Any]] = []  # (path, value) yet to look at
        self._results: list[tuple[str, Any]] = []  # the same, in caches
        self._home = globals_of(root)
        self._root = root
        if isinstance(root, types.FunctionType) and not is_library_function(root):
            self._learn(root)
        size = known.size()
        self._item("the default dtype", vars(defaults), "_default")
        self._visit(name_of(root), root)
        for path, value in arguments:
            self._visit(path, value)
        self._go_deeper()
        own = self.values, self.live
        for path, value in self._results:  # which grows meanwhile
            self.values, self.live = self.kept.setdefault(path, []), []
            self._visit(path, value)
            self._go_deeper()
        self.values, self.live = own
        self.is_complete = known.size() == size

    def _go_deeper(self) -> None:
        for path, value in self._deeper:  # which grows meanwhile
            self._depth = 0
            self._look(path, value)
        self._deeper.clear()
        self._depth = 0

    # --- one value

    def _item(self, path: str, container: Any, key: Any) -> None:
        value = container[key]
        self.rows.append((container, key, value, "item"))
        self._visit(path, value)

    def _visit(self, path: str, value: Any) -> None:
        self.values.append((path, value))
        kind = type(value)
        if kind in SCALARS or id(value) in self._seen:
            if kind is str:
                self._known.hear(value)
            return
        self._seen[id(value)] = value
        if self._depth == MAX_DEPTH:
            self._deeper.append((f"...{path[-MAX_PATH:]}", value))
            return
        self._depth += 1
        self._look(path, value)
        self._depth -= 1

    def _look(self, path: str, value: Any) -> None:
        """What there is to compare of a value that is no scalar."""
        kind = type(value)
        if kind in weakref.ProxyTypes:  # which passes for what it stands for
            wrapped = inside(value)
            self.inside.append((value, wrapped))
            self._visit(path, wrapped)
        elif isinstance(value, Tensor):
            flags, held = value._flags, held_by(value)
            self.tensors.append((value, flags, held, path))
            self.values.append((f"{path}.requires_grad", bool(flags & VARIABLE)))
            self.values.append((f"the values of {path}", held))
        elif isinstance(value, PLAIN):
            self._container(path, value)
            if kind not in PLAIN:
                self._object(path, value)
        elif isinstance(value, Module):
            self._module(path, value)
        elif isinstance(value, Optimizer):
            self._optimizer(path, value)
        elif isinstance(value, type):
            self.looks_unseen |= looks_unseen(value)
            self._class(value, constructs=True)
            self._class(type(value), constructs=False)
        elif isinstance(value, types.ModuleType):
            if not is_library_module(value):
                names = self._names_of(vars(value)) | {"__getattr__"}  # which gives the others
                for name in self.names_in(vars(value), names):
                    self._item(f"{path}.{name}", vars(value), name)
                self._class(kind, constructs=False)
        elif isinstance(value, types.FunctionType):
            self._function(path, value)
        elif isinstance(value, types.MethodType):
            self._known.bind(value.__func__, value.__self__)
            self._visit(f"{path}.__self__", value.__self__)
            self._visit(path, value.__func__)
        elif isinstance(value, (functools.partial, functools.partialmethod)):
            self._visit(path, value.func)
            self._visit(f"{path}.args", value.args)
            self._visit(f"{path}.keywords", value.keywords)
            self._object(path, value)
        elif isinstance(value, (staticmethod, classmethod)):
            self._visit(path, value.__func__)
        elif isinstance(value, functools.cached_property):
            self._visit(path, value.func)
        elif isinstance(value, functools._lru_cache_wrapper):
            cache, rows, results = results_of(path, value)
            self.rows += rows
            self._results += results
            self.course.append((cache, None, len(cache), "len"))
            self._object(path, value)
        elif isinstance(value, (np.vectorize, vectorize)):
            self._visit(path, value.pyfunc)
        elif isinstance(value, RULES):
            for name in RULES_IN:
                if name in vars(value):
                    self._item(f"{path}.{name}", vars(value), name)
            self._object(path, value)
        elif isinstance(value, functools.singledispatchmethod):
            self._visit(path, value.dispatcher)
            self._visit(path, value.func)
        elif isinstance(value, property):
            for part in (value.fget, value.fset):
                if part is not None:
                    self._visit(path, part)
        elif isinstance(value, GENERATORS):
            self.generators.append((path, value))
        elif isinstance(value, ContextVar):
            held = context_value(value)
            self.others.append((value, held))
            if held is not NOTHING:
                self._visit(f"{path}.get()", held)
        elif (wrapped := inside(value)) is not NOTHING:
            self.looks_unseen |= looks_unseen(kind)
            self.inside.append((value, wrapped))
            self._visit(path, wrapped)
            if look_at(kind).bases:
                self._object(path, value)
        elif isinstance(value, (operator.attrgetter, operator.methodcaller)):
            self._known.names |= names_got_by(value)
            self._known.loose |= names_got_by(value)
        elif isinstance(value, types.BuiltinMethodType):  # a list's append, a dict's get
            self.looks_unseen |= looks_unseen(value)
            if not isinstance(value.__self__, types.ModuleType):
                self._visit(f"{path}.__self__", value.__self__)
        elif not isinstance(value, (np.generic, np.dtype)):
            self._object(path, value)

    # --- functions

    def _function(self, path: str, function: types.FunctionType) -> None:
        if is_library_function(function):
            self.looks_unseen |= looks_unseen(function)
            # A wrapper made by a library (functools.wraps, tapegrad.value_and_grad): what it
            # wraps is the user's, the rest is its own business.
            for cell in function.__closure__ or ():
                held = cell_value(cell)
                for part in held if isinstance(held, tuple) else (held,):
                    if callable(part) and not isinstance(part, type):
                        self._visit(path, part)
            if "registry" in vars(function):  # functools.singledispatch
                self._visit(f"{path}.registry", vars(function)["registry"])
            return
        reads = reads_of(function.__code__)
        self._known.learn(reads)
        self.looks_unseen |= names_unseen(reads, function.__globals__)
        self.rows.append((function, "__code__", function.__code__, "attr"))
        self.values.append((f"the code of {path}", function.__code__))
        scope = function.__globals__
        of = "" if scope is self._home else f" of module {scope.get('__name__')}"
        for name in self.names_in(scope, reads.globals):
            if is_library_module(scope[name]):
                self.course.append((scope, name, scope[name], "item"))
            else:
                self._item(f"global {name!r}{of}", scope, name)
        for name in self.names_in(sys.modules, imported(reads.imports, scope), grows=False):
            if not is_library_module(sys.modules[name]):
                self._item(f"module {name}", sys.modules, name)
        closure = dict(zip(function.__code__.co_freevars, function.__closure__ or ()))
        for name, cell in closure.items():
            value = cell_value(cell)
            if value is NOTHING:  # not assigned yet
                self.rows.append((cell, CELL_CONTENTS, None, "unset"))
                continue
            if name == "__class__":  # what super() needs
                self._class(value, constructs=False)
                continue
            self.rows.append((cell, "cell_contents", value, "cell"))
            self._visit(f"closure variable {name!r}", value)
        self.rows.append((function, "__kwdefaults__", function.__kwdefaults__, "attr"))
        if function.__defaults__:
            self.rows.append((function, "__defaults__", function.__defaults__, "attr"))
            names = function.__code__.co_varnames[: function.__code__.co_argcount]
            for name, value in zip(names[-len(function.__defaults__) :], function.__defaults__):
                self._visit(f"default of {function.__name__}'s argument {name!r}", value)
        found = vars(function)
        for name in self.names_in(found, self._names_of(found)):
            self._item(f"{path}.{name}", found, name)
        for name in function.__kwdefaults__ or ():
            where = f"default of {function.__name__}'s argument {name!r}"
            self._item(where, function.__kwdefaults__, name)
        if function is not self._root:
            self._learn(function)

    def _learn(self, function: types.FunctionType) -> None:
        """Which names a function reads, and of which modules and optimizers."""
        reads, known = reads_of(function.__code__), self._known
        known.learn(reads)
        closure = dict(zip(function.__code__.co_freevars, function.__closure__ or ()))
        for root, name, *rest in reads.chains:
            if root == GLOBAL:
                start = function.__globals__.get(name, NOTHING)
            elif root == FREE:
                start = cell_value(closure.get(name))
            else:
                start = known.methods.get(function, NOTHING)
                if function in known.shared:
                    start = NOTHING
            self._follow(start, rest)

    def _follow(self, value: Any, attributes: list[str]) -> None:
        """Note which live hyper-parameters the chain value.a.b reads."""
        if value is NOTHING:
            self._known.loose.update(attributes)
        for i, name in enumerate(attributes):
            if type(value) in weakref.ProxyTypes:
                value = inside(value)
            if isinstance(value, (Optimizer, Module)):
                self._known.read.add((id(value), name))
            value = static(value, name)
            if value is NOTHING:  # a property or a method: what it gives is not known
                self._known.loose.update(attributes[i + 1 :])
                return

    # --- objects

    def _class(self, cls: type, constructs: bool) -> None:
        """The attributes of a user's class that may be read, through it or an instance."""
        for base in look_at(cls).bases:
            key = (id(base), constructs)
            if key in self._seen:
                continue
            self._seen[key] = base
            self.rows.append((vars(base), None, len(vars(base)), "len"))  # a name may be hidden
            known = self._names_of(vars(base))
            for name, value in list(vars(base).items()):
                if name in CONSTRUCTORS:
                    wanted = constructs
                elif name in ("__call__", "__match_args__"):
                    wanted = True
                elif name.startswith("__") and name.endswith("__"):
                    wanted = isinstance(value, _METHODS) and name not in NOT_CALLED
                else:
                    wanted = name in known or _takes_place_of_ours(base, name)
                if wanted:
                    self._item(f"{base.__qualname__}.{name}", vars(base), name)

    def _object(self, path: str, value: Any) -> None:
        cls = type(value)
        wrapped = static(value, "__wrapped__")  # functools.lru_cache, tapegrad.compile
        if wrapped is not NOTHING:
            self._visit(path, wrapped)
        library = cls not in look_at(cls).bases and not is_namespace(cls)
        if library:
            self.looks_unseen |= looks_unseen(cls)
        else:
            self.rows.append((value, "__class__", cls, "attr"))
            self.values.append((f"the class of {path}", cls))
        found = getattr(value, "__dict__", None)
        if isinstance(found, dict):
            every = self._known.sees_all or is_dataclass(value)
            if not library:
                self.rows.append((value, "__dict__", found, "attr"))
                self.rows.append((found, None, len(found), "len"))
                self._bind_methods(value)
            names = set(found) if every else self._known.names_of(found)
            for name in self.names_in(found, names, grows=False):
                self._item(f"{path}.{name}", found, name)
            if isinstance(value, Enum):
                self._item(f"{path}.value", found, "_value_")
        self._slots(path, value)
        self._class(cls, constructs=False)

    def _slots(self, path: str, value: Any) -> None:
        slots = look_at(type(value)).slots
        read = self._known.names_of(slots)
        for name, descriptor in slots.items():
            part = static(value, name)
            if name not in read:
                self.unset += [(value, name)] if part is NOTHING else []
            elif part is NOTHING:
                self.rows.append((value, descriptor, None, "unset"))
            else:
                self.rows.append((value, name, part, "attr"))
                self._visit(f"{path}.{name}", part)

    def _names_of(self, container: Any) -> set[str]:
        """The names that may be read of a class, module or function: with vars(), its numbers."""
        names = self._known.names_of(container)
        if self._known.sees_all:
            names = names | {name for name, x in list(container.items()) if type(x) in SCALARS}
        return names

    def _bind_methods(self, value: Any) -> None:
        """Let chains from the first argument of its methods start at this object."""
        for base in look_at(type(value)).bases:
            for part in vars(base).values():
                if isinstance(part, types.FunctionType):
                    self._known.bind(part, value)


def _takes_place_of_ours(cls: type, name: str) -> bool:
    """Whether a user's class has it instead of what tapegrad's own methods call: forward(), which
    every call of a layer does, named_parameters(), which parameters() asks."""
    return any(issubclass(cls, ours) and hasattr(ours, name) for ours in (Module, Optimizer))
