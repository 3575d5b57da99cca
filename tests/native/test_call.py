"""Replayed calls in C: what must be as it was, refreshed numbers, nested arguments and results."""

import gc
import sys
import weakref

import numpy as np
import pytest
from building import Building, Program, core

import tapegrad as tg

pytestmark = pytest.mark.skipif(
    tg.backend() != "native", reason="programs run on the native engine only"
)

F4 = 0  # the core's code


def array(number, shape=(4,), strides=None, dtype=F4):
    return ("array", number, dtype, shape, strides)


ONE = ("tuple", (array(0),))


def negative(n_arrays=1):
    b = Building()
    inputs = [b.argument(np.zeros(4, "f4")) for _ in range(n_arrays)]
    return b.program([b.run("negative", [x], (4,), role="o") for x in inputs])


def make(
    program=None,
    args=ONE,
    kwargs=("dict", (), ()),
    result=("made", 0),
    state=0,
    guards=(),
    numbers=None,
    refresh=None,
    reads=(),
    without=(),
    cleared=(),
    seeds=None,
    ran=None,
    turn=None,
):
    program = program or negative()
    lists = [list(reads), list(without), list(cleared)]
    call = core.CompiledCall(
        program, state, args, kwargs, guards, numbers, refresh, *lists, seeds, ran, result,
        turn or core.Turn(),
    )  # fmt: skip
    return lambda *args, **kwargs: call.call(args, kwargs)


X = np.arange(4, dtype="f4")
WIDE = np.zeros((4, 2), "f4")
THING = object()


@pytest.mark.parametrize(
    "x", [X, tg.tensor(X), tg.tensor(np.repeat(X, 2))[::2]], ids=["array", "Tensor", "view"]
)
def test_arrays_and_tensors_fit_one_pattern(x):
    assert make()(x).tolist() == (-X).tolist()


@pytest.mark.parametrize(
    ("pattern", "fits", "does_not"),
    [
        (array(0), [X], [X[:3], X.astype("f8"), X[None], WIDE[:, 0], 1.0, None]),
        (array(0), [X], [tg.parameter(X), np.float32(1), [1.0] * 4, X.astype(">f4")]),
        (array(0, strides=(2,)), [WIDE[:, 0]], [X, tg.tensor(X), X[::-1]]),
        (("tuple", (array(0), ("same", 0))), [(X, X)], [(X, X.copy()), (X,), [X, X]]),
        (("list", (array(0), ("equal", 2))), [[X, 2]], [[X, 2.0], [X, True], [X, 3], (X, 2)]),
        (("tuple", (("is", THING), array(0))), [(THING, X)], [(object(), X), (None, X)]),
        (("tuple", (array(0), ("equal", "ab"))), [(X, "a" + "b")], [(X, "abc"), (X, b"ab")]),
        (
            ("dict", ("a", "b"), (array(0), ("equal", None))),
            [{"a": X, "b": None}],
            [{"b": None, "a": X}, {"a": X}, {"a": X, "c": None}, {"a": X, "b": 1}, [X, None]],
        ),
    ],
)
def test_a_call_is_replayed_only_for_what_it_was_recorded_for(pattern, fits, does_not):
    call = make(args=("tuple", (pattern,)))
    for x in fits:
        assert call(x) is not NotImplemented
    for x in does_not:
        assert call(x) is NotImplemented
    assert call() is NotImplemented
    assert call(fits[0], fits[0]) is NotImplemented
    assert call(fits[0], a=1) is NotImplemented
    assert call(fits[0]) is not NotImplemented


def product():
    b = Building()
    x, factor = b.argument(np.zeros(4, "f4")), b.argument(np.zeros((), "f4"))
    return b.program([b.run("multiply", [x, factor], (4,), role="o")])


def test_numbers_of_numpys_are_arrays_of_their_type():
    class Special(np.float32):
        pass

    call = make(product(), ("tuple", (array(0), ("scalar", 1, F4, np.float32))))
    for factor in map(np.float32, range(5)):
        assert call(X, factor).tolist() == (X * factor).tolist()
    for other in (2.0, np.float64(2), np.int32(2), np.array(2, "f4"), Special(2), None):
        assert call(X, other) is NotImplemented
    assert call(np.float32(2), X) is NotImplemented
    with pytest.raises(TypeError):
        make(product(), ("tuple", (array(0), ("scalar", 1, F4, "float32"))))


def test_numbers_of_numpys_are_let_go_of():
    call = make(product(), ("tuple", (array(0), ("scalar", 1, F4, np.float32))))
    factor = np.float32(2)
    for x, others in ((X, ()), (X[:3], ()), (X, (X,))):  # runs, and two that do not fit
        before = sys.getrefcount(factor), len(gc.get_objects())
        for _ in range(50):
            call(x, factor, *others)
        assert sys.getrefcount(factor) == before[0]
        assert len(gc.get_objects()) < before[1] + 20


def test_c_answers_calls_with_numbers_of_numpys(monkeypatch):
    step = tg.compile(lambda x, parts: x * parts["rate"] + parts["bias"][0])
    rates = [np.float32(k) for k in range(6)]
    for rate in rates[:3]:
        step(X, {"rate": rate, "bias": [np.float64(1)]})
    monkeypatch.setattr(type(step), "_call", None)
    for rate in rates:
        found = step(X, {"rate": rate, "bias": [np.float64(rate)]})
        assert found.numpy().tobytes() == (X * rate + np.float64(rate)).tobytes()


@pytest.mark.parametrize("shape", [(0, 2), (2, 0), (3, 0, 2)], ids=str)
def test_empty_arrays_are_in_c_order(shape):
    b, x = Building(), np.zeros(shape, "f4")
    program = b.program([b.run("negative", [b.argument(x)], shape, role="o")])
    assert make(program, ("tuple", (array(0, shape),)))(x).shape == shape


def test_the_same_array_twice_is_another_signature():
    call = make(negative(2), ("tuple", (array(0), array(1))))
    assert call(X, X.copy()) is not NotImplemented
    assert call(X, X) is NotImplemented


def test_results_are_nested_as_the_functions():
    result = (
        "dict",
        ("a", "b"),
        (("tuple", (("made", 1), ("value", THING))), ("list", (("made", 0),))),
    )
    call = make(negative(2), ("tuple", (array(0), array(1))), result=result)
    found = call(X, X + 1)
    assert list(found) == ["a", "b"]
    assert found["a"][0].tolist() == (-X - 1).tolist()
    assert found["a"][1] is THING
    assert found["b"][0].tolist() == (-X).tolist()


def test_guards_are_looked_at_before_each_call():
    holder = {"rate": 1.5, "names": [1, 2]}
    rows = [(holder, "rate", holder["rate"], "item"), (holder["names"], None, 2, "len")]
    call = make(guards=(core.Checks(rows),))
    assert call(X) is not NotImplemented
    holder["names"].append(3)
    assert call(X) is NotImplemented
    del holder["names"][2]
    assert call(X) is not NotImplemented
    holder["rate"] = 2.5
    assert call(X) is NotImplemented


def test_live_numbers_are_read_anew_when_they_change():
    scale = np.array(2.0, "f4")
    b = Building()
    y = b.run("multiply", [b.argument(X), b.array(scale)], (4,), role="o")
    owner = {"rate": 2.0}
    reads = []

    def refresh():
        reads.append(owner["rate"])
        if owner["rate"] < 0:
            return None
        scale[...] = owner["rate"]
        return core.Checks([(owner, "rate", owner["rate"], "item")])

    call = make(b.program([y]), numbers=refresh(), refresh=refresh)
    assert call(X).tolist() == (2 * X).tolist()
    owner["rate"] = 3.0
    assert call(X).tolist() == call(X).tolist() == (3 * X).tolist()
    assert reads == [2.0, 3.0]
    owner["rate"] = -1.0
    assert call(X) is NotImplemented


def test_gradients_are_read_required_absent_and_cleared():
    p, q, r = (tg.parameter(np.ones(4, "f4")) for _ in range(3))
    b = Building()
    x, old = b.argument(X), b.argument(X)
    total = b.run("add", [x, old], (4,), role="o")
    call = make(b.program([total], [(p, total)]), reads=[p], without=[q], cleared=[r])
    assert call(X) is NotImplemented
    p.grad = tg.tensor(X)
    r.grad = tg.tensor(X)
    assert call(X).tolist() == (2 * X).tolist()
    assert call(X).tolist() == (3 * X).tolist()
    assert p.grad.tolist() == (3 * X).tolist()
    assert r.grad is None
    q.grad = tg.tensor(X)
    assert call(X) is NotImplemented


def test_generators_move_on_after_a_run():
    b = Building()
    u = b.value((4,), "f4", "o")
    b.step(Program.RANDOM, 0, [], [u], (0.0, 1.0), (0, 0))
    b.argument(X)  # nobody reads it
    counter = [0]
    call = make(
        b.program([u]),
        seeds=lambda: ((5, counter[0]),),
        ran=lambda: counter.append(counter.pop() + 1),
    )
    first, second = call(X).tolist(), call(X).tolist()
    assert first != second
    assert counter == [2]
    counter[0] = 0
    assert call(X).tolist() == first


def test_other_states_of_recording_are_not_replayed():
    call = make()
    off = make(state=-1)
    assert off(X) is NotImplemented
    with tg.no_grad():
        assert call(X) is NotImplemented
        assert off(X) is not NotImplemented
    with tg.tape():
        assert call(X) is NotImplemented
    with tg.use_backend("numpy"):
        assert call(X) is NotImplemented
    assert call(X) is not NotImplemented


def test_a_failed_guard_in_the_program_is_not_implemented():
    b = Building()
    x = b.argument(np.zeros(1, "f4"))
    b.step(Program.GUARD, 0, [x], (), (True,))
    program = b.program([b.run("negative", [x], (1,), role="o")])
    call = make(program, ("tuple", (array(0, (1,)),)))
    assert call(np.zeros(1, "f4")) is NotImplemented
    assert call(np.ones(1, "f4")).tolist() == [-1.0]


@pytest.mark.parametrize("name", ["refresh", "seeds", "ran"])
def test_errors_of_callables_come_through(name):
    checks = core.Checks([([1], 0, 2, "item")])
    call = make(**{"numbers": checks if name == "refresh" else None, name: lambda: 1 / 0})
    with pytest.raises(ZeroDivisionError):
        call(X)


@pytest.mark.parametrize(
    "wrong",
    [
        {"args": ("tuple", (array(1),))},
        {"args": ("nothing", 1)},
        {"args": ("tuple",)},
        {"args": 3},
        {"kwargs": ("dict", ("a",), ())},
        {"result": ("made", 1)},
        {"guards": (1,)},
        {"numbers": 1},
        {"program": 1},
        {"reads": [tg.parameter(X)] * 2},
        {"without": [1]},
    ],
)
def test_wrong_calls_are_refused(wrong):
    with pytest.raises((TypeError, ValueError)):
        make(**wrong)


def test_cycles_through_a_call_are_collected():
    class Owner:
        def ran(self):
            pass

    owner = Owner()
    owner.call = make(ran=owner.ran)
    gone = weakref.ref(owner)
    del owner
    gc.collect()
    assert gone() is None
