"""primitive: users' functions of ndarrays, and the rules that they are given."""

import numpy as np
import pytest

import tapegrad as tg

X = np.array([0.5, -1.0, 2.0])


def test_a_c_function_pointer(backend):
    cffi = pytest.importorskip("cffi", reason="cffi is not installed")
    ffi = cffi.FFI()
    hypot = ffi.callback("double(double, double)", lambda a, b: (a * a + b * b) ** 0.5)
    f = tg.primitive(hypot)
    tg.defvjp(f, lambda ans, a, b: lambda g: g * a / ans, lambda ans, a, b: lambda g: g * b / ans)
    ga, gb = tg.grad(lambda a, b: f(a, b).sum(), (0, 1))(X, X + 1)
    length = np.hypot(X, X + 1)
    np.testing.assert_allclose(ga, X / length)
    np.testing.assert_allclose(gb, (X + 1) / length)
    assert f(tg.tensor(X.astype("f4")), 1.0).dtype == np.float32


def test_a_primitive_of_integers_has_no_derivative(backend):
    f = tg.primitive(lambda x: np.argsort(x))
    y = f(tg.tensor(X))
    assert isinstance(y, tg.Tensor)
    np.testing.assert_array_equal(y, np.argsort(X))


def test_rules_of_a_primitive_are_of_floats(backend):
    best = tg.primitive(lambda x: (x.max(), x.argmax()))
    tg.defvjp(best, lambda ans, x: lambda g: g[0] * (x == ans[0]))
    assert [y.item() for y in best(tg.tensor(X))] == [2.0, 2]
    with pytest.raises(tg.UnsupportedError, match=r"float64, int64: return floats and integers"):
        tg.grad(lambda x: best(x)[0])(X)


def test_results_of_a_primitive_may_be_in_the_other_byte_order(backend):
    f = tg.primitive(lambda x: (x.astype(">f8"), (2 * x).astype(">f4"), x > 0))
    for run in (f, tg.compile(f)):
        for _ in range(4):
            found = run(tg.tensor(X))
            assert [y.dtype for y in found] == ["f8", "f4", "?"]
            np.testing.assert_array_equal(found, [X, 2 * X, X > 0])


def test_a_primitive_may_return_one_buffer_again_and_again(backend):
    buffer = np.zeros(3)
    f = tg.primitive(lambda x: np.multiply(x, 2, out=buffer))
    first, _ = f(tg.tensor(X)), f(tg.tensor(X + 1))
    np.testing.assert_array_equal(first, X * 2)


def with_rules(define, *rules, **kwargs):
    f = tg.primitive(lambda x, y: x * y)
    define(f, *rules, **kwargs)
    return tg.grad(lambda x: f(x, x).sum())(X)


BAD = {
    "primitive without a rule": (
        lambda: with_rules(tg.defvjp, lambda ans, x, y: lambda g: g * y), TypeError,
        r"no derivative by argument 1.*argnums=\(1,\)",
    ),
    "primitive's vjp shape": (
        lambda: with_rules(tg.defvjp, *[lambda ans, x, y: lambda g: g.sum()] * 2), tg.ShapeError,
        r"the vjp of argument [01] has shape \(\); need \(3,\)",
    ),
    "argnums": (
        lambda: with_rules(tg.defvjp, None, argnums=(0, 1)), ValueError, "1 rules for 2 argnums"
    ),
    "a rule that is no function": (
        lambda: with_rules(tg.defjvp, 3), TypeError, "a function or None, got 3"
    ),
    "defvjp of a function": (
        lambda: tg.defvjp(np.sin, None), TypeError, "need a primitive, got ufunc"
    ),
    "Tensors in a list": (
        lambda: tg.primitive(lambda xs: sum(xs))([tg.tensor(X)]), TypeError,
        "argument 0 holds Tensors in a list",
    ),
    "a function that returns nothing": (
        lambda: tg.primitive(lambda x: None)(tg.tensor(X)), TypeError, "arrays, got None"
    ),
    "a Tensor by keyword": (
        lambda: tg.primitive(lambda x, y: x)(X, y=tg.tensor(X)), TypeError, "by position"
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", BAD)
def test_bad_rules_raise(name, backend):
    call, error, message = BAD[name]
    with pytest.raises(error, match=message):
        call()
