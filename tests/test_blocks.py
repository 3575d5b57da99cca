"""Sweeps in blocks of cotangents give what one sweep per cotangent gives, for every row."""

import importlib
from operator import attrgetter

import numpy as np
import pytest
from cases import DIFFERENTIABLE, SHAPES, examples, floats, run

import tapegrad as tg
from tapegrad import tape
from tapegrad.engine.select import engine

N = 3  # cotangents in a block


def recorded(op, inputs, params):
    """(tape, floating inputs as watched Tensors, output) of one op on values it is smooth at."""
    tensors = [tg.tensor(x) for x in inputs]
    with tape(persistent=True) as t:
        xs = [t.watch(tensors[i]) for i in floats(inputs)]
        y = run(op, *tensors, params=params)
    return t, xs, y


def like(rng, x):
    """A block of N random arrays shaped like x, one of them zero."""
    block = rng.uniform(-1, 1, (N, *x.shape)).astype(x.dtype)
    block[1] = 0
    return tg.tensor(block)


def assert_rows(op, block, rows, where):
    for b, row in enumerate(rows):
        assert (block is None) == (row is None), f"{op.name}, {where}"
        if row is not None:
            assert block.shape == (N, *row.shape), f"{op.name}, {where}"
            np.testing.assert_allclose(
                block.numpy()[b], row.numpy(), rtol=1e-12, atol=1e-13, err_msg=f"{op.name} {where}"
            )


@pytest.mark.parametrize("op", DIFFERENTIABLE, ids=attrgetter("name"))
def test_blocks_are_the_rows_one_by_one(op, backend, rng):
    for inputs, params in examples(op, "f8", rng):
        t, xs, y = recorded(op, inputs, params)
        if not xs or y.dtype.kind != "f":
            continue
        sweep, push = t._tape.sweep, t._tape.push
        cts = like(rng, y)
        for _ in range(2):  # by the rules in Python, then by the templates they left
            block = sweep([y], [cts], xs, N)
            rows = [sweep([y], [cts[b]], xs) for b in range(N)]
            for k in range(len(xs)):
                assert_rows(op, block[k], [row[k] for row in rows], f"vjp {k} of {params}")
        for k, x in enumerate(xs):
            ts = like(rng, x)
            (block,) = push([x], [ts], [y], N)
            rows = [push([x], [ts[b]], [y])[0] for b in range(N)]
            assert_rows(op, block, rows, f"jvp {k} of {params}")


def test_the_same_operand_twice(backend, rng):
    x = tg.tensor(rng.uniform(1, 2, 4))
    with tape(persistent=True) as t:
        t.watch(x)
        y, z = x * x, x * tg.tensor([1.0, 2, 3, 4])
    cts = like(rng, y)
    for target, slope in ((y, 2 * x), (z, [1.0, 2, 3, 4]), (y, 2 * x)):
        (block,) = t._tape.sweep([target], [cts], [x], N)
        np.testing.assert_allclose(block, cts * slope)


def test_a_rule_that_asks_for_values_runs_row_by_row(backend, rng):
    blocks = tg.engine.select.blocks()

    def rule(op, i, ct, out, inputs, params):
        return tg.tensor(2 * ct.numpy())

    cts = like(rng, np.zeros((2, 4)))
    got = blocks.run_rule(rule, None, 0, cts, None, (), (), N)
    np.testing.assert_array_equal(got, 2 * cts.numpy())


def test_an_op_without_a_form_runs_row_by_row(backend, rng):
    blocks = tg.engine.select.blocks()
    op = tg.ops.table.OPS["take"]
    positions = blocks.Block(tg.tensor(rng.integers(0, 4, (N, 2))))
    x = blocks.Block(like(rng, np.zeros(4)))
    got = blocks.apply_to_blocks(op, (x, positions), (0,)).value
    for b in range(N):
        want = x.value.numpy()[b][positions.value.numpy()[b]]
        np.testing.assert_array_equal(got.numpy()[b], want)


def test_every_form_belongs_to_a_row():
    pytest.importorskip("scipy", reason="SciPy is not installed: its rows are not in the table")
    for module in ("numpy.linalg", "numpy.fft", "scipy.linalg"):  # they add rows as they load
        importlib.import_module(f"tapegrad.{module}")
    blocks = tg.engine.select.blocks()
    assert set(blocks._FORMS) <= set(tg.ops.table.OPS)


def test_shapes_are_of_one_row(backend):
    blocks = tg.engine.select.blocks()
    for shape in SHAPES:
        block = blocks.Block(tg.tensor(np.zeros((N, *shape))))
        assert (block.shape, block.ndim, block.size) == (shape, len(shape), int(np.prod(shape)))
    assert engine().name == backend
