"""Programs built by hand for the tests: values get numbers and places as they are named."""

import numpy as np
import pytest

import tapegrad as tg
from tapegrad.engine.dtypes import dtype_code
from tapegrad.ops.table import OPS

core = pytest.importorskip("tapegrad._core", reason="the C core is not built")
Program = core.Program
C_ROWS = [core.ffi.string(core.lib.tg_op_name(i)).decode() for i in range(core.lib.tg_op_count())]
ASSIGN = C_ROWS.index("assign")  # no op of users: no row of the Python table


class Building:
    """Lists for core.Program; every planned value has its own place."""

    def __init__(self):
        self.values = []
        self.steps = []
        self.n_inputs = 0
        self.bytes = 0

    def value(self, shape, dtype, role, where=0):
        self.values.append((dtype_code(np.dtype(dtype)), tuple(shape), role, where))
        return len(self.values) - 1

    def argument(self, like):
        self.n_inputs += 1
        return self.value(like.shape, like.dtype, "i", self.n_inputs - 1)

    def captured(self, tensor):
        return self.value(tensor.shape, tensor.dtype, "c", tensor)

    def array(self, array):
        return self.value(array.shape, array.dtype, "a", array)

    def planned(self, shape, dtype):
        where = self.bytes
        self.bytes += -(-int(np.prod(shape)) * np.dtype(dtype).itemsize // 64) * 64
        return self.value(shape, dtype, "p", where)

    def made(self, shape, dtype, role):
        return self.planned(shape, dtype) if role == "p" else self.value(shape, dtype, role)

    def run(self, name, inputs, shape, dtype="f4", params=(), role="p"):
        out = self.made(shape, dtype, role)
        self.step(Program.RUN, OPS[name].id, inputs, (out,), params)
        return out

    def step(self, kind, op, inputs, outputs=(), params=(), extra=None):
        self.steps.append((kind, op, tuple(inputs), tuple(outputs), tuple(params), extra))

    def group(self, inputs, outputs, calls):
        """calls: (row name, k, operands, dst, params)"""
        calls = [(OPS[name].id, *rest) for name, *rest in calls]
        self.step(Program.GROUP, 0, inputs, outputs, (), calls)

    def program(self, outputs=(), grads=()):
        return Program(
            self.values, self.steps, list(outputs), list(grads), self.bytes, self.n_inputs
        )


def vjp_operands(op, k, inputs, y):
    """What a vjp instruction for input k of an elementwise row reads besides the cotangent: the
    row's inputs, then its output, None where it does not; None for all: it has no vjp."""
    rule = op.vjp(k)
    if rule is None or inputs[k].dtype == bool:
        return None
    names = {name: i for i, name in enumerate([*op.inputs, "y"])}
    read = {names[a] for a in rule.arguments if a in names}
    if op.name == "where":
        read = {0}
    if op.name == "power" and k == 0:  # another expression for the same bits
        return [*inputs, None]
    return [x if i in read else None for i, x in enumerate([*inputs, y])]


def steady(program, *args):
    """Run until memory has settled; the last results."""
    for _ in range(3):
        results = program.run(*args)
    return results


def allocations():
    """What must not change over steady runs."""
    return core.lib.tg_pool_system_calls(), core.lib.tg_pool_live_bytes()


def tensor(rng, *shape, dtype="f4"):
    return tg.tensor(rng.normal(size=shape).astype(dtype))


def same_bits(found, wanted):
    assert found.shape == wanted.shape
    assert found.dtype == wanted.dtype
    assert found.numpy().tobytes() == wanted.numpy().tobytes()


def run_op(name, *inputs, params=()):
    return core.apply(OPS[name].id, inputs, params)


def negative_program():
    b = Building()
    return b.program([b.run("negative", [b.argument(np.zeros(4, "f4"))], (4,), role="o")])
