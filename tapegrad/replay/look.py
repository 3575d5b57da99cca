"""Looking into objects without running any of their code, and whose code it is."""

from __future__ import annotations

import sys
import types
from functools import lru_cache
from typing import Any

# Libraries whose functions are not followed: they read nothing a user sets between calls that a
# recording could see, and following them would cost milliseconds.
LIBRARIES = frozenset(sys.stdlib_module_names) | {
    "tapegrad", "numpy", "scipy", "torch", "jax", "jaxlib", "sklearn", "pandas", "matplotlib",
    "tqdm", "pytest", "_pytest", "IPython", "ipykernel",
}  # fmt: skip

# What is not there.
NOTHING = object()


@lru_cache(maxsize=4096)
def is_library(module: Any) -> bool:
    return isinstance(module, str) and module.partition(".")[0] in LIBRARIES


def is_library_function(function: types.FunctionType) -> bool:
    return is_library(function.__globals__.get("__name__"))


def is_library_module(value: Any) -> bool:
    return isinstance(value, types.ModuleType) and is_library(value.__name__)


def cell_value(cell: Any) -> Any:
    try:
        return NOTHING if cell is None else cell.cell_contents
    except ValueError:
        return NOTHING


def static(value: Any, name: str) -> Any:
    """value.name without running user code, or NOTHING."""
    if value is NOTHING:
        return NOTHING
    found = getattr(value, "__dict__", None)
    if found is not None and name in found:
        return found[name]
    if name in slots(type(value)):
        return getattr(value, name, NOTHING)
    return NOTHING


def slots(cls: type) -> list[str]:
    """The names in __slots__ of a user's class and its bases."""
    return [
        name
        for base in cls.__mro__
        if not is_library(base.__module__)
        for name, part in vars(base).items()
        if isinstance(part, types.MemberDescriptorType)
    ]
