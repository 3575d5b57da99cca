"""ndarray's methods, attributes and remaining operators, put on Tensor.

The arithmetic and comparison operators that the engines carry themselves are not here.
"""

from __future__ import annotations

import functools
import warnings
from typing import Any

import numpy as np

from ..engine.operands import is_foreign
from ..engine.recording import here
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
    """Rounded to that many decimals, halves to even, as numpy.round; no derivative."""
    return _served("round")(self, decimals)


def _rounded(self: Tensor, ndigits: int | None = None) -> Any:
    """round(x, n) of one value: a Python number."""
    return round(self.item(), *(() if ndigits is None else (ndigits,)))


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
        warn_detached()
    if here.recorder is not None:
        self._escape("NumPy")
    view = self.numpy()
    if dtype is not None and np.dtype(dtype) != view.dtype:
        if copy is False:
            raise ValueError(f"a Tensor of {view.dtype} cannot be {dtype} without a copy")
        return view.astype(dtype)
    return view.copy() if copy else view


_warned: set[tuple[str, int]] = set()


def warn_detached() -> None:
    """Warn, once a line, that a Tensor which a tape records becomes an ndarray there."""
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


def _served(name: str) -> Any:
    """The method that is tapegrad.numpy's function of that name, imported when first called."""

    def method(self: Tensor, *args: Any, **kwargs: Any) -> Any:
        from .. import numpy as namespace

        return getattr(namespace, name)(self, *args, **kwargs)

    method.__name__ = method.__qualname__ = name
    method.__doc__ = f"As numpy.ndarray.{name}."
    return method


def _served_operator(name: str, is_reflected: bool = False) -> Any:
    def method(self: Tensor, other: Any) -> Any:
        from .. import numpy as namespace

        function = getattr(namespace, name)
        return function(other, self) if is_reflected else function(self, other)

    return method


def _sort(self: Tensor, axis: int = -1, kind: str | None = None, order: None = None) -> None:
    """Sort the lines along axis in place: this Tensor becomes the sorted one."""
    indexing.setitem(self, ..., _served("sort")(self, axis, kind))


def _partition(self: Tensor, kth: Any, axis: int = -1, kind: str = "introselect") -> None:
    """Partition the lines along axis in place: this Tensor becomes the partitioned one."""
    indexing.setitem(self, ..., _served("partition")(self, kth, axis))


def _fill(self: Tensor, value: Any) -> None:
    """Set every element to value: this Tensor becomes the filled one."""
    indexing.setitem(self, ..., value)


def _compress(self: Tensor, condition: Any, axis: int | None = None) -> Tensor:
    """The parts along axis (None: of the flat array) where condition is true."""
    from ..numpy.choosing import compress

    return compress(condition, self, axis)


def _flat(self: Tensor) -> Any:
    """The elements in one axis, in C order, to read, write and go through."""
    from ..numpy.writing import Flat

    return Flat(self)


def _write_all(self: Tensor, value: Any) -> None:
    _flat(self)[...] = value


# Attributes of ndarray's that a value cannot have, or that mean another thing elsewhere.
_ABSENT = {
    "view": "x.reshape(shape) gives another shape, x.numpy().view(dtype) other bits",
    "resize": "x = tapegrad.numpy.resize(x, shape) gives a new one",
    "at": "write x[i] = v or x[i] += v: a tape records the update",
    "flags": "x.numpy().flags are those of its memory, which is read-only",
}


def _absent(name: str, instead: str) -> property:
    def refuse(self: Tensor) -> None:
        raise AttributeError(f"a Tensor has no attribute {name!r}: {instead}")

    return property(refuse)


def _tobytes(self: Tensor, order: Any = "C") -> bytes:
    """The values as bytes."""
    return self.numpy().tobytes(order)


def _to_device(self: Tensor, device: Any, /, *, stream: None = None) -> Tensor:
    """This Tensor: "cpu" is the only device."""
    if device != "cpu" or stream is not None:
        raise ValueError(f"to_device: the only device is 'cpu', without streams; got {device!r}")
    return self


def _dlpack(
    self: Tensor,
    *,
    stream: None = None,
    max_version: tuple[int, int] | None = None,
    dl_device: tuple[int, int] | None = None,
    copy: bool | None = None,
) -> Any:
    """A DLPack capsule that shares the memory, read-only: tapegrad.numpy.dlpack.exported."""
    from ..numpy.dlpack import exported

    return exported(self, stream=stream, max_version=max_version, dl_device=dl_device, copy=copy)


def _dlpack_device(self: Tensor) -> tuple[int, int]:
    """DLPack's name of the CPU: (1, 0)."""
    return (1, 0)


METHODS = {
    "sum": reductions.sum,
    "mean": reductions.mean,
    "prod": reductions.prod,
    "max": reductions.max,
    "min": reductions.min,
    "argmax": reductions.argmax,
    "argmin": reductions.argmin,
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
    "sort": _sort,
    "partition": _partition,
    "fill": _fill,
    "compress": _compress,
    "tobytes": _tobytes,
    "to_device": _to_device,
    "device": property(lambda self: "cpu", doc='Where the values are: "cpu".'),
    "strides": property(lambda self: self.numpy().strides, doc="Bytes from element to element."),
    "conj": complex.conj,
    "conjugate": complex.conj,
    "real": property(complex.real, doc="The real part; itself where it is real."),
    "imag": property(complex.imag, doc="The imaginary part; zeros where it is real."),
    "T": property(shapes.transpose, doc="The axes in reversed order."),
    "mT": property(shapes.matrix_transpose, doc="The last two axes exchanged."),
    "itemsize": property(lambda self: self.dtype.itemsize, doc="Bytes of one element."),
    "nbytes": property(lambda self: self.size * self.dtype.itemsize, doc="Bytes of all elements."),
    "flat": property(_flat, _write_all, doc=_flat.__doc__),
    "__getitem__": indexing.getitem,
    "__setitem__": indexing.setitem,
    "__pow__": _pow,
    "__rpow__": _swapped(composite.power),
    "__floordiv__": lambda self, other: logic.floor_divide(self, other),
    "__rfloordiv__": _swapped(logic.floor_divide),
    "__mod__": lambda self, other: logic.remainder(self, other),
    "__rmod__": _swapped(logic.remainder),
    "__round__": _rounded,
    "__divmod__": _served_operator("divmod"),
    "__rdivmod__": _served_operator("divmod", True),
    "__lshift__": _served_operator("left_shift"),
    "__rlshift__": _served_operator("left_shift", True),
    "__rshift__": _served_operator("right_shift"),
    "__rrshift__": _served_operator("right_shift", True),
    "__dlpack__": _dlpack,
    "__dlpack_device__": _dlpack_device,
    "__pos__": lambda self: linear.copy(self),
    "__invert__": _invert,
    "__contains__": _contains,
    "__array__": _array,
    "__array_namespace__": _array_namespace,
    "__array_ufunc__": _array_ufunc,
    "__array_function__": _array_function,
}
for _name in (
    "all", "any", "argpartition", "argsort", "choose", "clip", "cumprod", "cumsum", "diagonal",
    "nonzero", "ptp", "put", "searchsorted", "std", "trace", "var",
):  # fmt: skip
    METHODS[_name] = _served(_name)

for _name, _on_bools, _on_integers in (
    ("and", logical_and, logic.bitwise_and),
    ("or", logical_or, logic.bitwise_or),
    ("xor", logical_xor, logic.bitwise_xor),
):
    METHODS[f"__{_name}__"], METHODS[f"__r{_name}__"] = _bits(_on_bools, _on_integers)


def _open_to_others(operator: Any) -> Any:
    """The operator of two operands, which leaves it to an operand that is no array."""

    @functools.wraps(operator)
    def method(self: Tensor, other: Any, *more: Any) -> Any:
        if not isinstance(other, Tensor) and is_foreign(other):
            return NotImplemented
        return operator(self, other, *more)

    return method


for _name in (
    "pow", "floordiv", "mod", "divmod", "lshift", "rshift", "and", "or", "xor",
):  # fmt: skip
    for _dunder in (f"__{_name}__", f"__r{_name}__"):
        METHODS[_dunder] = _open_to_others(METHODS[_dunder])

for _name, _method in METHODS.items():
    setattr(Tensor, _name, _method)

for _name, _instead in _ABSENT.items():
    setattr(Tensor, _name, _absent(_name, _instead))
