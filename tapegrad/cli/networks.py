"""Whole training steps of small networks, the same mathematics in each library.

A contender is built from a Case and a learning rate; it is a Step: call it for one step on the
case's one batch, and it returns the loss, in the library's own type. Every library is told to use
one thread. benchmarks/ adds contenders to these.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

import tapegrad as tg
from tapegrad import nn, optim, tape
from tapegrad.cli.timing import Times, interleave
from tapegrad.errors import TapegradError

BETA1, BETA2, EPS = 0.9, 0.999, 1e-8
# A learning rate that leaves the network as it is, however many steps are timed.
STILL = 1e-6


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

    run: Callable[[], Any]
    finish: Callable[[], object] | None = None  # waits for what run() left running


# --- tapegrad ------------------------------------------------------------------------------------


def tapegrad_native(case: Case, lr: float) -> Step:
    """tapegrad, eager, on the native engine."""
    return _tapegrad(case, lr, "native")


def tapegrad_numpy(case: Case, lr: float) -> Step:
    """tapegrad, eager, on the NumPy engine."""
    return _tapegrad(case, lr, "numpy")


def _tapegrad(case: Case, lr: float, engine: str) -> Step:
    with tg.use_backend(engine):
        step = training_step(case, lr)
        x, y = (tg.tensor(a) for a in case.data())

    def run():
        return step(x, y)

    def run_here():
        with tg.use_backend(engine):
            return run()

    # the native engine is in force; only the other one needs a switch around each step
    return Step(run if tg.backend() == engine else run_here)


def training_step(case: Case, lr: float) -> Callable[[Any, Any], tg.Tensor]:
    """step(x, y) -> loss: forward, backward, update of the case's network."""
    net = nn.MLP(case.sizes[0], list(case.sizes[1:]), case.activation)
    values = (array for pair in case.weights() for array in pair)
    for p, value in zip(net.parameters(), values):
        p.assign(value)
    rule = optim.SGD if case.optimizer == "sgd" else optim.Adam
    optimizer = rule(net.parameters(), lr=lr)
    losses: dict[str, Callable] = {
        "bce": nn.binary_cross_entropy_with_logits,
        "mse": nn.mse_loss,
        "ce": nn.cross_entropy,
    }
    loss_of = losses[case.loss]

    def step(x, y):
        with tape():
            loss = loss_of(net(x), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return loss

    return step


# --- torch ---------------------------------------------------------------------------------------


def torch_eager(case: Case, lr: float) -> Step:
    """torch, eager, its default optimizer."""
    return torch_step(case, lr)


def torch_step(case: Case, lr: float, **options: Any) -> Step:
    """torch, eager, with options of its optimizer's."""
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
    update, state = jax_update(case, lr)
    import jax

    step = jax.jit(update, donate_argnums=0)
    x, y = map(jax.numpy.asarray, case.data())

    def run():
        nonlocal state
        state, loss = step(state, (x, y))
        return loss

    return Step(run, finish=lambda: jax.block_until_ready(state))


def jax_update(case: Case, lr: float) -> tuple[Callable, Any]:
    """(update(state, (x, y)) -> (state, loss), first state), to be jitted or scanned."""
    os.environ.setdefault(  # read once, as JAX is imported
        "XLA_FLAGS", "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1"
    )
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

    def sgd(state, batch):
        loss, grads = jax.value_and_grad(loss_of)(state, *batch)
        return jax.tree.map(lambda p, g: p - lr * g, state, grads), loss

    params: Any = [(jnp.asarray(w), jnp.asarray(b)) for w, b in case.weights()]
    return (sgd, params) if case.optimizer == "sgd" else jax_adam(loss_of, params, lr)


def jax_adam(loss_of: Callable, params: Any, lr: float) -> tuple[Callable, Any]:
    """Adam on loss_of(params, *batch), as jax_update gives it."""
    import jax
    import jax.numpy as jnp

    def adam(state, batch):
        params, m, v, t = state
        loss, grads = jax.value_and_grad(loss_of)(params, *batch)
        t = t + 1
        m = jax.tree.map(lambda m, g: BETA1 * m + (1 - BETA1) * g, m, grads)
        v = jax.tree.map(lambda v, g: BETA2 * v + (1 - BETA2) * g * g, v, grads)
        scale, root = lr / (1 - BETA1**t), jnp.sqrt(1 - BETA2**t)
        params = jax.tree.map(
            lambda p, m, v: p - scale * m / (jnp.sqrt(v) / root + EPS), params, m, v
        )
        return (params, m, v, t), loss

    first, second = (jax.tree.map(jnp.zeros_like, params) for _ in range(2))
    return adam, (params, first, second, jnp.float32(0))


# --- any -----------------------------------------------------------------------------------------

Build = Callable[[Case, float], Step]


def available(contenders: Mapping[str, Build], case: Case) -> dict[str, Step]:
    """The contenders whose library is installed, ready to run many steps on one batch.

    Raises:
        TapegradError: if the losses of a contender's first ten steps are not the first one's.
    """
    found: dict[str, Step] = {}
    reference: list[float] = []
    for name, build in contenders.items():
        try:
            step = build(case, 1e-3)
        except ImportError:
            continue
        losses = [step.run().item() for _ in range(10)]
        reference = reference or losses
        # of the first loss, too: Adam divides by what is left, and rounding grows as losses vanish
        if not np.allclose(losses, reference, rtol=1e-4, atol=1e-4 * abs(reference[0])):
            raise TapegradError(
                f"{case.name}: the losses of {name} are {losses}; those of {next(iter(found))} "
                f"are {reference}"
            )
        found[name] = build(case, STILL)
    return found


def measure(steps: Mapping[str, Step], **options: Any) -> dict[str, Times]:
    """Seconds a step of each contender; options are interleave's."""
    return interleave(
        {name: step.run for name, step in steps.items()},
        finish={name: step.finish for name, step in steps.items() if step.finish},
        **options,
    )
