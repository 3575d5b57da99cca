"""Cases: parameters, optimizers, modes and random numbers that live on between calls."""

import numpy as np
from corpus import batch, case, labels, network, numbers, training

import tapegrad as tg
from tapegrad import nn, optim, tape

XY = (batch(), labels())


def adam(net, **options):
    return optim.Adam(net.parameters(), lr=0.05, **options)


# --- gradients that a step sets


@case(runs=4)
def gradients_zeroed_where_they_are():
    w = tg.parameter(np.ones(3, "f4"))
    opt = optim.SGD([w], lr=0.1)

    def step(x, update):
        with tape():
            loss = ((x * w).sum(-1) ** 2).mean()
        loss.backward()
        if update:
            opt.step()
            opt.zero_grad(set_to_none=False)
        return loss

    w.grad = np.zeros(3, "f4")
    script = [(batch(seed=k), k % 3 == 2) for k in range(12)]
    return step, script, lambda: [w.numpy().copy(), w.grad]


@case()
def gradients_set_to_what_no_entry_makes():
    first, second, third = (tg.parameter(np.ones(3, "f4")) for _ in range(3))
    outside = tg.tensor(np.full(3, 7.0, "f4"))

    def step(x):
        first.grad = np.ones(3, "f4")
        second.grad = outside
        third.grad = x[0]
        return x * 2.0

    return step, [(batch(seed=k),) for k in range(4)], lambda: [first.grad, second.grad, third.grad]


# --- modes, structure


@case(runs=4)
def train_and_eval_in_turn():
    net = nn.Sequential(nn.Linear(3, 8), nn.Dropout(0.5), nn.Linear(8, 2))
    train = [net.train, XY, XY]
    return lambda x, y: net(x), [*train, XY, net.eval, XY, XY, XY, *train, net.eval, XY, *train]


@case(runs=4)
def parameter_frozen_later():
    net = network()
    opt = adam(net)
    freeze = lambda: setattr(net[0].weight, "requires_grad", False)  # noqa: E731
    return training(net, opt), [XY, XY, XY, freeze, XY, XY, XY], numbers(net)


@case(runs=4)
def group_added():
    net, more = network(), tg.parameter(np.ones(2, np.float32))
    opt = optim.SGD(net.parameters(), lr=0.1)

    def step(x, y):
        with tape():
            loss = nn.cross_entropy(net(x) * more, y)
        opt.zero_grad()
        loss.backward()
        opt.step()
        more.grad = None
        return loss

    change = lambda: opt.add_param_group({"params": more, "lr": 0.5})  # noqa: E731
    return step, [XY, XY, XY, change, XY, XY, XY], lambda: [*numbers(net)(), more.numpy()]


@case()
def two_optimizers():
    net = network()
    first, second = optim.SGD(net[0].parameters(), lr=0.1), optim.Adam(net[2].parameters())

    def step(x, y):
        with tape():
            loss = nn.cross_entropy(net(x), y)
        first.zero_grad()
        second.zero_grad()
        loss.backward()
        first.step()
        second.step()
        return loss

    return step, [XY] * 5, numbers(net)


@case()
def three_updates_in_one_step():
    net = network()
    opt = adam(net)
    inner = training(net, opt)

    def step(x, y):
        return [inner(x, y) for _ in range(3)]

    return step, [XY] * 5, numbers(net)


@case()
def tied_weights():
    first = nn.Linear(3, 3)
    second = nn.Linear(3, 3)
    second.weight = first.weight
    net = nn.Sequential(first, nn.Tanh(), second)
    return training(net, adam(net)), [XY] * 5, numbers(net)


# --- values written between calls


@case()
def state_loaded_between_calls():
    net = network()
    saved = net.state_dict()
    load = lambda: net.load_state_dict(saved)  # noqa: E731
    return training(net, adam(net)), [XY, XY, XY, load, XY, XY], numbers(net)


@case()
def data_written_between_calls():
    net = network()

    def change():
        net[0].weight.data *= 0.5
        net[0].weight.data[0, 0] = 3
        net[2].bias.data = np.zeros(2, np.float32)
        net[2].weight[...] = 0.25

    return training(net, adam(net)), [XY, XY, XY, change, XY, XY], numbers(net)


@case()
def data_view_kept_by_the_user():
    net = network()
    view = net[0].weight.data

    def change():
        view[...] = 0.5

    return training(net, adam(net)), [XY, XY, XY, change, XY, change, XY], numbers(net)


@case(runs=4)
def gradients_accumulate():
    net = network()

    def step(x, y):
        with tape():
            loss = nn.cross_entropy(net(x), y)
        loss.backward()
        return loss

    return step, [XY, XY, XY, XY, net.zero_grad, XY, XY], numbers(net)


@case()
def zero_grad_first():
    net = network()
    opt = adam(net)

    def step(x, y):
        opt.zero_grad()
        with tape():
            loss = nn.cross_entropy(net(x), y)
        loss.backward()
        opt.step()
        return loss

    return step, [XY] * 5, numbers(net)


@case()
def zero_grad_last():
    net = network()
    opt = adam(net)

    def step(x, y):
        with tape():
            loss = nn.cross_entropy(net(x), y)
        loss.backward()
        opt.step()
        opt.zero_grad()
        return loss

    return step, [XY] * 5, numbers(net)


@case(runs=3)
def zero_grad_to_zeros():
    net = network()
    opt = adam(net)

    def step(x, y):
        with tape():
            loss = nn.cross_entropy(net(x), y)
        opt.zero_grad(set_to_none=False)
        loss.backward()
        opt.step()
        return loss

    return step, [XY] * 5, numbers(net)


@case(runs=3)
def gradient_set_by_hand_between_calls():
    net = network()
    opt = optim.SGD(net.parameters(), lr=0.1)

    def step(x, y):
        with tape():
            loss = nn.cross_entropy(net(x), y)
        loss.backward()
        opt.step()
        return loss

    def change():
        for p in net.parameters():
            p.grad = np.ones(p.shape, p.dtype)

    return step, [XY, XY, XY, change, XY, XY], numbers(net)


@case()
def update_by_hand():
    w = tg.parameter(np.ones((3, 2), np.float32))

    def step(x, y):
        with tape() as t:
            loss = nn.cross_entropy(x @ w, y)
        w.assign(w - 0.1 * t.gradient(loss, w))
        return loss

    return step, [XY] * 5, lambda: [w.numpy()]


@case()
def parameter_read_after_its_update():
    w = tg.parameter(np.ones(3, np.float32))

    def step(x, y):
        before = w * 1
        w.assign(w * 0.5)
        return before, w * 1, (x * w).sum()

    return step, [XY] * 5, lambda: [w.numpy()]


@case()
def exponential_average_of_parameters():
    net = network()
    averages = [tg.parameter(p.numpy()) for p in net.parameters()]
    plain = training(net, adam(net))

    def step(x, y):
        loss = plain(x, y)
        for average, p in zip(averages, net.parameters()):
            average.assign(0.9 * average + 0.1 * p)
        return loss

    return step, [XY] * 5, lambda: [*numbers(net)(), *(a.numpy() for a in averages)]


@case()
def two_steps_share_parameters():
    net = network()
    opt = adam(net)
    train = tg.compile(training(net, opt)) if hasattr(tg, "compile") else training(net, opt)

    def evaluate(x, y):
        return nn.cross_entropy(net(x), y)

    more = lambda: train(*XY)  # noqa: E731
    return evaluate, [XY, XY, XY, more, XY, more, more, XY, more, more, XY], numbers(net)


# --- random numbers


@case()
def dropout_draws_go_on():
    net = nn.Sequential(nn.Linear(3, 8), nn.Dropout(0.5), nn.Linear(8, 2))
    more = lambda: tg.manual_seed(5)  # noqa: E731
    return training(net, adam(net)), [XY, XY, XY, XY, more, XY, XY, more, XY], numbers(net)


@case()
def draws_between_calls():
    net = nn.Sequential(nn.Dropout(0.5), nn.Linear(3, 2), nn.Dropout(0.2))
    more = lambda: nn.functional.dropout(batch(), 0.5)  # noqa: E731
    return lambda x, y: net(x), [XY, XY, XY, more, XY, more, XY]


@case()
def dropout_with_a_generator():
    from tapegrad.random import Generator

    net = nn.Sequential(nn.Dropout(0.5, generator=Generator(1)), nn.Linear(3, 2))
    return lambda x, y: net(x), [XY] * 5
