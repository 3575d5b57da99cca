"""Activations that take an option: their rows under the arguments users write."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..engine.recording import Hyper, is_number, operand
from ..errors import DTypeError
from ..tensor import Tensor, asarray
from . import elementwise as rows


def leaky_relu(x: Any, negative_slope: Any = 0.01) -> Tensor:
    """x where positive, negative_slope x elsewhere; the slope may be learned, and broadcasts."""
    if type(negative_slope) is not float:
        x, negative_slope = _operands(x, checked("leaky_relu: negative_slope", negative_slope))
    return rows.leaky_relu(x, negative_slope)


def elu(x: Any, alpha: Any = 1.0) -> Tensor:
    """x where positive, alpha (exp(x) - 1) elsewhere; alpha may be learned, and broadcasts."""
    if type(alpha) is not float:
        x, alpha = _operands(x, checked("elu: alpha", alpha))
    return rows.elu(x, alpha)


def checked(what: str, number: Any) -> Any:
    """The number, or array or Tensor of some, as it is.

    Raises:
        DTypeError: naming it as `what`, if it is none.
    """
    if not is_number(number) and not isinstance(number, (Tensor, np.ndarray, list, tuple)):
        raise DTypeError(f"{what}={number!r}; it must be a number, or an array or Tensor of some")
    return number


def _operands(x: Any, number: Any) -> tuple[Any, Any]:
    """Both as a row takes them: x decides the dtype."""
    if not isinstance(number, Hyper):
        return x, float(number) if is_number(number) else number
    x = asarray(x)
    x = x * 1.0 if x.dtype.kind in "biu" else x  # integers leave it to a Tensor beside them
    return x, operand(number, x.dtype)


def gelu(x: Any, approximate: str = "none") -> Tensor:
    """x times the normal distribution function of x.

    Args:
        approximate: "none" for the exact form, "tanh" for the one by tanh.
    """
    if approximate not in ("none", "tanh"):
        raise ValueError(f"gelu: approximate={approximate!r}; choose 'none' or 'tanh'")
    return rows.gelu(x) if approximate == "none" else rows.gelu_tanh(x)
