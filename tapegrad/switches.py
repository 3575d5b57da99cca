"""no_grad and enable_grad: whether this thread records."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from .engine import select


class _Recording:
    """Switch recording for a block or for a function's calls; per thread."""

    _on: bool

    def __enter__(self) -> None:
        self._engine = select.engine()
        self._before = self._engine.set_recording(self._on)

    def __exit__(self, *exc: object) -> None:
        self._engine.set_recording(self._before)

    def __call__(self, function: Callable) -> Callable:
        @functools.wraps(function)
        def wrapped(*args: Any, **kwargs: Any) -> Any:
            with type(self)():
                return function(*args, **kwargs)

        return wrapped


class no_grad(_Recording):
    """Record nothing: `with no_grad():` or `@no_grad()`."""

    _on = False


class enable_grad(_Recording):
    """Record again inside no_grad: `with enable_grad():` or `@enable_grad()`."""

    _on = True
