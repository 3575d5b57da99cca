"""Strands of a group: cheap rows whose values stay in registers, in every form, over special
values: the bits of the rows run one by one."""

from itertools import product
from operator import attrgetter

import numpy as np
import pytest
from building import Building, same_bits, vjp_operands
from cases import ELEMENTWISE, SPECIAL, run

import tapegrad as tg
from tapegrad.engine import select

pytestmark = pytest.mark.skipif(
    tg.backend() != "native", reason="programs run on the native engine only"
)

C_ROWS = select._engines["native"].c_rows if "native" in select._engines else ()
ROWS = [op for op in ELEMENTWISE if op.name in C_ROWS and not op.name.startswith("logical")]
every_row = pytest.mark.parametrize("op", ROWS, ids=attrgetter("name"))
every_dtype = pytest.mark.parametrize("dtype", ["f4", "f8"])
NEGATIVE = next(op for op in ROWS if op.name == "negative")


def special_values(dtype):
    """Two arrays of every pair of special values, a nan with another sign and payload among them,
    three times over: enough for strands, and a rest."""
    odd = np.array([np.nan], dtype)
    odd.view(f"u{odd.itemsize}")[0] |= 1 << (8 * odd.itemsize - 1) | 5
    values = np.concatenate([np.array(SPECIAL, dtype), odd])
    return [np.array(a, dtype) for a in zip(*list(product(values, values)) * 3)]


class Strand:
    """Calls, each of which is followed by what it computes in eager code."""

    def __init__(self, arrays, n_outputs):
        self.b = Building()
        self.arrays = arrays
        self.n = len(arrays)
        self.inputs = [self.b.argument(a) for a in arrays]
        self.calls = []
        self.wanted = []
        self.free = self.n + n_outputs

    def negative(self, operand):
        """A temporary that lies in the registers for the next call."""
        self.free += 1
        self.calls.append(("negative", -1, (operand,), self.free - 1, ()))
        return self.free - 1

    def output(self, op, k, operands, params, wanted):
        self.calls.append((op.name, k, tuple(operands), self.n + len(self.wanted), tuple(params)))
        self.wanted.append(wanted)

    def check(self):
        outputs = [self.b.value(w.shape, w.dtype, "o") for w in self.wanted]
        assert self.free >= self.n + len(outputs)
        self.b.group(self.inputs, outputs, self.calls)
        for found, wanted in zip(self.b.program(outputs).run(self.arrays), self.wanted):
            same_bits(found, wanted)


def arrangements(n_floats):
    """Which float operands of a row are the value in the registers (True), or the other."""
    return [a for a in product([True, False], repeat=n_floats) if any(a)]


@every_dtype
@every_row
def test_a_row_in_a_strand_has_eagers_bits(op, dtype, each_isa):
    a, b = special_values(dtype)
    mask = np.arange(a.size) % 3 == 0
    others = [b, b[:1], b[5:6]]  # whole, one repeated value, another
    n_floats = len(op.inputs) - (op.name == "where")
    for _, other, leads in product(each_isa(), others, [False, True]):
        forms = arrangements(n_floats)
        strand = Strand([tg.tensor(x) for x in (a, other, mask)], len(forms))
        negative = run(NEGATIVE, strand.arrays[0])
        for form in forms:
            held = strand.negative(0)
            operands = [held if is_held else 1 for is_held in form]
            values = [negative if is_held else strand.arrays[1] for is_held in form]
            if op.name == "where":
                operands, values = [2, *operands], [strand.arrays[2], *values]
            if leads:  # the value is read again later: it goes to memory as well
                strand.calls.append(("add", -1, (held, 1), strand.free, ()))
                strand.free += 1
            wanted = run(op, *values, params=op.params)
            strand.output(op, -1, operands, op.params, wanted)
        strand.check()


@every_dtype
@pytest.mark.parametrize("op", [op for op in ROWS if op.is_differentiable], ids=attrgetter("name"))
def test_a_vjp_in_a_strand_has_the_bits_of_its_rule(op, dtype, each_isa):
    pair = [tg.tensor(a) for a in special_values(dtype)]
    mask = tg.tensor(np.arange(pair[0].size) % 3 == 0)
    for _ in each_isa():
        for k, (ct, x) in product(range(len(op.inputs)), [pair, pair[::-1]]):
            ct = run(NEGATIVE, ct)  # the kernels' one nan, as every cotangent that was computed
            inputs = [x, ct, x][: len(op.inputs)]
            if op.name == "where":
                inputs[0] = mask
            operands = vjp_operands(op, k, inputs, x)
            if operands is None:
                continue
            rule = op.vjp(k)
            held_ct, held_x = run(NEGATIVE, ct), run(NEGATIVE, x)
            strand = Strand([ct, x, mask], 3)
            codes = [{id(ct): 0, id(x): 1, id(mask): 2, id(None): None}[id(t)] for t in operands]
            # the cotangent in the registers; what the partial reads there; both the same
            wanted = rule(op, k, held_ct, x, inputs, op.params)
            strand.output(op, k, [strand.negative(0), *codes], op.params, wanted)
            replaced = [held_x if t is x else t for t in inputs]
            wanted = rule(op, k, ct, held_x, replaced, op.params)
            held = strand.negative(1)
            strand.output(op, k, [0, *(held if c == 1 else c for c in codes)], op.params, wanted)
            wanted = rule(op, k, held_x, held_x, replaced, op.params)
            held = strand.negative(1)
            strand.output(op, k, [held, *(held if c == 1 else c for c in codes)], op.params, wanted)
            strand.check()


@pytest.mark.parametrize("n", [127, 255, 256, 257, 511, 512, 513, 1000, 1024, 4097, 33333])
@every_dtype
def test_strands_of_any_length_read_what_they_left_in_memory(n, dtype, each_isa):
    rng = np.random.default_rng(n)
    x, y = (tg.tensor(rng.normal(size=n).astype(dtype)) for _ in range(2))
    three = tg.tensor(np.array(3, dtype))
    b = Building()
    inputs = [b.argument(t) for t in (x, y, three)]
    outputs = [b.value((n,), dtype, "o") for _ in range(2)]
    calls = [
        ("multiply", -1, (0, 2), 5, ()),
        ("subtract", -1, (5, 1), 6, ()),
        ("less", -1, (6, 5), 7, ()),
        ("maximum", -1, (1, 5), 8, ()),
        ("where", -1, (7, 8, 6), 3, ()),
        ("exp", -1, (8,), 9, ()),  # between two strands, both of which read 8
        ("add", -1, (9, 8), 10, ()),
        ("divide", -1, (10, 3), 11, ()),
        ("negative", -1, (6,), 12, ()),  # read by nobody
        ("subtract", -1, (11, 9), 4, ()),
    ]
    b.group(inputs, outputs, calls)
    program = b.program(outputs)
    for _ in each_isa():
        product_ = x * three
        less = product_ - y
        most = tg.numpy.maximum(y, product_)
        first = tg.numpy.where(less < product_, most, less)
        exp = tg.numpy.exp(most)
        found = program.run([x, y, three])
        same_bits(found[0], first)
        same_bits(found[1], (exp + most) / first - exp)
