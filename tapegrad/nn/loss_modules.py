"""Losses as modules, PyTorch's names and arguments. Their numbers are live (engine.recording)."""

from __future__ import annotations

from typing import Any

from ..engine.recording import hyper
from ..tensor import Tensor
from .losses import (
    binary_cross_entropy_with_logits,
    check_beta,
    check_delta,
    check_reduction,
    check_smoothing,
    cross_entropy,
    huber_loss,
    l1_loss,
    mse_loss,
    smooth_l1_loss,
)
from .module import Module


class _Loss(Module):
    """A loss with its options; called with (input, target)."""

    _options: tuple[str, ...] = ()

    def __init__(self, reduction: str = "mean"):
        self.reduction = check_reduction(reduction)

    def extra_repr(self) -> str:
        return ", ".join(f"{n}={getattr(self, n)!r}" for n in (*self._options, "reduction"))


class MSELoss(_Loss):
    """mse_loss as a Module."""

    def forward(self, input: Any, target: Any) -> Tensor:
        return mse_loss(input, target, self.reduction)


class L1Loss(_Loss):
    """l1_loss as a Module."""

    def forward(self, input: Any, target: Any) -> Tensor:
        return l1_loss(input, target, self.reduction)


class HuberLoss(_Loss):
    """huber_loss as a Module."""

    _options = ("delta",)
    _live = frozenset({"delta"})

    def __init__(self, reduction: str = "mean", delta: float = 1.0):
        super().__init__(reduction)
        check_delta(delta)
        self.delta = delta

    def forward(self, input: Any, target: Any) -> Tensor:
        return huber_loss(input, target, self.reduction, hyper(self, "delta"))


class SmoothL1Loss(_Loss):
    """smooth_l1_loss as a Module."""

    _options = ("beta",)
    _live = _zero_counts = frozenset({"beta"})

    def __init__(self, reduction: str = "mean", beta: float = 1.0):
        super().__init__(reduction)
        check_beta(beta)
        self.beta = beta

    def forward(self, input: Any, target: Any) -> Tensor:
        return smooth_l1_loss(input, target, self.reduction, hyper(self, "beta"))


class BCEWithLogitsLoss(_Loss):
    """binary_cross_entropy_with_logits as a Module; weight and pos_weight are buffers."""

    weight: Tensor | None
    pos_weight: Tensor | None

    def __init__(self, weight: Any = None, reduction: str = "mean", pos_weight: Any = None):
        super().__init__(reduction)
        self.register_buffer("weight", weight)
        self.register_buffer("pos_weight", pos_weight)

    def forward(self, input: Any, target: Any) -> Tensor:
        return binary_cross_entropy_with_logits(
            input, target, self.weight, self.reduction, self.pos_weight
        )


class CrossEntropyLoss(_Loss):
    """cross_entropy as a Module; weight is a buffer."""

    weight: Tensor | None
    _options = ("ignore_index", "label_smoothing")
    _live = _zero_counts = frozenset({"label_smoothing"})

    def __init__(
        self,
        weight: Any = None,
        ignore_index: int = -100,
        reduction: str = "mean",
        label_smoothing: float = 0.0,
    ):
        super().__init__(reduction)
        check_smoothing(label_smoothing)
        self.register_buffer("weight", weight)
        self.ignore_index = ignore_index
        self.label_smoothing = label_smoothing

    def forward(self, input: Any, target: Any) -> Tensor:
        return cross_entropy(
            input,
            target,
            self.weight,
            self.ignore_index,
            self.reduction,
            hyper(self, "label_smoothing"),
        )
