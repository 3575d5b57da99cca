"""What makes one call's signature another than an earlier call's, in words."""

from __future__ import annotations

import dataclasses
import inspect
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from ..nn.module import Module
from ..tree import attributes_of, is_dataclass_instance, text_of
from .arguments import Identity, flatten
from .guards import short

_STATES = {-1: "inside no_grad", 0: "outside tapes", 1: "inside a tape"}


def difference(old: tuple, new: tuple, function: Callable, args: tuple, kwargs: dict) -> str:
    """The first thing in which a call with these arguments, whose signature is `new`, differs from
    one whose signature was `old` (arguments.flatten, after the engine's name and its state)."""
    if old[0] != new[0]:
        return f"the engine was {old[0]}, is {new[0]}"
    if old[1] != new[1]:
        return f"it was called {_STATES[old[1]]}, is {_STATES[new[1]]}"
    for path, was, now in zip(_paths(function, args, kwargs), old[2:], new[2:]):
        if was != now:
            return f"{path} was {_text(was)}, is {_text(now)}"
    return "the arguments are others"


def endless(function: Callable, args: tuple, kwargs: dict) -> ValueError:
    """The error for the argument of which flatten finds no end."""
    found = "an argument"
    for name, x in zip(_names(function, args, kwargs), (*args, *kwargs.values())):
        try:
            flatten(x, [], [])
        except RecursionError:
            found = name
    return ValueError(
        f"compile: {found} contains itself, or is nested too deeply, so that its arrays cannot be "
        "found: pass those parts of it that the function needs"
    )


def _paths(function: Callable, args: tuple, kwargs: dict) -> Iterator[str]:
    """What to call each part of a signature, in the order in which flatten comes to them."""
    yield "the call"
    yield "args"
    names = _names(function, args, kwargs)
    for name, x in zip(names, args):
        yield from _inside(name, x)
    yield "kwargs"
    for name, x in zip(names[len(args) :], kwargs.values()):
        yield from _inside(name, x)


def _names(function: Callable, args: tuple, kwargs: dict) -> list[str]:
    """What to call the arguments of a call."""
    try:
        kinds = [*inspect.signature(function).parameters.values()]
    except (TypeError, ValueError):  # of a builtin
        kinds = []
    names = [p.name for p in kinds if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
    positional = [*names[: len(args)], *range(len(names), len(args))]
    return [f"argument {name}" for name in (*positional, *kwargs)]


def _inside(path: str, x: Any) -> Iterator[str]:
    yield path
    attributes: dict[str, Any] = {}
    if isinstance(x, dict):
        for key, part in x.items():
            yield from _inside(f"{path}[{text_of(key)}]", part)
        attributes = {} if type(x) is dict else attributes_of(x)
    elif type(x) in (list, tuple) or (isinstance(x, tuple) and hasattr(x, "_fields")):
        for i, part in enumerate(x):
            yield from _inside(f"{path}[{i}]", part)
        attributes = {} if type(x) in (list, tuple) else attributes_of(x)
    elif is_dataclass_instance(x) and not isinstance(x, Module):
        attributes = attributes_of(x)
    for name, part in attributes.items():
        yield from _inside(f"{path}.{name}", part)


def _key(key: Any) -> str:
    return key if type(key) is str else text_of(key)


def _text(part: Any) -> str:
    """A part of a signature in a sentence."""
    if isinstance(part, Identity):
        return short(part.thing)
    if isinstance(part, int):
        return "an array that was given before"
    kind, value, *layout = part
    if isinstance(kind, np.dtype):
        strides = "" if layout[0] is True else f" and strides {layout[0]}"
        return f"{kind} of shape {value}{strides}"
    if issubclass(kind, (list, tuple)):
        return f"a {kind.__name__} of {value}"
    if issubclass(kind, dict) or dataclasses.is_dataclass(kind):
        return f"a {kind.__name__} of {', '.join(map(_key, value)) or 'nothing'}"
    return value if issubclass(kind, (float, complex)) and type(value) is str else short(value)
