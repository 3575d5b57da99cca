"""no_grad and enable_grad: whether this thread records."""

from __future__ import annotations

import functools
import inspect
import threading
from collections.abc import Callable, Generator
from typing import Any, TypeVar, cast

from .engine import select

F = TypeVar("F", bound=Callable)


class _Recording:
    """Switch recording for a block or for a function's calls; per thread."""

    _on: bool

    def __new__(cls, function: Callable | None = None) -> Any:
        """Without a function, the switch; with one, `@no_grad`, the function under it."""
        return object.__new__(cls) if function is None else cls()(function)

    def __init__(self) -> None:
        self._entered: list[tuple[int, Any, bool]] = []  # (thread, engine, what it was before)

    def __enter__(self) -> None:
        engine = select.engine()
        self._entered.append((threading.get_ident(), engine, engine.set_recording(self._on)))

    def __exit__(self, *exc: object) -> None:
        here = threading.get_ident()
        last = max(k for k, (thread, *_) in enumerate(self._entered) if thread == here)
        _, engine, before = self._entered.pop(last)
        engine.set_recording(before)

    def __call__(self, function: F) -> F:
        if inspect.iscoroutinefunction(function) or inspect.isasyncgenfunction(function):
            raise TypeError(
                f"{type(self).__name__}: {function.__name__} is async, and other tasks run while "
                f"it waits; write `with {type(self).__name__}():` in it, around what does not await"
            )
        if inspect.isgeneratorfunction(function):
            return cast(F, self._of_generator(function))

        @functools.wraps(function)
        def wrapped(*args: Any, **kwargs: Any) -> Any:
            with type(self)():
                return function(*args, **kwargs)

        return cast(F, wrapped)

    def _of_generator(self, function: Callable) -> Callable:
        """The generator function under the switch, but not what runs between its items."""

        @functools.wraps(function)
        def wrapped(*args: Any, **kwargs: Any) -> Generator:
            generator = function(*args, **kwargs)
            resume: Callable = generator.__next__
            try:
                while True:
                    with type(self)():
                        try:
                            item = resume()
                        except StopIteration as end:
                            return end.value
                    try:
                        sent = yield item
                        resume = functools.partial(generator.send, sent)
                    except GeneratorExit:
                        raise
                    except BaseException as error:
                        resume = functools.partial(generator.throw, error)
            finally:
                with type(self)():
                    generator.close()

        return wrapped


class no_grad(_Recording):
    """Record nothing: `with no_grad():`, `@no_grad()` or `@no_grad`."""

    _on = False


class enable_grad(_Recording):
    """Record again inside no_grad: `with enable_grad():`, `@enable_grad()` or `@enable_grad`."""

    _on = True
