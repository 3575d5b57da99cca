"""checkpoint: values are computed again for the sweep, with the arguments and draws they had."""

import numpy as np

import tapegrad as tg
import tapegrad.numpy as np_
from tapegrad import nn, tape
from tapegrad.random import Generator, default_generator

X = np.array([0.5, -1.0, 2.0])


def test_checkpoint_keeps_arguments_and_runs_again_with_the_same_masks(backend):
    tg.manual_seed(0)
    model = nn.Sequential(nn.Linear(3, 8, dtype="f8"), nn.Tanh(), nn.Dropout(0.5))
    runs = []

    def block(x):
        runs.append(1)
        return model(x)

    results = []
    for f in (block, tg.checkpoint(block)):
        tg.manual_seed(1)
        with tape() as t:
            x = t.watch(tg.tensor(X))
            y = (f(x) ** 2).sum()
            after = tg.get_rng_state()
        n = len(t)
        found = t.gradient(y, [x, *model.parameters()])
        assert tg.get_rng_state() == after
        results.append((n, float(y), [g.numpy() for g in found]))
    (n_plain, y_plain, plain_grads), (n_kept, y_kept, kept_grads) = results
    assert n_kept < n_plain
    assert len(runs) == 3
    assert y_plain == y_kept
    for a, b in zip(plain_grads, kept_grads):
        np.testing.assert_array_equal(a, b)


def test_checkpoint_draws_the_same_from_every_generator(backend):
    own, other = Generator(3), Generator(4)
    dropout = nn.Dropout(0.5, generator=own)

    def block(x):
        noise = other.normal(shape=x.shape)
        inner = tg.checkpoint(lambda h: dropout(h) * default_generator().uniform(shape=h.shape))
        return np_.sin(inner(x) * noise) + dropout(x)

    found = []
    for f in (block, tg.checkpoint(block)):
        for k, generator in enumerate((own, other, default_generator())):
            generator.manual_seed(k)
        with tape() as t:
            x = t.watch(tg.tensor(X))
            y = (f(x) ** 2).sum()
        after = [g.get_state() for g in (own, other, default_generator())]
        found.append((float(y), t.gradient(y, x).tolist(), after))
        assert after == [g.get_state() for g in (own, other, default_generator())]
    assert found[0] == found[1]


def test_checkpoint_leaves_a_generator_that_it_seeds_where_it_was(backend):
    own = Generator(3)

    @tg.checkpoint
    def block(x):
        own.manual_seed(7)
        return x * own.uniform(shape=x.shape)

    with tape() as t:
        x = t.watch(tg.tensor(X))
        y = block(x).sum()
    own.manual_seed(11)
    np.testing.assert_array_equal(t.gradient(y, x), Generator(7).uniform(shape=X.shape))
    assert own.get_state() == (11, 0)


def test_checkpoint_finds_what_the_function_captures(backend):
    w = tg.parameter(X)
    with tape() as t:
        h = w * 2
        f = tg.checkpoint(lambda x: np_.sin(h * x) * w)
        y = f(X).sum()
    want = np.sin(2 * X * X) + 2 * X * X * np.cos(2 * X * X)
    np.testing.assert_allclose(t.gradient(y, w), want)


def test_checkpoint_of_a_jacobian_runs_once_more(backend):
    runs = []

    def f(x):
        runs.append(1)
        return np_.sin(x) * x.sum()

    np.testing.assert_allclose(tg.jacrev(tg.checkpoint(f))(X), tg.jacrev(f)(X))
    assert len(runs) == 3
