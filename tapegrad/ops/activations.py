"""Activations that take a number: their rows under the arguments users write."""

from __future__ import annotations

from typing import Any

from ..tensor import Tensor
from . import elementwise as rows


def leaky_relu(x: Any, negative_slope: float = 0.01) -> Tensor:
    """x where positive, negative_slope * x elsewhere."""
    return rows.leaky_relu(x, (_number("leaky_relu: negative_slope", negative_slope),))


def elu(x: Any, alpha: float = 1.0) -> Tensor:
    """x where positive, alpha * (exp(x) - 1) elsewhere."""
    return rows.elu(x, (_number("elu: alpha", alpha),))


def _number(name: str, value: Any) -> float:
    """A plain number; a Tensor would lose its derivative here."""
    if isinstance(value, Tensor):
        raise TypeError(
            f"{name} is a number, not a Tensor; to learn it write the formula, with "
            "tapegrad.numpy.where(x > 0, ...)"
        )
    return float(value)


def gelu(x: Any, approximate: str = "none") -> Tensor:
    """x times the normal distribution function of x.

    Args:
        approximate: "none" for the exact form, "tanh" for the one by tanh.
    """
    if approximate not in ("none", "tanh"):
        raise ValueError(f"gelu: approximate={approximate!r}; choose 'none' or 'tanh'")
    return rows.gelu(x) if approximate == "none" else rows.gelu_tanh(x)
