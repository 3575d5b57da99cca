"""Programs: what each kind of step does: RANDOM, GUARD, PYTHON, PRODUCT."""

import gc
import weakref

import numpy as np
import pytest
from building import Building, Program, core, negative_program, run_op, same_bits, steady, tensor

import tapegrad as tg
import tapegrad.numpy as tnp
from tapegrad.engine.dtypes import CODES
from tapegrad.ops.table import OPS

pytestmark = pytest.mark.skipif(
    tg.backend() != "native", reason="programs run on the native engine only"
)


def test_a_python_step_may_write_captured_tensors_and_give_nothing():
    w = tg.parameter(np.ones(3, "f4"))
    view = w.detach()
    b = Building()
    x = b.argument(np.zeros(3, "f4"))
    p = b.captured(w)

    def add(inputs):
        inputs[1].assign(inputs[1] + inputs[0])

    b.step(Program.PYTHON, 0, [x, p], [], (1,), add)
    program = b.program([b.run("add", [x, p], (3,), role="o")])
    version = w.version
    assert program.run([np.full(3, 2.0, "f4")])[0].tolist() == [5.0, 5.0, 5.0]
    assert program.run([w.numpy()])[0].tolist() == [9.0, 9.0, 9.0]  # 3 + (3 + 3): read before
    assert view.tolist() == [1.0, 1.0, 1.0]
    assert w.version > version


@pytest.mark.parametrize("dtype", ["f4", "f8"])
def test_draws_are_those_of_the_generators(dtype):
    live = np.array([9.0, -1.0, 2.0])
    b = Building()
    u, v, m = (b.value((3, 7), d, "o") for d in (dtype, dtype, bool))
    b.step(Program.RANDOM, 0, [], [u], (), (0, 5, live, 1))
    b.step(Program.RANDOM, 1, [], [v], (1.0, 2), (1, 0))
    b.step(Program.RANDOM, 2, [], [m], (0.3,), (1, 7))
    program = b.program([u, v, m])
    code = CODES[np.dtype(dtype)]
    for low in (-1.0, 4.0):
        live[1] = low
        wanted = [np.empty((3, 7), d) for d in (dtype, dtype, bool)]
        data = [core.ffi.cast("void *", a.ctypes.data) for a in wanted]
        core.lib.tg_random_uniform(code, data[0], 21, low, 2.0, 42, 105)
        core.lib.tg_random_normal(code, data[1], 21, 1.0, 2.0, 43, 200)
        core.lib.tg_random_bernoulli(core.ffi.cast("uint8_t *", data[2]), 21, 0.3, 43, 207)
        for found, w in zip(program.run([], (42, 100), (43, 200)), wanted, strict=True):
            assert found.numpy().tobytes() == w.tobytes()
    with pytest.raises(TypeError, match="2 generators"):
        program.run([])


def test_a_guard_stops_the_run_and_says_which():
    p = tg.parameter(np.zeros(2, "f4"))
    p.grad = tg.tensor(np.full(2, 7, "f4"))
    b = Building()
    x = b.argument(np.zeros((), "f4"))
    y = b.run("add", [x, b.captured(p)], (2,), role="o")
    sign = b.run("greater", [x, b.run("negative", [x], ())], (), dtype=bool)
    b.step(Program.GUARD, 0, [sign], (), (True,))
    b.step(Program.GUARD, 0, [x], (), (1,))
    program = b.program([y], [(p, y)])
    assert program.run([np.array(-1, "f4")]) == 3
    assert p.grad.tolist() == [7.0, 7.0]
    assert program.run([np.array(2, "f4")])[0].tolist() == [2.0, 2.0]
    assert p.grad.tolist() == [2.0, 2.0]


def test_a_python_step_gets_tensors_and_gives_one(rng):
    x, w = tensor(rng, 5), tg.parameter(np.ones(5, "f4"))
    seen = []

    def cube(inputs):
        seen.append(inputs)
        return inputs[0] * inputs[0] * inputs[0] * inputs[1]

    b = Building()
    h = b.run("exp", [b.argument(x)], (5,))
    y = b.planned((5,), "f4")
    b.step(Program.PYTHON, 0, [h, b.captured(w)], [y], (), cube)
    program = b.program([b.run("negative", [y], (5,), role="o")])
    e = tnp.exp(x)
    for _ in range(2):
        same_bits(program.run([x])[0], -(e * e * e * w))
    assert seen[0][1] is w
    program.run([x * 0.0])
    same_bits(seen[0][0], e)  # a copy: later steps do not write it


@pytest.mark.parametrize(
    ("function", "error", "message"),
    [
        (lambda inputs: 1 / 0, ZeroDivisionError, "division"),
        (lambda inputs: None, TypeError, "native Tensor"),
        (lambda inputs: inputs[0].reshape(1, 5), ValueError, "another shape"),
        (lambda inputs: inputs[0].astype("f8"), ValueError, "another shape or dtype"),
    ],
)
def test_a_python_step_that_fails_leaves_a_program_that_runs(function, error, message):
    calls = [function, lambda inputs: inputs[0]]
    b = Building()
    y = b.value((5,), "f4", "o")
    b.step(Program.PYTHON, 0, [b.argument(np.zeros(5, "f4"))], [y], (), lambda i: calls.pop(0)(i))
    program = b.program([y])
    x = np.ones(5, "f4")
    with pytest.raises(error, match=message):
        program.run([x])
    assert program.run([x])[0].tolist() == [1.0] * 5


def test_a_program_may_run_another_and_eager_code_in_a_step():
    inner = negative_program()
    b = Building()
    x, y = b.argument(np.zeros(4, "f4")), b.planned((4,), "f4")
    b.step(Program.PYTHON, 0, [x], [y], (), lambda i: inner.run([i[0] + 1.0])[0])
    program = b.program([b.run("exp", [y], (4,), role="o")])
    x = tg.tensor(np.linspace(0, 1, 4).astype("f4"))
    same_bits(steady(program, [x])[0], tnp.exp(-(x + 1.0)))


def test_cycles_through_a_program_are_collected():
    class Owner:
        def step(self, inputs):
            return inputs[0]

    owner = Owner()
    b = Building()
    y = b.value((), "f4", "o")
    b.step(Program.PYTHON, 0, [b.argument(np.zeros((), "f4"))], [y], (), owner.step)
    owner.program = b.program([y])
    gone = weakref.ref(owner)
    del owner, b
    gc.collect()
    assert gone() is None


ACTIVATIONS = [("tanh", ()), ("relu", ()), ("power_scalar", (2.5,)), ("clip", (-0.5, 0.5))]


@pytest.mark.parametrize("dtype", ["f4", "f8"])
@pytest.mark.parametrize(("activation", "params"), ACTIVATIONS)
@pytest.mark.parametrize(
    ("x_shape", "out"),
    [((8, 16), 10), ((1, 16), 10), ((16,), 5), ((7, 600), 1), ((3, 4, 16), 33), ((3, 1, 16), 9),
     ((0, 4), 3), ((64, 128), 64)],
)  # fmt: skip
def test_linear_with_an_activation_has_the_bits_of_both(
    dtype, activation, params, x_shape, out, rng
):
    x = tensor(rng, *x_shape, dtype=dtype)
    w, bias = tensor(rng, out, x_shape[-1], dtype=dtype), tensor(rng, out, dtype=dtype)
    for extra_in in ([], [bias]):
        b = Building()
        inputs = [b.argument(x), b.captured(w), *[b.captured(t) for t in extra_in]]
        y = b.value((*x_shape[:-1], out), dtype, "o")
        n = len(inputs)
        after = (OPS[activation].id, -1, (n,), n, params)
        b.step(Program.PRODUCT, OPS["linear"].id, inputs, [y], (n,), after)
        program = b.program([y])
        wanted = run_op(activation, run_op("linear", x, w, *extra_in), params=params)
        wide = np.zeros((*x_shape, 2), dtype)
        wide[..., 0] = x.numpy()
        for argument in (x, x, wide[..., 0], x):
            same_bits(program.run([argument])[0], wanted)


@pytest.mark.parametrize("dtype", ["f4", "f8"])
@pytest.mark.parametrize("shapes", [
    ((8, 16), (16, 10)), ((70, 600), (600, 68)), ((1, 16), (16, 10)), ((9, 5), (5, 1)),
    ((16,), (16, 3)), ((3, 4, 16), (3, 16, 5)), ((64, 64), (64, 800)), ((0, 3), (3, 2)),
])  # fmt: skip
@pytest.mark.parametrize(
    ("row", "k", "operands"),
    [("tanh", 0, ("product", None, "other")), ("multiply", 0, ("other", None, "product", None)),
     ("add", -1, ("other", "product")), ("subtract", -1, ("product", "product")),
     ("multiply", -1, ("one", "product")), ("add", -1, ("product", "one"))],
)  # fmt: skip
def test_what_follows_a_product_may_read_more(dtype, shapes, row, k, operands, rng):
    a, c = (tensor(rng, *shape, dtype=dtype) for shape in shapes)
    product = run_op("matmul", a, c)
    b = Building()
    x, w = b.argument(a), b.captured(c)
    one = tensor(rng, dtype=dtype)
    if "one" in operands:
        other = b.captured(one)
    else:
        other = b.run("matmul", [x, w], product.shape, dtype=dtype)
    n = 2 if set(operands) == {"product"} else 3
    inputs = [x, w, other][:n]
    codes = tuple({"product": n, "other": 2, "one": 2, None: None}[o] for o in operands)
    y = b.value(product.shape, dtype, "o")
    b.step(Program.PRODUCT, OPS["matmul"].id, inputs, [y], (2,), (OPS[row].id, k, codes, n, ()))
    program = b.program([y])
    apart = Building()
    ends = [apart.captured(product), apart.captured(one if "one" in operands else product)]
    z = apart.value(product.shape, dtype, "o")
    codes = tuple({"product": 0, "other": 1, "one": 1, None: None}[o] for o in operands)
    apart.group(ends, [z], [(row, k, codes, 2, ())])
    (wanted,) = apart.program([z]).run([])
    for _ in range(3):
        same_bits(program.run([a])[0], wanted)


def product_in_place(row, a, c, other, beside=False):
    """A program of row(other, a @ c) in the place of a copy of other, which is also read later."""
    b = Building()
    x, w = b.argument(a), b.captured(c)
    copy = b.run("negative", [b.captured(other)], other.shape, dtype=other.dtype)
    where = b.values[copy][3]
    y = b.value(other.shape, other.dtype, "p", where + 64 * beside)
    b.bytes += 64 * beside
    then = (OPS[row].id, -1, (2, 3), 3, ())
    b.step(Program.PRODUCT, OPS["matmul"].id, [x, w, copy], [y], (2,), then)
    z = b.run("negative", [y], other.shape, dtype=other.dtype, role="o")
    return b.program([z])


@pytest.mark.parametrize("row", ["add", "multiply"])  # by the tiles; after them
@pytest.mark.parametrize(("dtype", "depth"), [("f4", 512), ("f8", 256)])
def test_a_product_lies_where_the_order_of_arithmetic_lets_it(row, dtype, depth, rng):
    assert Program.DEPTHS[CODES[np.dtype(dtype)]] == depth
    shapes = [(8, 16, 10), (64, depth, 64), (3, 1, 2), (70, 5, 400), (300, 40, 99), (30, 200, 1500)]
    for m, k, n in shapes:
        a, c, other = (tensor(rng, *s, dtype=dtype) for s in ((m, k), (k, n), (m, n)))
        program = product_in_place(row, a, c, other)
        wanted = -run_op(row, -other, a @ c)
        same_bits(program.run([a])[0], wanted)  # the first run has a way of its own
        same_bits(steady(program, [a])[0], wanted)
    for m, k, n, beside in [(8, depth + 1, 10, 0), (1, 5, 4, 0), (4, 5, 1, 0), (8, 16, 10, 1)]:
        a, c, other = (tensor(rng, *s, dtype=dtype) for s in ((m, k), (k, n), (m, n)))
        with pytest.raises(ValueError, match="cannot lie where this input does"):
            product_in_place(row, a, c, other, beside)


def test_a_product_ends_in_a_reduction_of_its_rows_only(rng):
    a, c = tensor(rng, 6, 5), tensor(rng, 5, 4)

    def program(params, shape=(4,), dtype="f4"):
        b = Building()
        outputs = b.value((6, 4), "f4", "o"), b.value(shape, dtype, "o")
        b.step(Program.PRODUCT, OPS["matmul"].id, [b.argument(a), b.captured(c)], outputs, params)
        return b.program(outputs)

    for fold, name in enumerate(["sum", "prod", "max", "min"]):
        for _ in range(3):
            y, total = program((2, fold, 0, 6)).run([a])
            same_bits(y, a @ c)
            same_bits(total, getattr(tnp, name)(a @ c, axis=0))
    same_bits(program((2, 0, 1, 6)).run([a])[1], tnp.mean(a @ c, axis=0))
    for wrong in [(2, 4, 0, 6), (2, -1, 0, 6), (2, 0, 0, 4), (2, 0, 0, -6)]:
        with pytest.raises(ValueError, match="cannot end in this reduction"):
            program(wrong)
    for wrong in [{"shape": (5,)}, {"dtype": "f8"}]:
        with pytest.raises(ValueError, match="cannot end in this reduction"):
            program((2, 0, 0, 6), **wrong)
    with pytest.raises(ValueError, match="and its fold"):
        program((2,))


@pytest.mark.parametrize("dtype", ["f4", "f8"])
@pytest.mark.parametrize(
    "sizes", [(8, 16, 10), (1, 9, 5), (7, 600, 1), (1, 4, 1), (64, 64, 64), (5, 0, 3), (0, 4, 3)]
)
def test_a_matmul_may_have_a_bias(sizes, dtype, rng):
    m, k, n = sizes
    a, c, wide = (tensor(rng, *s, dtype=dtype) for s in ((m, k), (k, n), (2 * n,)))
    for bias in (wide[:n], wide[::2], wide[::-1][:n]):
        b = Building()
        y = b.value((m, n), dtype, "o")
        inputs = b.argument(a), b.captured(c), b.argument(bias)
        b.step(
            Program.PRODUCT, OPS["matmul"].id, inputs, [y], (3,), (OPS["tanh"].id, -1, (3,), 3, ())
        )
        program = b.program([y])
        for _ in range(3):
            same_bits(program.run([a, bias])[0], tnp.tanh(a @ c + bias))


@pytest.mark.parametrize(
    "shapes",
    [
        ((3, 4), (4, 5), (4,)),
        ((3, 4), (4, 5), (1, 5)),
        ((3, 4), (3, 5), (5,)),
        ((2, 3, 4), (4, 5), (5,)),
    ],
)
def test_a_bias_that_does_not_fit_is_refused(shapes, rng):
    b = Building()
    y = b.value((*shapes[0][:-1], 5), "f4", "o")
    ends = [b.captured(tensor(rng, *s)) for s in shapes]
    b.step(Program.PRODUCT, OPS["matmul"].id, ends, [y], (3,))
    with pytest.raises(ValueError, match="the bias does not fit"):
        b.program([y])
