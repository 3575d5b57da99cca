"""Rules applied to a block of cotangents (or tangents) at once.

A sweep in blocks carries cotangents that share a leading axis: one row of a Jacobian each. A rule
is written for one cotangent; it is given a Block, which looks like one and holds the whole stack.
What the rule does to it runs as one op on the stack, by the forms below: elementwise ops
broadcast, others move their axes by one, products fold the block into their rows. An op without
a form, and a rule that asks for values, run row by row. The native engine keeps the ops that came
of it as a template, so this file is asked once per signature.
"""

from __future__ import annotations

from collections.abc import Callable
from types import FunctionType
from typing import Any, cast

from ..engine.node import put_operators
from ..engine.select import apply
from ..errors import TapegradError
from ..tensor import Tensor
from .indexing import getitem
from .table import OPS, Op


class NeedsRows(TapegradError, TypeError):
    """A rule asked for the values of a Block: it must run row by row."""


class Block:
    """A stack of Tensors along a leading axis, seen as one of them."""

    __slots__ = ("value",)

    def __init__(self, value: Tensor):
        self.value = value

    # Rules ask isinstance(x, Tensor) before they convert what is none.
    __class__ = property(lambda self: Tensor)

    shape = property(lambda self: self.value.shape[1:])
    ndim = property(lambda self: self.value.ndim - 1)
    dtype = property(lambda self: self.value.dtype)

    @property
    def size(self) -> int:
        n = 1
        for m in self.value.shape[1:]:
            n *= m
        return n

    def __len__(self) -> int:
        return self.shape[0]

    def __iter__(self) -> Any:
        return (self[i] for i in range(len(self)))

    def __getitem__(self, index: Any) -> Any:
        return getitem(cast(Tensor, self), index)

    __hash__ = object.__hash__


def _refuse(self: Block, *args: Any, **kwargs: Any) -> Any:
    raise NeedsRows("the values of a block of cotangents are not one array")


def _operator(name: str, reflected: bool) -> Callable:
    def method(self: Block, *other: Any) -> Any:
        return apply(OPS[name].id, (*other, self) if reflected else (self, *other))

    return method


# Tensor's methods written in Python work on Blocks too, but for those that ask for values.
_VALUES = (
    "numpy", "item", "tolist", "backward", "__array__", "__float__", "__int__", "__complex__",
    "__index__", "__bool__", "__reduce__", "__copy__", "__deepcopy__", "__dlpack__",
)  # fmt: skip
for _name, _member in vars(Tensor).items():
    if isinstance(_member, (FunctionType, property)) and not hasattr(Block, _name):
        setattr(Block, _name, _member)
for _name in _VALUES:
    setattr(Block, _name, _refuse)
put_operators(Block, _operator)


def run_rule(
    rule: Callable, op: Op, i: int, ct: Tensor, out: Any, inputs: tuple, params: tuple, block: int
) -> Any:
    """The rule for input i on a block of cotangents; a Tensor with the leading axis, or None."""
    try:
        result = rule(op, i, Block(ct), out, inputs, params)
    except NeedsRows:
        rows = [rule(op, i, ct[b], out, inputs, params) for b in range(block)]
        return None if rows[0] is None else stacked(rows)
    if result is None:
        return None
    return result.value if type(result) is Block else _repeated(result, block)


def apply_to_blocks(op: Op, inputs: tuple, params: tuple) -> Block:
    """Run an op some of whose operands are Blocks, for every row of them."""
    block = next(x.value.shape[0] for x in inputs if type(x) is Block)
    form = _FORMS.get(op.name)
    if form is None and op.is_elementwise:
        form = _elementwise
    value = None if form is None else form(op, inputs, params, block)
    return Block(_by_row(op, inputs, params, block) if value is None else value)


# --- moving axes ------------------------------------------------------------------------------


_TRANSPOSE = OPS["transpose"].id


def _reshape(x: Tensor, shape: tuple) -> Tensor:
    return x if x.shape == shape else apply(OPS["reshape"].id, (x,), shape)


def _repeated(x: Tensor, block: int) -> Tensor:
    return apply(OPS["broadcast_to"].id, (x,), (block, *x.shape))


def _full(x: Any, block: int) -> Tensor:
    """An operand with the leading axis, whether it is a Block or the same for all rows."""
    return x.value if type(x) is Block else _repeated(x, block)


def stacked(rows: list) -> Tensor:
    rows = [_reshape(y, (1, *y.shape)) for y in rows]
    return rows[0] if len(rows) == 1 else apply(OPS["concatenate"].id, tuple(rows), (0,))


def _row(x: Any, b: int) -> Any:
    if type(x) is not Block:
        return x
    box = (b, 1, 1, *(k for n in x.shape for k in (0, n, 1)))
    return _reshape(apply(OPS["slice"].id, (x.value,), box), x.shape)


def _by_row(op: Op, inputs: tuple, params: tuple, block: int) -> Tensor:
    """The op once per row: what there is no better way for."""
    return stacked([apply(op.id, tuple(_row(x, b) for x in inputs), params) for b in range(block)])


# --- forms: op(rows) as one op on the stack ---------------------------------------------------
# Each is form(op, inputs, params, block) and gives the stack of results, or None: row by row.


def _elementwise(op: Op, inputs: tuple, params: tuple, block: int) -> Tensor:
    ndim = max(getattr(x, "ndim", 0) for x in inputs)
    aligned = [
        _reshape(x.value, (block, *(1,) * (ndim - x.ndim), *x.shape)) if type(x) is Block else x
        for x in inputs
    ]
    return apply(op.id, tuple(aligned), params)


def _same(op, inputs, params, block):
    return apply(op.id, (inputs[0].value,), params)


def _axes_last(op, inputs, params, block):
    """Params are (keepdims, *axes)."""
    return apply(op.id, (inputs[0].value,), (params[0], *(a + 1 for a in params[1:])))


def _axis(op, inputs, params, block):
    """Params begin with the axis; all inputs have one shape."""
    full = tuple(_full(x, block) for x in inputs)
    return apply(op.id, full, (params[0] + 1, *params[1:]))


def _to_shape(op, inputs, params, block):
    return apply(op.id, (inputs[0].value,), (block, *params))


def _broadcast_to(op, inputs, params, block):
    (x,) = inputs
    wide = _reshape(x.value, (block, *(1,) * (len(params) - x.ndim), *x.shape))
    return apply(op.id, (wide,), (block, *params))


def _sum_to(op, inputs, params, block):
    (x,) = inputs
    wide = apply(op.id, (x.value,), (block, *(1,) * (x.ndim - len(params)), *params))
    return _reshape(wide, (block, *params))


def _transpose(op, inputs, params, block):
    return apply(op.id, (inputs[0].value,), (0, *(a + 1 for a in params)))


def _slice(op, inputs, params, block):
    return apply(op.id, (inputs[0].value,), (0, block, 1, *params))


def _slice_transpose(op, inputs, params, block):
    n = 3 * inputs[0].ndim
    return apply(op.id, (inputs[0].value,), (0, block, 1, *params[:n], block, *params[n:]))


def _pad(op, inputs, params, block):
    return apply(op.id, (inputs[0].value,), (0, 0, *params))


def _take(op, inputs, params, block):
    """Params are (axis, ...); positions the same for every row."""
    x, idx = inputs
    if type(idx) is Block:
        return None
    return apply(op.id, (x.value, idx), (params[0] + 1, *params[1:]))


def _take_along(op, inputs, params, block):
    x, idx = inputs
    if type(idx) is Block:
        return None
    return apply(op.id, (x.value, _reshape(idx, (1, *idx.shape))), (params[0] + 1, *params[1:]))


def _matmul(op, inputs, params, block):
    a, b = inputs
    if type(b) is not Block and b.ndim <= 2:
        return apply(op.id, (a.value, b), ())  # the block is more rows
    if type(a) is not Block and a.ndim <= 2:
        if b.ndim >= 2:
            return apply(op.id, (a, b.value), ())
        if a.ndim == 2:
            return apply(op.id, (b.value, apply(_TRANSPOSE, (a,), (1, 0))), ())
    # vectors as matrices, then stacks of one rank
    left = a.shape if a.ndim > 1 else (1, *a.shape)
    right = b.shape if b.ndim > 1 else (*b.shape, 1)
    ndim = max(len(left), len(right))
    y = apply(op.id, (_as_stack(a, left, ndim, block), _as_stack(b, right, ndim, block)), ())
    gone = (y.ndim - 2,) * (a.ndim == 1) + (y.ndim - 1,) * (b.ndim == 1)
    return _reshape(y, tuple(n for i, n in enumerate(y.shape) if i not in gone))


def _as_stack(x, shape, ndim, block):
    ones = (1,) * (ndim - len(shape))
    if type(x) is Block:
        return _reshape(x.value, (block, *ones, *shape))
    return _reshape(x, shape)


def _linear(op, inputs, params, block):
    x, w, *bias = inputs
    if type(w) is not Block and type(x) is Block and not any(type(b) is Block for b in bias):
        return apply(op.id, (x.value, w, *bias), ())
    y = apply(OPS["matmul"].id, (x, apply(_TRANSPOSE, (w,), (1, 0))))
    for b in bias:
        y = apply(OPS["add"].id, (y, b))
    return y.value


def _solve(op, inputs, params, block):
    """The block is more columns, where only the right-hand side has one."""
    a, b = inputs
    if type(a) is Block:
        return None
    *lead, n, k = b.shape
    last = len(lead) + 1
    columns = apply(_TRANSPOSE, (b.value,), (*range(1, last + 1), 0, last + 1))
    y = apply(op.id, (a, _reshape(columns, (*lead, n, block * k))), params)
    *lead, n, _ = y.shape
    last = len(lead) + 1
    apart = _reshape(y, (*lead, n, block, k))
    return apply(_TRANSPOSE, (apart,), (last, *range(last), last + 1))


def _concatenate(op, inputs, params, block):
    return apply(op.id, tuple(_full(x, block) for x in inputs), (params[0] + 1,))


def _cross_entropy_vjp(op, inputs, params, block):
    c, logits, labels = inputs
    if type(logits) is Block or type(labels) is Block:
        return None
    each = apply(op.id, (c.value[0] * 0 + 1, logits, labels), ())  # linear in c, row by row
    return apply(OPS["zmul"].id, (_reshape(c.value, (*c.value.shape, 1)), each))


_FORMS: dict[str, Callable] = {
    **dict.fromkeys(("copy", "astype", "stop_gradient"), _same),
    **dict.fromkeys(
        ("sum", "mean", "prod", "max", "min", "logsumexp", "argmax", "argmin"), _axes_last
    ),
    **dict.fromkeys(("cumsum", "cumprod", "recurrence"), _axis),
    **dict.fromkeys(("softmax", "log_softmax", "softmax_vjp", "log_softmax_vjp"), _axis),
    **dict.fromkeys(("fft", "rfft", "irfft"), _axis),
    **dict.fromkeys(("solve", "solve_triangular"), _solve),
    "reshape": _to_shape,
    "broadcast_to": _broadcast_to,
    "sum_to": _sum_to,
    "transpose": _transpose,
    "slice": _slice,
    "slice_transpose": _slice_transpose,
    "pad": _pad,
    "concatenate": _concatenate,
    "take": _take,
    "take_transpose": _take,
    "take_along_axis": _take_along,
    "take_along_axis_transpose": _take_along,
    "matmul": _matmul,
    "linear": _linear,
    "cross_entropy_vjp": _cross_entropy_vjp,
}
