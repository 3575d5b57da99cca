"""Parameter: the arrays that are written in place, between steps, each write raising a version."""

from __future__ import annotations

from typing import Any

import numpy as np

from .engine import select
from .engine.dtypes import is_inexact
from .engine.node import PARAMETER, VARIABLE
from .engine.operands import unmasked
from .engine.recording import here
from .errors import DTypeError, ShapeError
from .tensor import Tensor, array_of, asarray


class Parameter(Tensor):
    """A Tensor that an optimizer writes: watched by tapes, versioned, written only by assign,
    `p[...] = v`, `p.data = v`, or through the view `p.data`.

    Assigning inside a tape is allowed and never differentiated; a sweep that needs the values
    from before the write says so.
    """

    __slots__ = ()

    def __reduce__(self) -> tuple:
        return _rebuild, (np.array(self.numpy()), self.requires_grad)

    def assign(self, value: Any) -> None:
        """Write new values, broadcast and cast to this parameter's shape and dtype."""
        engine = select.engine()
        value = asarray(value)  # a Tensor stays one: a recorded step must see where it came from
        if value.dtype != self.dtype:
            self._check_fits(value.dtype)
            value = value.astype(self.dtype)
        if value.shape != self.shape:
            from .ops.shapes import broadcast_to

            try:
                value = broadcast_to(value, self.shape)
            except ValueError:
                raise ShapeError(
                    f"assign: cannot broadcast {value.shape} to the parameter's {self.shape}"
                ) from None
        engine.assign(engine.adopt(self), value)

    def __setitem__(self, index: Any, value: Any) -> None:
        if index is Ellipsis:
            self.assign(value)
            return
        engine = select.engine()
        if here.recorder is not None:
            here.recorder.refuse("writes part of a parameter: assign the whole of it")
        new = value.numpy() if isinstance(value, Tensor) else unmasked(value, "assign")
        self._check_fits(new.dtype)
        engine.to_numpy(self, writable=True)[index] = new
        engine.touch(self)

    def _check_fits(self, dtype: np.dtype) -> None:
        if not np.can_cast(dtype, self.dtype, "same_kind"):
            raise DTypeError(f"assign: {dtype} does not fit a parameter of {self.dtype}")

    @property
    def data(self) -> np.ndarray:
        """A writable view of the values. Reading it counts as a write, and while the view
        lives tapes copy this parameter when they save it."""
        engine = select.engine()
        if here.recorder is not None:
            here.recorder.escape("data", self)
        engine.touch(engine.adopt(self))
        return engine.to_numpy(self, writable=True)

    @data.setter
    def data(self, value: Any) -> None:
        if isinstance(value, np.ndarray) and value.base is not None and _same_memory(value, self):
            return  # p.data -= g: the view has been written already
        self.assign(value)


def parameter(data: Any, dtype: Any = None) -> Parameter:
    """Make a Parameter with a copy of data; float or complex.

    Raises:
        DTypeError: if data is of integers or bools, which have no derivative.
    """
    array = array_of(data, dtype)
    if not is_inexact(array.dtype):
        raise DTypeError(
            f"parameter: dtype {array.dtype} has no derivative; give floats, or dtype='f4'"
        )
    p = select.engine().from_numpy(array, Parameter)
    p._flags |= VARIABLE | PARAMETER
    return p


def _rebuild(array: np.ndarray, is_watched: bool) -> Parameter:
    p = parameter(array)
    p.requires_grad = is_watched  # a frozen parameter's copy is frozen
    return p


def _same_memory(a: np.ndarray, p: Tensor) -> bool:
    b = p.numpy()
    addresses = [x.__array_interface__["data"][0] for x in (a, b)]
    return a.shape == b.shape and addresses[0] == addresses[1]
