"""Cases: traps. What reads or writes past the ops that a recording sees."""

import types

import numpy as np
from corpus import batch, case, labels, network, numbers, training

import tapegrad as tg
from tapegrad import nn, optim, tape

X = (batch(),)
XY = (batch(), labels())


@case(runs=4)
def signs_of_zero():
    return lambda x, n: x * n, [(batch(), n) for _ in range(4) for n in (0.0, -0.0)]


@case(runs=4)
def settings_as_an_argument():
    config = types.SimpleNamespace(power=2)

    def step(config, x):
        return x**config.power

    change = lambda: setattr(config, "power", 3)  # noqa: E731
    return step, [(config, batch())] * 3 + [change] + [(config, batch())] * 3


@case()
def recording_paused_by_the_caller():
    w = tg.parameter(np.ones(3, np.float32))
    paused = []

    def step(x):
        with tape() as t:
            y = (x * w).sum()
        return y if len(t) == 0 else t.gradient(y, w)

    compiled = getattr(tg, "compile", lambda f: f)(step)

    def outer(x):
        return None

    def once():
        with tg.no_grad():
            paused.append(compiled(batch()))

    def twice():
        paused.append(compiled(batch()))

    script = [once, twice] * 4
    return outer, [X, *script, X], lambda: paused


@case()
def called_inside_a_tape():
    w = tg.parameter(np.ones(3, np.float32))
    inner = getattr(tg, "compile", lambda f: f)(lambda x: (x * w * w).sum())
    found = []

    def differentiate():
        with tape() as t:
            y = inner(batch())
        found.append(t.gradient(y, w))

    for _ in range(3):
        inner(batch())
    return lambda x: x * 1, [X, differentiate, X, differentiate, X], lambda: found


@case()
def optimizer_state_loaded():
    net = network()
    opt = optim.Adam(net.parameters(), lr=0.05)
    saved = []
    save = lambda: saved.append(opt.state_dict())  # noqa: E731
    load = lambda: opt.load_state_dict(saved[0])  # noqa: E731
    script = [XY, save, XY, XY, XY, load, XY, XY, XY, XY]
    return training(net, opt), script, numbers(net)


@case(runs=3)
def optimizer_state_loaded_in_the_step():
    net = network()
    opt = optim.Adam(net.parameters(), lr=0.05)
    train, saved = training(net, opt), []

    def step(x, y):
        opt.load_state_dict(saved[0])
        return train(x, y)

    return step, [lambda: saved.append(opt.state_dict()), XY, XY, XY], numbers(net)


@case(runs=6)
def loop_until_the_data_says_stop():
    def step(x):
        n = 0
        while abs(x).sum() > 4:
            x = x / 2
            n += 1
        return x, n

    sizes = [np.full(4, v, np.float32) for v in (1.5, 3.0, 6.0)]
    return step, [(x,) for _ in range(4) for x in sizes]


@case(error="branches on a computed value after")
def branch_after_the_update():
    w = tg.parameter(np.ones(3, np.float32))

    def step(x):
        y = (x * w).sum()
        w.assign(w * 0.5)
        return y if y > 0 else -y

    return step, [X] * 5, lambda: [w.numpy()]


@case(error="item()")
def escape_that_the_step_swallows():
    def step(x):
        try:
            n = float(x.sum())
        except Exception:
            n = 0.0
        return x * n

    return step, [(i * batch(),) for i in range(1, 6)]


@case(error="corpus_traps.py")
def asarray_of_a_value():
    return lambda x: x * np.asarray(x * 2)[0, 0].item(), [(i * batch(),) for i in range(1, 6)]


@case(error="corpus_traps.py")
def item_of_a_captured_parameter():
    w = tg.parameter(2.0)
    return lambda x: x * w.item(), [X, X, X, lambda: w.assign(3.0), X, X]


@case(error="corpus_traps.py")
def numpy_of_a_captured_parameter():
    w = tg.parameter([2.0, 3.0])
    return lambda x: x * float(w.numpy().max()), [X, X, X, lambda: w.assign(5.0), X, X]


@case(error="p.assign(p - rate * p.grad) writes a parameter")
def data_written_in_the_step():
    w = tg.parameter(np.ones(3, np.float32))

    def step(x):
        y = x * w
        w.data *= 0.5
        return y

    return step, [X] * 5, lambda: [w.numpy()]


@case(error="corpus_traps.py")
def item_written_in_the_step():
    w = tg.parameter(np.ones(3, np.float32))

    def step(x):
        y = x * w
        w[0] = 0.5
        return y

    return step, [X, X, X, lambda: w.assign(2.0), X, X], lambda: [w.numpy()]


@case()
def gradients_scaled_by_hand():
    net = network()
    opt = optim.SGD(net.parameters(), lr=0.1)

    def step(x, y):
        with tape():
            loss = nn.cross_entropy(net(x), y)
        opt.zero_grad()
        loss.backward()
        for p in net.parameters():
            p.grad = p.grad * 0.5
        opt.step()
        return loss

    return step, [XY] * 5, numbers(net)


@case()
def gradients_read_but_not_made():
    w = tg.parameter(np.ones(3, np.float32))
    w.grad = np.ones(3, np.float32)

    def step(x):
        return x * w.grad

    def change():
        w.grad = np.full(3, 2, np.float32)

    return step, [X, X, X, change, X, X], lambda: [w.grad]


@case(error="seed")
def seed_set_in_the_step():
    def step(x):
        tg.manual_seed(3)
        return nn.functional.dropout(x, 0.5)

    return step, [X] * 5


@case(error="corpus_traps.py")
def array_drawn_from_tapegrad():
    from tapegrad.random import default_generator

    def step(x):
        return x + default_generator().normal(shape=3, dtype=np.float32)

    return step, [X] * 5


@case()
def recursion_through_the_compiled_function():
    functions = []

    def power(x, n):
        return x if n == 0 else x * functions[0](x, n - 1)

    functions.append(getattr(tg, "compile", lambda f: f)(power))
    return lambda x: functions[0](x, 3), [X] * 5
