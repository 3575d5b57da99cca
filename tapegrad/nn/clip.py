"""Bounds on gradients, between backward and the optimizer's step."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

from ..engine.recording import hyper, is_number, operand
from ..errors import DTypeError
from ..numpy import abs, isfinite, maximum, minimum, sqrt
from ..ops.composite import clip
from ..switches import no_grad
from ..tensor import Tensor, asarray
from .module import Module


@no_grad()
def clip_grad_norm_(
    parameters: Tensor | Iterable[Tensor],
    max_norm: float,
    norm_type: float = 2.0,
    error_if_nonfinite: bool = False,
) -> Tensor:
    """Scale all gradients together so that the norm of their norms is at most max_norm.

    Args:
        parameters: those without a gradient are left out.
        norm_type: p of the p-norm; infinity is allowed.
        error_if_nonfinite: raise instead of scaling by a norm that is inf or nan.
    Returns:
        The norm before scaling, a scalar Tensor.
    Raises:
        FloatingPointError: see error_if_nonfinite; no gradient has changed then.
        ValueError: for a max_norm below 0, a norm_type not above 0.
    """
    _check_bound("clip_grad_norm_: max_norm", max_norm)
    if not is_number(norm_type) or not norm_type > 0:
        raise ValueError(f"clip_grad_norm_: norm_type={norm_type!r}; it must be a number above 0")
    params, grads = _gradients(parameters)
    total = asarray(0.0)
    for n, g in enumerate(grads):
        norm = _norm(g, norm_type)
        total = norm if n == 0 else _join(total, norm, norm_type)
    if error_if_nonfinite and not isfinite(total):
        raise FloatingPointError(
            f"clip_grad_norm_: the norm of the gradients is {total}; "
            "pass error_if_nonfinite=False to scale by it all the same"
        )
    bound = operand(max_norm, total.dtype, fits=_is_bound)
    scale = minimum(bound / (total + 1e-6), 1.0)
    for p, g in zip(params, grads):
        p.grad = g * scale.astype(g.dtype)
    return total


def _norm(g: Tensor, p: float) -> Tensor:
    """The p-norm of all elements, 0-d and real."""
    if g.dtype.kind == "c":
        g = abs(g)
    if p == 2:
        return sqrt((g * g).sum())
    if math.isinf(p):
        return abs(g).max() if g.size else g.sum()
    return (abs(g) ** p).sum() ** (1 / p)


def _join(a: Tensor, b: Tensor, p: float) -> Tensor:
    """The p-norm of two norms."""
    if p == 2:
        return sqrt(a * a + b * b)
    if math.isinf(p):
        return maximum(a, b)
    return (a**p + b**p) ** (1 / p)


@no_grad()
def clip_grad_value_(parameters: Tensor | Iterable[Tensor], clip_value: float) -> None:
    """Clip every element of every gradient into [-clip_value, clip_value].

    Raises:
        DTypeError: for a complex gradient, as complex numbers have no order; none has changed then.
    """
    _check_bound("clip_grad_value_: clip_value", clip_value)
    params, grads = _gradients(parameters)
    for n, g in enumerate(grads):
        if g.dtype.kind == "c":
            raise DTypeError(
                f"clip_grad_value_: gradient {n}, of shape {g.shape}, is {g.dtype}, and complex "
                "numbers have no order; clip_grad_norm_ scales them"
            )
    for p, g in zip(params, grads):
        bound = operand(clip_value, g.dtype, fits=_is_bound)
        p.grad = clip(g, -bound, bound)


class ClipGradNorm(Module):
    """clip_grad_norm_ with a bound of its own, which compiled steps read anew at each call.

    Args:
        max_norm, norm_type, error_if_nonfinite: as clip_grad_norm_'s. A step that is compiled and
            gives clip_grad_norm_ a number has it for a constant, and is recorded again when the
            number changes; `clip.max_norm = 0.5` between calls records nothing.

    Call it with parameters, between backward and the optimizer's step.
    """

    _live = frozenset({"max_norm"})

    def __init__(self, max_norm: float, norm_type: float = 2.0, error_if_nonfinite: bool = False):
        _check_bound("ClipGradNorm: max_norm", max_norm)
        self.max_norm = max_norm
        self.norm_type = norm_type
        self.error_if_nonfinite = error_if_nonfinite

    def forward(self, parameters: Tensor | Iterable[Tensor]) -> Tensor:
        """Scale the gradients; the norm before that, a scalar Tensor."""
        max_norm = hyper(self, "max_norm")
        return clip_grad_norm_(parameters, max_norm, self.norm_type, self.error_if_nonfinite)

    __call__ = forward

    def extra_repr(self) -> str:
        return f"max_norm={self.max_norm}, norm_type={self.norm_type}"


class ClipGradValue(Module):
    """clip_grad_value_ with a bound of its own, which compiled steps read anew at each call.

    Args:
        clip_value: as clip_grad_value_'s.
    """

    _live = frozenset({"clip_value"})

    def __init__(self, clip_value: float):
        _check_bound("ClipGradValue: clip_value", clip_value)
        self.clip_value = clip_value

    def forward(self, parameters: Tensor | Iterable[Tensor]) -> None:
        """Clip the gradients."""
        clip_grad_value_(parameters, hyper(self, "clip_value"))

    __call__ = forward

    def extra_repr(self) -> str:
        return f"clip_value={self.clip_value}"


def _is_bound(value: Any) -> bool:
    return is_number(value) and bool(value >= 0)


def _check_bound(name: str, value: Any) -> None:
    if not isinstance(value, Tensor) and not _is_bound(value):
        raise ValueError(f"{name}={value!r}; it must be a number, at least 0")


def _gradients(parameters: Any) -> tuple[list[Tensor], list[Tensor]]:
    is_many = isinstance(parameters, Iterable) and not isinstance(parameters, Tensor)
    params = list(parameters) if is_many else [parameters]
    for p in params:
        if not isinstance(p, Tensor):
            raise TypeError(
                f"parameters: expected Parameters, got {type(p).__name__}; give "
                "model.parameters() for example"
            )
    pairs = [(p, p.grad) for p in params]
    kept = [(p, g) for p, g in pairs if g is not None]
    return [p for p, _ in kept], [g for _, g in kept]
