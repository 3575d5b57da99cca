"""Calls replayed from C: what changes between them is seen, and results are the functions'."""

import copy
import functools
import inspect
import pickle
import sys
from collections import deque

import numpy as np
import pytest

import tapegrad as tg
import tapegrad.numpy as tnp
from tapegrad import nn, optim

pytestmark = pytest.mark.skipif(tg.backend() != "native", reason="C makes these calls")

X = np.arange(6, dtype="f4").reshape(2, 3)


def warm(compiled, *args, **kwargs):
    """Call until C makes the calls."""
    for _ in range(6):
        result = compiled(*args, **kwargs)
    assert any(call(args, kwargs) is not NotImplemented for call in compiled._calls)
    return result


def test_deques_and_sets_among_results_are_new_at_each_call():
    @tg.compile
    def f(x):
        return deque([x * 2, deque([1])], maxlen=2), {1, "a"}, frozenset({2.0}), bytearray(b"c")

    for _ in range(5):
        queue, names, frozen, raw = f(X)
        assert queue.popleft().tolist() == (2 * X).tolist()
        assert (queue, queue.maxlen) == (deque([deque([1])]), 2)
        assert (names, frozen, raw) == ({1, "a"}, frozenset({2.0}), b"c")
        queue[0].append(2)
        names.add(2)
        raw += b"d"


def test_results_keep_their_nesting():
    @tg.compile
    def f(batch, *, scale):
        y = batch["x"] * scale
        return {"y": [y, (y.sum(), "sum")], "n": 3, "none": None}

    found = warm(f, {"x": X}, scale=2.0)
    assert list(found) == ["y", "n", "none"]
    assert found["y"][0].tolist() == (2 * X).tolist()
    assert found["y"][1][0].tolist() == 30.0
    assert found["y"][1][1] == "sum"
    assert (found["n"], found["none"]) == (3, None)
    assert f({"x": X}, scale=3.0)["y"][0].tolist() == (3 * X).tolist()
    assert f({"x": X[:1]}, scale=2.0)["y"][0].tolist() == (2 * X[:1]).tolist()
    assert f({"x": X + 1}, scale=2.0)["y"][0].tolist() == (2 * X + 2).tolist()


def test_keywords_are_found_in_any_order():
    compiled = tg.compile(lambda x, *, b, a, c=0.0: x * a + b + c)
    expected = warm(compiled, X, b=2.0, a=X + 1).tolist()
    (call,) = compiled._calls
    assert call((X,), {"a": X + 1, "b": 2.0}).tolist() == expected
    assert call((X,), {"b": 2.0, "a": X + 1}).tolist() == expected
    y = X + 1
    for others in ({"a": y}, {"a": y, "b": 3.0}, {"a": y, "c": 2.0}, {"a": y, "b": 2.0, "c": 0.0}):
        assert call((X,), others) is NotImplemented
    assert call((X,), {"a": X, "b": 2.0}) is NotImplemented  # one array twice is another signature


class Slotted:
    __slots__ = ("rate",)


def test_what_is_not_there_is_looked_for_in_c():
    thing = Slotted()
    if len(X) == 3:
        later = 2.0

    def by_cell(x):
        try:
            return x * later
        except NameError:
            return x

    compiled = tg.compile(lambda x: by_cell(x) * getattr(thing, "rate", 1.0))
    assert warm(compiled, X).tolist() == X.tolist()
    thing.rate = 3.0
    assert warm(compiled, X).tolist() == (3 * X).tolist()
    later = 2.0
    assert warm(compiled, X).tolist() == (6 * X).tolist()
    del thing.rate, later
    assert warm(compiled, X).tolist() == X.tolist()


def test_a_changed_closure_is_seen():
    factor = 2.0

    @tg.compile
    def f(x):
        return x * factor

    warm(f, X)
    factor = 3.0
    assert f(X).tolist() == (3 * X).tolist()
    warm(f, X)
    factor = 2.0
    assert f(X).tolist() == (2 * X).tolist()


def make(kind):
    tg.manual_seed(3)
    model = nn.Sequential(nn.Linear(3, 8), nn.Tanh(), nn.Dropout(0.3), nn.Linear(8, 1))
    optimizer = kind(model.parameters(), lr=0.05)

    def step(x):
        with tg.tape() as t:
            loss = (model(x) ** 2).mean()
        optimizer.zero_grad()
        t.backward(loss)
        optimizer.step()
        return loss

    return model, optimizer, step


@pytest.mark.parametrize("kind", [optim.SGD, optim.Adam, optim.AdamW])
def test_training_has_eagers_bits_while_rates_and_modes_change(kind):
    losses = []
    for compiled in (False, True):
        model, optimizer, step = make(kind)
        step = tg.compile(step) if compiled else step
        found = []
        for i in range(40):
            if i % 10 == 7:
                optimizer.lr *= 0.5
            if i == 20:
                model[2].p = 0.1
            if i == 28:
                optimizer.param_groups[0]["weight_decay"] = 0.1
            if i == 33:
                model.eval()
            found.append(step(X).item())
        if compiled:
            assert step._calls
        losses.append((found, [p.tolist() for p in model.parameters()]))
    assert losses[0] == losses[1]


def test_gradients_that_appear_or_vanish_are_seen():
    p = tg.parameter(np.ones(3, "f4"))

    @tg.compile
    def f(x):
        with tg.tape() as t:
            loss = (p * x).sum()
        t.backward(loss)  # adds to p.grad
        return loss

    f(X[0])
    warm(f, X[0])
    before = p.grad.numpy().copy()
    f(X[1])
    assert p.grad.tolist() == (before + X[1]).tolist()
    p.grad = None
    f(X[1])
    assert p.grad.tolist() == X[1].tolist()


def test_calls_inside_tapes_and_without_gradients_are_not_mixed_up():
    @tg.compile
    def f(x):
        return tnp.exp(x)

    warm(f, X)
    x = tg.tensor(X, requires_grad=True)
    with tg.tape() as t:
        y = f(x).sum()
    assert t.gradient(y, x).tolist() == tnp.exp(x).tolist()
    with tg.no_grad():
        assert f(X).tolist() == tnp.exp(tg.tensor(X)).tolist()
    with tg.use_backend("numpy"):
        np.testing.assert_allclose(f(X).numpy(), np.exp(X), rtol=1e-6)


def test_an_optimizer_that_gets_another_group_is_seen():
    model, optimizer, step = make(optim.SGD)
    step = tg.compile(step)
    warm(step, X)
    extra = tg.parameter(np.ones(1, "f4"))
    optimizer.add_param_group({"params": [extra]})
    extra.grad = tg.tensor(np.ones(1, "f4"))
    step(X)
    optimizer.param_groups[0]["params"] = optimizer.param_groups[0]["params"][:1]
    weight = model[3].weight.numpy().copy()
    step(X)
    assert model[3].weight.tolist() == weight.tolist()


async def coroutine(x):
    return x


def generator(x):
    yield x


class Stops:
    def __call__(self, x):
        yield x


@pytest.mark.parametrize(
    "function", [coroutine, generator, functools.partial(generator, 1), Stops(), Stops().__call__]
)
def test_functions_that_stop_midway_are_refused(function):
    with pytest.raises(TypeError, match="generator or coroutine"):
        tg.compile(function)


def test_a_copied_trainer_trains_for_itself():
    class Trainer:
        def __init__(self):
            self.w = tg.parameter(np.ones(3, "f4"))
            self.step = tg.compile(self.halve)

        def halve(self, x):
            self.w.assign(self.w * 0.5)
            return (x * self.w).sum()

    one = Trainer()
    for replays in range(2):
        for _ in range(3 * replays):
            one.step(X)
        before = one.w.tolist()
        other = copy.deepcopy(one)
        for _ in range(4):
            other.step(X)
        assert one.w.tolist() == before
        assert other.w.tolist() == (one.w / 16).tolist()


@tg.compile
def doubled(x, *, by: float = 2.0):
    """Twice as much."""
    return x * by


class Halves:
    @tg.compile
    def step(self, x):
        """Half as much."""
        return x * 0.5

    @classmethod
    @tg.compile
    def quarter(cls, x):
        return x * 0.25

    @tg.compile
    @classmethod
    def part(cls, x):
        return x / cls.parts

    @tg.compile(audit=2)
    @staticmethod
    def third(x):
        return x / 3

    parts = 2.0


class Fifths(Halves):
    parts = 5.0


@pytest.mark.parametrize(
    "copied", [copy.copy, copy.deepcopy, lambda f: pickle.loads(pickle.dumps(f))]
)
def test_what_has_a_name_is_copied_by_it(copied):
    assert copied(doubled) is doubled
    assert copied(Halves.step) is Halves.step
    assert copied(Halves().step).func is Halves.step
    assert copied(Halves.quarter) == Halves.quarter
    assert copied(Halves.quarter)(X).tolist() == (0.25 * X).tolist()
    assert copied(Halves.part) == Halves.part
    assert copied({"f": doubled})["f"](X).tolist() == (2 * X).tolist()


@pytest.mark.parametrize("of", [Halves, Halves(), Fifths, Fifths()])
def test_methods_of_classes(of):
    rows = np.arange(6.0)
    for _ in range(5):
        assert of.part(rows).tolist() == (rows / of.parts).tolist()
        assert of.third(rows).tolist() == (rows / 3).tolist()
    for method, expected in ((of.part, rows / of.parts), (of.third, rows / 3)):
        assert method.epoch(rows, batch_size=2).ravel().tolist() == expected.tolist()
    if sys.version_info < (3, 13):
        assert of.quarter.epoch(rows, batch_size=2).ravel().tolist() == (rows / 4).tolist()
    else:
        with pytest.raises(TypeError, match=r"write @tg\.compile above @classmethod"):
            of.quarter.epoch(rows, batch_size=2)


def test_compiled_functions_have_the_names_and_signatures_of_theirs():
    bound = Halves().step
    assert [f.__name__ for f in (doubled, Halves.step, bound)] == ["doubled", "step", "step"]
    assert [f.__qualname__ for f in (Halves.step, bound)] == ["Halves.step"] * 2
    assert [f.__doc__[:4] for f in (doubled, Halves.step, bound)] == ["Twic", "Half", "Half"]
    signatures = [str(inspect.signature(f)) for f in (doubled, Halves.step, bound)]
    assert signatures == ["(x, *, by: float = 2.0)", "(self, x)", "(x)"]


def test_attributes_of_a_function_are_found():
    def step(x):
        return x * compiled.rate

    compiled = tg.compile(step)
    with pytest.raises(AttributeError, match="no attribute 'rate'"):
        _ = compiled.rate
    for step.rate in (1.0, 2.0):
        warm(compiled, X)
        assert compiled(X).tolist() == (X * step.rate).tolist()
    Halves.step.__wrapped__.unit = "J"
    assert Halves().step.unit == "J"


def test_compiled_methods_are_equal_as_methods_are():
    one, other = Halves(), Halves()
    assert one.step == one.step
    assert len({one.step, one.step, other.step, Halves.quarter, one.quarter}) == 3
    assert one.step not in (other.step, Halves.step, one.quarter, None)


def test_arguments_may_have_the_other_byte_order():
    compiled = tg.compile(lambda x: x * 2.0)
    swapped = np.arange(5.0).astype(np.dtype("f8").newbyteorder())
    for _ in range(4):
        assert compiled(swapped).tolist() == [0.0, 2.0, 4.0, 6.0, 8.0]


@pytest.mark.parametrize("backend", ["native", "numpy"])
def test_an_error_in_a_replay_names_the_entry_and_the_line_that_recorded_it(backend):
    with tg.use_backend(backend):
        net = nn.Linear(4, 3)

        def loss(x, y):
            return nn.cross_entropy(net(x), y)

        compiled = tg.compile(loss)
        x, y = np.ones((6, 4), "f4"), np.array([0, 1, 2] * 2)
        wrong = np.array([0, 1, 2, 3, 1, 2])
        line = loss.__code__.co_firstlineno + 1
        for call in range(5):  # recorded twice, replayed by Python, then by C
            compiled(x, y)
            with pytest.raises(IndexError, match="label 3 ") as caught:
                compiled(x, wrong)
            if call > 1:
                assert f"test_replay_calls.py:{line})" in str(caught.value)
                assert "entry 1, cross_entropy" in str(caught.value)
        with pytest.raises(IndexError, match=rf"entry 1, .*test_replay_calls.py:{line}\)"):
            compiled.epoch(np.ones((12, 4), "f4"), np.concatenate([y, wrong]), batch_size=6)


def test_contents_of_arrays_that_python_looks_at_are_compared_in_c():
    switch = np.array([[1.0, 0.0], [2.0, 3.0]], "f4")

    def step(x):
        return x * 2.0 if len(switch) == 2 and switch[0, 1] == 0 else x * 3.0

    def flatten():
        switch.resize((4,), refcheck=False)

    compiled = tg.compile(step)
    warm(compiled, X)
    for change in (lambda: switch.fill(1), lambda: switch.fill(0), flatten):
        change()
        assert compiled(X).tolist() == step(tg.tensor(X)).tolist()
        warm(compiled, X)


@pytest.mark.parametrize("shape", [(0, 3), (3, 0), (0,)])
@pytest.mark.parametrize("name", ["sum", "mean", "prod"])
def test_reductions_of_nothing_replay(name, shape, backend):
    """No group ends in one: it has no elements to fold."""
    step = tg.compile(lambda x: [getattr(x * x, name)(), getattr(x * x, name)(axis=0)])
    x = np.zeros(shape)
    want = [getattr(tg.tensor(x), name)(), getattr(tg.tensor(x), name)(axis=0)]
    for _ in range(3):
        for found, wanted in zip(step(x), want, strict=True):
            np.testing.assert_array_equal(found, wanted)
