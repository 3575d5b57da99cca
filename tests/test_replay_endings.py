"""Reductions as the last step of a fused group: eager's bits, for every fold, shape and layout."""

import numpy as np
import pytest

import tapegrad as tg
import tapegrad.numpy as tnp
from tapegrad import nn
from tapegrad.engine import select
from tapegrad.replay.ir import GROUP, PRODUCT

pytestmark = pytest.mark.skipif(
    tg.backend() != "native", reason="the NumPy engine runs entries as recorded"
)

SHAPES = [  # with the axes that are reduced
    ((), None), ((5,), None), ((1, 7, 1), 1), ((70, 40), None), ((70, 40), 0), ((70, 40), 1),
    ((3, 5, 7), (0, 1)), ((3, 5, 7), (1, 2)), ((40000,), None), ((3, 20000), None),
    ((17, 1000), 1), ((400, 99), 1), ((5000, 7), 1), ((5000, 7), 0), ((130, 512), 0),
    ((2000, 1), 0), ((5000, 3), 0), ((1500, 2, 3), 0), ((16, 3000), 0),
    ((50, 16, 60), (0,)), ((90, 16, 60), (1, 2)),
]  # fmt: skip
BESIDE = [((3, 5, 7), 1), ((40, 1023), 1), ((20, 3000), 0), ((0, 3), 0)]  # no group ends in these
FOLDS = [tnp.sum, tnp.mean, tnp.prod, tnp.max, tnp.min]


def same_bits(found, wanted):
    assert found.shape == wanted.shape
    assert found.dtype == wanted.dtype
    assert found.numpy().tobytes() == wanted.numpy().tobytes()


def kinds(compiled):
    return [e.kind for e in compiled.program.entries]


def data(shape, dtype):
    x = np.random.default_rng(0).normal(size=shape).astype(dtype)
    if x.size > 20:
        x.flat[3], x.flat[11] = -0.0, 0.0
    return x


@pytest.fixture(params=[1, 2])
def threads(request):
    before = tg.get_num_threads()
    tg.set_num_threads(request.param)
    yield
    tg.set_num_threads(before)


UNITS = [  # size, n, cols, and the elements of a unit
    (70, 70, 1, 70), (40000, 40000, 1, 16384), (17000, 1000, 1, 16000), (40920, 1023, 1, 0),
    (15000, 5000, 3, 3072), (45, 15, 3, 45), (60000, 20, 3000, 0), (0, 0, 1, 0), (4, 0, 1, 0),
    (-4, 1, 1, 0), (4, 1, -1, 0), (4, 4, 4, 0), (2**62, 5, 2**61, 0),
]  # fmt: skip


@pytest.mark.parametrize(("size", "n", "cols", "unit"), UNITS, ids=str)
def test_units_are_whole_subtrees_of_the_fold(size, n, cols, unit):
    assert select._core.Program.ending_unit(size, n, cols) == unit


@pytest.mark.parametrize("is_stored", [False, True])
@pytest.mark.parametrize("dtype", ["f4", "f8"])
@pytest.mark.parametrize(("shape", "axis"), [*SHAPES, *BESIDE], ids=str)
def test_a_group_that_ends_in_a_reduction_has_the_bits_of_both(
    shape, axis, dtype, is_stored, threads
):
    x = data(shape, dtype)
    folds = [f for f in FOLDS if x.size or f in (tnp.sum, tnp.prod)]
    for fold in folds:

        def step(x, fold=fold):
            y = x * 1.25 - 0.5
            z = y * y + x
            result = fold(z, axis=axis)
            return (result, z) if is_stored else (result,)

        compiled = tg.compile(step)
        for _ in range(4):
            for found, wanted in zip(compiled(x), step(tg.tensor(x)), strict=True):
                same_bits(found, wanted)
        if not x.size:
            continue
        if (shape, axis) in BESIDE:
            assert kinds(compiled)[1:] == ["op"]
        elif shape != ():
            assert kinds(compiled) == [GROUP]
            assert len(compiled.program.entries[0].outputs) == 1 + is_stored


def test_nans_and_infinities_pass_through(threads):
    x = data((50, 800), "f4")
    x[3, 5], x[7, 9], x[7, 10] = np.nan, np.inf, -np.inf
    for fold in FOLDS:
        for axis in (None, 0, 1):

            def step(x, fold=fold, axis=axis):
                return fold(x * 2.0, axis=axis)

            compiled = tg.compile(step)
            for _ in range(3):
                same_bits(compiled(x), step(tg.tensor(x)))


def test_a_loss_and_its_derivative_read_the_data_once_each():
    def step(x, t):
        with tg.tape() as tape:
            tape.watch(x)
            loss = tnp.mean(tnp.square(x - t))
        return loss, tape.gradient(loss, x)

    x, t = data((300, 90), "f4"), data((300, 90), "f4")[::-1]
    compiled = tg.compile(step)
    for _ in range(4):
        for found, wanted in zip(compiled(x, t), step(tg.tensor(x), tg.tensor(t)), strict=True):
            same_bits(found, wanted)
    first = compiled.program.entries[0]
    assert first.params.op.name == "mean"
    assert "mean(t0" in str(compiled.program)
    assert compiled.memory_plan().bytes <= x.nbytes + 4096  # the squares have no memory


def test_several_reductions_of_one_group():
    def step(x):
        y = tnp.exp(x) * 0.5
        z = y + x
        return y.sum(0), y.mean(1), z.max(), z.sum(0), z

    x = data((64, 33), "f8")
    compiled = tg.compile(step)
    for _ in range(4):
        for found, wanted in zip(compiled(x), step(tg.tensor(x)), strict=True):
            same_bits(found, wanted)
    assert sum(bool(e.params) for e in compiled.program.entries if e.kind == GROUP) == 1


PRODUCTS = [  # of a by b; the last with a vector
    ((6, 5), (5, 4)), ((64, 64), (64, 128)), ((70, 600), (600, 45)), ((2500, 3), (3, 300)),
    ((40, 9), (9, 1)), ((1, 9), (9, 5)), ((3, 4, 5), (5, 6)), ((3, 4, 5), (3, 5, 6)),
    ((64, 7), (7,)), ((0, 3), (3, 2)), ((2, 0), (0, 3)),
]  # fmt: skip


@pytest.mark.parametrize("dtype", ["f4", "f8"])
@pytest.mark.parametrize(("left", "right"), PRODUCTS, ids=str)
def test_a_product_that_ends_in_a_sum_of_its_rows_has_the_bits_of_both(left, right, dtype, threads):
    a, b = data(left, dtype), data(right, dtype)
    axes = tuple(range(max(len(left), len(right)) - 1))
    n_out = len(np.shape(a @ b)) if a.size and b.size else 2

    def step(a, b):
        y, z = a @ b, tnp.tanh(a @ (b * 0.5))
        axis = axes if n_out > 1 else None
        return y, y.sum(axis), z, z.mean(axis) if a.size else z.sum(axis), z.sum(0)

    compiled = tg.compile(step)
    for _ in range(4):
        for found, wanted in zip(compiled(a, b), step(tg.tensor(a), tg.tensor(b)), strict=True):
            same_bits(found, wanted)
    rows, cols = np.prod(np.shape(a @ b)[:-1]), np.shape(a @ b)[-1]
    ended = [e for e in compiled.program.entries if e.kind == PRODUCT and e.extra[1]]
    assert len(ended) == (2 if rows > 1 and cols > 1 and n_out > 1 else 0)
    if ended:
        assert "; v" in str(compiled.program)
        assert "reductions over rows joined" in compiled.explain()


def test_gradients_of_biases_are_made_with_the_products_before_them(threads):
    model, x = nn.MLP(8, [64, 32, 3], "tanh"), data((50, 8), "f4")
    twin = nn.MLP(8, [64, 32, 3], "tanh")
    twin.load_state_dict(model.state_dict())

    def step(net, x):
        with tg.tape():
            loss = tnp.square(net(x)).mean()
        net.zero_grad()
        loss.backward()
        return loss

    compiled = tg.compile(lambda x: step(model, x))
    for _ in range(4):
        same_bits(compiled(x), step(twin, tg.tensor(x)))
        for p, q in zip(model.parameters(), twin.parameters()):
            same_bits(p.grad, q.grad)
    ended = [e for e in compiled.program.entries if e.kind == PRODUCT and e.extra[1]]
    assert [e.extra[1].op.name for e in ended] == ["sum_to", "sum_to"]
