"""NumPy's products of vectors and matrices."""

from __future__ import annotations

from typing import Any

from ..errors import ShapeError
from ..ops import composite, einsum, linear, structured
from ..ops.axes import as_tensor
from ..ops.shapes import as_dtype, broadcast_shapes, broadcast_to, expand_dims, moveaxis, stack
from ..tensor import Tensor
from .registry import differentiable

for _function, *_examples in (
    (structured.matmul, "matmul(x, y.T)", "matmul(x, v)"),
    (composite.dot, "dot(x, y.T)", "dot(v, w)", "dot(x, s)"),
    (composite.inner, "inner(x, y)", "inner(v, w)"),
    (composite.outer, "outer(v, x)"),
    (composite.vdot, "vdot(x, y)"),
    (composite.tensordot, "tensordot(x, y, 2)", "tensordot(x, y, ((1,), (1,)))"),
):
    differentiable(*_examples)(_function)


@differentiable("einsum('ij,kj->ik', x, y)", "einsum('ij->j', x)", "einsum('ij,j', x, v)",
                "einsum(x, [0, 1], y, [2, 1], [0, 2])", "einsum(x, [0, 1], v, [1], optimize=True)",
                "einsum('i...,i...->...', x, y)", name="einsum")  # fmt: skip
def _einsum(*operands: Any, optimize: Any = False, dtype: Any = None) -> Tensor:
    """Sums of products over labelled axes: a subscripts string and arrays, or arrays and lists of
    labels in turn. The order of products is einsum_path's greedy one, whatever `optimize` says."""
    if not isinstance(operands[0], str):
        operands = _by_letters(*operands)
    subscripts, *arrays = operands
    if dtype is not None:
        arrays = [as_dtype(a, dtype) for a in arrays]
    return einsum.einsum(subscripts, *arrays)


def _by_letters(*operands: Any) -> tuple:
    """Arrays and lists of labels in turn as a subscripts string and arrays."""
    *pairs, last = operands if len(operands) % 2 else (*operands, None)
    lists = [*pairs[1::2], *([] if last is None else [last])]
    known = sorted({label for labels in lists for label in labels if label is not ...})
    letter = {label: chr(ord("a") + k) for k, label in enumerate(known)} | {...: "..."}
    texts = ["".join(letter[label] for label in labels) for labels in lists]
    inputs = ",".join(texts[: len(pairs) // 2])
    return (inputs if last is None else f"{inputs}->{texts[-1]}", *pairs[::2])


@differentiable("vecdot(x, y)", "vecdot(x, v, axis=-1)", "vecdot(x, y, axis=0)")
def vecdot(x1: Any, x2: Any, /, *, axis: int = -1) -> Tensor:
    """Inner products along an axis of broadcast arrays; the first is conjugated."""
    a, b = as_tensor(x1), as_tensor(x2)
    if a.dtype.kind == "c":
        a = a.conj()
    a, b = _last(a, axis), _last(b, axis)
    if a.shape[-1:] != b.shape[-1:] or not a.ndim:
        raise ShapeError(f"vecdot: vectors of {a.shape} and {b.shape} differ in length")
    product = structured.matmul(expand_dims(a, -2), expand_dims(b, -1))
    return linear.reshape(product, product.shape[:-2])


def _last(x: Tensor, axis: int) -> Tensor:
    return x if axis == -1 else moveaxis(x, axis, -1)


@differentiable("matvec(x, v)", "matvec(reshape(x, (2, 2, 3)), reshape(p[0, :3], (3,)))")
def matvec(x1: Any, x2: Any, /) -> Tensor:
    """Matrices times vectors, over broadcast leading axes."""
    product = structured.matmul(x1, expand_dims(as_tensor(x2), -1))
    return linear.reshape(product, product.shape[:-1])


@differentiable("vecmat(y[:, 0], x)", "vecmat(p[:, 1], x)")
def vecmat(x1: Any, x2: Any, /) -> Tensor:
    """Vectors, conjugated, times matrices, over broadcast leading axes."""
    a = as_tensor(x1)
    a = a.conj() if a.dtype.kind == "c" else a
    product = structured.matmul(expand_dims(a, -2), x2)
    return linear.reshape(product, (*product.shape[:-2], product.shape[-1]))


@differentiable("kron(x, v)", "kron(v, w)", "kron(x[:2], y[:, :2])")
def kron(a: Any, b: Any) -> Tensor:
    """Blocks of b scaled by the elements of a."""
    a, b = as_tensor(a), as_tensor(b)
    ndim = max(a.ndim, b.ndim)
    of_a = (1,) * (ndim - a.ndim) + a.shape
    of_b = (1,) * (ndim - b.ndim) + b.shape
    apart_a = tuple(n for m in of_a for n in (m, 1))
    apart_b = tuple(n for m in of_b for n in (1, m))
    product = linear.reshape(a, apart_a) * linear.reshape(b, apart_b)
    return linear.reshape(product, tuple(m * n for m, n in zip(of_a, of_b)))


@differentiable(
    "cross(x[:, :3], y[:, :3])", "cross(x[:, :3], v[:3])", "cross(x, y, axis=0)",
)  # fmt: skip
def cross(
    a: Any, b: Any, axisa: int = -1, axisb: int = -1, axisc: int = -1, axis: int | None = None
) -> Tensor:
    """Vector products of the vectors of length 3 (or 2: their plane's) along an axis."""
    if axis is not None:
        axisa = axisb = axisc = axis
    a, b = moveaxis(a, axisa, -1), moveaxis(b, axisb, -1)
    if a.shape[-1] not in (2, 3) or b.shape[-1] not in (2, 3):
        raise ShapeError(f"cross: vectors must have length 3 (or 2), got {a.shape} and {b.shape}")
    u, v = [a[..., k] for k in range(a.shape[-1])], [b[..., k] for k in range(b.shape[-1])]
    z = u[0] * v[1] - u[1] * v[0]
    if len(u) == len(v) == 2:
        return z
    if len(u) == 2:
        x, y = u[1] * v[2], -(u[0] * v[2])
    elif len(v) == 2:
        x, y = -(u[2] * v[1]), u[2] * v[0]
    else:
        x, y = u[1] * v[2] - u[2] * v[1], u[2] * v[0] - u[0] * v[2]
    shape = broadcast_shapes(x.shape, z.shape)
    parts = [broadcast_to(part, shape) for part in (x, y, z)]
    return moveaxis(stack(parts, -1), -1, axisc) if shape or axisc == -1 else stack(parts)
