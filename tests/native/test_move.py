"""The C ops that rearrange elements: NumPy's results for every dtype and layout, and refusals."""

import itertools

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

DTYPES = ["f4", "f8", "?", "i1", "i2", "i8", "c8", "c16"]
SHAPES = [(), (0,), (1,), (5,), (3, 4), (4, 0, 3), (33, 65), (1, 7), (2, 3, 4), (70, 3, 70)]


def run(name, inputs, params=()):
    return apply(OPS[name].id, tuple(inputs), tuple(int_or_float(p) for p in params)).numpy()


def int_or_float(p):
    return p if isinstance(p, float) else int(p)


def layouts(x):
    """Tensors with x's values: as it is, reversed, transposed, strided in memory."""
    yield tg.tensor(x)
    if x.ndim and x.size:
        flip = tuple(v for n in x.shape for v in (n - 1, n, -1))
        everywhere = (slice(None, None, -1),) * x.ndim
        yield apply(OPS["slice"].id, (tg.tensor(x[everywhere].copy()),), flip)
        back = tuple(range(x.ndim))[::-1]
        yield apply(OPS["transpose"].id, (tg.tensor(x.transpose(back).copy()),), back)
        box = (*[v for n in x.shape[:-1] for v in (0, n, 1)], 0, x.shape[-1], 2)
        yield apply(OPS["slice"].id, (tg.tensor(np.repeat(x, 2, axis=-1)),), box)


def data(shape, dtype, seed=0):
    return np.asarray(np.random.default_rng(seed).normal(size=shape) * 100).astype(dtype)


def same(got, expected):
    expected = np.asarray(expected)
    assert got.shape == expected.shape
    assert got.dtype == expected.dtype
    assert got.tobytes() == expected.tobytes()


def random_box(shape, rng):
    """Slice params and the same as an index."""
    params, index = [], []
    for n in shape:
        step = int(rng.choice([-3, -2, -1, 1, 2, 3]))
        start, end = rng.integers(0, n + 1, 2) if n else (0, 0)
        start = min(start, n - 1) if n else 0
        places = range(start, end, step) if n else range(0)
        params += [start if len(places) else 0, len(places), step]
        index.append(np.array(places, np.int64))
    return params, np.ix_(*index)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", SHAPES, ids=str)
class TestEveryLayout:
    def test_transpose_and_reshape(self, shape, dtype):
        x = data(shape, dtype)
        for t in layouts(x):
            for perm in itertools.permutations(range(x.ndim)):
                turned = apply(OPS["transpose"].id, (t,), perm)
                same(turned.numpy(), x.transpose(perm))
                same(run("reshape", [turned], (x.size,)), x.transpose(perm).reshape(-1))
                if x.size:
                    lead = x.transpose(perm).shape[:1] or (1,)
                    to = (*lead, x.size // lead[0])
                    same(run("reshape", [turned], to), x.transpose(perm).reshape(to))
            same(run("reshape", [t], (1, *shape, 1)), x.reshape((1, *shape, 1)))
            same(run("broadcast_to", [t], (2, *shape)), np.broadcast_to(x, (2, *shape)))

    def test_slice_and_its_transpose(self, shape, dtype):
        rng = np.random.default_rng(1)
        x = data(shape, dtype)
        for t in layouts(x):
            params, index = random_box(shape, rng)
            expected = x[index] if shape else x
            same(run("slice", [t], params), expected)
            zeros = np.zeros(shape, dtype)
            if shape:
                zeros[index] = expected
            else:
                zeros = x
            part = apply(OPS["slice"].id, (t,), tuple(int(p) for p in params))
            same(run("slice_transpose", [part], (*params, *shape)), zeros)

    def test_transposes_of_slices_that_leave_little_out(self, shape, dtype):
        for first, rest, step in itertools.product((0, 1), (0, 1), (1, -1)):
            lengths = [max(n - first - rest, 0) for n in shape]
            starts = [first if step == 1 else max(first + n - 1, 0) for n in lengths]
            params = [v for a, n in zip(starts, lengths) for v in (a, n, step)]
            part, full = data(lengths, dtype), np.zeros(shape, dtype)
            box = tuple(slice(first, first + n) for n in lengths)
            full[box] = part[(slice(None, None, step),) * len(shape)]
            same(run("slice_transpose", [tg.tensor(part)], (*params, *shape)), full)

    def test_slice_update(self, shape, dtype):
        rng = np.random.default_rng(4)
        x, other = data(shape, dtype), data(shape, dtype, 5)
        for t, o in zip(layouts(x), layouts(other)):
            params, index = random_box(shape, rng)
            expected = x.copy()
            expected[index if shape else ()] = other[index] if shape else other
            part = apply(OPS["slice"].id, (o,), tuple(int(p) for p in params))
            same(run("slice_update", [t, part], params), expected)
            expected[index if shape else ()] = np.asarray(3).astype(dtype)
            same(run("slice_update", [t, tg.tensor(np.asarray(3).astype(dtype))], params), expected)

    def test_copies_and_repeated_elements(self, shape, dtype):
        x = data(shape, dtype)
        for t in layouts(x):
            same(run("copy", [t]), x)
            for times in (1, 2, 3, 5, 17):
                spread = np.broadcast_to(x[..., None], (*shape, times))
                apart = apply(OPS["reshape"].id, (t,), (*shape, 1))
                wide = apply(OPS["broadcast_to"].id, (apart,), spread.shape)
                same(run("reshape", [wide], (x.size * times,)), spread.reshape(-1))

    def test_pad_and_concatenate(self, shape, dtype):
        rng = np.random.default_rng(2)
        x = data(shape, dtype)
        for t in layouts(x):
            width = [tuple(int(w) for w in rng.integers(0, 3, 2)) for _ in shape]
            for value in (0.0, 2.0):
                expected = np.pad(x, width, constant_values=x.dtype.type(value)) if shape else x
                same(run("pad", [t], (*[w for pair in width for w in pair], value)), expected)
            for axis in range(x.ndim):
                three = np.concatenate([x, x, x], axis)
                same(run("concatenate", [t, tg.tensor(x), t], (axis,)), three)

    def test_take_and_take_along_axis(self, shape, dtype):
        rng = np.random.default_rng(3)
        x = data(shape, dtype)
        for t in layouts(x):
            for axis, n in enumerate(shape):
                if n == 0:
                    continue
                for ids in ((), (3,), (2, 3), (0,), (2 * n,)):
                    idx = np.asarray(rng.integers(-n, n, ids))
                    for i in layouts(idx):
                        same(run("take", [t, i], (axis,)), np.take(x, idx, axis))
                for m in (1, 4):
                    idx = rng.integers(-n, n, (*shape[:axis], m, *shape[axis + 1 :]))
                    for i in layouts(idx):
                        expected = np.take_along_axis(x, idx, axis)
                        same(run("take_along_axis", [t, i], (axis,)), expected)


@pytest.mark.parametrize("dtype", ["f4", "f8"])
@pytest.mark.parametrize("shape", [(5,), (3, 4), (33, 17), (2, 3, 4)], ids=str)
class TestScatter:
    """Repeated indices add up in the order of the indices: compared bit for bit."""

    def test_take_transpose(self, shape, dtype):
        rng = np.random.default_rng(0)
        for axis, n in enumerate(shape):
            for ids in ((), (7,), (2, 9)):
                idx = np.asarray(rng.integers(-n, n, ids))
                ct = data((*shape[:axis], *ids, *shape[axis + 1 :]), dtype)
                expected = np.zeros(shape, dtype)
                lines = np.moveaxis(expected, axis, 0)
                flat = ct.reshape(*shape[:axis], idx.size, *shape[axis + 1 :])
                for j, k in enumerate(idx.ravel()):
                    lines[k] += np.moveaxis(flat, axis, 0)[j]
                for c in layouts(ct):
                    same(run("take_transpose", [c, tg.tensor(idx)], (axis, n)), expected)

    def test_take_along_axis_transpose(self, shape, dtype):
        rng = np.random.default_rng(0)
        for axis, n in enumerate(shape):
            idx = rng.integers(-n, n, (*shape[:axis], 6, *shape[axis + 1 :]))
            ct = data(idx.shape, dtype)
            expected = np.zeros(shape, dtype)
            at_lines, ct_lines = np.moveaxis(idx, axis, 0), np.moveaxis(ct, axis, 0)
            others = np.ix_(*[range(m) for i, m in enumerate(shape) if i != axis])
            out = np.moveaxis(expected, axis, 0)
            for j in range(6):
                out[(at_lines[j], *others)] += ct_lines[j]
            for c in layouts(ct):
                got = run("take_along_axis_transpose", [c, tg.tensor(idx)], (axis, n))
                same(got, expected)


@pytest.mark.parametrize("dtype", ["?", "f4", "f8"])
def test_short_runs_are_gathered_as_they_lie(dtype):
    """Points, channels, windows: operands whose runs are shorter than a vector or a line."""
    for n in [*range(1, 20), 31, 40, 64, 70]:
        for r in (1, 2, 7, 9, 21):
            x = (np.arange(3 * (r + 1) * (n + 3)).reshape(3, r + 1, n + 3) % 5).astype(dtype)
            like = tg.tensor(np.ones((3, r, n), dtype))
            window = tg.tensor(x)[:, 1:, 2:-1]
            for part in [window, window[:, :1], window[:, :, :1], window[0], window[0, :1]]:
                expected = np.broadcast_to(part.numpy(), like.shape)
                same(run("logical_and" if dtype == "?" else "multiply", [like, part]), expected)
                whole = apply(OPS["broadcast_to"].id, (part,), like.shape)
                same(run("copy", [whole]), expected)


@pytest.mark.parametrize("dtype", ["f4", "f8"])
def test_repeated_elements_keep_every_bit(dtype, each_isa):
    """Of a signalling nan and a subnormal number too: elements may be integers."""
    bits = {"f4": [0x7FA00001, 0x80000001], "f8": [0x7FF4000000000001, 0x8000000000000001]}
    x = np.array(bits[dtype], f"u{dtype[1]}").view(dtype)[:, None]
    for _ in each_isa():
        for times in range(1, 70):
            wide = apply(OPS["broadcast_to"].id, (tg.tensor(x),), (2, times))
            same(run("copy", [wide]), np.broadcast_to(x, (2, times)))


def test_take_along_axis_broadcasts_the_other_axes():
    x, idx = data((3, 1, 5), "f4"), np.array([[[0, 4, 2]], [[1, 1, 1]], [[3, 0, 0]]])
    idx = np.broadcast_to(idx, (3, 4, 3)).copy()
    expected = np.take_along_axis(np.broadcast_to(x, (3, 4, 5)), idx, 2)
    same(run("take_along_axis", [tg.tensor(x), tg.tensor(idx)], (2,)), expected)


@pytest.mark.parametrize("dtype", ["f4", "f8"])
def test_large_transposes_are_exact(dtype):
    x = data((517, 1030), dtype)
    turned = apply(OPS["transpose"].id, (tg.tensor(x),), (1, 0))
    same(run("reshape", [turned], (x.size,)), x.T.reshape(-1))


def test_views_share_memory():
    t = tg.tensor(data((4, 6), "f4"))
    before = core.lib.tg_pool_live_bytes()
    views = [
        apply(OPS["transpose"].id, (t,), (1, 0)),
        apply(OPS["reshape"].id, (t,), (24,)),
        apply(OPS["broadcast_to"].id, (t,), (1000, 4, 6)),
        apply(OPS["slice"].id, (t,), (0, 2, 2, 5, 6, -1)),
    ]
    assert all(np.shares_memory(t.numpy(), v.numpy()) for v in views)
    assert core.lib.tg_pool_live_bytes() - before < 1000  # shapes only


a = np.zeros((3, 4), "f4")
at = np.array
REFUSED = [
    ("transpose", [a], (0, 0), "axes"),
    ("transpose", [a], (0,), "axes"),
    ("reshape", [a], (5, 3), "cannot fit shape"),
    ("reshape", [a], (2**62, 2**62), "cannot fit shape"),
    ("reshape", [a], (-3, -4), "cannot fit shape"),
    ("broadcast_to", [a], (4, 4), "axis 0"),
    ("broadcast_to", [a], (4,), "2 axes"),
    ("broadcast_to", [np.zeros((1, 1))], (2**40, 2**40), "too many"),
    ("slice", [a], (0, 4, 1, 0, 4, 1), "axis 0"),
    ("slice", [a], (0, 3, -1, 0, 4, 1), "axis 0"),
    ("slice", [a], (0, 2, 0, 0, 1, 1), "axis 0"),
    ("slice", [a], (0, 3, 1, 0, 2**62, 2**62), "axis 1"),
    ("slice_transpose", [a], (0, 3, 1, 0, 4, 1, 3, 3), "axis 1"),
    ("slice_transpose", [a], (0, 3, 1, 0, 4, 1, -3, 4), "negative"),
    ("slice_transpose", [a], (0, 2, 1, 0, 4, 1, 3, 4), "axis 0 of the part"),
    ("slice_transpose", [a], (1, 3, 1, 0, 4, 1, 3, 4), "axis 0"),
    ("slice_transpose", [a], (1, 3, -1, 0, 4, 1, 3, 4), "axis 0"),
    ("slice_transpose", [a], (-(2**63), 3, -1, 0, 4, 1, 3, 4), "axis 0"),
    ("slice_update", [a, a], (0, 3, 1, 0, 3, 1), "axis 1"),
    ("slice_update", [a, a], (0, 4, 1, 0, 4, 1), "axis 0"),
    ("slice_update", [a, a[0]], (0, 1, 1, 0, 4, 1), "1 axes"),
    ("correlate", [a[0], a[0]], (4, 1), "a place in the second"),
    ("correlate", [a[0], a[0]], (0, -1), "a place in the second"),
    ("all", [a > 0], (0, 2), "bad axis 2"),
    ("pad", [a], (-1, 0, 0, 0, 0.0), "axis 0"),
    ("pad", [a], (2**63 - 1, 1, 0, 0, 0.0), "axis 0"),
    ("concatenate", [a, a], (2,), "axis"),
    ("concatenate", [a, a[:2]], (1,), "input 1"),
    ("take", [a, at([0, 3])], (0,), "index 3 is out of bounds for axis 0 with size 3"),
    ("take", [a, at([-5])], (1,), "index -5 is out of bounds for axis 1 with size 4"),
    ("take", [a[:0], at([0])], (0,), "size 0"),
    ("take_along_axis", [a, at([[3]])], (0,), "index 3"),
    ("take_along_axis", [a, at([[0], [0]])], (1,), "broadcast"),
    ("take_transpose", [a, at([0, 1, 5])], (0, 4), "index 5"),
    ("take_transpose", [a, at([0, 1])], (0, 4), "shape"),
    ("take_along_axis_transpose", [a, at([[0], [0]])], (1, 4), "axis"),
]


@pytest.mark.parametrize(
    ("name", "inputs", "params", "message"), REFUSED, ids=lambda v: str(v)[:20]
)
def test_what_would_leave_an_array_is_refused(name, inputs, params, message):
    before = core.lib.tg_pool_live_bytes()
    with pytest.raises((TapegradError, ValueError, IndexError), match=message):
        run(name, [tg.tensor(x) for x in inputs], params)
    assert core.lib.tg_pool_live_bytes() == before
