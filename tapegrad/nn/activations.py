"""Activations as modules, PyTorch's names and arguments."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..engine.recording import here, hyper
from ..ops.activations import checked
from . import functional as F
from .module import Module


class Identity(Module):
    """x."""

    def forward(self, x: Any) -> Any:
        return x

    __call__ = forward


class ReLU(Module):
    """max(x, 0)."""

    def forward(self, x: Any) -> Any:
        return F.relu(x)

    __call__ = forward


class LeakyReLU(Module):
    """x where it is positive, negative_slope x elsewhere."""

    _live = frozenset({"negative_slope"})

    def __init__(self, negative_slope: float = 0.01):
        self.negative_slope = checked("LeakyReLU: negative_slope", negative_slope)

    def forward(self, x: Any) -> Any:
        slope = self.negative_slope if here.recorder is None else hyper(self, "negative_slope")
        return F.leaky_relu(x, slope)

    __call__ = forward

    def extra_repr(self) -> str:
        return f"negative_slope={self.negative_slope}"


class ELU(Module):
    """x where it is positive, alpha (exp(x) - 1) elsewhere."""

    _live = frozenset({"alpha"})

    def __init__(self, alpha: float = 1.0):
        self.alpha = checked("ELU: alpha", alpha)

    def forward(self, x: Any) -> Any:
        alpha = self.alpha if here.recorder is None else hyper(self, "alpha")
        return F.elu(x, alpha)

    __call__ = forward

    def extra_repr(self) -> str:
        return f"alpha={self.alpha}"


class GELU(Module):
    """x times the normal distribution function of x; by erf, or approximate="tanh"."""

    def __init__(self, approximate: str = "none"):
        if approximate not in ("none", "tanh"):
            raise ValueError(f"GELU: approximate={approximate!r}; choose 'none' or 'tanh'")
        self.approximate = approximate

    def forward(self, x: Any) -> Any:
        return F.gelu(x, self.approximate)

    __call__ = forward

    def extra_repr(self) -> str:
        return f"approximate={self.approximate!r}"


class SiLU(Module):
    """x sigmoid(x)."""

    def forward(self, x: Any) -> Any:
        return F.silu(x)

    __call__ = forward


class Softplus(Module):
    """log(1 + exp(x))."""

    def forward(self, x: Any) -> Any:
        return F.softplus(x)

    __call__ = forward


class Tanh(Module):
    """tanh(x)."""

    def forward(self, x: Any) -> Any:
        return F.tanh(x)

    __call__ = forward


class Sigmoid(Module):
    """1 / (1 + exp(-x))."""

    def forward(self, x: Any) -> Any:
        return F.sigmoid(x)

    __call__ = forward


class Softmax(Module):
    """exp(x) / sum(exp(x)) along dim."""

    def __init__(self, dim: int = -1):
        self.dim = dim

    def forward(self, x: Any) -> Any:
        return F.softmax(x, self.dim)

    __call__ = forward

    def extra_repr(self) -> str:
        return f"dim={self.dim}"


class LogSoftmax(Softmax):
    """log(softmax(x)) along dim."""

    def forward(self, x: Any) -> Any:
        return F.log_softmax(x, self.dim)

    __call__ = forward


ACTIVATIONS: dict[str, type[Module]] = {
    "identity": Identity,
    "relu": ReLU,
    "leaky_relu": LeakyReLU,
    "elu": ELU,
    "gelu": GELU,
    "silu": SiLU,
    "softplus": Softplus,
    "tanh": Tanh,
    "sigmoid": Sigmoid,
}


def activation_of(activation: Any) -> Callable[[], Module]:
    """What makes the activation modules of a network: a class, by its name or itself.

    Raises:
        ValueError: for a name there is none of.
    """
    if isinstance(activation, str):
        if activation not in ACTIVATIONS:
            raise ValueError(f"activation={activation!r}: choose one of {', '.join(ACTIVATIONS)}")
        return ACTIVATIONS[activation]
    if isinstance(activation, Module) or not callable(activation):
        raise TypeError(
            f"activation: give a name, or a class such as nn.Tanh, not {activation!r}: "
            "each layer makes its own"
        )
    return lambda: _made_by(activation)


def _made_by(activation: Callable) -> Module:
    try:
        return activation()
    except TypeError as error:
        raise TypeError(
            f"activation: {activation!r} must make a Module when it is called without arguments, "
            f"as nn.Tanh does: {error}"
        ) from error
