"""Signatures of compiled calls: what makes one another, and calls that are only ever recorded."""

import dataclasses
import functools
import itertools
import warnings
from typing import Any, NamedTuple

import numpy as np
import pytest

import tapegrad as tg
from tapegrad.replay.guards import short


class Pair(NamedTuple):
    a: Any
    b: Any


@dataclasses.dataclass
class Data:
    a: Any
    b: Any


@dataclasses.dataclass(init=False, eq=False, repr=False)
class Number(float):
    pass


class Unprintable(float):
    def __repr__(self):
        raise RuntimeError("repr")


X = np.arange(8, dtype="f4").reshape(4, 2)
P = tg.parameter(X)
FLOATS = "float32 of shape (4, 2)"

# (arguments of one call, those of the next, what explain() says of the difference)
DIFFERENCES = [
    ((X,), (X[:2],), f"argument x was {FLOATS}, is float32 of shape (2, 2)"),
    ((X,), (X.astype("f8"),), f"argument x was {FLOATS}, is float64 of shape (4, 2)"),
    ((X,), (X.copy(order="F"),), f"argument x was {FLOATS}, is {FLOATS} and strides (4, 16)"),
    ((P,), (X,), f"argument x was Parameter of shape (4, 2) and float32, is {FLOATS}"),
    ((X, X), (X, X.copy()), f"argument y was an array that was given before, is {FLOATS}"),
    ((X, 0.0), (X, -0.0), "argument y was 0.0, is -0.0"),
    ((X, "relu"), (X, "tanh"), "argument y was 'relu', is 'tanh'"),
    ((X, None), (X, slice(1, 2)), "argument y was None, is slice(1, 2, None)"),
    ((X, [1, 2]), (X, [1, 2, 3]), "argument y was a list of 2, is a list of 3"),
    ((X, {"a": 1}), (X, {"b": 1}), "argument y was a dict of a, is a dict of b"),
    ((X, {1: X}), (X, {1.0: X}), "argument y was a dict of 1, is a dict of 1.0"),
    ((X, {0.0: X}), (X, {-0.0: X}), "argument y was a dict of 0.0, is a dict of -0.0"),
    (
        (X, {(1, 2): X}),
        (X, {(True, 2): X}),
        "argument y was a dict of (1, 2), is a dict of (True, 2)",
    ),
    ((X, {"a": [X + 1]}), (X, {"a": [1]}), f"argument y['a'][0] was {FLOATS}, is 1"),
    ((X, Pair(1, 2)), (X, Pair(1, 3)), "argument y[1] was 2, is 3"),
    ((X, Data(1, 2)), (X, Data(1, 3)), "argument y.b was 2, is 3"),
    ((X, Number(1)), (X, Number(2)), "argument y was 1.0, is 2.0"),
    ((X, Data(1, 2)), (X, Pair(1, 2)), "argument y was a Data of a, b, is a Pair of 2"),
    ((X, 1, 2), (X, 1, 3), "argument 2 was 2, is 3"),
    ((X, 1), (X, 1, 2), "it was called with x, y by position, is with x, y, 2 by position"),
]


@pytest.mark.parametrize(("first", "second", "why"), DIFFERENCES, ids=[w for *_, w in DIFFERENCES])
def test_explain_says_which_argument_is_another(first, second, why):
    compiled = tg.compile(lambda x, y=None, *rest: x * 2.0)
    compiled(*first)
    compiled(*second)
    assert compiled.explain().splitlines()[2] == f"  recorded: {why}"


def test_explain_says_how_arguments_were_passed():
    compiled = tg.compile(lambda x=X, y=X: x * y)
    compiled(X, X + 1)
    compiled(y=X + 1, x=X)
    compiled()
    assert compiled.explain().splitlines() == [
        "<lambda>: 3 programs, 0 replaying",
        "  recorded: first call",
        "  recorded: it was called with x, y by position, is with x, y by keyword",
        "  recorded: it was called with x, y by keyword, is with no arguments",
    ]


def test_explain_counts_in_the_singular_too(backend):
    compiled = tg.compile(lambda x: x * 2.0)
    for _ in range(3):
        compiled(X)
    first, _, *summary = compiled.explain().splitlines()
    assert first == "<lambda>: 1 program, 1 replaying"
    grouped = "1 elementwise entry in 1 group" if backend == "native" else None
    wanted = ["  1 entry as recorded, 1 run", f"  {grouped or '0 elementwise entries in 0 groups'}"]
    assert summary == wanted


def test_explain_names_what_has_no_repr():
    two = Unprintable(2)
    text = object.__repr__(two)
    for first, second, why in (
        (two, 2.0, f"argument y was {short(two)}, is 2.0"),
        ({two: 1}, {two: 2}, f"argument y[{text}] was 1, is 2"),
        ({}, {two: 2}, f"argument y was a dict of nothing, is a dict of {text}"),
        (Unprintable(0.0), Unprintable(-0.0), "argument y was 0.0, is -0.0"),
    ):
        test_explain_says_which_argument_is_another((X, first), (X, second), why)


def test_explain_says_so_of_keywords_and_tapes():
    compiled = tg.compile(lambda x, **options: x * 2.0)
    compiled(X)
    compiled(X, scale=1)
    compiled(X, scale=2)
    with tg.no_grad():
        compiled(X, scale=2)
    assert compiled.explain().splitlines()[2:] == [
        "  recorded: it was called with x by position, is with x by position and scale by keyword",
        "  recorded: argument scale was 1, is 2",
        "  recorded: it was called outside tapes, is inside no_grad",
    ]


@pytest.mark.parametrize("signs", [(1, 1, 1, -1, -1, -1), (1, -1, 1, -1, 1, -1)])
def test_explain_names_the_line_of_a_branch(signs, backend):
    def step(x):
        if x.sum() > 0:
            return x * 2.0
        return x * 3.0

    compiled = tg.compile(step)
    for sign in signs:
        compiled(sign * X)
    line = step.__code__.co_firstlineno + 1
    assert compiled.explain().splitlines()[:3] == [
        "step: 2 programs, 2 replaying",
        "  recorded: first call",
        f"  recorded: {step.__code__.co_filename}:{line}: a branch on data went the other way",
    ]


def endless(kind):
    found = Data(X, None) if kind is Data else kind()
    if kind is Data:
        found.b = [found]
    elif kind is dict:
        found["self"] = (found,)
    else:
        found += [X, found]
    return found


@pytest.mark.parametrize("kind", [list, dict, Data])
def test_an_argument_that_contains_itself_is_named(kind, backend):
    step = tg.compile(lambda x, parts, rate=1.0: x * rate)
    parts = endless(kind)
    for call in (
        lambda: step(X, parts),
        lambda: step(X, rate=2.0, parts=parts),
        lambda: step(X, [parts], rate=2.0),
        lambda: step.epoch(X, (parts,), batch_size=2),
    ):
        with pytest.raises(ValueError, match="compile: argument parts contains itself"):
            call()
    captured = tg.compile(lambda x: x * len(parts.__dict__ if kind is Data else parts))
    for _ in range(4):
        assert captured(X).tolist() == (X * {list: 2, dict: 1, Data: 2}[kind]).tolist()


@pytest.mark.parametrize("kind", [list, dict, Data])
def test_a_result_that_contains_itself_is_an_error(kind, backend):
    parts = endless(kind)
    step = tg.compile(lambda x: parts)
    for _ in range(3):
        with pytest.raises(tg.ReplayError, match="what it returns contains itself"):
            step(X)


def collects(x, **options):
    return x * next(iter(options.values()))


class Callable:
    def method(self, x, *, a, b):
        return x * (a - 2 * b)

    def __call__(self, x, **options):
        return collects(x, **options)


def named(x, a, b=1.0):
    return x * (a - 2 * b)


# (function, programs for keywords in two orders)
ORDERS = {
    "named": (named, 1),
    "keyword-only": (lambda x, *, a=5, b: x * (a - 2 * b), 1),
    "method": (Callable().method, 1),
    "collected": (collects, 2),
    "wrapped": (functools.wraps(named)(lambda *args, **options: collects(*args, **options)), 2),
    "object": (Callable(), 2),
}


@pytest.mark.parametrize("b", [4.0, X], ids=["number", "array"])
@pytest.mark.parametrize(("function", "programs"), ORDERS.values(), ids=ORDERS)
def test_the_order_of_keywords_counts_where_it_is_seen(function, programs, b, backend):
    compiled = tg.compile(function)
    for _ in range(5):
        for keywords in ({"b": b, "a": 3.0}, {"a": 3.0, "b": b}):
            expected = np.asarray(function(tg.tensor(X), **keywords))
            np.testing.assert_array_equal(compiled(X, **keywords), expected)
            np.testing.assert_array_equal(compiled(x=X, **keywords), expected)
    assert f": {2 * programs} programs" in compiled.explain()


@pytest.mark.parametrize(
    ("before", "after", "change"), [(None, X, "None, is there"), (X, None, "there, is None")]
)
def test_explain_names_the_parameter_whose_gradient_came_or_went(before, after, change, backend):
    w = tg.parameter(X)

    @tg.compile
    def step(x):
        with tg.tape():
            loss = (w * x).sum()
        loss.backward()

    for grad in (before, after):
        w.grad = grad
        step(X)
    assert step.explain().splitlines()[1:3] == [
        "  recorded: first call",
        f"  recorded: closure variable 'w'.grad was {change}",
    ]


def loads(optimizer):
    optimizer.load_state_dict(optimizer.state_dict())


@pytest.mark.parametrize(
    ("groups", "options", "change", "within", "reason"),
    [
        (1, {}, {"momentum": 0.9, "lr": 0.5}, None, "SGD's momentum was 0.0, is 0.9"),
        (2, {}, {"momentum": 0.9}, None, "SGD's group 1: momentum was 0.0, is 0.9"),
        (1, {"momentum": 0.9}, {"momentum": 0.0, "lr": 0.5}, None, None),
        (
            1,
            {"momentum": 0.9},
            {},
            loads,
            "the step reads other state of an optimizer than at the call before",
        ),
    ],
)
def test_explain_names_the_number_of_an_optimizer(groups, options, change, within, reason, backend):
    ws = [tg.parameter(X) for _ in range(groups)]
    optimizer = tg.optim.SGD([{"params": [w]} for w in ws], **options)

    @tg.compile
    def step(x):
        if within is not None:
            within(optimizer)
        optimizer.zero_grad()
        with tg.tape():
            loss = sum([(w * x).sum() for w in ws])
        loss.backward()
        optimizer.step()

    for _ in range(3):
        step(X)
    optimizer.param_groups[-1].update(change)
    for _ in range(3):
        step(X)
    told = [line for line in step.explain().splitlines() if "recorded: " in line]
    assert set(told) == {"  recorded: first call", f"  recorded: {reason}"} - {"  recorded: None"}


@pytest.mark.skipif(tg.backend() != "native", reason="there is one engine in this run")
def test_explain_says_so_of_engines():
    compiled = tg.compile(lambda x: x * 2.0)
    compiled(X)
    with tg.use_backend("numpy"):
        compiled(X)
    assert compiled.explain().splitlines()[2:] == ["  recorded: the engine was native, is numpy"]


def test_calls_that_are_only_ever_recorded_are_warned_of_once():
    compiled = tg.compile(lambda x, t: x * t)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        for t in range(40):
            np.testing.assert_array_equal(compiled(X, float(t)), X * np.float32(t))
    (warning,) = caught
    assert warning.category is tg.ReplayWarning
    assert warning.filename == __file__
    assert "argument t was 15.0, is 16.0" in str(warning.message)
    assert "np.float32" in str(warning.message)


def test_calls_of_many_shapes_that_come_again_are_not_warned_of():
    compiled = tg.compile(lambda x: x * 2.0)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for n in range(1, 41):
            for _ in range(2):
                compiled(np.ones(n, "f4"))


def test_a_step_that_finds_another_world_at_each_call_warns_and_goes_on():
    rate = 0.1

    @tg.compile
    def step(x):
        return x * rate

    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        for _ in range(12):
            np.testing.assert_array_equal(step(np.ones(2)), np.full(2, rate))
            rate *= 0.5
    assert "none replayed: closure variable 'rate' was" in str(caught[0].message)
    rate = 3.0
    for _ in range(3):
        np.testing.assert_array_equal(step(np.ones(2)), [3.0, 3.0])
    assert "1 replaying" in step.explain()


@pytest.mark.parametrize(("what", "recorded"), [("signatures", 16), ("worlds", 8), ("branches", 8)])
def test_a_warning_that_is_an_error_comes_before_the_step_runs(what, recorded):
    count, numbers, rate = tg.parameter(0.0), itertools.count(), 1.0

    @tg.compile
    def step(x, n):
        bits = [bool(x.sum() > k) for k in range(20)] if what == "branches" else []
        count.assign(count + rate)
        return count * 1.0 + sum(bits)

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for done in range(40):
            if what == "worlds":
                rate = 1.0 + 2.0**-done
            before = count.item()
            try:
                step(np.ones(1) * done, next(numbers) if what == "signatures" else 0)
            except tg.ReplayWarning:
                break
        assert count.item() == before
        assert done == recorded
        after = step(np.ones(1) * done, 0)
    assert after.item() == count.item() + (done if what == "branches" else 0)
    assert count.item() == before + rate


def test_the_signature_given_up_is_one_that_is_not_in_use():
    n_calls = itertools.count()

    @tg.compile
    def step(x, n):
        next(n_calls)
        return x * n

    for _ in range(3):
        step(np.ones(2), -1)
    for n in range(100):
        for _ in range(2):
            step(np.ones(2), n)
            step(np.ones(2), -1)
    assert next(n_calls) == 2 + 200  # -1 has been replayed all the time


def inside_a_tape(call):
    with tg.tape():
        return call()


# Where a compiled function is simply called.
INSIDE = {
    "nowhere": lambda call: call(),
    "tape": inside_a_tape,
    "compile": lambda call: tg.compile(call)(),
    "grad": lambda call: tg.grad(lambda x: call().sum() * x)(np.ones(())),
}


@pytest.mark.parametrize("where", INSIDE)
def test_arrays_are_given_as_tensors_wherever_it_is_called(where, backend):
    found = []

    @tg.compile
    def step(x, tree, *, named):
        found.append([x, tree["a"][0], tree["b"], named.a, named.b])
        found.append(x is tree["a"][0] and named.b == 3)
        return x * 2.0

    t = tg.tensor(X)
    INSIDE[where](lambda: step(X, {"a": [X], "b": t}, named=Data(np.float32(2), 3)))
    (x, a, b, scalar, _), is_same = found
    assert is_same
    for given, array in ((x, X), (a, X), (b, X), (scalar, np.float32(2))):
        assert type(given) is tg.Tensor
        assert given.dtype == array.dtype
        assert given.shape == array.shape
    assert where == "nowhere" or b is t


@pytest.mark.parametrize("where", INSIDE)
def test_a_list_with_arrays_is_not_written_into_wherever_it_is_called(where, backend):
    @tg.compile
    def step(x, items):
        items[0] = x * 2.0
        return x * 2.0

    with pytest.raises(tg.ReplayError, match="writes into a list that it is given"):
        INSIDE[where](lambda: step(X, [X]))


def test_strings_of_numpys_are_strings(backend):
    step = tg.compile(lambda x, mode: x * 2.0 if mode in ("twice", b"twice") else x)
    for mode, factor in (
        (np.str_("twice"), 2.0),
        (np.str_("once"), 1.0),
        (np.bytes_("twice"), 2.0),
    ):
        for _ in range(3):
            assert step(np.ones(2), mode).tolist() == [factor] * 2
    assert "mode was np.str_('twice'), is np.str_('once')" in step.explain()
