"""Several arrays as one vector, and back: an entry has one output and takes one cotangent."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from ..engine import select
from ..engine.dtypes import CODES, DTYPES, dtype_code
from ..engine.select import apply
from ..ops.table import OPS, Op
from ..tensor import tensor


class Packing:
    """How the arrays of some shapes and dtypes lie in one vector of the widest dtype.

    One array alone is left as it is. Casts to the widest dtype and back lose nothing.
    """

    def __init__(self, likes: Sequence):
        self.shapes = [tuple(y.shape) for y in likes]
        self.dtypes = [np.dtype(y.dtype) for y in likes]
        self.dtype = np.result_type(*self.dtypes) if likes else np.dtype("f8")
        self.sizes = [int(np.prod(shape)) for shape in self.shapes]

    def pack(self, parts: Sequence) -> Any:
        """The vector of the parts."""
        if len(self.shapes) == 1:
            return parts[0]
        flat = [
            _cast(apply(OPS["reshape"].id, (y,), (n,)), self.dtype)
            for y, n in zip(parts, self.sizes)
        ]
        return apply(OPS["concatenate"].id, tuple(flat), (0,)) if flat else tensor(np.zeros(0))

    def pack_arrays(self, parts: Sequence[np.ndarray]) -> np.ndarray:
        """The same for plain arrays."""
        if len(self.shapes) == 1:
            return parts[0]
        return np.concatenate([np.ravel(y).astype(self.dtype) for y in parts])

    def unpack(self, packed: Any) -> list:
        """The parts of a vector, which may be a Block."""
        if len(self.shapes) == 1:
            return [packed]
        found, at = [], 0
        for shape, dtype, n in zip(self.shapes, self.dtypes, self.sizes):
            part = apply(OPS["slice"].id, (packed,), (at, n, 1))
            found.append(_cast(apply(OPS["reshape"].id, (part,), shape), dtype))
            at += n
        return found


class Bytes:
    """How arrays of any dtypes, which have no derivative, lie in one vector of bytes."""

    def __init__(self, likes: Sequence[np.ndarray]):
        self.shapes = [y.shape for y in likes]
        self.dtypes = [y.dtype for y in likes]

    def pack_arrays(self, parts: Sequence[np.ndarray]) -> np.ndarray:
        """The vector of the parts."""
        return np.frombuffer(b"".join([y.tobytes() for y in parts]), np.uint8)

    def unpack(self, packed: Any) -> list:
        """The parts of a vector."""
        found, at = [], 0
        for shape, dtype in zip(self.shapes, self.dtypes):
            params = (at, dtype_code(dtype), *shape)
            found.append(apply(_PART.id, (packed,), params))
            at += found[-1].size * dtype.itemsize
        return found


def _part(x: np.ndarray, at: int, code: int, *shape: int) -> np.ndarray:
    size = math.prod(shape) * DTYPES[code].itemsize
    return x[at : at + size].view(DTYPES[code]).reshape(shape)


# One of the arrays in a vector of bytes, by its first byte, dtype code and shape.
_PART = Op("part", _part, ("x",), kind="nondifferentiable")
select.add_row(_PART)


def _cast(x: Any, dtype: np.dtype) -> Any:
    return x if x.dtype == dtype else apply(OPS["astype"].id, (x,), (CODES[dtype],))
