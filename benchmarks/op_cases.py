"""Inputs for timing every op with a C row: elementwise rows from the table, others from here."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

SIZES = (1_000, 100_000, 10_000_000)
DTYPES = ("f4", "f8")


class Call(NamedTuple):
    """One op on one set of inputs."""

    op: str
    arrays: tuple[np.ndarray, ...]
    params: tuple = ()


def _real(*shapes: tuple):
    def make(rng, dtype):
        return tuple(rng.uniform(-2, 2, s).astype(dtype) for s in shapes)

    return make


def _with_index(shape: tuple, index_shape: tuple, high: int):
    def make(rng, dtype):
        index = rng.integers(0, high, index_shape)
        return rng.uniform(-2, 2, shape).astype(dtype), index

    return make


def _indices(lengths: tuple, count: int):
    def make(rng, dtype):
        return tuple(rng.integers(-n, n, count) for n in lengths)

    return make


def _true(shape: tuple, value: bool = True):
    return lambda rng, dtype: (np.full(shape, value),)


def _with_sorted(n: int, count: int):
    def make(rng, dtype):
        return np.sort(rng.uniform(-2, 2, n)).astype(dtype), rng.uniform(-3, 3, count).astype(dtype)

    return make


def _with_labels(*shapes: tuple):
    def make(rng, dtype):
        arrays = tuple(rng.uniform(-2, 2, s).astype(dtype) for s in shapes)
        return (*arrays, rng.integers(0, shapes[-1][1], shapes[-1][0]))

    return make


M = (1000, 1000)
ALL = (0, 0, 1)  # params of a reduction over both axes

# name: how to make its inputs, its params
STRUCTURED = {
    "astype": (_real(M), (1,)),
    "transpose": (_real(M), (1, 0)),
    "reshape": (_real(M), (500, 2000)),
    "broadcast_to": (_real((1000,)), M),
    "slice": (_real(M), (0, 500, 2, 999, 1000, -1)),
    "slice_transpose": (_real((500, 1000)), (0, 500, 2, 999, 1000, -1, *M)),
    "slice_update": (_real(M, (1000, 1)), (0, 1000, 1, 7, 1, 1)),
    "pad": (_real(M), (1, 1, 2, 2, 0.0)),
    "copy": (_real(M), ()),
    "concatenate": (_real(M, M), (1,)),
    "take": (_with_index(M, (1000,), 1000), (0,)),
    "take_transpose": (_with_index((1000, 1000), (1000,), 1000), (0, 1000)),
    "take_along_axis": (_with_index(M, (1000, 10), 1000), (1,)),
    "take_along_axis_transpose": (_with_index((1000, 10), (1000, 10), 1000), (1, 1000)),
    "searchsorted": (_with_sorted(1000, 10_000), (0,)),
    "flat_index": (_indices((1000, 1000), 10_000), (1000, 1000, 0, 1)),
    "sources": (_indices((1000,), 10_000), (1000,)),
    "sum": (_real(M), ALL),
    "mean": (_real(M), ALL),
    "prod": (_real(M), ALL),
    "max": (_real(M), ALL),
    "min": (_real(M), ALL),
    "sum_to": (_real(M), (1000,)),
    "all": (_true(M), ALL),
    "any": (_true(M, False), ALL),
    "argmax": (_real(M), (0, 1)),
    "argmin": (_real(M), (0, 1)),
    "cumsum": (_real(M), (1,)),
    "cumprod": (_real(M), (1,)),
    "recurrence": (_real(M, M), (1, 1)),
    "logsumexp": (_real(M), (0, 1)),
    "softmax": (_real(M), (1,)),
    "softmax_vjp": (_real(M, M), (1,)),
    "log_softmax": (_real(M), (1,)),
    "log_softmax_vjp": (_real(M, M), (1,)),
    "cross_entropy": (_with_labels((10_000, 10)), ()),
    "cross_entropy_vjp": (_with_labels((10_000,), (10_000, 10)), ()),
    "matmul": (_real((256, 256), (256, 256)), ()),
    "correlate": (_real((5000,), (50,)), (49, 5049)),
    "linear": (_real((64, 256), (128, 256), (128,)), ()),
    "stop_gradient": (_real(M), ()),
}


def elementwise_rows() -> list:
    """Rows with a C kernel that work element by element."""
    import tapegrad as tg
    from tapegrad.ops.table import OPS

    c_ops = set(tg.info()["c_ops"])
    return [op for op in OPS.values() if op.name in c_ops and op.examples is None]


def elementwise_call(op, size: int, dtype: str) -> Call:
    """An elementwise row on `size` elements drawn from its domain."""
    rng = np.random.default_rng(0)
    domain = op.domain if isinstance(op.domain[0], tuple) else (op.domain,) * len(op.inputs)
    arrays = []
    for name, (low, high) in zip(op.inputs, domain):
        values = rng.uniform(low, high, size)
        as_bool = op.name.startswith("logical") or (op.name == "where" and name == op.inputs[0])
        arrays.append(values > (low + high) / 2 if as_bool else values.astype(dtype))
    return Call(op.name, tuple(arrays), op.params)


def structured_call(name: str, dtype: str) -> Call:
    """One of STRUCTURED."""
    make, params = STRUCTURED[name]
    return Call(name, make(np.random.default_rng(0), dtype), params)


def forward(call: Call):
    """(ours, NumPy's): two functions that run the op."""
    import tapegrad as tg
    from tapegrad.engine.select import apply
    from tapegrad.ops.table import OPS

    op = OPS[call.op]
    tensors = tuple(tg.tensor(a) for a in call.arrays)
    return (
        lambda: apply(op.id, tensors, call.params),
        lambda: op.numpy(*call.arrays, *call.params),
    )


def backward(call: Call):
    """A function that sweeps a tape of the one op; None if it has no derivative."""
    import tapegrad as tg
    from tapegrad import tape
    from tapegrad.engine.select import apply
    from tapegrad.ops.table import OPS

    op = OPS[call.op]
    if not op.is_differentiable:
        return None
    tensors = tuple(tg.tensor(a) for a in call.arrays)
    sources = [x for i, x in enumerate(tensors) if op.vjp(i) and x.dtype.kind == "f"]
    t = tape(persistent=True)
    with t:
        t.watch(sources)
        y = apply(op.id, tensors, call.params)
    ct = tg.tensor(np.ones(y.shape, y.dtype))
    return lambda: t.gradient(y, sources, ct)
