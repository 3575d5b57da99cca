"""Cases: hyper-parameters of layers, losses and optimizers that change between calls."""

import numpy as np
from corpus import batch, case, labels, network, numbers, training

import tapegrad as tg
from tapegrad import nn, optim, tape

XY = (batch(), labels())


def adam(net, **options):
    return optim.Adam(net.parameters(), lr=0.05, **options)


@case()
def learning_rate_schedule():
    net = network()
    opt = adam(net)

    def rate(value):
        return lambda: setattr(opt, "lr", value)

    script = [XY, XY, XY, rate(0.02), XY, rate(0.01), XY, rate(0), XY]
    return training(net, opt), script, numbers(net)


@case()
def learning_rates_of_groups():
    net = network()
    first, second = net[0].parameters(), net[2].parameters()
    opt = optim.SGD([{"params": first, "lr": 0.1}, {"params": second}], lr=0.2)

    def change():
        opt.param_groups[0]["lr"] *= 0.5
        opt.param_groups[1]["lr"] = np.float32(0.3)

    return training(net, opt), [XY, XY, XY, change, XY, change, XY], numbers(net)


@case()
def learning_rates_that_numpy_calls_equal():
    w = tg.parameter(np.ones(3))  # whose bits tell them apart
    opt = optim.SGD([w], lr=0.02)

    def step(x):
        with tape():
            loss = (x * w).sum()
        opt.zero_grad()
        loss.backward()
        opt.step()

    def rate(value):
        return lambda: setattr(opt, "lr", value)

    call = (np.ones(3),)
    script = [call, call, call, rate(np.float32(0.02)), call, rate(0.02), call]
    return step, script, lambda: [w.numpy().copy()]


@case(runs=5)
def parameters_of_a_group_given_as_a_list():
    net = network()
    opt = adam(net)
    group = opt.param_groups[0]

    def fewer():
        group["params"] = list(group["params"])[:-1]

    def as_a_list():
        group["params"] = list(group["params"])

    return training(net, opt), [XY, fewer, XY, XY, as_a_list, XY, XY, XY], numbers(net)


@case()
def betas_and_decay_change():
    net = network()
    opt = adam(net)

    def change():
        opt.param_groups[0].update(betas=(0.8, 0.9), eps=1e-4, weight_decay=0.1)

    return training(net, opt), [XY, XY, XY, change, XY, XY], numbers(net)


def odd_parameters(dtypes, rule, **options):
    """Parameters that C has no update for, one of them without a gradient, and views kept."""

    def make():
        params = [tg.parameter(batch(seed=k)[0].astype(d)) for k, d in enumerate(dtypes)]
        opt = rule([tg.parameter(np.zeros(2, dtypes[0])), *params], lr=0.1, **options)
        kept = []

        def step(x):
            with tape():
                loss = sum(abs(p * x).sum() for p in params)
            opt.zero_grad()
            loss.backward()
            opt.step()
            return loss

        def keep():
            kept.append(params[0].detach())

        def change():
            opt.lr = 0.01

        def state():
            found = [v for own in opt.state_dict()["state"].values() for v in own.values()]
            return [*params, *[p.grad for p in params if p.grad is not None], *found, *kept]

        call = (batch(),)
        return step, [call, call, call, keep, call, change, call, keep, call], state

    make.__name__ = f"{rule.__name__}_of_parameters_of_{'_and_'.join(dtypes)}"
    case()(make)


for _dtypes in (("f2",), ("c8",), ("c16",), ("f4", "c16"), ("f8", "f2")):
    odd_parameters(_dtypes, optim.SGD, momentum=0.9)
    odd_parameters(_dtypes, optim.AdamW, amsgrad=True)


@case(runs=4)
def momentum_switched_on():
    net = network()
    opt = optim.SGD(net.parameters(), lr=0.1)
    change = lambda: opt.param_groups[0].update(momentum=0.9)  # noqa: E731
    return training(net, opt), [XY, XY, XY, change, XY, XY, XY, XY], numbers(net)


def back_and_forth(rule, name, value, **options):
    """A hyper-parameter by which the rule keeps one state more."""

    def make():
        net = network()
        opt = rule(net.parameters(), lr=0.1, **options)
        on, off = [
            lambda v=v: opt.param_groups[0].update({name: v}) for v in (value, type(value)())
        ]
        return (
            training(net, opt),
            [XY, XY, XY, *[on, XY, XY, XY, off, XY, XY, XY] * 3],
            numbers(net),
        )

    make.__name__ = f"{name}_back_and_forth"
    return make


case(runs=4)(back_and_forth(optim.SGD, "momentum", 0.9, dampening=0.5))
case(runs=6)(back_and_forth(optim.Adam, "amsgrad", True))


@case()
def rate_goes_back_after_replays():
    """The optimizer takes a step outside of them, too."""
    params = [tg.parameter(np.ones(3, np.float16))]  # which has no kernel in C
    opt = optim.SGD(params, lr=0.5)
    first = opt.lr

    def step(x):
        with tape():
            loss = (params[0] * x).sum()
        opt.zero_grad()
        loss.backward()
        opt.step()

    def rate(value):
        return lambda: setattr(opt, "lr", value)

    x = (np.ones(3, np.float16),)
    script = [x, x, x, opt.step, rate(0.25), x, rate(first), opt.step, x]
    return step, script, lambda: [params[0].numpy()]


@case()
def momentum_changes():
    net = network()
    opt = optim.SGD(net.parameters(), lr=0.1, momentum=0.5)
    change = lambda: opt.param_groups[0].update(momentum=0.9)  # noqa: E731
    return training(net, opt), [XY, XY, XY, change, XY, XY], numbers(net)


@case(runs=4)
def ascent():
    net = network()
    opt = adam(net)
    change = lambda: opt.param_groups[0].update(maximize=True)  # noqa: E731
    return training(net, opt), [XY, XY, XY, change, XY, XY, XY], numbers(net)


@case()
def dropout_rate_changes():
    net = nn.Sequential(nn.Linear(3, 8), nn.Dropout(0.5), nn.Linear(8, 2))
    opt = adam(net)

    def rate(p):
        return lambda: setattr(net[1], "p", p)

    return training(net, opt), [XY, XY, XY, rate(0.2), XY, rate(0.9), XY], numbers(net)


@case(runs=4)
def dropout_switched_off():
    net = nn.Sequential(nn.Linear(3, 8), nn.Dropout(0.5), nn.Linear(8, 2))

    def rate(p):
        return lambda: setattr(net[1], "p", p)

    return lambda x, y: net(x), [XY, XY, XY, rate(0), XY, XY, XY, rate(0.5), XY, XY]


@case()
def clipped_gradients():
    net = network()
    opt = adam(net)

    def step(x, y):
        with tape():
            loss = nn.cross_entropy(net(x), y)
        opt.zero_grad()
        loss.backward()
        norm = nn.clip_grad_norm_(net.parameters(), 0.1)
        nn.clip_grad_value_(net.parameters(), 0.05)
        opt.step()
        return loss, norm

    return step, [XY] * 5, numbers(net)


@case()
def bounds_of_clipping_change():
    net = network()
    opt = adam(net)
    norm, value = nn.ClipGradNorm(0.5), nn.ClipGradValue(0.3)

    def step(x, y):
        with tape():
            loss = nn.cross_entropy(net(x), y)
        opt.zero_grad()
        loss.backward()
        before = norm(net.parameters())
        value(net.parameters())
        opt.step()
        return loss, before

    def bounds(n, v):
        return lambda: (setattr(norm, "max_norm", n), setattr(value, "clip_value", v))

    return step, [XY, XY, XY, bounds(0.05, 0.01), XY, bounds(np.inf, 9), XY], numbers(net)


@case()
def layers_made_inside_the_step():
    net = network()
    opt = adam(net)

    def step(x, y):
        with tape():
            loss = nn.cross_entropy(net(nn.Dropout(0.25)(x)), y)
        opt.zero_grad()
        loss.backward()
        nn.ClipGradNorm(0.1)(net.parameters())
        opt.step()
        return loss

    return step, [XY] * 5, numbers(net)


@case()
def clipping_that_only_sometimes_bites():
    net = network()
    opt = adam(net)

    def step(x, y):
        with tape():
            loss = nn.cross_entropy(net(x), y)
        opt.zero_grad()
        loss.backward()
        nn.clip_grad_norm_(net.parameters(), 0.6)
        opt.step()
        return loss

    large = (20 * batch(seed=3), labels())
    return step, [XY, XY, large, XY, large, large, XY], numbers(net)


def between_calls(owner, name, *values, calls=1):
    """A script in which the number becomes each of the values, after three calls without change."""
    sets = [(lambda v=v: setattr(owner, name, v), *[XY] * calls) for v in values]
    return [XY, XY, XY, *[part for of_one in sets for part in of_one]]


def activated(layer):
    return nn.Sequential(nn.Linear(3, 8), layer, nn.Linear(8, 2))


@case()
def slope_of_an_activation():
    net = activated(nn.LeakyReLU(0.1))
    return training(net, adam(net)), between_calls(
        net[1], "negative_slope", 0.2, 3, np.float64(-0.7)
    )


@case()
def alpha_of_an_activation():
    net = activated(nn.ELU(0.5))
    return training(net, adam(net)), between_calls(net[1], "alpha", 0.2, 3, np.float32(0.7))


@case()
def slopes_in_second_derivatives():
    leaky, elu = nn.LeakyReLU(0.1), nn.ELU(0.5)

    def step(x, y):
        return tg.hessian(lambda v: (elu(v) ** 2).sum() + (leaky(v) ** 3).sum())(x[0])

    def both(value):
        return lambda: (setattr(leaky, "negative_slope", value), setattr(elu, "alpha", value))

    return step, [XY, XY, XY, both(0.3), XY, both(2.0), XY]


@case()
def slope_over_integers():
    leaky = nn.LeakyReLU(0.1)
    return lambda x, y: leaky(y - 1), between_calls(leaky, "negative_slope", 0.3, -2)


@case(runs=5)  # its first gradient makes another program
def slope_that_becomes_a_parameter():
    net = activated(nn.LeakyReLU(0.1))
    script = between_calls(net[1], "negative_slope", tg.parameter(np.full(8, 0.3, "f4")), calls=3)
    return training(net, optim.SGD(net.parameters(), lr=0.1)), script


def soft(loss):
    return lambda y, labels: loss(y, tg.tensor(np.eye(2, dtype="f4"))[labels])


@case()
def delta_of_a_loss():
    net, loss = network(), nn.HuberLoss(delta=0.5)
    return training(net, adam(net), soft(loss)), between_calls(loss, "delta", 0.1, 2)


@case(runs=4)
def beta_of_a_loss():
    net, loss = network(), nn.SmoothL1Loss(beta=0.5)
    script = [*between_calls(loss, "beta", 0.1, 2), *between_calls(loss, "beta", 0.7)[3:]]
    script += between_calls(loss, "beta", 0, calls=3)[3:]
    return training(net, adam(net), soft(loss)), [*script, *between_calls(loss, "beta", 0.3)[3:]]


@case()
def smoothing_of_labels():
    net, loss = network(), nn.CrossEntropyLoss(label_smoothing=0.1)
    return training(net, adam(net), loss), between_calls(loss, "label_smoothing", 0.3, 1)


@case()
def smoothing_of_probabilities():
    net, loss = network(), nn.CrossEntropyLoss(label_smoothing=0.1, weight=[1.0, 2.0])
    return training(net, adam(net), soft(loss)), between_calls(loss, "label_smoothing", 0.3, 1)


@case(runs=4)
def smoothing_switched_on():
    net, loss = network(), nn.CrossEntropyLoss()
    script = between_calls(loss, "label_smoothing", 0.3, calls=3)
    return training(net, adam(net), loss), [
        *script,
        *between_calls(loss, "label_smoothing", 0.0)[3:],
    ]


@case(runs=3)
def numbers_out_of_range():
    net = activated(nn.Dropout(0.5))
    return training(net, adam(net)), between_calls(net[1], "p", 0.3, 1.5, 0.2)


@case(error="LeakyReLU's negative_slope")
def slope_set_and_set_back():
    layer = nn.LeakyReLU(0.1)

    def step(x, y):
        before, layer.negative_slope = layer.negative_slope, 0.7
        try:
            return layer(x)
        finally:
            layer.negative_slope = before

    return step, [XY] * 3


@case(error="numbers of SGD")
def learning_rate_between_two_updates():
    net = network()
    opt = optim.SGD(net.parameters(), lr=0.1)
    plain = training(net, opt)

    def step(x, y):
        loss = plain(x, y)
        opt.lr = 0.01
        opt.step()
        opt.lr = 0.1
        return loss

    return step, [XY] * 3, numbers(net)


@case()
def numbers_of_little_precision():
    loss = nn.HuberLoss(delta=np.float16(300))
    return lambda x, y: loss(1000 * x, 0 * x), between_calls(
        loss, "delta", np.int8(20), np.float16(99)
    )
