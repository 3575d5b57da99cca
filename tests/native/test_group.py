"""Fused groups: the bits of the rows run one by one, whatever shapes, layouts and dtypes."""

from operator import attrgetter

import numpy as np
import pytest
from building import Building, same_bits, vjp_operands
from cases import ELEMENTWISE, draw, is_shared, run

import tapegrad as tg
import tapegrad.numpy as tnp
from tapegrad.engine import select
from tapegrad.ops.table import OPS

pytestmark = pytest.mark.skipif(
    tg.backend() != "native", reason="programs run on the native engine only"
)

C_ROWS = select._engines["native"].c_rows if "native" in select._engines else ()
ROWS = [op for op in ELEMENTWISE if op.name in C_ROWS]
every_row = pytest.mark.parametrize("op", ROWS, ids=attrgetter("name"))
every_dtype = pytest.mark.parametrize("dtype", ["f4", "f8"])

# Shapes of operands, first to third, and of the result: scalars, odd sizes, rows, empty.
SHAPES = [
    ((), (), ()),
    ((1,), (1,), (1,)),
    ((5,), (), (5,)),
    ((16,), (16,), (1,)),
    ((), (17,), (17,)),
    ((0, 3), (3,), (0, 3)),
    ((4, 7), (7,), (4, 1)),
    ((1, 7), (4, 1), (4, 7)),
    ((40, 33), (33,), (40, 33)),
    ((3, 500, 7), (500, 1), (7,)),
]


def is_logical(op):
    return op.name.startswith("logical")


def operand(op, i, shape, dtype, rng):
    values = draw(op, i, shape, rng)
    if is_logical(op):
        return values > 0
    return values.astype(dtype) if is_shared(op, i) else values


def one_call(op, k, operands, params, out):
    """A group of one instruction over operands (Tensors or None), as a program's run gives it."""
    b = Building()
    present = [x for x in operands if x is not None]
    inputs = [b.argument(x) for x in present]
    y = b.value(out.shape, out.dtype, "o")
    codes = iter(range(len(present)))
    codes = tuple(None if x is None else next(codes) for x in operands)
    b.group(inputs, [y], [(op.name, k, codes, len(inputs), tuple(params))])
    return b.program([y]).run(present)[0]


@every_dtype
@every_row
def test_a_row_alone_has_eagers_bits(op, dtype, rng):
    for shapes in SHAPES:
        arrays = [operand(op, i, s, dtype, rng) for i, s in zip(range(len(op.inputs)), shapes)]
        inputs = [tg.tensor(a) for a in arrays]
        wanted = run(op, *inputs, params=op.params)
        same_bits(one_call(op, -1, inputs, op.params, wanted), wanted)


@every_dtype
@pytest.mark.parametrize("op", [op for op in ROWS if op.is_differentiable], ids=attrgetter("name"))
def test_a_vjp_has_the_bits_of_its_rule(op, dtype, rng):
    for shape in [(), (7,), (16,), (40, 33)]:
        inputs = [tg.tensor(operand(op, i, shape, dtype, rng)) for i in range(len(op.inputs))]
        ct = tg.tensor(rng.normal(size=shape).astype(dtype))
        y = run(op, *inputs, params=op.params)
        for k in range(len(inputs)):
            operands = vjp_operands(op, k, inputs, y)
            if operands is None:
                continue
            wanted = op.vjp(k)(op, k, ct, y, inputs, op.params)
            same_bits(one_call(op, k, [ct, *operands], op.params, wanted), wanted)


class Chain:
    """Random instructions: in eager code, and as the codes of a group."""

    def __init__(self, rng, dtype, shape, n_inputs, layouts):
        self.rng, self.dtype, self.shape = rng, dtype, shape
        self.inputs = []
        for i in range(n_inputs):
            s = shape if i == 0 else self.part_of(shape)
            wide = tg.tensor(rng.uniform(0.5, 2, (*s, 2)).astype(dtype))
            t = wide[..., 0] if layouts and rng.random() < 0.5 else tg.tensor(wide.numpy()[..., 1])
            if layouts and len(s) == 2 and rng.random() < 0.3:
                t = tg.tensor(t.numpy().T.copy()).T
            self.inputs.append(t)
        self.floats = list(range(n_inputs))
        self.bools = []
        self.made = []  # (row, operands)

    def part_of(self, shape):
        """shape with some axes of length 1, or without its first ones."""
        kept = tuple(n if self.rng.random() < 0.6 else 1 for n in shape)
        return kept[self.rng.integers(0, len(shape) + 1) :]

    def add(self):
        rows = [op for op in ROWS if not is_logical(op) or self.bools]
        op = rows[self.rng.integers(len(rows))]
        operands = []
        for i in range(len(op.inputs)):
            wants_bool = is_logical(op) or not is_shared(op, i)
            pool = self.bools if wants_bool else self.floats
            if not pool:
                return
            operands.append(pool[self.rng.integers(len(pool))])
        self.made.append((op, tuple(operands)))
        is_bool = is_logical(op) or op.numpy is np.equal or op.name in BOOL_ROWS
        (self.bools if is_bool else self.floats).append(len(self.inputs) + len(self.made) - 1)

    def eager(self):
        values = list(self.inputs)
        for op, operands in self.made:
            values.append(run(op, *[values[i] for i in operands], params=op.params))
        return values

    def program(self, wanted, values):
        """wanted: which values are outputs, all of the whole shape."""
        b = Building()
        n = len(self.inputs)
        inputs = [b.argument(t) for t in self.inputs]
        outputs = [b.value(self.shape, values[v].dtype, "o") for v in wanted]
        codes = list(range(n)) + [None] * len(self.made)
        for j, v in enumerate(wanted):
            codes[v] = n + j
        free = n + len(wanted)
        calls = []
        for j, (op, operands) in enumerate(self.made):
            if codes[n + j] is None:
                codes[n + j] = free
                free += 1
            operands = tuple(codes[i] for i in operands)
            calls.append((op.name, -1, operands, codes[n + j], tuple(op.params)))
        b.group(inputs, outputs, calls)
        return b.program(outputs)


BOOL_ROWS = {
    "equal", "not_equal", "less", "less_equal", "greater", "greater_equal", "isnan", "isinf",
    "isfinite", "signbit",
}  # fmt: skip


@pytest.mark.parametrize("layouts", [False, True])
@pytest.mark.parametrize(
    "shape", [(), (1,), (9,), (16,), (31,), (3, 5), (64, 33), (5, 3000), (2, 3, 4), (0, 4)]
)
@every_dtype
def test_random_groups_have_eagers_bits(dtype, shape, layouts):
    for seed in range(6):
        rng = np.random.default_rng([seed, len(shape), int(np.prod(shape))])
        chain = Chain(rng, dtype, shape, 4, layouts)
        while len(chain.made) < 30:
            chain.add()
        with np.errstate(all="ignore"):
            values = chain.eager()
        whole = [v for v in range(4, len(values)) if values[v].shape == shape]
        wanted = sorted(rng.choice(whole, min(3, len(whole)), replace=False).tolist())
        if not wanted:
            continue
        program = chain.program(wanted, values)
        for _ in range(2):
            for found, v in zip(program.run(chain.inputs), wanted, strict=True):
                same_bits(found, values[v])
        if not layouts:
            assert program.fallbacks == 0


@pytest.mark.parametrize("shape", [(3, 70001), (3001, 70), (90, 1, 2100), (900, 7, 33)])
def test_large_groups_have_the_same_bits_on_any_number_of_threads(shape):
    rng = np.random.default_rng(3)
    chain = Chain(rng, "f4", shape, 5, True)
    while len(chain.made) < 30:
        chain.add()
    values = chain.eager()
    wanted = [v for v in range(5, len(values)) if values[v].shape == chain.shape][-2:]
    program = chain.program(wanted, values)
    before = tg.get_num_threads()
    try:
        for n in (1, 2):
            tg.set_num_threads(n)
            for found, v in zip(program.run(chain.inputs), wanted, strict=True):
                same_bits(found, values[v])
    finally:
        tg.set_num_threads(before)


def test_a_group_of_more_temporaries_than_slots_fit_the_stack():
    n, count = 40000, 700
    x = tg.tensor(np.linspace(0, 1, n))
    b = Building()
    inputs = [b.argument(x)]
    y = b.value((n,), "f8", "o")
    calls = [("add", -1, (0, 0 if i == 0 else i + 1), i + 2, ()) for i in range(count)]
    total = 2
    for i in range(1, count):  # reads every temporary after all are written
        calls.append(("add", -1, (total, i + 2), count + 1 + i, ()))
        total = count + 1 + i
    calls.append(("square", -1, (total,), 1, ()))
    b.group(inputs, [y], calls)
    (found,) = b.program([y]).run([x])
    terms = [x + x]
    for _ in range(1, count):
        terms.append(x + terms[-1])
    wanted = terms[0]
    for t in terms[1:]:
        wanted = wanted + t
    same_bits(found, wanted * wanted)


@pytest.mark.parametrize("n", [1, 7, 16, 100, 5000])
def test_an_output_may_lie_where_an_input_does(n):
    x = tg.tensor(np.linspace(-1, 1, n).astype("f4"))
    b = Building()
    first = b.run("copy", [b.argument(x)], (n,))
    again = b.value((n,), "f4", "p", 0)  # the place of `first`
    b.group([first], [again], [("tanh", -1, (0,), 1, ())])
    out = b.run("copy", [again], (n,), role="o")
    program = b.program([out])
    for _ in range(2):
        same_bits(program.run([x])[0], run(OPS["tanh"], x))


@every_dtype
def test_floats_do_not_take_the_place_of_a_mask_that_strands_still_read(dtype, rng):
    """exp's calls run apart from the strand of the others, across which the mask has memory."""
    a, b, c = (tg.tensor(rng.standard_normal((64, 64)).astype(dtype)) for _ in range(3))

    def function(a, b, c):
        mask = a == a
        e = tnp.exp(a * b + c)
        u = tnp.where(mask, e, b)
        return tnp.exp(u * c * 0.1) + e

    compiled = tg.compile(function)
    for _ in range(3):
        same_bits(compiled(a, b, c), function(a, b, c))


def test_every_isa_gives_the_same_bits(each_isa):
    rng = np.random.default_rng(5)
    chain = Chain(rng, "f4", (7, 41), 3, True)
    while len(chain.made) < 30:
        chain.add()
    program = None
    bits = set()
    for _ in each_isa():
        values = chain.eager()
        whole = [v for v in range(3, len(values)) if values[v].shape == chain.shape][-3:]
        program = program or chain.program(whole, values)
        bits.add(b"".join(t.numpy().tobytes() for t in program.run(chain.inputs)))
    assert len(bits) == 1


def make_group(calls, shapes=((4,), (4,)), out=(4,)):
    b = Building()
    inputs = [b.argument(np.zeros(s, "f4")) for s in shapes]
    y = b.value(out, "f4", "o")
    b.group(inputs, [y], calls)
    return b.program([y])


@pytest.mark.parametrize(
    ("calls", "message"),
    [
        ([], "is not written"),
        ([("add", -1, (0,), 2, ())], "takes 2 operands, got 1"),
        ([("add", -1, (0, 7), 2, ())], "no such operand"),
        ([("add", -1, (0, 1), 1, ())], "no such operand"),
        ([("add", -1, (0, 3), 2, ())], "no such operand"),
        ([("add", -1, (0, 3), 2, ()), ("add", -1, (0, 1), 3, ())], "before it is written"),
        ([("add", -1, (0, 1), 2, ()), ("add", -1, (0, 1), 2, ())], "is written twice|second time"),
        ([("add", -1, (0, 1), 40, ())], "without gaps"),
        ([("clip", -1, (0,), 2, (1.0,))], "takes 2 params, got 1"),
        ([("less", -1, (0, 1), 2, ())], "another dtype"),
        ([("logical_and", -1, (0, 1), 2, ())], "no kernel for its dtypes"),
        ([("matmul", -1, (0, 1), 2, ())], "no elementwise row"),
        ([("less", 0, (0, 1, None, None), 2, ())], "no kernel"),
        ([("tanh", 0, (0, None, None), 2, ())], "reads operand"),
    ],
)
def test_wrong_groups_are_refused(calls, message):
    with pytest.raises(ValueError, match=message):
        make_group(calls)


@pytest.mark.parametrize(("shapes", "out"), [(((4,), (3,)), (4,)), (((4,), (2, 4)), (4,))])
def test_inputs_that_do_not_broadcast_are_refused(shapes, out):
    with pytest.raises(ValueError, match="does not broadcast"):
        make_group([("add", -1, (0, 1), 2, ())], shapes, out)
