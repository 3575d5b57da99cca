"""Captured ndarrays while a step is recorded: they tell who looks into them, and are what they were
when it ends."""

import copy
import gc
import pickle
import threading
import weakref

import numpy as np
import pytest
from test_numpy_registry import EXAMPLES, HOLES, used

import tapegrad as tg
import tapegrad.numpy as tnp
from tapegrad.engine.recording import here
from tapegrad.replay.guards import Guards
from tapegrad.replay.observed import Observed, observed


@pytest.fixture
def looked(monkeypatch):
    """The ids of arrays that tell of a look, in this thread."""
    ids = set()
    monkeypatch.setattr(here, "recorder", type("Recorder", (), {"looked": ids})())
    return ids


A = np.arange(6.0).reshape(2, 3)
LOOKS = {
    "element": lambda a: a[1, 2],
    "slice": lambda a: a[:, 1:],
    "iteration": list,
    "membership": lambda a: 3.0 in a,
    "truth": lambda a: bool(a[:1, 1]),
    "method": lambda a: a.sum(0),
    "property": lambda a: a.T,
    "flat": lambda a: a.flat[2],
    "function": lambda a: np.mean(a, axis=1),
    "function_of_a_list": lambda a: np.concatenate([a, a]),
    "ufunc": np.exp,
    "ufunc_method": np.add.reduce,
    "operator": lambda a: 1 + a * 2,
    "matrix_product": lambda a: a @ a.T,
    "comparison": lambda a: a > 2,
    "negative": lambda a: -a,
    "text": repr,
    "format": lambda a: f"{a}",
    "pickle": lambda a: pickle.loads(pickle.dumps(a)),
    "copy": copy.copy,
    "deepcopy": copy.deepcopy,
    "index_of_another": lambda a: A[a.astype(int) % 2],
}


@pytest.fixture(params=["ndarray", "memmap"])
def array(request, tmp_path):
    """A copy of A, in memory or in a file."""
    if request.param == "ndarray":
        return A.copy()
    a = np.memmap(tmp_path / "a", A.dtype, "w+", shape=A.shape)
    a[...] = A
    return a


@pytest.mark.parametrize("look", LOOKS.values(), ids=LOOKS)
def test_a_look_is_told_and_answered_by_a_plain_array(look, looked, array):
    a, want = array, look(A)
    with observed([a]):
        found = look(a)
        assert id(a) in looked
    parts = found if isinstance(found, list) else [found]
    for got, expected in zip(parts, want if isinstance(want, list) else [want]):
        assert type(got) is type(expected)
        assert np.array_equal(got, expected)


@pytest.mark.parametrize("convert", [float, int, complex, bool, lambda a: range(9)[a]])
def test_a_number_of_it_is_a_look(convert, looked):
    a = np.array(7)
    with observed([a]):
        assert convert(a) == convert(np.array(7))
        assert id(a) in looked


def test_what_is_no_content_is_no_look(looked, array):
    a, kind = array, type(array)
    with observed([a]):
        assert (a.shape, a.dtype, a.ndim, a.size, len(a), a.nbytes) == ((2, 3), float, 2, 6, 2, 48)
        assert isinstance(a, kind)
        assert a.__class__ is kind
        if kind is np.memmap:
            a.flush()
            assert (a.mode, a.offset) == ("w+", 0)
        assert not looked
    assert type(a) is kind


def test_written_in_place_it_stays_itself(looked):
    a = same = A.copy()
    with observed([a]):
        a += 1
        np.multiply(a, 2, out=a)
        a[0] = 0
        assert a is same
    assert np.array_equal(same, [[0, 0, 0], [8, 10, 12]])


def test_it_is_an_ndarray_again_after_errors_and_when_the_last_recording_ends():
    a = A.copy()
    with observed([a, a]), pytest.raises(ZeroDivisionError), observed([a]):
        1 / 0  # noqa: B018
    assert type(a) is np.ndarray
    with observed([a]):
        with observed([a]):
            pass
        assert type(a) is Observed
    assert type(a) is np.ndarray


def test_other_kinds_of_arrays_are_left_alone():
    class Mine(np.ndarray):
        pass

    a = A.copy().view(Mine)
    with observed([a]):
        assert type(a) is Mine


def test_another_thread_does_not_tell(looked):
    a, found = A.copy(), []
    with observed([a]):
        thread = threading.Thread(target=lambda: found.append(a.sum()))
        thread.start()
        thread.join()
        assert not looked
    assert found == [15.0]


def test_a_memmap_that_ops_alone_read_is_read_anew(backend, array):
    compiled = tg.compile(lambda x: 2 * tnp.take(array, x, axis=0))
    rows = np.array([1, 0])
    for i in range(5):
        array[0] = i
        assert compiled(rows).tolist() == [[6, 8, 10], [2 * i] * 3]
    assert "1 program," in compiled.explain()


def test_results_of_a_recorded_step_are_plain(backend):
    a = A.copy()
    compiled = tg.compile(lambda x: (x * a, a, a.copy(), a[0], [a.T]))
    for _ in range(4):
        _, same, *others, (turned,) = compiled(np.ones(3))
        assert same is a
        assert {type(x) for x in (a, *others, turned)} == {np.ndarray}


def test_a_dropped_function_lets_go_of_its_programs_at_once(backend):
    a = A.copy()
    compiled = tg.compile(lambda x: x * a * 2.0)
    for _ in range(4):
        compiled(A)
    program = weakref.ref(compiled.program)
    gc.disable()  # no cycle keeps it
    try:
        del compiled
        assert program() is None
    finally:
        gc.enable()


asarray, reader, theirs = np.asarray, {"read": np.array}, pytest.approx(1.0)


@pytest.mark.parametrize(
    ("function", "looks_unseen"),
    [
        (lambda: tg.asarray(A), False),
        (lambda: tg.numpy.array(A), False),
        (lambda: np.mean(A), False),
        (lambda: np.asarray(A), True),
        (lambda: asarray(A), True),
        (lambda: reader["read"](A), True),
        (lambda: memoryview(A), True),
        (lambda: pytest.approx(A), True),
        (lambda: theirs.expected * A, True),
    ],
)
def test_names_of_what_looks_without_telling(function, looks_unseen):
    assert Guards(function).sees_looks is not looks_unseen


def function_of(text, argument, captured):
    """The example as a user's function of one operand; the others are its globals."""
    names = compile(text, "example", "eval").co_names
    scope = {k: getattr(tnp, k) for k in names if hasattr(tnp, k)} | captured
    scope |= {"__name__": "example", "where": tnp.where, "holes": HOLES}
    first = "n = where(holes, float('nan'), x)" if "n" in names else "pass"
    exec(f"def f({argument}):\n    {first}\n    return {text}", scope)
    return scope["f"]


@pytest.mark.parametrize(("name", "text"), EXAMPLES, ids=[text for _, text in EXAMPLES])
def test_functions_of_captured_arrays_are_never_stale(name, text, backend):
    operands = used(text)
    argument = next(k for k, v in operands.items() if np.asarray(v).dtype.kind == "f")
    captured = {k: np.array(v) for k, v in operands.items() if k != argument}
    f = function_of(text, argument, captured)
    compiled, x = tg.compile(f), operands[argument]
    for call in range(6):
        try:
            found = compiled(x)
        except tg.ReplayError:  # what it makes of the argument no replay could repeat
            return
        np.testing.assert_array_equal(found, f(tg.tensor(x)))
        if call == 2:
            for a in captured.values():
                a[...] = a * 1.07 if a.dtype.kind == "f" else np.roll(a, 1)
