"""Whole training steps of small networks, the same mathematics in each library.

A contender is built from a Case and a learning rate; it is a Step: call it for one step on the
case's one batch, and it returns the loss, in the library's own type.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

BETA1, BETA2, EPS = 0.9, 0.999, 1e-8


@dataclass(frozen=True)
class Case:
    """A network, its loss and its optimizer."""

    sizes: tuple[int, ...]
    activation: str  # tanh, relu
    loss: str  # bce, mse, ce
    optimizer: str  # sgd, adam
    batch: int

    @property
    def name(self) -> str:
        network = "-".join(map(str, self.sizes))
        return f"{network} {self.activation} {self.loss} {self.optimizer} b{self.batch}"

    def data(self) -> tuple[np.ndarray, np.ndarray]:
        """One batch, float32; labels int64 for ce."""
        rng = np.random.default_rng(0)
        x = rng.normal(size=(self.batch, self.sizes[0])).astype(np.float32)
        n = self.sizes[-1]
        if self.loss == "ce":
            return x, rng.integers(0, n, self.batch)
        if self.loss == "bce":
            return x, rng.integers(0, 2, (self.batch, n)).astype(np.float32)
        return x, rng.normal(size=(self.batch, n)).astype(np.float32)

    def weights(self) -> list[tuple[np.ndarray, np.ndarray]]:
        """(weight (out, in), bias (out,)) of each layer, as Linear starts them."""
        rng = np.random.default_rng(1)
        found = []
        for n_in, n_out in zip(self.sizes, self.sizes[1:]):
            bound = 1 / np.sqrt(n_in)
            w = rng.uniform(-bound, bound, (n_out, n_in)).astype(np.float32)
            found.append((w, rng.uniform(-bound, bound, n_out).astype(np.float32)))
        return found


CASES = (
    Case((2, 16, 16, 1), "tanh", "bce", "sgd", 32),
    Case((8, 64, 64, 4), "tanh", "mse", "adam", 64),
    Case((64, 128, 64, 10), "relu", "ce", "adam", 64),
    Case((784, 256, 128, 10), "relu", "ce", "adam", 128),
)


@dataclass(frozen=True)
class Step:
    """One contender, ready to run."""

    run: Callable[[], object]
    finish: Callable[[], object] | None = None  # waits for what run() left running


# --- tapegrad ------------------------------------------------------------------------------------


def tapegrad_native(case: Case, lr: float) -> Step:
    """tapegrad, eager, on the native engine."""
    return _tapegrad(case, lr, "native")


def tapegrad_numpy(case: Case, lr: float) -> Step:
    """tapegrad, eager, on the NumPy engine."""
    return _tapegrad(case, lr, "numpy")


def _tapegrad(case: Case, lr: float, engine: str) -> Step:
    import tapegrad as tg
    from tapegrad import nn, optim, tape

    with tg.use_backend(engine):
        net = nn.MLP(case.sizes[0], list(case.sizes[1:]), case.activation)
        for layer, (w, b) in zip([m for m in net if isinstance(m, nn.Linear)], case.weights()):
            layer.weight.assign(w)
            layer.bias.assign(b)
        x, y = (tg.tensor(a) for a in case.data())
        rule = optim.SGD if case.optimizer == "sgd" else optim.Adam
        optimizer = rule(net.parameters(), lr=lr)
    loss_of = {
        "bce": nn.binary_cross_entropy_with_logits,
        "mse": nn.mse_loss,
        "ce": nn.cross_entropy,
    }[case.loss]

    def run():
        with tape():
            loss = loss_of(net(x), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return loss

    def run_here():
        with tg.use_backend(engine):
            return run()

    # the native engine is in force; only the other one needs a switch around each step
    return Step(run if tg.backend() == engine else run_here)


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


# --- torch ---------------------------------------------------------------------------------------


def torch_eager(case: Case, lr: float) -> Step:
    """torch, eager, its default optimizer."""
    return _torch(case, lr, {})


def torch_fused(case: Case, lr: float) -> Step:
    """torch, eager, fused=True optimizer."""
    return _torch(case, lr, {"fused": True})


def _torch(case: Case, lr: float, options: dict) -> Step:
    import torch

    torch.set_num_threads(1)
    layers = []
    for w, b in case.weights():
        layer = torch.nn.Linear(w.shape[1], w.shape[0])
        with torch.no_grad():
            layer.weight.copy_(torch.from_numpy(w))
            layer.bias.copy_(torch.from_numpy(b))
        activation = torch.nn.Tanh() if case.activation == "tanh" else torch.nn.ReLU()
        layers += [layer, activation]
    net = torch.nn.Sequential(*layers[:-1])
    x, y = map(torch.from_numpy, case.data())
    rule = torch.optim.SGD if case.optimizer == "sgd" else torch.optim.Adam
    optimizer = rule(net.parameters(), lr=lr, **options)
    loss_of = {
        "bce": torch.nn.functional.binary_cross_entropy_with_logits,
        "mse": torch.nn.functional.mse_loss,
        "ce": torch.nn.functional.cross_entropy,
    }[case.loss]

    def run():
        loss = loss_of(net(x), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return loss

    return Step(run)


# --- JAX -----------------------------------------------------------------------------------------


def jax_jit(case: Case, lr: float) -> Step:
    """JAX, the whole step under one jit, state donated."""
    import jax
    import jax.numpy as jnp

    def loss_of(params, x, y):
        h = x
        for k, (w, b) in enumerate(params):
            h = h @ w.T + b
            if k < len(params) - 1:
                h = jnp.tanh(h) if case.activation == "tanh" else jax.nn.relu(h)
        if case.loss == "bce":
            return jnp.mean(jax.nn.softplus(h) - h * y)
        if case.loss == "mse":
            return jnp.mean(jnp.square(h - y))
        picked = jnp.take_along_axis(h, y[:, None], axis=1)[:, 0]
        return jnp.mean(jax.nn.logsumexp(h, axis=1) - picked)

    def sgd(state, x, y):
        loss, grads = jax.value_and_grad(loss_of)(state, x, y)
        return loss, jax.tree.map(lambda p, g: p - lr * g, state, grads)

    def adam(state, x, y):
        params, m, v, t = state
        loss, grads = jax.value_and_grad(loss_of)(params, x, y)
        t = t + 1
        m = jax.tree.map(lambda m, g: BETA1 * m + (1 - BETA1) * g, m, grads)
        v = jax.tree.map(lambda v, g: BETA2 * v + (1 - BETA2) * g * g, v, grads)
        scale, root = lr / (1 - BETA1**t), jnp.sqrt(1 - BETA2**t)
        params = jax.tree.map(
            lambda p, m, v: p - scale * m / (jnp.sqrt(v) / root + EPS), params, m, v
        )
        return loss, (params, m, v, t)

    weights = [(jnp.asarray(w), jnp.asarray(b)) for w, b in case.weights()]
    if case.optimizer == "sgd":
        step, state = jax.jit(sgd, donate_argnums=0), weights
    else:
        zeros = jax.tree.map(jnp.zeros_like, weights)
        state = (weights, zeros, jax.tree.map(jnp.zeros_like, weights), jnp.float32(0))
        step = jax.jit(adam, donate_argnums=0)
    x, y = map(jnp.asarray, case.data())

    def run():
        nonlocal state
        loss, state = step(state, x, y)
        return loss

    return Step(run, finish=lambda: jax.block_until_ready(state))


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


def losses(build: Callable[[Case, float], Step], case: Case, n: int, lr: float) -> list[float]:
    """The first n losses of a contender."""
    step = build(case, lr)
    return [step.run().item() for _ in range(n)]
