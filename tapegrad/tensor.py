"""Tensor: the arrays that tapes follow.

A Tensor is a value: no operation changes it in place. (parameter.py has those that are written.)
Operators come from the engine's base class, array methods from the op table (ops/methods.py).
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from opcode import opname
from typing import TYPE_CHECKING, Any

import numpy as np

from . import changes
from .engine import select
from .engine.dtypes import is_inexact
from .engine.node import PARAMETER, VARIABLE
from .engine.operands import is_plain, refuse_masks
from .engine.recording import TRACED, here
from .errors import DTypeError, ShapeError, TapeError
from .ops.table import OPS

if TYPE_CHECKING:
    from ._attached import Attached
else:
    Attached = object


def put_on(base: type) -> Callable[[type], Any]:
    """Put a class's attributes on `base`, and return base in its place.

    The C core's type is not tracked by the garbage collector (a Tensor can be part of no
    cycle); a Python subclass would be, at a fifth of the cost of a small op.
    """

    def decorate(cls: type) -> Any:
        for name, value in vars(cls).items():
            if name not in ("__dict__", "__weakref__", "__slots__"):
                setattr(base, name, value)
        base.__name__, base.__qualname__ = cls.__name__, cls.__qualname__
        return base

    return decorate


@put_on(select.TensorBase)
class Tensor(Attached):
    """An n-dimensional array whose operations a tape can record.

    Made by `tapegrad.tensor(data)`; shape, dtype, broadcasting and promotion are NumPy's. Python
    scalars are weak (NEP 50): `x * 2.0` keeps x's dtype.
    """

    __array_priority__ = 1000

    # --- out of tapegrad

    def numpy(self) -> np.ndarray:
        """A read-only view of the values; it stays valid however long it is kept."""
        if here.recorder is not None:
            self._escape("numpy()")
        return select.engine().to_numpy(self)

    def _escape(self, how: str) -> None:
        """Tell a recording that Python reads these values: an error if a run computes them."""
        if self._is_computed:
            here.recorder.escape(how, self)

    @property
    def _is_computed(self) -> bool:
        """Whether it is another value in a replay of the step that is being recorded."""
        return bool(self._flags & TRACED) or self._may_be_written

    @property
    def _may_be_written(self) -> bool:
        """Whether a program must read its values anew at each run: a frozen parameter's, too."""
        return bool(self._flags & (VARIABLE | PARAMETER))

    def item(self, *index: Any) -> Any:
        """The one value as a Python scalar; or the one at an index, as ndarray.item takes it.

        Raises:
            ShapeError: without an index, if there is not exactly one.
        """
        if here.recorder is not None:
            self._escape("item()")
        if index:
            return self.numpy().item(*index)
        value = self._item()
        if value is not NotImplemented:
            return value
        if self.size != 1:
            raise ShapeError(f"item: need exactly one value, got shape {self.shape}")
        return self.numpy().item()

    def tolist(self) -> Any:
        """The values as nested lists of Python scalars."""
        return self.numpy().tolist()

    def __float__(self) -> float:
        self._warn_if_stored()
        return float(self.item())

    def __int__(self) -> int:
        self._warn_if_stored()
        return int(self.item())

    def __complex__(self) -> complex:
        self._warn_if_stored()
        return complex(self.item())

    def _warn_if_stored(self) -> None:
        """Warn of `array[i] = t` inside a tape: NumPy asks for a number, and t's derivative ends.
        Whoever writes float(t) knows."""
        if self._is_tracked:
            frame = sys._getframe(2)
            if opname[frame.f_code.co_code[frame.f_lasti]] == "STORE_SUBSCR":
                from .ops.methods import warn_detached

                warn_detached()

    def __index__(self) -> int:
        if self.dtype.kind not in "iu":
            raise TypeError(
                f"a Tensor of {self.dtype} cannot be an index, nor repeat a str; use integers"
            )
        return int(self.item())

    def __bool__(self) -> bool:
        if self.size != 1:
            raise ValueError(
                f"the truth value of a Tensor of shape {self.shape} is ambiguous; "
                "use .any() or .all()"
            )
        recorder = here.recorder
        if recorder is None or not self._is_computed:
            return bool(self.item())
        truth = bool(select.engine().to_numpy(self))
        recorder.truth(self, truth)
        return truth

    def __len__(self) -> int:
        if not self.ndim:
            raise TypeError("len() of a 0-d Tensor")
        return self.shape[0]

    def __iter__(self) -> Iterator[Tensor]:
        if not self.ndim:
            raise TypeError("iteration over a 0-d Tensor")
        return (self[i] for i in range(self.shape[0]))

    def __repr__(self) -> str:
        values = np.array2string(self.numpy(), separator=", ", prefix=type(self).__name__ + "(")
        tail = "" if self.dtype == np.float64 else f", dtype={self.dtype}"
        if self.requires_grad and type(self) is Tensor:
            tail += ", requires_grad=True"
        return f"{type(self).__name__}({values}{tail})"

    def __format__(self, spec: str) -> str:
        if spec and self.size != 1:
            raise TypeError(
                f"format {spec!r} of a Tensor of shape {self.shape}: it takes one element; "
                "format the elements, or give no format"
            )
        return format(self.item(), spec) if spec else str(self)

    def __reduce__(self) -> tuple:
        return tensor, (np.array(self.numpy()), None, self.requires_grad)

    def __copy__(self) -> Tensor:
        make, values = self.__reduce__()
        return make(*values)

    def __deepcopy__(self, memo: dict) -> Tensor:
        return self.__copy__()

    # --- differentiation

    @property
    def grad(self) -> Tensor | None:
        """What backward() has accumulated, or None. Assign None to clear it."""
        if here.recorder is not None:
            here.recorder.engine.log.reads_grad(self)
        node = self._node
        return self._grad if node is None else node.grad

    @grad.setter
    def grad(self, value: Any) -> None:
        if value is not None:
            value = asarray(value)
            if value.shape != self.shape or value.dtype != self.dtype:
                raise ShapeError(
                    f"grad: need shape {self.shape} and dtype {self.dtype}, "
                    f"got {value.shape} and {value.dtype}"
                )
        recorder = here.recorder
        if value is not None:
            is_constant = recorder is not None and not value._flags & TRACED  # an entry makes it
            # no variable's memory, and no cycle
            is_shared = value._may_be_written or identity(value) == identity(self)
            if is_constant or is_shared:
                value = select.apply(OPS["copy"].id, (value,), ())
        if recorder is not None:
            recorder.engine.log.sets_grad(self)
        if self._node is not None:
            self._node.grad = value
        else:
            self._grad = None if value is None else select._engines["native"].adopt(value)

    @property
    def requires_grad(self) -> bool:
        """Whether tapes watch this Tensor by themselves."""
        return bool(self._flags & VARIABLE)

    @requires_grad.setter
    def requires_grad(self, on: bool) -> None:
        if on and not is_inexact(self.dtype):
            raise DTypeError(f"requires_grad: a Tensor of {self.dtype} has no derivative")
        flags = self._flags & ~VARIABLE | (VARIABLE if on else 0)
        if flags != self._flags:
            self._flags = flags
            changes.config[0] += 1
        if self._node is not None:
            self._node.flags = flags

    def requires_grad_(self, on: bool = True) -> Tensor:
        """Set requires_grad and return self."""
        self.requires_grad = on
        return self

    def backward(self, gradient: Any = None) -> None:
        """Add the derivative of this scalar to `.grad` of every watched leaf it depends on.

        Args:
            gradient: the cotangent of this Tensor; needed unless it has one element.
        Uses the innermost tape that recorded this Tensor. Raises as tape.backward.
        """
        engine = select.engine()
        ct = cotangent_for(self, gradient)
        try:
            engine.backward(engine.adopt(self), None if ct is None else engine.adopt(ct))
        except TapeError:
            recorder = self._recorded_by()
            if recorder == engine.name:
                raise
            with select.use_backend(recorder):
                self.backward(gradient)

    def _recorded_by(self) -> str:
        """The engine whose tape may have recorded this Tensor."""
        if self._node is not None and self._node.tape is not None:
            return "numpy"
        return "native" if self.handle else select.backend()

    def detach(self) -> Tensor:
        """The same values, unknown to any tape."""
        from .ops.linear import stop_gradient

        return stop_gradient(self)


def tensor(data: Any, dtype: Any = None, requires_grad: bool = False) -> Tensor:
    """Make a Tensor with a copy of data.

    Args:
        data: anything np.asarray takes, or a Tensor. Other kinds of ndarray (np.matrix, np.memmap,
            a user's) are taken for their values; what else they have or do is lost.
        dtype: as np.asarray; default NumPy's (Python floats are float64).
        requires_grad: have every tape watch it.
    Raises:
        DTypeError: for dtypes no Tensor can hold, or requires_grad of integers.
        UnsupportedError: for masked arrays.
    """
    try:
        t = select.engine().from_numpy(array_of(data, dtype), Tensor)
    except DTypeError as error:
        raise DTypeError(f"tensor of {type(data).__name__}: {error}") from None
    if requires_grad:
        t.requires_grad = True
    return t


def asarray(data: Any, dtype: Any = None) -> Tensor:
    """data itself if it is a Tensor (of that dtype), else tensor(data, dtype)."""
    if isinstance(data, Tensor):
        return data if dtype is None or data.dtype == np.dtype(dtype) else data.astype(dtype)
    return tensor(data, dtype)


def identity(t: Tensor) -> Any:
    """What tells one recorded value from another."""
    return t.handle or id(t._node)


def along(value: Any, primal: Tensor, what: str) -> Tensor:
    """A tangent or cotangent of primal: a Tensor of its shape and dtype.

    Raises:
        ShapeError, DTypeError: naming it as `what`, if it has another shape or does not fit.
    """
    t = asarray(value)
    if t.shape != primal.shape:
        raise ShapeError(f"{what} has shape {t.shape}; need {primal.shape}")
    if t.dtype == primal.dtype:
        return select.own(t)
    if not np.can_cast(t.dtype, primal.dtype, "same_kind"):
        raise DTypeError(f"{what} has dtype {t.dtype}, which does not fit {primal.dtype}")
    return t.astype(primal.dtype)


def cotangent_for(target: Tensor, given: Any) -> Tensor | None:
    """What backward starts from: what it was given, or None, which is 1: a target of one element.

    Raises:
        ShapeError, DTypeError: if that is not like target, or missing where target is no scalar.
    """
    if given is not None:
        return along(given, target, "backward: gradient")
    if target.size != 1:
        raise ShapeError(
            f"backward: the Tensor has shape {target.shape}; reduce it to a scalar (sum, mean) or "
            "give backward a gradient of that shape"
        )
    return None


def array_of(data: Any, dtype: Any) -> np.ndarray:
    """What tensor() copies; its errors."""
    if isinstance(data, Tensor):
        data = data.numpy()
    else:
        refuse_masks(data, "tensor")
    try:
        dtype = None if dtype is None else np.dtype(dtype)
    except TypeError as error:
        raise DTypeError(f"tensor: dtype={dtype!r}: {error}") from None
    try:
        return data if is_plain(data) and dtype in (None, data.dtype) else np.asarray(data, dtype)
    except (ValueError, TypeError) as error:
        if dtype is None:
            raise ShapeError(f"tensor: the data is not a rectangular array: {error}") from None
        raise ShapeError(f"tensor: the data is not an array of {dtype}: {error}") from None
