"""Cases: arguments of every kind and layout, and ways to compute."""

import dataclasses
import threading

import numpy as np
from corpus import batch, case, labels, network, numbers, training

import tapegrad as tg
import tapegrad.numpy as tnp
from tapegrad import nn, optim, tape
from tapegrad.numpy.plain import OF_SHAPES

X = batch()

# --- arguments


@case(runs=6)
def nesting():
    def step(tree):
        parts = tree.values() if isinstance(tree, dict) else tree
        return sum((x * x for x in parts), start=tg.tensor(0.0))

    two, pair, named = ([X, X],), ((X, X),), ({"a": X, "b": X},)
    return step, [two, pair, named] * 4


@case(runs=6)
def keys_of_a_dict():
    def step(tree):
        return [tree[key] * i for i, key in enumerate(tree)]

    a, b, c = ({"a": X, "b": 2 * X},), ({"b": 2 * X, "a": X},), ({"a": X},)
    return step, [a, b, c] * 4


@case(runs=4)
def aliasing_arguments():
    w = tg.parameter(batch(seed=1))

    def step(a, b):
        with tape() as t:
            t.watch(a)
            y = (a * b * w).sum()
        return y, t.gradient(y, a)

    one = tg.tensor(X)
    return step, [(one, one), (one, tg.tensor(X))] * 4


@case(runs=2)
def overlapping_arguments():
    base = np.arange(12, dtype=np.float32)

    def step(a, b):
        return a * 2 + b

    return step, [(base[:6], base[6:]), (base[:6], base[3:9])] * 4


@case(runs=5)
def parameter_as_an_argument():
    w, v = (tg.parameter(batch(seed=s)) for s in (1, 2))

    def step(p):
        p.grad = None
        with tape():
            loss = (p * w).sum()
        loss.backward()
        return loss

    script = [(v,), (v,), (v,), (w,), (w,), (w,)]
    return step, script, lambda: [w.grad, v.grad]


@case()
def memory_of_a_parameter_as_an_argument():
    w = tg.parameter(np.ones(3, np.float32))

    def step(x):
        w.assign(w * 2)
        return x * 1

    return step, [(w.numpy(),)] * 5, lambda: [w.numpy()]


@case(runs=2)
def another_tensor_each_time():
    return lambda x: x * x, [(tg.tensor(batch(seed=i)),) for i in range(5)]


@case(runs=2)
def another_array_each_time():
    return lambda x: (x * x).sum(axis=0), [(batch(seed=i),) for i in range(5)]


@case(runs=2)
def array_changed_by_the_caller_after_the_call():
    x = batch()

    def change():
        x[...] = 0.5

    return lambda a: (a, a * 1, a.T), [(x,), (x,), (x,), change, (x,), (x,)]


@case(runs=10)
def layouts():
    wide = np.zeros((5, 6), np.float32)
    wide[:, ::2] = X
    forms = [X, np.asfortranarray(X), wide[:, ::2], X[::-1], X[:, ::-1]]
    return lambda x: (x @ x.T).sum(axis=1), [(x,) for _ in range(4) for x in forms]


@case(runs=2)
def views_of_tensors():
    wide = tg.tensor(np.tile(X, (1, 2)))
    return lambda x: x.T @ x, [(wide[:, :3],), (wide[:, 3:],), (wide[:, 1:4],), (wide[:, 2:5],)]


@case(runs=8)
def dtypes():
    forms = [X, X.astype("f8"), X.astype("i8"), X > 0]
    return lambda x: x + x, [(x,) for _ in range(4) for x in forms]


@case(runs=4)
def complex_and_half():
    forms = [X.astype("c16"), X.astype("f2")]
    return lambda x: (x * x).sum(axis=0), [(x,) for _ in range(4) for x in forms]


@case(runs=9)
def batch_sizes():
    net = network()

    def step(x, y):
        with tape():
            loss = nn.cross_entropy(net(x), y, reduction="none")
            loss.sum().backward()
        return loss

    calls = [(batch(n), labels(n)) for n in (5, 4, 1, 0)]
    return step, calls * 4, numbers(net)


@case(runs=5)
def keywords_and_positions():
    def step(x, y=None, *, power=2):
        return x**power + y

    return step, [(X, X), {"x": X, "y": X}, {"y": X, "x": X}, (X, X), {"x": X, "y": X, "power": 2}]


@case(runs=10)
def static_arguments():
    def step(x, mode, n, on, extra):
        y = x * n if on else x + n
        return getattr(tg, mode)(y) if extra is None else y

    tail = [("relu", 2, True, None), ("sigmoid", 2, True, None), ("relu", 3, True, None)]
    tail += [("relu", 2, False, None), ("relu", 2, True, "x")]
    return step, [(X, *t) for _ in range(4) for t in tail]


@case(runs=6)
def one_and_true_and_one_point_nought():
    return lambda x, n: (x * n, n), [(X.astype("i8"), n) for _ in range(4) for n in (1, True, 1.0)]


@case(runs=6)
def numpy_scalars():
    forms = [np.float32(2), np.float64(2), np.int64(2), np.array(2.0)]
    return lambda x, n: x * n, [(X, n) for _ in range(4) for n in forms]


@case()
def number_that_changes_each_time():
    w = tg.parameter(np.ones(3, np.float32))

    def step(x, rate):
        with tape() as t:
            loss = (x * w).sum()
        w.assign(w - rate * t.gradient(loss, w))
        return loss

    return step, [(X, np.float32(0.1 * i)) for i in range(6)], lambda: [w.numpy()]


@case(runs=4)
def dataclass_argument():
    @dataclasses.dataclass
    class Batch:
        x: object
        power: int

    first, second = Batch(X, 2), Batch(X, 3)
    return lambda b: b.x**b.power, [(first,), (second,)] * 4


@case()
def module_argument():
    net = network()
    return lambda net, x: net(x), [(net, X)] * 5


@case(runs=4)
def class_argument():
    class Net:
        power = 2

    change = lambda: setattr(Net, "power", 3)  # noqa: E731
    one = (Net, X)
    return lambda cls, x: x**cls.power, [one, one, one, change, one, one, one]


@case()
def variable_arguments():
    def step(*xs, **named):
        return sum(xs) + named["last"]

    w = tg.tensor(X)
    return lambda x: step(w, x, x, last=x), [(X,)] * 4


# --- ways to compute


@case()
def tensors_made_inside():
    def step(x):
        w = tg.tensor([[1.0, 2.0, 3.0]], dtype="f4")
        return x * w + tg.numpy.ones(3) + np.float32(2) + tg.asarray([1, 2, 3])

    return step, [(X,)] * 5


@case()
def functions_of_numpy():
    def step(x):
        y = np.concatenate([np.tanh(x), np.where(x > 0, x, 0 * x)], axis=1)
        return np.einsum("ij,ij->i", y, y), np.mean(y, axis=0), np.argmax(y, axis=1), y.max()

    return step, [(X,)] * 5


@case()
def without_a_row_in_c():
    w = tg.parameter(X.astype("c16"))
    v = tg.parameter(X.astype("f2"))

    def step(x):
        w.grad = v.grad = None
        with tape():
            loss = (abs(np.arctan2(x, v)) * abs(w)).sum() + np.remainder(x, 2).sum()
        loss.backward()
        return loss

    return step, [(X,)] * 5, lambda: [w.grad, v.grad]


@case()
def second_order():
    w = tg.parameter(np.array([1.0, 2.0, 3.0]))

    def step(x):
        with tape() as outer:
            with tape() as inner:
                y = (x * w**3).sum()
            dy = inner.gradient(y, w)
            penalty = (dy * dy).sum()
        return outer.gradient(penalty, w)

    return step, [(X,)] * 5


@case()
def tangents():
    w = tg.parameter(np.array([1.0, 2.0, 3.0]))

    def step(x, v):
        with tape() as t:
            y = np.tanh(x * w)
        return t.jvp(y, w, v)

    return step, [(X, np.ones(3)), (X, np.arange(3.0))] * 3


@case()
def persistent_tape():
    w = tg.parameter(np.array([1.0, 2.0, 3.0]))

    def step(x):
        with tape(persistent=True) as t:
            y = x * w
            z = y.sum()
        return t.gradient(y, w), t.gradient(z, w)

    return step, [(X,)] * 5


@case()
def nothing_recorded():
    w = tg.parameter(np.array([1.0, 2.0, 3.0]))

    def step(x):
        with tape() as t:
            with tg.no_grad():
                a = x * w
            y = (a * w + tg.stop_gradient(w)).sum()
        return t.gradient(y, w)

    return step, [(X,)] * 5


@case()
def nested_compiled_functions():
    inner = getattr(tg, "compile", lambda f: f)(lambda x: x * x)
    w = tg.parameter(np.array([1.0, 2.0, 3.0]))

    def step(x):
        with tape() as t:
            y = (inner(x * w) + inner(w)).sum()
        return t.gradient(y, w)

    return step, [(X,)] * 5


@case(error="runs an epoch")
def epoch_inside_a_step():
    net = nn.Linear(3, 2)
    inner = getattr(tg, "compile", lambda f: f)(training(net, optim.SGD(net.parameters(), lr=0.1)))

    def step(x):
        inner.epoch(batch(10), labels(10), batch_size=5)
        return x * 2

    return step, [(X,)] * 3


@case()
def recursion():
    def power(x, n):
        return x if n == 0 else x * power(x, n - 1)

    return lambda x: power(x, 4), [(X,)] * 5


@case()
def rows_in_a_loop():
    return lambda x: sum((row * i for i, row in enumerate(x)), start=tg.tensor(0.0)), [(X,)] * 5


@case()
def another_thread():
    def run_elsewhere(step):
        found = []
        thread = threading.Thread(target=lambda: found.append(step(X)))
        thread.start()
        thread.join()
        return found[0]

    once = getattr(tg, "compile", lambda f: f)(lambda x: x * x)
    return lambda: None, [(), lambda: run_elsewhere(once), lambda: run_elsewhere(once), ()]


@case()
def shapes_asked_of_numpys_functions():
    asked = [getattr(np, name) for name in OF_SHAPES if not name.startswith("einsum")]

    def step(x):
        found = [str(f(x[:3])) for f in (*asked, tnp.isscalar, tnp.shape)]
        found += [np.einsum_path("ij,ij,j", x, x * 2, x[0])[1]]
        return x * np.size(x) ** np.ndim(x), x[tnp.triu_indices_from(x[:3])], found

    return step, [(X,), (2 * X,), (X,), (X,), (3 * X,)]
