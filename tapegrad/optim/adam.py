"""Adam and AdamW."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from .optimizer import Optimizer, check_range


class Adam(Optimizer):
    """Adam: steps scaled by running means of the gradient and of its square.

    m += (1 - beta1) (g - m); v = beta2 v + (1 - beta2) g g;
    p -= lr / (1 - beta1^t) m / (sqrt(v / (1 - beta2^t)) + eps), t counting the parameter's steps.
    A moment that is subnormal (not in float16) is 0.

    Args:
        params: Parameters or groups, see Optimizer.
        lr: learning rate.
        betas: decay of the two running means.
        eps: added to the denominator.
        weight_decay: L2 penalty's factor, added to the gradient.
        amsgrad: use the largest v so far.
        maximize: ascend.
    Source: Kingma & Ba (2015), Adam: a method for stochastic optimization; Reddi et al. (2018),
        On the convergence of Adam and beyond.
    """

    kind = "adam"
    states = ("exp_avg", "exp_avg_sq", "max_exp_avg_sq")
    is_decoupled = False

    def __init__(
        self,
        params: Iterable,
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0.0,
        amsgrad: bool = False,
        *,
        maximize: bool = False,
    ):
        defaults = {
            "lr": lr,
            "betas": betas,
            "eps": eps,
            "weight_decay": weight_decay,
            "amsgrad": amsgrad,
            "maximize": maximize,
        }
        super().__init__(params, defaults)

    def _check(self, group: dict[str, Any]) -> None:
        for name in ("lr", "eps", "weight_decay"):
            check_range(name, group[name], low=0.0)
        if not isinstance(group["betas"], (tuple, list)) or len(group["betas"]) != 2:
            raise ValueError(f"betas={group['betas']!r}: give two numbers")
        for beta in group["betas"]:
            check_range("betas", beta, low=0.0, below=1.0)

    def _n_states(self, group: dict[str, Any]) -> int:
        return 3 if group["amsgrad"] else 2

    def _hyper(self, group: dict[str, Any]) -> tuple:
        beta1, beta2 = group["betas"]
        return (
            group["lr"],
            beta1,
            beta2,
            group["eps"],
            group["weight_decay"],
            self.is_decoupled,
            group["amsgrad"],
            group["maximize"],
        )


class AdamW(Adam):
    """Adam with decoupled weight decay: p *= 1 - lr weight_decay before each update.

    Arguments as Adam's; weight_decay is 1e-2 unless given.
    Source: Loshchilov & Hutter (2019), Decoupled weight decay regularization.
    """

    is_decoupled = True

    def __init__(
        self,
        params: Iterable,
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 1e-2,
        amsgrad: bool = False,
        *,
        maximize: bool = False,
    ):
        super().__init__(params, lr, betas, eps, weight_decay, amsgrad, maximize=maximize)
