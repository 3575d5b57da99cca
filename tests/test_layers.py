"""Layers and activations: values, shapes, first weights, dropout."""

import numpy as np
import pytest
from refusing import refuses

import tapegrad as tg
from tapegrad import nn, tape
from tapegrad.nn import functional as F

pytestmark = pytest.mark.usefixtures("seed")


# --- layers ----------------------------------------------------------------------------------


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("shape", [(3,), (5, 3), (2, 5, 3), (0, 3)])
def test_linear_is_an_affine_map_of_the_last_axis(shape, bias):
    layer = nn.Linear(3, 4, bias=bias, dtype="f8")
    x = np.random.default_rng(1).normal(size=shape)
    want = x @ layer.weight.numpy().T + (layer.bias.numpy() if bias else 0)
    np.testing.assert_allclose(layer(x).numpy(), want, rtol=1e-12, atol=1e-12)


def test_linear_starts_uniform_in_one_over_root_fan_in():
    layer = nn.Linear(400, 300)
    w = layer.weight.numpy()
    assert abs(w).max() <= 1 / 20
    assert abs(w).max() > 0.99 / 20
    assert abs(w.mean()) < 1e-3
    np.testing.assert_allclose(w.std(), 1 / 20 / np.sqrt(3), rtol=0.01)
    assert abs(layer.bias.numpy()).max() <= 1 / 20


def test_initial_values_follow_the_seed():
    tg.manual_seed(7)
    a = nn.MLP(3, [4, 2])
    tg.manual_seed(7)
    b = nn.MLP(3, [4, 2])
    c = nn.MLP(3, [4, 2])
    for p, q, r in zip(a.parameters(), b.parameters(), c.parameters()):
        np.testing.assert_array_equal(p.numpy(), q.numpy())
        assert not np.array_equal(p.numpy(), r.numpy())


def test_mlp_is_linear_layers_with_activations_between():
    net = nn.MLP(3, [5, 4, 2], activation="tanh")
    kinds = [type(m).__name__ for m in net]
    assert kinds == ["Linear", "Tanh", "Linear", "Tanh", "Linear"]
    x = np.random.default_rng(1).normal(size=(6, 3)).astype("f4")
    h = x
    for layer in net[0], net[2], net[4]:
        h = h @ layer.weight.numpy().T + layer.bias.numpy()
        if layer is not net[4]:
            h = np.tanh(h)
    np.testing.assert_allclose(net(x).numpy(), h, rtol=1e-5, atol=1e-6)


def test_sequential_is_a_list():
    net = nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Dropout(0.5), nn.Linear(4, 2))
    assert len(net) == 4
    assert net[-1] is list(net)[3]
    assert [type(m) for m in net[:2]] == [nn.Linear, nn.ReLU]
    assert net.append(nn.Tanh()) is net
    assert type(net[4]) is nn.Tanh


def test_default_dtype_is_what_layers_are_made_with():
    assert tg.get_default_dtype() == np.float32
    tg.set_default_dtype("f8")
    try:
        assert nn.Linear(2, 2).weight.dtype == np.float64
    finally:
        tg.set_default_dtype("f4")


def test_dropout_zeroes_with_probability_p_and_keeps_the_mean():
    drop = nn.Dropout(0.25)
    y = drop(np.ones(100_000, "f4")).numpy()
    assert set(np.unique(y)) == {np.float32(0), np.float32(1 / 0.75)}
    assert abs((y == 0).mean() - 0.25) < 0.006
    assert not np.array_equal(y, drop(np.ones(100_000, "f4")).numpy())


def test_dropout_follows_the_seed():
    drop = nn.Dropout(0.5)
    tg.manual_seed(3)
    first = drop(np.ones(50)).numpy()
    tg.manual_seed(3)
    np.testing.assert_array_equal(drop(np.ones(50)).numpy(), first)


def test_dropout_passes_gradients_where_it_kept_values():
    x = tg.tensor(np.ones(50), requires_grad=True)
    with tape() as t:
        y = F.dropout(x, 0.5)
    np.testing.assert_array_equal(t.gradient(y, x).numpy(), y.numpy())


@pytest.mark.parametrize("p", [0.0, 0.3])
def test_dropout_does_nothing_in_evaluation(p):
    x = tg.tensor(np.arange(5.0))
    assert nn.Dropout(p).eval()(x) is x


def test_dropout_of_everything_is_zero():
    np.testing.assert_array_equal(F.dropout(np.ones(5), 1.0).numpy(), np.zeros(5))


# --- activations -----------------------------------------------------------------------------


def kind(value):
    return type(value).__name__


ACTIVATIONS = [
    (nn.Identity(), lambda x: x),
    (nn.ReLU(), lambda x: np.maximum(x, 0)),
    (nn.LeakyReLU(0.2), lambda x: np.where(x > 0, x, 0.2 * x)),
    (nn.ELU(1.5), lambda x: np.where(x > 0, x, 1.5 * np.expm1(x))),
    (nn.SiLU(), lambda x: x / (1 + np.exp(-x))),
    (nn.Softplus(), lambda x: np.log1p(np.exp(x))),
    (nn.Tanh(), np.tanh),
    (nn.Sigmoid(), lambda x: 1 / (1 + np.exp(-x))),
    (nn.Softmax(dim=0), lambda x: np.exp(x) / np.exp(x).sum(0)),
    (nn.LogSoftmax(dim=1), lambda x: x - np.log(np.exp(x).sum(1, keepdims=True))),
    (
        nn.GELU("tanh"),
        lambda x: 0.5 * x * (1 + np.tanh(np.sqrt(2 / np.pi) * (x + 0.044715 * x**3))),
    ),
]


@pytest.mark.parametrize(("module", "formula"), ACTIVATIONS, ids=kind)
def test_activations_are_their_formulas(module, formula):
    x = np.random.default_rng(2).normal(size=(4, 5)) * 2
    got = module(tg.tensor(x)).numpy()
    np.testing.assert_allclose(got, formula(x), rtol=1e-12, atol=1e-14)


def test_exact_gelu_has_known_values():
    y = nn.GELU()(np.array([-1.0, 0.0, 1.0, 2.0])).numpy()
    want = [-0.15865525393145707, 0.0, 0.8413447460685429, 1.9544997361036416]
    np.testing.assert_allclose(y, want, rtol=1e-14)


def test_functional_takes_axis_and_dim():
    x = np.random.default_rng(2).normal(size=(4, 5))
    for f in F.softmax, F.log_softmax:
        np.testing.assert_array_equal(f(x, dim=0).numpy(), f(x, axis=0).numpy())
        with pytest.raises(TypeError, match="axis and dim"):
            f(x, axis=0, dim=0)


# --- bad input -------------------------------------------------------------------------------


REFUSED = [
    (lambda: nn.Linear("3", 3), TypeError, "in_features='3'; it must be an integer"),
    (lambda: nn.Linear(3, 2.0), TypeError, "out_features=2.0; it must be an integer"),
    (lambda: nn.Linear(3, 2, dtype="bogus"), tg.DTypeError, "dtype='bogus'"),
    (lambda: nn.Linear(3, 2, generator=3), TypeError, "need a tapegrad.random.Generator"),
    (lambda: nn.Linear(3, 2)(None), tg.DTypeError, "linear of NoneType"),
    (lambda: nn.MLP(3, 5), TypeError, "sizes=5; give a list"),
    (lambda: nn.MLP(3, [4, 2], activation=F.relu), TypeError, "must make a Module"),
    (lambda: nn.Dropout(None), ValueError, "p=None"),
    (lambda: F.dropout(np.ones(3, int)), tg.DTypeError, "int64 cannot be scaled"),
    (lambda: F.dropout(np.ones(3), generator=np.random.default_rng()), TypeError, "need a tapeg"),
    (lambda: nn.Linear(0, 3), ValueError, "in_features=0"),
    (lambda: nn.Linear(2, 2, dtype="i4"), tg.DTypeError, "int32 have no derivative"),
    (lambda: nn.Linear(3, 2)(np.ones((2, 4), "f4")), tg.ShapeError, "linear"),
    (lambda: nn.MLP(2, []), ValueError, "sizes is empty"),
    (lambda: nn.MLP(2, [3, 1], activation="swish"), ValueError, "choose one of"),
    (lambda: nn.MLP(2, [3, 1], activation=nn.Tanh()), TypeError, "nn.Tanh"),
    (lambda: nn.Dropout(1.5), ValueError, "p=1.5"),
    (lambda: nn.GELU("erf"), ValueError, "approximate='erf'"),
]


test_bad_input_is_refused_with_a_reason = refuses(REFUSED)
