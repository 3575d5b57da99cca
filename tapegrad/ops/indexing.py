"""Reading and writing at indices: take, and x[...] in all its forms as compositions of rows.

Basic indexing is a slice and a reshape, both views. Index arrays become one flat array of
positions for `take`, whose transpose adds up what repeated positions receive.
"""

from __future__ import annotations

import operator
from typing import Any

import numpy as np

from .. import changes
from ..engine.dtypes import is_inexact
from ..engine.recording import here
from ..errors import ShapeError, TapegradError
from ..parameter import Parameter
from ..tensor import Tensor
from . import gather
from . import linear as rows
from .axes import as_tensor, holds_tensors, one_axis
from .elementwise import where
from .shapes import along, as_dtype, broadcast_shapes, ravel

# --- functions --------------------------------------------------------------------------------


def take(x: Any, indices: Any, axis: int | None = None) -> Tensor:
    """Elements at integer positions along axis (None: of the flat array), as np.take.

    Raises:
        IndexError: if a position is out of bounds, or not an integer.
    """
    x, axis = along(as_tensor(x), axis, "take")
    return gather.take(x, positions(indices, "take"), (axis,))


def take_along_axis(x: Any, indices: Any, axis: int | None = -1) -> Tensor:
    """In each line along axis, the elements at that line's positions, as np.take_along_axis.

    Raises:
        IndexError: if a position is out of bounds, or not an integer.
        ShapeError: if the other axes do not broadcast.
    """
    x, indices = as_tensor(x), positions(indices, "take_along_axis")
    if axis is None:
        x, axis = ravel(x), 0
    if indices.ndim != x.ndim:
        raise ShapeError(f"take_along_axis: indices have {indices.ndim} axes, the array {x.ndim}")
    return gather.take_along_axis(x, indices, (one_axis(axis, x.ndim, "take_along_axis"),))


def positions(indices: Any, name: str) -> Any:
    """Indices as int64, a Tensor if they are one."""
    if not isinstance(indices, Tensor):
        indices = np.asarray(indices)
        if indices.dtype != np.int64 and (indices.dtype.kind in "iu" or not indices.size):
            indices = indices.astype(np.int64)
    elif indices.dtype.kind in "iu":
        indices = as_dtype(indices, np.int64)
    if indices.dtype != np.int64:
        raise IndexError(f"{name}: positions must be integers, got {indices.dtype}")
    return indices


# --- x[...] -----------------------------------------------------------------------------------


def getitem(x: Tensor, index: Any) -> Tensor:
    """x[index] with NumPy's rules: integers, slices, Ellipsis, newaxis, integer and bool arrays."""
    kind = type(index)
    if kind is int or kind is slice:
        if not x.ndim:
            raise IndexError("too many indices: the array has dimension 0, but 1 was indexed")
        return _basic(x, (index,))
    items = index if kind is tuple else (index,)
    if all(type(i) in _BASIC for i in items):
        return _basic(x, _expanded(items, x.ndim))
    items = tuple(_normal(i) for i in items)
    if any(isinstance(i, (bool, np.bool_)) for i in items):
        return _by_position(x, index)
    full = _expanded(items, x.ndim)
    if not any(isinstance(i, (np.ndarray, Tensor)) for i in full):
        return _basic(x, full)
    return _advanced(x, full, items)


_BASIC = frozenset((int, slice, type(Ellipsis), type(None)))


def _normal(i: Any) -> Any:
    """One item of an index as an int, a slice, None, Ellipsis, a bool, or an index array."""
    if i is None or i is Ellipsis or isinstance(i, (slice, bool, np.bool_)):
        return i
    if isinstance(i, Tensor):
        return _mask(i) if i.dtype == np.bool_ else positions(i, "index")
    if not isinstance(i, (np.ndarray, list, tuple)):
        try:
            return operator.index(i)
        except TypeError:
            pass
    if isinstance(i, (list, tuple)) and holds_tensors(i):
        return _normal(as_tensor(i))
    array = np.asarray(i)
    if not array.size and array.dtype == np.float64:
        array = array.astype(np.int64)  # x[[]]
    if array.dtype.kind not in "iub":
        raise IndexError(
            "only integers, slices, Ellipsis, None, and integer or bool arrays are indices, got "
            f"{array.dtype if array.dtype != object else type(i).__name__}"
        )
    if not array.ndim:
        return array[()] if array.dtype == np.bool_ else int(array)
    return array if array.dtype == np.bool_ else array.astype(np.int64)


def _mask(t: Tensor) -> Any:
    """A bool Tensor's values: how many are true is a shape."""
    if here.recorder is not None and t._is_computed:
        here.recorder.refuse(
            f"indexes with a computed mask of shape {t.shape}: the result's shape would depend on "
            "values, where a replay's are fixed; use where(), or multiply by the mask"
        )
    return _normal(t.numpy())


def _expanded(items: tuple, ndim: int) -> tuple:
    """Ellipsis filled in, and full slices for the axes not named."""
    named, dots = 0, -1
    for k, i in enumerate(items):
        if i is Ellipsis:
            if dots >= 0:
                raise IndexError("an index can only have a single ellipsis ('...')")
            dots = k
        elif i is not None:
            named += i.ndim if isinstance(i, np.ndarray) and i.dtype == np.bool_ else 1
    if named > ndim:
        raise IndexError(
            f"too many indices: the array has dimension {ndim}, but {named} were indexed"
        )
    rest = (slice(None),) * (ndim - named)
    return (*items, *rest) if dots < 0 else (*items[:dots], *rest, *items[dots + 1 :])


def _basic(x: Tensor, items: tuple) -> Tensor:
    """Ints, slices and None; axes not named are kept."""
    box, shape, is_cut, is_reshaped = _box(x.shape, items)
    if is_cut:
        x = rows.slice_(x, box)
    if is_reshaped:
        return rows.reshape(x, shape)
    return x if is_cut or not isinstance(x, Parameter) else rows.slice_(x, box)


def _box(shape: tuple, items: tuple) -> tuple[tuple, tuple, bool, bool]:
    """Ints, slices and None as a slice's params, the shape that its result then gets, whether it is
    less than all in order, and whether it has other axes."""
    box: list[int] = []
    result: list[int] = []
    is_cut = is_reshaped = False
    axis = 0
    for i in items:
        if i is None:
            result.append(1)
            is_reshaped = True
            continue
        n = shape[axis]
        if type(i) is slice:
            start, stop, step = i.indices(n)
            length = len(range(start, stop, step))
            box += (start if length else 0, length, step)
            is_cut |= length != n or step != 1
            result.append(length)
        else:
            if not -n <= i < n:
                raise IndexError(f"index {i} is out of bounds for axis {axis} with size {n}")
            box += (i + n if i < 0 else i, 1, 1)
            is_cut = is_reshaped = True
        axis += 1
    for n in shape[axis:]:
        box += (0, n, 1)
        result.append(n)
    return tuple(box), tuple(result), is_cut, is_reshaped


def _advanced(x: Tensor, items: tuple, given: tuple) -> Tensor:
    """Some items are index arrays; the basic ones go first. given: items before they were expanded,
    for an ellipsis separates index arrays even where it stands for no axis, as in NumPy."""
    items = _without_masks(items, x.shape)
    arrays = [i for i in items if isinstance(i, (np.ndarray, Tensor))]
    # next to index arrays an integer is one too, as in NumPy
    is_index = [isinstance(i, (np.ndarray, Tensor, int)) for i in items]
    x = _basic(x, tuple(slice(None) if a else i for i, a in zip(items, is_index)))
    axes = [k for k, a in enumerate(is_index) if a]
    if len(axes) == 1:
        return gather.take(x, arrays[0], (axes[0],))
    flat = _flat_index([items[k] for k in axes], [x.shape[k] for k in axes], axes)
    at = [k for k, i in enumerate(given) if isinstance(i, (np.ndarray, Tensor, int))]
    is_split = at[-1] - at[0] + 1 > len(at)
    if is_split:
        x = rows.transpose(x, (*axes, *[k for k in range(x.ndim) if k not in axes]))
    first, last = (0, len(axes)) if is_split else (axes[0], axes[-1] + 1)
    shape = x.shape
    merged = 1
    for n in shape[first:last]:
        merged *= n
    x = rows.reshape(x, (*shape[:first], merged, *shape[last:]))
    return gather.take(x, flat, (first,))


def _without_masks(items: tuple, shape: tuple) -> tuple:
    """Each bool array as the integer arrays that it stands for."""
    found: list[Any] = []
    axis = 0
    for i in items:
        if isinstance(i, np.ndarray) and i.dtype == np.bool_:
            if i.shape != shape[axis : axis + i.ndim]:
                raise IndexError(
                    f"a bool index of shape {i.shape} does not match the array's {shape} from "
                    f"axis {axis} on"
                )
            found += i.nonzero()
            axis += i.ndim
        else:
            found.append(i)
            axis += i is not None
    return tuple(found)


def _flat_index(indices: list, lengths: list, axes: list) -> Tensor:
    """Indices along several axes as positions along those axes merged."""
    shapes = [() if type(i) is int else i.shape for i in indices]
    try:
        np.broadcast_shapes(*shapes)
    except ValueError:
        text = ", ".join(map(str, shapes))
        raise IndexError(f"index arrays of shapes {text} do not broadcast together") from None
    arrays = [np.asarray(i) if type(i) is int else i for i in indices]
    return gather.flat_index(*arrays, params=(*lengths, *axes))


def _numpy_index(index: Any) -> Any:
    if isinstance(index, tuple):
        return tuple(_numpy_index(i) for i in index)
    return index.numpy() if isinstance(index, Tensor) else index


def _by_position(x: Tensor, index: Any) -> Tensor:
    """Any index that NumPy takes, at the price of an array of all positions."""
    return gather.take(ravel(x), np.asarray(_all_positions(x)[_numpy_index(index)]), (0,))


def _all_positions(x: Tensor) -> np.ndarray:
    return np.arange(x.size).reshape(x.shape)


# --- x[...] = v -------------------------------------------------------------------------------


def updated(x: Tensor, index: Any, value: Any) -> Tensor:
    """x with x[index] replaced by value, as a new Tensor; where positions repeat, the last wins.

    Raises:
        IndexError: as NumPy, for an index out of bounds.
        TypeError: for complex values in a real Tensor.
        OverflowError, ValueError: as NumPy, for a number that an integer dtype cannot hold.
        ShapeError: if value does not broadcast to x[index].
    """
    if type(value) in (int, float) and x.dtype.kind in "iu":
        holder = np.empty((), x.dtype)
        holder[()] = value  # NumPy says what does not fit
        value = holder
    value = as_tensor(value)
    if value.dtype.kind == "c" and x.dtype.kind != "c":
        raise TypeError(
            f"setitem: cannot put {value.dtype} into a Tensor of {x.dtype}; take its real part"
        )
    if value.dtype != x.dtype:
        value = as_dtype(value, x.dtype)
    mask = index[0] if type(index) is tuple and len(index) == 1 else index
    if isinstance(mask, Tensor) and mask.dtype == np.bool_ and _is_one_for_all(value, x, mask):
        return where(rows.reshape(mask, mask.shape + (1,) * (x.ndim - mask.ndim)), value, x)
    items = tuple(
        i if type(i) in _BASIC else _normal(i)
        for i in (index if type(index) is tuple else (index,))
    )
    if all(type(i) in _BASIC for i in items):
        box, shape, *_ = _box(x.shape, _expanded(items, x.ndim))
        value = _fitted(value, shape)
        return rows.slice_update(
            x, rows.reshape(value, box[1::3]) if value.ndim else value, params=box
        )
    places: Any = _all_positions(x)
    if holds_tensors(index if type(index) is tuple else (index,)):
        places = getitem(as_tensor(places), index)  # a recorded step must see where they come from
    else:
        places = np.asarray(places[index])
    value = rows.broadcast_to(_fitted(value, places.shape), places.shape)
    if not places.size:
        return rows.copy(x)
    source = gather.sources(places.reshape(-1), params=(x.size,))
    either = rows.concatenate(ravel(value), ravel(x), params=(0,))
    return rows.reshape(gather.take(either, source, (0,)), x.shape)


def _fitted(value: Tensor, shape: tuple) -> Tensor:
    """A value to put where x[...] has that shape: broadcast to it, or a number."""
    if not value.ndim:
        return value
    if broadcast_shapes(value.shape, shape) != shape:
        lead = value.ndim - len(shape)
        if lead < 0 or value.shape[:lead] != (1,) * lead:
            raise ShapeError(
                f"setitem: a value of shape {value.shape} does not fit x[...] of {shape}"
            )
        value = rows.reshape(value, value.shape[lead:])
    return rows.broadcast_to(value, shape)


def _is_one_for_all(value: Tensor, x: Tensor, mask: Tensor) -> bool:
    """Whether a mask of x's first axes gives each element that it picks there the same value, so
    that it need not be known how many those are."""
    rest = x.shape[mask.ndim :]
    lead = max(value.ndim - len(rest), 0)  # axes of the value along the mask's
    return (
        mask.shape == x.shape[: mask.ndim]
        and lead <= min(mask.ndim, 1)
        and value.shape[:lead] == (1,) * lead
        and broadcast_shapes(value.shape[lead:], rest) == rest
    )


def refuse_variable(x: Tensor, name: str) -> None:
    """Raise for a Tensor made with requires_grad=True: tapes rely on its identity."""
    if x.requires_grad:
        raise TapegradError(
            f"{name}: this Tensor requires grad; update a copy (y = x.copy(); y[...] = v), or "
            "make it a parameter, which can be written"
        )


def setitem(x: Tensor, index: Any, value: Any) -> None:
    """x[index] = value: x becomes the updated Tensor; views taken before keep their values.

    Where x is a view (z.T[0] = v), what it was taken from keeps its value: write z[:, 0] = v.

    Raises:
        TapegradError: for a Tensor made with requires_grad=True, whose identity tapes rely on.
    """
    refuse_variable(x, "setitem")
    if isinstance(value, Tensor) and is_inexact(value.dtype) and not is_inexact(x.dtype):
        raise TypeError(f"setitem: cannot put {value.dtype} into a Tensor of {x.dtype}")
    x._become(updated(x, index, value))
    changes.config[0] += 1
