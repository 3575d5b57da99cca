"""Compiled methods: what a class makes of a compiled function."""

from __future__ import annotations

import functools
from typing import Any

from .arguments import Identity
from .profile import Profile


class Bound(functools.partial):
    """A compiled method of an object: call it, or its epoch, without the object."""

    @property
    def __doc__(self) -> str | None:  # type: ignore[override]
        return self.func.__doc__

    def __eq__(self, other: object) -> bool:
        return (
            isinstance(other, Bound) and self.func is other.func and self.args[0] is other.args[0]
        )

    def __hash__(self) -> int:
        return hash((self.func, id(self.args[0])))

    def __reduce__(self) -> tuple:
        """By the object and the method's name, as Python's own are."""
        of, name = self.args[0], self.func.__name__
        return (getattr, (of, name)) if getattr(of, name, None) == self else super().__reduce__()

    def epoch(self, *arrays: Any, **options: Any) -> Any:
        return self.func.epoch(Identity(self.args[0]), *arrays, **options)

    def profile(self, *args: Any, **options: Any) -> Profile:
        return self.func.profile(*self.args, *args, **options)

    def __getattr__(self, name: str) -> Any:
        if name == "__wrapped__":  # inspect.signature looks at a partial without one
            raise AttributeError(name)
        return getattr(self.func, name)


class CompiledOfClass(classmethod):
    """A compiled method of a class. Its epoch knows the class, where what Python 3.13 and later
    make of a classmethod has the epoch of the function alone."""

    def __get__(self, instance: Any, owner: Any = None) -> Any:
        return Bound(self.__func__, type(instance) if owner is None else owner)
