"""Derivatives of functions: whole Jacobians, products with Hessians, a physics-informed net."""

from __future__ import annotations

import itertools
from collections.abc import Callable

import numpy as np

from tapegrad.cli.networks import jax_adam
from tapegrad.cli.timing import Times, interleave

WIDTH = BATCH = 64
HVP_NETS = {
    "64-64-64-10, batch 64": ((64, 64, 64, 10), 64),
    "784-256-10, batch 128": ((784, 256, 10), 128),
}
PINN_SIZES, PINN_BATCH, RATE = (1, 64, 64, 64, 64, 1), 1024, 1e-3


def weights(sizes) -> list[tuple[np.ndarray, np.ndarray]]:
    rng = np.random.default_rng(0)
    return [
        ((rng.normal(size=(n, m)) / np.sqrt(m)).astype("f4"), np.zeros(n, "f4"))
        for m, n in itertools.pairwise(sizes)
    ]


def inputs(batch: int, width: int) -> np.ndarray:
    return np.random.default_rng(1).uniform(-1, 1, (batch, width)).astype("f4")


def our_net(params, x):
    import tapegrad as tg
    import tapegrad.numpy as tnp

    for k, (w, b) in enumerate(params):
        x = tg.linear(x, w, b)
        if k < len(params) - 1:
            x = tnp.tanh(x)
    return x


def jax_net(params, x):
    import jax.numpy as jnp

    for k, (w, b) in enumerate(params):
        x = x @ w.T + b
        if k < len(params) - 1:
            x = jnp.tanh(x)
    return x


def torch_net(params, x):
    import torch

    for k, (w, b) in enumerate(params):
        x = torch.nn.functional.linear(x, w, b)
        if k < len(params) - 1:
            x = torch.tanh(x)
    return x


def agree(found: dict[str, Callable], tolerance: float = 2e-4) -> None:
    """Check that all contenders compute the same before any is timed."""
    values = {name: np.asarray(run(), "f4") for name, run in found.items()}
    want = next(iter(values.values()))
    for name, value in values.items():
        if not np.allclose(value, want, rtol=tolerance, atol=tolerance * np.abs(want).max()):
            raise AssertionError(f"{name} computes something else")


def available(makers: dict[str, Callable], *args) -> dict[str, Callable]:
    """The contenders whose libraries are installed."""
    found = {}
    for name, make in makers.items():
        try:
            found[name] = make(*args)
        except ImportError:
            continue
    return found


# --- Jacobians --------------------------------------------------------------------------------


def our_jacobian(sizes, x):
    import tapegrad as tg

    params = [tuple(map(tg.tensor, layer)) for layer in weights(sizes)]
    x = tg.tensor(x)
    jacobian = tg.jacobian(lambda x: our_net(params, x))
    return lambda: jacobian(x)


def our_batch_jacobian(sizes, x):
    import tapegrad as tg
    from tapegrad import tape

    params = [tuple(map(tg.tensor, layer)) for layer in weights(sizes)]
    x = tg.tensor(x)

    def run():
        with tape() as t:
            t.watch(x)
            y = our_net(params, x)
        return t.batch_jacobian(y, x)

    return run


def jax_jacobian(mapped: bool):
    def make(sizes, x):
        import jax

        params = [tuple(map(jax.numpy.asarray, layer)) for layer in weights(sizes)]
        x = jax.numpy.asarray(x)
        jacobian = jax.jacrev(lambda x: jax_net(params, x))
        run = jax.jit(jax.vmap(jacobian) if mapped else jacobian)
        return lambda: run(x).block_until_ready()

    return make


JACOBIANS = {
    "whole, (64, 64, 64, 64)": {"tapegrad": our_jacobian, "JAX jit": jax_jacobian(False)},
    "by row, (64, 64, 64)": {"tapegrad": our_batch_jacobian, "JAX jit": jax_jacobian(True)},
}


def time_jacobians() -> list[str]:
    sizes, x = (WIDTH,) * 4, inputs(BATCH, WIDTH)
    lines = [
        "| 64-64-64-64, tanh, batch 64 | tapegrad ms | JAX jit ms | JAX / tapegrad |",
        "|---|---:|---:|---:|",
    ]
    for name, makers in JACOBIANS.items():
        found = available(makers, sizes, x)
        agree(found)
        times = interleave(found, rounds=7, slice_seconds=0.05)
        lines.append(f"| {name} | {_beside(times, 'JAX jit')} |")
    return lines


def _beside(times: dict[str, Times], peer: str) -> str:
    ours = f"{times['tapegrad'].median * 1e3:.3f}"
    if peer not in times:
        return f"{ours} | | "
    return f"{ours} | {times[peer].median * 1e3:.3f} | {times[peer].ratio(times['tapegrad']):.2f}"


# --- products with Hessians -------------------------------------------------------------------


def our_gradient_and_hvp(sizes, x):
    import tapegrad as tg

    params = [tuple(map(tg.tensor, layer)) for layer in weights(sizes)]
    x = tg.tensor(x)

    def loss(params):
        y = our_net(params, x)
        return (y * y).mean()

    gradient = tg.grad(loss)
    return lambda: gradient(params), lambda: tg.hvp(loss, params, params)


def time_hvps() -> list[str]:
    lines = ["| HVP by all weights | gradient ms | HVP ms | HVP / gradient | floor |",
             "|---|---:|---:|---:|---:|"]  # fmt: skip
    for name, (sizes, batch) in HVP_NETS.items():
        gradient, product = our_gradient_and_hvp(sizes, inputs(batch, sizes[0]))
        times = interleave({"gradient": gradient, "hvp": product}, rounds=15)
        lines.append(
            f"| {name} | {times['gradient'].median * 1e3:.3f} | {times['hvp'].median * 1e3:.3f} "
            f"| {times['hvp'].ratio(times['gradient']):.2f} | 3 |"
        )
    return lines


# --- a physics-informed net: u'' = -sin, four tanh layers, one step of Adam --------------------


def our_pinn(x, is_compiled=False):
    import tapegrad as tg
    import tapegrad.numpy as tnp
    from tapegrad import optim, tape

    params = [tuple(map(tg.parameter, layer)) for layer in weights(PINN_SIZES)]
    optimizer = optim.Adam([a for layer in params for a in layer], lr=RATE)
    x, one = tg.tensor(x), tg.tensor(np.ones_like(x))
    force = tnp.sin(x)

    def net(x):
        return our_net(params, x)

    def slope(x):
        return tg.jvp(net, (x,), (one,))[1]

    def step(x, force):
        with tape():
            curvature = tg.jvp(slope, (x,), (one,))[1]
            loss = ((curvature + force) ** 2).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return loss

    run = tg.compile(step) if is_compiled else step
    return lambda: run(x, force)


def our_compiled_pinn(x):
    return our_pinn(x, is_compiled=True)


def torch_pinn(x):
    import torch

    torch.set_num_threads(1)
    params = [
        tuple(torch.tensor(a, requires_grad=True) for a in layer) for layer in weights(PINN_SIZES)
    ]
    flat = [a for layer in params for a in layer]
    optimizer = torch.optim.Adam(flat, lr=RATE, fused=True)
    x = torch.tensor(x, requires_grad=True)
    force, one = torch.sin(x).detach(), torch.ones_like(x)

    def run():
        u = torch_net(params, x)
        (slope,) = torch.autograd.grad(u, x, one, create_graph=True)
        (curvature,) = torch.autograd.grad(slope, x, one, create_graph=True)
        loss = ((curvature + force) ** 2).mean()
        for p, g in zip(flat, torch.autograd.grad(loss, flat, allow_unused=True)):
            p.grad = g  # none for the last bias, of which u'' knows nothing
        optimizer.step()
        return loss.detach()

    return run


def jax_pinn(x):
    import jax
    import jax.numpy as jnp

    params = [tuple(map(jnp.asarray, layer)) for layer in weights(PINN_SIZES)]
    x, one = jnp.asarray(x), jnp.ones_like(x)
    force = jnp.sin(x)

    def loss_of(params):
        def slope(x):
            return jax.jvp(lambda x: jax_net(params, x), (x,), (one,))[1]

        return jnp.mean((jax.jvp(slope, (x,), (one,))[1] + force) ** 2)

    update, state = jax_adam(loss_of, params, RATE)
    compiled = jax.jit(lambda state: update(state, ()), donate_argnums=0)

    def run():
        nonlocal state
        state, loss = compiled(state)
        return loss.block_until_ready()

    return run


PINNS = {
    "tapegrad": our_pinn,
    "tapegrad compiled": our_compiled_pinn,
    "torch eager": torch_pinn,
    "JAX jit": jax_pinn,
}
PINN_FLOORS = {("torch eager", "tapegrad"): "2", ("JAX jit", "tapegrad compiled"): "1"}


def time_pinn() -> list[str]:
    found = available(PINNS, inputs(PINN_BATCH, 1))
    for _ in range(5):
        agree(found)  # the losses of the first steps
    times = interleave(found, rounds=9, slice_seconds=0.05)
    names = list(times)
    lines = [
        "| a step with u'' in the loss, 1-64-64-64-64-1, batch 1024 | " + " | ".join(names) + " |",
        "|---|" + "---:|" * len(names),
        "| ms | " + " | ".join(f"{times[n].median * 1e3:.2f}" for n in names) + " |",
    ]
    for (peer, ours), floor in PINN_FLOORS.items():
        if peer in times:
            ratio = times[peer].ratio(times[ours])
            lines.append(f"| {peer} / {ours}: {ratio:.2f} (floor {floor}) |" + " |" * len(names))
    return lines


def report() -> list[str]:
    return [
        "Equal results are checked first. JAX is timed per call, after compilation. In the "
        "physics-informed net, tapegrad and JAX push tangents forward twice, torch differentiates "
        "in reverse twice, each the quicker way there, and the step is one of Adam; floors: "
        "Jacobians faster than JAX's.",
        "",
        *time_jacobians(),
        "",
        *time_hvps(),
        "",
        *time_pinn(),
    ]


# --- pytest-benchmark -------------------------------------------------------------------------


def _cases():
    x = inputs(BATCH, WIDTH)
    for name, makers in JACOBIANS.items():
        for who, make in makers.items():
            yield f"jacobian {name}", who, lambda make=make: make((WIDTH,) * 4, x)
    for name, (sizes, batch) in HVP_NETS.items():
        for k, what in enumerate(("gradient", "hvp")):
            net = (sizes, inputs(batch, sizes[0]))
            yield f"hvp {name}", what, lambda net=net, k=k: our_gradient_and_hvp(*net)[k]
    for who, make in PINNS.items():
        yield "pinn", who, lambda make=make: make(inputs(PINN_BATCH, 1))


def pytest_generate_tests(metafunc):
    rows = list(_cases())
    metafunc.parametrize(
        ("group", "who", "make"), rows, ids=[f"{group}-{who}" for group, who, _ in rows]
    )


def time_transform(benchmark, group, who, make):
    import pytest

    try:
        run = make()
    except ImportError as error:
        pytest.skip(str(error))
    benchmark.group = group
    benchmark(run)
