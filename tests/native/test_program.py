"""Programs: eager's bits, places, fresh outputs, in-place state, guards, errors."""

import gc
import threading
import weakref

import numpy as np
import pytest
from building import ASSIGN, Building, Program, allocations, core, steady

import tapegrad as tg
import tapegrad.numpy as tnp
from tapegrad import nn, optim
from tapegrad.engine.dtypes import CODES
from tapegrad.ops.table import OPS

pytestmark = pytest.mark.skipif(
    tg.backend() != "native", reason="programs run on the native engine only"
)


def tensor(rng, *shape, dtype="f4"):
    return tg.tensor(rng.normal(size=shape).astype(dtype))


def same_bits(found, wanted):
    assert found.shape == wanted.shape
    assert found.numpy().tobytes() == wanted.numpy().tobytes()


# --- RUN --------------------------------------------------------------------------------------


def network(b, x, w1, w2):
    """The mean of tanh(x @ w1) @ w2 by RUN steps, with a sum down the columns beside it."""
    h = b.run("matmul", [x, w1], (8, 32))
    a = b.run("tanh", [h], (8, 32))
    y = b.run("matmul", [a, w2], (8, 4))
    columns = b.run("sum", [y], (4,), params=(0, 0), role="o")
    return columns, b.run("mean", [y], (), params=(0, 0, 1), role="o")


def test_run_steps_have_eagers_bits_and_allocate_outputs_only(rng):
    x, w1, w2 = tensor(rng, 8, 16), tensor(rng, 16, 32), tensor(rng, 32, 4)
    b = Building()
    outputs = network(b, b.argument(x), b.captured(w1), b.captured(w2))
    program = b.program(outputs)
    y = tnp.tanh(x @ w1) @ w2
    for found, wanted in zip(steady(program, [x]), (y.sum(0), y.mean()), strict=True):
        same_bits(found, wanted)
    before, fallbacks = allocations(), program.fallbacks
    for _ in range(10):
        program.run([x])
    assert allocations() == before
    assert program.fallbacks == fallbacks


def layouts(rng, *shape):
    """The same values as a Tensor and as ndarrays of several layouts."""
    base = rng.normal(size=shape).astype("f4")
    wide = np.zeros((*shape, 3), "f4")
    wide[..., 1] = base
    record = np.zeros(shape, np.dtype([("a", "i1"), ("x", "f4")]))
    record["x"] = base
    return [tg.tensor(base), base, wide[..., 1], np.asfortranarray(base), record["x"]]


def test_arguments_of_any_layout_give_the_same_bits(rng):
    arguments = layouts(rng, 6, 10)
    w = tensor(rng, 10, 5)
    b = Building()
    x, w_ = b.argument(arguments[0]), b.captured(w)
    flat = b.run("reshape", [x], (60,), params=(60,), role="v")  # a view, or a copy
    total = b.run("sum", [flat], (), params=(0, 0), role="o")
    turned = b.run("transpose", [x], (10, 6), params=(1, 0), role="v")
    columns = b.run("sum", [turned], (6,), params=(0, 0), role="o")
    y = b.run("matmul", [x, w_], (6, 5), role="o")
    z = b.run("exp", [turned], (10, 6), role="o")
    program = b.program([total, columns, y, z])
    found = [b"".join(t.numpy().tobytes() for t in program.run([a])) for a in arguments * 2]
    assert len(set(found)) == 1
    x = arguments[0]
    wanted = [x.reshape(60).sum(), x.T.sum(0), x @ w, tnp.exp(x.T)]
    assert found[0] == b"".join(t.numpy().tobytes() for t in wanted)


def test_a_row_that_asks_for_scratch_first_still_writes_its_place(rng):
    """mean over an axis of a transposed value copies it before it asks for its result."""
    x = tensor(rng, 12, 7)
    b = Building()
    first = b.run("copy", [b.argument(x)], (12, 7))
    turned = b.run("transpose", [first], (7, 12), params=(1, 0), role="v")
    out = b.value((7, 12), "f4", "p", 0)  # in the place of what it reads
    b.step(Program.RUN, OPS["softmax"].id, [turned], [out], (1,))
    program = b.program([out])
    for _ in range(3):
        same_bits(program.run([x])[0], run_op("softmax", x.T, params=(1,)))


def run_op(name, *inputs, params=()):
    return core.apply(OPS[name].id, inputs, params)


def test_outputs_are_fresh():
    x = tg.tensor(np.ones(4, "f4"))
    b = Building()
    i = b.argument(x)
    y = b.run("exp", [i], (4,), role="o")
    held = b.captured(x)
    view = b.run("reshape", [i], (2, 2), params=(2, 2), role="v")
    program = b.program([y, y, held, view])
    first = program.run([x])
    second = program.run([x * 2.0])
    assert len({t.handle for t in first + second}) == 8
    assert len({t.numpy().ctypes.data for t in first + second}) == 8
    same_bits(first[0], tnp.exp(x))
    same_bits(first[1], tnp.exp(x))
    same_bits(second[0], tnp.exp(x * 2.0))
    same_bits(first[2], x)
    assert first[3].tolist() == [[1.0, 1.0], [1.0, 1.0]]
    assert second[3].tolist() == [[2.0, 2.0], [2.0, 2.0]]


def test_captured_arrays_are_read_anew(rng):
    a = rng.normal(size=5).astype("f4")
    b = Building()
    y = b.run("negative", [b.array(a)], (5,), role="o")
    program = b.program([y])
    assert program.run([])[0].tolist() == (-a).tolist()
    a *= 2
    assert program.run([])[0].tolist() == (-a).tolist()


def test_a_captured_parameter_is_written_in_place():
    p = tg.parameter(np.ones(3, "f4"))
    b = Building()
    x = b.argument(p)
    held = b.captured(p)
    more = b.run("add", [held, x], (3,))
    b.step(Program.RUN, ASSIGN, [held, more], [b.value((3,), "f4", "v")])
    program = b.program()
    program.run([tg.tensor(np.full(3, 2, "f4"))])
    assert p.tolist() == [3.0] * 3
    program.run([p])  # the argument is the parameter itself
    assert p.tolist() == [6.0] * 3


def test_writing_a_parameter_makes_older_tapes_stale():
    p = tg.parameter(np.ones(3, "f4"))
    b = Building()
    held = b.captured(p)
    b.step(Program.RUN, ASSIGN, [held, b.argument(p)], [b.value((3,), "f4", "v")])
    program = b.program()
    with tg.tape() as t:
        y = (p * p).sum()
    program.run([np.zeros(3, "f4")])
    with pytest.raises(tg.StaleValueError):
        t.gradient(y, p)


# --- gradients, optimizers --------------------------------------------------------------------


def test_gradients_replace_those_of_the_run_before(rng):
    p = tg.parameter(np.ones(4, "f4"))
    x = tensor(rng, 4)
    b = Building()
    g = b.run("multiply", [b.argument(x), b.captured(p)], (4,), role="o")
    program = b.program([g], [(p, g)])
    for _ in range(2):
        (found,) = program.run([x])
        same_bits(p.grad, x)
        same_bits(found, x)
    before = allocations()
    program.run([x])
    assert allocations() == before


HYPER = {
    "sgd": (0.1, 0.9, 0.0, 0.01, 0.0, 0.0),
    "adam": (0.01, 0.9, 0.999, 1e-8, 0.0, 0.0, 1.0, 0.0),
}


@pytest.mark.parametrize("dtype", ["f4", "f8"])
@pytest.mark.parametrize("kind", ["sgd", "adam"])
def test_an_optimizer_step_has_eagers_bits(kind, dtype, rng):
    shapes = [(3, 5), (7,), (100, 100)]
    n_states = {"sgd": 1, "adam": 3}[kind]
    values = [rng.normal(size=s).astype(dtype) for s in shapes]
    eager = [tg.parameter(v) for v in values]
    if kind == "sgd":
        optimizer = optim.SGD(eager, lr=0.1, momentum=0.9, weight_decay=0.01)
    else:
        optimizer = optim.Adam(eager, lr=0.01, amsgrad=True)
    params = [tg.parameter(v) for v in values]
    states = [[tg.tensor(np.zeros_like(v)) for _ in range(n_states)] for v in values]
    hyper, steps = np.array(HYPER[kind]), np.zeros(5, "i8")
    b = Building()
    inputs = []
    for p, state in zip(params, states, strict=True):
        inputs += [b.captured(p), b.argument(p), *[b.captured(s) for s in state]]
    op = {"sgd": 0, "adam": 1}[kind]
    b.step(Program.OPTIM, op, inputs, (), (n_states, 0, 2, 4), (hyper, steps))
    program = b.program()
    for i in range(4):
        grads = [rng.normal(size=s).astype(dtype) for s in shapes]
        if i == 2:
            optimizer.lr = hyper[0] = 0.5
        for p, g in zip(eager, grads, strict=True):
            p.grad = tg.tensor(g)
        optimizer.step()
        # a gradient of another layout
        program.run([np.asfortranarray(g) for g in grads])
    assert steps.tolist() == [4, 0, 4, 0, 4]
    for p, q in zip(eager, params, strict=True):
        same_bits(q, p)


# --- RANDOM, GUARD, PYTHON, LINEAR ------------------------------------------------------------


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


ACTIVATIONS = [("tanh", ()), ("relu", ()), ("leaky_relu", (0.1,)), ("clip", (-0.5, 0.5))]


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
        step = (OPS["linear"].id, inputs, [y], (), (OPS[activation].id, params))
        b.step(Program.LINEAR, *step)
        program = b.program([y])
        wanted = run_op(activation, run_op("linear", x, w, *extra_in), params=params)
        wide = np.zeros((*x_shape, 2), dtype)
        wide[..., 0] = x.numpy()
        for argument in (x, x, wide[..., 0], x):
            same_bits(program.run([argument])[0], wanted)


# --- a whole step -----------------------------------------------------------------------------


def test_a_training_step_by_hand_has_eagers_bits(rng):
    """Linear, tanh, linear, mean of squares; backward by vjps and products; SGD."""
    eager = [tg.parameter(rng.normal(size=s).astype("f4") * 0.3) for s in ((32, 16), (4, 32))]
    params = [tg.parameter(p.numpy()) for p in eager]
    batches = [(tensor(rng, 8, 16), tensor(rng, 8, 4)) for _ in range(10)]
    b = Building()
    x, t = b.argument(batches[0][0]), b.argument(batches[0][1])
    w1, w2 = (b.captured(p) for p in params)
    a = b.planned((8, 32), "f4")
    b.step(Program.LINEAR, OPS["linear"].id, [x, w1], [a], (), (OPS["tanh"].id, ()))
    y = b.run("linear", [a, w2], (8, 4))
    error, squares = b.planned((8, 4), "f4"), b.planned((8, 4), "f4")
    b.group(
        [y, t], [error, squares], [("subtract", -1, (0, 1), 2, ()), ("square", -1, (2,), 3, ())]
    )
    loss = b.run("mean", [squares], (), params=(0, 0, 1), role="o")
    scale = b.array(np.array(1 / 32, "f4"))
    dy = b.planned((8, 4), "f4")
    b.group([error, scale], [dy], [("square", 0, (1, 0, None), 2, ())])
    dyt = b.run("transpose", [dy], (4, 8), params=(1, 0), role="v")
    dw2 = b.run("matmul", [dyt, a], (4, 32), role="o")
    da = b.run("matmul", [dy, w2], (8, 32))
    dh = b.planned((8, 32), "f4")
    b.group([da, a], [dh], [("tanh", 0, (0, None, 1), 2, ())])
    dht = b.run("transpose", [dh], (32, 8), params=(1, 0), role="v")
    dw1 = b.run("matmul", [dht, x], (32, 16), role="o")
    hyper, steps = np.array([0.1, 0, 0, 0, 0, 0]), np.zeros(2, "i8")
    b.step(Program.OPTIM, 0, [w1, dw1, w2, dw2], (), (0,), (hyper, steps))
    program = b.program([loss], [(params[0], dw1), (params[1], dw2)])
    optimizer = optim.SGD(eager, lr=0.1)
    for x_, t_ in batches:
        with tg.tape() as tape:
            wanted = nn.functional.mse_loss(tnp.tanh(x_ @ eager[0].T) @ eager[1].T, t_)
        optimizer.zero_grad()
        tape.backward(wanted)
        optimizer.step()
        (found,) = program.run([x_, t_])
        same_bits(found, wanted)
        for p, q in zip(params, eager, strict=True):
            same_bits(p, q)
            same_bits(p.grad, q.grad)
    before, fallbacks = allocations(), program.fallbacks
    program.run([x_, t_])
    assert allocations() == before
    assert program.fallbacks == fallbacks


# --- what goes wrong --------------------------------------------------------------------------


def negative_program():
    b = Building()
    return b.program([b.run("negative", [b.argument(np.zeros(4, "f4"))], (4,), role="o")])


@pytest.mark.parametrize(
    ("inputs", "error", "message"),
    [
        ([], TypeError, "list of 1"),
        ((np.ones(4, "f4"),), TypeError, "list of 1"),
        ([tg.tensor(np.ones(5, "f4"))], ValueError, "another shape"),
        ([tg.tensor(np.ones(4, "f8"))], ValueError, "another shape or dtype"),
        ([np.ones((4, 1), "f4")], ValueError, "another shape"),
        ([np.ones(4, ">f4")], TypeError, "native byte order"),
        ([np.array(["a"] * 4)], TypeError, "numeric ndarrays"),
        ([[1.0] * 4], TypeError, "native Tensors and ndarrays"),
    ],
)
def test_wrong_inputs_are_refused_and_the_program_runs_on(inputs, error, message):
    program = negative_program()
    with pytest.raises(error, match=message):
        program.run(inputs)
    assert program.run([np.ones(4, "f4")])[0].tolist() == [-1.0] * 4


def one_value(role, where, shape=(4,), code=0):
    return [[(code, shape, role, where)], [], [], [], 64, 0, 1]


NEGATIVE = OPS["negative"].id
TWO = [(0, (4,), "i", 0), (0, (4,), "p", 0)]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (one_value("i", 1), "no such argument"),
        (one_value("i", -1), "can't convert negative"),
        (one_value("p", 8), "not in the block"),
        (one_value("p", 64), "not in the block"),
        (one_value("p", 0, (17,)), "not in the block"),
        (one_value("x", 0), "no role 'x'"),
        (one_value("c", np.zeros(4)), "native Tensor"),
        (one_value("c", tg.tensor(np.zeros(4))), "captured Tensor is another"),
        (one_value("p", 0, (-1,)), "negative or too large"),
        (one_value("p", 0, (2**40, 2**40)), "negative or too large"),
        (one_value("p", 0, (4,), 77), "no such dtype"),
        (one_value("o", 0), "no step makes"),
        ([TWO, [(9, 0, (0,), (1,), (), None)], [], [], 64, 0, 1], "no such kind"),
        ([TWO, [(0, 9999, (0,), (1,), (), None)], [], [], 64, 0, 1], "no such row"),
        ([TWO, [(0, NEGATIVE, (0, 0), (1,), (), None)], [], [], 64, 0, 1], "number of inputs"),
        ([TWO, [(0, NEGATIVE, (2,), (1,), (), None)], [], [], 64, 0, 1], "no value 2"),
        ([TWO, [(0, NEGATIVE, (1,), (1,), (), None)], [], [], 64, 0, 1], "before a step"),
        ([TWO, [(0, NEGATIVE, (0,), (0,), (), None)], [], [], 64, 0, 1], "cannot make value 0"),
        ([TWO, [(0, NEGATIVE, (0,), (1,), (), None)] * 2, [], [], 64, 0, 1], "cannot make value 1"),
        ([TWO, [(4, 0, (0,), (), (), None)], [], [], 64, 0, 1], "one number"),
        ([TWO, [(5, 0, (0,), (1,), (), None)], [], [], 64, 0, 1], "callable"),
        ([TWO, [(3, 7, (), (1,), (0.0, 1.0), (0, 0))], [], [], 64, 0, 1], "no such draw"),
        ([TWO, [(2, 0, (0,), (), (0,), None)], [], [], 64, 0, 1], "do not fit"),
        ([TWO, [], [2], [], 64, 0, 1], "no such output"),
        ([TWO, [(1,)], [], [], 64, 0, 1], "a step is"),
        ([[(1, 2)], [], [], [], 64, 0, 1], "a value is"),
        ([[], [], [], [], -1, 0, 1], "negative or too large"),
    ],
)
def test_wrong_programs_are_refused(arguments, message):
    with pytest.raises((ValueError, OverflowError), match=message):
        Program(*arguments)


def test_a_row_that_gives_another_shape_is_an_error():
    b = Building()
    program = b.program([b.run("negative", [b.argument(np.zeros(4, "f4"))], (2, 2), role="o")])
    with pytest.raises(ValueError, match="step 0, negative, gives another shape"):
        program.run([np.ones(4, "f4")])


def test_a_row_without_kernel_for_its_dtype_is_an_error():
    b = Building()
    out = b.run("exp", [b.argument(np.zeros(4, "i8"))], (4,), "i8", role="o")
    with pytest.raises(ValueError, match="exp has no C kernel"):
        b.program([out]).run([np.ones(4, "i8")])


def test_a_program_that_runs_already_says_so():
    b = Building()
    y = b.value((), "f4", "o")
    again = []

    def call(inputs):
        with pytest.raises(tg.TapeError, match="running already"):
            program.run(again)
        return inputs[0]

    b.step(Program.PYTHON, 0, [b.argument(np.zeros((), "f4"))], [y], (), call)
    program = b.program([y])
    again.append(np.ones((), "f4"))
    assert program.run(again)[0].tolist() == 1.0


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


def test_threads_run_different_programs_over_shared_parameters(rng):
    w = tensor(rng, 64, 64)
    x = tensor(rng, 200, 64)
    wanted = tnp.tanh(x @ w)

    def work():
        b = Building()
        y = b.value((200, 64), "f4", "o")
        h = b.run("matmul", [b.argument(x), b.captured(w)], (200, 64))
        b.group([h], [y], [("tanh", -1, (0,), 1, ())])
        program = b.program([y])
        for _ in range(50):
            same_bits(program.run([x])[0], wanted)
        done.append(True)

    done = []
    threads = [threading.Thread(target=work) for _ in range(4)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert len(done) == 4
