"""Small programs whose derivatives are known on paper."""

import itertools
import math

import numpy as np
import pytest
from closeness import close

import tapegrad as tg
import tapegrad.numpy as tnp
from tapegrad import nn, tape

pytestmark = pytest.mark.usefixtures("backend")


def gradient(f, *arrays):
    with tape() as t:
        xs = [t.watch(tg.tensor(a)) for a in arrays]
        y = f(*xs)
    return [g.numpy() for g in t.gradient(y, xs)]


def test_rosenbrock():
    def f(x):
        return (100 * (x[1:] - x[:-1] ** 2) ** 2 + (1 - x[:-1]) ** 2).sum()

    x = np.array([-1.2, 1.0, 0.7])
    (g,) = gradient(f, x)
    inner = x[1:] - x[:-1] ** 2
    want = np.zeros(3)
    want[:-1] += -400 * x[:-1] * inner - 2 * (1 - x[:-1])
    want[1:] += 200 * inner
    close(g, want)
    close(gradient(f, np.ones(3))[0], 0)


def test_linear_regression_normal_equations():
    rng = np.random.default_rng(0)
    x, w, y = rng.normal(size=(9, 4)), rng.normal(size=4), rng.normal(size=9)
    (g,) = gradient(lambda w: ((x @ w - y) ** 2).sum(), w)
    close(g, 2 * x.T @ (x @ w - y))


def test_quadratic_form_and_its_hessian():
    a = np.array([[2.0, -1.0, 0.5], [0.0, 3.0, 1.0], [1.0, 1.0, 4.0]])
    x = tg.tensor([1.0, -2.0, 0.5])
    rows = []
    with tape(persistent=True) as outer:
        outer.watch(x)
        with tape() as inner:
            inner.watch(x)
            y = x @ a @ x
        g = inner.gradient(y, x)
        parts = [g[i] for i in range(3)]
    close(g, (a + a.T) @ x.numpy())
    rows = [outer.gradient(part, x).numpy() for part in parts]
    close(rows, a + a.T)


def test_logistic_regression():
    rng = np.random.default_rng(1)
    x, w = rng.normal(size=(20, 3)), rng.normal(size=3)
    y = rng.integers(0, 2, 20).astype(float)
    (g,) = gradient(lambda w: nn.binary_cross_entropy_with_logits(x @ w, y), w)
    p = 1 / (1 + np.exp(-(x @ w)))
    close(g, x.T @ (p - y) / 20, rtol=1e-10)


def test_softmax_regression():
    rng = np.random.default_rng(2)
    x, w, labels = rng.normal(size=(12, 3)), rng.normal(size=(3, 4)), rng.integers(0, 4, 12)
    (g,) = gradient(lambda w: nn.cross_entropy(x @ w, labels), w)
    z = x @ w
    p = np.exp(z) / np.exp(z).sum(1, keepdims=True)
    p[np.arange(12), labels] -= 1
    close(g, x.T @ p / 12, rtol=1e-10)


def test_two_layer_network_by_hand():
    rng = np.random.default_rng(3)
    x, y = rng.normal(size=(7, 3)), rng.normal(size=(7, 2))
    w1, b1, w2 = rng.normal(size=(3, 5)), rng.normal(size=5), rng.normal(size=(5, 2))
    g1, gb, g2 = gradient(
        lambda w1, b1, w2: ((tnp.tanh(x @ w1 + b1) @ w2 - y) ** 2).mean(), w1, b1, w2
    )
    h = np.tanh(x @ w1 + b1)
    d = 2 * (h @ w2 - y) / 14
    dh = d @ w2.T * (1 - h * h)
    close(g2, h.T @ d, rtol=1e-10)
    close(gb, dh.sum(0), rtol=1e-10)
    close(g1, x.T @ dh, rtol=1e-10)


def test_a_loop_with_data_dependent_branches():
    def collatz_like(x):
        while float(x) < 100:
            x = x * 3 + 1 if float(x) % 2 < 1 else x * x
        return x

    (g,) = gradient(collatz_like, np.array(2.5))
    x, slope = 2.5, 1.0
    while x < 100:
        x, slope = (3 * x + 1, 3 * slope) if x % 2 < 1 else (x * x, 2 * x * slope)
    close(g, slope)


def test_newtons_method_differentiates_through_its_steps():
    def root(a):
        x = a * 0.5
        for _ in range(12):
            x = 0.5 * (x + a / x)
        return x

    (g,) = gradient(root, np.array(7.0))
    close(g, 0.5 / math.sqrt(7.0))


def test_recurrent_sum():
    xs = np.arange(1.0, 6.0)

    def f(w):
        h = tg.tensor(0.0)
        for x in xs:
            h = h * w + x
        return h

    (g,) = gradient(f, np.array(0.9))
    close(g, sum(k * 0.9 ** (k - 1) * xs[4 - k] for k in range(1, 5)))


def test_higher_derivatives_of_exp_of_sin():
    x = tg.tensor(0.3)
    tapes = [tape() for _ in range(3)]
    for t in tapes:
        t.__enter__()
        t.watch(x)
    y = tnp.exp(tnp.sin(x))
    found = [y.item()]
    for t in reversed(tapes):
        t.__exit__(None, None, None)
        y = t.gradient(y, x)
        found.append(y.item())
    s, c = math.sin(0.3), math.cos(0.3)
    e = math.exp(s)
    close(found, [e, c * e, (c * c - s) * e, (c**3 - 3 * s * c - c) * e])


def test_derivatives_of_bessel_functions_near_zero():
    mpmath = pytest.importorskip("mpmath")
    for x in (0.0, 1e-8, -1e-4, 0.7, 0.9999, 1.1):
        f = tnp.i0
        for order in range(1, 5):
            f = tg.grad(f)
            want = mpmath.diff(lambda t: mpmath.besseli(0, t), x, order)
            close(f(x), float(want), 1e-10)


def test_kinks_as_documented():
    (relu, absolute, high, low) = (
        gradient(f, np.array([-1.0, 0.0, 2.0]))[0]
        for f in (
            lambda x: tg.relu(x).sum(),
            lambda x: abs(x).sum(),
            lambda x: tnp.maximum(x, 0.0).sum(),
            lambda x: tnp.minimum(x, 0.0).sum(),
        )
    )
    close(relu, [0, 0, 1])
    close(absolute, [-1, 0, 1])
    close(high, [0, 0.5, 1])
    close(low, [1, 0.5, 0])
    close(gradient(lambda x: tnp.clip(x, 0.0, 2.0).sum(), np.array([-1.0, 0, 1, 2, 3]))[0],
          [0, 1, 1, 1, 0])  # fmt: skip
    close(gradient(lambda x: x.max(), np.array([1.0, 3.0, 3.0, 2.0]))[0], [0, 0.5, 0.5, 0])
    close(gradient(lambda x: x.min(axis=0).sum(), np.array([[1.0, 2], [1, 3]]))[0],
          [[0.5, 1], [0.5, 0]])  # fmt: skip
    equal = np.array([[2.0, 2.0], [1.0, 3.0]])
    for std in (lambda x: x.std(1).sum(), lambda x: tnp.nanstd(x, 1).sum(),
                lambda x: tnp.std(x, 1, where=[True, True]).sum()):  # fmt: skip
        close(gradient(std, equal)[0], [[0, 0], [-0.5, 0.5]])
    close(gradient(tnp.linalg.norm, np.zeros(2))[0], [0, 0])


@pytest.mark.parametrize("f", [
    lambda x: abs(x + 1j * x), lambda x: tnp.sign(x + 1j * x).real, lambda x: tnp.angle(x + 1j * x),
    lambda x: tnp.power(0.0, x + 2), lambda x: tnp.hypot(x, 2 * x), tnp.linalg.norm,
    lambda x: tnp.arctan2(x[0], x[1]),
])  # fmt: skip
def test_second_derivatives_are_0_at_kinks_in_both_modes(f):
    for outer, inner in itertools.product((tg.jacrev, tg.jacfwd), repeat=2):
        close(outer(inner(lambda x: f(x).sum()))(np.zeros(2)), np.zeros((2, 2)))


def test_product_with_zeros_to_second_order():
    for values in ([2.0, 0.0, 3.0], [0.0, 0.0, 5.0], [0.0, 0.0, 0.0]):
        x = tg.tensor(values)
        with tape(persistent=True) as outer:
            outer.watch(x)
            with tape() as inner:
                inner.watch(x)
                y = x.prod()
            g = inner.gradient(y, x)
            parts = [g[i] for i in range(3)]
        a, b, c = values
        close(g, [b * c, a * c, a * b])
        close([outer.gradient(p, x) for p in parts], [[0, c, b], [c, 0, a], [b, a, 0]])


def test_running_product_with_zeros_to_second_order():
    for values in ([2.0, 0.0, 3.0], [0.0, 0.0, 5.0], [0.0, 0.0, 0.0]):
        a, b, c = values
        f = lambda x: tnp.cumprod(x) @ np.array([1.0, 10.0, 100.0])  # noqa: E731
        close(tg.grad(f)(np.array(values)), [1 + 10 * b + 100 * b * c, 10 * a + 100 * a * c,
                                             100 * a * b])  # fmt: skip
        ab, ac, bc = 10 + 100 * c, 100 * b, 100 * a
        for outer, inner in itertools.product((tg.jacrev, tg.jacfwd), repeat=2):
            close(outer(inner(f))(np.array(values)), [[0, ab, ac], [ab, 0, bc], [ac, bc, 0]])


def test_running_product_multiplies_from_the_left():
    x = np.array([1e-200, 1e200, 1e200, 1e-200])
    close(tnp.cumprod(x), [1e-200, 1, 1e200, 1])
    (g,) = gradient(lambda x: tnp.cumprod(x)[-1], x)
    close(g, [1e200, 1e-200, 1e-200, 1e200])


def test_masked_logarithm_has_no_nan():
    x = np.array([0.0, 1.0, -2.0, 4.0])
    (g,) = gradient(lambda x: tnp.where(x > 0, tnp.log(x), 0.0).sum(), x)
    close(g, [0, 1, 0, 0.25])
    (g,) = gradient(lambda x: tnp.where(x > 0, tnp.sqrt(x), 0.0).sum(), x)
    close(g, [0, 0.5, 0, 0.25])


def test_repeated_indices_add_up():
    (g,) = gradient(lambda x: x[[0, 2, 2, 0, 0]].sum(), np.arange(4.0))
    close(g, [3, 0, 2, 0])


def test_functional_update_splits_the_gradient():
    def f(x, v):
        y = x * 2
        y[1:3] = v
        return (y * np.array([1.0, 10, 100, 1000])).sum()

    gx, gv = gradient(f, np.ones(4), np.array([5.0, 6.0]))
    close(gx, [2, 0, 0, 2000])
    close(gv, [10, 100])


def test_update_leaves_earlier_views_alone():
    y = tg.tensor(np.arange(4.0))
    view, alias = y[1:], y
    y[0] = 9.0
    y[[2, 2]] = [7.0, 8.0]
    close(view, [1, 2, 3])
    close(alias, [9, 1, 8, 3])
    assert alias is y


def test_mixed_precision_sum():
    x = np.array([1.0, 2.0], "f4")

    def f(x):
        return (x.astype("f8") * np.array([1e-9, 3.0])).sum()

    (g,) = gradient(f, x)
    assert g.dtype == np.float32
    close(g, np.array([1e-9, 3.0], "f4"))


def test_nothing_flows_through_integers():
    x = tg.tensor([1.5, 2.5])
    with tape() as t:
        t.watch(x)
        y = (x.astype("i8") * 2.0 + x).sum()
    close(t.gradient(y, x), [1.0, 1.0])


def test_powers_have_all_their_derivatives_at_zero():
    x = tg.tensor([0.0, 2.0])
    found = []
    tapes = [tape() for _ in range(5)]
    for t in tapes:
        t.__enter__()
        t.watch(x)
    y = x**3
    for t in reversed(tapes):
        t.__exit__(None, None, None)
        y = t.gradient(y, x, unconnected_gradients="zero")
        found.append(y.tolist())
    assert found == [[0, 12], [0, 12], [6, 6], [0, 0], [0, 0]]
