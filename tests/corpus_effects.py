"""Cases: what the step itself does to the world around it."""

import itertools
import random
import types

import numpy as np
from corpus import batch, case, labels, network, numbers

import tapegrad as tg
from tapegrad import nn, optim, tape

X = (batch(),)


@case(error="count")
def counter_in_the_step():
    count = 0

    def step(x):
        nonlocal count
        count += 1
        return x * count

    return step, [X] * 10


@case(error="steps was")
def counter_on_an_object():
    trainer = types.SimpleNamespace(steps=0)

    def step(x):
        trainer.steps += 1
        return x * 2

    return step, [X] * 10


def moments_by_parameter(key):
    """As PyTorch's optimizers keep their state; a key's repr() has its values."""
    net, moments = network(), {}

    def step(x, y):
        with tape() as t:
            loss = nn.cross_entropy(net(x), y)
        params = list(net.parameters())
        for p, g in zip(params, t.gradient(loss, params)):
            moments[key(p)] = moments.get(key(p), 0) * 0.9 + g
            p.assign(p - 0.1 * moments[key(p)])
        return loss

    return step, [(batch(), labels())] * 10, numbers(net)


@case(error="is another. A replay would not do so again")
def moments_in_a_dict_by_parameter():
    return moments_by_parameter(lambda p: p)


@case(error="is another. A replay would not do so again")
def moments_in_a_dict_by_parameter_and_name():
    return moments_by_parameter(lambda p: (p, "moment"))


@case(error="last")
def tensor_kept_on_an_object():
    trainer = types.SimpleNamespace(last=None)

    def step(x):
        trainer.last = x * 2
        return x * 3

    return step, [X] * 10


@case(error="history")
def losses_appended_to_a_list():
    history = []

    def step(x):
        loss = (x * x).sum()
        history.append(loss)
        return loss

    return step, [X] * 10


@case(runs=3)
def cache_filled_at_the_first_call():
    cache = {}

    def step(x):
        if "w" not in cache:
            cache["w"] = np.ones(3, np.float32)
        return x * cache["w"]

    return step, [X] * 5


@case(error="corpus_effects.py")
def numpy_draw_in_the_step():
    rng = np.random.default_rng(0)

    def step(x):
        return x + rng.normal(size=3).astype(np.float32)

    return step, [X] * 5


@case(error="corpus_effects.py")
def number_drawn_in_the_step():
    rng = random.Random(0)

    def step(x):
        return x * rng.random()

    return step, [X] * 5


@case(error="corpus_effects.py")
def minibatch_drawn_in_the_step():
    rng, data = np.random.default_rng(0), batch(20)

    def step():
        return data[rng.permutation(20)[:5]] * tg.tensor(2.0)

    return step, [()] * 5


@case(error="corpus_effects.py")
def minibatch_taken_in_the_step():
    rng, data = np.random.default_rng(0), tg.tensor(batch(20))

    def step():
        return data[rng.permutation(20)[:5]].sum()

    return step, [()] * 5


@case(error="was drawn from")
def branch_on_a_draw():
    rng = random.Random(0)  # below 0.5: False False True True False

    def step(x):
        return x * 2 if rng.random() < 0.5 else x * 3

    return step, [X] * 5


@case(error="corpus_effects.py")
def batch_from_an_iterator():
    batches = itertools.cycle([batch(seed=1), batch(seed=2)])

    def step():
        return (next(batches) * tg.tensor(2.0)).sum()

    return step, [()] * 5


@case(error="['lr'] was")
def learning_rate_set_in_the_step():
    net = network()
    opt = optim.SGD(net.parameters(), lr=0.1)

    def step(x, y):
        opt.lr = 0.9 * opt.lr
        with tape():
            loss = nn.cross_entropy(net(x), y)
        opt.zero_grad()
        loss.backward()
        opt.step()
        return loss

    return step, [(batch(), labels())] * 10, numbers(net)


@case(error="['lr'] was")
def learning_rate_set_from_an_argument():
    net = network()
    opt = optim.SGD(net.parameters(), lr=0.1)

    def step(x, y, rate):
        opt.lr = rate
        with tape():
            loss = nn.cross_entropy(net(x), y)
        opt.zero_grad()
        loss.backward()
        opt.step()
        return loss

    return step, [(batch(), labels(), rate) for rate in (0.1, 0.2, 0.3)] * 3, numbers(net)


@case(runs=3)
def learning_rate_set_from_an_array():
    opt = optim.SGD(network().parameters(), lr=0.1)
    return lambda rate: setattr(opt, "lr", rate), [(np.float32(0.1),)] * 3, lambda: [opt.lr]
