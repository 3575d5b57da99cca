"""Modules as a tree: names, modes, forward, state dicts, copies."""

import copy
import pickle

import numpy as np
import pytest
from refusing import refuses

import tapegrad as tg
from tapegrad import nn, tape
from tapegrad.nn import functional as F

pytestmark = pytest.mark.usefixtures("seed")


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


def test_a_module_that_holds_its_parent_is_no_endless_tree():
    class Child(nn.Module):
        def __init__(self, parent):
            self.parent = parent
            self.layer = nn.Linear(1, 1)

    class Parent(nn.Module):
        def __init__(self):
            self.child = Child(self)

    net = Parent()
    assert list(net.state_dict()) == ["child.layer.weight", "child.layer.bias"]
    assert list(net.train().modules()) == [net, net.child, net.child.layer]
    seen = []
    net.apply(seen.append)
    assert seen == [net.child.layer, net.child, net]
    assert "(parent): (...)" in repr(net)


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


def test_a_parameter_is_not_replaced_by_what_is_none():
    layer = nn.Linear(2, 1)
    weight = layer.weight
    for value in (weight - 1.0, np.ones((1, 2)), 3.0):
        with pytest.raises(TypeError, match=r"Linear.weight is a Parameter, and \w+ would"):
            layer.weight = value
    assert layer.weight is weight
    layer.weight = nn.Linear(2, 1).weight
    layer.bias = None
    assert list(layer.state_dict()) == ["weight"]


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


REFUSED = [
    (lambda: nn.Linear(1, 1).load_state_dict(None), tg.StateDictError, "got NoneType"),
    (lambda: nn.Sequential(F.relu), TypeError, "expected a Module"),
    (lambda: nn.Module()(1), NotImplementedError, "Module does not define forward"),
]


test_bad_input_is_refused_with_a_reason = refuses(REFUSED)
