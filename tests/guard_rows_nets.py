"""Rows: arrays, modules and optimizers change."""

import types

import numpy as np
from guard_rows import Net, row, setting

import tapegrad as tg
from tapegrad import nn, optim


@row
def _tensor_replaced():
    w = tg.tensor([1.0])

    def change():
        nonlocal w
        w = tg.tensor([1.0])

    return lambda x: x * w, change, "'w' was Tensor of shape (1,) and float64, is another"


@row
def _array_replaced():
    w = np.ones(2)

    def change():
        nonlocal w
        w = np.ones(2)

    return lambda x: x * w, change, "'w' was ndarray of shape (2,) and float64, is another"


@row
def _parameter_frozen():
    w = tg.parameter([1.0])
    return lambda x: x * w, setting(w, "requires_grad", False), "was True, is False"


@row
def _module_attribute():
    net = Net()
    return net, setting(net, "beta", 0.6), ".beta was 0.5, is 0.6"


@row
def _module_class_attribute_shadowed():
    net = Net()
    return lambda x: net(x), setting(net, "depth", 0), "depth is new: 0"


@row
def _module_in_evaluation():
    net = Net()
    return lambda x: net(x), net.eval, ".training"


@row
def _module_layer_added_to_a_list():
    net = Net()
    return lambda x: net(x), lambda: net.layers.append(nn.ReLU()), ".layers) was 2, is 3"


@row
def _module_parameter_replaced():
    net = Net()
    change = setting(net.layers[0], "weight", tg.parameter(np.ones((2, 2), "f4")))
    return lambda x: net(x), change, ".weight was Parameter"


@row
def _module_attribute_deleted():
    net = Net()
    return lambda x: net(x), lambda: delattr(net, "beta"), ".beta was 0.5, is no more"


@row
def _layer_appended():
    net = nn.MLP(2, [2, 1])
    return lambda x: net(x), lambda: net.append(nn.Tanh()), "'net'._layers) was 3, is 4"


@row
def _layer_of_ours():
    act = nn.Softmax(0)
    return lambda x: act(x), setting(act, "dim", 1), "dim was 0"


@row
def _learned_slope():
    act = nn.LeakyReLU(tg.parameter(0.1))
    return lambda x: act(x), setting(act, "negative_slope", tg.parameter(0.1)), "negative_slope"


@row
def _layer_derived_from_ours():
    class Scaled(nn.Linear):
        def forward(self, x):
            return super().forward(x) * self.factor

    layer = Scaled(2, 2)
    layer.factor = 1
    return lambda x: layer(x), setting(layer, "factor", 2), ".factor was 1, is 2"


@row
def _live_number_that_user_code_reads():
    layer = nn.Dropout(0.5)
    return lambda x: layer(x) * (1 - layer.p), setting(layer, "p", 0.6), ".p was 0.5, is 0.6"


@row
def _dropout_switched_off():
    net = Net()
    return lambda x: net(x), setting(net.layers[1], "p", 0), ".p != 0 was True, is False"


@row
def _learning_rate_that_user_code_reads():
    opt = optim.SGD([tg.parameter(1.0)], lr=0.1)
    return lambda x: opt.lr, setting(opt, "lr", 0.2), "['lr'] was 0.1, is 0.2"


@row
def _group_that_user_code_reads():
    opt = optim.SGD([tg.parameter(1.0)], lr=0.1)
    return lambda x: opt.param_groups[0]["lr"], setting(opt, "lr", 0.2), "['lr'] was 0.1, is 0.2"


@row
def _learning_rate_read_by_a_helper():
    opt = optim.SGD([tg.parameter(1.0)], lr=0.1)

    def rate_of(optimizer):
        return optimizer.lr

    return lambda x: rate_of(opt), setting(opt, "lr", 0.2), "['lr'] was 0.1, is 0.2"


@row
def _group_added():
    opt = optim.SGD([tg.parameter(1.0)], lr=0.1)
    change = lambda: opt.add_param_group({"params": tg.parameter(2.0)})  # noqa: E731
    return lambda x: opt.step(), change, ".param_groups) was 1, is 2"


@row
def _groups_replaced():
    opt = optim.SGD([tg.parameter(1.0)], lr=0.1)
    more = [{**opt.param_groups[0]}, {**opt.param_groups[0]}]
    return lambda x: opt.step(), setting(opt, "param_groups", more), ".param_groups) was 1, is 2"


@row
def _flag_of_an_optimizer():
    opt = optim.Adam([tg.parameter(1.0)])
    change = lambda: opt.param_groups[0].update(maximize=True)  # noqa: E731
    return lambda x: opt.step(), change, "['maximize'] was False, is True"


# --- what is nobody's business


@row
def _unread_attribute_of_a_module():
    net = Net()
    return lambda x: net(x), setting(net, "best", 0.7), None


@row
def _array_written_in_place():
    w = np.ones(2)
    return lambda x: x * w, lambda: w.__setitem__(0, 2), None


@row
def _parameter_written():
    net = Net()
    return lambda x: net(x), lambda: net.layers[0].weight.assign(1), None


@row
def _state_loaded():
    net = Net()
    return lambda x: net(x), lambda: net.load_state_dict(net.state_dict()), None


@row
def _to_evaluation_and_back():
    net = Net()
    return lambda x: net(x), lambda: net.eval().train(), None


@row
def _live_slope():
    act = nn.LeakyReLU(0.1)
    return lambda x: act(x), setting(act, "negative_slope", 0.2), None


@row
def _live_dropout():
    net = Net()
    return lambda x: net(x), setting(net.layers[1], "p", 0.1), None


@row
def _live_learning_rate():
    opt = optim.Adam([tg.parameter(1.0)])

    def change():
        opt.lr = 0.5
        opt.param_groups[0]["betas"] = (0.8, 0.9)

    return lambda x: opt.step(), change, None


@row
def _own_rate_beside_a_live_one():
    thing = types.SimpleNamespace(lr=0.1, opt=optim.SGD([tg.parameter(1.0)], lr=0.1))

    def step(x):
        thing.opt.step()
        return x * thing.lr

    return step, setting(thing.opt, "lr", 0.2), None


@row
def _another_module_elsewhere():
    net, other = Net(), Net()
    return lambda x: net(x), other.eval, None


@row
def _class_of_a_module():
    class Deeper(Net):
        depth = 2

    net = Net()
    return lambda x: net(x), setting(net, "__class__", Deeper), "the class of closure"


@row
def _attributes_of_a_module_replaced():
    net = Net()
    change = lambda: setattr(net, "__dict__", vars(net) | {"beta": 0.6})  # noqa: E731
    return lambda x: net(x), change, ".beta was 0.5, is 0.6"


@row
def _method_of_an_optimizer_replaced():
    optimizer = optim.SGD([tg.parameter([1.0])], lr=0.1)
    return lambda x: optimizer.step(), setting(optimizer, "step", print), ".step is new"


@row
def _method_that_ours_call():
    class Part(nn.Module):
        whole = True

        def __init__(self):
            self.weight, self.bias = tg.parameter([1.0]), tg.parameter([2.0])

        def named_parameters(self, prefix=""):
            yield "weight", self.weight
            if self.whole:
                yield "bias", self.bias

    part = Part()
    return lambda x: list(part.parameters()), setting(part, "whole", False), "whole"


@row
def _rule_of_an_optimizer():
    class Warm(optim.SGD):
        warmth = 1.0

        def _hyper(self, group):
            return (self.warmth, 0.0, 0.0, 0.0, False, False)

    warm = Warm([tg.parameter([1.0])])
    return lambda x: warm.step(), setting(warm, "warmth", 2.0), ".warmth is new: 2.0"
