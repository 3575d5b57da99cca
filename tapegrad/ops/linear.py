"""Rows that move, copy or sum elements: linear in their input, each declared by its transpose.

Their public functions, with arguments as users write them, are in shapes.py and indexing.py.
Params are flat tuples of ints, laid out as each row's comment says; axes count from 0.
"""

from __future__ import annotations

import math

import numpy as np

from ..engine.dtypes import CODES, DTYPES, is_inexact
from .rows import custom, linear, nondifferentiable

# --- views ------------------------------------------------------------------------------------


def _cases(*cases):
    """Test cases of a row: (shapes of the inputs, params) pairs as an `examples` function."""

    def examples(rng):
        return [([rng.uniform(-2, 2, shape) for shape in shapes], p) for shapes, p in cases]

    return examples


def _inverse(perm):
    return tuple(int(i) for i in np.argsort(perm))


def _box(p):
    """(start, length, step) per axis as Python slices."""
    box = []
    for start, length, step in zip(p[::3], p[1::3], p[2::3]):
        stop = start + length * step
        box.append(slice(start, None if stop < 0 else stop, step) if length else slice(0, 0))
    return tuple(box)


def _slice_transpose(ct, *p):
    full = np.zeros(p[3 * ct.ndim :], ct.dtype)
    full[_box(p[: 3 * ct.ndim])] = ct
    return full


def _slice_update(x, part, *p):
    y = x.copy()
    y[_box(p)] = part
    return y


def _sum_to(x, *shape):
    lead = x.ndim - len(shape)
    if lead < 0 or any(n not in (1, m) for n, m in zip(shape, x.shape[lead:])):
        raise ValueError(f"sum_to: {shape} does not broadcast to {x.shape}")
    axes = [i for i in range(x.ndim) if i < lead or (shape[i - lead] == 1 != x.shape[i])]
    return x.sum(axis=tuple(axes), dtype=x.dtype).reshape(shape)


def _shaped(x, shape):
    return x if x.shape == shape else reshape(x, shape)


def _reshape_numpy(x, *shape):
    if x.size != math.prod(shape) or min(shape, default=0) < 0:
        raise ValueError(f"cannot fit shape {x.shape} into {shape}")
    return x.reshape(shape)


reshape = linear(  # params: the new shape
    "reshape",
    _reshape_numpy,
    lambda ct, x_like: _shaped(ct, x_like.shape),
    jvp=lambda t, params: _shaped(t, params),
    examples=_cases(([(3, 4)], (2, 6)), ([(3, 4)], (12,)), ([()], (1, 1)), ([(0, 3)], (3, 0))),
    doc="The same elements in another shape.",
)
transpose = linear(  # params: a permutation of the axes
    "transpose",
    lambda x, *perm: x.transpose(perm),
    lambda ct, params: transpose(ct, _inverse(params)),
    examples=_cases(([(3, 4)], (1, 0)), ([(2, 3, 4)], (2, 0, 1)), ([()], ())),
    doc="Axes in another order.",
)
broadcast_to = linear(  # params: the new shape
    "broadcast_to",
    lambda x, *shape: np.broadcast_to(x, shape),
    lambda ct, x_like: sum_to(ct, x_like.shape),
    examples=_cases(
        ([(4,)], (3, 4)), ([(3, 1)], (2, 3, 5)), ([()], (3,)), ([()], ()), ([(1,)], (0,))
    ),
    doc="The array repeated along new axes and axes of length 1, without copying.",
)
sum_to = linear(  # params: the shape to sum down to
    "sum_to",
    _sum_to,
    lambda ct, x_like: broadcast_to(ct, x_like.shape),
    examples=_cases(([(3, 4)], (4,)), ([(2, 3, 4)], (3, 1)), ([(3,)], ()), ([(0, 3)], (3,))),
    large=_cases(([(1000, 500)], (500,)), ([(700, 900)], (700, 1)), ([(600_007,)], ())),
    ulp=16,
    doc="The transpose of broadcast_to: elements that came from one are added.",
)


def _slice_vjp(ct, x_like, params):
    if params[1::3] == x_like.shape and set(params[2::3]) <= {1, -1}:
        return slice_(ct, params)  # all of it, some axes turned: turned back by the same slice
    return slice_transpose(ct, params + x_like.shape)


slice_ = linear(  # params: (start, length, step) per axis
    "slice",
    lambda x, *p: x[_box(p)],
    _slice_vjp,
    examples=_cases(
        ([(7,)], (1, 3, 2)),
        ([(7,)], (6, 7, -1)),
        ([(3, 5)], (2, 2, -2, 1, 3, 1)),
        ([(3, 5)], (0, 0, 1, 0, 5, 1)),
        ([(3, 5)], (2, 3, -1, 0, 5, 1)),
        ([(0, 5)], (0, 0, -1, 4, 5, -1)),
        ([()], ()),
    ),
    doc="Every step-th element along each axis, a view.",
)
slice_transpose = linear(  # params: (start, length, step) per axis, then the full shape
    "slice_transpose",
    _slice_transpose,
    lambda ct, params, x_like: slice_(ct, params[: 3 * len(x_like.shape)]),
    examples=_cases(
        ([(3,)], (1, 3, 2, 7)),
        ([(7,)], (6, 7, -1, 7)),
        ([(2, 3)], (2, 2, -2, 1, 3, 1, 3, 5)),
        ([(0,)], (0, 0, 1, 4)),
    ),
    large=_cases(([(700, 800)], (1, 700, 1, 799, 800, -1, 702, 800))),
    doc="Zeros with the array written at a slice of them.",
)
slice_update = custom(  # params: (start, length, step) per axis
    "slice_update",
    _slice_update,
    inputs=("x", "part"),
    vjps=[
        lambda ct, params: slice_update(ct, 0.0, params),
        lambda ct, part_like, params: sum_to(slice_(ct, params), part_like.shape),
    ],
    jvps=[
        lambda t, params: slice_update(t, 0.0, params),
        lambda t, x_like, params: slice_transpose(
            broadcast_to(t, params[1::3]), params + x_like.shape
        ),
    ],
    examples=_cases(
        ([(7,), (3,)], (1, 3, 2)),
        ([(7,), (7,)], (6, 7, -1)),
        ([(3, 5), (2, 3)], (2, 2, -2, 1, 3, 1)),
        ([(3, 5), ()], (0, 2, 1, 4, 1, 1)),
        ([(3, 5), (0, 5)], (0, 0, 1, 0, 5, 1)),
        ([(), ()], ()),
    ),
    large=_cases(([(1000, 700), (1000, 1)], (0, 1000, 1, 3, 1, 1))),
    doc="The array with a slice of it replaced: by an array of that shape, or a number.",
)

# --- copies -----------------------------------------------------------------------------------


def _pad(x, *p):
    if not x.ndim:
        return x.copy()
    return np.pad(x, [*zip(p[0:-1:2], p[1:-1:2])], constant_values=x.dtype.type(p[-1]))


def _pad_vjp(ct, x_like, params):
    box = zip(params[0:-1:2], x_like.shape, (1,) * len(x_like.shape))
    return slice_(ct, tuple(k for axis in box for k in axis))


pad = custom(  # params: (before, after) per axis, then the value as a float
    "pad",
    _pad,
    inputs=("x",),
    vjps=[_pad_vjp],
    jvps=[lambda t, params: pad(t, params[:-1] + (0.0,))],
    examples=_cases(
        ([(3,)], (1, 2, 0.5)), ([(2, 3)], (0, 1, 2, 0, 0.0)), ([(0,)], (2, 0, 1.0)), ([()], (0.0,))
    ),
    large=_cases(([(1000, 700)], (1, 2, 3, 4, 0.5))),
    doc="The array with a constant around it.",
)


def _place(params, index, inputs_like):
    """Where input `index` lies in the result: slice params."""
    (axis,) = params
    p = []
    for k, n in enumerate(inputs_like[index].shape):
        before = sum(x.shape[axis] for x in inputs_like[:index]) if k == axis else 0
        p += [before, n, 1]
    return tuple(p)


def _concatenate_vjp(ct, params, index, inputs_like):
    return slice_(ct, _place(params, index, inputs_like))


def _concatenate_jvp(t, params, index, inputs_like, y_like):
    return slice_transpose(t, _place(params, index, inputs_like) + y_like.shape)


concatenate = custom(  # params: (axis,)
    "concatenate",
    lambda *args: np.concatenate(args[:-1], axis=args[-1]),
    inputs=("x",),
    vjps=[_concatenate_vjp],
    jvps=[_concatenate_jvp],
    variadic=True,
    examples=_cases(([(2, 3), (4, 3)], (0,)), ([(2, 3), (2, 1), (2, 0)], (1,)), ([(3,)], (0,))),
    large=_cases(([(1000, 300), (1000, 400)], (1,))),
    doc="Arrays joined along an axis.",
)
copy = linear(
    "copy",
    lambda x: x.copy(),
    lambda ct: ct,
    examples=_cases(([(3, 4)], ()), ([()], ()), ([(0,)], ())),
    large=_cases(([(900, 700)], ())),
    doc="The same values in memory of their own.",
)


def _astype(x, code):
    to = DTYPES[code]
    if x.dtype.kind == "c" and to.kind not in "cb":
        x = x.real  # as astype does, without its warning
    return x.astype(to)


def _cast_back(ct, x_like, y_like):
    if not (is_inexact(x_like.dtype) and is_inexact(y_like.dtype)):
        return None  # through integers nothing flows
    return astype(ct, (CODES[x_like.dtype],))


def _cast_on(t, x_like, y_like, params):
    if not (is_inexact(x_like.dtype) and is_inexact(y_like.dtype)):
        return None
    return astype(t, params)


astype = custom(  # params: (dtype code,)
    "astype",
    _astype,
    inputs=("x",),
    vjps=[_cast_back],
    jvps=[_cast_on],
    examples=_cases(*[([(3, 4)], (CODES[np.dtype(d)],)) for d in ("f4", "f8")]),
    large=_cases(([(900, 700)], (CODES[np.dtype("f8")],))),
    doc="The values as another dtype; the cotangent comes back in the input's.",
)
stop_gradient = nondifferentiable(
    "stop_gradient",
    lambda x: x,
    examples=_cases(([(3, 4)], ()), ([()], ())),
    doc="The same values, unknown to any tape: nothing flows through.",
)
