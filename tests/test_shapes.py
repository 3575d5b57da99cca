"""Shapes drawn by Hypothesis: broadcasting, reductions, products, indexing, rearranging."""

from itertools import product

import hypothesis.extra.numpy as hnp
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import tapegrad as tg
import tapegrad.numpy as tnp
from tapegrad import tape

# The engine is a fixture of the whole test: it does not change between examples.
relaxed = settings(suppress_health_check=[HealthCheck.function_scoped_fixture])

shapes = hnp.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=4)


def numbers(shape, seed=0):
    return np.random.default_rng(seed).uniform(0.5, 2, shape)


def check(f, *arrays):
    """Values as NumPy's; each gradient shaped like its input and the transpose of the change."""
    want = np.asarray(f(np, *arrays))
    with tape(persistent=True) as t:
        xs = [t.watch(tg.tensor(a)) for a in arrays]
        y = f(tnp, *xs)
    assert y.shape == want.shape
    np.testing.assert_allclose(y, want, rtol=1e-12, atol=1e-12)
    ct, ts = numbers(want.shape, 1), [numbers(a.shape, 2) for a in arrays]
    grads = t.gradient(y, xs, ct, unconnected_gradients="zero")
    pushed = t.jvp(y, xs, ts)
    assert [g.shape for g in grads] == [a.shape for a in arrays]
    got = sum(np.sum(g.numpy() * v) for g, v in zip(grads, ts))
    np.testing.assert_allclose(got, np.sum(ct * pushed.numpy()), rtol=1e-9, atol=1e-9)


@relaxed
@given(hnp.mutually_broadcastable_shapes(num_shapes=2, max_dims=4, min_side=0, max_side=4))
def test_binary_ops_broadcast(backend, found):
    a, b = (numbers(s, k) for k, s in enumerate(found.input_shapes))
    check(lambda xp, a, b: a * b + a / b, a, b)


@relaxed
@given(hnp.mutually_broadcastable_shapes(num_shapes=3, max_dims=3, min_side=0, max_side=3))
def test_where_broadcasts(backend, found):
    m, a, b = (numbers(s, k) for k, s in enumerate(found.input_shapes))
    check(lambda xp, a, b: xp.where(m > 1, a, b), a, b)


@pytest.mark.parametrize("dtype", ["?", "f4", "f8"])
@pytest.mark.parametrize("last", [1, 2, 3, 4, 5, 6, 7, 9, 16, 33])
def test_short_axes_are_gathered(backend, dtype, last):
    """Several blocks of elements, whose borders lie anywhere in the axes."""
    shape = (29, 43, last)

    def drawn(shape, seed):
        values = numbers(shape, seed)
        return values > 1 if dtype == "?" else values.astype(dtype)

    f, whole = ("logical_xor" if dtype == "?" else "subtract"), drawn(shape, 0)
    for lengths in product((1, 29), (1, 43), (1, last)):
        few = drawn(lengths, 1)
        turned = few[::-1, ::-1, ::-1]
        for x, t in (few, tg.tensor(few)), (turned, tg.tensor(few)[::-1, ::-1, ::-1]):
            got = getattr(tnp, f)(t, tg.tensor(whole))
            np.testing.assert_array_equal(got, getattr(np, f)(x, whole))
            spread = np.broadcast_to(x, shape)
            np.testing.assert_array_equal(tnp.copy(tnp.broadcast_to(t, shape)), spread)


@relaxed
@given(st.data())
def test_reductions_over_any_axes(backend, data):
    shape = data.draw(hnp.array_shapes(min_dims=0, max_dims=4, min_side=1, max_side=4))
    axes = data.draw(st.none() | st.sets(st.integers(-len(shape), len(shape) - 1)).map(tuple)
                     if shape else st.none())  # fmt: skip
    if axes and len({a % len(shape) for a in axes}) != len(axes):
        axes = tuple({a % len(shape) for a in axes})
    keepdims = data.draw(st.booleans())
    x = numbers(shape)
    for name in ("sum", "mean", "prod", "max", "min", "var", "std"):
        if name in ("var", "std") and x.size < 2:
            continue

        def f(xp, v, name=name):
            return getattr(xp, name)(v, axis=axes, keepdims=keepdims)

        if name == "std" and f(np, x).size and np.min(f(np, x)) == 0:
            continue  # the square root has no derivative there
        check(f, x)


@relaxed
@given(st.data())
def test_sums_of_empty_arrays(backend, data):
    shape = data.draw(hnp.array_shapes(min_dims=1, max_dims=3, min_side=0, max_side=3))
    axis = data.draw(st.integers(-len(shape), len(shape) - 1))
    check(lambda xp, x: xp.sum(x, axis=axis), numbers(shape))
    check(lambda xp, x: xp.prod(x, axis=axis), numbers(shape))
    check(lambda xp, x: xp.cumsum(x, axis=axis), numbers(shape))


@relaxed
@given(hnp.mutually_broadcastable_shapes(
    signature="(m?,k),(k,n?)->(m?,n?)", max_dims=2, min_side=0, max_side=4))  # fmt: skip
def test_matmul_of_any_shapes(backend, found):
    a, b = (numbers(s, k) for k, s in enumerate(found.input_shapes))
    check(lambda xp, a, b: xp.matmul(a, b), a, b)


@relaxed
@given(st.data())
def test_any_index(backend, data):
    shape = data.draw(hnp.array_shapes(min_dims=1, max_dims=3, min_side=1, max_side=4))
    index = data.draw(hnp.basic_indices(shape, allow_newaxis=True, allow_ellipsis=True)
                      | hnp.integer_array_indices(shape))  # fmt: skip
    check(lambda xp, x: x[index], numbers(shape))


@relaxed
@given(st.data())
def test_mixed_indices(backend, data):
    shape = data.draw(hnp.array_shapes(min_dims=2, max_dims=4, min_side=1, max_side=4))
    common = data.draw(st.sampled_from([(2,), (3, 1), (1, 2), (0,)]))
    index = []
    for n in shape:
        kind = data.draw(st.sampled_from(["slice", "array", "integer", "all"]))
        if kind == "slice":
            index.append(data.draw(st.slices(n)))
        elif kind == "array":
            index.append(data.draw(hnp.arrays(np.int64, common, elements=st.integers(-n, n - 1))))
        elif kind == "integer":
            index.append(data.draw(st.integers(-n, n - 1)))
        else:
            index.append(slice(None))
    for other in (None, Ellipsis):  # an ellipsis here stands for no axis
        if data.draw(st.booleans()):
            index.insert(data.draw(st.integers(0, len(index))), other)
    check(lambda xp, x: x[tuple(index)], numbers(shape))


def test_an_ellipsis_without_axes_separates_index_arrays(backend):
    check(lambda xp, x: x[:, [0, 1], ..., 0], numbers((4, 3, 2)))


@relaxed
@given(st.data())
def test_masks(backend, data):
    shape = data.draw(hnp.array_shapes(min_dims=1, max_dims=3, min_side=1, max_side=4))
    k = data.draw(st.integers(1, len(shape)))
    mask = data.draw(hnp.arrays(bool, shape[:k]))
    check(lambda xp, x: x[mask], numbers(shape))


@relaxed
@given(st.data())
def test_updates(backend, data):
    shape = data.draw(hnp.array_shapes(min_dims=1, max_dims=3, min_side=1, max_side=4))
    index = data.draw(hnp.basic_indices(shape) | hnp.integer_array_indices(shape))
    value = numbers(np.zeros(shape)[index].shape, 3)

    def f(xp, x, v):
        y = x.copy()
        y[index] = v
        return y

    check(f, numbers(shape), value)


@relaxed
@given(st.data())
def test_rearranging(backend, data):
    shape = data.draw(hnp.array_shapes(min_dims=1, max_dims=4, min_side=1, max_side=4))
    x = numbers(shape)
    perm = data.draw(st.permutations(range(len(shape))))
    axis = data.draw(st.integers(-len(shape), len(shape) - 1))
    reps = tuple(data.draw(st.lists(st.integers(0, 3), min_size=1, max_size=4)))
    count = data.draw(st.integers(0, 3))
    widths = data.draw(st.lists(st.tuples(st.integers(0, 2), st.integers(0, 2)),
                                min_size=len(shape), max_size=len(shape)))  # fmt: skip
    check(lambda xp, x: xp.transpose(x, perm), x)
    check(lambda xp, x: xp.flip(x, axis), x)
    check(lambda xp, x: xp.tile(x, reps), x)
    check(lambda xp, x: xp.repeat(x, count, axis=axis), x)
    check(lambda xp, x: xp.pad(x, widths), x)
    check(lambda xp, x: xp.stack([x, x * 2], axis=axis), x)
    check(lambda xp, x: xp.concatenate([x, x * 2, x], axis=axis), x)
    check(lambda xp, x: xp.expand_dims(x, axis), x)
    check(lambda xp, x: xp.swapaxes(x, axis, 0), x)
    check(lambda xp, x: xp.moveaxis(x, axis, -1), x)
    check(lambda xp, x: xp.reshape(x.T, -1), x)
    check(lambda xp, x: xp.split(x, x.shape[axis], axis=axis)[-1], x)


@relaxed
@given(shapes, st.data())
def test_reshape_to_any_shape_of_the_same_size(backend, shape, data):
    x = numbers(shape)
    size, parts = x.size, []
    while size > 1 and data.draw(st.booleans()):
        d = data.draw(st.sampled_from([k for k in range(1, size + 1) if size % k == 0]))
        parts.append(d)
        size //= d
    parts.append(size)
    check(lambda xp, x: xp.reshape(x, tuple(parts)) * 1, x)


@relaxed
@given(st.sampled_from([
    "ij,jk->ik", "ij,kj", "i,i", "i,j", "ij->ji", "ii->i", "ii", "iij->j", "ij,ij->i",
    "ijk,ikl->ijl",
    "ijk->", "i...,...j->...ij", "...ij->...ji", "ij,jk,kl->il", "ab,ac,ad->bcd", "ij,j",
    "ij,ij,ij",
]), st.integers(1, 4), st.integers(1, 4))  # fmt: skip
def test_einsum(backend, subscripts, m, n):
    sides = {c: (m, n)[k % 2] for k, c in enumerate("ijklabcd")}
    operands = []
    for k, names in enumerate(subscripts.split("->")[0].split(",")):
        shape = [sides[c] for c in names.replace("...", "")]
        if "..." in names:
            at = names.index("...")
            shape[at:at] = [2]
        operands.append(numbers(tuple(shape), k))
    check(lambda xp, *xs: xp.einsum(subscripts, *xs), *operands)


@pytest.mark.parametrize("shape", [(6, 4), (2, -1), 24, (2, 3, 4), (4, 1, 6)])
def test_reshape_in_columns_order_is_numpys(shape, backend):
    x = np.arange(24.0).reshape(2, 3, 4)
    for f in (
        lambda x: x.reshape(shape, order="F"),
        lambda x: x.ravel("F"),
        lambda x: np.reshape(x.T, shape, order="F"),
    ):
        np.testing.assert_array_equal(f(tg.tensor(x)), f(x))
    assert tg.gradcheck(lambda x: x.reshape(shape, order="F"), [x], order=1)
