"""Contenders in training steps of small networks, the same mathematics in each library.

The networks, and the contenders that `tapegrad bench` times, are tapegrad.cli.networks's.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from tapegrad.cli.networks import (
    BETA1,
    BETA2,
    EPS,
    Case,
    Step,
    jax_jit,
    tapegrad_native,
    tapegrad_numpy,
    torch_eager,
    torch_step,
)

# --- NumPy by hand -------------------------------------------------------------------------------


def numpy_by_hand(case: Case, lr: float) -> Step:
    """Forward, backward and update written out in NumPy, in place where that is quicker."""
    x, y = case.data()
    params = [a.copy() for pair in case.weights() for a in pair]
    n_layers = len(params) // 2
    first = [np.zeros_like(p) for p in params]
    second = [np.zeros_like(p) for p in params]
    rows = np.arange(case.batch)
    t = 0

    def loss_and_cotangent(z):
        if case.loss == "bce":
            e = np.exp(-np.abs(z))
            loss = (np.maximum(z, 0) - z * y + np.log1p(e)).mean()
            sigmoid = np.where(z >= 0, 1, e) / (1 + e)
            return loss, (sigmoid - y) / np.float32(z.size)
        if case.loss == "mse":
            d = z - y
            return (d * d).mean(), d * np.float32(2 / z.size)
        z = z - z.max(axis=1, keepdims=True)
        e = np.exp(z)
        total = e.sum(axis=1, keepdims=True)
        loss = (np.log(total[:, 0]) - z[rows, y]).mean()
        e /= total
        e[rows, y] -= 1
        e /= np.float32(len(rows))
        return loss, e

    def run():
        nonlocal t
        activations = [x]
        for k in range(n_layers):
            h = activations[-1] @ params[2 * k].T
            h += params[2 * k + 1]
            if k < n_layers - 1:
                h = np.tanh(h, out=h) if case.activation == "tanh" else np.maximum(h, 0, out=h)
            activations.append(h)
        loss, ct = loss_and_cotangent(activations[-1])
        grads = [None] * len(params)
        for k in reversed(range(n_layers)):
            h = activations[k]
            grads[2 * k] = ct.T @ h
            grads[2 * k + 1] = ct.sum(axis=0)
            if k:
                ct = ct @ params[2 * k]
                ct *= 1 - h * h if case.activation == "tanh" else h > 0
        t += 1
        for p, g, m, v in zip(params, grads, first, second):
            if case.optimizer == "sgd":
                p -= lr * g
                continue
            m *= BETA1
            m += (1 - BETA1) * g
            v *= BETA2
            v += (1 - BETA2) * (g * g)
            root = np.sqrt(v)
            root /= (1 - BETA2**t) ** 0.5
            root += EPS
            p -= (lr / (1 - BETA1**t)) * m / root
        return loss

    return Step(run)


def torch_fused(case: Case, lr: float) -> Step:
    """torch, eager, fused=True optimizer."""
    return torch_step(case, lr, fused=True)


# --- HIPS autograd -------------------------------------------------------------------------------


def hips_autograd(case: Case, lr: float) -> Step:
    """HIPS autograd over NumPy, the update in NumPy."""
    import autograd.numpy as anp
    from autograd import value_and_grad
    from autograd.scipy.special import logsumexp

    x, y = case.data()
    params = [a.copy() for pair in case.weights() for a in pair]
    onehot = np.eye(case.sizes[-1], dtype=np.float32)[y] if case.loss == "ce" else None
    first = [np.zeros_like(p) for p in params]
    second = [np.zeros_like(p) for p in params]
    t = 0

    def loss_of(params):
        h = x
        for k in range(len(params) // 2):
            h = anp.dot(h, params[2 * k].T) + params[2 * k + 1]
            if k < len(params) // 2 - 1:
                h = anp.tanh(h) if case.activation == "tanh" else anp.maximum(h, 0)
        if case.loss == "bce":
            return anp.mean(anp.logaddexp(0, h) - h * y)
        if case.loss == "mse":
            return anp.mean((h - y) ** 2)
        return anp.mean(logsumexp(h, axis=1) - anp.sum(h * onehot, axis=1))

    both = value_and_grad(loss_of)

    def run():
        nonlocal t
        loss, grads = both(params)
        t += 1
        for p, g, m, v in zip(params, grads, first, second):
            if case.optimizer == "sgd":
                p -= lr * g
                continue
            m += (1 - BETA1) * (g - m)
            v += (1 - BETA2) * (g * g - v)
            p -= lr / (1 - BETA1**t) * m / (np.sqrt(v) / (1 - BETA2**t) ** 0.5 + EPS)
        return loss

    return Step(run)


CONTENDERS: dict[str, Callable[[Case, float], Step]] = {
    "tapegrad": tapegrad_native,
    "tapegrad, NumPy engine": tapegrad_numpy,
    "NumPy by hand": numpy_by_hand,
    "torch eager": torch_eager,
    "torch fused": torch_fused,
    "JAX jit": jax_jit,
    "autograd": hips_autograd,
}
