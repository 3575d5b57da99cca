"""Users' functions with rules of their own, by custom_vjp, custom_jvp, primitive, checkpoint."""

import gc

import numpy as np
import pytest

import tapegrad as tg
import tapegrad.numpy as np_
from tapegrad import nn, tape
from tapegrad.ops import calls

X = np.array([0.5, -1.0, 2.0])


def plain(x, y):
    return {"out": x * np_.sin(y), "also": [x + y]}


def by_vjp():
    @tg.custom_vjp
    def f(x, y):
        return plain(x, y)

    def fwd(x, y):
        return f(x, y), {"cos": np_.cos(y), "x": x, "sin": np_.sin(y), "note": "kept"}

    def bwd(r, ct):
        assert r["note"] == "kept"
        a, b = ct["out"], ct["also"][0]
        return a * r["sin"] + b, a * r["x"] * r["cos"] + b

    f.defvjp(fwd, bwd)
    return f


def by_jvp():
    @tg.custom_jvp
    def f(x, y):
        return plain(x, y)

    @f.defjvp
    def rule(primals, tangents):
        (x, y), (a, b) = primals, tangents
        return f(x, y), {"out": a * np_.sin(y) + b * x * np_.cos(y), "also": [a + b]}

    return f


def by_jvps():
    @tg.custom_jvp
    def product(x, y):
        return x * np_.sin(y)

    product.defjvps(lambda t, ans, x, y: t * np_.sin(y), lambda t, ans, x, y: t * x * np_.cos(y))
    return lambda x, y: {"out": product(x, y), "also": [x + y]}


def by_vjp_makers():
    @tg.primitive
    def f(x, y):
        return np.stack([x * np.sin(y), x + y])

    tg.defvjp(
        f,
        lambda ans, x, y: lambda g: g[0] * np_.sin(y) + g[1],
        lambda ans, x, y: lambda g: g[0] * x * np_.cos(y) + g[1],
    )

    def nested(x, y):
        both = f(x, y)
        return {"out": both[0], "also": [both[1]]}

    return nested


def by_jvp_rules():
    @tg.primitive
    def f(x, y):
        return x * np.sin(y), x + y

    tg.defjvp(
        f,
        lambda t, ans, x, y: (t * np_.sin(y), t),
        lambda t, ans, x, y: (t * x * np_.cos(y), t),
    )

    def nested(x, y):
        out, also = f(x, y)
        return {"out": out, "also": [also]}

    return nested


def by_checkpoint():
    return tg.checkpoint(plain)


_WAYS = (by_vjp, by_jvp, by_jvps, by_vjp_makers, by_jvp_rules, by_checkpoint)
WAYS = {f.__name__: f for f in _WAYS}


def scalar(f):
    """A function of one array that uses f twice, nonlinearly."""

    def of(x):
        r = f(x, 2 * x)
        return (r["out"] ** 2 * r["also"][0]).sum() + f(x * x, x)["out"].sum()

    return of


DERIVATIVES = {
    "grad": lambda f: tg.grad(scalar(f))(X),
    "grad of grad": lambda f: tg.grad(lambda x: tg.grad(scalar(f))(x).sum())(X),
    "third": lambda f: tg.grad(lambda x: tg.hvp(scalar(f), x, X).sum())(X),
    "jvp": lambda f: tg.jvp(scalar(f), (X,), (X,))[1],
    "hvp": lambda f: tg.hvp(scalar(f), X, X),
    "hessian": lambda f: tg.hessian(scalar(f))(X),
    "reverse over reverse": lambda f: tg.jacrev(tg.jacrev(scalar(f)))(X),
    "jacrev": lambda f: tg.jacrev(lambda x: f(x, X)["out"])(X),
    "jacfwd": lambda f: tg.jacfwd(lambda x: f(X, x)["out"])(X),
    "one result of two": lambda f: tg.grad(lambda x: f(x, X)["also"][0].sum())(X),
    "inside no_grad": tg.no_grad()(lambda f: tg.grad(scalar(f))(X)),
}


@pytest.mark.parametrize("derivative", DERIVATIVES)
@pytest.mark.parametrize("way", WAYS)
def test_rules_give_the_derivatives_of_the_function_itself(way, derivative, backend):
    f, of = WAYS[way](), DERIVATIVES[derivative]
    np.testing.assert_allclose(of(f), of(plain), rtol=1e-11, atol=1e-12)


@pytest.mark.parametrize("way", WAYS)
def test_values_are_the_functions_own(way, backend):
    f = WAYS[way]()
    for x in (X, tg.tensor(X)):
        got = f(tg.tensor(X), x)
        np.testing.assert_allclose(got["out"], X * np.sin(X))
        np.testing.assert_allclose(got["also"][0], 2 * X)


@pytest.mark.parametrize("way", WAYS)
def test_a_call_is_one_entry_and_goes_with_its_tape(way, native):
    """C's entries hold what Python keeps of a call, and let go of it."""
    f = WAYS[way]()
    gc.collect()
    before = len(calls._held)
    for swept in (False, True):
        with tape() as t:
            x = t.watch(tg.tensor(X))
            y = f(x, X)["out"]
        assert [e.op for e in t].count("call") == 1
        assert len(calls._held) == before + 1
        if swept:
            t.gradient(y, x)
        del t, x, y
        gc.collect()
        assert len(calls._held) == before


# --- what the rules are for -------------------------------------------------------------------


def test_a_custom_rule_is_used_instead_of_the_functions_own(backend):
    @tg.custom_vjp
    def straight_through(x):
        return np_.round(x)

    straight_through.defvjp(lambda x: (np_.round(x), None), lambda r, ct: (ct,))
    np.testing.assert_array_equal(tg.grad(lambda x: straight_through(x).sum())(X), np.ones(3))
    with tape() as t:
        x = t.watch(tg.tensor(X))
        y = straight_through(x) * X
    np.testing.assert_array_equal(t.gradient(y, x), X)


def test_a_stable_rule_is_used_at_every_order(backend):
    @tg.custom_jvp
    def softplus(x):
        return np_.log(1 + np_.exp(x))

    @softplus.defjvp
    def rule(primals, tangents):
        (x,), (t,) = primals, tangents
        return softplus(x), t * tg.sigmoid(x)

    with np.errstate(over="ignore"):
        for order, want in ((1, 1.0), (2, 0.0), (3, 0.0)):
            f = softplus
            for _ in range(order):
                f = tg.grad(f)
            assert float(f(1000.0)) == want


def test_arguments_that_are_not_arrays(backend):
    @tg.custom_vjp
    def f(x, k, names):
        return k * x

    f.defvjp(lambda x, k, names: (k * x, (k, names)), lambda r, ct: (r[0] * ct, None, None))
    np.testing.assert_array_equal(tg.grad(lambda x: f(x, 3, names={"a"}).sum())(X), [3, 3, 3])

    g = tg.custom_vjp(lambda x, mode: x * len(mode), nondiff_argnums=(1,))
    g.defvjp(lambda x, mode: (x * len(mode), None), lambda mode, r, ct: (len(mode) * ct,))
    np.testing.assert_array_equal(tg.grad(lambda x: g(x, "four").sum())(X), [4, 4, 4])

    h = tg.custom_jvp(lambda mode, x: x * len(mode), nondiff_argnums=(0,))
    h.defjvp(lambda mode, primals, tangents: (h(mode, *primals), len(mode) * tangents[0]))
    np.testing.assert_array_equal(tg.grad(lambda x: h("four", x).sum())(X), [4, 4, 4])


def test_a_rule_that_says_zero(backend):
    f = tg.custom_vjp(lambda x, y: x * y)
    f.defvjp(lambda x, y: (x * y, y), lambda y, ct: (ct * y, None))
    gx, gy = tg.grad(lambda x, y: f(x, y).sum(), (0, 1))(X, X + 1)
    np.testing.assert_array_equal(gx, X + 1)
    np.testing.assert_array_equal(gy, np.zeros(3))


# --- in compiled steps -----------------------------------------------------------------------


def _primitive():
    f = tg.primitive(lambda x, n: np.cumsum(x) * n)
    tg.defvjp(f, lambda ans, x, n: lambda ct: np_.cumsum(ct[::-1])[::-1] * n, None)
    return lambda x: f(x, 3.0)


def _own_vjp():
    f = tg.custom_vjp(lambda x: np_.sin(x) * x)
    f.defvjp(lambda x: (np_.sin(x) * x, x), lambda r, ct: (ct * (np_.sin(r) + r * np_.cos(r)),))
    return f


def _own_jvp():
    f = tg.custom_jvp(np_.exp)
    f.defjvp(lambda primals, tangents: (np_.exp(primals[0]), tangents[0] * np_.exp(primals[0])))
    return f


def _dropped_twice():
    return tg.checkpoint(lambda x: nn.functional.dropout(np_.tanh(x * x), 0.5))


@pytest.mark.parametrize("make", [_primitive, _own_vjp, _own_jvp, _dropped_twice])
def test_compiled_steps_hold_calls(make, backend):
    f, w = make(), tg.parameter(np.linspace(-1, 1, 8))

    def step(x):
        with tg.tape() as t:
            y = (f(w * x) * x).sum()
        return y, t.gradient(y, w)

    compiled = tg.compile(step)
    for n in range(5):
        x = np.linspace(0, 1 + n, 8)
        found = []
        for run in (step, compiled):
            tg.manual_seed(n)
            found.append([t.numpy() for t in run(tg.tensor(x))] + [tg.get_rng_state()])
        for a, b in zip(*found, strict=True):
            np.testing.assert_array_equal(a, b)
    assert "1 replaying" in compiled.explain()


# --- bad rules --------------------------------------------------------------------------------


def custom(bwd):
    f = tg.custom_vjp(lambda x, y: x * y)
    f.defvjp(lambda x, y: (x * y, (x, y)), bwd)
    return tg.grad(lambda x: f(x, x).sum())(X)


def custom_rule(rule):
    f = tg.custom_jvp(lambda x: x * x)
    f.defjvp(rule)
    return tg.grad(lambda x: f(x).sum())(X)


BAD = {
    "one cotangent for two arguments": (
        lambda: custom(lambda r, ct: (ct,)), TypeError, "a tuple of 2 cotangents.* got"
    ),
    "no tuple": (lambda: custom(lambda r, ct: ct), TypeError, "a tuple of 2 cot.*got Tensor$"),
    "cotangent shape": (
        lambda: custom(lambda r, ct: (ct, ct.sum())), tg.ShapeError,
        r"the cotangent of argument 1 has shape \(\)",
    ),
    "no rule": (
        lambda: tg.grad(lambda x: tg.custom_vjp(lambda x: x)(x).sum())(X), tg.TapegradError,
        r"has no rule yet.*defvjp",
    ),
    "fwd without residuals": (
        lambda: _fwd_only_value(), TypeError, r"fwd must return \(value, residuals\)"
    ),
    "jvp without a pair": (
        lambda: custom_rule(lambda p, t: t[0]), TypeError, r"must return \(value, tangent\)"
    ),
    "tangent shape": (
        lambda: custom_rule(lambda p, t: (p[0], t[0].sum())), tg.ShapeError,
        r"tangent has shape \(\); need \(3,\)",
    ),
    "forward mode of a rule that is not linear": (
        lambda: _forward_of_sign(), TypeError, "not linear in its cotangent"
    ),
    "checkpoint of no function": (lambda: tg.checkpoint(3), TypeError, "need a function, got int"),
}  # fmt: skip


def _fwd_only_value():
    f = tg.custom_vjp(lambda x: x)
    f.defvjp(lambda x: x, lambda r, ct: (ct,))
    return tg.grad(lambda x: f(x).sum())(X)


def _forward_of_sign():
    f = tg.custom_vjp(lambda x: x)
    f.defvjp(lambda x: (x, None), lambda r, ct: (np_.sign(ct),))
    return tg.jvp(f, (X,), (X,))


@pytest.mark.parametrize("name", BAD)
def test_bad_rules_raise(name, backend):
    call, error, message = BAD[name]
    with pytest.raises(error, match=message):
        call()
