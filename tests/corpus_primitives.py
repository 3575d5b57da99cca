"""Cases: primitives, whose functions a replay runs anew."""

import itertools

import numpy as np
from corpus import batch, case

import tapegrad as tg
import tapegrad.numpy as tnp
from tapegrad import nn, optim, tape
from tapegrad.random import Generator

BATCHES = [(batch(seed=k),) for k in range(6)]
# Two equal ones, so that what is no entry looks like a constant; then others.
LATER = [BATCHES[0], BATCHES[0], *BATCHES]


# --- results without a derivative


@case()
def order_of_the_argument():
    order = tg.primitive(lambda x: np.argsort(x))
    return lambda x: (order(x) * 1, order(x)), LATER


@case()
def order_of_a_parameter():
    w = tg.parameter(np.array([1.0, 2.0, 3.0]))
    order = tg.primitive(lambda x: np.argsort(x))
    scale = iter([1.0, 1.0, -1.0, 2.0, -1.0])
    change = lambda: w.assign(w * next(scale))  # noqa: E731
    return lambda x: order(w) + x, [part for _ in range(5) for part in (BATCHES[0], change)]


@case()
def results_of_many_dtypes():
    """Integers that no float holds, an empty one, a number."""

    @tg.primitive
    def parts(x, k):
        big = 2**62 + (x > 0).astype("i8")
        return {"big": big, "is": [x > 0, x.astype("c8"), x[:0]], "n": float(x.sum()), "k": k}

    return lambda x: parts(x.T, 3), LATER


@case()
def results_all_integer():
    top = tg.primitive(lambda x: (np.argmax(x, 0), np.argmin(x, 0).astype("u1"), x[0] > 0))
    return lambda x: [y * 2 for y in top(x)], LATER


@case()
def integers_inside_a_tape_and_a_training_step():
    w = tg.parameter(np.ones(3, "f4"))
    sgd = optim.SGD([w], lr=0.1)
    signs = tg.primitive(lambda x: np.sign(x).astype("i4"))

    def step(x):
        with tape():
            loss = (x * w * signs(x * w)).sum()
        sgd.zero_grad()
        loss.backward()
        sgd.step()
        return loss

    return step, LATER, lambda: [w.numpy().copy(), w.grad]


@case()
def rule_that_calls_a_primitive_of_integers():
    sign = tg.primitive(lambda x: np.sign(x).astype("i4"))
    size = tg.primitive(lambda x: np.abs(x))
    tg.defvjp(size, lambda ans, x: lambda g: g * sign(x))
    return tg.grad(lambda x: (size(x) * x).sum()), LATER


# --- what the function does


@case()
def function_that_uses_tapegrad():
    w = tg.parameter(np.ones(3, "f4"))
    layer = nn.LeakyReLU(0.25)

    @tg.primitive
    def slope(x):
        with tape() as t:
            x = t.watch(x)
            y = (layer(x) * w.detach() * 3.0).sum()
        assert bool(y == y)
        assert y.item() == y.numpy()
        return t.gradient(y, x).numpy() + w.numpy()

    change = lambda: w.assign(w * 2)  # noqa: E731
    script = [part for b in LATER for part in (b, change)]
    return lambda x: (slope(x) * 2, slope(x * w)), script


@case()
def function_called_inside_no_grad():
    w = tg.parameter(np.ones(3, "f4"))

    @tg.primitive
    def recorded(x):
        with tape() as t:
            y = w * x
        return y.numpy() + len(t)

    def step(x):
        with tg.no_grad():
            y = recorded(x)
        return y, recorded(x)

    return step, LATER


@case()
def function_that_calls_a_compiled_one():
    inner = getattr(tg, "compile", lambda f: f)(lambda x: x * x + 1)
    outer = tg.primitive(lambda x: inner(tg.tensor(x)).numpy() * 2)
    return lambda x: outer(x * 3), LATER


@case()
def function_with_one_buffer():
    buffers = itertools.repeat(np.zeros((5, 3), "f4"))  # which no guard looks into
    twice = tg.primitive(lambda x: np.multiply(x, 2, out=next(buffers)))
    return lambda x: (twice(x), twice(x + 1)), LATER


@case(error="writes a parameter")
def function_that_assigns():
    w = tg.parameter(np.zeros(3))

    def count(x):
        w.assign(w + 1)
        return x * 2

    return tg.primitive(count), LATER, lambda: [w.numpy().copy()]


@case(error="writes a parameter")
def function_that_steps_an_optimizer():
    w = tg.parameter(np.zeros(3))
    sgd = optim.SGD([w], lr=0.1)
    w.grad = np.ones(3)

    def update(x):
        sgd.step()
        return x * 2

    return tg.primitive(update), LATER, lambda: [w.numpy().copy()]


@case(error="writes a parameter")
def function_that_writes_through_a_view():
    w = tg.parameter(np.zeros(3))

    def update(x):
        w.data += 1
        return x * 2

    return tg.primitive(update), LATER, lambda: [w.numpy().copy()]


@case(error="reads or sets a .grad")
def function_that_calls_backward():
    w = tg.parameter(np.ones(3))

    def total(x):
        with tape():
            loss = (w * x).sum()
        loss.backward()
        return loss.numpy()

    return tg.primitive(total), LATER, lambda: [w.grad]


@case(error="reads or sets a .grad")
def function_that_reads_a_gradient():
    w = tg.parameter(np.ones(3))
    scaled = tg.primitive(lambda x: x if w.grad is None else x * w.grad.numpy())

    def step(x):
        with tape():
            loss = (w * x).sum()
        loss.backward()
        return scaled(x)

    return step, LATER, lambda: [w.grad]


@case(error="draws tapegrad's random numbers")
def function_that_draws():
    dropout = nn.Dropout(0.5)
    drop = tg.primitive(lambda x: dropout(tg.tensor(x)).numpy())
    return lambda x: dropout(drop(x)), LATER


@case()
def function_that_draws_from_a_generator_of_its_own():
    numbers = Generator(1)
    noisy = tg.primitive(lambda x: x + numbers.normal(shape=x.shape))
    dropout = nn.Dropout(0.5)
    return lambda x: dropout(noisy(x)), LATER, lambda: [np.array(numbers.get_state())]


def sharing(*layers):
    """A step of layers that draw from one generator, one of them by a primitive."""
    numbers = Generator(1)
    noisy = tg.primitive(lambda x: x + numbers.normal(shape=x.shape))
    found = {"noisy": noisy, "dropout": nn.Dropout(0.5, generator=numbers)}
    first, second = (found[name] for name in layers)
    return lambda x: second(first(x)), LATER


@case(error="draws tapegrad's random numbers")
def function_that_draws_before_a_layer_with_its_generator():
    return sharing("noisy", "dropout")


@case(error="draws tapegrad's random numbers")
def function_that_draws_after_a_layer_with_its_generator():
    return sharing("dropout", "noisy")


@case(error="gave float32 of (3,), float32 of (3,), float32 of (3,), where it gave float32 of (3,)")
def function_that_gives_more_results():
    split = tg.primitive(lambda x: list(x) if x[0, 0] < 0 else list(x)[:2])
    return lambda x: sum(split(x[:3])), [(abs(batch()),)] * 3 + [(-abs(batch()),)]


@case(error="gave float64 of (5, 3), where it gave float32 of (5, 3)")
def function_that_gives_another_dtype():
    widen = tg.primitive(lambda x: x.astype("f8") if x[0, 0] < 0 else x)
    return lambda x: widen(x) * 2, [(abs(batch()),)] * 3 + [(-abs(batch()),)]


# --- functions of NumPy that have no entries of their own


@case(error="(tg.primitive(numpy.isclose) is called anew by each replay)")
def function_that_numpy_computes():
    return lambda x: x * np.isclose(x, x.round(1), atol=0.02), LATER


@case(error="by numpy.unique, which")
def function_of_the_namespace_that_numpy_computes():
    return lambda x: tnp.unique(x > 0), LATER


@case()
def function_that_numpy_computes_as_a_primitive():
    isclose = tg.primitive(np.isclose)
    return lambda x: x * isclose(x, x.round(1), atol=0.02), LATER
