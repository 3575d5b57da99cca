"""Lines of entries: the innermost one of the user's, whatever lies between."""

import copy
import functools
import os
import threading

import numpy as np
import pytest

import tapegrad as tg
from tapegrad import nn, tape

pytestmark = pytest.mark.usefixtures("backend")

X = tg.tensor(np.ones(3))


def made(source, file):
    """The function f of a source that lies in that file."""
    scope = {}
    exec(compile(source, file, "exec"), scope)
    return scope["f"]


def lines(function, *args):
    """Of the entries that function(*args) records."""
    with tape(lines=True) as t:
        t.watch(X)
        function(*args)
    return [entry.line for entry in t]


def test_every_line_of_a_long_function():
    f = made("def f(x):\n" + "    x = x * 2.0\n" * 40, "long.py")
    for _ in range(2):
        assert lines(f, X) == [f"long.py:{n}" for n in range(2, 42)]


def test_more_functions_than_are_remembered():
    functions = [made("def f(x):\n    return x * 2.0\n", f"file{n}.py") for n in range(3000)]
    for _ in range(2):
        found = [lines(f, X) for f in functions]
        assert found == [[f"file{n}.py:2"] for n in range(3000)]


def test_functions_that_come_and_go_at_one_address():
    for n in range(300):
        assert lines(made("def f(x):\n    return x * 2.0\n", f"gone{n}.py"), X) == [f"gone{n}.py:2"]


def test_layers_and_numpy_are_passed():
    net = nn.Sequential(nn.Linear(3, 4, dtype="f8"), nn.Tanh())

    def f():
        return functools.reduce(np.multiply, [np.tanh(net(X)).sum(), X, X])

    line = f"{__file__}:{f.__code__.co_firstlineno + 1}"
    assert set(lines(f)) == {line}


def test_a_generator_and_a_thread_are_at_lines_of_their_own():
    f = made("def f(x):\n    yield x * 2.0\n    yield x * 3.0\n", "generator.py")
    assert lines(lambda: list(f(X))) == ["generator.py:2", "generator.py:3"]
    found = []
    thread = threading.Thread(target=lambda: found.extend(lines(lambda: list(f(X)))))
    thread.start()
    thread.join()
    assert found == ["generator.py:2", "generator.py:3"]


def test_code_without_a_file():
    assert lines(made("def f(x):\n    return x * 2.0\n", "<string>"), X) == ["<string>:2"]


def test_lines_are_of_who_calls_the_standard_library():
    @tg.compile
    def step(x):
        return functools.reduce(lambda a, b: a + b.item(), [x, x.sum()])

    with pytest.raises(tg.ReplayError, match=f"{os.path.basename(__file__)}:"):
        step(np.ones(3))

    @tg.compile
    def copied(x):
        return copy.deepcopy(x) * 1.0

    with pytest.raises(tg.ReplayError) as caught:
        copied(np.ones(3))
    assert str(caught.value).startswith(__file__)  # not copy.py
