"""Values of every row of the op table: against NumPy, for every dtype, shape and layout."""

from operator import attrgetter

import numpy as np
import pytest
from cases import (
    ELEMENTWISE,
    LAYOUTS,
    ROWS,
    assert_close,
    bits,
    cast,
    examples,
    is_shared,
    laid_out,
    repeated,
    run,
    special_inputs,
)

import tapegrad as tg
import tapegrad.numpy as tnp

every_row = pytest.mark.parametrize("op", ROWS, ids=attrgetter("name"))
every_elementwise_row = pytest.mark.parametrize("op", ELEMENTWISE, ids=attrgetter("name"))


def by_numpy(op, inputs, params):
    with np.errstate(all="ignore"):
        return np.asarray(op.numpy(*inputs, *params))


def has_c_row(op):
    return op.name in tg.info()["c_ops"]


def describe(op, inputs, params, *more):
    shapes = ", ".join(f"{np.asarray(x).dtype}{np.shape(x)}" for x in inputs)
    return " ".join([f"{op.name}({shapes}) params {params}", *map(str, more)])


@every_row
@pytest.mark.parametrize("dtype", ["f4", "f8"])
def test_values_are_numpys(op, dtype, backend, rng):
    for inputs, params in examples(op, dtype, rng):
        got = run(op, *map(tg.tensor, inputs), params=params)
        want = by_numpy(op, inputs, params)
        assert_close(op, got, want, inputs, describe(op, inputs, params))


@every_row
def test_layout_does_not_change_values(op, backend, rng):
    has_bits = backend == "native" and has_c_row(op)  # NumPy's own loops depend on strides
    for dtype in ("f4", "f8"):
        for inputs, params in examples(op, dtype, rng):
            want = run(op, *map(tg.tensor, inputs), params=params)
            for layout in LAYOUTS:
                got = run(op, *(laid_out(x, layout) for x in inputs), params=params)
                where = describe(op, inputs, params, layout)
                assert_close(op, got, want.numpy(), inputs, where)
                assert not has_bits or bits(got) == bits(want), where


@every_elementwise_row
def test_repeated_elements_count_as_copies(op, backend, rng):
    for inputs, params in examples(op, "f4", rng, shapes=[(16,), (33,), (5, 4)]):
        shape = inputs[0].shape
        pairs = [repeated(x) for x in inputs]
        views = [tnp.broadcast_to(t, shape) if i == 0 else tg.tensor(a)
                 for i, (t, a) in enumerate(pairs)]  # fmt: skip
        arrays = [np.ascontiguousarray(a) for _, a in pairs]
        got = run(op, *views, params=params)
        want = run(op, *map(tg.tensor, arrays), params=params)
        assert_close(op, got, want.numpy(), inputs, describe(op, inputs, params))
        if backend == "native" and has_c_row(op):
            assert bits(got) == bits(want), describe(op, inputs, params)


@every_elementwise_row
def test_special_values_are_numpys(op, backend):
    for dtype in ("f4", "f8"):
        inputs = special_inputs(op, dtype)
        got = run(op, *map(tg.tensor, inputs), params=op.params).numpy()
        want = by_numpy(op, inputs, op.params)
        assert_close(op, got, want, inputs, describe(op, inputs, op.params))


@every_elementwise_row
@pytest.mark.parametrize("dtype", ["i4", "i8", "u1", "?", "f2"])
def test_other_dtypes_are_numpys(op, dtype, backend):
    inputs = [np.array([[1, 2, 3], [1, 1, 2]]).astype(dtype) for _ in op.inputs]
    inputs = [x if is_shared(op, i) else x.astype(bool) for i, x in enumerate(inputs)]
    try:
        want = by_numpy(op, inputs, op.params)
    except TypeError:
        with pytest.raises(TypeError):
            run(op, *map(tg.tensor, inputs), params=op.params)
        return
    got = run(op, *map(tg.tensor, inputs), params=op.params)
    assert_close(op, got, want, inputs, describe(op, inputs, op.params))


@every_elementwise_row
def test_integers_of_every_layout_are_numpys(op, backend, rng):
    x, lowest = rng.integers(-9, 9, (70, 33)), np.iinfo(np.int64).min
    x[:2, :5] = [[lowest] * 5, [0, lowest, -1, 1, -lowest - 1]]
    others = (x[::-1].copy(), x[3], x[:, :1], x[3, 4])
    for other in others if len(op.inputs) > 1 else others[:1]:
        inputs = [x > 0 if not is_shared(op, 0) else x, other, x[:, ::-1].copy()][-len(op.inputs) :]
        inputs = [i if is_shared(op, k) else i > 0 for k, i in enumerate(inputs)]
        try:
            want = by_numpy(op, inputs, op.params)
        except (TypeError, ValueError):
            return
        if want.dtype.kind in "biu":
            for layout in LAYOUTS:
                got = run(op, *(laid_out(i, layout) for i in inputs), params=op.params)
                assert got.dtype == want.dtype
                np.testing.assert_array_equal(got, want, err_msg=layout)


@every_row
def test_arrays_count_as_tensors(op, backend, rng):
    for inputs, params in examples(op, "f4", rng):
        got = run(op, *inputs, params=params)
        assert bits(got) == bits(run(op, *map(tg.tensor, inputs), params=params))


@every_elementwise_row
def test_python_numbers_take_the_others_dtype(op, backend):
    if len(op.inputs) < 2 or op.promotes is not None:
        pytest.skip("one operand")
    x = np.array([0.875, 0.5, 0.25], "f4")
    for operands in ((tg.tensor(x), 0.75), (0.75, tg.tensor(x))):
        arrays = [v.numpy() if isinstance(v, tg.Tensor) else np.float32(v) for v in operands]
        try:
            want = by_numpy(op, arrays, op.params)
        except TypeError:
            continue
        got = run(op, *operands, params=op.params)
        assert got.dtype == want.dtype
        assert_close(op, got, want, arrays, op.name)


@every_row
def test_every_instruction_set_gives_the_same_bits(op, each_isa, rng):
    if not has_c_row(op):
        pytest.skip("no C row")
    for dtype in ("f4", "f8"):
        for inputs, params in examples(op, dtype, rng):
            tensors = [tg.tensor(x) for x in inputs]
            found = {isa: bits(run(op, *tensors, params=params)) for isa in each_isa()}
            assert len(set(found.values())) == 1, describe(op, inputs, params, list(found))


@every_elementwise_row
def test_special_values_have_the_same_bits_on_every_instruction_set(op, each_isa):
    if not has_c_row(op):
        pytest.skip("no C row")
    for dtype in ("f4", "f8"):
        inputs = special_inputs(op, dtype)
        tensors = [tg.tensor(x) for x in inputs]
        found = {isa: bits(run(op, *tensors, params=op.params)) for isa in each_isa()}
        assert len(set(found.values())) == 1, (op.name, dtype, list(found))


@every_row
def test_two_threads_give_the_bits_of_one(op, native, threads, rng):
    if not has_c_row(op):
        pytest.skip("no C row")
    if op.examples is None:
        found = examples(op, "f4", rng, shapes=[(300_007,)])
    elif op.large is not None:
        found = [([cast(x, "f4") for x in inputs], p) for inputs, p in op.large(rng)]
    else:
        pytest.skip("no large example")
    for inputs, params in found:
        tensors = [tg.tensor(x) for x in inputs]
        threads(1)
        one = bits(run(op, *tensors, params=params))
        threads(2)
        assert bits(run(op, *tensors, params=params)) == one, describe(op, inputs, params)


@pytest.mark.parametrize("dtype", ["f4", "f8"])
def test_nan_has_no_sign(dtype, backend):
    given = np.array([np.nan, -np.nan, -0.0, 0.0, -1.0], dtype)
    wanted = [False, False, True, False, True]
    for signbit in (tnp.signbit, tg.compile(lambda x: tnp.signbit(x))):
        for _ in range(3):
            assert np.asarray(signbit(tg.tensor(given))).tolist() == wanted
