"""The C reductions and row kernels: values against NumPy and SciPy's definitions, and the same bits
for every instruction set, number of threads and layout (docs/order-of-arithmetic.md)."""

import itertools
import math

import numpy as np
import pytest

import tapegrad as tg
from tapegrad.engine.select import apply
from tapegrad.errors import TapegradError
from tapegrad.ops.table import OPS

core = pytest.importorskip("tapegrad._core", reason="the C core is not built")

pytestmark = pytest.mark.skipif(
    tg.backend() != "native", reason="tests the C kernels: native engine only"
)

ISAS = [
    core.ffi.string(core.lib.tg_isa_available(i)).decode() for i in range(core.lib.tg_isa_count())
]
EPS = {"f4": 6e-8, "f8": 1.1e-16}
# around a lane row, a block, a chunk; columns narrow and wide; axes in the middle, empty ones
SHAPES = [
    (), (1,), (5,), (16,), (17,), (64,), (65,), (1025,), (70000,), (3, 4), (32, 1), (64, 10),
    (1100, 70), (17, 2100), (2, 3, 4), (5, 1, 7), (6, 50, 7), (3, 1100, 20), (2, 3, 4, 5),
    (0,), (4, 0, 3), (3, 5, 6, 40), (20, 2, 5, 33), (2, 3, 2, 300),
    (700, 5, 3), (9000, 3, 2), (3, 130, 2, 9, 8), (2, 7, 2, 5, 3, 5),
]  # fmt: skip


@pytest.fixture(autouse=True)
def restore():
    isa, threads = core.ffi.string(core.lib.tg_isa_name()), tg.get_num_threads()
    yield
    core.lib.tg_isa_select(isa)
    tg.set_num_threads(threads)


def run(name, inputs, params=()):
    return apply(OPS[name].id, tuple(inputs), tuple(params)).numpy()


def layouts(x):
    """Tensors with x's values: as it is, reversed, transposed, strided in memory."""
    t = tg.tensor(x)
    yield t
    if x.ndim and x.size:
        flip = [v for n in x.shape for v in (n - 1, n, -1)]
        whole = [v for n in x.shape for v in (0, n, 1)]
        everywhere = (slice(None, None, -1),) * x.ndim
        yield apply(OPS["slice"].id, (tg.tensor(x[everywhere].copy()),), tuple(flip))
        back = tuple(range(x.ndim))[::-1]
        yield apply(OPS["transpose"].id, (tg.tensor(x.transpose(back).copy()),), back)
        wide = tg.tensor(np.repeat(x, 2, axis=-1))
        whole[-1] = 2
        yield apply(OPS["slice"].id, (wide,), tuple(whole))


def same_everywhere(name, inputs, params):
    """The result, having checked that every layout, ISA and thread count gives its bits."""
    expected = None
    for operands in zip(*(list(layouts(x)) for x in inputs)):
        for isa in ISAS:
            core.lib.tg_isa_select(isa.encode())
            for threads in (1, 2):
                tg.set_num_threads(threads)
                got = run(name, operands, params)
                expected = got if expected is None else expected
                assert got.tobytes() == expected.tobytes(), (isa, threads, operands[0].shape)
    return expected


def axes_of(shape):
    return [c for r in range(len(shape) + 1) for c in itertools.combinations(range(len(shape)), r)]


def data(shape, dtype, seed=0):
    return np.asarray(np.random.default_rng(seed).normal(size=shape)).astype(dtype)


@pytest.mark.parametrize("dtype", ["f4", "f8"])
@pytest.mark.parametrize("shape", SHAPES, ids=str)
class TestFolds:
    def test_sum_and_mean_are_as_accurate_as_pairwise(self, shape, dtype):
        x = data(shape, dtype)
        for axes in axes_of(shape):
            n = math.prod(shape[i] for i in axes)
            for name, over in (("sum", 1), ("mean", n)):
                if name == "mean" and n == 0:
                    continue
                got = same_everywhere(name, [x], (0, *axes))
                exact = x.astype(np.longdouble).sum(axis=axes) / over
                size = np.abs(x.astype("f8")).sum(axis=axes) / over
                depth = 16 + math.log2(n + 1)
                assert got.dtype == dtype
                assert got.shape == exact.shape
                assert np.all(np.abs(got - exact) <= depth * EPS[dtype] * size)

    def test_prod(self, shape, dtype):
        x = np.exp(data(shape, dtype) * 0.01).astype(dtype)
        for axes in axes_of(shape):
            got = same_everywhere("prod", [x], (1, *axes))
            exact = x.astype(np.longdouble).prod(axis=axes, keepdims=True)
            n = math.prod(shape[i] for i in axes)
            assert np.all(np.abs(got - exact) <= (n + 1) * EPS[dtype] * np.abs(exact))

    def test_max_and_min(self, shape, dtype):
        x = data(shape, dtype)
        for axes in axes_of(shape):
            for name, fold in (("max", np.max), ("min", np.min)):
                if x.size or not math.prod(n for i, n in enumerate(shape) if i not in axes):
                    expected = fold(x, axis=axes)
                    assert np.array_equal(same_everywhere(name, [x], (0, *axes)), expected)
                else:
                    with pytest.raises(ValueError, match=f"{name} of .*: an empty array"):
                        run(name, [tg.tensor(x)], (0, *axes))

    def test_cumprod_and_recurrence(self, shape, dtype):
        x, b = data(shape, dtype), np.round(data(shape, dtype, 1), 1)  # zeros among b and y
        for axis in range(len(shape)):
            with np.errstate(all="ignore"):
                want = np.cumprod(x, axis=axis)
            assert same_everywhere("cumprod", [x], (axis,)).tobytes() == want.tobytes()
            turn = (*(slice(None),) * axis, slice(None, None, -1))
            for from_right in (0, 1):
                got = same_everywhere("recurrence", [x, b], (axis, from_right))
                if from_right:
                    x, b, got = x[turn], b[turn], got[turn]
                before = np.insert(got, 0, 0.0, axis)[(*turn[:-1], slice(None, -1))]
                assert np.array_equal(got, x + before * b)

    def test_argmax_argmin_cumsum(self, shape, dtype):
        x = np.round(data(shape, dtype), 1)  # with ties: the first one counts
        for axis in range(len(shape)):
            got = same_everywhere("cumsum", [x], (axis,))
            assert got.tobytes() == np.cumsum(x, axis=axis).tobytes()
            for name, find in (("argmax", np.argmax), ("argmin", np.argmin)):
                if shape[axis] == 0:
                    with pytest.raises(ValueError, match="empty"):
                        run(name, [tg.tensor(x)], (0, axis))
                else:
                    got = same_everywhere(name, [x], (0, axis))
                    assert got.dtype == np.int64
                    assert np.array_equal(got, find(x, axis=axis))


@pytest.mark.parametrize("shape", [(3_000_000,), (40, 70_001), (70_001, 40), (1500, 2000)], ids=str)
def test_large_arrays_give_the_same_bits_with_any_number_of_threads(shape):
    t = tg.tensor(data(shape, "f4"))
    last = len(shape) - 1
    calls = [(name, (0, axis)) for name in ("sum", "max", "argmax") for axis in range(len(shape))]
    calls += [("sum", (0, *range(len(shape)))), ("softmax", (last,)), ("cumsum", (last,))]
    calls += [("cumprod", (last,))]
    for name, params in calls:
        results = set()
        for threads in (1, 2, 3):
            tg.set_num_threads(threads)
            results.add(run(name, [t], params).tobytes())
        assert len(results) == 1, (name, params)


def specials(shape, dtype):
    x = data(shape, dtype)
    x.flat[::7] = np.nan
    x.flat[3::11] = np.inf
    x.flat[5::13] = -np.inf
    x.flat[6::17] = -0.0
    return x


@pytest.mark.parametrize("dtype", ["f4", "f8"])
@pytest.mark.parametrize("shape", [(9,), (5, 40), (40, 5), (33, 600), (3, 40, 5)], ids=str)
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_folds_treat_special_values_as_numpy_does(shape, dtype):
    x = specials(shape, dtype)
    for axis in range(len(shape)):
        for name, fold in (("sum", np.sum), ("max", np.max), ("min", np.min)):
            got = same_everywhere(name, [x], (0, axis))
            assert np.array_equal(np.isnan(got), np.isnan(fold(x, axis=axis)))
            inf = np.isinf(got)
            assert np.array_equal(got[inf], fold(x, axis=axis)[inf])
        for name, find in (("argmax", np.argmax), ("argmin", np.argmin)):
            assert np.array_equal(same_everywhere(name, [x], (0, axis)), find(x, axis=axis))


@pytest.mark.parametrize("dtype", ["f4", "f8"])
@pytest.mark.parametrize("n", range(1, 19))
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_short_rows_have_the_bits_of_each_row_alone(n, dtype):
    x = specials((5, 7, n), dtype)
    x[3], x[4] = -0.0, np.abs(x[4])
    for name in ("sum", "prod", "max", "min"):
        got = same_everywhere(name, [x], (0, 2))
        alone = [run(name, [tg.tensor(row)], (0, 0)) for row in x.reshape(35, n)]
        assert got.tobytes() == np.array(alone).tobytes()
        if name == "sum":
            assert np.all(np.signbit(got[3]))
        apart = tg.tensor(np.concatenate([x, x], axis=2))[..., :n]
        assert run(name, [apart], (0, 2)).tobytes() == got.tobytes()


@pytest.mark.parametrize("n", [1, 10, 64, 100, 3000])
def test_a_sum_of_negative_zeros_keeps_its_sign(n):
    assert np.signbit(run("sum", [tg.tensor(np.full(n, -0.0))], (0, 0)))
    assert not np.signbit(run("sum", [tg.tensor(np.zeros(0))], (0, 0)))


def test_sum_to_undoes_broadcasting():
    x = data((2, 3, 4), "f8")
    for shape in ((2, 3, 4), (3, 4), (4,), (), (1, 4), (3, 1), (2, 1, 1), (1, 1, 1)):
        lead = 3 - len(shape)
        axes = [i for i in range(3) if i < lead or shape[i - lead] == 1]
        expected = x.sum(axis=tuple(axes)).reshape(shape)
        np.testing.assert_allclose(same_everywhere("sum_to", [x], shape), expected, rtol=1e-14)
    with pytest.raises(TapegradError, match="sum_to"):
        run("sum_to", [tg.tensor(x)], (5,))


@pytest.mark.parametrize("axes", [(2,), (-1,), (1, 0), (0, 0)])
def test_axes_that_python_did_not_normalise_are_refused(axes):
    with pytest.raises(ValueError, match="bad axis"):
        run("sum", [tg.tensor(np.zeros((2, 3)))], (0, *axes))


# --- softmax and its kin ------------------------------------------------------------------------


def exact_softmax(x, axis):
    e = np.exp(x - x.max(axis=axis, keepdims=True))
    return e / e.sum(axis=axis, keepdims=True)


ROWS = [(1,), (10,), (17,), (65,), (64, 10), (10, 64), (3, 1000), (2, 5000), (7, 3, 5)]


@pytest.mark.parametrize("dtype", ["f4", "f8"])
@pytest.mark.parametrize("shape", ROWS, ids=str)
class TestRows:
    def test_softmax_log_softmax_and_logsumexp(self, shape, dtype):
        x = data(shape, dtype) * 5
        wide, eps = x.astype(np.longdouble), EPS[dtype]
        for axis in range(len(shape)):
            p = exact_softmax(wide, axis)
            got = same_everywhere("softmax", [x], (axis,))
            assert np.all(np.abs(got - p) <= 40 * eps * p)
            got = same_everywhere("log_softmax", [x], (axis,))
            assert np.all(np.abs(got - np.log(p)) <= 8 * eps * (1 + np.abs(np.log(p)) + 20))
            m = wide.max(axis=axis)
            exact = m + np.log(np.exp(wide - np.expand_dims(m, axis)).sum(axis=axis))
            got = same_everywhere("logsumexp", [x], (0, axis))
            assert np.all(np.abs(got - exact) <= 8 * eps * (1 + np.abs(m)))

    def test_vjps(self, shape, dtype):
        x, ct = data(shape, dtype), data(shape, dtype, seed=1)
        for axis in range(len(shape)):
            wide = ct.astype(np.longdouble)
            y = run("softmax", [tg.tensor(x)], (axis,))
            inner = (wide * y).sum(axis=axis, keepdims=True)
            got = same_everywhere("softmax_vjp", [ct, y], (axis,))
            scale = y * (np.abs(wide) + np.abs(wide * y).sum(axis=axis, keepdims=True))
            assert np.all(np.abs(got - y * (wide - inner)) <= 40 * EPS[dtype] * scale)
            y = run("log_softmax", [tg.tensor(x)], (axis,))
            got = same_everywhere("log_softmax_vjp", [ct, y], (axis,))
            p = np.exp(y.astype(np.longdouble))
            exact = wide - p * wide.sum(axis=axis, keepdims=True)
            scale = np.abs(wide) + p * np.abs(wide).sum(axis=axis, keepdims=True)
            assert np.all(np.abs(got - exact) <= 40 * EPS[dtype] * scale)

    def test_cross_entropy_and_its_vjp(self, shape, dtype):
        if len(shape) != 2:
            shape = (1, *shape) if len(shape) == 1 else (shape[0], math.prod(shape[1:]))
        n, c = shape
        x, ct = data(shape, dtype) * 3, data((n,), dtype, seed=1)
        labels = np.random.default_rng(2).integers(0, c, n)
        p = exact_softmax(x.astype(np.longdouble), 1)
        exact = -np.log(p[np.arange(n), labels])
        got = same_everywhere("cross_entropy", [x, labels], ())
        assert np.all(np.abs(got - exact) <= 16 * EPS[dtype] * (1 + exact))
        ct[0] = 0
        p[np.arange(n), labels] -= 1
        got = same_everywhere("cross_entropy_vjp", [ct, x, labels], ())
        assert np.all(np.abs(got - ct[:, None] * p) <= 64 * EPS[dtype] * np.abs(ct[:, None]))
        assert not got[0].any()
        assert not np.signbit(got[0]).any()


@pytest.mark.parametrize("dtype", ["f4", "f8"])
@pytest.mark.parametrize("n", [4, 20, 200])
def test_rows_with_infinities_are_as_scipys(n, dtype):
    inf = np.inf
    x = np.zeros((4, n), dtype)
    x[0] = -inf
    x[1, 1], x[2, 1], x[3, 1] = inf, -inf, np.nan
    lse = same_everywhere("logsumexp", [x], (0, 1))
    np.testing.assert_allclose(lse, [-inf, inf, np.log(n - 1), np.nan], rtol=1e-6)
    y = same_everywhere("softmax", [x], (1,))
    assert np.isnan(y[[0, 1, 3]]).all()
    np.testing.assert_allclose(y[2], np.where(np.arange(n) == 1, 0, 1 / (n - 1)), rtol=1e-6)
    z = same_everywhere("log_softmax", [x], (1,))
    assert np.isnan(z[[0, 3]]).all()
    assert np.isnan(z[1, 1])
    assert np.all(z[1, 2:] == -inf)
    labels = np.ones(4, np.int64)
    assert same_everywhere("cross_entropy", [x, labels], ())[2] == inf


def test_a_zero_cotangent_stays_zero_beside_nan():
    ct, y = np.zeros((3, 20), "f4"), np.full((3, 20), np.nan, "f4")
    assert not run("softmax_vjp", [tg.tensor(ct), tg.tensor(y)], (1,)).any()
    assert not run("log_softmax_vjp", [tg.tensor(ct), tg.tensor(y)], (1,)).any()
    labels = tg.tensor(np.zeros(3, np.int64))
    assert not run("cross_entropy_vjp", [tg.tensor(ct[:, 0]), tg.tensor(y), labels]).any()


@pytest.mark.parametrize("label", [-1, 3])
def test_a_label_out_of_range_is_named_with_its_row(label):
    x, labels = tg.tensor(np.zeros((4, 3))), tg.tensor(np.array([0, 2, label, 1]))
    with pytest.raises(IndexError, match=f"label {label} of row 2"):
        run("cross_entropy", [x, labels])
    with pytest.raises(IndexError, match=f"label {label} of row 2"):
        run("cross_entropy_vjp", [tg.tensor(np.ones(4)), x, labels])
