"""Rows that read or add at integer positions: take, take_along_axis, and their transposes;
flat_index, which makes one position of several indices; and sources, which says what is read
where something is written.

Positions are int64; negative ones count from the end. Users' functions are in indexing.py.
"""

from __future__ import annotations

import numpy as np

from .rows import linear, nondifferentiable


def _take_transpose(ct, idx, axis, n):
    before, after = ct.shape[:axis], ct.shape[axis + idx.ndim :]
    full = np.zeros((*before, n, *after), ct.dtype)
    moved = ct.reshape(*before, idx.size, *after)
    np.add.at(full, (slice(None),) * axis + (idx.ravel(),), moved)
    return full


def _along(idx, axis, shape):
    """Index arrays that pick, for each place of `shape`, its line's element at idx."""
    grid = list(np.ogrid[tuple(slice(m) for m in shape)])
    grid[axis] = np.broadcast_to(idx, shape)
    return tuple(grid)


def _take_along_numpy(x, idx, axis):
    shape = [m if m != 1 else n for m, n in zip(x.shape, idx.shape)]
    shape[axis] = x.shape[axis]
    lines = [m if m != 1 else n for m, n in zip(idx.shape, x.shape)]
    lines[axis] = idx.shape[axis]
    return np.take_along_axis(np.broadcast_to(x, shape), np.broadcast_to(idx, lines), axis)


def _take_along_transpose(ct, idx, axis, n):
    full = np.zeros((*ct.shape[:axis], n, *ct.shape[axis + 1 :]), ct.dtype)
    np.add.at(full, _along(idx, axis, ct.shape), ct)
    return full


def _flat_index(*args):
    indices = args[: len(args) // 3]
    lengths, axes = np.reshape(args[len(indices) :], (2, -1)).tolist()
    flat = np.zeros(np.broadcast_shapes(*[i.shape for i in indices]), np.int64)
    for i, n, axis in zip(indices, lengths, axes):
        bad = (i < -n) | (i >= n)
        if bad.any():
            raise IndexError(f"index {i[bad][0]} is out of bounds for axis {axis} with size {n}")
        flat = flat * n + np.where(i < 0, i + n, i)
    return flat


def _sources(positions, n):
    found = np.arange(n) + positions.size
    found[positions] = np.arange(positions.size)
    return found


def _indices(*cases):
    """Shapes of the indices along each axis, lengths of the axes, as an `examples` function."""

    def examples(rng):
        return [
            ([rng.integers(-n, n, s) for s, n in zip(shapes, lengths)], (*lengths, *axes))
            for shapes, lengths, axes in cases
        ]

    return examples


def _indexed(*cases):
    """(shape, shape of indices, bound, params) as an `examples` function; negatives included."""

    def examples(rng):
        return [
            ([rng.uniform(-2, 2, shape), rng.integers(-bound, bound, index)], params)
            for shape, index, bound, params in cases
        ]

    return examples


def _placed(*cases):
    """How many positions among how many places, as an `examples` function."""
    return lambda rng: [([rng.integers(0, n, count)], (n,)) for count, n in cases]


take = linear(  # params: (axis,)
    "take",
    lambda x, idx, axis: np.take(x, idx, axis=axis),
    lambda ct, x_like, idx, params: take_transpose(ct, idx, (*params, x_like.shape[params[0]])),
    inputs=("x", "idx"),
    promotes=(0,),
    examples=_indexed(
        ((7,), (5,), 7, (0,)),
        ((3, 4), (2, 6), 4, (1,)),
        ((3, 4), (), 3, (0,)),
        ((5, 3), (0,), 5, (0,)),
        ((2, 3, 4), (9,), 3, (1,)),
    ),
    large=_indexed(((9000, 70), (9001,), 9000, (0,)), ((70, 9000), (9001,), 9000, (1,))),
    doc="Elements at integer positions along an axis.",
)
take_transpose = linear(  # params: (axis, length of the axis)
    "take_transpose",
    _take_transpose,
    lambda ct, idx, params: take(ct, idx, params[:1]),
    inputs=("x", "idx"),
    promotes=(0,),
    examples=_indexed(
        ((5,), (5,), 7, (0, 7)),
        ((3, 2, 6), (2, 6), 4, (1, 4)),
        ((4,), (), 3, (0, 3)),
        ((0, 3), (0,), 5, (0, 5)),
    ),
    large=_indexed(((9001, 70), (9001,), 900, (0, 900))),
    ulp=16,
    doc="Zeros with elements added at integer positions along an axis, repeated ones summing.",
)
take_along_axis = linear(  # params: (axis,)
    "take_along_axis",
    _take_along_numpy,
    lambda ct, x_like, idx, params: take_along_axis_transpose(
        ct, idx, (*params, x_like.shape[params[0]])
    ),
    inputs=("x", "idx"),
    promotes=(0,),
    examples=_indexed(
        ((7,), (5,), 7, (0,)),
        ((3, 4), (3, 2), 4, (1,)),
        ((3, 4), (5, 4), 3, (0,)),
        ((3, 4), (1, 2), 4, (1,)),
        ((1, 4), (3, 2), 4, (1,)),
        ((2, 3, 4), (2, 3, 0), 4, (2,)),
    ),
    doc="In each line along an axis, the elements at that line's positions.",
)
take_along_axis_transpose = linear(  # params: (axis, length of the axis)
    "take_along_axis_transpose",
    _take_along_transpose,
    lambda ct, idx, params: take_along_axis(ct, idx, params[:1]),
    inputs=("x", "idx"),
    promotes=(0,),
    examples=_indexed(
        ((5,), (5,), 7, (0, 7)), ((3, 2), (3, 2), 4, (1, 4)), ((3, 2), (1, 2), 4, (1, 4))
    ),
    ulp=16,
    doc="Zeros with elements added at each line's positions.",
)
flat_index = nondifferentiable(  # params: (*lengths of the axes, *their numbers)
    "flat_index",
    _flat_index,
    inputs=("i",),
    variadic=True,
    examples=_indices(
        ([(5,), (5,)], (7, 3), (0, 1)),
        ([(3, 1), (4,), ()], (2, 9, 4), (0, 2, 3)),
        ([()], (3,), (1,)),
        ([(0,), (2, 1)], (3, 3), (0, 1)),
    ),
    large=_indices(([(300_001,), (300_001,)], (9000, 70), (0, 1))),
    doc="Integer indices along several axes, broadcast, as positions along those axes merged.",
)
sources = nondifferentiable(  # params: (how many places,)
    "sources",
    _sources,
    inputs=("positions",),
    examples=_placed((5, 7), (9, 4), (0, 3), (3, 1)),
    large=_placed((300_001, 9000)),
    doc="Of each of n places the number of the last position that is it, or its own after those.",
)
