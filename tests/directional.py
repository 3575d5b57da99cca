"""Derivatives of functions of complex (and real) arrays against central differences.

A function of complex arrays is differentiated as one of their real and imaginary parts. Along a
tangent t its change is df; with a cotangent ct, docs/complex.md's convention says

    Re sum(ct * df) = Re sum(ct * jvp(t)) = Re sum(vjp(ct) * t).
"""

import numpy as np

import tapegrad as tg
from tapegrad import tape


def inner(a, b):
    return float(sum(np.sum((np.asarray(x) * np.asarray(y)).real) for x, y in zip(a, b)))


def size(a, b):
    return float(sum(np.sum(np.abs(np.asarray(x) * np.asarray(y))) for x, y in zip(a, b)))


def like(arrays, rng):
    """Random arrays of the same shapes and dtypes."""
    return [draw(np.shape(x), np.asarray(x).dtype.kind == "c", rng) for x in arrays]


def draw(shape, is_complex, rng):
    x = rng.uniform(-1, 1, shape)
    return x + 1j * rng.uniform(-1, 1, shape) if is_complex else x


def check(f, xs, rng, order=2):
    """Both modes of f (arrays to a Tensor or a list of them) at xs, then of its gradient."""
    values, function = list(xs), _listed(f)
    digits = min(np.finfo(y.dtype).precision for y in [*xs, *function(*map(tg.tensor, xs))])
    eps, tol, rounding = (1e-6, 2e-6, 1e-10) if digits > 6 else (1e-2, 5e-3, 1e-5)
    for level in range(1, order + 1):
        tangents = like(values, rng)
        ys = function(*[tg.tensor(x) for x in values])
        cts = like(ys, rng)
        high, low = (
            function(*[tg.tensor(x + s * eps * t) for x, t in zip(values, tangents)])
            for s in (1, -1)
        )
        want = inner(cts, [(a.numpy() - b.numpy()) / (2 * eps) for a, b in zip(high, low)])
        t = tape(persistent=True)
        with t:
            sources = t.watch([tg.tensor(x) for x in values])
            ys = function(*sources)
        grads = t.gradient(ys, sources, cts, unconnected_gradients="zero")
        pushed = t.jvp(ys, sources, [tg.tensor(v) for v in tangents])
        for x, g in zip(values, grads):
            assert (g.shape, g.dtype) == (x.shape, x.dtype)
        for y, p in zip(ys, pushed):
            assert (p.shape, p.dtype) == (y.shape, y.dtype)
        back, forth = inner(grads, tangents), inner(cts, pushed)
        scale = 1 + size(grads, tangents) + size(cts, pushed)
        assert abs(back - want) <= tol * scale, f"order {level}, reverse: {back}, not {want}"
        assert abs(forth - want) <= tol * scale, f"order {level}, forward: {forth}, not {want}"
        assert abs(forth - back) <= rounding * scale, f"order {level}: {forth} forward, {back} back"
        function = _gradient(function, [tg.tensor(c) for c in cts])


def _listed(f):
    def function(*xs):
        y = f(*xs)
        return list(y) if isinstance(y, (tuple, list)) else [y]

    return function


def _gradient(f, cts):
    def gradient(*xs):
        with tape() as t:
            xs = t.watch(list(xs))
            ys = f(*xs)
        return t.gradient(ys, xs, cts, unconnected_gradients="zero")

    return gradient
