"""The transforms: values against closed forms and each other, structure, nesting, bad input."""

from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
import pytest

import tapegrad as tg
import tapegrad.numpy as tnp
from tapegrad import nn, tape

X = np.array([0.5, -1.0, 2.0])
M = np.array([[1.0, 2.0, 0.5], [0.0, -1.0, 3.0]])


def cubic(x):
    return (x * x * x).sum()


def mix(x):
    """Neither linear nor elementwise: R^n -> R^n."""
    return tnp.tanh(x) * x.sum() + tnp.exp(-x * x)


def network(p, x):
    for layer in p["layers"]:
        x = tnp.tanh(x @ layer["w"] + layer["b"])
    return (x * p["scale"]).sum()


def parameters(rng):
    sizes = ((3, 4), (4, 2))
    return {
        "layers": [{"w": rng.normal(size=s), "b": rng.normal(size=s[1])} for s in sizes],
        "scale": 0.5,
    }


def leaves(tree):
    found = []
    tg.tree.flatten(tree, found)
    return [np.asarray(leaf) for leaf in found]


def assert_trees_close(a, b, **tolerance):
    assert tg.tree.outline(a) == tg.tree.outline(b)
    for x, y in zip(leaves(a), leaves(b)):
        np.testing.assert_allclose(x, y, **tolerance)


# --- values -----------------------------------------------------------------------------------

VALUES = {
    "grad": (lambda: tg.grad(cubic)(X), 3 * X**2),
    "grad of a float": (lambda: tg.grad(lambda x: x**3)(2.0), 12.0),
    "argnums": (lambda: tg.grad(lambda a, b: (a * b).sum(), 1)(X, X + 1), X),
    "negative argnums": (lambda: tg.grad(lambda a, b: (a * b).sum(), -1)(X, X + 1), X),
    "unused": (lambda: tg.grad(lambda a, b: tnp.sum(a), 1)(X, X), 0 * X),
    "third order": (lambda: tg.grad(tg.grad(tg.grad(lambda x: x**4)))(2.0), 48.0),
    "elementwise_grad": (lambda: tg.elementwise_grad(tnp.sin)(X), np.cos(X)),
    "elementwise_grad twice": (
        lambda: tg.elementwise_grad(tg.elementwise_grad(tnp.sin))(X),
        -np.sin(X),
    ),
    "jvp": (lambda: tg.jvp(tnp.sin, (X,), (X,))[1], X * np.cos(X)),
    "jvp of a constant": (lambda: tg.jvp(tg.stop_gradient, (X,), (X,))[1], 0 * X),
    "jvp of jvp": (
        lambda: tg.jvp(lambda x: tg.jvp(tnp.sin, (x,), (x * 0 + 1,))[1], (X,), (X,))[1],
        -X * np.sin(X),
    ),
    "linearize": (lambda: tg.linearize(tnp.sin, X)[1](X), X * np.cos(X)),
    "vjp": (lambda: tg.vjp(lambda x: M @ x, X)[1](np.ones(2))[0], M.sum(0)),
    "vjp of the identity": (lambda: tg.vjp(lambda x: x, X)[1](X)[0], X),
    "jacrev of a product": (lambda: tg.jacrev(lambda x: M @ x)(X), M),
    "jacfwd of a product": (lambda: tg.jacfwd(lambda x: M @ x)(X), M),
    "jacobian of a scalar": (lambda: tg.jacobian(cubic)(X), 3 * X**2),
    "jacobian of nothing": (lambda: tg.jacobian(lambda x: x[:0])(X), np.zeros((0, 3))),
    "hessian": (lambda: tg.hessian(cubic)(X), np.diag(6 * X)),
    "hvp": (lambda: tg.hvp(cubic, X, X), 6 * X * X),
    "grad of a captured value": (
        lambda: tg.grad(lambda x: x * tg.grad(lambda y: x * y)(x))(3.0),
        6.0,
    ),
    "jvp of a captured value": (
        lambda: tg.jvp(lambda x: x * tg.jvp(lambda y: x + y, (1.0,), (1.0,))[1], (2.0,), (1.0,))[1],
        1.0,
    ),
    "inside no_grad": (tg.no_grad()(lambda: tg.grad(cubic)(X)), 3 * X**2),
    "complex": (
        lambda: tg.grad(lambda z: z * z * z, holomorphic=True)(1 + 2j),
        3 * (1 + 2j) ** 2,
    ),
}


@pytest.mark.parametrize("name", VALUES)
def test_values(name, backend):
    got, want = VALUES[name]
    got = got()
    assert isinstance(got, tg.Tensor)
    np.testing.assert_allclose(got, want, atol=1e-14)


MODES = (tg.jacrev, tg.jacfwd)


def test_modes_agree_and_nest(backend):
    first = tg.jacrev(mix)(X).numpy()
    np.testing.assert_allclose(tg.jacfwd(mix)(X), first, atol=1e-14)
    np.testing.assert_allclose(tg.jacobian(mix)(X), first, atol=1e-14)
    seconds = [outer(inner(mix))(X) for outer in MODES for inner in MODES]
    for second in seconds:
        assert second.shape == (3, 3, 3)
        np.testing.assert_allclose(second, seconds[0], atol=1e-13)
    np.testing.assert_allclose(tg.hessian(mix)(X), seconds[0], atol=1e-13)
    thirds = [tg.jacfwd(tg.jacrev(tg.jacfwd(mix)))(X), tg.jacrev(tg.jacfwd(tg.jacrev(mix)))(X)]
    np.testing.assert_allclose(thirds[0], thirds[1], atol=1e-12)


def test_jacobians_in_several_blocks_are_those_in_one(backend, monkeypatch):
    from tapegrad.transforms import jacobians

    whole = [mode(mix)(X).numpy() for mode in MODES]
    monkeypatch.setattr(jacobians, "BLOCK_ELEMENTS", 6)  # two rows at a time
    for mode, want in zip(MODES, whole):
        np.testing.assert_array_equal(mode(mix)(X), want)


def test_hvp_is_the_hessian_times_v(backend, rng):
    p, x, v = parameters(rng), rng.normal(size=(5, 3)), parameters(rng)
    got = tg.hvp(lambda q: network(q, x), p, v)
    eps = 1e-6
    ahead, behind = (tg.grad(network)(shifted(p, v, s * eps), x) for s in (1, -1))
    want = [(a - b) / (2 * eps) for a, b in zip(leaves(ahead), leaves(behind))]
    for a, b in zip(leaves(got), want):
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-7)


def shifted(p, v, by):
    found = []
    structure = tg.tree.flatten(p, found)
    return structure(iter([x + by * d for x, d in zip(found, leaves(v))]))


# --- structure --------------------------------------------------------------------------------


class Pair(NamedTuple):
    a: object
    b: object


@dataclass(frozen=True)
class Layer:
    w: object
    name: str = field(default="first", metadata={"static": True})


TREES = {
    "list": [X, 2.0],
    "tuple": (X, (X,)),
    "dict": {"w": X, "b": {"c": 1.0}},
    "named tuple": Pair(X, 3.0),
    "dataclass": Layer(X),
    "none": [X, None],
}


@pytest.mark.parametrize("name", TREES)
def test_gradients_have_the_structure_of_the_argument(name, backend):
    tree = TREES[name]

    def norm(t):
        found = []
        tg.tree.flatten(t, found)
        return sum((x * x).sum() for x in found)

    value, gradient = tg.value_and_grad(norm)(tree)
    assert type(gradient) is type(tree)
    assert_trees_close(gradient, shifted(tree, tree, 1.0))
    np.testing.assert_allclose(value, sum((x**2).sum() for x in leaves(tree)))
    _, tangent = tg.jvp(lambda t: {"out": t}, (tree,), (tree,))
    assert_trees_close(tangent, {"out": tree})


def test_a_dataclass_keeps_what_is_static(backend):
    got = tg.grad(lambda layer: (layer.w * len(layer.name)).sum())(Layer(X, "four"))
    assert got.name == "four"
    np.testing.assert_array_equal(got.w, [4, 4, 4])


def test_results_with_aux(backend):
    def f(x):
        return (x * x).sum(), {"twice": 2 * x, "name": "aux", "n": 3}

    (value, aux), gradient = tg.value_and_grad(f, has_aux=True)(X)
    np.testing.assert_allclose(value, (X**2).sum())
    np.testing.assert_allclose(gradient, 2 * X)
    assert (aux["name"], aux["n"]) == ("aux", 3)
    np.testing.assert_allclose(aux["twice"], 2 * X)
    assert tg.grad(f, has_aux=True)(X)[1]["n"] == 3
    assert tg.vjp(f, X, has_aux=True)[2]["n"] == 3
    assert tg.jvp(f, (X,), (X,), has_aux=True)[2]["n"] == 3
    assert tg.linearize(f, X, has_aux=True)[2]["n"] == 3
    assert tg.jacrev(f, has_aux=True)(X)[1]["n"] == 3
    assert tg.hessian(f, has_aux=True)(X)[1]["n"] == 3


def test_jacobians_of_nestings(backend):
    def f(p):
        return {"y": M @ p["x"], "z": [p["x"] * p["k"]]}

    for mode in (tg.jacrev, tg.jacfwd):
        got = mode(f)({"x": X, "k": 2.0})
        np.testing.assert_allclose(got["y"]["x"], M)
        np.testing.assert_allclose(got["y"]["k"], np.zeros(2))
        np.testing.assert_allclose(got["z"][0]["x"], 2 * np.eye(3))
        np.testing.assert_allclose(got["z"][0]["k"], X)
    both = tg.jacobian(lambda a, b: a * b, argnums=(0, 1))(X, X + 1)
    np.testing.assert_allclose(both[0], np.diag(X + 1))
    np.testing.assert_allclose(both[1], np.diag(X))


@pytest.mark.parametrize("dtype", ["f4", "f8"])
def test_derivatives_have_the_dtype_of_the_argument(dtype, backend):
    x = X.astype(dtype)
    for got in (tg.grad(cubic)(x), tg.jacrev(mix)(x), tg.jacfwd(mix)(x), tg.hvp(cubic, x, x)):
        assert got.dtype == dtype
    assert tg.vjp(lambda x: x, x)[1](X)[0].dtype == dtype  # a wider cotangent is cast


def test_keywords_are_passed_and_not_differentiated(backend):
    got = tg.grad(lambda x, k=1: (k * x).sum())(X, k=3)
    np.testing.assert_array_equal(got, [3, 3, 3])


def test_pullbacks_and_pushes_may_be_called_again(backend):
    _, pullback = tg.vjp(cubic, X)
    _, push = tg.linearize(cubic, X)
    for k in (1.0, 2.0):
        np.testing.assert_allclose(pullback(k)[0], 3 * k * X**2)
        np.testing.assert_allclose(push(k * X), 3 * k * (X**3).sum())


# --- with tapes and parameters ----------------------------------------------------------------


def test_transforms_inside_a_tape_are_recorded(backend):
    w = tg.parameter(X)
    with tape() as t:
        norm = (tg.grad(cubic)(w) ** 2).sum()
    np.testing.assert_allclose(t.gradient(norm, w), 36 * X**3)


def test_results_are_unknown_to_the_transforms_own_tape(backend):
    kept = []

    def f(x):
        kept.append(x * 2)
        return x.sum(), x * 3

    (value, aux), _ = tg.value_and_grad(f, has_aux=True)(X)
    for y in (value, aux):
        with pytest.raises(tg.TapeError, match="no tape recorded"):
            y.backward(np.ones(y.shape))


def test_a_tensor_that_leaks_out_of_its_transform_cannot_be_differentiated(backend):
    leaked = []
    tg.grad(lambda x: leaked.append(x * 2) or leaked[0].sum())(X)
    with pytest.raises(tg.TapeError, match="swept already"):
        leaked[0].backward(np.ones(3))
    with tape() as t:
        x = t.watch(tg.tensor(X))
        y = (leaked[0] * x).sum()  # it is a plain value now
    np.testing.assert_array_equal(t.gradient(y, x), 2 * X)


def test_parameters_are_constants_unless_they_are_arguments(backend):
    w = tg.parameter(X)
    np.testing.assert_allclose(tg.grad(lambda x: (w * x * x).sum())(X), 2 * X * X)
    np.testing.assert_allclose(tg.grad(lambda p: (p * w).sum())(w), X)
    assert w.grad is None


# --- bad input --------------------------------------------------------------------------------

PULLBACK = lambda ct: tg.vjp(lambda x: {"y": x}, X)[1](ct)  # noqa: E731
BAD = {
    "integer": (lambda: tg.grad(cubic)(np.arange(3)), tg.DTypeError, "argument 0 is int64"),
    "python integer": (lambda: tg.grad(cubic)(3), tg.DTypeError, "argument 0 is int"),
    "integer in a nesting": (
        lambda: tg.grad(lambda a, p: p["w"][0].sum(), 1)(X, {"w": [np.arange(2)]}),
        tg.DTypeError,
        r"argument 1\['w'\]\[0\] is int64",
    ),
    "integer primal": (lambda: tg.jvp(cubic, (np.arange(3),), (X,)), tg.DTypeError, "argument 0"),
    "string": (lambda: tg.grad(cubic)("x"), TypeError, "argument 0 is str"),
    "no arguments": (lambda: tg.grad(lambda: 1)(), ValueError, "argnums=0"),
    "argnums": (lambda: tg.grad(cubic, 2)(X), ValueError, "argnums=2, but .* 1 positional"),
    "argnums twice": (
        lambda: tg.grad(lambda x, y: (x * y).sum(), (1, -1))(X, X), ValueError, "twice"
    ),
    "argnums of text": (lambda: tg.grad(cubic, "x")(X), TypeError, "argnums must be an integer"),
    "not a function": (lambda: tg.grad(X)(X), TypeError, "need a function, got ndarray"),
    "not a scalar": (lambda: tg.grad(lambda x: x)(X), tg.ShapeError, r"returned shape \(3,\)"),
    "a pair without has_aux": (
        lambda: tg.grad(lambda x: (x.sum(), x))(X), TypeError, "give has_aux=True"
    ),
    "has_aux without a pair": (
        lambda: tg.grad(cubic, has_aux=True)(X), TypeError, r"must return \(value, aux\)"
    ),
    "plain NumPy inside": (
        lambda: tg.grad(lambda x: x.numpy().sum())(X), TypeError, "computed by plain NumPy"
    ),
    "integer result": (
        lambda: tg.vjp(lambda x: {"i": tnp.argmax(x)}, X), tg.DTypeError, r"result\['i'\] is int64"
    ),
    "complex result": (
        lambda: tg.grad(lambda z: z)(1j), tg.DTypeError, "give holomorphic=True"
    ),
    "complex argument": (
        lambda: tg.jacfwd(lambda z: z)(1j), tg.DTypeError, "argument 0 is complex128"
    ),
    "cotangent shape": (
        lambda: PULLBACK({"y": np.ones(2)}), tg.ShapeError, r"cotangent\['y'\] has shape \(2,\)"
    ),
    "cotangent structure": (
        lambda: PULLBACK([X]), tg.ShapeError, r"cotangent: need the structure {'y': \*}, got \[\*\]"
    ),
    "complex cotangent": (
        lambda: PULLBACK({"y": X + 1j}), tg.ShapeError, "dtype complex128"
    ),
    "tangent shape": (
        lambda: tg.jvp(cubic, (X,), (np.ones(2),)), tg.ShapeError, r"tangents\[0\] has shape \(2,\)"
    ),
    "primals without a tuple": (
        lambda: tg.jvp(cubic, X, X), TypeError, "primals must be a tuple"
    ),
    "too many tangents": (
        lambda: tg.linearize(cubic, X)[1](X, X), tg.ShapeError, "need the structure"
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", BAD)
def test_bad_input_raises(name, backend):
    call, error, message = BAD[name]
    with pytest.raises(error, match=message):
        call()


def test_an_error_inside_the_function_leaves_nothing_recording(backend):
    with pytest.raises(ZeroDivisionError):
        tg.grad(lambda x: 1 / 0)(X)
    assert tg.engine.select.engine().open_tapes() == []


# --- modules ----------------------------------------------------------------------------------


def test_functions_that_call_modules_differentiate_by_their_inputs(backend):
    tg.manual_seed(0)
    model = nn.MLP(3, [4, 1], "tanh", dtype="f8")
    got = tg.grad(lambda x: model(x).sum())(X)
    with tape() as t:
        x = t.watch(tg.tensor(X))
        y = model(x).sum()
    np.testing.assert_array_equal(got, t.gradient(y, x))
