"""Cases: what a step does with the contents of an ndarray that it captures, which are written in
place between its calls. Recorded ops read them anew; where Python looks into them, it records."""

import zlib

import numpy as np
from corpus import case

import tapegrad as tg
from tapegrad import nn
from tapegrad import numpy as tnp

X = np.linspace(0.3, 1.4, 12).reshape(4, 3)
TABLE = np.arange(4.0)
AS_ARRAY = np.asarray


def filled(values):
    found = np.empty(4)
    found[:] = values
    return found


def rotated(name, step, runs, dtype):
    """step(x, b), where b is rotated after its first replay, and rotated again."""

    def make():
        b = np.array([2, 1, 3, 0]).astype(dtype)

        def rotate():
            b[:] = np.roll(b, 1)

        calls = [(X,)] * 3
        return lambda x: step(x, b), [*calls, rotate, *calls, rotate, *calls]

    make.__name__ = name
    case(runs=runs)(make)


# Operands: one program serves whatever they hold.
for name, (step, dtype) in {
    "asarray": (lambda x, b: tg.asarray(b) @ x, float),
    "tensor": (lambda x, b: tg.tensor(b) @ x, float),
    "left_operand": (lambda x, b: b @ x, float),
    "right_operand": (lambda x, b: x.T * b, float),
    "operand_of_a_ufunc": (lambda x, b: np.add(b, x.T), float),
    "operand_of_another_dtype": (lambda x, b: (x.T * b).sum(), "f4"),
    "integers": (lambda x, b: x.T + b, int),
    "exponents": (lambda x, b: x.T**b, float),
    "stacked": (lambda x, b: np.stack([b, x[:, 0]]), float),
    "summed_by_einsum": (lambda x, b: np.einsum("i,ij->j", b, x), float),
    "labels": (lambda x, b: nn.cross_entropy(tnp.concatenate([x, x], 1), b), int),
    "targets": (lambda x, b: nn.mse_loss(x[:, 0], b), float),
    "condition": (lambda x, b: tnp.where(b, x.T, 0.0), bool),
    "positions_along_an_axis": (lambda x, b: tnp.take_along_axis(x.T, tg.asarray(b)[None], 1), int),
    "indices_as_a_tensor": (lambda x, b: x[tg.asarray(b)], int),
    "beside_numbers": (lambda x, b: (x.T * b * 0.5 + 1).sum(), float),
    "its_shape": (lambda x, b: x.T * b / b.shape[0] + len(b) * b.ndim, float),
    "tangent": (lambda x, b: tg.jvp(lambda z: z.T * z.T, (x,), ((x.T * b).T,))[1], float),
    "cotangent": (lambda x, b: tg.vjp(lambda z: (z**2).sum(1), x)[1](b), float),
}.items():  # fmt: skip
    rotated(f"captured_array_as_{name}", step, 2, dtype)

# Python looks: each of what it finds is a program of its own.
for name, (step, dtype) in {
    "element": (lambda x, b: x * b[0], float),
    "number": (lambda x, b: x * float(b[0]), float),
    "exponent": (lambda x, b: tg.asarray(b) ** float(b[0]) + x[:, 0], float),
    "integer": (lambda x, b: x[: b[0]].sum(), int),
    "branch": (lambda x, b: b @ x if b[0] > 2 else x.T + b, float),
    "branch_on_a_method": (lambda x, b: b @ x if b.argmax() > 2 else x.T + b, float),
    "branch_on_a_function": (lambda x, b: b @ x if np.argmax(b) > 2 else x.T + b, float),
    "branch_on_a_comparison": (lambda x, b: b @ x if (b > b[::-1])[0] else x.T + b, float),
    "membership": (lambda x, b: b @ x if 3 in b[:2] else x.T + b, float),
    "truth": (lambda x, b: x if b[:1] else -x, bool),
    "loop": (lambda x, b: sum(v * x[i] for i, v in enumerate(b)), float),
    "loop_that_counts": (lambda x, b: x[sum(1 for v in b[:2] if v > 1)] * b.size, float),
    "list": (lambda x, b: x * b.tolist()[0], float),
    "text": (lambda x, b: x * float(f"{b[0]}") + len(str(b)), float),
    "copy": (lambda x, b: x * b.copy()[0], float),
    "slice": (lambda x, b: b[1:] @ x[1:], float),
    "transpose": (lambda x, b: b.T @ x, float),
    "result_of_numpy": (lambda x, b: np.exp(b) @ x, float),
    "statistic": (lambda x, b: x - b[:2].mean(), float),
    "index": (lambda x, b: x[b], int),
    "mask": (lambda x, b: x[b], bool),
    "index_of_an_array": (lambda x, b: TABLE[b] @ x, int),
    "index_of_a_new_array": (lambda x, b: np.eye(4)[b] @ x, int),
    "branch_on_an_array_it_indexes": (lambda x, b: x if np.arange(4)[b][0] > 2 else -x, int),
    "position_that_a_new_array_finds": (lambda x, b: x[np.arange(4).searchsorted(b)[0]], int),
    "number_written_into_a_new_array": (lambda x, b: x * float(filled(b)[0]), float),
    "number_by_an_unbound_method": (lambda x, b: x * np.ndarray.item(b, 0), float),
    "number_of_its_bytes": (lambda x, b: x * zlib.crc32(b), int),
    "repeats": (lambda x, b: np.repeat(x, b, axis=0), int),
    "widths": (lambda x, b: tnp.pad(x[0], b[:2]), int),
    "sizes": (lambda x, b: tnp.zeros(tuple(b[:2] + 1)) + x[0, 0], int),
    "split": (lambda x, b: tnp.split(x, np.sort(b[:2]))[0], int),
    "other_dtype": (lambda x, b: tg.tensor(b, dtype="f4") @ x, float),
    "list_of_arrays": (lambda x, b: tnp.array([b, b]) @ x, float),
    "full": (lambda x, b: tnp.full((3, 4), b) * x.T, float),
    "branch_on_asarray": (lambda x, b: b @ x if np.asarray(b)[0] > 2 else x.T + b, float),
    "asarray_of_numpy": (lambda x, b: x * float(np.asarray(b)[0]), float),
    "asarray_by_another_name": (lambda x, b: x * float(AS_ARRAY(b)[0]), float),
    "memory": (lambda x, b: x * memoryview(b)[0], float),
}.items():  # fmt: skip
    rotated(f"captured_array_for_a_{name}", step, 6, dtype)


@case(runs=3)
def captured_index_written_before_the_second_call():
    index = np.array([2, 1, 3, 0])

    def rotate():
        index[:] = np.roll(index, 1)

    calls = [(X,)] * 3
    return lambda x: x if np.arange(4)[index][0] > 1 else -x, [(X,), rotate, *calls]
