"""Rows with kernels of their own: matrix products, softmax and cross entropy.

The vjps of the softmax family are rows too (`softmax_vjp` ...), so that a sweep is one kernel
there; their own rules give the higher orders.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..engine.select import apply
from ..errors import ShapeError
from ..tensor import Tensor
from .axes import as_tensor, axis_params
from .elementwise import exp, zmul
from .gather import take_along_axis
from .linear import reshape, transpose
from .reductions import SUM
from .rows import custom
from .special import floating

# --- matrix products --------------------------------------------------------------------------


def _turned(x):
    """The last two axes exchanged."""
    n = len(x.shape)
    return transpose(x, (*range(n - 2), n - 1, n - 2))


def as_column(x):
    """x with an axis of length 1 behind its last."""
    return reshape(x, (*x.shape, 1))


def _without_last(x):
    return reshape(x, x.shape[:-1])


def _flat(x):
    """All axes but the last as one."""
    n = 1
    for m in x.shape[:-1]:
        n *= m
    return reshape(x, (n, x.shape[-1]))


def _matmul_vjp_a(ct, a_like, b):
    if len(b.shape) == 1:
        return ct * b if len(a_like.shape) == 1 else as_column(ct) * b
    if len(a_like.shape) == 1:
        return _without_last(matmul(b, as_column(ct)))
    return matmul(ct, _turned(b))


def _matmul_vjp_b(ct, a, b_like):
    if len(a.shape) == 1:
        if len(b_like.shape) == 1:
            return ct * a
        return as_column(a) * reshape(ct, (*ct.shape[:-1], 1, ct.shape[-1]))
    if len(b_like.shape) == 1:
        return matmul(reshape(ct, (ct.size,)), _flat(a))
    if len(b_like.shape) == 2 < len(a.shape):  # one product instead of a batch of them
        return matmul(_turned(_flat(a)), _flat(ct))
    return matmul(_turned(a), ct)


def _large_products(rng):
    shapes = (
        ((600, 500), (500, 400)), ((4000,), (4000, 300)), ((3000, 300), (300,)),
        ((60, 50, 40), (60, 40, 70)), ((513, 129), (129, 257)),
    )  # fmt: skip
    return [([rng.uniform(-2, 2, s) for s in pair], ()) for pair in shapes]


def _products(rng):
    shapes = (
        ((3,), (3,)), ((3,), (3, 4)), ((2, 3), (3,)), ((2, 3), (3, 4)), ((5, 2, 3), (3, 4)),
        ((5, 2, 3), (5, 3, 4)), ((5, 1, 2, 3), (4, 3, 2)), ((3,), (5, 3, 4)), ((5, 2, 3), (3,)),
        ((2, 0), (0, 3)), ((0, 3), (3, 2)), ((1, 1), (1, 1)), ((17, 33), (33, 16)),
    )  # fmt: skip
    return [([rng.uniform(-2, 2, s) for s in pair], ()) for pair in shapes]


matmul = custom(
    "matmul",
    np.matmul,
    inputs=("a", "b"),
    vjps=[_matmul_vjp_a, _matmul_vjp_b],
    jvps=[lambda t, b: matmul(t, b), lambda t, a: matmul(a, t)],
    examples=_products,
    large=_large_products,
    ulp=64,
    doc="Matrix product with np.matmul's rules for 1-D, 2-D and stacked operands.",
)


def _linear_numpy(x, w, b=None):
    y = np.matmul(x, w.T)
    return y if b is None else y + b


def _linear_vjp_w(ct, x):
    if len(x.shape) == 1:
        return as_column(ct) * x
    return matmul(_turned(_flat(ct)), _flat(x))


def _layers(rng):
    shapes = (
        ((5, 3), (4, 3), (4,)), ((5, 3), (4, 3)), ((3,), (4, 3), (4,)), ((2, 5, 3), (1, 3), (1,)),
        ((0, 3), (4, 3), (4,)), ((33, 17), (16, 17), (16,)),
    )  # fmt: skip
    return [([rng.uniform(-2, 2, s) for s in call], ()) for call in shapes]


LINEAR = custom(
    "linear",
    _linear_numpy,
    inputs=("x", "w", "b"),
    vjps=[lambda ct, w: matmul(ct, w), _linear_vjp_w, lambda ct: ct],
    jvps=[
        lambda t, w: apply(LINEAR.id, (t, w)),
        lambda t, x: apply(LINEAR.id, (x, t)),
        lambda t: t,
    ],
    examples=_layers,
    large=lambda rng: [
        ([rng.uniform(-2, 2, shape) for shape in ((700, 500), (300, 500), (300,))], ())
    ],
    ulp=64,
    doc="x @ w.T + b, a layer: w is (out, in), b is (out,) or absent.",
).op


def linear(x: Any, w: Any, b: Any = None) -> Tensor:
    """x @ w.T + b in one product.

    Args:
        x: (..., in).
        w: (out, in).
        b: (out,), or None.
    Raises:
        ShapeError: if they do not fit.
    """
    inputs = (x, w) if b is None else (x, w, b)
    try:
        return apply(LINEAR.id, inputs)
    except ShapeError as error:
        shapes = ", ".join(str(np.shape(v)) for v in inputs)
        raise ShapeError(
            f"linear: {shapes} do not fit; need x (..., in), weight (out, in), bias (out,)"
        ) from error


# --- softmax ----------------------------------------------------------------------------------


def _top(x, axis):
    m = x.max(axis=axis, keepdims=True, initial=-np.inf)
    return np.where(np.isfinite(m), m, 0).astype(x.dtype)


def _softmax_numpy(x, axis):
    x = floating(x)
    e = np.exp(x - x.max(axis=axis, keepdims=True, initial=-np.inf))
    return e / e.sum(axis=axis, keepdims=True)


def _log_softmax_numpy(x, axis):
    x = floating(x)
    z = x - _top(x, axis)
    return z - np.log(np.exp(z).sum(axis=axis, keepdims=True))


def _zmul_numpy(a, b):
    return np.where(a == 0, a.dtype.type(0), a * b)


def _softmax_vjp_numpy(ct, y, axis):
    inner = _zmul_numpy(ct, y).sum(axis=axis, keepdims=True)
    return _zmul_numpy(ct - inner, y)


def _log_softmax_vjp_numpy(ct, y, axis):
    return ct - _zmul_numpy(ct.sum(axis=axis, keepdims=True), np.exp(y))


def _sum(x, axis):
    return apply(SUM.id, (x,), (1, axis))


def _along(*shapes):
    """Arrays of each shape, with each axis in turn."""

    def examples(rng, n_inputs=1):
        return [
            ([rng.uniform(-2, 2, shape) for _ in range(n_inputs)], (axis,))
            for shape in shapes
            for axis in range(len(shape))
        ]

    return examples


_lines = _along((7,), (3, 4), (2, 3, 4), (17, 33), (0, 3), (1,))


def _pairs_of_lines(rng):
    return _lines(rng, 2)


SOFTMAX = custom(  # params: (axis,)
    "softmax",
    _softmax_numpy,
    inputs=("x",),
    vjps=[lambda ct, y, params: softmax_vjp(ct, y, params)],
    jvps=[lambda t, y, params: softmax_vjp(t, y, params)],  # its Jacobian is symmetric
    examples=_lines,
    large=_along((3000, 200), (50, 40, 201)),
    ulp=16,
    doc="exp(x) / sum(exp(x)) along an axis.",
).op
softmax_vjp = custom(  # y * (c - sum(c * y)); params: (axis,)
    "softmax_vjp",
    _softmax_vjp_numpy,
    inputs=("c", "y_"),
    vjps=[
        lambda ct, y_, params: softmax_vjp(ct, y_, params),
        lambda ct, c, y_, params: _softmax_vjp_y(ct, c, y_, *params),
    ],
    jvps=[
        lambda t, y_, params: softmax_vjp(t, y_, params),
        lambda t, c, y_, params: (
            zmul(t, c - _sum(zmul(c, y_), *params)) - y_ * _sum(t * c, *params)
        ),
    ],
    examples=_pairs_of_lines,
    large=lambda rng: _along((3000, 200))(rng, 2),
    ulp=64,
    doc="The vjp of softmax, from its output.",
)


def _softmax_vjp_y(ct, c, y_, axis):
    return zmul(ct, c - _sum(zmul(c, y_), axis)) - c * _sum(zmul(ct, y_), axis)


LOG_SOFTMAX = custom(  # params: (axis,)
    "log_softmax",
    _log_softmax_numpy,
    inputs=("x",),
    vjps=[lambda ct, y, params: log_softmax_vjp(ct, y, params)],
    jvps=[lambda t, y, params: t - _sum(zmul(t, exp(y)), *params)],
    examples=_lines,
    large=_along((3000, 200), (50, 40, 201)),
    ulp=16,
    doc="x - logsumexp(x) along an axis.",
).op
log_softmax_vjp = custom(  # c - sum(c) * exp(y); params: (axis,)
    "log_softmax_vjp",
    _log_softmax_vjp_numpy,
    inputs=("c", "y_"),
    vjps=[
        lambda ct, y_, params: ct - _sum(zmul(ct, exp(y_)), *params),
        lambda ct, c, y_, params: -zmul(ct * _sum(c, *params), exp(y_)),
    ],
    jvps=[
        lambda t, y_, params: log_softmax_vjp(t, y_, params),
        lambda t, c, y_, params: -zmul(t * _sum(c, *params), exp(y_)),
    ],
    examples=_pairs_of_lines,
    large=lambda rng: _along((3000, 200))(rng, 2),
    ulp=64,
    doc="The vjp of log_softmax, from its output.",
)


def softmax(x: Any, axis: int = -1) -> Tensor:
    """exp(x) / sum(exp(x)) along axis, without overflow."""
    x = as_tensor(x)
    return apply(SOFTMAX.id, (x,), axis_params(x.ndim, axis, "softmax"))


def log_softmax(x: Any, axis: int = -1) -> Tensor:
    """x - logsumexp(x) along axis."""
    x = as_tensor(x)
    return apply(LOG_SOFTMAX.id, (x,), axis_params(x.ndim, axis, "log_softmax"))


# --- cross entropy ----------------------------------------------------------------------------


def _check_labels(logits, labels):
    if logits.ndim != 2 or labels.shape != logits.shape[:1]:
        raise ValueError(
            f"need logits (n, classes) and labels (n,), got {logits.shape} and {labels.shape}"
        )
    n = logits.shape[1]
    bad = (labels < 0) | (labels >= n)
    if bad.any():
        raise IndexError(f"cross_entropy: label {labels[bad][0]} is not in 0..{n - 1}")


def _cross_entropy_numpy(logits, labels):
    _check_labels(logits, labels)
    logits = floating(logits)
    z = logits - _top(logits, 1)
    at_label = np.take_along_axis(z, labels[:, None], 1)[:, 0]
    return np.log(np.exp(z).sum(axis=1)) - at_label


def _cross_entropy_vjp_numpy(c, logits, labels):
    _check_labels(logits, labels)
    p = _softmax_numpy(logits, 1)
    p[np.arange(len(labels)), labels] -= 1
    return _zmul_numpy(c[:, None] + np.zeros_like(p), p)


def _at_label(x, labels):
    picked = take_along_axis(x, reshape(labels, (*labels.shape, 1)), (1,))
    return reshape(picked, labels.shape)


def _cross_entropy_jvp(t, logits, labels):
    """The mean of t under softmax(logits), less t at the label."""
    p = apply(SOFTMAX.id, (logits,), (1,))
    return apply(SUM.id, (zmul(t, p),), (0, 1)) - _at_label(t, labels)


def _cross_entropy_vjp_logits(ct, c, logits):
    p = apply(SOFTMAX.id, (logits,), (1,))
    return softmax_vjp(ct * as_column(c), p, (1,))


def _rows_with_labels(rng, n_before=0, sizes=((5, 3), (1, 1), (17, 10), (0, 3))):
    found = []
    for n, classes in sizes:
        labels = rng.integers(0, classes, n)
        weights = [rng.uniform(-2, 2, n) for _ in range(n_before)]
        found.append(([*weights, rng.uniform(-2, 2, (n, classes)), labels], ()))
    return found


CROSS_ENTROPY = custom(
    "cross_entropy",
    _cross_entropy_numpy,
    inputs=("logits", "labels"),
    vjps=[lambda ct, logits, labels: cross_entropy_vjp(ct, logits, labels), None],
    jvps=[_cross_entropy_jvp, None],
    promotes=(0,),
    examples=_rows_with_labels,
    large=lambda rng: _rows_with_labels(rng, 0, ((40_000, 10),)),
    ulp=16,
    doc="Per row, logsumexp(logits) less the logit at the label: -log of its probability.",
).op
cross_entropy_vjp = custom(
    "cross_entropy_vjp",
    _cross_entropy_vjp_numpy,
    inputs=("c", "logits", "labels"),
    vjps=[
        lambda ct, logits, labels: _cross_entropy_jvp(ct, logits, labels),
        lambda ct, c, logits: _cross_entropy_vjp_logits(ct, c, logits),
        None,
    ],
    jvps=[
        lambda t, logits, labels: cross_entropy_vjp(t, logits, labels),
        lambda t, c, logits: _cross_entropy_vjp_logits(t, c, logits),
        None,
    ],
    promotes=(0, 1),
    examples=lambda rng: _rows_with_labels(rng, 1),
    large=lambda rng: _rows_with_labels(rng, 1, ((40_000, 10),)),
    ulp=16,
    doc="The vjp of cross_entropy: c * (softmax(logits) - onehot(labels)), row by row.",
)
