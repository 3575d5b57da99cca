"""Functions and operators that write into an array: recorded updates, or refused."""

import warnings

import numpy as np
import pytest

import tapegrad as tg
import tapegrad.numpy as tnp
from tapegrad import gradcheck, tape
from tapegrad.errors import DetachedWarning, DTypeError, TapegradError, UnsupportedError
from tapegrad.ops import methods

pytestmark = pytest.mark.usefixtures("backend")


def test_out_becomes_the_result_and_keeps_its_derivative():
    x, out = tg.parameter([1.0, 2.0]), tg.tensor([0.0, 0.0])
    with tape() as t:
        assert np.multiply(x, 3.0, out=out) is out
        y = (out * out).sum()
    np.testing.assert_array_equal(out, [3.0, 6.0])
    np.testing.assert_array_equal(t.gradient(y, x), [18.0, 36.0])


def test_where_leaves_the_other_elements_of_out():
    x = tg.parameter([1.0, 2.0, 3.0])
    with tape() as t:
        out = x * 10.0
        np.exp(x, out=out, where=[False, True, False])
        y = out.sum()
    np.testing.assert_allclose(t.gradient(y, x), [10.0, np.exp(2.0), 10.0])


def test_out_of_a_reduction_may_be_an_array_where_nothing_is_recorded():
    total = np.zeros(3)
    assert np.sum(tg.tensor(np.ones((2, 3))), axis=0, out=total) is total
    np.testing.assert_array_equal(total, [2.0, 2.0, 2.0])


@pytest.mark.parametrize(
    "write",
    [
        lambda a, x: np.exp(x, out=a),
        lambda a, x: np.sum(x[None], axis=0, out=a),
        lambda a, x: np.add.at(a, [0, 0], x),
        lambda a, x: np.copyto(a, x),
        lambda a, x: np.put(a, [0, 1], x),
        lambda a, x: np.place(a, [True, False], x),
        lambda a, x: np.putmask(a, [True, False], x),
    ],
)
def test_what_a_tape_records_is_not_written_into_an_array(write):
    a, x = np.zeros(2), tg.parameter([1.0, 2.0])
    with tape(), pytest.raises(UnsupportedError, match="derivative"):
        write(a, x)
    np.testing.assert_array_equal(a, [0.0, 0.0])


@pytest.mark.parametrize(
    ("dtype", "value", "error"),
    [("f8", 1j, TypeError), ("f4", np.ones(2) + 1j, TypeError), ("i8", np.nan, ValueError),
     ("u1", -1, OverflowError), ("i1", 300, OverflowError)],
)  # fmt: skip
def test_setting_elements_to_what_they_cannot_hold_is_refused(dtype, value, error):
    x = tg.tensor(np.zeros(2, dtype))
    with pytest.raises(error):
        x[:] = value
    assert x.tolist() == [0, 0]


@pytest.mark.parametrize(
    "call",
    [
        lambda x: np.greater.reduce(x),
        lambda x: np.equal.accumulate(x),
        lambda x: np.add(x + 1j, 1.0, dtype="f4"),
        lambda x: tnp.multiply(x, x, dtype="i4"),
    ],
)
def test_casts_that_numpy_refuses_are_refused(call):
    x = np.ones(3)
    for operand in (x, tg.tensor(x)):
        with pytest.raises(TypeError):
            call(operand)


def test_a_parameter_is_not_an_out():
    p = tg.parameter([1.0, 2.0])
    with pytest.raises(UnsupportedError, match=r"p\.assign"):
        np.exp(p, out=p)


@pytest.mark.parametrize("write", [
    lambda w: np.exp(np.ones(2), out=w), lambda w: np.exp(w, out=w, where=[True, False]),
    lambda w: np.copyto(w, 3.0), lambda w: np.put(w, 0, 3.0), lambda w: w.sort(),
])  # fmt: skip
def test_a_variable_is_not_written(write):
    w = tg.tensor([1.0, 2.0], requires_grad=True)
    with tape() as t:
        y = (w * w).sum()
        with pytest.raises(TapegradError, match="this Tensor requires grad"):
            write(w)
    np.testing.assert_array_equal(t.gradient(y, w), [2.0, 4.0])


def test_a_cast_that_loses_is_refused():
    with pytest.raises(TypeError, match="cannot cast"):
        np.exp(tg.tensor([1.0]), out=tg.tensor([1]))


@pytest.mark.parametrize("ufunc", [np.add, np.subtract, np.multiply, np.maximum, np.divide])
def test_at_does_one_place_after_another_where_they_repeat(ufunc):
    a, b = np.array([1.0, 2.0, 3.0]), np.array([0.5, 4.0, 3.0, 2.0])
    places = [0, 2, 0, 0]
    want = a.copy()
    ufunc.at(want, places, b)
    got = tg.tensor(a)
    ufunc.at(got, places, tg.tensor(b))
    np.testing.assert_allclose(got, want)


@pytest.mark.parametrize("ufunc", [np.add, np.subtract, np.maximum])
@pytest.mark.parametrize(
    ("index", "shape"),
    [
        ([0, 0, 2], (3, 4)), ([-1, 2, -1], (4,)), (np.array([[0, 1], [1, 1]], "u1"), (2, 2, 4)),
        (([0, 0, 2], [1, 1, 3]), (3,)), ((slice(None), [1, 1]), (3, 2)), (slice(0, 2), (2, 4)),
        (..., ()), (None, (4,)), (1, (4,)), (np.arange(12).reshape(3, 4) > 5, ()), ([], (0, 4)),
    ],
)  # fmt: skip
def test_at_takes_indices_of_every_kind(ufunc, index, shape, rng):
    def updated(a, b):
        a = a * 1.0
        ufunc.at(a, index, b)
        return a

    a, b = rng.normal(size=(3, 4)), rng.normal(size=shape)
    np.testing.assert_allclose(updated(tg.tensor(a), b), updated(a, b))
    gradcheck(updated, [a, b], order=1)


@pytest.mark.parametrize("dtypes", [("f4", "f8"), ("f8", "i8"), ("i4", "i8"), ("u1", "u1")])
def test_at_adds_in_every_dtype(dtypes):
    a, b = np.array([1, 2, 3], dtypes[0]), np.array([200, 100, 50, 3], dtypes[1])
    want = a.copy()
    np.add.at(want, [0, 2, 0, 0], b)
    got = tg.tensor(a)
    np.add.at(got, [0, 2, 0, 0], tg.tensor(b))
    assert got.dtype == want.dtype
    np.testing.assert_array_equal(got, want)


@pytest.mark.parametrize("index", [[3], [-4], ([0], [9])])
def test_at_out_of_bounds_changes_nothing(index):
    got = tg.tensor(np.zeros((3, 4)))
    with pytest.raises(IndexError, match="out of bounds"):
        np.add.at(got, index, 1.0)
    np.testing.assert_array_equal(got, np.zeros((3, 4)))


def test_sums_are_one_op_however_often_a_place_is_named():
    lengths = []
    for n in (1, 100):
        x = tg.parameter(np.ones(n))
        with tape() as t:
            total = tg.tensor([1.0, 2.0])
            np.add.at(total, np.zeros(n, int), x)
        lengths.append(len(t))
        assert total.tolist() == [1.0 + n, 2.0]
    assert lengths[0] == lengths[1]


def test_sums_between_positions_are_a_few_ops_and_as_exact_as_sums(rng):
    x = rng.normal(size=50_000).astype("f4")
    starts = [7, 8, 40, 40_000, *range(40_001, 50_000, 3)]
    p = tg.parameter(x)
    with tape() as t:
        sums = np.add.reduceat(p, starts)
    assert len(t) < 10
    exact = np.add.reduceat(x.astype("f8"), starts)
    np.testing.assert_allclose(sums, exact, atol=4 * abs(np.add.reduceat(x, starts) - exact).max())
    weights = rng.normal(size=len(starts)).astype("f4")
    slopes = np.repeat(weights, np.diff(starts, append=len(x)))
    np.testing.assert_array_equal(t.gradient(sums, p, weights)[7:], slopes)


def test_at_of_one_operand():
    got = tg.tensor([1.0, 2.0, 3.0])
    np.negative.at(got, [0, 1])
    np.testing.assert_array_equal(got, [-1.0, -2.0, 3.0])


@pytest.mark.parametrize("make", [tg.tensor, np.array])
def test_nan_to_num_without_a_copy_writes(make):
    x = make([1.0, np.nan, -np.inf])
    found = tnp.nan_to_num(x, copy=False, neginf=-5.0)
    assert found is x
    np.testing.assert_array_equal(x, [1.0, 0.0, -5.0])


def test_in_place_sort_and_fill_are_updates():
    p = tg.parameter([3.0, 1.0, 2.0])
    with tape() as t:
        x = p * 1.0
        before = x[0]
        x.sort()
        y = (x * [1.0, 10.0, 100.0]).sum() + before
    np.testing.assert_array_equal(x, [1.0, 2.0, 3.0])
    np.testing.assert_array_equal(t.gradient(y, p), [101.0, 1.0, 10.0])
    x.fill(7.0)
    np.testing.assert_array_equal(x, [7.0, 7.0, 7.0])


# --- out of the tape --------------------------------------------------------------------------


def test_an_array_of_a_recorded_tensor_warns_once_a_line(monkeypatch):
    monkeypatch.setattr(methods, "_warned", set())
    p = tg.parameter([1.0, 2.0])
    with tape(), warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        for _ in range(3):
            np.asarray(p)
        np.array([p[0], p[1]])
    assert len(caught) == 2
    assert all(w.category is DetachedWarning and w.filename == __file__ for w in caught)
    assert "tapegrad.numpy.array" in str(caught[0].message)


def test_an_array_that_scipy_makes_warns_with_the_users_line(monkeypatch):
    linalg = pytest.importorskip("scipy.linalg", reason="SciPy is not installed")
    monkeypatch.setattr(methods, "_warned", set())
    with tape():
        x = tg.parameter(np.eye(2)) * 2.0
        with pytest.warns(DetachedWarning, match="at .*test_numpy_writing"):
            linalg.expm(x)


def test_arrays_of_what_no_tape_records_do_not_warn():
    p = tg.parameter([1.0, 2.0])
    np.asarray(p)
    with tape():
        np.asarray(tg.tensor([1.0]))
        np.asarray(p > 1.0)
        np.asarray(p.detach())
        with tg.no_grad():
            np.asarray(p)


def test_lists_of_tensors_keep_their_derivatives():
    a, b = tg.parameter(2.0), tg.parameter(3.0)
    with tape() as t:
        y = tnp.sum([a, b * b]) + tnp.dot([a, 1.0], [b, 2.0]) + np.stack([a, b]).prod()
    ga, gb = t.gradient(y, [a, b])
    assert (ga.item(), gb.item()) == (1.0 + 3.0 + 3.0, 6.0 + 2.0 + 2.0)


def test_an_unserved_function_names_itself_the_line_and_the_recipe():
    cube = np.frompyfunc(lambda v: v**3, 1, 1)
    with pytest.raises(UnsupportedError, match="does not take Tensors") as caught:
        cube(tg.tensor([1.0, 2.0]))
    text = str(caught.value)
    assert cube.__name__ in text
    assert f"{__file__}:" in text
    taught = tg.primitive(lambda x: x**3)
    tg.defvjp(taught, lambda ans, x: lambda g: g * 3 * x**2)
    assert "tapegrad.primitive" in text
    assert "lambda ans, x: lambda g:" in text
    p = tg.parameter([1.0, 2.0])
    with tape() as t:
        y = taught(p).sum()
    np.testing.assert_array_equal(t.gradient(y, p), [3.0, 12.0])


# --- DLPack -----------------------------------------------------------------------------------


def test_export_shares_memory_read_only():
    x = tg.tensor(np.arange(6.0).reshape(2, 3))[:, ::-1]
    if np.lib.NumpyVersion(np.__version__) < "2.1.0":
        pytest.skip("this NumPy's DLPack cannot say read-only")
    view = np.from_dlpack(x)
    np.testing.assert_array_equal(view, x)
    assert np.shares_memory(view, x.numpy())
    assert not view.flags.writeable
    assert not np.shares_memory(np.from_dlpack(x, copy=True), x.numpy())


def test_an_old_consumer_gets_a_copy_or_an_error():
    x = tg.tensor([1.0, 2.0])
    assert x.__dlpack_device__() == (1, 0)
    assert x.__dlpack__() is not None
    with pytest.raises(BufferError, match="read-only"):
        x.__dlpack__(copy=False)
    with pytest.raises(BufferError, match="CPU"):
        x.__dlpack__(dl_device=(2, 0))


def test_import_shares_memory_and_copy_does_not():
    a = np.arange(4.0)
    shared, own = tnp.from_dlpack(a), tnp.from_dlpack(a, copy=True)
    assert np.shares_memory(shared.numpy(), a)
    a[0] = 100.0
    assert shared[0].item() == 100.0
    assert own[0].item() == 0.0
    assert (shared * 2.0)[0].item() == 200.0


def test_writing_shared_memory_later_does_not_change_a_gradient():
    a = np.array([1.0, 2.0])
    x = tnp.from_dlpack(a)
    with tape() as t:
        t.watch(x)
        y = (x * x).sum()
    a[:] = 50.0
    np.testing.assert_array_equal(t.gradient(y, x), [2.0, 4.0])


def test_import_of_odd_arrays_copies_or_says_so():
    a = np.zeros(3, [("a", "i1"), ("b", "f8")])["b"]
    if a.flags.aligned:
        pytest.skip("records are aligned here")
    try:
        np.from_dlpack(a)
    except BufferError:
        pytest.skip("this NumPy does not export it")
    with pytest.raises(ValueError, match="needs a copy"):
        tnp.from_dlpack(a, copy=False)
    np.testing.assert_array_equal(tnp.from_dlpack(a), a)


@pytest.mark.slow
def test_torch_and_tapegrad_share_memory():
    torch = pytest.importorskip("torch", reason="torch is not installed")
    t = torch.arange(3.0)
    x = tnp.from_dlpack(t)
    t[0] = 9.0
    assert x[0].item() == 9.0
    back = torch.from_dlpack(tg.tensor([1.0, 2.0]))
    assert back.tolist() == [1.0, 2.0]
    with pytest.raises(DTypeError, match=r"bfloat16\): convert it"):
        tnp.from_dlpack(t.to(torch.bfloat16))


def test_storing_a_recorded_number_in_an_ndarray_warns(backend, monkeypatch):
    """NumPy asks for float(t) there, as do users who mean it: only the store is told apart."""
    monkeypatch.setattr(methods, "_warned", set())
    w = tg.parameter([1.0, 2.0])
    z = np.zeros(2)
    with tape():
        y = w * 2.0
        with pytest.warns(DetachedWarning, match="made an ndarray at .*test_numpy_writing"):
            z[0] = y[0]
        float(y[0])
        z[1] = w.numpy()[1]
    z[1] = y[1]
    assert z.tolist() == [2.0, 4.0]
