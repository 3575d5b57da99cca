"""Cases: errors in the middle of a step, and what it has done by then."""

import numpy as np
from corpus import batch, case, labels, network, numbers, training

import tapegrad as tg
from tapegrad import nn, optim, tape

XY = (batch(), labels())


def adam(net):
    return optim.Adam(net.parameters(), lr=0.05)


@case(runs=4)
def exception_before_the_update():
    net = network()
    opt = adam(net)
    plain = training(net, opt)
    bad = (batch(features=4), labels())
    return plain, [XY, bad, XY, XY, bad, XY], numbers(net)


@case(runs=4)
def exception_in_mid_step():
    net = network()
    opt = adam(net)

    def step(x, y, fail=False):
        with tape():
            loss = nn.cross_entropy(net(x), y)
        opt.zero_grad()
        loss.backward()
        if fail:
            raise KeyError("fail")
        opt.step()
        return loss

    return step, [XY, XY, XY, (*XY, True), XY, (*XY, True), XY], numbers(net)


@case(runs=5)
def numbers_that_no_float_can_hold():
    net = nn.Sequential(nn.Linear(3, 8), nn.Dropout(0.5), nn.LeakyReLU(0.1), nn.Linear(8, 2))
    opt = adam(net)
    script = [XY, XY, XY]
    for owner, name in (opt.param_groups[0], "lr"), (net[1], "p"), (net[2], "negative_slope"):
        write = owner.__setitem__ if isinstance(owner, dict) else owner.__setattr__
        was = owner[name] if isinstance(owner, dict) else getattr(owner, name)
        script += [lambda w=write, n=name: w(n, 10**400), XY]
        script += [lambda w=write, n=name, v=was: w(n, v), XY]
    return training(net, opt), script, numbers(net)


def bad_labels():
    y = labels()
    y[3] = 9
    return (batch(), y)


@case(runs=4)
def wrong_label_while_gradients_are_summed_up():
    net = nn.Sequential(nn.Linear(3, 8), nn.Dropout(0.5), nn.Linear(8, 2))

    def step(x, y):
        with tape():
            loss = nn.cross_entropy(net(x), y)
        loss.backward()
        return loss

    bad = bad_labels()
    script = [XY, XY, XY, bad, XY, bad, bad, XY, net.zero_grad, XY, XY]
    return step, script, numbers(net)


@case()
def wrong_label_after_an_update():
    net = nn.Sequential(nn.Linear(3, 8), nn.Dropout(0.5), nn.Linear(8, 2), nn.Dropout(0.5))
    average = tg.parameter(np.ones((8, 3), np.float32))
    plain = training(net, adam(net))

    def step(x, y):
        average.assign(0.9 * average + 0.1 * net[0].weight)
        loss = plain(x, y)
        return loss, nn.functional.dropout(x, 0.5)

    bad = bad_labels()
    parameters = lambda: [average.numpy(), *(p.numpy() for p in net.parameters())]  # noqa: E731
    return step, [XY, XY, XY, bad, XY, bad, XY], parameters
