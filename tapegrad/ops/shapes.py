"""Functions that change shapes: plain functions over the rows of linear.py, with NumPy's
signatures. None has a derivative rule of its own.
"""

from __future__ import annotations

import itertools
import operator
from collections.abc import Sequence
from typing import Any

import numpy as np

from ..engine.dtypes import CODES, dtype_code
from ..errors import ShapeError
from ..parameter import Parameter
from ..tensor import Tensor
from . import linear
from .axes import as_tensor, axes, is_whole, one_axis, shape_of


def shared_dtype(*xs: Any) -> np.dtype:
    """The dtype that operands promote to; Python scalars are weak (NEP 50)."""
    return np.result_type(
        *[x if type(x) in (bool, int, float, complex) else as_tensor(x).dtype for x in xs]
    )


def as_dtype(x: Any, dtype: Any) -> Tensor:
    """x in that dtype; x itself if it has it already."""
    x = as_tensor(x)
    code = dtype_code(np.dtype(dtype))
    return x if CODES[x.dtype] == code else linear.astype(x, (code,))


def astype(x: Any, dtype: Any, copy: bool = True) -> Tensor:
    """x cast to dtype; cotangents are cast back. A Tensor is a value, so a cast to the dtype it
    has is free (a Parameter's is a copy)."""
    x = as_tensor(x)
    cast = as_dtype(x, dtype)
    return linear.copy(x) if copy and cast is x and isinstance(x, Parameter) else cast


def copy(x: Any) -> Tensor:
    """The same values in memory of their own."""
    return linear.copy(as_tensor(x))


def reshape(x: Any, shape: Any, order: str = "C") -> Tensor:
    """The same elements in another shape; one length may be -1, for what is left.

    Args:
        order: of the elements: "C", the last index changes first, or "F", the first one does.
    Raises:
        ShapeError: if the numbers of elements differ.
    """
    x = as_tensor(x)
    shape = shape_of(shape, "reshape")
    if -1 in shape:
        shape = _filled(shape, x)
    if order == "F":
        return transpose(linear.reshape(transpose(x), shape[::-1]))
    if order != "C":
        raise ValueError(f"reshape: order={order!r}; choose 'C' or 'F'")
    return linear.reshape(x, shape)


def _filled(shape: tuple, x: Tensor) -> tuple:
    at = shape.index(-1)
    known = 1
    for i, n in enumerate(shape):
        known *= n if i != at else 1
    if shape.count(-1) > 1 or known < 0 or not known or x.size % known:
        raise ShapeError(f"reshape: cannot fit shape {x.shape} into {shape}")
    return (*shape[:at], x.size // known, *shape[at + 1 :])


def ravel(x: Any, order: str = "C") -> Tensor:
    """The elements in one axis."""
    x = as_tensor(x)
    return x if x.ndim == 1 and order == "C" else reshape(x, (x.size,), order)


def transpose(x: Any, axes: Any = None) -> Tensor:
    """Axes reversed, or in the order given, as np.transpose."""
    x = as_tensor(x)
    ndim = x.ndim
    if axes is None:
        return linear.transpose(x, tuple(range(ndim - 1, -1, -1)))
    perm = _axes(tuple(axes), ndim, "transpose")
    if len(perm) != ndim:
        raise ShapeError(f"transpose: {len(perm)} axes given for an array of dimension {ndim}")
    return linear.transpose(x, perm)


_axes = axes  # `axes` is also an argument's name


def matrix_transpose(x: Any) -> Tensor:
    """The last two axes exchanged."""
    return swapaxes(x, -1, -2)


def swapaxes(x: Any, axis1: int, axis2: int) -> Tensor:
    """Two axes exchanged."""
    x = as_tensor(x)
    i, j = one_axis(axis1, x.ndim, "swapaxes"), one_axis(axis2, x.ndim, "swapaxes")
    perm = list(range(x.ndim))
    perm[i], perm[j] = j, i
    return linear.transpose(x, tuple(perm))


def moveaxis(x: Any, source: Any, destination: Any) -> Tensor:
    """Axes moved to new places, the others keeping their order, as np.moveaxis."""
    x = as_tensor(x)
    source = axes(source, x.ndim, "moveaxis")
    destination = axes(destination, x.ndim, "moveaxis")
    if len(source) != len(destination):
        raise ShapeError(
            f"moveaxis: {len(source)} source axes, but {len(destination)} destinations"
        )
    perm = [i for i in range(x.ndim) if i not in source]
    for to, where in sorted(zip(destination, source)):
        perm.insert(to, where)
    return linear.transpose(x, tuple(perm))


def squeeze(x: Any, axis: Any = None) -> Tensor:
    """Without axes of length 1: all, or those given.

    Raises:
        ShapeError: if an axis given is longer.
    """
    x = as_tensor(x)
    shape = x.shape
    gone = [i for i, n in enumerate(shape) if n == 1]
    if axis is not None:
        gone = list(axes(axis, x.ndim or 1, "squeeze"))  # NumPy takes axis 0 of a scalar too
        gone = gone if shape else []
        for i in gone:
            if shape[i] != 1:
                raise ShapeError(f"squeeze: axis {i} has length {shape[i]}, not 1, in {shape}")
    return linear.reshape(x, tuple(n for i, n in enumerate(shape) if i not in gone))


def expand_dims(x: Any, axis: Any) -> Tensor:
    """With new axes of length 1, at these places of the result."""
    x = as_tensor(x)
    ndim = x.ndim + (len(axis) if isinstance(axis, (tuple, list)) else 1)
    new = axes(axis, ndim, "expand_dims")
    old = iter(x.shape)
    return linear.reshape(x, tuple(1 if i in new else next(old) for i in range(ndim)))


def broadcast_to(x: Any, shape: Any) -> Tensor:
    """x repeated to that shape without copying.

    Raises:
        ShapeError: if x does not broadcast to it.
    """
    return linear.broadcast_to(as_tensor(x), shape_of(shape, "broadcast_to"))


def broadcast_arrays(*arrays: Any) -> tuple[Tensor, ...]:
    """The arrays repeated to their common shape."""
    tensors = [as_tensor(x) for x in arrays]
    shape = broadcast_shapes(*[t.shape for t in tensors])
    return tuple(linear.broadcast_to(t, shape) for t in tensors)


def broadcast_shapes(*shapes: tuple) -> tuple[int, ...]:
    """The common shape.

    Raises:
        ShapeError: if there is none.
    """
    try:
        return np.broadcast_shapes(*shapes)
    except ValueError:
        text = ", ".join(map(str, shapes))
        raise ShapeError(f"the shapes {text} do not broadcast together") from None


def flip(x: Any, axis: Any = None) -> Tensor:
    """Elements in reversed order along the axes (None: all); a view."""
    x = as_tensor(x)
    turned = axes(axis, x.ndim, "flip")
    box: list[int] = []
    for i, n in enumerate(x.shape):
        box += (n - 1 if n else 0, n, -1) if i in turned else (0, n, 1)
    return linear.slice_(x, tuple(box))


def concatenate(arrays: Sequence, axis: int | None = 0) -> Tensor:
    """Arrays joined along an axis (None: all flattened first); dtypes promote.

    Raises:
        ShapeError: if they differ in another axis, or there is none.
    """
    tensors = _some(arrays, "concatenate")
    if axis is None:
        tensors, axis = [ravel(t) for t in tensors], 0
    if not tensors[0].ndim:
        raise ShapeError("concatenate: arrays of dimension 0 have no axis; use stack")
    return linear.concatenate(*tensors, params=(one_axis(axis, tensors[0].ndim, "concatenate"),))


def stack(arrays: Sequence, axis: int = 0) -> Tensor:
    """Arrays of one shape along a new axis.

    Raises:
        ShapeError: if the shapes differ, or there is no array.
    """
    tensors = _some(arrays, "stack")
    for t in tensors:
        if t.shape != tensors[0].shape:
            raise ShapeError(f"stack: the arrays differ in shape: {tensors[0].shape} and {t.shape}")
    axis = one_axis(axis, tensors[0].ndim + 1, "stack")
    return linear.concatenate(*[expand_dims(t, axis) for t in tensors], params=(axis,))


def stacked(items: Sequence) -> Tensor:
    """Nested lists of Tensors, arrays and scalars as one Tensor; their dtypes promote."""
    parts = [as_tensor(i) if isinstance(i, (list, tuple)) else i for i in items]
    weak = (bool, int, float, complex)
    dtype = np.result_type(*[i if type(i) in weak else as_tensor(i).dtype for i in parts])
    return stack([as_dtype(i, dtype) for i in parts])


def vstack(arrays: Sequence) -> Tensor:
    """Arrays stacked along rows; 1-D ones are rows."""
    return concatenate([atleast_2d(t) for t in _some(arrays, "vstack")], 0)


def hstack(arrays: Sequence) -> Tensor:
    """Arrays joined along the second axis; 1-D ones along their first."""
    tensors = [atleast_1d(t) for t in _some(arrays, "hstack")]
    return concatenate(tensors, 0 if tensors[0].ndim == 1 else 1)


def atleast_1d(x: Any) -> Tensor:
    """x with at least one axis."""
    x = as_tensor(x)
    return x if x.ndim else linear.reshape(x, (1,))


def atleast_2d(x: Any) -> Tensor:
    """x with at least two axes, new ones first."""
    x = as_tensor(x)
    return x if x.ndim > 1 else linear.reshape(x, (1, x.size))


def _some(arrays: Sequence, name: str) -> list[Tensor]:
    if isinstance(arrays, Tensor):
        arrays = list(arrays)
    tensors = [as_tensor(x) for x in arrays]
    if not tensors:
        raise ShapeError(f"{name}: need at least one array")
    if len({t.dtype for t in tensors}) > 1:
        dtype = np.result_type(*[t.dtype for t in tensors])
        tensors = [as_dtype(t, dtype) for t in tensors]
    return tensors


def split(x: Any, indices_or_sections: Any, axis: int = 0) -> list[Tensor]:
    """Views that together are x: equal sections, or cut before each index, as np.split.

    Raises:
        ShapeError: if the axis does not divide into that many equal sections.
    """
    x = as_tensor(x)
    axis = one_axis(axis, x.ndim, "split")
    n = x.shape[axis]
    try:
        sections = operator.index(indices_or_sections)
    except TypeError:
        cuts = [0, *(operator.index(i) for i in indices_or_sections), n]
    else:
        if sections < 1 or n % sections:
            raise ShapeError(
                f"split: an axis of length {n} does not divide into {sections} equal sections"
            )
        cuts = list(range(0, n + 1, n // sections)) if n else [0] * (sections + 1)
    return [_part(x, axis, first, last) for first, last in itertools.pairwise(cuts)]


def _part(x: Tensor, axis: int, first: int, last: int) -> Tensor:
    start, stop, _ = slice(first, last).indices(x.shape[axis])
    box: list[int] = []
    for i, n in enumerate(x.shape):
        box += (start, max(stop - start, 0), 1) if i == axis else (0, n, 1)
    return linear.slice_(x, tuple(box))


def tile(x: Any, reps: Any) -> Tensor:
    """x repeated as a whole, reps times along each axis, as np.tile."""
    x = as_tensor(x)
    reps = shape_of(reps, "tile")
    ndim = max(x.ndim, len(reps))
    reps = (1,) * (ndim - len(reps)) + reps
    shape = (1,) * (ndim - x.ndim) + x.shape
    if any(r < 0 for r in reps):
        raise ShapeError(f"tile: repetitions must be >= 0, got {reps}")
    return _repeated(x, shape, reps, outer=True)


def along(x: Tensor, axis: Any, name: str) -> tuple[Tensor, int]:
    """x and its axis as a number; where axis is None, or 0 or -1 of a scalar, the flat array's."""
    return (ravel(x), 0) if is_whole(axis, x.ndim) else (x, one_axis(axis, x.ndim, name))


def repeat(x: Any, repeats: Any, axis: int | None = None) -> Tensor:
    """Each element repeated along axis (None: of the flat array), as np.repeat.

    Args:
        repeats: one count, or one for each position along the axis.
    """
    x, axis = along(as_tensor(x), axis, "repeat")
    counts = np.asarray(repeats)
    if counts.dtype.kind not in "iu" or (counts < 0).any():
        raise ValueError(f"repeat: counts must be integers >= 0, got {repeats!r}")
    if counts.size == 1:
        reps = tuple(counts.item() if i == axis else 1 for i in range(x.ndim))
        return _repeated(x, x.shape, reps, outer=False)
    n = x.shape[axis]
    if counts.shape != (n,):
        raise ShapeError(f"repeat: {counts.shape} counts for an axis of length {n}")
    from .indexing import take

    return take(x, np.repeat(np.arange(n), counts), axis)


def _repeated(x: Tensor, shape: tuple, reps: tuple, outer: bool) -> Tensor:
    """Broadcast along an extra axis before (outer) or after each axis, then merge the two."""
    apart: list[int] = []
    wide: list[int] = []
    for n, r in zip(shape, reps):
        apart += (1, n) if outer else (n, 1)
        wide += (r, n) if outer else (n, r)
    spread = linear.broadcast_to(linear.reshape(x, tuple(apart)), tuple(wide))
    return linear.reshape(spread, tuple(n * r for n, r in zip(shape, reps)))
