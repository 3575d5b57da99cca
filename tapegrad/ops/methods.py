"""ndarray's methods, attributes and remaining operators, put on Tensor.

The arithmetic and comparison operators that the engines carry themselves are not here.
"""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np

from ..errors import DetachedWarning
from ..lines import user_line
from ..tensor import Tensor
from . import complex, composite, indexing, linear, logic, reductions, shapes
from .elementwise import logical_and, logical_not, logical_or, logical_xor

# --- reductions and shapes --------------------------------------------------------------------


def _reshape(self: Tensor, *shape: Any, order: str = "C") -> Tensor:
    """The same elements in another shape, given as one tuple or as integers."""
    return shapes.reshape(self, shape[0] if len(shape) == 1 else shape, order)


def _transpose(self: Tensor, *axes: Any) -> Tensor:
    """Axes reversed, or in the order given, as one tuple or as integers."""
    if not axes or axes == (None,):
        return shapes.transpose(self)
    return shapes.transpose(self, axes[0] if isinstance(axes[0], (tuple, list)) else axes)


def _flatten(self: Tensor, order: str = "C") -> Tensor:
    """A copy of the elements in one axis."""
    return linear.copy(shapes.ravel(self, order))


def _round(self: Tensor, decimals: int = 0) -> Tensor:
    """Rounded to that many decimals, halves to even; no derivative."""
    return logic.round(self, decimals)


def _swapped(function: Any) -> Any:
    def method(self: Tensor, other: Any) -> Tensor:
        return function(other, self)

    return method


def _bits(on_bools: Any, on_integers: Any) -> tuple[Any, Any]:
    """&, | or ^ and its reflection: the logical row for bools, else the bitwise one."""

    def method(self: Tensor, other: Any) -> Tensor:
        is_bool = (
            self.dtype == np.bool_ and getattr(other, "dtype", np.dtype(type(other))) == np.bool_
        )
        return (on_bools if is_bool else on_integers)(self, other)

    def reflected(self: Tensor, other: Any) -> Tensor:
        return method(self, other)  # all three commute

    return method, reflected


def _invert(self: Tensor) -> Tensor:
    return logical_not(self) if self.dtype == np.bool_ else logic.invert(self)


def _pow(self: Tensor, exponent: Any, modulo: None = None) -> Tensor:
    if modulo is not None:
        raise TypeError("pow() of a Tensor takes no modulo")
    return composite.power(self, exponent)


def _contains(self: Tensor, value: Any) -> bool:
    return bool((self == value).numpy().any())


def _array_namespace(self: Tensor, *, api_version: str | None = None) -> Any:
    """The namespace whose functions take Tensors."""
    from .. import numpy as namespace

    return namespace


def _array(self: Tensor, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
    """A read-only view of the values, or a copy; a warning, once a line, where a tape records
    this Tensor: the array has no derivative."""
    if self._is_tracked:
        _warn_detached()
    view = self.numpy()
    if dtype is not None and np.dtype(dtype) != view.dtype:
        if copy is False:
            raise ValueError(f"a Tensor of {view.dtype} cannot be {dtype} without a copy")
        return view.astype(dtype)
    return view.copy() if copy else view


_warned: set[tuple[str, int]] = set()


def _warn_detached() -> None:
    line = user_line()
    if line in _warned:
        return
    _warned.add(line)
    warnings.warn_explicit(
        f"a Tensor that a tape records is made an ndarray at {line[0]}:{line[1]}, and loses its "
        "derivative there. Build arrays of Tensors with tapegrad.numpy.array; if no derivative is "
        "wanted, say so with x.numpy()",
        DetachedWarning,
        *line,
    )


def _array_ufunc(self: Tensor, *args: Any, **kwargs: Any) -> Any:
    from ..numpy import protocols  # puts its own methods on Tensor in place of these

    return protocols.call_ufunc(self, *args, **kwargs)


def _array_function(self: Tensor, *args: Any) -> Any:
    from ..numpy import protocols

    return protocols.call_function(self, *args)


METHODS = {
    "sum": reductions.sum,
    "mean": reductions.mean,
    "prod": reductions.prod,
    "max": reductions.max,
    "min": reductions.min,
    "argmax": reductions.argmax,
    "argmin": reductions.argmin,
    "cumsum": reductions.cumsum,
    "var": composite.var,
    "std": composite.std,
    "all": logic.all,
    "any": logic.any,
    "clip": composite.clip,
    "dot": composite.dot,
    "round": _round,
    "reshape": _reshape,
    "ravel": shapes.ravel,
    "flatten": _flatten,
    "transpose": _transpose,
    "squeeze": shapes.squeeze,
    "swapaxes": shapes.swapaxes,
    "astype": shapes.astype,
    "copy": shapes.copy,
    "repeat": shapes.repeat,
    "take": indexing.take,
    "diagonal": composite.diagonal,
    "conj": complex.conj,
    "conjugate": complex.conj,
    "real": property(complex.real, doc="The real part; itself where it is real."),
    "imag": property(complex.imag, doc="The imaginary part; zeros where it is real."),
    "T": property(shapes.transpose, doc="The axes in reversed order."),
    "mT": property(shapes.matrix_transpose, doc="The last two axes exchanged."),
    "itemsize": property(lambda self: self.dtype.itemsize, doc="Bytes of one element."),
    "nbytes": property(lambda self: self.size * self.dtype.itemsize, doc="Bytes of all elements."),
    "__getitem__": indexing.getitem,
    "__setitem__": indexing.setitem,
    "__pow__": _pow,
    "__rpow__": _swapped(composite.power),
    "__floordiv__": lambda self, other: logic.floor_divide(self, other),
    "__rfloordiv__": _swapped(logic.floor_divide),
    "__mod__": lambda self, other: logic.remainder(self, other),
    "__rmod__": _swapped(logic.remainder),
    "__pos__": lambda self: linear.copy(self),
    "__invert__": _invert,
    "__contains__": _contains,
    "__array__": _array,
    "__array_namespace__": _array_namespace,
    "__array_ufunc__": _array_ufunc,
    "__array_function__": _array_function,
}
for _name, _on_bools, _on_integers in (
    ("and", logical_and, logic.bitwise_and),
    ("or", logical_or, logic.bitwise_or),
    ("xor", logical_xor, logic.bitwise_xor),
):
    METHODS[f"__{_name}__"], METHODS[f"__r{_name}__"] = _bits(_on_bools, _on_integers)

for _name, _method in METHODS.items():
    setattr(Tensor, _name, _method)
