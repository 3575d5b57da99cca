"""Transforms of random programs agree with JAX's, where it is installed."""

import numpy as np
import pytest

import tapegrad as tg
import tapegrad.numpy as tnp

pytestmark = pytest.mark.slow
N = 200  # programs; JAX compiles each of their derivatives


def programs(n):
    """Functions R^3 -> R^3 written for any NumPy namespace."""
    return [
        lambda x: n.sin(x) * n.exp(-x),
        lambda x: n.where(x > 0, x * x, -x),
        lambda x: n.cumsum(x) / (1 + n.sum(x * x)),
        lambda x: n.stack([x[0] * x[1], x[2] ** 2, n.sum(x[::-1] * x)]),
        lambda x: n.tanh(n.outer(x, x)).sum(axis=0),
        lambda x: n.concatenate([x[1:], x[:1]]) * n.max(x),
        lambda x: n.log1p(n.abs(x)) @ n.ones((3, 3)),
        lambda x: n.einsum("i,ij->j", x, n.reshape(n.repeat(x, 3), (3, 3))),
        lambda x: x * n.prod(x) / n.sqrt(n.mean(x * x) + 1),
    ]


def test_random_compositions_agree_with_jax(rng):
    jax = pytest.importorskip("jax", reason="JAX is not installed")
    jax.config.update("jax_enable_x64", True)
    ours, theirs = programs(tnp), programs(jax.numpy)
    for _ in range(N):
        chosen = rng.integers(0, len(ours), 3)
        x, v = rng.normal(size=(2, 3))

        def f(x, parts=ours, chosen=chosen):
            for k in chosen:
                x = parts[k](x)
            return x

        def g(x, f=f):
            return f(x, theirs)

        for mine, its in ((tg.jacrev, jax.jacrev), (tg.jacfwd, jax.jacfwd)):
            np.testing.assert_allclose(mine(f)(x), its(g)(x), rtol=1e-9, atol=1e-11)
        got, want = tg.jvp(f, (x,), (v,))[1], jax.jvp(g, (x,), (v,))[1]
        np.testing.assert_allclose(got, want, rtol=1e-9, atol=1e-11)
        got = tg.hvp(lambda x, f=f: f(x).sum(), x, v)
        want = jax.jvp(jax.grad(lambda x, g=g: g(x).sum()), (x,), (v,))[1]
        np.testing.assert_allclose(got, want, rtol=1e-8, atol=1e-10)
