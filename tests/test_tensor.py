"""Tensors and parameters as Python objects: made, shown, copied, converted, written."""

import copy
import math
import pickle

import numpy as np
import pytest

import tapegrad as tg
from tapegrad import tape

pytestmark = pytest.mark.usefixtures("backend")

DTYPES = ["f4", "f8", "f2", "?", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "c8", "c16", "g"]


@pytest.mark.parametrize("dtype", DTYPES)
def test_every_dtype_goes_in_and_out(dtype):
    x = np.array([[0, 1, 1], [1, 0, 1]]).astype(dtype)
    t = tg.tensor(x)
    assert (t.dtype, t.shape, t.ndim, t.size) == (x.dtype, (2, 3), 2, 6)
    np.testing.assert_array_equal(t.numpy(), x)
    np.testing.assert_array_equal(t.T[1:].numpy(), x.T[1:])
    np.testing.assert_array_equal((t == t).numpy(), np.ones((2, 3), bool))
    assert t.nbytes == x.nbytes


@pytest.mark.parametrize(
    "make",
    [
        lambda x: x[::2],
        lambda x: x[::-1],
        lambda x: x.reshape(4, 5).T,
        lambda x: np.broadcast_to(x[:1], (3, 1)),
        lambda x: x.astype(">f8"),
        lambda x: x[:0],
        lambda x: np.asfortranarray(x.reshape(4, 5)),
        lambda x: np.rec.fromarrays([x, x], names="a,b")["b"],
        lambda x: x.tolist(),
        lambda x: tuple(x),
        lambda x: float(x[3]),
        lambda x: x[7],
    ],
)
def test_any_array_can_become_a_tensor(make):
    data = make(np.arange(20.0))
    t = tg.tensor(data)
    np.testing.assert_array_equal(t.numpy(), data)
    assert t.dtype == np.float64


def test_tensors_copy_their_data():
    x = np.ones(3)
    t, p = tg.tensor(x), tg.parameter(x)
    x[:] = 5
    assert t.tolist() == p.tolist() == [1.0, 1.0, 1.0]


def test_asarray_passes_tensors_through():
    t = tg.tensor([1.0, 2.0])
    assert tg.asarray(t) is t
    assert tg.asarray(t, "f8") is t
    assert tg.asarray(t, "f4").dtype == np.float32
    assert tg.asarray([1, 2]).dtype == np.int64


def test_repr_says_what_it_is():
    assert repr(tg.tensor([1.0, 2.5])) == "Tensor([1. , 2.5])"
    assert repr(tg.tensor(np.float32(2))) == "Tensor(2., dtype=float32)"
    assert "requires_grad=True" in repr(tg.tensor(1.0, requires_grad=True))
    assert repr(tg.parameter([0.5])).startswith("Parameter([0.5]")
    assert f"{tg.tensor(3.14159):.2f}" == "3.14"


def test_scalars_convert():
    t = tg.tensor(2.5)
    assert (float(t), int(t), t.item(), bool(t), complex(t)) == (2.5, 2, 2.5, True, 2.5 + 0j)
    assert [10, 20, 30][tg.tensor(1)] == 20
    assert math.sqrt(tg.tensor(4.0)) == 2.0
    assert tg.tensor([[7]]).item() == 7
    assert tg.tensor([True]).item() is True
    assert tg.tensor(np.float16(0.5)).item() == 0.5


def test_iteration_gives_rows():
    rows = list(tg.tensor([[1.0, 2.0], [3.0, 4.0]]))
    assert [r.tolist() for r in rows] == [[1.0, 2.0], [3.0, 4.0]]
    a, b = tg.tensor([5.0, 6.0])
    assert (a.item(), b.item()) == (5.0, 6.0)


def test_tensors_hash_by_identity():
    a, b = tg.tensor([1.0]), tg.tensor([1.0])
    assert len({a, b, a}) == 2
    assert (a == b).tolist() == [True]


@pytest.mark.parametrize(
    "make", [copy.copy, copy.deepcopy, lambda t: pickle.loads(pickle.dumps(t))]
)
def test_copies_keep_kind_values_and_requires_grad(make):
    for t in (tg.tensor([1.0, 2.0]), tg.tensor([1.0], requires_grad=True), tg.parameter([3.0])):
        c = make(t)
        assert type(c) is type(t)
        assert c.requires_grad == t.requires_grad
        assert c.tolist() == t.tolist()
        assert c is not t


def test_a_copied_parameter_is_independent():
    p = tg.parameter([1.0])
    q = copy.deepcopy(p)
    q.assign([5.0])
    assert p.tolist() == [1.0]


def test_parameters_are_written_in_three_ways_each_a_new_version():
    p = tg.parameter(np.zeros((2, 2)))
    v = p.version
    p.assign(1.0)
    p[0] = [5.0, 6.0]
    p.data -= 1.0
    assert p.tolist() == [[4.0, 5.0], [0.0, 0.0]]
    p.data = np.eye(2)
    assert p.tolist() == [[1.0, 0.0], [0.0, 1.0]]
    assert p.version >= v + 4


def test_assign_casts_and_broadcasts():
    p = tg.parameter(np.zeros((2, 2), "f4"))
    p.assign(np.array([1, 2]))
    assert p.dtype == np.float32
    assert p.tolist() == [[1.0, 2.0], [1.0, 2.0]]
    p.assign(p * 2)
    p.assign(p.T)
    assert p.tolist() == [[2.0, 2.0], [4.0, 4.0]]


def test_arithmetic_on_parameters_gives_tensors():
    p = tg.parameter([1.0, 2.0])
    for y in (p * 2, p + p, -p, p.T, p[:], p.reshape(2, 1), p.copy(), p.astype("f8"), +p):
        assert type(y) is tg.Tensor
        assert not y.requires_grad


def test_augmented_assignment_rebinds():
    y = x = tg.tensor([1.0])
    y += 1
    assert x.tolist() == [1.0]
    assert y.tolist() == [2.0]


def test_detached_values_are_not_tracked():
    p = tg.parameter([1.0, 2.0])
    with tape() as t:
        d = (p * 2).detach()
        d * 3
    assert len(t) == 1


def test_operators_with_reflected_operands():
    x = tg.tensor([2.0, 4.0])
    assert (1 + x).tolist() == [3.0, 5.0]
    assert (1 - x).tolist() == [-1.0, -3.0]
    assert (8 / x).tolist() == [4.0, 2.0]
    assert (2**x).tolist() == [4.0, 16.0]
    assert (9 // x).tolist() == [4.0, 2.0]
    assert (9 % x).tolist() == [1.0, 1.0]
    assert (np.array([1.0, 1.0]) @ x).item() == 6.0
    assert ([1.0, 1.0] + x).tolist() == [3.0, 5.0]


def test_comparisons_give_bools():
    x = tg.tensor([1.0, 2.0, 3.0])
    assert (x > 2).dtype == bool
    assert (x >= 2).tolist() == [False, True, True]
    assert (x > 2).tolist() == [False, False, True]
    assert (x != x).tolist() == [False] * 3
    assert ((x > 1) & (x < 3) | (x == 1)).tolist() == [True, True, False]
    assert (~(x > 1)).tolist() == [True, False, False]


class Wins:
    """Neither an array nor a number: operators leave it to this class."""

    def __add__(self, other):
        return "Wins"

    __radd__ = __rmatmul__ = __rpow__ = __rmod__ = __rand__ = __add__


class Refuses(Wins):
    """An array that does not want to be taken for one."""

    __array_ufunc__ = None

    def __array__(self, dtype=None, copy=None):
        return np.ones(2)


@pytest.mark.parametrize("other", [Wins(), Refuses()], ids=lambda o: type(o).__name__)
def test_operators_leave_it_to_operands_that_are_no_arrays(other):
    t = tg.tensor([1.0, 2.0])
    assert {t + other, t @ other, t**other, t % other, t & other} == {"Wins"}


def test_nothing_equals_what_is_no_array():
    t = tg.tensor([1.0, 2.0])
    for other in (None, "a", object()):
        assert (t == other) is False
        assert (t != other) is True
        assert other not in [t]


def test_item_takes_an_index_as_ndarrays_does():
    t = tg.tensor([[1.0, 2.0], [3.0, 4.0]])
    assert (t.item(2), t.item(1, 1), t.item((0, 1)), t.item(-1)) == (3.0, 4.0, 2.0, 4.0)


def test_dir_names_the_public_functions_once():
    names = dir(tg)
    assert len(set(names)) == len(names)
    assert set(tg.__all__) <= set(names)
    assert not [name for name in names if name.startswith("_") and name != "__version__"]
