"""Losses: known values, options, gradients, agreement with PyTorch."""

import numpy as np
import pytest
from refusing import refuses

import tapegrad as tg
from tapegrad import nn, tape
from tapegrad.nn import functional as F


def kind(value):
    return type(value).__name__


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


OPTIONS = [
    {"label_smoothing": 0.1},
    {"weight": WEIGHT},
    {"weight": tg.tensor(WEIGHT), "label_smoothing": 0.1, "reduction": "sum"},
    {"ignore_index": 1},
    {"reduction": "none", "ignore_index": 3},
]


@pytest.mark.parametrize("options", OPTIONS, ids=lambda o: "-".join(o))
def test_cross_entropy_with_options_replays_with_eagers_bits(options, backend):
    """Whatever its options, it computes with labels as Tensors, which a recorded step may."""
    loss = tg.compile(lambda x, y: nn.cross_entropy(x, y, **options))
    for shift in range(4):
        labels = np.roll(LABELS, shift)
        want = nn.cross_entropy(LOGITS, labels, **options)
        np.testing.assert_array_equal(loss(LOGITS, labels), want)
    assert loss.explain().count("recorded") <= 2


def test_rows_of_the_ignored_label_replay(backend):
    loss = tg.compile(nn.cross_entropy)
    for labels in ([0, -100, 1, 1, 2, 0], [-100, 3, 1, 1, 2, -100], LABELS):
        np.testing.assert_array_equal(
            loss(LOGITS, np.array(labels)), nn.cross_entropy(LOGITS, np.array(labels))
        )


def test_losses_and_softmax_of_integers_are_those_of_floats(backend):
    x = np.array([[1, 2, 3], [0, 5, -1]])
    for f in F.softmax, F.log_softmax, lambda x: nn.cross_entropy(x, [0, 2]):
        np.testing.assert_allclose(f(x), f(x.astype(float)), rtol=1e-15, atol=1e-15)


REFUSED = [
    (lambda: nn.MSELoss("avg"), ValueError, "reduction='avg'"),
    (lambda: nn.mse_loss(LOGITS, LOGITS, "avg"), ValueError, "reduction='avg'"),
    (lambda: nn.mse_loss(np.ones((3, 1)), np.ones(3)), tg.ShapeError, "differ in shape"),
    (lambda: nn.huber_loss(LOGITS, LOGITS, delta=0), ValueError, "delta=0"),
    (lambda: nn.HuberLoss(delta=-1), ValueError, "delta=-1; it must be a number above 0"),
    (lambda: nn.huber_loss(LOGITS, LOGITS, delta="a"), ValueError, "delta='a'"),
    (
        lambda: nn.SmoothL1Loss(beta=None),
        ValueError,
        "beta=None; it must be a number of at least 0",
    ),
    (lambda: nn.CrossEntropyLoss(label_smoothing="a"), ValueError, "label_smoothing='a'"),
    (lambda: nn.huber_loss(LOGITS, LOGITS, delta=10**400), ValueError, "huber_loss: delta=1000"),
    (lambda: nn.huber_loss(LOGITS, LOGITS, delta=LOGITS * 1j), ValueError, "huber_loss: delta=arr"),
    (lambda: nn.mse_loss("a", LOGITS), tg.DTypeError, "mse_loss: input is of type str; give a"),
    (lambda: nn.l1_loss(LOGITS, nn.ReLU()), tg.DTypeError, "l1_loss: target is of type ReLU"),
    (lambda: nn.cross_entropy(None, LABELS), tg.DTypeError, "cross_entropy: input is of type None"),
    (lambda: nn.cross_entropy(LOGITS, ["a"]), tg.DTypeError, "cross_entropy: target is of type l"),
    (lambda: nn.cross_entropy(LOGITS, LABELS, {"a": 1}), tg.DTypeError, "weight is of type dict"),
    (
        lambda: nn.binary_cross_entropy_with_logits(LOGITS, LOGITS, "a"),
        tg.DTypeError,
        "binary_cross_entropy_with_logits: weight is of type str",
    ),
    (
        lambda: nn.binary_cross_entropy_with_logits(LOGITS, LOGITS, pos_weight=len),
        tg.DTypeError,
        "pos_weight is of type builtin",
    ),
    (lambda: nn.dropout(None), tg.DTypeError, "tensor of NoneType: a Tensor cannot hold"),
    (lambda: nn.leaky_relu(LOGITS, "a"), TypeError, "leaky_relu: negative_slope='a'; it must be"),
    (lambda: nn.leaky_relu(LOGITS, 10**400), TypeError, "leaky_relu: negative_slope=1000"),
    (lambda: nn.elu(LOGITS, None), TypeError, "elu: alpha=None; it must be a number"),
    (lambda: nn.LeakyReLU("a"), TypeError, "negative_slope='a'; it must be a number"),
    (lambda: nn.ELU(None), TypeError, "alpha=None"),
    (lambda: nn.cross_entropy(LOGITS, LABELS[:3]), tg.ShapeError, r"\(3,\)"),
    (lambda: nn.cross_entropy(LOGITS, LABELS + 2), IndexError, "4|5"),
    (lambda: nn.cross_entropy(LOGITS, LABELS > 1), tg.DTypeError, "bool"),
    (lambda: nn.cross_entropy(LOGITS, LOGITS[:, :2]), tg.ShapeError, "probabilities"),
    (lambda: nn.cross_entropy(LOGITS, LABELS, [1.0]), tg.ShapeError, "weight"),
    (lambda: nn.cross_entropy(LOGITS, LABELS, label_smoothing=2.0), ValueError, "smoothing=2.0"),
]


test_bad_input_is_refused_with_a_reason = refuses(REFUSED)


NUMBERS = [
    (nn.huber_loss, "delta", 0.5, LOGITS),
    (nn.smooth_l1_loss, "beta", 0.5, LOGITS),
    (nn.cross_entropy, "label_smoothing", 0.2, LABELS),
    (nn.cross_entropy, "label_smoothing", 0.2, np.full((6, 4), 0.25)),
]


@pytest.mark.parametrize(("loss", "name", "number", "target"), NUMBERS)
def test_numbers_of_losses_may_be_numpys_or_tensors(loss, name, number, target):
    logits = 2 * LOGITS.astype("f4")
    if target.dtype.kind == "f":
        target = target.astype("f4")
    wanted = loss(logits, target, **{name: number})
    for made in (np.float64(number), np.array(number), tg.tensor(np.float32(number))):
        found = loss(logits, target, **{name: made})
        assert found.dtype == np.float32
        np.testing.assert_allclose(found.numpy(), wanted.numpy(), rtol=1e-6)
