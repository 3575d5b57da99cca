"""NumPy's functions that move, repeat and cut arrays, and their diagonals and triangles."""

from __future__ import annotations

import itertools
import operator
from collections.abc import Sequence
from typing import Any

import numpy as np

from ..errors import ShapeError
from ..ops import composite, indexing, linear, shapes
from ..ops import elementwise as e
from ..ops.axes import as_tensor, axes, one_axis, shape_of
from ..ops.shapes import concatenate, ravel
from ..tensor import Tensor, tensor
from .creation import check_device
from .registry import differentiable, plain, values

for _function, *_examples in (
    (shapes.transpose, "transpose(x)", "transpose(x, (1, 0))"),
    (shapes.matrix_transpose, "matrix_transpose(x)"),
    (shapes.swapaxes, "swapaxes(x, 0, 1)"),
    (shapes.moveaxis, "moveaxis(x, 0, -1)"),
    (shapes.squeeze, "squeeze(x[None])"),
    (shapes.expand_dims, "expand_dims(x, 1)", "expand_dims(x, (0, 2))"),
    (shapes.broadcast_to, "broadcast_to(x, (2, 3, 4))"),
    (shapes.flip, "flip(x)", "flip(x, 1)"),
    (shapes.tile, "tile(x, 2)", "tile(v, (2, 3))"),
    (shapes.repeat, "repeat(x, 2)", "repeat(x, [1, 0, 2], axis=0)"),
    (shapes.split, "split(x, 2, axis=1)[1]", "split(x, [1, 2])[1]"),
    (indexing.take_along_axis, "take_along_axis(x, i[:, :2] % 3, axis=1)"),
):  # fmt: skip
    differentiable(*_examples)(_function)
plain(shapes.broadcast_shapes)


# --- copies and shapes ------------------------------------------------------------------------


@differentiable("copy(x)", "((z := copy(x)).__setitem__((0, slice(1, 3)), s), z)[1]")
def copy(a: Any, order: str = "K", subok: bool = False) -> Tensor:
    """The same values in memory of their own."""
    return shapes.copy(a)


@differentiable("astype(x, 'f8')", "astype(x, float64, copy=True)")
def astype(x: Any, dtype: Any, /, *, copy: bool = True, device: Any = None) -> Tensor:
    """x cast to dtype; cotangents are cast back."""
    check_device(device)
    return shapes.astype(x, dtype, copy)


@differentiable("reshape(x, (2, 6))", "reshape(x, -1)", "reshape(x, (2, 6), order='F')")
def reshape(a: Any, /, shape: Any, order: str = "C", *, copy: bool | None = None) -> Tensor:
    """The same elements in another shape, read and placed in C or in F order."""
    x = as_tensor(a)
    if order == "F":
        shape = shape_of(shape, "reshape")
        y = shapes.transpose(shapes.reshape(shapes.transpose(x), shape[::-1]))
    else:
        y = shapes.reshape(x, shape, "C" if order in ("A", "K") else order)
    return linear.copy(y) if copy else y


@differentiable("ravel(x)", "ravel(x, order='F')", name="ravel")
def _ravel(a: Any, order: str = "C") -> Tensor:
    """The elements in one axis, read in C or in F order."""
    return reshape(a, -1, order)


@differentiable("resize(x, (2, 7))", "resize(x, 3)")
def resize(a: Any, new_shape: Any) -> Tensor:
    """a's elements, over and over, in an array of that shape."""
    x, shape = ravel(a), shape_of(new_shape, "resize")
    size = int(np.prod(shape, dtype=np.int64))
    if not x.size:
        return tensor(np.zeros(shape, x.dtype))
    times = -(-size // x.size)
    return linear.reshape(shapes.tile(x, times)[:size], shape)


@differentiable("rollaxis(x, 1)", "rollaxis(reshape(x, (2, 3, 2)), 0, -1)")
def rollaxis(a: Any, axis: int, start: int = 0) -> Tensor:
    """Axis moved to before `start`, as np.rollaxis."""
    x = as_tensor(a)
    axis = one_axis(axis, x.ndim, "rollaxis")
    start = one_axis(start, x.ndim + (start >= 0), "rollaxis")
    return shapes.moveaxis(x, axis, start - (axis < start))


@differentiable("roll(x, 2)", "roll(x, -1, axis=1)", "roll(x, (1, 3), axis=(0, 1))")
def roll(a: Any, shift: Any, axis: Any = None) -> Tensor:
    """Elements moved along the axes; what leaves one end comes in at the other."""
    x = as_tensor(a)
    if axis is None:
        return linear.reshape(roll(ravel(x), shift, 0), x.shape)
    pairs = np.broadcast_arrays(values(shift), axis)
    for by, along in zip(pairs[0].ravel().tolist(), pairs[1].ravel().tolist()):
        along = one_axis(along, x.ndim, "roll")
        by = by % x.shape[along] if x.shape[along] else 0
        if by:
            cut = shapes.split(x, [x.shape[along] - by], along)
            x = concatenate(cut[::-1], along)
    return x


@differentiable("rot90(x)", "rot90(x, 2)", "rot90(x, -1, axes=(1, 0))")
def rot90(m: Any, k: int = 1, axes: Sequence[int] = (0, 1)) -> Tensor:
    """The plane of two axes turned by k right angles, from the first towards the second."""
    x = as_tensor(m)
    first, second = _axes(tuple(axes), x.ndim, "rot90")
    k %= 4
    if k == 0:
        return x
    if k == 2:
        return shapes.flip(x, (first, second))
    if k == 1:
        return shapes.swapaxes(shapes.flip(x, second), first, second)
    return shapes.flip(shapes.swapaxes(x, first, second), second)


_axes = axes  # `axes` is also an argument's name


@differentiable("fliplr(x)")
def fliplr(m: Any) -> Tensor:
    """Columns in reversed order."""
    return shapes.flip(m, 1)


@differentiable("flipud(x)")
def flipud(m: Any) -> Tensor:
    """Rows in reversed order."""
    return shapes.flip(m, 0)


def _each(function: Any, arrays: tuple) -> Any:
    found = tuple(function(a) for a in arrays)
    return found[0] if len(found) == 1 else found


@differentiable("atleast_1d(s)", "atleast_1d(s, x)[1]")
def atleast_1d(*arys: Any) -> Any:
    """Each array with one axis at least."""
    return _each(shapes.atleast_1d, arys)


@differentiable("atleast_2d(v)")
def atleast_2d(*arys: Any) -> Any:
    """Each array with two axes at least, new ones first."""
    return _each(shapes.atleast_2d, arys)


@differentiable("atleast_3d(v)", "atleast_3d(x)", "atleast_3d(s)")
def atleast_3d(*arys: Any) -> Any:
    """Each array with three axes at least: (1, n, 1) of a vector, (m, n, 1) of a matrix."""
    return _each(three_axes, arys)


def three_axes(a: Any) -> Tensor:
    """a with three axes at least, as atleast_3d has it."""
    x = as_tensor(a)
    if x.ndim == 1:
        return linear.reshape(x, (1, x.size, 1))
    return x if x.ndim > 2 else linear.reshape(x, (*x.shape, *(1,) * (3 - x.ndim)))


@differentiable("broadcast_arrays(x, v)[1]")
def broadcast_arrays(*args: Any, subok: bool = False) -> list[Tensor]:
    """The arrays repeated to their common shape; a list, as the standard of 2024.12 has it."""
    return list(shapes.broadcast_arrays(*args))


@differentiable("meshgrid(v, w)[0]", "meshgrid(v, w, indexing='ij', sparse=True)[1]")
def meshgrid(
    *xi: Any, copy: bool = True, sparse: bool = False, indexing: str = "xy"
) -> list[Tensor]:
    """Coordinate arrays of the grid that vectors span; a list, as the standard has it."""
    if indexing not in ("xy", "ij"):
        raise ValueError(f"meshgrid: indexing {indexing!r}: choose 'xy' or 'ij'")
    n = len(xi)
    grid = [
        shapes.reshape(ravel(x), tuple(-1 if k == i else 1 for k in range(n)))
        for i, x in enumerate(xi)
    ]
    if indexing == "xy" and n > 1:
        grid = [shapes.swapaxes(g, 0, 1) for g in grid]
    return grid if sparse else broadcast_arrays(*grid)


@differentiable("unstack(x)[0]", "unstack(x, axis=1)[2]")
def unstack(x: Any, /, *, axis: int = 0) -> tuple[Tensor, ...]:
    """The parts of x along axis, without that axis."""
    return tuple(shapes.moveaxis(x, axis, 0))


@differentiable("take(x, [0, -1, 0], axis=1)", "take(x, [5, 2])", "take(x, i, mode='wrap')",
                "take(x, [7, -2], axis=0, mode='clip')")  # fmt: skip
def take(a: Any, indices: Any, axis: int | None = None, mode: str = "raise") -> Tensor:
    """Elements at integer positions along axis; those outside raise, wrap around, or clip."""
    x = as_tensor(a)
    if mode != "raise":
        x, axis = shapes.along(x, axis, "take")
        n = x.shape[axis]
        if mode not in ("wrap", "clip"):
            raise ValueError(f"take: mode {mode!r}: choose 'raise', 'wrap' or 'clip'")
        where = np.asarray(values(indices))
        indices = where % n if mode == "wrap" else np.clip(where, 0, n - 1)
    return indexing.take(x, indices, axis)


# --- cutting ----------------------------------------------------------------------------------


@differentiable("array_split(v, 3)[0]", "array_split(x, [1, 3], axis=1)[1]")
def array_split(ary: Any, indices_or_sections: Any, axis: int = 0) -> list[Tensor]:
    """As split, but sections may differ in length by one."""
    x = as_tensor(ary)
    try:
        sections = operator.index(indices_or_sections)
    except TypeError:
        return shapes.split(x, indices_or_sections, axis)
    if sections < 1:
        raise ValueError(f"array_split: need at least one section, got {sections}")
    n = x.shape[one_axis(axis, x.ndim, "array_split")]
    short, longer = divmod(n, sections)
    lengths = [short + 1] * longer + [short] * (sections - longer)
    return shapes.split(x, list(itertools.accumulate(lengths))[:-1], axis)


@differentiable("hsplit(x, 2)[1]", "hsplit(v, 2)[0]")
def hsplit(ary: Any, indices_or_sections: Any) -> list[Tensor]:
    """Cut along the second axis; 1-D arrays along their first."""
    x = as_tensor(ary)
    if not x.ndim:
        raise ShapeError("hsplit: need one axis at least")
    return shapes.split(x, indices_or_sections, 1 if x.ndim > 1 else 0)


@differentiable("vsplit(x, 3)[1]")
def vsplit(ary: Any, indices_or_sections: Any) -> list[Tensor]:
    """Cut along the first axis, of two at least."""
    if as_tensor(ary).ndim < 2:
        raise ShapeError("vsplit: need two axes at least")
    return shapes.split(ary, indices_or_sections, 0)


@differentiable("dsplit(reshape(x, (2, 3, 2)), 2)[1]")
def dsplit(ary: Any, indices_or_sections: Any) -> list[Tensor]:
    """Cut along the third axis."""
    if as_tensor(ary).ndim < 3:
        raise ShapeError("dsplit: need three axes at least")
    return shapes.split(ary, indices_or_sections, 2)


# --- diagonals and triangles ------------------------------------------------------------------


@differentiable("diagonal(x)", "diagonal(x, 1)", "diagonal(x, offset=-1, axis1=1, axis2=0)")
def diagonal(a: Any, offset: int = 0, axis1: int = 0, axis2: int = 1) -> Tensor:
    """The offset-th diagonal of two axes, as a last axis; a view."""
    x = as_tensor(a)
    if x.ndim < 2:
        raise ValueError(f"diagonal: need two axes at least, got {x.shape}")
    if not offset:
        return composite.diagonal(x, axis1, axis2)
    x = shapes.moveaxis(x, (axis1, axis2), (-2, -1))
    x = x[..., :, offset:] if offset > 0 else x[..., -offset:, :]
    return composite.diagonal(x, -2, -1)


@differentiable("trace(x)", "trace(x, offset=1)", "trace(reshape(x, (2, 3, 2)), 0, 0, 2)")
def trace(a: Any, offset: int = 0, axis1: int = 0, axis2: int = 1, dtype: Any = None) -> Tensor:
    """Sum of the offset-th diagonal of two axes."""
    return diagonal(a, offset, axis1, axis2).sum(-1, dtype)


@differentiable("diag(v)", "diag(x)", "diag(v, 1)", "diag(x, -1)")
def diag(v: Any, k: int = 0) -> Tensor:
    """A matrix with v on its k-th diagonal; of a matrix, that diagonal."""
    x = as_tensor(v)
    if x.ndim == 2:
        return diagonal(x, k)
    if x.ndim != 1:
        raise ValueError(f"diag: need one or two axes, got {x.shape}")
    n = x.size + abs(k)
    if not x.size:
        return tensor(np.zeros((n, n), x.dtype))
    positions = np.diagflat(np.arange(1, x.size + 1), k)
    taken = indexing.take(x, np.maximum(positions - 1, 0))
    return e.where(positions > 0, taken, np.zeros((), x.dtype))


@differentiable("diagflat(x)", "diagflat(v, -1)")
def diagflat(v: Any, k: int = 0) -> Tensor:
    """A matrix with v's elements on its k-th diagonal."""
    return diag(ravel(v), k)


@differentiable("tril(x)", "tril(x, -1)", "tril(v)")
def tril(m: Any, k: int = 0) -> Tensor:
    """The lower triangle of the last two axes, zeros above the k-th diagonal."""
    return _triangle(m, k, True)


@differentiable("triu(x)", "triu(x, 1)")
def triu(m: Any, k: int = 0) -> Tensor:
    """The upper triangle of the last two axes, zeros below the k-th diagonal."""
    return _triangle(m, k - 1, False)


def _triangle(m: Any, k: int, is_lower: bool) -> Tensor:
    m, zero = as_tensor(m), np.zeros((), as_tensor(m).dtype)
    lower = np.tri(*(m.shape[-2:] if m.ndim > 1 else m.shape * 2), k, dtype=bool)
    return e.where(lower, m, zero) if is_lower else e.where(lower, zero, m)
