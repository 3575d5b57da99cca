"""Matrix products: the bits of the plain loops (gemm_ref.c), however they are computed."""

from itertools import product

import numpy as np
import pytest

import tapegrad as tg
import tapegrad.numpy as tnp

core = pytest.importorskip("tapegrad._core", reason="the C core is not built")
ffi, lib = core.ffi, core.lib

pytestmark = pytest.mark.skipif(
    tg.backend() != "native", reason="calls the C core: native engine only"
)

DTYPES = {"f4": lib.TG_F32, "f8": lib.TG_F64}
BLOCK = {"f4": 512, "f8": 256}  # of k
ISAS = [ffi.string(lib.tg_isa_available(i)).decode() for i in range(lib.tg_isa_count())]
GUARD = 64  # elements around C that must keep their value


@pytest.fixture(params=ISAS)
def isa(request):
    before = ffi.string(lib.tg_isa_name())
    assert lib.tg_isa_select(request.param.encode()) == 0
    yield request.param
    lib.tg_isa_select(before)


@pytest.fixture
def threads():
    before = lib.tg_get_num_threads()
    yield lib.tg_set_num_threads
    lib.tg_set_num_threads(before)


def row_major(x):
    return np.ascontiguousarray(x)


def column_major(x):
    return np.asfortranarray(x)


def spread(x):
    wide = np.zeros((2 * x.shape[0], 3 * x.shape[1]), x.dtype)
    wide[::2, ::3] = x
    return wide[::2, ::3]


def reversed_axes(x):
    return np.ascontiguousarray(x[::-1, ::-1])[::-1, ::-1]


def padded_rows(x):
    wide = np.zeros((x.shape[0], x.shape[1] + 5), x.dtype)
    wide[:, : x.shape[1]] = x
    return wide[:, : x.shape[1]]


LAYOUTS = [row_major, column_major, spread, reversed_axes, padded_rows]


def pointer(x):
    return ffi.cast("void *", x.ctypes.data)


def arguments(a, b, c, *, alpha=1.0, beta=0.0, bias=None, addend=None):
    """Fill a tg_gemm_args; the arrays must outlive it."""
    g = ffi.new("tg_gemm_args *")
    g.m, g.k, g.n = *a.shape, b.shape[1]
    for name, x in [("a", a), ("b", b), ("c", c), ("bias", bias)]:
        if x is not None:
            setattr(g, name, pointer(x))
            setattr(g, f"{name}_row", x.strides[0] // x.itemsize)
            setattr(g, f"{name}_col", x.strides[1] // x.itemsize)
    g.alpha, g.beta = alpha, beta
    if addend is not None:
        g.addend = pointer(addend)
    return g


def operands(dtype, m, n, k, layout_a=row_major, layout_b=row_major, seed=0):
    rng = np.random.default_rng(seed)
    a = rng.standard_normal((m, k)).astype(dtype)
    b = rng.standard_normal((k, n)).astype(dtype)
    return layout_a(a), layout_b(b)


def reference(a, b, c=None, **options):
    """The product by the plain loops, added to a copy of c."""
    c = np.empty((a.shape[0], b.shape[1]), a.dtype) if c is None else c.copy()
    lib.tg_gemm_ref(DTYPES[a.dtype.str[1:]], arguments(a, b, c, **options))
    return c


def multiply(a, b, c=None, *, by_column=False, **options):
    """The product by tg_gemm, with its surroundings checked."""
    m, n = a.shape[0], b.shape[1]
    memory = np.full(m * n + 2 * GUARD, 7, a.dtype)
    inside = memory[GUARD : GUARD + m * n]
    out = inside.reshape(n, m).T if by_column else inside.reshape(m, n)
    out[...] = np.nan if c is None else c
    assert lib.tg_gemm(DTYPES[a.dtype.str[1:]], arguments(a, b, out, **options)) == 0
    assert (memory[:GUARD] == 7).all()
    assert (memory[GUARD + m * n :] == 7).all()
    return out


def assert_same_bits(x, y):
    integer = f"u{x.itemsize}"
    np.testing.assert_array_equal(
        np.ascontiguousarray(x).view(integer), np.ascontiguousarray(y).view(integer)
    )


@pytest.mark.parametrize("dtype", DTYPES)
class TestBits:
    def test_every_small_shape(self, isa, dtype):
        rng = np.random.default_rng(1)
        for m, n in product(range(1, 41), range(1, 41)):
            k = int(rng.integers(1, 41))
            a, b = operands(dtype, m, n, k, seed=m * 41 + n)
            assert_same_bits(multiply(a, b), reference(a, b))

    @pytest.mark.parametrize("layout_b", LAYOUTS)
    @pytest.mark.parametrize("layout_a", LAYOUTS)
    def test_strides(self, isa, dtype, layout_a, layout_b):
        for m, n, k in [(13, 37, 11), (70, 4, 33), (1, 19, 40), (23, 1, 70), (50, 65, 130)]:
            a, b = operands(dtype, m, n, k, layout_a, layout_b)
            expected = reference(row_major(a), row_major(b))
            assert_same_bits(multiply(a, b), expected)
            assert_same_bits(multiply(a, b, by_column=True), expected)

    @pytest.mark.parametrize("layout_b", LAYOUTS)
    @pytest.mark.parametrize("layout_a", LAYOUTS)
    def test_strides_of_small_operands(self, isa, dtype, layout_a, layout_b):
        for m, n, k in product([1, 2, 7, 16], [1, 2, 5, 9, 16, 17, 32], [0, 1, 4, 32]):
            a, b = operands(dtype, m, n, k, layout_a, layout_b)
            assert_same_bits(multiply(a, b), reference(row_major(a), row_major(b)))

    @pytest.mark.parametrize("layout", [row_major, column_major, reversed_axes])
    def test_stacks_of_small_products(self, isa, threads, dtype, layout):
        shapes = [(3, 3, 3), (2, 7, 4), (16, 17, 32), (9, 33, 5), (4, 1, 4), (1, 5, 3), (1, 1, 9)]
        for (m, n, k), count in product(shapes, [1, 2, 301]):
            threads(1 + (count > 2))
            pairs = [operands(dtype, m, n, k, layout, layout, seed=i) for i in range(count)]
            a = np.stack([x for x, _ in pairs])
            b = np.stack([x for _, x in pairs])
            if layout is column_major:  # stack() gives matrices of contiguous rows
                a, b = [np.ascontiguousarray(x.mT).mT for x in (a, b)]
            wanted = np.stack([reference(row_major(x), row_major(y)) for x, y in zip(a, b)])
            assert_same_bits(tnp.matmul(a, b).numpy(), wanted)
            assert_same_bits(tnp.matmul(a[::-2], b[::-2]).numpy(), wanted[::-2])
            one = np.stack([reference(row_major(a[0]), row_major(y)) for y in b])
            assert_same_bits(tnp.matmul(a[:1], b).numpy(), one)
            assert_same_bits(tnp.matmul(a[None, :2], b[:2, None]).numpy()[0, 0], wanted[0])

    def test_small_products_of_nan_and_infinity(self, isa, dtype):
        for m, n, k in [(3, 3, 3), (7, 17, 2), (4, 1, 4), (1, 6, 5)]:
            a, b = operands(dtype, m, n, k)
            a[0, 0], b[-1, -1] = np.inf, -np.float64(np.nan)
            assert_same_bits(multiply(a, b), reference(a, b))

    @pytest.mark.parametrize("k", [33, 100, 130, 650])
    def test_one_row_times_rows_a_power_of_two_apart(self, isa, dtype, k):
        a, b = operands(dtype, 1, 1024, k)
        for n in [200, 1]:
            assert_same_bits(multiply(a, b[:, :n]), reference(a, b[:, :n]))

    @pytest.mark.parametrize(
        "shape", [(20000, 14), (2100, 130), (1024, 257), (300, 1030), (66, 4100), (33, 8000)]
    )
    def test_vectors_times_what_no_cache_keeps(self, isa, dtype, shape):
        a, b = operands(dtype, 1, *shape)
        wanted = reference(a, b)
        for layout in [row_major, padded_rows, column_major]:
            assert_same_bits(multiply(a, layout(b)), wanted)

    @pytest.mark.parametrize("shape", [(30001, 20, 72), (33000, 52, 65), (4500, 100, 521)])
    def test_many_rows_that_no_cache_keeps(self, isa, dtype, shape):
        m, n, _ = shape
        a, b = operands(dtype, *shape)
        bias = np.broadcast_to(np.arange(n, dtype=dtype), (m, n))
        wanted = reference(a, b, bias=bias)
        assert_same_bits(multiply(a, b, bias=bias), wanted)
        assert_same_bits(multiply(padded_rows(a), column_major(b), bias=bias), wanted)

    @pytest.mark.parametrize("m", [7, 8, 9, 14, 30, 48, 49, 96, 131])
    def test_first_tiles_of_what_the_second_cache_does_not_keep(self, isa, dtype, m):
        for n, k in [(345, BLOCK[dtype] + 9), (368, BLOCK[dtype])]:
            a, b = operands(dtype, m, n, k)
            bias = np.broadcast_to(np.arange(n, dtype=dtype), (m, n))
            wanted = reference(a, b, bias=bias)
            assert_same_bits(multiply(a, b, bias=bias), wanted)
            assert_same_bits(multiply(column_major(a), padded_rows(b), bias=bias), wanted)
            assert_same_bits(multiply(a, b, by_column=True, bias=bias), wanted)

    @pytest.mark.parametrize("k", [1, 2, 6, 7, 8, 33, 64, 130])
    def test_short_sums_that_no_cache_keeps(self, isa, dtype, k):
        m, n = 390, 343
        a, b = operands(dtype, m, n, k)
        bias = np.broadcast_to(np.arange(n, dtype=dtype), (m, n))
        wanted = reference(a, b, bias=bias)
        assert_same_bits(multiply(a, b, bias=bias), wanted)
        assert_same_bits(multiply(column_major(a), padded_rows(b), bias=bias), wanted)
        assert_same_bits(multiply(a, column_major(b), bias=bias), wanted)

    def test_repeated_rows_and_columns(self, isa, dtype):
        a, b = operands(dtype, 1, 1, 21)
        a, b = np.broadcast_to(a, (9, 21)), np.broadcast_to(b, (21, 18))
        assert_same_bits(multiply(a, b), reference(a, b))

    @pytest.mark.parametrize("extra", [-1, 0, 1])
    def test_blocks_of_k(self, isa, dtype, extra):
        for m, n, blocks in product([1, 5, 50], [1, 3, 40], [1, 2]):
            a, b = operands(dtype, m, n, blocks * BLOCK[dtype] + extra)
            assert_same_bits(multiply(a, b), reference(a, b))

    @pytest.mark.parametrize("shape", [(201, 300, 300), (64, 700, 530), (600, 130, 40)])
    def test_large_operands_are_copied_in_pieces(self, isa, dtype, shape):
        for layout_a, layout_b in [(row_major, row_major), (column_major, column_major)]:
            a, b = operands(dtype, *shape, layout_a, layout_b)
            assert_same_bits(multiply(a, b), reference(a, b))

    @pytest.mark.parametrize(
        "shape", [(300, 300, 300), (700, 40, 600), (20, 2100, 300), (5000, 1, 200), (1, 3000, 300)]
    )
    def test_threads(self, threads, dtype, shape):
        a, b = operands(dtype, *shape)
        results = []
        for n in [1, 2, 3, 7]:
            threads(n)
            results += [multiply(a, b), multiply(a, column_major(b), by_column=True)]
        for result in results[1:]:
            assert_same_bits(result, results[0])

    @pytest.mark.parametrize("beta", [1, -0.5])
    def test_what_is_added_may_lie_elsewhere(self, isa, threads, dtype, beta):
        depths = [5, 40, BLOCK[dtype], BLOCK[dtype] + 1]
        shapes = [(7, 9), (64, 64), (5, 4), (6, 1), (1, 6), (45, 83), (300, 270), (130, 18)]
        for (m, n), k, order in product(shapes, depths, "CF"):
            threads(1 + (m > 100))
            a, b = operands(dtype, m, n, k)
            rng = np.random.default_rng(2)
            addend = np.asarray(rng.standard_normal((m, n)), dtype, order=order)
            wanted = reference(a, b, addend, beta=beta)
            for c in (addend.copy(order="K"), np.full_like(addend, np.nan)):
                options = {"beta": beta, "addend": None if c[0, 0] == c[0, 0] else addend}
                assert lib.tg_gemm(DTYPES[dtype], arguments(a, b, c, **options)) == 0
                assert_same_bits(c, wanted)

    @pytest.mark.parametrize("n_threads", [1, 2, 3])
    def test_columns_are_folded_on_the_way(self, isa, threads, dtype, n_threads):
        threads(n_threads)
        folds = [tnp.sum, tnp.prod, tnp.max, tnp.min]
        shapes = [(5, 9), (16, 4), (17, 33), (64, 64), (64, 18), (33, 66), (300, 270), (130, 520)]
        for m, n in [*shapes, (1100, 40), (2500, 300)]:
            for k in [7] if m > 300 else [7, BLOCK[dtype] + 3]:
                a, b = operands(dtype, m, n, k)
                a /= np.sqrt(k)
                wanted = tg.tensor(reference(a, b))
                for what, fold in enumerate(folds if m < 300 else folds[:1]):
                    c, found = np.empty((m, n), dtype), np.full(n + 2, 7, dtype)
                    g = arguments(a, b, c)
                    room = np.empty(lib.tg_gemm_fold_bytes(DTYPES[dtype], g) + 64, np.uint8)
                    start = -room.ctypes.data % 64
                    g.fold_room = pointer(room[start:])
                    g.fold, g.folded = what, pointer(found[1:])
                    assert lib.tg_gemm(DTYPES[dtype], g) == 0
                    assert_same_bits(c, wanted.numpy())
                    assert_same_bits(found[1:-1], fold(wanted, axis=0).numpy())
                    assert found[0] == found[-1] == 7

    @pytest.mark.parametrize(("alpha", "beta"), [(1, 1), (0.5, 0), (-1.5, 0.25), (1, 0)])
    @pytest.mark.parametrize("bias_shape", [None, (1, -1), (-1, 1), (1, 1)])
    def test_scaling_and_bias(self, isa, dtype, alpha, beta, bias_shape):
        for m, n, k in [(7, 9, 5), (40, 4, 20), (6, 1, 33), (1, 6, 33), (14, 21, 600)]:
            a, b = operands(dtype, m, n, k)
            rng = np.random.default_rng(2)
            c, bias = rng.standard_normal((m, n)).astype(dtype), None
            if bias_shape:
                size = [full if part == -1 else 1 for part, full in zip(bias_shape, (m, n))]
                bias = np.broadcast_to(rng.standard_normal(size).astype(dtype), (m, n))
            options = {"alpha": alpha, "beta": beta, "bias": bias}
            for by_column in [False, True]:
                assert_same_bits(
                    multiply(a, b, c, by_column=by_column, **options), reference(a, b, c, **options)
                )

    def test_nan_is_one_nan(self, isa, dtype):
        a, b = operands(dtype, 13, 40, 17)
        a[3, 5], a[7, 2], b[1, 20], b[4, 33] = np.nan, np.inf, -np.nan, -np.inf
        b[2, 8] = 0  # inf * 0
        assert_same_bits(multiply(a, b), reference(a, b))
        assert_same_bits(multiply(a, b[:, 8:9]), reference(a, b[:, 8:9]))

    def test_negative_zero_and_subnormals(self, isa, dtype):
        a, b = operands(dtype, 9, 20, 6)
        tiny = np.finfo(a.dtype).tiny
        a, b = a * tiny, b * a.dtype.type(0.01)
        a[0], b[:, 3] = -0.0, 0.0
        assert_same_bits(multiply(a, b), reference(a, b))

    @pytest.mark.parametrize("shape", [(3, 4, 0), (1, 4, 0), (3, 1, 0), (0, 4, 2), (3, 0, 2)])
    def test_empty(self, isa, dtype, shape):
        a, b = operands(dtype, *shape)
        bias = np.full((shape[0], shape[1]), 2.5, dtype)
        assert_same_bits(multiply(a, b), np.zeros(shape[:2], dtype))
        assert_same_bits(multiply(a, b, bias=bias), bias)

    @pytest.mark.parametrize("reads_c", [False, True])
    def test_activation_sees_finished_elements(self, isa, threads, dtype, reads_c):
        """act(product, weight, one value): weights in an array, or in C's own memory."""
        threads(1)  # the callback wants the interpreter lock
        item = np.dtype(dtype).itemsize

        @ffi.callback("void(void *, const void *const *, const size_t *, const double *, size_t)")
        def weigh(out, operand, step, p, n):
            to, x, weight, one = (
                np.frombuffer(ffi.buffer(at, size), dtype)
                for at, size in zip((out, *operand[0:3]), (n * item, n * item, n * item, 64))
            )
            assert tuple(step[0:3]) == (1, 1, 0)
            to[:] = x * weight + one[-1] * p[0]

        shapes = [(5, 3, 4), (30, 50, 20), (9, 7, 70), (40, 900, 80), (70, 515, 250), (300, 150, 9)]
        shapes.append((128, 130, BLOCK[dtype]))  # its copy of A is as large as there are
        shapes.append((4500, 52, BLOCK[dtype]))  # A by slices
        if not reads_c:
            shapes += [(20, 1, 9), (1, 20, 9), (9, 7, 700)]
        for m, n, k in shapes:
            a, b = operands(dtype, m, n, k)
            bias = None if reads_c else np.broadcast_to(np.ones((1, n), dtype), (m, n))
            weight = np.random.default_rng(1).standard_normal((m, n)).astype(dtype)
            wanted = reference(a, b, bias=bias) * weight + np.dtype(dtype).type(3)
            three = np.full(64 // item, 1.5, dtype)
            for order in "C" if reads_c else "CF":
                out, weights = np.empty((m, n), dtype, order), np.asarray(weight, order=order)
                for x in row_major(a), column_major(a):
                    g = arguments(x, b, out, bias=bias)
                    out[:] = weight
                    p = ffi.new("double[1]", [2])
                    theirs = g.c if reads_c else ffi.cast("void *", weights.ctypes.data)
                    single = ffi.cast("void *", three.ctypes.data)
                    reads = ffi.new("void *[3]", [ffi.NULL, theirs, single])
                    steps = ffi.new("size_t[3]", [1, 1, 0])
                    g.act, g.act_params, g.act_in, g.n_act = weigh, p, reads, 3
                    g.act_step = steps
                    assert lib.tg_gemm(DTYPES[dtype], g) == 0
                    assert_same_bits(np.ascontiguousarray(out), wanted)


def assert_close(result, expected):
    assert result.shape == expected.shape
    assert result.dtype == expected.dtype
    scale = np.abs(expected).max(initial=1)
    tolerance = 1e-4 if expected.dtype == np.float32 else 1e-12
    np.testing.assert_allclose(result.numpy(), expected, rtol=0, atol=tolerance * scale)


MATMUL_SHAPES = [
    ((5,), (5,)), ((0,), (0,)), ((3, 5), (5,)), ((5,), (5, 4)), ((3, 0), (0, 4)), ((0, 5), (5, 4)),
    ((2, 3, 5), (5, 4)), ((2, 3, 5), (5,)), ((5,), (2, 5, 4)), ((3, 5), (2, 5, 4)),
    ((2, 3, 5), (2, 5, 4)), ((2, 1, 3, 5), (7, 5, 4)), ((2, 7, 1, 5), (1, 5, 4)),
    ((4, 3, 5), (5, 1)),
    ((4, 1, 5), (5, 6)), ((0, 3, 5), (5, 4)), ((1, 3, 5), (0, 5, 4)), ((300, 8, 8), (300, 8, 8)),
]  # fmt: skip


@pytest.mark.parametrize("dtype", DTYPES)
class TestOps:
    @pytest.mark.parametrize(("a_shape", "b_shape"), MATMUL_SHAPES)
    def test_matmul_is_numpys(self, dtype, a_shape, b_shape):
        rng = np.random.default_rng(3)
        a = rng.standard_normal(a_shape).astype(dtype)
        b = rng.standard_normal(b_shape).astype(dtype)
        assert_close(tnp.matmul(tg.tensor(a), tg.tensor(b)), np.matmul(a, b))

    def test_stacks_have_the_bits_of_their_matrices(self, dtype):
        rng = np.random.default_rng(4)
        for m, n in [(3, 4), (1, 4), (3, 1), (1, 1)]:
            a = rng.standard_normal((6, m, 9)).astype(dtype)
            b = rng.standard_normal((9, n)).astype(dtype)
            whole = (tg.tensor(a) @ tg.tensor(b)).numpy()
            for i in range(6):
                assert_same_bits(whole[i], (tg.tensor(a[i]) @ tg.tensor(b)).numpy())

    def test_views_have_the_bits_of_copies(self, dtype):
        rng = np.random.default_rng(5)
        x = rng.standard_normal((8, 12, 10)).astype(dtype)
        y = rng.standard_normal((10, 12)).astype(dtype)
        t, u = tg.tensor(x), tg.tensor(y)
        for view in [np.s_[::2], np.s_[:, ::-1], np.s_[:, 3:9, ::-1], np.s_[1]]:
            inner = x[view].shape[-1]
            assert_same_bits(
                (t[view] @ u[:inner, ::2]).numpy(),
                (tg.tensor(x[view].copy()) @ tg.tensor(y[:inner, ::2].copy())).numpy(),
            )
        assert_same_bits((u @ u.T).numpy(), (u @ tg.tensor(y.T.copy())).numpy())

    @pytest.mark.parametrize(
        ("few", "many"),
        [
            ((5, 1, 9), (5, 4, 9)),
            ((1, 4, 9), (5, 4, 9)),
            ((1, 1, 9), (5, 4, 9)),
            ((5, 1, 9), (5, 1, 9)),
            ((1, 1, 9), (5, 1, 9)),
            ((2, 1, 3, 9), (2, 7, 3, 9)),
            ((2, 7, 1, 9), (2, 7, 3, 9)),
            ((2, 1, 1), (2, 3, 9)),
            ((0, 1, 9), (0, 4, 9)),
        ],
    )
    def test_repeated_rows_have_the_bits_of_copies(self, dtype, few, many):
        rng = np.random.default_rng(6)
        x = np.broadcast_to(rng.standard_normal(few).astype(dtype)[..., ::-1], many)
        bias = rng.standard_normal(4).astype(dtype)
        repeated, copied = tnp.broadcast_to(tg.tensor(x[tuple(map(slice, few))]), many), x.copy()
        for n in (4, 1):
            w = rng.standard_normal((n, 9)).astype(dtype)
            got = repeated @ w.T
            assert got.shape == (*many[:-1], n)
            assert_same_bits(got.numpy(), (tg.tensor(copied) @ w.T).numpy())
            got = tg.linear(repeated, w, bias[:n])
            assert_same_bits(got.numpy(), tg.linear(tg.tensor(copied), w, bias[:n]).numpy())


def test_matmul_says_which_shapes_do_not_fit():
    a, b = tg.tensor(np.ones((3, 4), "f4")), tg.tensor(np.ones((5, 6), "f4"))
    with pytest.raises(ValueError, match=r"inner sizes differ: a is \(3, 4\), b is \(5, 6\)"):
        a @ b
    with pytest.raises(ValueError, match="at least one axis"):
        tnp.matmul(tg.tensor(np.float32(2)), b)
    with pytest.raises(ValueError, match="do not broadcast"):
        tnp.matmul(tg.tensor(np.ones((2, 3, 4))), tg.tensor(np.ones((3, 4, 2))))


def test_number_of_threads_must_be_positive():
    assert lib.tg_set_num_threads(0) == lib.TG_EVALUE
    assert b"at least 1, not 0" in ffi.string(lib.tg_error_text())
