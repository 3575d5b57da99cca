"""Groups of single elements: every row, and every pair and triple of the frequent ones, over
special values: the bits of the rows run one by one."""

from itertools import product
from operator import attrgetter

import numpy as np
import pytest
from building import Building, vjp_operands
from cases import ELEMENTWISE, SPECIAL, run

import tapegrad as tg
from tapegrad.engine import select
from tapegrad.ops.table import OPS

pytestmark = pytest.mark.skipif(
    tg.backend() != "native", reason="programs run on the native engine only"
)

C_ROWS = select._engines["native"].c_rows if "native" in select._engines else ()
ROWS = [op for op in ELEMENTWISE if op.name in C_ROWS]
every_dtype = pytest.mark.parametrize("dtype", ["f4", "f8"])
FREQUENT = {
    "add": ("add", -1),
    "subtract": ("subtract", -1),
    "multiply": ("multiply", -1),
    "zmul": ("zmul", -1),
    "vjp 0": ("multiply", 0),
    "vjp 1": ("multiply", 1),
}


def special_values(dtype, n, size=80):
    """n arrays of special values, a nan with another sign and payload among them."""
    odd = np.array([np.nan], dtype)
    odd.view(f"u{odd.itemsize}")[0] |= 1 << (8 * odd.itemsize - 1) | 5
    values = np.concatenate([np.array(SPECIAL, dtype), odd])
    rng = np.random.default_rng(0)
    return [rng.choice(values, size) for _ in range(n)]


def check(arrays, outputs, wanted, calls):
    """Runs a group of scalars once for each element of the arrays; wanted: Tensors of all."""
    b = Building()
    inputs = [b.argument(np.zeros((), a.dtype)) for a in arrays]
    values = [b.value((), w.dtype, "o") for w in wanted]
    assert len(values) == outputs
    b.group(inputs, values, calls)
    program = b.program(values)
    wanted = [w.numpy() for w in wanted]
    for i in range(arrays[0].size):
        found = program.run([a[i : i + 1].reshape(()) for a in arrays])
        bits = [f.numpy().tobytes() for f in found]
        assert bits == [w[i].tobytes() for w in wanted]


def frequent(name, a, b):
    """The operands of a call, and what it computes of two Tensors in eager code."""
    k = FREQUENT[name][1]
    if k < 0:
        return (a, b)
    return (a, None, b, None) if k == 0 else (a, b, None, None)


def eager(name, a, b):
    row, k = FREQUENT[name]
    return run(OPS[row if k < 0 else "zmul"], a, b)


@every_dtype
@pytest.mark.parametrize("length", [1, 2, 3])
def test_frequent_rows_by_ones_twos_and_threes(length, dtype):
    """Every sequence of rows; each operand but the first pair is the result before it or not."""
    arrays = special_values(dtype, 3, (80, 20, 6)[length - 1])
    x, y, z = (tg.tensor(a) for a in arrays)
    sequences = list(product(product(FREQUENT, ["ab", "ba", "bb"]), repeat=length))
    if length == 3:  # each row, form and neighbour, not each with each
        sequences = sequences[::3]
    for part in range(0, len(sequences), 200):
        calls, wanted = [], []
        chosen = sequences[part : part + 200]
        n_outputs = length * len(chosen) + (len(chosen) if length < 3 else 0)
        for sequence in chosen:
            held, value = 0, x
            for name, form in sequence:
                codes = {"ab": (held, 1), "ba": (1, held), "bb": (2, 1)}[form]
                values = {"ab": (value, y), "ba": (y, value), "bb": (z, y)}[form]
                value = eager(name, *values)
                held = 3 + len(wanted)
                wanted.append(value)
                calls.append((*FREQUENT[name], frequent(name, *codes), held, ()))
            if length < 3:  # something else ends a run of frequent rows
                calls.append(("negative", -1, (held,), 3 + len(wanted), ()))
                wanted.append(-value)
        check(arrays, n_outputs, wanted, calls)


def is_logical(op):
    return op.name.startswith("logical")


@every_dtype
@pytest.mark.parametrize("op", ROWS, ids=attrgetter("name"))
def test_a_row_between_cheap_ones(op, dtype):
    """A call, or a row of the interpreter's, and its vjps; enough cheap rows for it to have any."""
    a, b = special_values(dtype, 2)
    mask, other = np.arange(a.size) % 3 == 0, np.arange(a.size) % 2 == 0
    arrays = [a, b, mask, other]
    tensors = [tg.tensor(v) for v in arrays]
    codes = {"where": [2, 0, 1]}.get(op.name, [2, 3] if is_logical(op) else [0, 1])
    codes = codes[: len(op.inputs)]
    inputs = [tensors[c] for c in codes]
    y = run(op, *inputs, params=op.params)
    rows = [(-1, codes, y)]
    for k in range(len(inputs)) if op.is_differentiable else ():
        y_code = codes[-1]
        operands = vjp_operands(op, k, inputs, inputs[-1])
        if operands is not None:
            ct = run(OPS["negative"], tensors[0])
            read = [None if t is None else c for t, c in zip(operands, [*codes, y_code])]
            wanted = op.vjp(k)(op, k, ct, inputs[-1], inputs, op.params)
            rows.append((k, [None, *read], wanted))
    n_outputs = 2 * len(rows)
    free = 4 + n_outputs
    calls, outputs = [], []
    for k, operands, wanted in rows:
        for _ in range(6):
            calls.append(("negative", -1, (0,), free, ()))
            free += 1
        if k >= 0:
            operands = [free - 1, *operands[1:]]
        calls.append((op.name, k, tuple(operands), 4 + len(outputs), tuple(op.params)))
        outputs.append(wanted)
        # read again by a cheap row, or by one of bools
        again = "logical_not" if wanted.dtype == bool else "absolute"
        calls.append((again, -1, (4 + len(outputs) - 1,), 4 + len(outputs), ()))
        outputs.append(run(OPS[again], wanted))
    check(arrays, n_outputs, outputs, calls)
