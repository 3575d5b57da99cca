"""The NumPy engine's values, and the base of Tensor where the C core is not installed."""

from __future__ import annotations

import weakref
from collections.abc import Callable
from typing import Any

import numpy as np

from ..errors import StaleValueError
from ..ops.table import OPS

# In flags, as csrc/core.h has them: watched by itself; a Parameter, which may be frozen. (TRACED is
# in recording.py.)
VARIABLE, PARAMETER = 1, 8
WRITTEN = VARIABLE | PARAMETER  # one or the other: its memory may change


class Memory:
    """An array's memory under an identity of its own: views of it keep this object alive."""

    __slots__ = ("__array_interface__", "_array", "__weakref__")

    def __init__(self, array: np.ndarray):
        self._array = array
        self.__array_interface__ = array.__array_interface__


class Node:
    """A value of the NumPy engine.

    A value that both engines use lives in the C core: `home` is a native Tensor of it, `array`
    its memory, and the gradient is the home's, so that what the two engines add to it adds up.
    """

    __slots__ = ("array", "flags", "home", "_grad", "_writes", "tape", "writers", "__weakref__")

    def __init__(self, array: np.ndarray, flags: int = 0, home: Any = None):
        self.array = array
        self.flags = flags
        self.home = home  # not the Tensor that holds this node, which would never be freed
        self._grad: Any = None
        self._writes = 0
        self.tape: Any = None  # the innermost tape that recorded it
        self.writers: list[weakref.ref[Memory]] = []  # of the writable views handed out

    @property
    def grad(self) -> Any:
        if self.home is not None:
            found = self.home._grad
            if found is None or self._grad is None or found.handle != self._grad.handle:
                self._grad = found  # else the same Tensor as before, which traces know
        return self._grad

    @grad.setter
    def grad(self, value: Any) -> None:
        if self.home is not None:
            from .select import _engines

            self.home._grad = None if value is None else _engines["native"].adopt(value)
        self._grad = value

    @property
    def version(self) -> int:
        """Writes so far, those from before it had a home included."""
        return self._writes if self.home is None else self._writes + self.home.version

    def move_to(self, home: Any, array: np.ndarray) -> None:
        """Live in the C core from now on: home has these values, array is its memory."""
        self.array, self.home = array, home
        self.grad = self._grad

    def touch(self) -> None:
        """Count a write."""
        self._writes += 1

    def has_writers(self) -> bool:
        """Whether a writable view of the array is alive."""
        self.writers = [w for w in self.writers if w() is not None]
        return bool(self.writers)

    def writable_view(self, array: np.ndarray) -> np.ndarray:
        """A view to write array (this node's) through; has_writers() knows of it while it lives."""
        memory = Memory(array)
        self.writers.append(weakref.ref(memory))
        return np.asarray(memory)

    @property
    def is_tracked(self) -> bool:
        """Whether an open tape of this thread follows this value."""
        from .numpy_tape import this_thread

        return this_thread.recording and any(
            tape.tracks_node(self) for tape in this_thread.open if not tape.is_paused
        )

    @property
    def shape(self) -> tuple[int, ...]:
        return self.array.shape

    @property
    def dtype(self) -> np.dtype:
        return self.array.dtype

    @property
    def ndim(self) -> int:
        return self.array.ndim

    @property
    def size(self) -> int:
        return self.array.size


def shared_node(array: np.ndarray) -> Node:
    """A node over memory that others may write as long as the node lives."""
    memory = Memory(array)
    node = Node(np.asarray(memory))
    node.writers.append(weakref.ref(memory))
    return node


class Ghost:
    """What is left of a value that no rule reads: its shape and dtype."""

    __slots__ = ("shape", "dtype", "ndim", "size", "flags", "grad", "version")

    def __init__(self, node: Node):
        self.shape, self.dtype, self.ndim, self.size = node.shape, node.dtype, node.ndim, node.size
        self.flags, self.version, self.grad = node.flags, node.version, None

    @property
    def array(self) -> np.ndarray:
        raise StaleValueError("this value was not kept: no rule asked for it")


class NodeHolder:
    """Base of Tensor where the C core is not installed: see csrc/pytensor.c."""

    __slots__ = ("_node", "__weakref__")
    handle = 0

    def __new__(cls, other: Any = None) -> NodeHolder:
        if not isinstance(other, NodeHolder):
            raise TypeError(
                "a Tensor is made by tapegrad.tensor(data) or tapegrad.parameter(data), or from "
                "another Tensor"
            )
        self = object.__new__(cls)
        self._node = other._node
        return self

    shape = property(lambda self: self._node.shape)
    dtype = property(lambda self: self._node.dtype)
    ndim = property(lambda self: self._node.ndim)
    size = property(lambda self: self._node.size)
    version = property(lambda self: self._node.version)
    _is_tracked = property(lambda self: self._node.is_tracked)

    @property
    def _flags(self) -> int:
        return self._node.flags

    @_flags.setter
    def _flags(self, flags: int) -> None:
        self._node.flags = flags

    @property
    def _grad(self) -> Any:
        return self._node.grad

    @_grad.setter
    def _grad(self, grad: Any) -> None:
        self._node.grad = grad

    def _item(self) -> Any:
        return NotImplemented

    def _become(self, other: Any) -> None:
        self._node = other._node

    __hash__ = object.__hash__


_BINARY = {
    "add": "add", "subtract": "sub", "multiply": "mul", "divide": "truediv", "matmul": "matmul",
}  # fmt: skip
_OTHERS = {
    "negative": "neg", "absolute": "abs", "less": "lt", "less_equal": "le", "equal": "eq",
    "not_equal": "ne", "greater": "gt", "greater_equal": "ge",
}  # fmt: skip


def put_operators(cls: type, operator: Callable[[str, bool], Callable]) -> None:
    """Give a class the operators that engines carry themselves, as operator(op's name, whether
    reflected) makes them."""
    for name, dunder in (_BINARY | _OTHERS).items():
        setattr(cls, f"__{dunder}__", operator(name, False))
    for name, dunder in _BINARY.items():
        setattr(cls, f"__r{dunder}__", operator(name, True))


def _operator(name: str, reflected: bool) -> Callable:
    def method(self, *other):
        from .select import operate, slow_apply

        operands = (*other, self) if reflected else (self, *other)
        return operate(OPS[name].id, *operands) if other else slow_apply(OPS[name].id, operands)

    return method


put_operators(NodeHolder, _operator)


def make_tensor(tensor_type: type, node: Node) -> Any:
    """A Tensor of that type around a node, where the C core is not installed."""
    tensor = object.__new__(tensor_type)
    tensor._node = node
    return tensor
