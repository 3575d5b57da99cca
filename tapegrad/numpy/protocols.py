"""NumPy's two protocols: what `numpy.f(tensor)` and `array * tensor` do.

A function of NumPy's is served by the function of the same name in tapegrad.numpy. There is no
silent way out: what has no such function raises, naming it.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from .. import numpy as namespace
from ..errors import UnsupportedError
from ..tensor import Tensor

_PLAIN = (Tensor, np.ndarray, np.generic, int, float, complex, bool, list, tuple, type(None))

# Results that cannot carry a derivative: these get the values.
_INSPECTS = {
    np.allclose, np.argpartition, np.argsort, np.argwhere, np.array2string, np.array_equal,
    np.array_equiv, np.array_repr, np.array_str, np.bincount, np.can_cast, np.common_type,
    np.count_nonzero, np.digitize, np.flatnonzero, np.iscomplex, np.iscomplexobj, np.isclose,
    np.isin, np.isreal, np.isrealobj, np.may_share_memory, np.min_scalar_type, np.ndim,
    np.nonzero, np.result_type, np.save, np.savetxt, np.savez, np.savez_compressed,
    np.searchsorted, np.shape, np.shares_memory, np.size,
}  # fmt: skip

_REDUCE = {
    np.add: namespace.sum,
    np.multiply: namespace.prod,
    np.maximum: namespace.max,
    np.minimum: namespace.min,
    np.logical_and: namespace.all,
    np.logical_or: namespace.any,
}

# NumPy's functions and ufuncs, each with tapegrad.numpy's of the same name.
_SERVED = {
    getattr(np, name): function
    for name, function in vars(namespace).items()
    if name[0] != "_" and callable(getattr(np, name, None)) and not isinstance(function, type)
}


def supported() -> dict[str, bool]:
    """Whether each public function and ufunc of NumPy's takes Tensors, by name."""
    functions = {n: f for n, f in vars(np).items() if n[0] != "_" and callable(f)}
    return {
        n: f in _SERVED or f in _INSPECTS for n, f in functions.items() if not isinstance(f, type)
    }


def call_ufunc(self: Tensor, ufunc: Any, method: str, *inputs: Any, **kwargs: Any) -> Any:
    """Tensor.__array_ufunc__: record the op, or raise."""
    if not all(isinstance(x, _PLAIN) for x in inputs):
        return NotImplemented
    if method == "__call__" and not kwargs and ufunc in _SERVED:
        return _SERVED[ufunc](*inputs)
    out = kwargs.pop("out", None)
    if out is not None and any(o is not None for o in out):
        raise UnsupportedError(
            f"numpy.{ufunc.__name__}: cannot write into out= (or by an in-place operator on an "
            "ndarray): the result is a Tensor; write y = x op t instead"
        )
    if kwargs.get("where") is True:
        del kwargs["where"]
    if method == "__call__":
        dtype = kwargs.pop("dtype", None)
        if ufunc in _SERVED and not kwargs:
            if dtype is not None:
                inputs = tuple(namespace.asarray(x, dtype) for x in inputs)
            return _SERVED[ufunc](*inputs)
    elif method == "reduce" and ufunc in _REDUCE:
        kwargs.setdefault("axis", 0)
        return _REDUCE[ufunc](*inputs, **kwargs)
    elif method == "accumulate" and ufunc is np.add:
        kwargs.setdefault("axis", 0)
        return namespace.cumsum(*inputs, **kwargs)
    elif method == "outer" and ufunc in _SERVED and not kwargs:
        a, b = map(namespace.asarray, inputs)
        return _SERVED[ufunc](a.reshape(a.shape + (1,) * b.ndim), b)
    what = ufunc.__name__ if method == "__call__" else f"{ufunc.__name__}.{method}"
    raise _unsupported(what, kwargs)


def call_function(self: Tensor, function: Any, types: Any, args: tuple, kwargs: dict) -> Any:
    """Tensor.__array_function__: record the op, or raise."""
    if not all(issubclass(t, (Tensor, np.ndarray)) for t in types):
        return NotImplemented
    if "out" in kwargs and kwargs["out"] is None:
        kwargs = {k: v for k, v in kwargs.items() if k != "out"}
    if function in _INSPECTS:
        return function(*_values(args), **_values(kwargs))
    name = getattr(function, "__name__", repr(function))
    if function not in _SERVED:
        module = getattr(function, "__module__", "numpy")
        raise _unsupported(name if module == "numpy" else f"{module[6:]}.{name}", {})
    try:
        return _SERVED[function](*args, **kwargs)
    except TypeError as error:
        if "unexpected keyword argument" in str(error) or "positional argument" in str(error):
            raise UnsupportedError(f"numpy.{name} of a Tensor: {error}") from None
        raise


def _values(x: Any) -> Any:
    """A nesting with its Tensors as arrays."""
    if isinstance(x, Tensor):
        return x.numpy()
    if type(x) in (list, tuple):
        return type(x)(_values(v) for v in x)
    if type(x) is dict:
        return {k: _values(v) for k, v in x.items()}
    return x


def _unsupported(name: str, kwargs: dict) -> UnsupportedError:
    extra = f" with {', '.join(kwargs)}=" if kwargs else ""
    return UnsupportedError(
        f"numpy.{name}{extra} does not take Tensors: it has no derivative here. Write it with "
        "functions of tapegrad.numpy, or call it on x.numpy() to leave the tape"
    )


Tensor.__array_ufunc__ = call_ufunc  # in place of the lazy ones of ops/methods.py
Tensor.__array_function__ = call_function
