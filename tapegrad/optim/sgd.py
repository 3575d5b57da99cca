"""Stochastic gradient descent."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

from ..engine.recording import is_number
from .optimizer import Optimizer, check_range


class SGD(Optimizer):
    """Gradient descent with momentum, PyTorch's formulas.

    g = grad + weight_decay p; v = momentum v + (1 - dampening) g, g at the first step;
    p -= lr v, or lr (g + momentum v) if nesterov.
    A moment that is subnormal (not in float16) is 0.

    Args:
        params: Parameters or groups, see Optimizer.
        lr: learning rate.
        momentum: decay of the velocity v; 0 makes none, and leaves one that is there alone.
        dampening: how much of each new gradient is left out of v.
        weight_decay: L2 penalty's factor.
        nesterov: look ahead along v; needs momentum and no dampening.
        maximize: ascend.
    """

    kind = "sgd"
    states = ("momentum_buffer",)

    def __init__(
        self,
        params: Iterable,
        lr: float = 1e-3,
        momentum: float = 0.0,
        dampening: float = 0.0,
        weight_decay: float = 0.0,
        nesterov: bool = False,
        *,
        maximize: bool = False,
    ):
        defaults = {
            "lr": lr,
            "momentum": momentum,
            "dampening": dampening,
            "weight_decay": weight_decay,
            "nesterov": nesterov,
            "maximize": maximize,
        }
        super().__init__(params, defaults)

    def _check(self, group: dict[str, Any]) -> None:
        for name in ("lr", "momentum", "weight_decay"):
            check_range(name, group[name], low=0.0)
        if not is_number(group["dampening"]) or not math.isfinite(group["dampening"]):
            raise ValueError(f"dampening={group['dampening']!r}: it must be a finite number")
        if group["nesterov"] and (group["momentum"] <= 0 or group["dampening"] != 0):
            raise ValueError("nesterov=True needs momentum above 0 and dampening 0")

    def _n_states(self, group: dict[str, Any]) -> int:
        return int(group["momentum"] != 0)

    def _hyper(self, group: dict[str, Any]) -> tuple:
        return (
            group["lr"],
            group["momentum"],
            group["dampening"],
            group["weight_decay"],
            group["nesterov"],
            group["maximize"],
        )
