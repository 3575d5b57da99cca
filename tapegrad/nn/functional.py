"""PyTorch's functional names: activations, dropout, losses. Takes `axis`, and PyTorch's `dim`."""

from __future__ import annotations

from typing import Any

from ..engine.recording import Hyper, here, is_number, is_zero, operand
from ..errors import DTypeError
from ..ops.activations import elu, gelu, leaky_relu
from ..ops.elementwise import relu, sigmoid, silu, softplus, tanh
from ..ops.structured import linear
from ..ops.structured import log_softmax as _log_softmax
from ..ops.structured import softmax as _softmax
from ..random import bernoulli_tensor, generator_or_default
from ..tensor import Tensor, asarray
from .losses import (
    binary_cross_entropy_with_logits,
    cross_entropy,
    huber_loss,
    l1_loss,
    mse_loss,
    smooth_l1_loss,
)

__all__ = [
    "binary_cross_entropy_with_logits", "cross_entropy", "dropout", "elu", "gelu", "huber_loss",
    "l1_loss", "leaky_relu", "linear", "log_softmax", "mse_loss", "relu", "sigmoid", "silu",
    "smooth_l1_loss", "softmax", "softplus", "tanh",
]  # fmt: skip


def _axis(name: str, dim: int | None, axis: int | None) -> int:
    if dim is not None and axis is not None:
        raise TypeError(f"{name}: axis and dim are two names of one argument; give one")
    chosen = dim if axis is None else axis
    return -1 if chosen is None else chosen


def softmax(input: Any, dim: int | None = None, *, axis: int | None = None) -> Tensor:
    """exp(input) / sum(exp(input)) along an axis, the last by default."""
    return _softmax(input, _axis("softmax", dim, axis))


def log_softmax(input: Any, dim: int | None = None, *, axis: int | None = None) -> Tensor:
    """log(softmax(input)) along an axis, the last by default."""
    return _log_softmax(input, _axis("log_softmax", dim, axis))


def dropout(input: Any, p: float = 0.5, training: bool = True, *, generator: Any = None) -> Tensor:
    """Zero each element with probability p and scale the others by 1 / (1 - p).

    Args:
        p: probability of a zero.
        training: if not, input is returned as it is.
        generator: draws the mask instead of tapegrad's stream.
    """
    check_probability("dropout", p)
    x = input if isinstance(input, Tensor) else asarray(input)
    if x.dtype.kind not in "fc":
        raise DTypeError(f"dropout: {x.dtype} cannot be scaled; convert it with astype('f4')")
    if not training:
        return x
    if p == 0:
        if isinstance(p, Hyper):
            here.recorder.watch(p.live(_kept, is_zero))
        return x
    live = p.live(_kept, _zeroes) if isinstance(p, Hyper) else None
    mask = bernoulli_tensor(generator_or_default(generator), _kept(float(p)), x.shape, live)
    return x * (mask.astype(x.dtype) * operand(p, x.dtype, _scale, _zeroes))


def check_probability(name: str, p: Any) -> None:
    """Raise ValueError unless 0 <= p <= 1."""
    if not is_zero(p) and not _zeroes(p):
        raise ValueError(f"{name}: p={p!r}; it must be a number between 0 and 1")


def _zeroes(p: Any) -> bool:
    return is_number(p) and bool(0 < p <= 1)


def _kept(p: float) -> float:
    return 1 - p


def _scale(p: float) -> float:
    return 1 / (1 - p) if p < 1 else 0.0
