"""Programs: eager's bits, places, fresh outputs, in-place state, whole steps, threads."""

import threading

import numpy as np
import pytest
from building import ASSIGN, Building, Program, allocations, run_op, same_bits, steady, tensor

import tapegrad as tg
import tapegrad.numpy as tnp
from tapegrad import nn, optim
from tapegrad.ops.table import OPS

pytestmark = pytest.mark.skipif(
    tg.backend() != "native", reason="programs run on the native engine only"
)


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
    b.step(Program.PRODUCT, OPS["linear"].id, [x, w1], [a], (2,), (OPS["tanh"].id, -1, (2,), 2, ()))
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
