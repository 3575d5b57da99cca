"""The update rules of the optimizers: the specification of csrc/optim.c.

In a rule, p, g and the state arrays have one shape and a real dtype; p and the state are written, g
is not. t counts this parameter's updates, this one included. The formulas are PyTorch's, which too
takes a complex parameter for two real ones.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np


def _drop_subnormal(moment: np.ndarray) -> None:
    """Set to 0 what is subnormal, but in float16, which needs those numbers. Moments of what has no
    gradient any more decay to there and would stay, as less than half a unit is lost in rounding;
    each step would pay for it."""
    if moment.dtype != np.float16:
        moment[np.abs(moment) < np.finfo(moment.dtype).smallest_normal] = 0


def sgd(p: np.ndarray, g: np.ndarray, state: Sequence[np.ndarray], t: int, hyper: tuple) -> None:
    lr, momentum, dampening, weight_decay, nesterov, maximize = hyper
    if maximize:
        g = -g
    if weight_decay:
        g = g + weight_decay * p
    if momentum:
        (v,) = state
        v[...] = g if t == 1 else momentum * v + (1 - dampening) * g
        _drop_subnormal(v)
        g = g + momentum * v if nesterov else v
    p -= lr * g


def adam(p: np.ndarray, g: np.ndarray, state: Sequence[np.ndarray], t: int, hyper: tuple) -> None:
    lr, beta1, beta2, eps, weight_decay, is_decoupled, amsgrad, maximize = hyper
    m, v = state[:2]
    if maximize:
        g = -g
    if weight_decay and is_decoupled:
        p *= 1 - lr * weight_decay
    elif weight_decay:
        g = g + weight_decay * p
    m += (1 - beta1) * (g - m)
    v *= beta2
    v += (1 - beta2) * (g * g)
    _drop_subnormal(m)
    _drop_subnormal(v)
    if amsgrad:
        v = np.maximum(state[2], v, out=state[2])
    root = (1 - beta2**t) ** 0.5
    p -= lr * root / (1 - beta1**t) * (m / (np.sqrt(v) + eps * root))


RULES = {"sgd": sgd, "adam": adam}


def step(engine: Any, kind: str, slots: Any) -> None:
    """Update every parameter that has a gradient: see interface.Engine.optimizer_step."""
    for i, p in enumerate(slots.params):
        if p.grad is not None:
            update(engine, kind, slots, i, p.grad)


def update(engine: Any, kind: str, slots: Any, i: int, g: Any) -> None:
    """Update parameter i by its gradient g."""
    p = slots.params[i]
    slots.steps[i] += 1
    state = [engine.node_of(tensors[i]).array for tensors in slots.states.values()]
    t = int(slots.steps[i])
    engine.touch(p)
    for parts in _real(engine.node_of(p).array, engine.node_of(g).array, state):
        RULES[kind](*parts, t, slots.hyper)


def _real(p: np.ndarray, g: np.ndarray, state: list) -> Iterator[tuple]:
    """p, g and state as rules take them: of complex ones the real parts, then the imaginary ones.

    A gradient is dL/dx - 1j dL/dy: docs/complex.md.
    """
    if p.dtype.kind != "c":
        yield p, g, state
    else:
        yield p.real, g.real, [s.real for s in state]
        yield p.imag, -g.imag, [s.imag for s in state]
