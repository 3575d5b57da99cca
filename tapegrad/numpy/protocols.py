"""NumPy's two protocols: what `numpy.f(tensor)` and `array * tensor` do.

Both look the function up in the registry. There is no silent way out: what the registry does not
serve raises, naming the function, the user's line, and how to teach it.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..engine.operands import is_foreign
from ..errors import UnsupportedError
from ..lines import user_line
from ..tensor import Tensor
from . import registry

_OPERANDS = (Tensor, np.ndarray, np.generic, int, float, complex, bool, list, tuple, type(None))


def call_ufunc(self: Tensor, ufunc: Any, method: str, *inputs: Any, **kwargs: Any) -> Any:
    """Tensor.__array_ufunc__: record the op, or raise."""
    operands = inputs if method != "at" else (inputs[0], *inputs[2:])  # the second is an index
    if not all(isinstance(x, _OPERANDS) or _is_array_like(x) for x in operands):
        return NotImplemented
    entry = registry.SERVES.get(ufunc)
    name = ufunc.__name__ if method == "__call__" else f"{ufunc.__name__}.{method}"
    if entry is None or entry.function is None:
        is_numpys = getattr(np, ufunc.__name__, None) is ufunc
        raise unsupported(f"numpy.{name}" if is_numpys else name)
    function = entry.function if method == "__call__" else getattr(entry.function, method)
    return _call(function, inputs, _meant(kwargs), name) if kwargs else function(*inputs)


def _is_array_like(x: Any) -> bool:
    """Whether x is an array to operators too, and leaves ufuncs to others."""
    return not hasattr(type(x), "__array_ufunc__") and not is_foreign(x)


def _meant(kwargs: dict) -> dict:
    """Keyword arguments without those that say nothing (where=True, out=(None,)) or lay out."""
    kept = {k: v for k, v in kwargs.items() if k not in ("order", "subok")}
    if kept.get("where") is True:
        del kept["where"]
    out = kept.pop("out", None)
    if isinstance(out, tuple) and len(out) == 1:
        (out,) = out
    return kept if out is None else {**kept, "out": out}


def call_function(self: Tensor, function: Any, types: Any, args: tuple, kwargs: dict) -> Any:
    """Tensor.__array_function__: record the op, or raise."""
    if not all(issubclass(t, (Tensor, np.ndarray)) for t in types):
        return NotImplemented
    entry = registry.SERVES.get(function)
    if entry is None or entry.state == registry.MISSING:
        name = getattr(function, "__name__", repr(function))
        module = getattr(function, "__module__", None) or "numpy"
        raise unsupported(f"{module}.{name}", "" if entry is None else f" ({entry.note})")
    if entry.function is None:
        return function(*entry.read(args), **entry.read(kwargs))
    return _call(entry.function, args, kwargs, entry.name)


def _call(function: Any, args: tuple, kwargs: dict, name: str) -> Any:
    try:
        return function(*args, **kwargs)
    except TypeError as error:
        text = str(error)
        if "unexpected keyword argument" in text or "positional argument" in text:
            raise UnsupportedError(f"numpy.{name} of a Tensor, {_here()}: {text}") from None
        raise


def _here() -> str:
    file, line = user_line()
    return f"at {file}:{line}"


def unsupported(name: str, why: str = "") -> UnsupportedError:
    """The error for a function that the registry does not serve, by its dotted name."""
    last = name.rpartition(".")[2]
    last = last if last.isidentifier() else "f"
    return UnsupportedError(
        f"{name} does not take Tensors{why}, {_here()}. To teach it:\n"
        f"    {last} = tapegrad.primitive({name})\n"
        f"    tapegrad.defvjp({last}, lambda ans, x: lambda g: ...)  # one rule for each argument\n"
        f"    y = {last}(x)\n"
        "or write it with functions of tapegrad.numpy, or call it on x.numpy() to leave the tape"
    )


Tensor.__array_ufunc__ = call_ufunc  # in place of the lazy ones of ops/methods.py
Tensor.__array_function__ = call_function
