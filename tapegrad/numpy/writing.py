"""NumPy's functions that write into their first argument.

A Tensor becomes the updated value, and the update is recorded (DESIGN: Tensors are values); views
of it taken before keep theirs. An ndarray is written unless what is written is being recorded.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from ..errors import UnsupportedError
from ..ops import elementwise as e
from ..ops import indexing, linear
from ..ops.axes import as_tensor, one_axis
from ..ops.shapes import as_dtype, broadcast_to, ravel
from ..parameter import Parameter
from ..tensor import Tensor
from .registry import differentiable, values
from .ufuncs import write_out


def _is_array(a: Any, written: Any, name: str) -> bool:
    """Whether a is an ndarray for NumPy to write into."""
    if isinstance(a, Tensor):
        if isinstance(a, Parameter):
            raise UnsupportedError(f"{name}: a Parameter is written by p.assign")
        return False
    if isinstance(written, Tensor) and written._is_tracked:
        raise UnsupportedError(
            f"{name}: the array has no derivative; make it a Tensor first: a = tapegrad.tensor(a)"
        )
    return True


def _write_flat(a: Tensor, places: Any, written: Any) -> None:
    """a's elements at flat places become those of `written`, repeated as often as needed."""
    v = ravel(as_dtype(as_tensor(written), a.dtype))
    if places.size and not v.size:
        raise ValueError("there is nothing to write")
    if places.size:
        v = indexing.take(v, np.arange(places.size) % v.size)
        flat = indexing.updated(ravel(a), places, v)
        a[...] = linear.reshape(flat, a.shape)


class Flat:
    """x.flat: the elements in one axis, in C order, to read, write and go through.

    Reading records as x.ravel()[i] does; writing makes x the updated value.
    """

    __slots__ = ("base",)

    def __init__(self, base: Tensor):
        self.base = base

    def __len__(self) -> int:
        return self.base.size

    def __iter__(self) -> Iterator[Tensor]:
        return iter(ravel(self.base))

    def __getitem__(self, index: Any) -> Tensor:
        return ravel(self.base)[index]

    def __setitem__(self, index: Any, value: Any) -> None:
        _is_array(self.base, value, "flat")
        _write_flat(self.base, np.arange(self.base.size)[values(index)].ravel(), value)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        return ravel(self.base).__array__(dtype, copy)

    def copy(self) -> Tensor:
        """The elements in one axis, as a Tensor of their own."""
        return linear.copy(ravel(self.base))


@differentiable("(put(z := copy(x), [0, -1, 5], v[:2]), z)[1]",
                "(put(z := copy(x), [14, 2], s, mode='wrap'), z)[1]")  # fmt: skip
def put(a: Any, ind: Any, v: Any, mode: str = "raise") -> None:
    """a.flat[ind] = v, v repeated as often as needed."""
    if _is_array(a, v, "put"):
        np.put(a, values(ind), values(v), mode)
        return
    places = np.arange(a.size)
    _write_flat(a, places.take(np.asarray(values(ind)).ravel(), mode=mode), v)


@differentiable("(place(z := copy(x), m, v[:3]), z)[1]")
def place(arr: Any, mask: Any, vals: Any) -> None:
    """The elements where mask is true become vals in turn, repeated as often as needed."""
    if _is_array(arr, vals, "place"):
        np.place(arr, values(mask), values(vals))
        return
    _write_flat(arr, np.flatnonzero(values(mask)), vals)


@differentiable("(putmask(z := copy(x), m, y), z)[1]", "(putmask(z := copy(x), m, v[:3]), z)[1]")
def putmask(a: Any, mask: Any, values: Any) -> None:
    """The elements where mask is true become those of values at the same (flat) place."""
    if _is_array(a, values, "putmask"):
        mask = mask.numpy() if isinstance(mask, Tensor) else mask
        np.putmask(a, mask, values.numpy() if isinstance(values, Tensor) else values)
        return
    v = ravel(as_dtype(as_tensor(values), a.dtype))
    v = linear.reshape(indexing.take(v, np.arange(a.size) % v.size), a.shape)
    a[...] = e.where(mask, v, a)


@differentiable("(copyto(z := copy(x), v), z)[1]", "(copyto(z := copy(x), y, where=m), z)[1]")
def copyto(dst: Any, src: Any, casting: str = "same_kind", where: Any = True) -> None:
    """dst becomes src, broadcast, where `where`."""
    if _is_array(dst, src, "copyto"):
        np.copyto(dst, values(src), casting, where=values(where))
        return
    write_out(dst, as_tensor(src), where, "copyto")


@differentiable("(fill_diagonal(z := copy(x), s), z)[1]",
                "(fill_diagonal(z := copy(x.T), v, wrap=True), z)[1]")  # fmt: skip
def fill_diagonal(a: Any, val: Any, wrap: bool = False) -> None:
    """a's main diagonal becomes val, repeated as often as needed."""
    if _is_array(a, val, "fill_diagonal"):
        np.fill_diagonal(a, values(val), wrap)
        return
    marks = np.zeros(a.shape, bool)
    np.fill_diagonal(marks, True, wrap)
    _write_flat(a, np.flatnonzero(marks), val)


@differentiable("(put_along_axis(z := copy(x), i[:, :1] % 4, s, axis=1), z)[1]",
                "(put_along_axis(z := copy(x), i[:1] % 3, v[None], 0), z)[1]")  # fmt: skip
def put_along_axis(arr: Any, indices: Any, values: Any, axis: int | None = -1) -> None:
    """In each line along axis, the elements at that line's positions become values."""
    if _is_array(arr, values, "put_along_axis"):
        where = np.asarray(indices.numpy() if isinstance(indices, Tensor) else indices)
        v = values.numpy() if isinstance(values, Tensor) else values
        np.put_along_axis(arr, where, v, axis)
        return
    places = np.arange(arr.size)
    if axis is not None:
        places = places.reshape(arr.shape)
        axis = one_axis(axis, arr.ndim, "put_along_axis")
    found = indexing.take_along_axis(places, indices, axis)
    v = broadcast_to(as_dtype(as_tensor(values), arr.dtype), found.shape)
    _write_flat(arr, ravel(found), v)
