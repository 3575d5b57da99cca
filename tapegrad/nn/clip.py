"""Bounds on gradients, between backward and the optimizer's step."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from ..tensor import Tensor


def clip_grad_norm_(
    parameters: Tensor | Iterable[Tensor],
    max_norm: float,
    norm_type: float = 2.0,
    error_if_nonfinite: bool = False,
) -> float:
    """Scale all gradients together so that the norm of their norms is at most max_norm.

    Args:
        parameters: those without a gradient are left out.
        norm_type: p of the p-norm; infinity is allowed.
        error_if_nonfinite: raise instead of scaling by a norm that is inf or nan.
    Returns:
        The norm before scaling.
    Raises:
        FloatingPointError: see error_if_nonfinite; no gradient has changed then.
    """
    params, grads = _gradients(parameters)
    norms = [np.linalg.norm(g.ravel(), norm_type) for g in grads if g.size]
    total = float(np.linalg.norm(norms, norm_type)) if norms else 0.0
    if error_if_nonfinite and not np.isfinite(total):
        raise FloatingPointError(
            f"clip_grad_norm_: the norm of the gradients is {total}; "
            "pass error_if_nonfinite=False to scale by it all the same"
        )
    scale = max_norm / (total + 1e-6)
    if not scale >= 1:
        for p, g in zip(params, grads):
            p.grad = g * g.dtype.type(scale)
    return total


def clip_grad_value_(parameters: Tensor | Iterable[Tensor], clip_value: float) -> None:
    """Clip every element of every gradient into [-clip_value, clip_value]."""
    for p, g in zip(*_gradients(parameters)):
        p.grad = np.clip(g, -clip_value, clip_value)


def _gradients(parameters: Any) -> tuple[list[Tensor], list[np.ndarray]]:
    params = [parameters] if isinstance(parameters, Tensor) else list(parameters)
    found = [(p, p.grad) for p in params]
    with_grad = [(p, g.numpy()) for p, g in found if g is not None]
    return [p for p, _ in with_grad], [g for _, g in with_grad]
