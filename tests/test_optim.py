"""Optimizers: what a step touches, groups, state, and what is refused."""

import copy
import pickle

import numpy as np
import pytest
from optim_rules import every_rule, give_gradients, make, values
from refusing import refuses

import tapegrad as tg
from tapegrad import nn, optim, tape

# --- what a step touches -----------------------------------------------------------------------


@every_rule
def test_parameters_without_gradient_are_left_alone(rule, options):
    p, q = make([(3,), (3,)])
    optimizer = rule([p, q], **options)
    before = q.numpy().copy()
    version = q.version
    for k in range(3):
        give_gradients([p], k)
        optimizer.step()
    np.testing.assert_array_equal(q.numpy(), before)
    assert q.version == version
    # its own steps count from its first gradient
    (fresh,) = make([(3,)])
    fresh.assign(before)
    alone = rule([fresh], **options)
    for params, o in ([q], optimizer), ([fresh], alone):
        give_gradients(params, 9)
        o.step()
    np.testing.assert_array_equal(q.numpy(), fresh.numpy())


def test_a_step_raises_the_version():
    (p,) = make([(3,)])
    with tape() as t:
        y = (p * p).sum()
    p.grad = np.ones(3, "f4")
    version = p.version
    optim.SGD([p]).step()
    assert p.version > version
    with pytest.raises(tg.StaleValueError, match="written"):
        t.gradient(y, p)


def test_a_view_of_the_parameter_sees_the_step():
    (p,) = make([(3,)])
    view = p.data
    before = view.copy()
    p.grad = np.ones(3, "f4")
    optim.SGD([p], lr=1.0).step()
    np.testing.assert_array_equal(view, before - 1)


def test_hyper_parameters_are_read_at_each_step():
    (p,) = make([(3,)], "f8")
    optimizer = optim.SGD([p], lr=1.0)
    p.grad = np.ones(3)
    before = p.numpy().copy()
    optimizer.lr = 0.5
    optimizer.step()
    optimizer.param_groups[0]["lr"] = 0.25
    optimizer.step()
    np.testing.assert_allclose(p.numpy(), before - 0.75, rtol=1e-15)


@pytest.mark.parametrize("rate", [1, np.float32(0.1), np.float64(0.1), np.int8(1)], ids=repr)
def test_a_rate_of_any_kind_of_number_is_laid_out_once(rate, monkeypatch):
    pair = make([(3,)], "f8"), make([(3,)], "f8")
    ours, floats = (optim.SGD(ps, lr=lr) for ps, lr in zip(pair, (rate, float(rate))))
    for (p,), optimizer in zip(pair, (ours, floats)):
        p.grad = np.ones(3)
        optimizer.step()
    laid_out = []
    monkeypatch.setattr(optim.Optimizer, "_lay_out", lambda *args: laid_out.append(args))
    ours.step()
    floats.step()
    assert not laid_out
    np.testing.assert_array_equal(*[p.numpy() for (p,) in pair])


def test_a_rate_that_equals_the_last_one_is_read():
    (p,) = make([()], "f8")
    p.grad = 1.0
    optimizer = optim.SGD([p], lr=0.02)
    for rate in (0.02, np.float32(0.02), 0.02):
        before = p.item()
        optimizer.lr = rate
        optimizer.step()
        assert p.item() == before - float(rate)


def test_momentum_may_be_switched_on_later():
    (p,) = make([()], "f8")
    p.assign(0.0)
    optimizer = optim.SGD([p], lr=1.0)
    p.grad = 1.0
    optimizer.step()
    optimizer.param_groups[0]["momentum"] = 0.5
    for _ in range(2):
        optimizer.step()
    assert p.item() == -1 - 1 - 1.5


def test_momentum_goes_on_from_the_velocity_it_had():
    (p,) = make([()], "f8")
    p.assign(0.0)
    optimizer = optim.SGD([p], lr=1.0, momentum=0.5)
    for momentum in (0.5, 0.5, 0.0):  # velocities of 1, 1.5
        p.grad = 1.0
        optimizer.param_groups[0]["momentum"] = momentum
        optimizer.step()
    assert p.item() == -1 - 1.5 - 1
    twin = tg.parameter(p.numpy())
    loaded = optim.SGD([twin], lr=1.0)
    loaded.load_state_dict(optimizer.state_dict())
    for q, o in (p, optimizer), (twin, loaded):
        q.grad = 1.0
        o.param_groups[0]["momentum"] = 0.5
        o.step()
        assert q.item() == -3.5 - 1.75


def test_closure_is_called_and_its_result_returned():
    (p,) = make([()], "f8")
    p.assign(3.0)
    optimizer = optim.SGD([p], lr=0.1)

    def closure():
        optimizer.zero_grad()
        with tape():
            loss = p * p
        loss.backward()
        return loss

    assert optimizer.step(closure).item() == 9.0
    assert p.item() == pytest.approx(2.4)


@pytest.mark.parametrize("set_to_none", [True, False])
def test_zero_grad(set_to_none):
    params = make([(2,), (3,)])
    give_gradients(params[:1], 0)
    optim.SGD(params).zero_grad(set_to_none)
    if set_to_none:
        assert params[0].grad is None
    else:
        np.testing.assert_array_equal(params[0].grad.numpy(), [0, 0])
    assert params[1].grad is None


# --- groups ------------------------------------------------------------------------------------


def test_groups_have_their_own_hyper_parameters():
    p, q, r = make([(2,), (2,), (2,)], "f8")
    before = values([p, q, r])
    optimizer = optim.SGD([{"params": [p]}, {"params": q, "lr": 0.5}], lr=0.1)
    optimizer.add_param_group({"params": [r], "lr": 1.0})
    for t in p, q, r:
        t.grad = np.ones(2)
    optimizer.step()
    for t, start, lr in zip((p, q, r), before, (0.1, 0.5, 1.0)):
        np.testing.assert_allclose(t.numpy(), start - lr, rtol=1e-14)
    with pytest.raises(ValueError, match="learning rates are"):
        _ = optimizer.lr
    optimizer.lr = 0.2
    assert optimizer.lr == 0.2


def test_a_parameter_added_to_a_group_is_updated_and_the_others_keep_their_state():
    p, q = make([(2,), (2,)], "f8")
    optimizer = optim.Adam([p], lr=0.1)
    p.grad = q.grad = np.ones(2)
    optimizer.step()
    group = optimizer.param_groups[0]
    group["params"] = [*group["params"], q]
    optimizer.step()
    state = optimizer.state_dict()["state"]
    assert state[0]["step"] == 2
    assert state[1]["step"] == 1


# --- state -------------------------------------------------------------------------------------


@every_rule
def test_a_saved_optimizer_continues_with_the_same_bits(rule, options):
    params = make()
    optimizer = rule(params, **options)
    for k in range(3):
        give_gradients(params, k)
        optimizer.step()
    twins = [tg.parameter(v) for v in values(params)]
    restored = rule(twins, **{**options, "lr": 123.0})
    restored.load_state_dict(pickle.loads(pickle.dumps(optimizer.state_dict())))
    assert restored.lr == optimizer.lr
    for k in range(3, 5):
        for ps, o in (params, optimizer), (twins, restored):
            give_gradients(ps, k)
            o.step()
    for p, q in zip(params, twins):
        np.testing.assert_array_equal(p.numpy(), q.numpy())


@pytest.mark.parametrize("clone", [copy.deepcopy, lambda x: pickle.loads(pickle.dumps(x))])
def test_an_optimizer_is_copied_with_its_parameters(clone):
    params = make()
    optimizer = optim.Adam(params, lr=0.1)
    give_gradients(params, 0)
    optimizer.step()
    twins, twin = clone((params, optimizer))
    assert all(p is q for p, q in zip(twins, twin.param_groups[0]["params"]))
    for ps, o in (params, optimizer), (twins, twin):
        give_gradients(ps, 1)
        o.step()
    for p, q in zip(params, twins):
        np.testing.assert_array_equal(p.numpy(), q.numpy())


def test_a_refused_optimizer_state_changes_nothing():
    params = make([(2,), (3,)])
    optimizer = optim.Adam(params, lr=0.1)
    give_gradients(params, 0)
    optimizer.step()
    before = optimizer.state_dict()
    state = copy.deepcopy(before)
    state["param_groups"][0]["lr"] = 7.0
    state["state"][1]["exp_avg"] = np.ones(5)
    with pytest.raises(tg.TapegradError, match=r"exp_avg needs \(3,\), got \(5,\)"):
        optimizer.load_state_dict(state)
    with pytest.raises(RuntimeError, match="groups of"):
        optim.Adam(params[:1]).load_state_dict(before)
    after = optimizer.state_dict()
    assert after["param_groups"] == before["param_groups"]
    for name, value in before["state"][0].items():
        np.testing.assert_array_equal(after["state"][0][name], value)


def test_optimizer_state_loads_from_pytorch():
    torch = pytest.importorskip("torch", reason="PyTorch is not installed")
    params = make([(3,), (2, 2)], "f8")
    theirs = [torch.tensor(v, requires_grad=True) for v in values(params)]
    reference = torch.optim.Adam(theirs, lr=0.1)
    for k in range(4):
        give_gradients(params, k)
        for p, q in zip(params, theirs):
            q.grad = torch.tensor(np.array(p.grad.numpy()))
        if k == 2:
            for p, q in zip(params, theirs):
                p.assign(q.detach().numpy())
            ours = optim.Adam(params)
            ours.load_state_dict(
                {
                    "state": reference.state_dict()["state"],
                    "param_groups": [{"lr": 0.1, "params": [0, 1]}],
                }
            )
        reference.step()
        if k >= 2:
            ours.step()
    for p, q in zip(params, theirs):
        np.testing.assert_allclose(p.numpy(), q.detach().numpy(), rtol=1e-12)


# --- training ----------------------------------------------------------------------------------


@pytest.mark.parametrize("rule", [optim.SGD, optim.Adam, optim.AdamW])
def test_training_lowers_the_loss(rule):
    tg.manual_seed(0)
    rng = np.random.default_rng(0)
    x = rng.normal(size=(64, 2)).astype("f4")
    y = (x[:, :1] * x[:, 1:] > 0).astype("f4")
    net = nn.MLP(2, [16, 16, 1], "tanh")
    optimizer = rule(net.parameters(), lr=0.5 if rule is optim.SGD else 0.02)
    losses = []
    for _ in range(200):
        with tape():
            loss = nn.binary_cross_entropy_with_logits(net(x), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.3 * losses[0]


# --- bad input ---------------------------------------------------------------------------------

P = tg.parameter(np.ones(2))


def step_with(**hyper):
    optimizer = optim.SGD([P])
    optimizer.param_groups[0].update(hyper)
    optimizer.step()


REFUSED = [
    (lambda: optim.SGD([]), ValueError, "empty parameter list"),
    (lambda: optim.SGD(P), TypeError, r"write \[parameter\]"),
    (lambda: optim.SGD([tg.tensor([1.0])]), TypeError, "an optimizer writes Parameters"),
    (lambda: optim.SGD([P, P]), ValueError, "more than once"),
    (lambda: optim.SGD([{"params": [P]}, {"params": [P]}]), ValueError, "more than once"),
    (lambda: optim.SGD([{"lr": 1.0}]), TypeError, "key 'params'"),
    (lambda: optim.SGD([{"params": [P], "beta": 1}]), ValueError, "SGD has no beta"),
    (lambda: optim.SGD([P], lr=-1.0), ValueError, "lr=-1.0"),
    (lambda: optim.SGD([P], lr=float("nan")), ValueError, "lr=nan"),
    (lambda: optim.SGD([P], lr="fast"), ValueError, "lr='fast'"),
    (lambda: optim.SGD([P], momentum=-0.1), ValueError, "momentum=-0.1"),
    (lambda: optim.SGD([P], lr=10**400), ValueError, "lr=1000"),
    (lambda: step_with(dampening=10**400), ValueError, "dampening=1000"),
    (lambda: step_with(lr=np.ones(2)), ValueError, "lr=array"),
    (lambda: optim.SGD([P], nesterov=True), ValueError, "nesterov=True needs momentum"),
    (lambda: optim.Adam([P], betas=(0.9, 1.0)), ValueError, "betas=1.0"),
    (lambda: optim.Adam([P], betas=(0.9,)), ValueError, "give two numbers"),
    (lambda: optim.Adam([P], eps=-1e-8), ValueError, "eps=-1e-08"),
    (lambda: setattr(optim.Adam([P]), "lr", -1.0), ValueError, "lr=-1.0"),
    (lambda: setattr(optim.Adam([P]), "lr", tg.tensor(0.1)), ValueError, "lr is a Tensor"),
    (lambda: optim.Adam([P], betas=0.9), ValueError, "give two numbers"),
    (lambda: optim.SGD(nn.Linear(1, 1)), TypeError, "model.parameters.. for example; got Linear"),
    (lambda: step_with(lr="fast"), ValueError, "lr='fast'"),
    (lambda: optim.SGD([P]).load_state_dict({}), tg.StateDictError, "'state' and 'param_groups'"),
    (lambda: optim.SGD([P]).load_state_dict(None), tg.StateDictError, "got NoneType"),
]


test_bad_input_is_refused_with_a_reason = refuses(REFUSED)
