"""A recorded step as a program: eager's bits, planned memory, errors."""

import numpy as np
import pytest

import tapegrad as tg
import tapegrad.numpy as tnp

core = pytest.importorskip("tapegrad._core", reason="the C core is not built")

pytestmark = pytest.mark.skipif(
    tg.backend() != "native", reason="programs run on the native engine only"
)


def make_parameters():
    rng = np.random.default_rng(1)
    return [
        tg.parameter(rng.normal(size=s).astype("f4") * 0.3)
        for s in ((16, 32), (32,), (32, 4), (4,))
    ]


def step(parameters, x, y):
    w1, b1, w2, b2 = parameters
    with tg.tape() as t:
        error = tnp.tanh(x @ w1 + b1) @ w2 + b2 - y
        loss = (error * error).mean()
    for p, g in zip(parameters, t.gradient(loss, parameters), strict=True):
        p.assign(p - 0.01 * g)
    return loss


def batches(n):
    rng = np.random.default_rng(0)
    return [
        [tg.tensor(rng.normal(size=s).astype("f4")) for s in ((8, 16), (8, 4))] for _ in range(n)
    ]


def record(function, inputs):
    core.trace_begin()
    try:
        out = function(*inputs)
    except BaseException:
        core.trace_end(None, None)
        raise
    return core.trace_end(inputs, [out]), out


def test_a_replayed_training_step_has_the_bits_of_eager():
    data = batches(20)
    eager = make_parameters()
    losses = [step(eager, x, y).item() for x, y in data]
    replayed = make_parameters()
    program, first = record(lambda x, y: step(replayed, x, y), data[0])
    again = [first.item()] + [program.run(batch)[0].item() for batch in data[1:]]
    assert losses == again
    for p, q in zip(eager, replayed, strict=True):
        np.testing.assert_array_equal(p.numpy(), q.numpy())


def test_steady_runs_allocate_outputs_only():
    data = batches(2)
    parameters = make_parameters()
    program, _ = record(lambda x, y: step(parameters, x, y), data[0])
    for _ in range(3):
        program.run(data[1])
    before = core.lib.tg_pool_system_calls(), core.lib.tg_pool_live_bytes()
    for _ in range(10):
        program.run(data[1])
    assert (core.lib.tg_pool_system_calls(), core.lib.tg_pool_live_bytes()) == before
    assert 0 < program.planned_bytes < 64 * 1024


def test_dead_steps_are_not_run():
    x = tg.tensor(np.ones(4, "f4"))
    program, _ = record(lambda x: (tnp.exp(x), x + 1.0)[1], [x])
    assert len(program) == 1


def test_outputs_are_fresh():
    x = tg.tensor(np.ones(4, "f4"))
    program, _ = record(lambda x: x + 1.0, [x])
    (first,) = program.run([x])
    (second,) = program.run([x * 2.0])
    assert first.tolist() == [2.0] * 4
    assert second.tolist() == [3.0] * 4


@pytest.mark.parametrize(
    ("inputs", "error", "message"),
    [
        ([], TypeError, "list of 1"),
        ([tg.tensor(np.ones(5, "f4"))], ValueError, "another shape"),
        ([tg.tensor(np.ones(4, "f8"))], ValueError, "another shape or dtype"),
        ([np.ones(4)], TypeError, "native Tensors"),
    ],
)
def test_wrong_inputs_are_refused(inputs, error, message):
    program, _ = record(lambda x: x + 1.0, [tg.tensor(np.ones(4, "f4"))])
    with pytest.raises(error, match=message):
        program.run(inputs)


def test_an_op_without_c_kernel_has_no_program():
    with pytest.raises(ValueError, match="without C kernel"):
        record(lambda x: x + 1, [tg.tensor(np.ones(4, "i8"))])
