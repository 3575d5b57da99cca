"""NumPy's own functions and operators on Tensors: recorded, or refused by name."""

import array

import numpy as np
import pytest
from refusing import refuses

import tapegrad as tg
import tapegrad.numpy as tnp
from tapegrad import gradcheck, tape
from tapegrad.errors import ShapeError, UnsupportedError

pytestmark = pytest.mark.usefixtures("backend")

A = np.random.default_rng(0).normal(size=(3, 4))

RECORDED = [
    np.tanh,
    np.sum,
    np.transpose,
    np.ravel,
    abs,
    lambda x: np.sum(x, axis=0, keepdims=True),
    lambda x: np.max(x, axis=1),
    lambda x: np.mean(x, -1),
    lambda x: np.var(x, axis=0, ddof=1),
    lambda x: np.std(x),
    lambda x: np.concatenate([x, A]),
    lambda x: np.stack([A, x], axis=1),
    lambda x: np.vstack([x, A[0]]),
    lambda x: np.hstack([x, A]),
    lambda x: np.where(x > 0, x, 0.0),
    lambda x: np.einsum("ij,kj->ik", x, A),
    lambda x: np.clip(x, -0.5, 0.5),
    lambda x: np.clip(x, None, np.abs(A)),
    lambda x: np.matmul(A.T, x),
    lambda x: np.dot(x, A.T),
    lambda x: np.outer(x, A),
    lambda x: np.inner(x, A),
    lambda x: np.vdot(x, A),
    lambda x: np.tensordot(x, A, ((0,), (0,))),
    lambda x: np.tensordot(x, A.T, 1),
    lambda x: np.trace(x),
    lambda x: np.diagonal(x),
    lambda x: np.diagonal(x.T, axis1=1, axis2=0),
    lambda x: np.add.reduce(x),
    lambda x: np.multiply.reduce(x, axis=None),
    lambda x: np.maximum.reduce(x, axis=1),
    lambda x: np.add.accumulate(x, axis=1),
    lambda x: np.multiply.outer(x[0], A),
    lambda x: np.cumsum(x),
    lambda x: np.take(x, [0, -1], axis=1),
    lambda x: np.take_along_axis(x, np.array([[0], [1], [-1]]), axis=1),
    lambda x: np.arctan2(x, A),
    lambda x: np.power(np.abs(x), A),
    lambda x: np.tril(x) + np.triu(x, 1),
    lambda x: np.broadcast_to(x, (2, 3, 4)),
    lambda x: np.round(x, 1) + x,
    lambda x: A * x,
    lambda x: A @ x.T,
    lambda x: x - A,
    lambda x: 2 / np.abs(x),
    lambda x: x**2 + x**3 + np.abs(x) ** 0.5 + np.abs(x) ** -1 + x**1,
    lambda x: 2.0**x,
    lambda x: np.float64(3) * x,
    lambda x: x // 0.3 + x,
    lambda x: x % 0.3,
    lambda x: +x,
    lambda x: x.sum(0).reshape(2, 2).T.ravel(),
    lambda x: x.flatten().squeeze().astype("f4"),
    lambda x: x.max(axis=(0, 1)),
    lambda x: x.repeat(2, axis=0).swapaxes(0, 1).copy(),
    lambda x: np.swapaxes(x, -1, -2) @ x,
    lambda x: x.dot(A.T).clip(-1, 1).mean(),
    lambda x: x.take([1, 2]).cumsum().prod(),
]


def slope(f, x, t, h=1e-6):
    return np.sum(np.float64(f(x + h * t)) - f(x - h * t)) / (2 * h)


@pytest.mark.parametrize("f", RECORDED, ids=range(len(RECORDED)))
def test_numpys_functions_are_recorded(f):
    x = np.random.default_rng(1).normal(size=(3, 4))
    want = np.asarray(f(x))
    with tape() as t:
        v = t.watch(x)
        y = f(v)
    assert isinstance(y, tg.Tensor)
    assert (y.shape, y.dtype) == (want.shape, want.dtype)
    np.testing.assert_allclose(y, want, rtol=1e-6 if want.dtype == "f4" else 1e-12)
    g = t.gradient(y, v)
    direction = np.random.default_rng(2).normal(size=x.shape)
    if want.dtype == np.float64:
        np.testing.assert_allclose(np.sum(g.numpy() * direction), slope(f, x, direction), rtol=1e-4)


@pytest.mark.parametrize(
    "f",
    [
        np.shape, np.ndim, np.size, np.argmax, np.argsort, np.isfinite, np.sign, np.zeros_like,
        lambda x: np.argmin(x, axis=1, keepdims=True), lambda x: np.allclose(x, x), lambda x: x > 0,
        lambda x: (x > 0) & (x < 1) | ~(x > -1), lambda x: (x > 0).all(), lambda x: (x == x).any(1),
        lambda x: np.array_equal(x, x), lambda x: np.nonzero(x > 0)[0], lambda x: np.ceil(x),
        lambda x: np.result_type(x, 1.0), lambda x: np.full_like(x, 2), lambda x: x.nbytes,
        lambda x: x.tolist(), lambda x: len(x), lambda x: 1.0 in x, lambda x: x.astype(int) ^ 3,
        lambda x: np.searchsorted(x[0], 0.1), lambda x: x.itemsize, lambda x: np.all(x, axis=0),
    ],
)  # fmt: skip
def test_functions_without_derivative_give_values(f):
    x = np.arange(12.0).reshape(3, 4)
    want = f(x)
    got = f(tg.tensor(x))
    np.testing.assert_array_equal(got, want)


@pytest.mark.parametrize(
    ("call", "name"),
    [
        (lambda x: np.linalg.qr(x, "raw"), "qr: mode 'raw'"),
        (lambda x: np.add(x, 1, where=np.ones((2, 2), bool)), "add: where="),
        (lambda x: np.sum(x, like=1), "like"),
        (lambda x: np.add(x, 1, signature="dd->d"), "signature"),
    ],
)
def test_what_is_not_served_raises_and_says_its_name(call, name):
    x = tg.tensor(np.ones((2, 2)))
    with pytest.raises(TypeError, match=name):
        call(x)


def test_in_place_operators_of_arrays_do_not_drop_the_derivative():
    a = np.ones(3)
    p = tg.parameter(np.ones(3))
    with tape(), pytest.raises(UnsupportedError, match="y = x op t"):
        a += p
    np.testing.assert_array_equal(a, np.ones(3))
    a += tg.tensor(np.ones(3))  # nothing records it: an update by a gradient, say
    np.testing.assert_array_equal(a, np.full(3, 2.0))


def test_other_array_types_may_take_over():
    class Mine:
        __array_ufunc__ = None

        def __radd__(self, other):
            return "mine"

    assert tg.tensor(1.0).__array_ufunc__(np.add, "__call__", tg.tensor(1.0), Mine()) is (
        NotImplemented
    )


@pytest.mark.parametrize("kind", [array.array, range, memoryview, "array"])
def test_ufuncs_take_what_operators_take(kind):
    class Frame:
        def __array__(self, dtype=None, copy=None):
            return np.arange(3.0)

    made = {
        array.array: lambda: array.array("d", range(3)),
        range: lambda: range(3),
        memoryview: lambda: memoryview(np.arange(3.0)),
        "array": Frame,
    }[kind]()
    w = tg.parameter(np.ones(3))
    for pair in ((w, made), (made, w)):
        with tape() as t:
            y = np.multiply(*pair)
        np.testing.assert_array_equal(y, w * made)
        np.testing.assert_array_equal(t.gradient(y, w), np.arange(3.0))
    with pytest.raises(TypeError, match="all returned NotImplemented"):
        np.multiply(w, "abc")


def test_array_conversion_is_a_read_only_view():
    x = tg.tensor([1.0, 2.0])
    view = np.asarray(x)
    with pytest.raises(ValueError, match="read-only"):
        view[0] = 5
    assert np.array(x).flags.writeable
    assert np.asarray(x, "f4").dtype == np.float32
    if np.lib.NumpyVersion(np.__version__) >= "2.0.0":
        assert np.shares_memory(np.asarray(x, copy=False), np.asarray(x, copy=False))
        with pytest.raises(ValueError, match="without a copy"):
            np.asarray(x, "f4", copy=False)


@pytest.mark.parametrize(
    "name",
    [
        "errstate",
        "exceptions",
        "ndindex",
        "newaxis",
        "polynomial",
        "s_",
        "testing",
        "typing",
        "ufunc",
    ],
)
def test_what_is_numpys_own_is_in_the_namespace(name):
    assert getattr(tnp, name) is getattr(np, name)


def test_elements_are_enumerated_with_their_derivatives():
    def f(x):
        return sum(v**2 * (10 * i + j) for (i, j), v in tnp.ndenumerate(x))

    assert [at for at, _ in tnp.ndenumerate(A)] == [at for at, _ in np.ndenumerate(A)]
    np.testing.assert_allclose(tg.grad(f)(A), 2 * A * (np.arange(4) + 10 * np.arange(3)[:, None]))
    assert list(tnp.ndenumerate(np.ones((0, 2)))) == []


def test_code_written_for_numpy_runs_with_either_module():
    def network(np, x):
        h = np.maximum(np.matmul(x, np.ones((4, 5))) / 4, 0.0)
        h = np.concatenate([h, np.zeros_like(h[:, :1])], axis=1)
        return np.log(np.sum(np.exp(h - np.max(h, axis=1, keepdims=True)), axis=1)).mean()

    np.testing.assert_allclose(network(tnp, tg.tensor(A)), network(np, A), rtol=1e-12)
    assert tg.tensor(1.0).__array_namespace__() is tnp


@pytest.mark.parametrize(
    ("call", "want"),
    [
        (lambda xp: xp.zeros((2, 3)), None),
        (lambda xp: xp.ones(3, dtype="f4"), None),
        (lambda xp: xp.full((2,), 7.0), None),
        (lambda xp: xp.arange(5), None),
        (lambda xp: xp.arange(1, 2, 0.25), None),
        (lambda xp: xp.linspace(0, 1, 5), None),
        (lambda xp: xp.eye(3, 4, k=1), None),
        (lambda xp: xp.identity(2), None),
        (lambda xp: xp.array([[1, 2], [3, 4]], dtype="f4"), None),
        (lambda xp: xp.ones_like(xp.zeros((2, 2), "f4")), None),
        (lambda xp: xp.full_like(xp.zeros(2), 3, dtype="i8"), None),
        (lambda xp: xp.asarray([True, False]), None),
    ],
)
def test_creation_functions(call, want):
    want, got = call(np), call(tnp)
    assert isinstance(got, tg.Tensor)
    assert got.dtype == want.dtype
    np.testing.assert_array_equal(got, want)


def test_array_of_tensors_keeps_their_derivatives():
    a, b = tg.parameter(2.0), tg.parameter(3.0)
    with tape() as t:
        y = tnp.array([[a, b], [b * a, 1.0]])
        z = (y * y).sum()
    assert y.shape == (2, 2)
    ga, gb = t.gradient(z, [a, b])
    assert (ga.item(), gb.item()) == (4.0 + 36.0, 6.0 + 24.0)


def test_scalars_are_weak_and_arrays_are_not():
    x = tg.tensor(np.ones(2, "f4"))
    assert (x * 2.0).dtype == np.float32
    assert (2 - x).dtype == np.float32
    assert (x * True).dtype == np.float32
    assert (x * np.float64(2)).dtype == np.float64
    assert (x + np.ones(2)).dtype == np.float64
    assert (tg.tensor([1, 2]) * 2.5).dtype == np.float64
    assert (tg.tensor([1, 2]) / 2).dtype == np.float64
    assert (x * 2j).dtype == np.complex64


@pytest.mark.parametrize("name", ["sum", "prod", "cumsum", "cumprod"])
def test_sums_of_integers_have_the_dtype_asked_for(name):
    x = np.array([1, 2, 3], "u1")
    for dtype in (None, "u1", "i4", "f4"):
        got, want = (getattr(np, name)(v, dtype=dtype) for v in (tg.tensor(x), x))
        assert got.dtype == want.dtype
        np.testing.assert_array_equal(got, want)


def test_vectorize_differentiates_and_keeps_excluded_arguments_whole():
    f = tnp.vectorize(lambda a, b, k: a * b if a > b else a + k[0], excluded=[2])
    p = tg.parameter([[1.0], [3.0]])
    with tape() as t:
        y = f(p, np.array([2.0, 0.5]), [10.0])
        z = y.sum()
    np.testing.assert_array_equal(y, [[11.0, 0.5], [6.0, 1.5]])
    np.testing.assert_array_equal(t.gradient(z, p), [[1.5], [2.5]])


def test_random_numbers_are_numpys():
    import tapegrad.numpy.random as npr

    assert tnp.random is npr
    assert npr.RandomState(0).randn(2).tolist() == np.random.RandomState(0).randn(2).tolist()
    assert npr.default_rng is np.random.default_rng


def test_vectorize_takes_signatures(rng):
    rows, x = rng.normal(size=(4, 1, 2, 3)), rng.normal(size=(5, 3))
    f = tnp.vectorize(lambda a, b: (a @ b, (a @ b).sum()), signature="(m,n), (n) -> (m),()")
    want = np.vectorize(lambda a, b: (a @ b, (a @ b).sum()), signature="(m,n),(n)->(m),()")
    for got, expected in zip(f(tg.tensor(rows), x), want(rows, x)):
        np.testing.assert_allclose(got, expected)
    gradcheck(lambda a, b: list(f(a, b)), [rows, x])

    @tnp.vectorize(otypes=["f8"], signature="(n)->(n)")
    def doubled(x):
        return 2 * x

    assert doubled(np.zeros((0, 3))).shape == (0, 3)


test_vectorize_says_what_does_not_fit = refuses(
    [
        (lambda: tnp.vectorize(abs, signature="(m->n"), ValueError, "is not of the form"),
        (lambda: tnp.vectorize(abs, signature="(m)->()")(1.0), ShapeError, r"does not fit \(m\)"),
        (lambda: tnp.vectorize(np.dot, signature="(n),(n)->()")(np.ones(2), np.ones(3)),
         ShapeError, r"does not fit \(n\)"),
        (lambda: tnp.vectorize(abs, signature="(n),(n)->()")(np.ones(2)), TypeError, "2 arguments"),
        (lambda: tnp.vectorize(np.ones)(np.array([2, 2])), ShapeError, "need ..; say which axes"),
        (lambda: tnp.vectorize(abs)(np.ones(0)), ValueError, "no element"),
    ]
)  # fmt: skip


def test_flat_reads_writes_and_goes_through():
    values = np.arange(6.0).reshape(2, 3)
    want, p = values.copy(), tg.parameter(values)
    want.flat[[1, -1, 2]] = [7.0, 8.0]
    with tape() as t:
        x = p * 1.0
        x.flat[[1, -1, 2]] = [7.0, p[0, 1] * 8.0]
        y = x.flat[4] * 2 + sum(x.flat) + np.asarray(x.flat.copy().numpy())[0]
    np.testing.assert_array_equal(x, want)
    assert t.gradient(y, p).tolist() == [[1.0, 8.0, 0.0], [1.0, 3.0, 0.0]]
    assert len(x.flat) == 6
    x.flat = 3.0
    assert (x.numpy() == 3.0).all()


def test_round_of_one_value_is_a_number():
    assert round(tg.tensor(2.345), 2) == round(2.345, 2)
    assert type(round(tg.tensor([1.7]))) is int
    with pytest.raises(ValueError, match="exactly one value"):
        round(tg.tensor([1.0, 2.0]))


@pytest.mark.parametrize("name", ["view", "resize", "flags", "at"])
def test_attributes_that_a_value_cannot_have_say_what_to_do(name):
    with pytest.raises(AttributeError, match=f"no attribute '{name}': .*x"):
        getattr(tg.tensor(1.0), name)


def test_square_brackets_join_arrays():
    x = np.arange(3.0)
    for got, want in (
        (tnp.r_[tg.tensor(x), 7.0, 0:2], np.r_[x, 7.0, 0:2]),
        (tnp.c_[tg.tensor(x), np.ones(3)], np.c_[x, np.ones(3)]),
        (tnp.c_[tg.tensor(x)[:, None], np.ones((3, 2))], np.c_[x[:, None], np.ones((3, 2))]),
    ):
        assert isinstance(got, tg.Tensor)
        np.testing.assert_array_equal(got, want)
    with pytest.raises(TypeError, match="directives"):
        tnp.r_["0,2", x]


@pytest.mark.parametrize("dtype", ["f4", "f8", "f2", "i8"])
def test_long_lines_sort_stably(dtype):
    rng = np.random.default_rng(0)
    special = [0.0, 0.0, -0.0, 3.0, -3.0]
    if dtype[0] == "f":
        special += [np.nan, -np.nan, np.inf, -np.inf, np.finfo(dtype).smallest_subnormal]
    for x in (
        rng.normal(size=(80, 90)),
        rng.choice(special, (80, 90)),
        rng.normal(size=(80, 90, 0)),
    ):
        x = x.astype(dtype)
        for lines in (x, x[::-1, ::-1], np.asfortranarray(x)):
            for axis in (0, 1):
                expected = np.argsort(lines, axis, kind="stable")
                assert tnp.argsort(lines, axis).tolist() == expected.tolist()


def test_the_namespace_follows_the_array_api():
    assert tnp.__array_api_version__ == "2024.12"
    assert tnp.finfo(tg.tensor(np.ones(1, "f4"))).eps == float(np.finfo("f4").eps)
    assert type(tnp.finfo("f4").max) is float
    assert tnp.iinfo(tg.tensor([1])).max == np.iinfo("i8").max
    x = tg.tensor([1.0, 3.0, 2.0])
    assert x.device == "cpu"
    assert x.to_device("cpu") is x
    assert tnp.argsort(x, descending=True).tolist() == [1, 2, 0]
    assert tnp.argsort(np.zeros(40)).tolist() == list(range(40))

    assert tnp.sort(tg.tensor([2, 1, 2]), descending=True, stable=True).tolist() == [2, 2, 1]
    with pytest.raises(ValueError, match="'cpu'"):
        tnp.zeros(3, device="gpu")
    if hasattr(np, "__array_namespace_info__"):  # NumPy 2.1
        info = tnp.__array_namespace_info__()
        assert list(info.devices()) == ["cpu"]
        assert info.dtypes()["float32"] == np.float32
