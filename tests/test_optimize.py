"""tapegrad.optimize.minimize: scipy.optimize with our derivatives, on nested parameters."""

import dataclasses

import numpy as np
import pytest
from refusing import refuses

import tapegrad as tg
import tapegrad.numpy as tnp
from tapegrad import nn
from tapegrad.errors import DTypeError, ShapeError
from tapegrad.optimize import minimize

optimize = pytest.importorskip("scipy.optimize", reason="SciPy is not installed")

WITH_GRADIENT = ["BFGS", "L-BFGS-B", "CG", "TNC", "SLSQP"]
WITH_HESSIAN = ["dogleg", "trust-exact"]
WITH_PRODUCTS = ["Newton-CG", "trust-ncg", "trust-krylov", "trust-constr"]


def rosenbrock(x):
    return (100 * (x[1:] - x[:-1] ** 2) ** 2 + (1 - x[:-1]) ** 2).sum()


@pytest.mark.parametrize(
    "method", [*WITH_GRADIENT, *WITH_PRODUCTS, *WITH_HESSIAN, "Nelder-Mead", None]
)
def test_scipy_is_given_the_derivatives_it_takes(method, backend):
    given = {} if method == "Nelder-Mead" else {"jac": optimize.rosen_der}
    if method in WITH_PRODUCTS:
        given["hessp"] = optimize.rosen_hess_prod
    if method in WITH_HESSIAN:
        given["hess"] = optimize.rosen_hess
    start = np.array([0.9, 1.1, 1.2])
    want = optimize.minimize(optimize.rosen, start, method=method, **given)
    found = minimize(rosenbrock, start, method=method)
    assert isinstance(found.x, tg.Tensor)
    np.testing.assert_allclose(found.x, want.x, atol=1e-4)


@pytest.mark.parametrize("method", ["BFGS", "trust-ncg"])
def test_parameters_may_be_nested(method, backend, rng):
    x = rng.normal(size=(30, 2))
    y = x @ [1.5, -0.5] + 0.25

    def loss(params, x, y):
        return ((x @ params["w"] + params["b"][0] - y) ** 2).mean()

    start = {"w": np.zeros(2, "f4"), "b": (np.zeros(()),)}
    steps = []
    found = minimize(loss, start, (x, y), method, callback=steps.append)
    assert found.x["w"].dtype == np.float32
    np.testing.assert_allclose(found.x["w"], [1.5, -0.5], atol=1e-4)
    np.testing.assert_allclose(found.x["b"][0], 0.25, atol=1e-4)
    np.testing.assert_allclose(found.jac["w"], np.zeros(2), atol=1e-3)
    assert len(steps) == found.nit
    assert set(steps[0]) == {"w", "b"}


def test_dataclasses_are_parameters(backend):
    @dataclasses.dataclass
    class Point:
        a: object
        b: object

    found = minimize(lambda p: (p.a - 1) ** 2 + (p.b + 2) ** 2, Point(0.0, np.zeros(())))
    np.testing.assert_allclose([found.x.a.item(), found.x.b.item()], [1, -2], atol=1e-5)


def test_bounds_are_kept(backend):
    start = {"a": np.array([2.0, 2.0]), "b": np.array(2.0)}

    def loss(p):
        return (p["a"] ** 2).sum() + (p["b"] - 5) ** 2

    found = minimize(loss, start, method="L-BFGS-B", bounds=({"a": [0.5, -1.0], "b": -np.inf}, 3.0))
    np.testing.assert_allclose(found.x["a"], [0.5, 0.0], atol=1e-5)
    assert found.x["b"].item() == 3.0


def test_hessian_products_are_exact(backend, rng):
    x, v = rng.normal(size=4), rng.normal(size=4)
    found = {}

    def one_look(fun, x, args, jac, hessp, **others):
        found.update(value=fun(x), gradient=jac(x), product=hessp(x, v), again=hessp(x, 2 * v))
        return optimize.OptimizeResult(x=x)

    minimize(rosenbrock, x, method=one_look)
    np.testing.assert_allclose(found["value"], optimize.rosen(x))
    np.testing.assert_allclose(found["gradient"], optimize.rosen_der(x))
    np.testing.assert_allclose(found["product"], optimize.rosen_hess_prod(x, v))
    np.testing.assert_allclose(found["again"], 2 * found["product"])


def test_a_network_is_fitted(backend):
    x = np.linspace(-1, 1, 32).reshape(-1, 1)
    tg.manual_seed(0)
    hidden, out = nn.Linear(1, 8, dtype="f8"), nn.Linear(8, 1, dtype="f8")
    start = [p.numpy() for m in (hidden, out) for p in m.parameters()]

    def loss(params):
        w1, b1, w2, b2 = params
        return ((tnp.tanh(x @ w1.T + b1) @ w2.T + b2 - np.sin(3 * x)) ** 2).mean()

    found = minimize(loss, start, method="L-BFGS-B", options={"maxiter": 300})
    assert found.fun < 1e-3


test_bad_input_says_what_was_wrong = refuses(
    [
        (lambda: minimize(rosenbrock, np.arange(3)), DTypeError, "leaf of int64"),
        (lambda: minimize(rosenbrock, np.ones(3) + 0j), DTypeError, "leaf of complex128"),
        (lambda: minimize(rosenbrock, []), ShapeError, "no arrays"),
        (lambda: minimize(lambda x: x, np.ones(3)), ShapeError, r"shape \(3,\)"),
        (lambda: minimize(lambda x: 1.0, np.ones(3)), ShapeError, "got float"),
        (lambda: minimize(rosenbrock, {"a": np.ones(3)}, bounds=({"b": 0}, 1)), ShapeError,
         "bounds"),
    ]
)  # fmt: skip
