"""Operands for every row of the op table: what the tests that iterate it loop over."""

import numpy as np

import tapegrad as tg
import tapegrad.ops.decompositions
import tapegrad.ops.fft
import tapegrad.ops.linalg
from tapegrad.engine.select import apply
from tapegrad.ops.table import OPS

ROWS = list(OPS.values())
DIFFERENTIABLE = [op for op in ROWS if op.is_differentiable]
ELEMENTWISE = [op for op in ROWS if op.examples is None]

# Shapes of the operands of an elementwise row: one shape for all, or shapes that broadcast.
SHAPES = [(), (0,), (1,), (7,), (16,), (17,), (33,), (3, 4), (2, 3, 5)]
BROADCAST = [((3, 4), (4,)), ((3, 1), (1, 4)), ((), (7,)), ((2, 1, 5), (3, 1)), ((0, 1), (1, 5))]
SPECIAL = [0.0, -0.0, 1.0, -1.0, 0.5, -2.0, 1e-40, -1e-40, 1e30, -1e30, np.inf, -np.inf, np.nan]


def run(op, *inputs, params=()):
    """The row on operands of any kind."""
    return apply(op.id, inputs, params)


def domains(op):
    """(low, high) of each input."""
    if isinstance(op.domain[0], tuple):
        return op.domain
    return (op.domain,) * len(op.inputs)


def is_shared(op, i):
    """Whether input i has the dtype of the others: a number, not a mask or an index."""
    return op.promotes is None or i in op.promotes


def special_inputs(op, dtype):
    """Every combination of special values, one array per input of an elementwise row."""
    grid = np.meshgrid(*[SPECIAL] * len(op.inputs), indexing="ij")
    return [g.ravel().astype(dtype if is_shared(op, i) else bool) for i, g in enumerate(grid)]


def draw(op, i, shape, rng):
    """Values for input i of an elementwise row, inside its domain."""
    if not is_shared(op, i):
        return rng.integers(0, 2, shape).astype(bool)
    return rng.uniform(*domains(op)[i], shape)


def examples(op, dtype, rng, shapes=None):
    """(inputs, params) of a row: its examples, or arrays of many shapes; floats in dtype."""
    if op.examples is not None:
        found = op.examples(rng)
    else:
        n = len(op.inputs)
        every = [(s,) * n for s in shapes or SHAPES]
        if n > 1 and shapes is None:
            every += [(*pair, *pair)[:n] for pair in BROADCAST]
        found = [([draw(op, i, s, rng) for i, s in enumerate(group)], op.params) for group in every]
    return [([cast(x, dtype) for x in inputs], params) for inputs, params in found]


def cast(x, dtype):
    x = np.asarray(x)
    return x.astype(dtype) if x.dtype.kind == "f" else x


def floats(inputs):
    """Positions of the floating inputs."""
    return [i for i, x in enumerate(inputs) if np.asarray(x).dtype.kind == "f"]


# --- layouts ---------------------------------------------------------------------------------


def _plain(x):
    return tg.tensor(x)


def _strided(x):
    wide = np.zeros((*x.shape[:-1], 2 * x.shape[-1]), x.dtype)
    wide[..., ::2] = x
    return tg.tensor(wide)[..., ::2]


def _reversed(x):
    return tg.tensor(x[..., ::-1])[..., ::-1]


def _transposed(x):
    return tg.tensor(x.T).T


def _offset(x):
    wide = np.zeros((*x.shape[:-1], x.shape[-1] + 3), x.dtype)
    wide[..., 1:-2] = x
    return tg.tensor(wide)[..., 1:-2]


LAYOUTS = {
    "plain": _plain,
    "strided": _strided,
    "reversed": _reversed,
    "transposed": _transposed,
    "offset": _offset,
}


def laid_out(x, layout):
    """A Tensor of x's values in memory of that layout."""
    t = LAYOUTS[layout](x) if x.ndim else tg.tensor(x)
    assert t.shape == x.shape
    return t


def repeated(x):
    """x's first element (along its first axis) everywhere, with stride 0; and as an array."""
    first = x[:1] if x.ndim else x
    return tg.tensor(first), np.broadcast_to(first, x.shape)


# --- comparison ------------------------------------------------------------------------------


def bits(x):
    """The bytes of an array, with every nan the same."""
    x = np.array(x.numpy() if isinstance(x, tg.Tensor) else x)
    if x.dtype.kind == "f":
        x[np.isnan(x)] = np.nan
    return x.tobytes()


def assert_close(op, got, want, inputs, where):
    """got within op.ulp of want: of each element for elementwise rows, of the largest else."""
    got = got.numpy() if isinstance(got, tg.Tensor) else got
    assert got.shape == want.shape, f"{where}: shape {got.shape}, not {want.shape}"
    assert got.dtype == want.dtype, f"{where}: dtype {got.dtype}, not {want.dtype}"
    if want.dtype.kind not in "fc":
        np.testing.assert_array_equal(got, want, where)
        return
    with np.errstate(all="ignore"):
        same = (got == want) | (np.isnan(got) & np.isnan(want))
        unit = np.spacing(np.abs(want))
        if op.examples is not None and want.size:
            sizes = [np.max(np.abs(x)) for x in (want, *inputs) if x.size]
            unit = np.spacing(np.abs(want).dtype.type(max(v for v in (*sizes, 0.0) if v == v)))
        ok = same | (np.abs(got - want) <= op.ulp * unit)
    if not ok.all():
        i = np.unravel_index(np.argmin(ok), ok.shape)
        raise AssertionError(f"{where}: {got[i]!r} at {i}, not {want[i]!r} (allowed: {op.ulp} ulp)")
