"""Layers: Linear, Sequential, MLP, Dropout."""

from __future__ import annotations

import math
import operator
from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Any

from ..engine.recording import hyper
from ..engine.select import apply
from ..ops.table import OPS
from . import init
from .activations import ACTIVATIONS, activation_of
from .functional import check_probability, dropout
from .module import Module

_LINEAR = OPS["linear"]


class Linear(Module):
    """x @ weight.T + bias over the last axis.

    Args:
        in_features, out_features: sizes of the last axis before and after.
        bias: add one.
        dtype: of the parameters; default get_default_dtype().
        generator: draws the initial values instead of tapegrad's stream.
    Attributes:
        weight: (out_features, in_features); bias: (out_features,), or None. Both start uniform
            in +-1/sqrt(in_features), as PyTorch's.
    """

    def __init__(
        self,
        in_features: int,
        out_features: int,
        bias: bool = True,
        dtype: Any = None,
        *,
        generator: Any = None,
    ):
        self.in_features = _size("in_features", in_features)
        self.out_features = _size("out_features", out_features)
        self.weight = init.empty(self.out_features, self.in_features, dtype=dtype)
        init.kaiming_uniform_(self.weight, a=math.sqrt(5), generator=generator)
        self.bias = None
        if bias:
            bound = 1 / math.sqrt(self.in_features)
            self.bias = init.empty(self.out_features, dtype=dtype)
            init.uniform_(self.bias, -bound, bound, generator)

    def forward(self, x: Any) -> Any:
        if self.bias is None:
            return apply(_LINEAR.id, (x, self.weight))
        return apply(_LINEAR.id, (x, self.weight, self.bias))

    __call__ = forward

    def extra_repr(self) -> str:
        return (
            f"in_features={self.in_features}, out_features={self.out_features}, "
            f"bias={self.bias is not None}"
        )


def _size(name: str, size: Any) -> int:
    try:
        n = operator.index(size)
    except TypeError:
        raise TypeError(f"Linear: {name}={size!r}; it must be an integer") from None
    if n < 1:
        raise ValueError(f"Linear: {name}={n}; it must be at least 1")
    return n


class Sequential(Module):
    """Modules one after the other, each called with what the one before returned.

    Indexing, slicing, len, iteration and append as a list's. Parameters are named by position.
    """

    def __init__(self, *modules: Module):
        self._layers: tuple[Module, ...] = ()  # a tuple: layers change by assignment only
        for module in modules:
            self.append(module)

    def append(self, module: Module) -> Sequential:
        """Add a module behind the last; returns self."""
        if not isinstance(module, Module):
            raise TypeError(
                f"{type(self).__name__}: expected a Module, got {type(module).__name__}; "
                "the activations are modules too: nn.Tanh()"
            )
        self._layers = (*self._layers, module)
        return self

    def forward(self, x: Any) -> Any:
        for layer in self._layers:
            x = layer(x)
        return x

    __call__ = forward

    def _members(self) -> Iterator[tuple[str, Any]]:
        for i, layer in enumerate(self._layers):
            yield str(i), layer
        for name, value in super()._members():
            if not name.startswith("_layers."):
                yield name, value

    def __getitem__(self, index: Any) -> Any:
        if isinstance(index, slice):
            return Sequential(*self._layers[index])
        return self._layers[index]

    def __len__(self) -> int:
        return len(self._layers)

    def __iter__(self) -> Iterator[Module]:
        return iter(self._layers)


class MLP(Sequential):
    """A multilayer perceptron: Linear layers with an activation between each two.

    Args:
        in_features: size of the input's last axis.
        sizes: of the hidden layers, then of the output.
        activation: a name ("relu", "tanh" ...), or a Module class or function without arguments
            that makes one.
        bias, dtype, generator: as Linear's.
    """

    def __init__(
        self,
        in_features: int,
        sizes: Sequence[int],
        activation: Any = "relu",
        *,
        bias: bool = True,
        dtype: Any = None,
        generator: Any = None,
    ):
        super().__init__()
        make = activation_of(activation)
        try:
            widths = [in_features, *sizes]
        except TypeError:
            raise TypeError(f"MLP: sizes={sizes!r}; give a list, [hidden ..., out]") from None
        if len(widths) == 1:
            raise ValueError("MLP: sizes is empty; give [hidden ..., out]")
        for k, (before, after) in enumerate(pairwise(widths)):
            if k:
                self.append(make())
            self.append(Linear(before, after, bias, dtype, generator=generator))


class Dropout(Module):
    """While training, zero each element with probability p and scale the others by 1 / (1 - p).

    Args:
        p: probability of a zero.
        generator: draws the masks instead of tapegrad's stream.
    """

    _live = _zero_counts = frozenset({"p"})

    def __init__(self, p: float = 0.5, *, generator: Any = None):
        check_probability("Dropout", p)
        self.p = p
        self.generator = generator

    def forward(self, x: Any) -> Any:
        return dropout(x, hyper(self, "p"), self.training, generator=self.generator)

    __call__ = forward

    def extra_repr(self) -> str:
        return f"p={self.p}"


__all__ = ["ACTIVATIONS", "Dropout", "Linear", "MLP", "Sequential"]
