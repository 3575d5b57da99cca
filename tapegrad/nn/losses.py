"""Losses: functions with PyTorch's names, arguments and formulas."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np

from ..engine.operands import unmasked
from ..engine.recording import Hyper, here, is_number, is_zero, operand
from ..engine.select import apply
from ..errors import DTypeError, ShapeError
from ..ops.elementwise import absolute, softplus, square, where
from ..ops.indexing import take
from ..ops.linear import reshape
from ..ops.shapes import moveaxis
from ..ops.structured import log_softmax
from ..ops.table import OPS
from ..tensor import Tensor, asarray

_MEAN, _SUM = OPS["mean"], OPS["sum"]
_CROSS_ENTROPY = OPS["cross_entropy"]
_BINARY_CROSS_ENTROPY = OPS["binary_cross_entropy_with_logits"]
_INT64 = np.dtype("i8")


@lru_cache
def _all_axes(ndim: int) -> tuple[int, ...]:
    return (0, *range(ndim))


def _reduce(losses: Any, reduction: str) -> Any:
    if reduction == "mean":
        return apply(_MEAN.id, (losses,), _all_axes(losses.ndim))
    if reduction == "sum":
        return apply(_SUM.id, (losses,), _all_axes(losses.ndim))
    check_reduction(reduction)
    return losses


def check_reduction(reduction: str) -> str:
    if reduction not in ("mean", "sum", "none"):
        raise ValueError(f"reduction={reduction!r}: choose 'mean', 'sum' or 'none'")
    return reduction


def _pair(name: str, input: Any, target: Any) -> tuple[Any, Any]:
    """Both operands in the input's dtype; at least the input as a Tensor."""
    if not isinstance(input, Tensor):
        input = asarray(_numbers(f"{name}: input", input))
    if not isinstance(target, Tensor):
        target = _numbers(f"{name}: target", target)
    if input.shape != target.shape:
        raise ShapeError(
            f"{name}: input {input.shape} and target {target.shape} differ in shape, which "
            "would broadcast; reshape one of them"
        )
    dtype = input.dtype
    return input, target if target.dtype is dtype else _as_dtype(target, dtype)


def _numbers(what: str, x: Any) -> Any:
    """x as a Tensor or an array of numbers.

    Raises:
        DTypeError: naming it as `what`, if it is none.
    """
    if isinstance(x, Tensor):
        return x
    array = unmasked(x, what)
    if array.dtype.kind not in "biufc":
        raise DTypeError(
            f"{what} is of type {type(x).__name__}; give a Tensor, or an array or list of numbers"
        )
    return array


def _as_dtype(x: Any, dtype: np.dtype) -> Any:
    if not isinstance(x, Tensor):
        return np.asarray(x, dtype)
    return x if x.dtype == dtype else x.astype(dtype)


# --- regression ----------------------------------------------------------------------------------


def mse_loss(input: Any, target: Any, reduction: str = "mean") -> Tensor:
    """(input - target)^2.

    Args:
        input, target: one shape; the target is cast to the input's dtype.
        reduction: "mean", "sum" or "none".
    Raises:
        ShapeError: if the shapes differ.
    """
    input, target = _pair("mse_loss", input, target)
    return _reduce(square(input - target), reduction)


def l1_loss(input: Any, target: Any, reduction: str = "mean") -> Tensor:
    """|input - target|. Arguments as mse_loss's."""
    input, target = _pair("l1_loss", input, target)
    return _reduce(absolute(input - target), reduction)


def huber_loss(input: Any, target: Any, reduction: str = "mean", delta: float = 1.0) -> Tensor:
    """d^2 / 2 where d = |input - target| < delta, delta (d - delta / 2) elsewhere.

    Arguments as mse_loss's. Source: Huber (1964), Robust estimation of a location parameter.
    """
    check_delta(delta)
    input, target = _pair("huber_loss", input, target)
    d = input - target
    a = absolute(d)
    bound, half = (operand(delta, d.dtype, f, _is_positive) for f in (float, _half_of_square))
    return _reduce(where(a < bound, square(d) * 0.5, a * bound - half), reduction)


def smooth_l1_loss(input: Any, target: Any, reduction: str = "mean", beta: float = 1.0) -> Tensor:
    """huber_loss with delta = beta, divided by beta; l1_loss if beta is 0."""
    check_beta(beta)
    if is_zero(beta):
        if isinstance(beta, Hyper):
            here.recorder.watch(beta.live(float, is_zero))
        return l1_loss(input, target, reduction)
    input, target = _pair("smooth_l1_loss", input, target)
    d = input - target
    a = absolute(d)
    at, over, half = (operand(beta, d.dtype, f, _is_positive) for f in (float, _half_over, _half))
    return _reduce(where(a < at, square(d) * over, a - half), reduction)


def check_delta(delta: Any) -> None:
    _check("huber_loss: delta", delta, "above 0", _is_positive)


def check_beta(beta: Any) -> None:
    _check("smooth_l1_loss: beta", beta, "of at least 0", lambda b: is_zero(b) or _is_positive(b))


def _check(what: str, number: Any, needs: str, fits: Callable[[Any], bool]) -> None:
    """Raise ValueError for a number that does not fit; of arrays and Tensors nobody asks."""
    is_array = isinstance(number, (Tensor, np.ndarray)) and number.dtype.kind in "biuf"
    if not is_array and not fits(number):
        raise ValueError(f"{what}={number!r}; it must be a number {needs}")


def _is_positive(number: Any) -> bool:
    return is_number(number) and bool(number > 0)


def _half(number: float) -> float:
    return 0.5 * number


def _half_over(number: float) -> float:
    return 0.5 / number


def _half_of_square(number: float) -> float:
    return 0.5 * number**2


# --- classification ------------------------------------------------------------------------------


def binary_cross_entropy_with_logits(
    input: Any,
    target: Any,
    weight: Any = None,
    reduction: str = "mean",
    pos_weight: Any = None,
) -> Tensor:
    """-(target log p + (1 - target) log(1 - p)) with p = sigmoid(input), without overflow.

    Args:
        input: logits. target: probabilities, or labels 0 and 1; one shape.
        weight: multiplies each loss; broadcasts to it.
        pos_weight: multiplies the part of target; broadcasts to it.
    Raises:
        ShapeError: if input and target differ in shape.
    """
    name = "binary_cross_entropy_with_logits"
    input, target = _pair(name, input, target)
    if pos_weight is None:
        losses = apply(_BINARY_CROSS_ENTROPY.id, (input, target))
    else:
        target_part = target * _as_dtype(_numbers(f"{name}: pos_weight", pos_weight), input.dtype)
        losses = softplus(-input) * target_part + softplus(input) * (1 - target)
    if weight is not None:
        losses = losses * _as_dtype(_numbers(f"{name}: weight", weight), input.dtype)
    return _reduce(losses, reduction)


def cross_entropy(
    input: Any,
    target: Any,
    weight: Any = None,
    ignore_index: int = -100,
    reduction: str = "mean",
    label_smoothing: float = 0.0,
) -> Tensor:
    """-log of the probability that softmax(input) gives to the target class.

    Args:
        input: logits, (classes,), (n, classes) or (n, classes, d1, ...).
        target: labels, integers shaped as input without its class axis; or probabilities, floats
            shaped as input.
        weight: (classes,), multiplies each class's losses; "mean" divides by the sum of the
            labels' weights.
        ignore_index: this label has no loss and does not count in the mean.
        label_smoothing: this part of the target is spread evenly over all classes.
    Raises:
        IndexError: for a label that is no class. ShapeError: if the shapes do not fit.
    """
    if not isinstance(input, Tensor):
        input = asarray(_numbers("cross_entropy: input", input))
    if not isinstance(target, Tensor):
        target = _numbers("cross_entropy: target", target)
    if isinstance(label_smoothing, Hyper) and is_zero(label_smoothing):
        here.recorder.watch(label_smoothing.live(float, is_zero))
    if target.dtype.kind == "f":
        return _soft_cross_entropy(input, target, weight, reduction, label_smoothing)
    if target.dtype is not _INT64:
        target = _as_labels(target)
    if weight is None and not label_smoothing and ignore_index < 0 and input.ndim == 2:
        try:
            return _reduce(apply(_CROSS_ENTROPY.id, (input, target)), reduction)
        except IndexError:  # a label is ignore_index, or wrong: the general way tells
            pass
    return _hard_cross_entropy(input, target, weight, ignore_index, reduction, label_smoothing)


def _as_labels(target: Any) -> Any:
    if target.dtype.kind not in "iu":
        raise DTypeError(
            f"cross_entropy: the target has dtype {target.dtype}; give integer labels, or "
            "floating-point probabilities shaped as the input"
        )
    return target if target.dtype == _INT64 else target.astype(_INT64)


def check_smoothing(label_smoothing: Any) -> None:
    _check("label_smoothing", label_smoothing, "from 0 to 1", lambda n: is_zero(n) or _smooths(n))


class _Share(NamedTuple):
    """What each class gets of a number."""

    classes: int

    def __call__(self, number: float) -> float:
        return number / self.classes


def _rest(number: float) -> float:
    return 1 - number


def _smooths(number: Any) -> bool:
    return is_number(number) and bool(0 < number <= 1)


def _smoothing(number: float, dtype: Any, classes: int) -> tuple[Any, Any]:
    """What the target keeps, and what each class gets."""
    return (
        operand(number, dtype, _rest, _smooths),
        operand(number, dtype, _Share(classes), _smooths),
    )


def _class_weights(weight: Any, input: Tensor, classes: int) -> Any:
    weights = _as_dtype(_numbers("cross_entropy: weight", weight), input.dtype)
    if weights.shape != (classes,):
        raise ShapeError(f"cross_entropy: weight has shape {weights.shape}; need ({classes},)")
    return weights


def _class_axis(input: Tensor) -> int:
    if not input.ndim:
        raise ShapeError("cross_entropy: the input has no class axis; give (n, classes)")
    return min(input.ndim - 1, 1)


def _hard_cross_entropy(input, labels, weight, ignore_index, reduction, label_smoothing):
    axis = _class_axis(input)
    classes = input.shape[axis]
    shape = input.shape[:axis] + input.shape[axis + 1 :]
    if labels.shape != shape:
        raise ShapeError(
            f"cross_entropy: input {input.shape} needs labels of shape {shape}, got {labels.shape}"
        )
    check_smoothing(label_smoothing)
    labels = reshape(asarray(labels), (labels.size,))
    counts = labels != ignore_index
    labels = where(counts, labels, 0)
    rows = reshape(moveaxis(input, axis, -1), (labels.size, classes))
    losses = apply(_CROSS_ENTROPY.id, (rows, labels))  # checks the labels
    counts = row_weights = counts.astype(input.dtype)
    if weight is not None:
        weight = _class_weights(weight, input, classes)
        row_weights = take(weight, labels) * counts
    losses = losses * row_weights
    if label_smoothing:
        spread = -log_softmax(rows) if weight is None else log_softmax(rows) * -weight
        spread = apply(_SUM.id, (spread,), (0, 1)) * counts
        kept, share = _smoothing(label_smoothing, input.dtype, classes)
        losses = losses * kept + spread * share
    if check_reduction(reduction) == "mean":
        return _reduce(losses, "sum") / _reduce(row_weights, "sum")
    return _reduce(reshape(losses, shape), reduction)


def _soft_cross_entropy(input, target, weight, reduction, label_smoothing):
    axis = _class_axis(input)
    classes = input.shape[axis]
    if target.shape != input.shape:
        raise ShapeError(
            f"cross_entropy: probabilities need the input's shape {input.shape}, got {target.shape}"
        )
    check_smoothing(label_smoothing)
    target = _as_dtype(target, input.dtype)
    if label_smoothing:
        kept, share = _smoothing(label_smoothing, input.dtype, classes)
        target = target * kept + share
    if weight is not None:
        along = (classes,) + (1,) * (input.ndim - 1 - axis)
        target = target * _class_weights(weight, input, classes).reshape(along)
    losses = -apply(_SUM.id, (log_softmax(input, axis) * target,), (0, axis))
    return _reduce(losses, reduction)
