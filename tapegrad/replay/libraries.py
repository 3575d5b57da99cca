"""Whose code it is: a library's, which guards do not follow, or the user's."""

from __future__ import annotations

import builtins
import functools
import os
import sys
import sysconfig
import types
from collections.abc import Mapping
from typing import Any

import numpy as np

# Libraries whose functions are not followed: they read nothing a user sets between calls that a
# recording could see, and following them would cost milliseconds.
_NUMERIC = "tapegrad numpy scipy torch jax jaxlib sklearn pandas matplotlib"
_TOOLS = "tqdm pytest _pytest IPython ipykernel"
LIBRARIES = sys.stdlib_module_names | {*_NUMERIC.split(), *_TOOLS.split()}

# Where they lie: a user's own profile.py is none of them.
_STDLIB = tuple(
    os.path.join(folder, "")
    for folder in (
        sysconfig.get_path("stdlib"),
        sysconfig.get_path("platstdlib"),
        os.path.dirname(getattr(functools, "__file__", os.__file__)),  # a zip file, perhaps
        os.path.join(sys.base_prefix, "DLLs"),
    )
)
_NUMPYS = os.path.join(os.path.dirname(os.path.dirname(np.__file__)), "")
_INSTALLED = {"site-packages", "dist-packages"}

_HEAP_TYPE = 1 << 9  # in __flags__: made by a class statement, or in C as if by one


@functools.lru_cache(maxsize=4096)
def _library(module: Any) -> str:
    """The library that a module of this name would be of, or ""."""
    name = module.partition(".")[0] if isinstance(module, str) else ""
    return name if name in LIBRARIES else ""


@functools.lru_cache(maxsize=4096)
def _lies_in(library: str, file: str) -> bool:
    is_installed = not _INSTALLED.isdisjoint(file.replace("\\", "/").split("/"))
    if library in sys.stdlib_module_names:
        return file.startswith(_STDLIB) and not is_installed
    return file.startswith(_NUMPYS) or is_installed


def is_library(scope: Mapping[str, Any]) -> bool:
    """Whether a module with these globals is a library's: by its name, and by where it lies."""
    name = scope.get("__name__")
    library = _library(name)
    if not library or library in ("tapegrad", "numpy"):  # which are in use here
        return bool(library)
    if name != library:  # a part lies where the whole does
        scope = getattr(sys.modules.get(library), "__dict__", scope)
    file = scope.get("__file__")
    if isinstance(file, str):
        return _lies_in(library, file)
    return getattr(scope.get("__spec__"), "origin", None) in ("built-in", "frozen")


def is_library_function(function: types.FunctionType) -> bool:
    return is_library(function.__globals__)


def is_library_module(value: Any) -> bool:
    return isinstance(value, types.ModuleType) and is_library(vars(value))


def is_library_class(cls: type) -> bool:
    module = cls.__module__
    if not _library(module) or not cls.__flags__ & _HEAP_TYPE:
        return bool(_library(module))
    if module == "builtins":  # so it says of what exec() makes, too
        return vars(builtins).get(cls.__name__) is cls
    return is_library(getattr(sys.modules.get(module), "__dict__", {}))
