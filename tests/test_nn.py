"""Modules, layers, activations and losses."""

import copy
import pickle

import numpy as np
import pytest

import tapegrad as tg
from tapegrad import nn, tape
from tapegrad.nn import functional as F
from tapegrad.nn import init


def kind(value):
    return type(value).__name__


@pytest.fixture(autouse=True)
def seed():
    tg.manual_seed(0)


def network():
    return nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Dropout(0.5), nn.Linear(4, 2, bias=False))


class Net(nn.Module):
    def __init__(self):
        self.first = nn.Linear(3, 4)
        self.scale = tg.parameter(np.ones(4, "f4"))
        self.blocks = [nn.Linear(4, 4), nn.Linear(4, 4)]
        self.register_buffer("shift", np.full(4, 0.5, "f4"))
        self.register_buffer("scratch", np.zeros(2, "f4"), persistent=False)

    def forward(self, x):
        x = F.tanh(self.first(x)) * self.scale + self.shift
        for block in self.blocks:
            x = block(x)
        return x


# --- the tree --------------------------------------------------------------------------------


def test_parameters_are_named_as_pytorch_names_them():
    assert [name for name, _ in network().named_parameters()] == [
        "0.weight",
        "0.bias",
        "3.weight",
    ]
    # a module's own come before its children's, lists count as ModuleList
    assert list(Net().state_dict()) == [
        "scale",
        "shift",
        "first.weight",
        "first.bias",
        "blocks.0.weight",
        "blocks.0.bias",
        "blocks.1.weight",
        "blocks.1.bias",
    ]


def test_parameters_are_plain_attributes():
    layer = nn.Linear(3, 4)
    assert vars(layer)["weight"] is layer.weight
    assert layer.weight.shape == (4, 3)
    assert layer.weight.dtype == np.float32


def test_a_shared_parameter_is_given_once_and_saved_twice():
    class Tied(nn.Module):
        def __init__(self):
            self.a = nn.Linear(3, 3, bias=False)
            self.b = nn.Linear(3, 3, bias=False)
            self.b.weight = self.a.weight

    net = Tied()
    assert len(list(net.parameters())) == 1
    assert list(net.state_dict()) == ["a.weight", "b.weight"]
    twin = copy.deepcopy(net)
    assert twin.a.weight is twin.b.weight


def test_modules_and_children():
    net = Net()
    assert [name for name, _ in net.named_modules()] == ["", "first", "blocks.0", "blocks.1"]
    assert list(net.children()) == [net.first, *net.blocks]
    assert [name for name, _ in net.named_buffers()] == ["shift", "scratch"]
    seen = []
    net.apply(seen.append)
    assert seen == [net.first, *net.blocks, net]


def test_repr_is_an_indented_tree():
    assert repr(nn.Sequential(nn.Linear(3, 4), nn.Sequential(nn.ReLU()))) == (
        "Sequential(\n"
        "  (0): Linear(in_features=3, out_features=4, bias=True)\n"
        "  (1): Sequential(\n"
        "    (0): ReLU()\n"
        "  )\n"
        ")"
    )


def test_train_and_eval_reach_every_module():
    net = network()
    assert net.training
    assert net.eval() is net
    assert not any(m.training for m in net.modules())
    net.train()
    assert all(m.training for m in net.modules())


def test_a_subclass_of_a_layer_may_have_its_own_forward():
    class Twice(nn.Linear):
        def forward(self, x):
            return super().forward(x) * 2

    class Thrice(Twice):
        def forward(self, x):
            return super().forward(x) * 1.5

    layer = Thrice(3, 2)
    x = np.ones((1, 3), "f4")
    np.testing.assert_allclose(
        layer(x).numpy(), 3 * (x @ layer.weight.numpy().T + layer.bias.numpy()), rtol=1e-6
    )


def test_forward_of_a_subclass_may_be_replaced_later():
    class Model(nn.Module):
        def forward(self, x):
            return x

    model = Model()
    Model.forward = lambda self, x: x + 1
    assert model(1) == 2
    model.forward = lambda x: x + 2
    assert model(1) == 3


def test_forward_set_on_a_layer_is_refused():
    with pytest.raises(AttributeError, match="derive a class from Linear"):
        nn.Linear(1, 1).forward = abs


def test_requires_grad_is_switched_for_all_parameters():
    net = network().requires_grad_(False)
    with tape() as t:
        net(np.ones((2, 3), "f4"))
    assert len(t) == 0
    assert all(p.requires_grad for p in net.requires_grad_().parameters())


@pytest.mark.parametrize("set_to_none", [True, False])
def test_zero_grad_clears_gradients(set_to_none):
    layer = nn.Linear(3, 2)
    with tape():
        loss = layer(np.ones((2, 3), "f4")).sum()
    loss.backward()
    np.testing.assert_array_equal(layer.bias.grad.numpy(), [2, 2])
    layer.zero_grad(set_to_none)
    if set_to_none:
        assert layer.bias.grad is None
    else:
        np.testing.assert_array_equal(layer.bias.grad.numpy(), [0, 0])


# --- state -----------------------------------------------------------------------------------


def test_state_dict_round_trip_gives_the_same_outputs():
    x = np.random.default_rng(0).normal(size=(5, 3)).astype("f4")
    a, b = Net(), Net()
    a.shift = tg.tensor(np.ones(4, "f4"))
    assert not np.array_equal(a(x).numpy(), b(x).numpy())
    b.load_state_dict(pickle.loads(pickle.dumps(a.state_dict())))
    np.testing.assert_array_equal(a(x).numpy(), b(x).numpy())


def test_state_dict_is_a_copy():
    layer = nn.Linear(2, 2)
    state = layer.state_dict()
    assert all(type(value) is np.ndarray for value in state.values())
    layer.bias.assign(7)
    assert not np.array_equal(state["bias"], layer.bias.numpy())


def test_a_refused_state_dict_names_everything_and_changes_nothing():
    net = network()
    before = net.state_dict()
    wrong = {"0.weight": np.ones((4, 3)), "0.bias": np.ones(5), "4.weight": np.ones(2)}
    with pytest.raises(tg.TapegradError) as error:
        net.load_state_dict(wrong)
    for part in ("missing: 3.weight", "unexpected: 4.weight", "0.bias: shape (5,)", "(4,)"):
        assert part in str(error.value)
    for name, value in net.state_dict().items():
        np.testing.assert_array_equal(value, before[name])


def test_a_partial_state_dict_loads_when_not_strict():
    net = network()
    keys = net.load_state_dict({"0.bias": np.arange(4), "other": 1}, strict=False)
    assert keys.missing_keys == ["0.weight", "3.weight"]
    assert keys.unexpected_keys == ["other"]
    np.testing.assert_array_equal(net[0].bias.numpy(), [0, 1, 2, 3])


def test_complex_values_do_not_load_into_real_parameters():
    layer = nn.Linear(2, 1)
    with pytest.raises(RuntimeError, match="complex128 cannot become float32"):
        layer.load_state_dict({"weight": np.ones((1, 2), complex), "bias": np.ones(1)})


@pytest.mark.parametrize("clone", [copy.deepcopy, lambda m: pickle.loads(pickle.dumps(m))])
def test_modules_can_be_copied_and_pickled(clone):
    net = network().eval()
    twin = clone(net)
    x = np.ones((2, 3), "f4")
    np.testing.assert_array_equal(net(x).numpy(), twin(x).numpy())
    twin[0].bias.assign(1)
    assert not np.array_equal(net[0].bias.numpy(), twin[0].bias.numpy())


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
    net = network()
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


# --- losses ----------------------------------------------------------------------------------


def log_probabilities(x):
    return x - np.log(np.exp(x).sum(1, keepdims=True))


LOGITS = np.random.default_rng(3).normal(size=(6, 4)) * 2
LABELS = np.array([0, 3, 1, 1, 2, 0])
WEIGHT = np.array([1.0, 0.5, 2.0, 0.25])


def test_cross_entropy_is_minus_the_log_probability_of_the_label():
    each = -log_probabilities(LOGITS)[np.arange(6), LABELS]
    for reduction, want in ("none", each), ("sum", each.sum()), ("mean", each.mean()):
        got = nn.cross_entropy(LOGITS, LABELS, reduction=reduction)
        np.testing.assert_allclose(got.numpy(), want, rtol=1e-12)


def test_cross_entropy_weights_classes():
    each = -log_probabilities(LOGITS)[np.arange(6), LABELS] * WEIGHT[LABELS]
    got = nn.cross_entropy(LOGITS, LABELS, WEIGHT).item()
    assert got == pytest.approx(each.sum() / WEIGHT[LABELS].sum(), rel=1e-12)


def test_cross_entropy_ignores_an_index():
    each = -log_probabilities(LOGITS)[np.arange(6), LABELS]
    labels = LABELS.copy()
    labels[[1, 4]] = -100
    kept = each[[0, 2, 3, 5]]
    assert nn.cross_entropy(LOGITS, labels).item() == pytest.approx(kept.mean(), rel=1e-12)
    assert nn.cross_entropy(LOGITS, LABELS, ignore_index=0).item() == pytest.approx(
        each[1:5].mean(), rel=1e-12
    )


def test_soft_labels_agree_with_integer_ones():
    onehot = np.eye(4)[LABELS]
    a = nn.cross_entropy(LOGITS, LABELS, label_smoothing=0.1).item()
    b = nn.cross_entropy(LOGITS, onehot, label_smoothing=0.1).item()
    assert a == pytest.approx(b, rel=1e-12)


def test_cross_entropy_takes_one_sample_and_further_axes():
    x = np.random.default_rng(4).normal(size=(2, 4, 3))
    labels = np.array([[0, 1, 2], [3, 2, 1]])
    each = nn.cross_entropy(x, labels, reduction="none").numpy()
    assert each.shape == (2, 3)
    one = nn.cross_entropy(x[1, :, 2], labels[1, 2]).item()
    assert one == pytest.approx(each[1, 2], rel=1e-12)


def test_regression_losses_have_known_values():
    x, y = np.array([0.5, -2.0, 3.0]), np.array([0.0, 1.0, 3.0])
    for loss, want in [
        (nn.mse_loss, [0.25, 9.0, 0.0]),
        (nn.l1_loss, [0.5, 3.0, 0.0]),
        (nn.huber_loss, [0.125, 2.5, 0.0]),
        (nn.smooth_l1_loss, [0.125, 2.5, 0.0]),
    ]:
        np.testing.assert_allclose(loss(x, y, reduction="none").numpy(), want, rtol=1e-15)
    assert nn.huber_loss(x, y, "sum", delta=2.0).item() == 0.125 + 2 * (3 - 1)
    assert nn.smooth_l1_loss(x, y, "sum", beta=2.0).item() == 0.0625 + 2
    assert nn.smooth_l1_loss(x, y, "sum", beta=0).item() == 3.5


def test_binary_cross_entropy_is_exact_far_out():
    x, y = np.array([-800.0, 800.0, 0.0, 3.0]), np.array([0.0, 1.0, 1.0, 0.5])
    got = nn.binary_cross_entropy_with_logits(x, y, reduction="none").numpy()
    want = [0, 0, np.log(2), 0.5 * np.log1p(np.exp(3)) + 0.5 * np.log1p(np.exp(-3))]
    np.testing.assert_allclose(got, want, rtol=1e-14)
    wrong = nn.binary_cross_entropy_with_logits(-x, y, reduction="none").numpy()
    np.testing.assert_allclose(wrong[:2], [800, 800])


@pytest.mark.parametrize(("logit", "label"), [(30, 1), (-30, 0)])
def test_binary_cross_entropy_of_a_sure_right_answer_is_not_lost(logit, label):
    x, y = np.full((1, 1), logit, "f4"), np.full((1, 1), label, "f4")
    got = nn.binary_cross_entropy_with_logits(x, y).item()
    assert got == pytest.approx(np.exp(-30.0), rel=1e-6)


def test_pos_weight_multiplies_the_positive_part():
    x, y = np.array([0.3, -1.0]), np.array([1.0, 0.0])
    plain = nn.binary_cross_entropy_with_logits(x, y, reduction="none").numpy()
    got = nn.binary_cross_entropy_with_logits(
        x, y, pos_weight=3.0, weight=np.array([1.0, 2.0]), reduction="none"
    )
    np.testing.assert_allclose(got.numpy(), plain * [3, 2], rtol=1e-14)


def test_targets_are_cast_to_the_input():
    x = np.ones((2, 1), "f4")
    assert nn.mse_loss(x, np.zeros((2, 1))).dtype == np.float32
    assert nn.binary_cross_entropy_with_logits(x, np.zeros((2, 1))).dtype == np.float32
    assert nn.CrossEntropyLoss(weight=[1.0, 2.0])(np.ones((2, 2), "f4"), [0, 1]).dtype == "f4"


LOSSES = [
    (nn.MSELoss(), nn.mse_loss, LOGITS + 1),
    (nn.L1Loss("sum"), lambda x, y: nn.l1_loss(x, y, "sum"), LOGITS + 1),
    (nn.HuberLoss(delta=0.5), lambda x, y: nn.huber_loss(x, y, delta=0.5), LOGITS + 1),
    (nn.SmoothL1Loss(beta=0.5), lambda x, y: nn.smooth_l1_loss(x, y, beta=0.5), LOGITS + 1),
    (
        nn.BCEWithLogitsLoss(pos_weight=2.0),
        lambda x, y: nn.binary_cross_entropy_with_logits(x, y, pos_weight=2.0),
        np.eye(4)[LABELS],
    ),
    (
        nn.CrossEntropyLoss(WEIGHT, label_smoothing=0.1),
        lambda x, y: nn.cross_entropy(x, y, WEIGHT, label_smoothing=0.1),
        LABELS,
    ),
]


@pytest.mark.parametrize(("module", "function", "target"), LOSSES, ids=kind)
def test_loss_modules_call_their_functions(module, function, target):
    assert module(LOGITS, target).item() == function(LOGITS, target).item()


@pytest.mark.parametrize(("module", "function", "target"), LOSSES, ids=kind)
def test_gradients_of_losses_match_finite_differences(module, function, target):
    x = tg.tensor(LOGITS, requires_grad=True)
    with tape() as t:
        loss = function(x, target)
    got = t.gradient(loss, x).numpy()
    h = 1e-6
    for i in (0, 0), (2, 1), (5, 3):
        step = np.zeros_like(LOGITS)
        step[i] = h
        up, down = function(LOGITS + step, target), function(LOGITS - step, target)
        assert got[i] == pytest.approx((up.item() - down.item()) / (2 * h), rel=1e-6, abs=1e-8)


# --- gradient clipping -----------------------------------------------------------------------


def with_gradients(*gradients):
    params = [tg.parameter(np.zeros(np.shape(g))) for g in gradients]
    for p, g in zip(params, gradients):
        p.grad = np.array(g)
    return params


def test_clip_grad_norm_scales_all_gradients_together():
    params = with_gradients([3.0, 0.0], [[4.0]])
    assert nn.clip_grad_norm_(params, 1.0).item() == pytest.approx(5.0)
    np.testing.assert_allclose(params[0].grad.numpy(), [0.6, 0], rtol=1e-6)
    np.testing.assert_allclose(params[1].grad.numpy(), [[0.8]], rtol=1e-6)
    assert nn.clip_grad_norm_(params, 10.0).item() == pytest.approx(1.0)
    np.testing.assert_allclose(params[0].grad.numpy(), [0.6, 0], rtol=1e-6)


def test_clip_grad_norm_can_refuse_a_norm_that_is_not_finite():
    params = with_gradients([np.nan, 1.0], [2.0])
    with pytest.raises(FloatingPointError, match="nan"):
        nn.clip_grad_norm_(params, 1.0, error_if_nonfinite=True)
    np.testing.assert_array_equal(params[1].grad.numpy(), [2.0])


def test_clip_grad_value_clips_elements():
    (p,) = with_gradients([-3.0, 0.5, 2.0])
    nn.clip_grad_value_([p], 1.0)
    np.testing.assert_array_equal(p.grad.numpy(), [-1, 0.5, 1])


# --- initialisation --------------------------------------------------------------------------

INITS = [
    (lambda p: init.xavier_uniform_(p), np.sqrt(6 / 500) / np.sqrt(3)),
    (lambda p: init.xavier_normal_(p, gain=2.0), 2 * np.sqrt(2 / 500)),
    (lambda p: init.kaiming_uniform_(p, nonlinearity="relu"), np.sqrt(2 / 200)),
    (lambda p: init.kaiming_normal_(p, mode="fan_out"), np.sqrt(2 / 300)),
    (lambda p: init.normal_(p, std=0.5), 0.5),
    (lambda p: init.uniform_(p, -1, 1), 1 / np.sqrt(3)),
    (lambda p: init.zeros_(p), 0.0),
]


@pytest.mark.parametrize(("fill", "std"), INITS)
def test_initialisation_has_the_standard_deviation_of_its_source(fill, std):
    p = init.empty(300, 200)
    assert fill(p) is p
    np.testing.assert_allclose(p.numpy().std(), std, rtol=0.01)
    assert abs(p.numpy().mean()) < 0.02 * (std or 1)


# --- bad input -------------------------------------------------------------------------------

REFUSED = [
    (lambda: nn.Linear(0, 3), ValueError, "in_features=0"),
    (lambda: nn.Linear(2, 2, dtype="i4"), tg.DTypeError, "int32 have no derivative"),
    (lambda: nn.Linear(3, 2)(np.ones((2, 4), "f4")), tg.ShapeError, "linear"),
    (lambda: nn.MLP(2, []), ValueError, "sizes is empty"),
    (lambda: nn.MLP(2, [3, 1], activation="swish"), ValueError, "choose one of"),
    (lambda: nn.MLP(2, [3, 1], activation=nn.Tanh()), TypeError, "nn.Tanh"),
    (lambda: nn.Sequential(F.relu), TypeError, "expected a Module"),
    (lambda: nn.Dropout(1.5), ValueError, "p=1.5"),
    (lambda: nn.GELU("erf"), ValueError, "approximate='erf'"),
    (lambda: nn.Module()(1), NotImplementedError, "Module does not define forward"),
    (lambda: nn.MSELoss("avg"), ValueError, "reduction='avg'"),
    (lambda: nn.mse_loss(LOGITS, LOGITS, "avg"), ValueError, "reduction='avg'"),
    (lambda: nn.mse_loss(np.ones((3, 1)), np.ones(3)), tg.ShapeError, "differ in shape"),
    (lambda: nn.huber_loss(LOGITS, LOGITS, delta=0), ValueError, "delta=0"),
    (lambda: nn.cross_entropy(LOGITS, LABELS[:3]), tg.ShapeError, "(3,)"),
    (lambda: nn.cross_entropy(LOGITS, LABELS + 2), IndexError, "4|5"),
    (lambda: nn.cross_entropy(LOGITS, LABELS > 1), tg.DTypeError, "bool"),
    (lambda: nn.cross_entropy(LOGITS, LOGITS[:, :2]), tg.ShapeError, "probabilities"),
    (lambda: nn.cross_entropy(LOGITS, LABELS, [1.0]), tg.ShapeError, "weight"),
    (lambda: nn.cross_entropy(LOGITS, LABELS, label_smoothing=2.0), ValueError, "smoothing=2.0"),
    (lambda: init.xavier_normal_(tg.parameter(np.ones(3))), tg.ShapeError, "(3,)"),
    (lambda: init.calculate_gain("swish"), ValueError, "swish"),
    (lambda: tg.set_default_dtype("i8"), tg.DTypeError, "int64"),
]


@pytest.mark.parametrize(("call", "kind", "part"), REFUSED, ids=lambda v: str(v)[:24])
def test_bad_input_is_refused_with_a_reason(call, kind, part):
    with pytest.raises(kind, match=part.replace("(", r"\(").replace(")", r"\)")):
        call()


# --- against PyTorch -------------------------------------------------------------------------


def test_losses_and_gradients_agree_with_pytorch():
    torch = pytest.importorskip("torch", reason="PyTorch is not installed")
    T = torch.nn.functional
    labels = LABELS.copy()
    labels[2] = -100
    soft = np.random.default_rng(5).dirichlet(np.ones(4), 6)
    rows = [
        ("cross_entropy", labels, {"weight": WEIGHT, "label_smoothing": 0.2}),
        ("cross_entropy", labels, {"weight": WEIGHT, "reduction": "none"}),
        ("cross_entropy", soft, {"weight": WEIGHT, "label_smoothing": 0.2}),
        ("binary_cross_entropy_with_logits", soft, {"pos_weight": WEIGHT}),
        ("binary_cross_entropy_with_logits", soft, {"weight": WEIGHT, "reduction": "sum"}),
        ("huber_loss", soft, {"delta": 0.7}),
        ("smooth_l1_loss", soft, {"beta": 0.3}),
        ("mse_loss", soft, {}),
        ("l1_loss", soft, {}),
    ]
    for name, target, options in rows:
        x = tg.tensor(LOGITS, requires_grad=True)
        with tape() as t:
            ours = getattr(F, name)(x, target, **options)
        grad = t.gradient(ours, x)
        theirs_x = torch.tensor(LOGITS, requires_grad=True)
        for option, value in options.items():
            if isinstance(value, np.ndarray):
                options[option] = torch.tensor(value)
        theirs = getattr(T, name)(theirs_x, torch.tensor(target), **options)
        theirs.sum().backward()
        np.testing.assert_allclose(ours.numpy(), theirs.detach().numpy(), rtol=1e-10)
        np.testing.assert_allclose(grad.numpy(), theirs_x.grad.numpy(), rtol=1e-10, atol=1e-12)


def test_state_dicts_exchange_with_pytorch():
    torch = pytest.importorskip("torch", reason="PyTorch is not installed")
    theirs = torch.nn.Sequential(torch.nn.Linear(3, 5), torch.nn.Tanh(), torch.nn.Linear(5, 2))
    ours = nn.MLP(3, [5, 2], "tanh")
    ours.load_state_dict(theirs.state_dict())
    x = np.random.default_rng(6).normal(size=(4, 3)).astype("f4")
    with torch.no_grad():
        want = theirs(torch.tensor(x)).numpy()
    np.testing.assert_allclose(ours(x).numpy(), want, rtol=1e-5, atol=1e-6)
    theirs.load_state_dict({k: torch.tensor(v) for k, v in ours.state_dict().items()})
