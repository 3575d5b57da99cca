"""tapegrad.scipy against SciPy: values, and derivatives to second order in both modes."""

import subprocess
import sys

import numpy as np
import pytest
from directional import check
from refusing import refuses

import tapegrad as tg
import tapegrad.numpy as tnp
from tapegrad import gradcheck, tape
from tapegrad.errors import UnsupportedError

pytest.importorskip("scipy", reason="SciPy is not installed")

import scipy.linalg
import scipy.signal
import scipy.special
import scipy.stats

from tapegrad.engine.select import apply
from tapegrad.ops.table import OPS
from tapegrad.scipy import linalg, signal, special, stats

# --- rows ---------------------------------------------------------------------------------------

ROWS = [OPS[name] for name in special.__all__ if name in OPS]
ROWS += [OPS[name] for name in ("gammainc_slope", "betainc_slope")]
ROWS += [OPS[name] for name in ("solve_triangular", "solve_sylvester", "expm", "sqrtm")]
ROWS += [OPS["convolution"]]


def operands(op, rng):
    """(inputs, params) of a row."""
    if op.examples:
        return op.examples(rng)
    domain = op.domain if isinstance(op.domain[0], tuple) else (op.domain,) * len(op.inputs)
    return [([rng.uniform(*d, (2, 3)) for d in domain], op.params)]


@pytest.mark.parametrize("op", ROWS, ids=lambda op: op.name)
def test_rows_have_derivatives_to_second_order(op, backend, rng):
    for inputs, params in operands(op, rng):
        gradcheck(lambda *xs, p=params: apply(op.id, xs, p), inputs, order=2)


@pytest.mark.parametrize("op", ROWS, ids=lambda op: op.name)
def test_rows_keep_single_precision(op, backend, rng):
    for inputs, params in operands(op, rng):
        with tape() as t:
            xs = [t.watch(tg.tensor(x, "f4")) if x.dtype.kind == "f" else x for x in inputs]
            y = apply(op.id, tuple(xs), params)
        floats = [x for x in xs if isinstance(x, tg.Tensor)]
        assert {y.dtype, *(g.dtype for g in t.gradient(y, floats))} == {np.dtype("f4")}


def test_tables_of_other_files_do_not_depend_on_whether_this_is_collected():
    import cases

    assert "gammainc" not in {op.name for op in cases.ROWS}


# --- values of public functions -------------------------------------------------------------------

X, P = np.linspace(-1.5, 1.5, 6).reshape(2, 3), np.linspace(0.2, 2.0, 6).reshape(2, 3)
U = np.linspace(0.1, 0.9, 6).reshape(2, 3)
SPECIAL = [
    ("erf", X), ("erfc", X), ("erfcx", X), ("erfinv", U), ("erfcinv", U), ("ndtr", X),
    ("log_ndtr", X * 10), ("ndtri", U), ("gamma", P), ("gammaln", P), ("loggamma", P),
    ("digamma", P), ("psi", P), ("polygamma", 2, P), ("beta", P, U), ("betaln", P, U),
    ("gammainc", 2.5, P), ("gammaincc", P, P), ("betainc", 2, 3, U), ("expit", X), ("logit", U),
    ("log_expit", X * 30), ("xlogy", np.array([0.0, 1.0]), np.array([0.0, 2.0])), ("xlog1py", P, P),
    ("entr", P), ("rel_entr", P, U), ("kl_div", P, U), ("exp1", P), ("expi", P), ("jv", 2, X),
    ("jn", 1, X), ("iv", 2, X), ("ive", 2, X), ("j0", X), ("j1", X), ("y0", P), ("y1", P),
    ("i0", X), ("i0e", X), ("i1", X), ("i1e", X), ("stdtr", 3, X), ("multigammaln", P + 2, 3),
    ("logsumexp", X), ("logsumexp", X, 1), ("softmax", X), ("softmax", X, 0), ("log_softmax", X, 1),
]  # fmt: skip


@pytest.mark.parametrize("call", SPECIAL, ids=lambda c: c[0])
def test_special_values_are_scipys(call, backend):
    name, *args = call
    got = getattr(special, name)(*[tg.tensor(a) if isinstance(a, np.ndarray) else a for a in args])
    np.testing.assert_allclose(got, getattr(scipy.special, name)(*args), rtol=1e-12, atol=1e-15)


def test_every_function_of_special_is_compared():
    assert {c[0] for c in SPECIAL} == set(special.__all__)


def test_logsumexp_with_weights_and_signs(backend, rng):
    a, b = rng.normal(size=(3, 4)), rng.normal(size=(3, 4))
    for keepdims in (False, True):
        got = special.logsumexp(tg.tensor(a), 1, b, keepdims, return_sign=True)
        want = scipy.special.logsumexp(a, 1, b, keepdims, return_sign=True)
        for g, w in zip(got, want):
            np.testing.assert_allclose(g, w, rtol=1e-12)
    gradcheck(lambda a, b: special.logsumexp(a, 0, b, return_sign=True)[0], [a, b])


@pytest.mark.parametrize(
    ("name", "orders", "argument"),
    [("jv", (2.0, 1.5), "v"), ("ive", (2.0, 1.5), "v"), ("polygamma", (1.0, 1.5), "n")],
)
def test_the_derivative_by_an_order_is_refused(name, orders, argument, backend):
    with tape() as t:
        a = t.watch(tg.tensor(orders[0]))
        y = getattr(special, name)(a, orders[1])
    with pytest.raises(
        UnsupportedError, match=f"{name}: its derivative with respect to {argument}"
    ):
        t.gradient(y, a)


# By shape parameters, from series summed by mpmath with 60 digits; small tails are among them.
BY_SHAPES = [
    ("gammainc", (0.01, 0.5), (-0.56554591171525777,)),
    ("gammainc", (0.5, 1e-8), (-0.0020826686857231329,)),
    ("gammainc", (2.5, 2.0), (-0.27455132194588155,)),
    ("gammainc", (30.0, 12.0), (-8.4424793436036674e-6,)),
    ("gammainc", (30.0, 31.0), (-0.070686436033374862,)),
    ("gammainc", (2.0, 60.0), (-1.9700535528457559e-24,)),
    ("gammainc", (500.0, 480.0), (-0.01207362906003684,)),
    ("gammaincc", (2.0, 60.0), (1.9700535528457559e-24,)),
    ("betainc", (0.01, 2.0, 0.3), (-0.50626843884925384, 0.0036729472329906911)),
    ("betainc", (2.5, 0.5, 0.4), (-0.043941782888203157, 0.10363666461450636)),
    ("betainc", (3.0, 2.0, 0.875), (-0.039261216887774379, 0.12040029735414722)),
    ("betainc", (40.0, 60.0, 0.3), (-0.0059046115184786162, 0.0031607101625400538)),
    ("betainc", (40.0, 60.0, 0.5), (-0.0058521954509352053, 0.0047733391838263338)),
    ("betainc", (1.0, 200.0, 0.125), (-9.6620282400377582e-12, 3.3666190986927406e-13)),
    ("betainc", (5.0, 3.0, 1e-6), (-2.836252501745819e-28, 2.2949944250038888e-29)),
    ("stdtr", (1.0, 0.5), (0.033228965082101983,)),
    ("stdtr", (3.5, -2.0), (-0.011393815340238739,)),
    ("stdtr", (30.0, 2.0), (0.00015393088751502687,)),
    ("stdtr", (2.0, 40.0), (0.00094800752282509594,)),
]


@pytest.mark.parametrize(("name", "operands", "want"), BY_SHAPES)
def test_derivatives_by_shapes_are_known(name, operands, want, backend):
    got = tg.grad(getattr(special, name), argnums=tuple(range(len(want))))(*operands)
    np.testing.assert_allclose(got, want, rtol=2e-11)


@pytest.mark.parametrize(
    ("name", "operands"),
    [("gammainc", (2.0, 0.0)), ("gammaincc", (2.0, np.inf)), ("betainc", (2.0, 3.0, 0.0)),
     ("betainc", (2.0, 3.0, 1.0)), ("stdtr", (3.0, 0.0)), ("gammainc", (1e-3, 1e4))],
)  # fmt: skip
def test_at_the_ends_derivatives_by_shapes_are_zero(name, operands, backend):
    assert tg.grad(getattr(special, name))(*operands).item() == 0.0


def test_gamma_of_complex_numbers(rng):
    z = rng.uniform(1, 2, 4) + 1j * rng.uniform(-1, 1, 4)
    check(special.loggamma, [z], rng, order=1)


# --- distributions ----------------------------------------------------------------------------

CONTINUOUS = {
    "norm": ((), X), "t": ((3.5,), X), "gamma": ((2.5,), P), "beta": ((2.0, 1.5), U),
    "expon": ((), P), "laplace": ((), X), "logistic": ((), X), "uniform": ((), U),
    "cauchy": ((), X), "chi2": ((3.0,), P),
}  # fmt: skip
METHODS = ("pdf", "logpdf", "cdf", "logcdf", "sf", "logsf")


@pytest.mark.parametrize("name", CONTINUOUS)
def test_distributions_have_scipys_values(name, backend):
    shapes, x = CONTINUOUS[name]
    ours, theirs = getattr(stats, name), getattr(scipy.stats, name)
    far = np.array([-50.0, -0.5, 0.0, 1.0, 30.0, np.nan])
    for method in METHODS:
        for points, kwargs in ((x, {}), (far, {}), (x * 2 + 0.5, {"loc": 0.5, "scale": 2.0})):
            with np.errstate(all="ignore"):
                got = getattr(ours, method)(tg.tensor(points), *shapes, **kwargs)
                want = getattr(theirs, method)(points, *shapes, **kwargs)
            np.testing.assert_allclose(got, want, rtol=1e-8, atol=1e-12, err_msg=method)


@pytest.mark.parametrize("name", CONTINUOUS)
def test_densities_have_derivatives_with_respect_to_everything(name, backend):
    shapes, x = CONTINUOUS[name]
    d = getattr(stats, name)
    gradcheck(
        lambda x, *rest: d.logpdf(x, *rest), [x * 2 + 0.5, *map(np.float64, shapes), 0.5, 2.0]
    )
    gradcheck(lambda x: [getattr(d, m)(x, *shapes) for m in METHODS], [x])
    by_all = [x * 2 + 0.5, *map(np.float64, shapes), 0.5, 2.0]
    gradcheck(lambda *args: [getattr(d, m)(*args) for m in METHODS], by_all)
    gradcheck(lambda x, *s: d.logsf(x, *s) + d.cdf(x, *s), [x, *by_all[1:-2]], order=2)
    assert d.logpdf(tg.tensor(x.astype("f4")), *shapes, scale=2.0).dtype == np.float32


@pytest.mark.parametrize("name", ["gamma", "beta", "expon", "chi2", "uniform"])
def test_outside_the_support_gradients_are_zero(name, backend):
    shapes, _ = CONTINUOUS[name]
    with tape() as t:
        x = t.watch(tg.tensor([-1.0, -3.0]))
        y = getattr(stats, name).pdf(x, *shapes)
    assert y.tolist() == [0.0, 0.0]
    assert t.gradient(y, x).tolist() == [0.0, 0.0]


@pytest.mark.parametrize("name", CONTINUOUS)
def test_scales_and_shapes_that_are_not_positive_give_nan(name, backend):
    shapes, x = CONTINUOUS[name]
    points = np.array([-np.inf, -3.0, 0.0, x[0, 0], 3.0, np.inf])[:, None]
    for i, good in enumerate((*shapes, 0.5, 2.0)):
        if i == len(shapes):
            continue  # loc
        args = [*shapes, 0.5, 2.0]
        for args[i] in (np.array([good, 0.0, -1.0, np.nan]), 0.0, -1):
            for method in METHODS:
                with np.errstate(all="ignore"):
                    want = getattr(getattr(scipy.stats, name), method)(points, *args)
                    got = getattr(getattr(stats, name), method)(tg.tensor(points), *args)
                np.testing.assert_allclose(got, want, rtol=1e-8, atol=1e-12, err_msg=method)


TAILS = [  # that SciPy, or some versions of it, rounds away
    ("expon", (), "logcdf", 40.0, -np.exp(-40.0)), ("expon", (), "logcdf", 1e-300, np.log(1e-300)),
    ("laplace", (), "logcdf", 40.0, -0.5 * np.exp(-40.0)),
    ("laplace", (), "logcdf", -800.0, -800.0 - np.log(2.0)),
    ("laplace", (), "logsf", -40.0, -0.5 * np.exp(-40.0)),
    ("laplace", (), "logsf", 800.0, -800.0 - np.log(2.0)),
    ("gamma", (1.0,), "logcdf", 40.0, -np.exp(-40.0)),
    ("chi2", (2.0,), "logcdf", 80.0, -np.exp(-40.0)),
    ("t", (1e14,), "logpdf", 0.5, -0.125 - 0.5 * np.log(2.0 * np.pi)),
    ("t", (1.0,), "logcdf", 1e20, -1e-20 / np.pi), ("cauchy", (), "cdf", -1e20, 1e-20 / np.pi),
    ("cauchy", (), "sf", 1e20, 1e-20 / np.pi), ("cauchy", (), "logsf", -1e20, -1e-20 / np.pi),
    ("beta", (1.0, 3.0), "sf", 1.0 - 2.0**-30, 2.0**-90),
    ("logistic", (), "logpdf", -np.inf, -np.inf),
]  # fmt: skip


@pytest.mark.parametrize("row", TAILS, ids=lambda row: f"{row[0]}.{row[2]}")
def test_far_tails_are_not_lost(row, backend):
    name, shapes, method, x, want = row
    got = getattr(getattr(stats, name), method)(tg.tensor(x), *shapes)
    np.testing.assert_allclose(got, want, rtol=1e-12)


@pytest.mark.parametrize(
    ("method", "slope"), [("cdf", 0.5), ("sf", -0.5), ("logcdf", 1.0), ("logsf", -1.0)]
)
@pytest.mark.parametrize("name", ["laplace", "cauchy", "logistic"])
def test_distribution_functions_have_their_density_at_the_median(name, method, slope, backend):
    slope = slope * 2.0 * getattr(stats, name).pdf(0.0).item()
    assert tg.grad(getattr(getattr(stats, name), method))(0.0).item() == pytest.approx(slope)


def test_shape_arguments_are_asked_for():
    with pytest.raises(TypeError, match="missing shape arguments: a"):
        stats.gamma.logpdf(tg.tensor(1.0))
    with pytest.raises(TypeError, match="need x, loc, scale; got 4 of them by position and none"):
        stats.norm.logpdf(tg.tensor(1.0), 0, 1, 2)
    with pytest.raises(TypeError, match="got 1 of them by position and mu, scale by name"):
        stats.norm.logpdf(tg.tensor(1.0), mu=0.0, scale=1.0)


def test_poisson(backend):
    k = np.array([0.0, 1, 4, -1, 2.5, np.nan])
    for method in ("logpmf", "pmf"):
        got = getattr(stats.poisson, method)(k, tg.tensor(1.5))
        np.testing.assert_allclose(got, getattr(scipy.stats.poisson, method)(k, 1.5), rtol=1e-12)
    for mu in (1.5, 0.0, -1.0, np.array([[2.0], [-1.0], [np.nan]])):
        for method in ("pmf", "cdf"):
            got, want = (getattr(d.poisson, method)(k, mu) for d in (stats, scipy.stats))
            np.testing.assert_allclose(got, want)
    gradcheck(lambda mu: [stats.poisson.logpmf(k[:3], mu), stats.poisson.cdf(k[:3], mu)],
              [np.array(1.5)])  # fmt: skip


def test_multivariate_normal(backend, rng):
    a = rng.normal(size=(3, 3))
    cov, mean, x = a @ a.T + np.eye(3), rng.normal(size=3), rng.normal(size=(4, 3))
    theirs = scipy.stats.multivariate_normal
    for c in (cov, np.diag(cov), 2.0):
        for points in (x, x[0]):
            got = stats.multivariate_normal.logpdf(tg.tensor(points), mean, c)
            np.testing.assert_allclose(got, theirs.logpdf(points, mean, c), rtol=1e-10)
            got = stats.multivariate_normal.pdf(tg.tensor(points), mean, c)
            np.testing.assert_allclose(got, theirs.pdf(points, mean, c), rtol=1e-10)
    gradcheck(lambda x, m, a: stats.multivariate_normal.logpdf(x, m, a @ a.T), [x, mean, a])


def test_dirichlet(backend, rng):
    alpha, x = np.array([0.7, 2.0, 1.5]), np.array([[0.2, 0.5], [0.3, 0.1], [0.5, 0.4]])
    for points in (x, x[:2], x[:, 0]):
        np.testing.assert_allclose(
            stats.dirichlet.logpdf(tg.tensor(points), alpha),
            scipy.stats.dirichlet.logpdf(points, alpha), rtol=1e-12,
        )  # fmt: skip
    gradcheck(stats.dirichlet.logpdf, [x[:2], alpha])


# --- linear algebra and signals -----------------------------------------------------------------


@pytest.mark.parametrize("lower", [False, True])
@pytest.mark.parametrize("trans", [0, "T", 2])
def test_solve_triangular(lower, trans, backend, rng):
    a, b = rng.normal(size=(3, 3)) + 3 * np.eye(3), rng.normal(size=3)
    for unit in (False, True):
        got = linalg.solve_triangular(tg.tensor(a), b, trans, lower, unit)
        want = scipy.linalg.solve_triangular(a, b, trans, lower, unit)
        np.testing.assert_allclose(got, want, rtol=1e-12)
        gradcheck(lambda a, b, u=unit: linalg.solve_triangular(a, b, trans, lower, u), [a, b])


def test_cholesky_solves(backend, rng):
    a, b = rng.normal(size=(3, 3)), rng.normal(size=(3, 2))
    for lower in (False, True):
        np.testing.assert_allclose(
            linalg.cholesky(a @ a.T, lower), scipy.linalg.cholesky(a @ a.T, lower), rtol=1e-10
        )

        def f(a, b, lower=lower):
            return linalg.cho_solve(linalg.cho_factor(a @ a.mT, lower), b)

        np.testing.assert_allclose(f(tg.tensor(a), b), np.linalg.solve(a @ a.T, b), rtol=1e-9)
        gradcheck(f, [a, b], order=1)


@pytest.mark.parametrize("lower", [None, True, False])
@pytest.mark.parametrize("imaginary", [0, 1j])
def test_eigenvalues_of_two_matrices(imaginary, lower, backend, rng):
    x, y = (rng.normal(size=(4, 4)) + imaginary * rng.normal(size=(4, 4)) for _ in range(2))
    a, b = x + x.conj().T, y @ y.conj().T + np.eye(4)
    if lower is not None:  # the other triangle is not read
        a, b = (
            m + 9 * (np.triu if lower else np.tril)(np.ones((4, 4)), 1 if lower else -1)
            for m in (a, b)
        )
    w, v = linalg.eigh(tg.tensor(a), b, lower=lower)
    want, vectors = scipy.linalg.eigh(a, b, lower=lower is not False)
    np.testing.assert_allclose(w, want, rtol=1e-12)
    np.testing.assert_allclose(abs(v.numpy()), abs(vectors), rtol=1e-9)
    np.testing.assert_allclose(linalg.eigvalsh(a, b, lower=lower), want, rtol=1e-12)
    check(lambda *m: linalg.eigvalsh(*m, lower=lower), [a, b], rng)
    check(lambda *m: abs(linalg.eigh(*m, lower=lower)[1]), [a, b], rng, order=1)


def test_eigenvalues_of_two_matrices_want_them_hermitian(backend):
    a, b = np.array([[2.0, 1.0], [0.0, 1.0]]), np.eye(2)
    for pair in ((a, b), (b, a)):
        with pytest.raises(np.linalg.LinAlgError, match="not symmetric"):
            linalg.eigh(*pair)
    np.testing.assert_allclose(linalg.eigh(b, 2 * b).eigenvalues, [0.5, 0.5])


def test_functions_of_matrices(backend, rng):
    a = rng.normal(size=(3, 3))
    spd = a @ a.T + np.eye(3)
    for f, x in (("expm", a), ("sqrtm", spd), ("det", a), ("inv", a)):
        np.testing.assert_allclose(
            getattr(linalg, f)(tg.tensor(x)), getattr(scipy.linalg, f)(x), rtol=1e-10, atol=1e-12
        )
    check(linalg.expm, [a + 1j * rng.normal(size=(3, 3))], rng, order=1)
    check(linalg.sqrtm, [spd + 0.2j * a], rng, order=1)
    with pytest.raises(np.linalg.LinAlgError, match="without a real square root"):
        linalg.sqrtm(tg.tensor(-np.eye(2)))


@pytest.mark.parametrize("mode", ["full", "same", "valid"])
@pytest.mark.parametrize("name", ["convolve", "correlate", "fftconvolve"])
def test_convolutions(name, mode, backend, rng):
    ours, theirs = getattr(signal, name), getattr(scipy.signal, name)
    for shapes in (((5,), (3,)), ((4,), (4,)), ((4, 5), (2, 3))):
        a, b = (rng.normal(size=s) for s in shapes)
        np.testing.assert_allclose(ours(tg.tensor(a), b, mode), theirs(a, b, mode), atol=1e-12)
        gradcheck(lambda a, b: ours(a, b, mode), [a, b])
        z = a + 1j * rng.normal(size=a.shape)
        np.testing.assert_allclose(ours(b, tg.tensor(z), "full"), theirs(b, z), atol=1e-12)


test_bad_input_says_what_was_wrong = refuses(
    [
        (lambda: signal.convolve(np.ones(3), np.ones((2, 2))), ValueError, "as many axes"),
        (lambda: signal.convolve(np.ones((3, 1)), np.ones((2, 2)), "valid"), ValueError, "contain"),
        (lambda: signal.convolve(np.ones(3), np.ones(2), "most"), ValueError, "mode must be"),
        (lambda: signal.convolve(np.ones(3), np.ones(2), method="x"), ValueError, "method must be"),
        (lambda: linalg.solve_triangular(np.eye(2), np.ones(2), "X"), ValueError, "trans must be"),
        (lambda: linalg.solve_triangular(np.zeros((2, 2)), np.ones(2)),
         np.linalg.LinAlgError, "singular"),
        (lambda: stats.multivariate_normal.logpdf(np.ones(2), None, np.eye(3)), ValueError, "fit"),
        (lambda: stats.dirichlet.logpdf(np.ones(2), np.ones(5)), ValueError, "fit"),
    ]
)  # fmt: skip


def test_without_scipy_the_error_names_the_extra():
    code = (
        "import sys; sys.modules['scipy'] = None\n"
        "import tapegrad as tg\n"
        "for use in (lambda: tg.scipy, lambda: tg.optimize.minimize(abs, 1.0)):\n"
        "    try: use()\n"
        "    except tg.MissingExtra as error: print(error)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.count("pip install 'tapegrad[scipy]'") == 2, done.stdout + done.stderr


def test_importing_tapegrad_does_not_import_scipy():
    code = "import sys, tapegrad; assert 'scipy' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_a_gaussian_process_is_fitted_by_its_gradient(rng):
    x = np.linspace(0, 3, 8)
    y = np.sin(2 * x)

    def loss(log_scale):
        k = tnp.exp(-((x[:, None] - x) ** 2) * tnp.exp(-2 * log_scale)) + 1e-3 * np.eye(8)
        return -stats.multivariate_normal.logpdf(y, None, k)

    gradcheck(loss, [np.array(-0.3)])
