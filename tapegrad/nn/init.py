"""Initial values of parameters, drawn from the stream of tapegrad.manual_seed. PyTorch's names.

Each function writes the parameter it is given and returns it. fan_in and fan_out are the numbers
of inputs and outputs of a weight (out, in), times what its further axes hold.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..engine.recording import is_number
from ..errors import ShapeError
from ..parameter import Parameter, parameter
from ..random import generator_or_default
from .defaults import parameter_dtype

# gain that keeps the variance through each activation; PyTorch's values
GAINS = {
    "linear": 1.0,
    "sigmoid": 1.0,
    "tanh": 5.0 / 3.0,
    "relu": math.sqrt(2.0),
    "leaky_relu": math.sqrt(2.0 / (1 + 0.01**2)),
}


def calculate_gain(nonlinearity: str, param: float | None = None) -> float:
    """The factor by which weights before a nonlinearity are scaled.

    Args:
        nonlinearity: linear, sigmoid, tanh, relu or leaky_relu.
        param: leaky_relu's negative slope, 0.01 by default.
    """
    if not isinstance(nonlinearity, str) or nonlinearity not in GAINS:
        raise ValueError(f"nonlinearity={nonlinearity!r}: choose one of {', '.join(GAINS)}")
    if nonlinearity == "leaky_relu" and param is not None:
        return math.sqrt(2.0 / (1 + _number("leaky_relu's slope", param) ** 2))
    return GAINS[nonlinearity]


def empty(*shape: int, dtype: Any = None) -> Parameter:
    """A parameter of zeros, to be initialised."""
    return parameter(np.zeros(shape, parameter_dtype(dtype)))


def uniform_(p: Parameter, a: float = 0.0, b: float = 1.0, generator: Any = None) -> Parameter:
    """Draw from [a, b)."""
    _check(p)
    p.assign(generator_or_default(generator).uniform(a, b, p.shape, _drawn(p)))
    return p


def normal_(p: Parameter, mean: float = 0.0, std: float = 1.0, generator: Any = None) -> Parameter:
    """Draw from a normal distribution."""
    _check(p)
    p.assign(generator_or_default(generator).normal(mean, std, p.shape, _drawn(p)))
    return p


def constant_(p: Parameter, value: float) -> Parameter:
    """Fill with one value."""
    _check(p)
    p.assign(value)
    return p


def zeros_(p: Parameter) -> Parameter:
    """Fill with 0."""
    return constant_(p, 0.0)


def ones_(p: Parameter) -> Parameter:
    """Fill with 1."""
    return constant_(p, 1.0)


def kaiming_uniform_(
    p: Parameter,
    a: float = 0.0,
    mode: str = "fan_in",
    nonlinearity: str = "leaky_relu",
    generator: Any = None,
) -> Parameter:
    """Draw from +-gain sqrt(3 / fan). Source: He et al. (2015), Delving deep into rectifiers."""
    bound = calculate_gain(nonlinearity, a) * math.sqrt(3.0 / _fan(p, mode))
    return uniform_(p, -bound, bound, generator)


def kaiming_normal_(
    p: Parameter,
    a: float = 0.0,
    mode: str = "fan_in",
    nonlinearity: str = "leaky_relu",
    generator: Any = None,
) -> Parameter:
    """Draw with standard deviation gain / sqrt(fan). Source: as kaiming_uniform_."""
    std = calculate_gain(nonlinearity, a) / math.sqrt(_fan(p, mode))
    return normal_(p, 0.0, std, generator)


def xavier_uniform_(p: Parameter, gain: float = 1.0, generator: Any = None) -> Parameter:
    """Draw from +-gain sqrt(6 / (fan_in + fan_out)).

    Source: Glorot & Bengio (2010), Understanding the difficulty of training deep feedforward
    neural networks.
    """
    bound = _number("gain", gain) * math.sqrt(6.0 / sum(fans(p)))
    return uniform_(p, -bound, bound, generator)


def xavier_normal_(p: Parameter, gain: float = 1.0, generator: Any = None) -> Parameter:
    """Draw with standard deviation gain sqrt(2 / (fan_in + fan_out)). Source: as above."""
    std = _number("gain", gain) * math.sqrt(2.0 / sum(fans(p)))
    return normal_(p, 0.0, std, generator)


def fans(p: Parameter) -> tuple[int, int]:
    """(fan_in, fan_out) of a weight.

    Raises:
        ShapeError: for fewer than two axes. TypeError: for what is no Parameter.
    """
    _check(p)
    if p.ndim < 2:
        raise ShapeError(f"fan_in and fan_out need a weight (out, in, ...), got shape {p.shape}")
    field = math.prod(p.shape[2:])
    return max(p.shape[1] * field, 1), max(p.shape[0] * field, 1)


def _check(p: Any) -> None:
    if not isinstance(p, Parameter):
        raise TypeError(f"init writes Parameters, got {type(p).__name__}")


def _number(name: str, value: Any) -> Any:
    if not is_number(value):
        raise ValueError(f"{name}={value!r}: it must be a number")
    return value


def _fan(p: Parameter, mode: str) -> int:
    if mode not in ("fan_in", "fan_out"):
        raise ValueError(f"mode={mode!r}: choose 'fan_in' or 'fan_out'")
    return fans(p)[mode == "fan_out"]


def _drawn(p: Parameter) -> np.dtype:
    """The dtype to draw in; generators have two."""
    return p.dtype if p.dtype == np.float32 else np.dtype("f8")
