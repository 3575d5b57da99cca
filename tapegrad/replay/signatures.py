"""What makes one call's signature another than an earlier call's, in words."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from ..tree import text_of
from .arguments import Identity, flatten, is_container
from .guards import short

_STATES = {-1: "inside no_grad", 0: "outside tapes", 1: "inside a tape"}


def difference(old: tuple, new: tuple, function: Callable) -> str:
    """The first thing in which a call of signature `new` differs from one whose signature was
    `old` (arguments.flatten, after the engine's name and its state)."""
    if old[0] != new[0]:
        return f"the engine was {old[0]}, is {new[0]}"
    if old[1] != new[1]:
        return f"it was called {_STATES[old[1]]}, is {_STATES[new[1]]}"
    was, now = _passed(function, old[2:]), _passed(function, new[2:])
    if was != now:
        return f"it was called with {was}, is with {now}"
    for path, was, now in zip(_paths(function, new[2:]), old[2:], new[2:]):
        if was != now:
            return f"{path} was {_text(was)}, is {_text(now)}"
    return "the arguments are others"


def endless(function: Callable, args: tuple, kwargs: dict) -> ValueError:
    """The error for the argument of which flatten finds no end."""
    found = "an argument"
    for name, x in zip([*_positional(function, len(args)), *kwargs], (*args, *kwargs.values())):
        try:
            flatten(x, [], [])
        except RecursionError:
            found = f"argument {name}"
    return ValueError(
        f"compile: {found} contains itself, or is nested too deeply, so that its arrays cannot be "
        "found: pass those parts of it that the function needs"
    )


def _paths(function: Callable, signature: tuple) -> Iterator[str]:
    """What to call each part of a signature of (args, kwargs)."""
    parts = iter(signature)
    next(parts)
    yield "the call"
    _, n, *_ = next(parts)
    yield "args"
    for name in _positional(function, n):
        yield from _inside(f"argument {name}", parts)
    _, names, *_ = next(parts)
    yield "kwargs"
    for name in names:
        yield from _inside(f"argument {name}", parts)


def _passed(function: Callable, signature: tuple) -> str:
    """Which arguments a call gave by position, and which by keyword."""
    found = dict(zip(_paths(function, signature), signature))
    by_position = ", ".join(map(str, _positional(function, found["args"][1])))
    by_keyword = ", ".join(found["kwargs"][1])
    texts = by_position and f"{by_position} by position", by_keyword and f"{by_keyword} by keyword"
    return " and ".join(filter(None, texts)) or "no arguments"


def _positional(function: Callable, n: int) -> list:
    """What to call a call's n positional arguments."""
    try:
        kinds = [*inspect.signature(function).parameters.values()]
    except (TypeError, ValueError):  # of a builtin
        kinds = []
    names = [p.name for p in kinds if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
    return [*names[:n], *range(len(names), n)]


def _inside(path: str, parts: Iterator) -> Iterator[str]:
    """What to call the next part, and those in it."""
    yield path
    part = next(parts)
    if is_container(part):
        _, keys, attributes, *_ = part
        for key in range(keys) if type(keys) is int else keys:
            yield from _inside(f"{path}[{text_of(key)}]", parts)
        for name in attributes:
            yield from _inside(f"{path}.{name}", parts)


def _key(key: Any) -> str:
    return key if type(key) is str else text_of(key)


def _text(part: Any) -> str:
    """A part of a signature in a sentence."""
    if isinstance(part, Identity):
        return short(part.thing)
    if isinstance(part, int):
        return "an array that was given before"
    kind, value, *layout = part
    if is_container(part):
        names = value if issubclass(kind, dict) else layout[0]
        of = value if type(value) is int else ", ".join(map(_key, names)) or "nothing"
        return f"a {kind.__name__} of {of}"
    if isinstance(kind, np.dtype):
        strides = "" if layout[0] is True else f" and strides {layout[0]}"
        return f"{kind} of shape {value}{strides}"
    if kind is slice:
        return f"slice({', '.join(map(_text, value))})"
    return value if issubclass(kind, (float, complex)) and type(value) is str else short(value)
