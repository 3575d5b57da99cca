"""Derivatives of every row of the op table, in both modes and to second order."""

from operator import attrgetter

import numpy as np
import pytest
from cases import (
    DIFFERENTIABLE,
    LAYOUTS,
    ROWS,
    bits,
    cast,
    domains,
    examples,
    floats,
    laid_out,
    run,
    special_inputs,
)

import tapegrad as tg
import tapegrad.numpy as tnp
from tapegrad import gradcheck, tape

every_row = pytest.mark.parametrize("op", DIFFERENTIABLE, ids=attrgetter("name"))

# Few shapes: finite differences do not depend on them.
FEW = [(), (0,), (5,), (2, 3)]


def describe(op, inputs, params):
    return f"{op.name} of {', '.join(str(np.shape(x)) for x in inputs)}, params {params}"


def record(op, inputs, params, layout="plain", scale=None):
    """y = op(x * 1 ...) of watched leaves x; nobody holds y nor what went into it."""
    t = tape(persistent=True)
    with t:
        leaves = [laid_out(x, layout) if i in floats(inputs) else x for i, x in enumerate(inputs)]
        sources = t.watch([leaves[i] for i in floats(inputs)])
        moved = [x * 1 if i in floats(inputs) else x for i, x in enumerate(leaves)]
        y = run(op, *moved, params=params)
        target = y * 1 if scale is None else y * scale
    return t, target, sources


def cotangent(y, rng):
    return tg.tensor(rng.uniform(0.5, 2, y.shape).astype(y.dtype))


def inner(a, b):
    return sum(float(np.sum(np.float64(x) * np.float64(y))) for x, y in zip(a, b))


def magnitude(a, b):
    return sum(float(np.sum(np.abs(np.float64(x) * np.float64(y)))) for x, y in zip(a, b))


def usable(op, dtype, rng, shapes=None):
    """Examples with a floating input and result; of complex ones see test_complex.py."""
    for inputs, params in examples(op, dtype, rng, shapes):
        if floats(inputs):
            with np.errstate(all="ignore"):
                is_real = np.asarray(op.numpy(*inputs, *params)).dtype.kind != "c"
            if is_real:
                yield inputs, params


@every_row
def test_finite_differences_agree(op, backend, rng):
    for inputs, params in usable(op, "f8", rng, FEW):
        try:
            gradcheck(lambda *xs, p=params: run(op, *xs, params=p), inputs, order=2)
        except AssertionError as error:
            raise AssertionError(f"{describe(op, inputs, params)}: {error}") from None


@every_row
def test_finite_differences_agree_in_single_precision(op, backend, rng):
    for inputs, params in usable(op, "f4", rng, [(5,), (2, 3)]):
        try:
            gradcheck(lambda *xs, p=params: run(op, *xs, params=p), inputs, order=1)
        except AssertionError as error:
            raise AssertionError(f"{describe(op, inputs, params)}: {error}") from None


@every_row
def test_vjp_is_the_transpose_of_the_jvp(op, backend, rng):
    for dtype in ("f4", "f8"):
        for k, (inputs, params) in enumerate(usable(op, dtype, rng)):
            layout = list(LAYOUTS)[k % len(LAYOUTS)]
            t, y, xs = record(op, inputs, params, layout)
            if np.isnan(y.numpy()).any():  # the mean of nothing
                continue
            ct = cotangent(y, rng)
            tangents = [tg.tensor(rng.uniform(-1, 1, x.shape).astype(x.dtype)) for x in xs]
            grads = t.gradient(y, xs, ct, unconnected_gradients="zero")
            pushed = t.jvp(y, xs, tangents)
            for x, g in zip(xs, grads):
                assert (g.shape, g.dtype) == (x.shape, x.dtype), describe(op, inputs, params)
            assert (pushed.shape, pushed.dtype) == (y.shape, y.dtype)
            arrays = [[v.numpy() for v in vs] for vs in (grads, tangents, [ct], [pushed])]
            got, want = inner(*arrays[:2]), inner(*arrays[2:])
            narrow = min(np.dtype(dtype), y.dtype, key=lambda d: np.finfo(d).precision)
            size = magnitude(*arrays[:2]) + magnitude(*arrays[2:])
            assert abs(got - want) <= 100 * np.finfo(narrow).eps * size, (
                f"{describe(op, inputs, params)}, {layout}: <vjp, t> = {got}, <ct, jvp> = {want}"
            )


@every_row
def test_gradients_of_two_uses_add_up(op, backend, rng):
    for inputs, params in usable(op, "f8", rng, FEW):
        t, y, xs = record(op, inputs, params)
        c1, c2 = cotangent(y, rng), cotangent(y, rng)
        apart = [t.gradient(y, xs, c, unconnected_gradients="zero") for c in (c1, c2)]
        with tape() as t:
            xs = t.watch([tg.tensor(x) for x in (inputs[i] for i in floats(inputs))])
            values = dict(zip(floats(inputs), xs))
            operands = [values.get(i, x) for i, x in enumerate(inputs)]
            y = run(op, *operands, params=params) * c1 + run(op, *operands, params=params) * c2
        together = t.gradient(y, xs, unconnected_gradients="zero")
        for a, b, both in zip(*apart, together):
            np.testing.assert_allclose(both, a.numpy() + b.numpy(), rtol=1e-9, atol=1e-11)


@every_row
def test_one_value_as_every_input(op, backend, rng):
    for inputs, params in usable(op, "f8", rng, [(5,), (2, 3)]):
        if len(floats(inputs)) < 2 or len({inputs[i].shape for i in floats(inputs)}) > 1:
            continue
        positive = np.abs(inputs[floats(inputs)[0]]) * 0.5 + 0.5

        def f(x, inputs=inputs, params=params):
            return run(op, *[x if i in floats(inputs) else v for i, v in enumerate(inputs)],
                       params=params)  # fmt: skip

        if has_edge_at_equality(op):
            continue
        gradcheck(f, positive)


def has_edge_at_equality(op):
    """Whether the value jumps or bends where operands are equal (told by trying)."""
    x = np.array([0.7])
    with np.errstate(all="ignore"):
        try:
            here, above, below = (float(op.numpy(x, x + d)[0]) for d in (0, 1e-3, -1e-3))
        except (TypeError, ValueError, IndexError):
            return False
    return abs(above + below - 2 * here) > 1e-4


@every_row
def test_values_no_rule_names_are_not_read(op, backend, rng):
    """Only residuals survive in `record`: reading anything else raises."""
    for inputs, params in usable(op, "f8", rng, FEW):
        t, y, xs = record(op, inputs, params)
        t.gradient(y, xs)
        t.jvp(y, xs, xs)
        for k in range(len(xs)):  # alone, an input keeps only what its own rules read
            t, y, alone = record_one(op, inputs, params, floats(inputs)[k])
            t.gradient(y, alone)
            t.jvp(y, alone, alone)


def record_one(op, inputs, params, i):
    t = tape(persistent=True)
    with t:
        source = t.watch(tg.tensor(inputs[i]))
        moved = [source * 1 if k == i else np.array(x) for k, x in enumerate(inputs)]
        y = run(op, *moved, params=params)
        target = y * 1
    return t, target, source


@pytest.mark.parametrize("op", ROWS, ids=attrgetter("name"))
def test_rows_say_what_the_tape_keeps(op, backend, rng):
    for inputs, params in usable(op, "f8", rng, [(5,)]):
        with tape() as t:
            xs = t.watch([tg.tensor(inputs[i]) for i in floats(inputs)])
            values = dict(zip(floats(inputs), xs))
            run(op, *[values.get(i, x) for i, x in enumerate(inputs)], params=params)
        entries = list(t)
        assert len(entries) == (1 if op.is_differentiable else 0), op.name
        for entry in entries:
            assert entry.op == op.name
            named = {n for rule in (*op.vjps, *op.jvps) if rule for n in rule.arguments}
            assert set(entry.saved) <= named


@every_row
def test_masked_poles_have_zero_gradients_to_second_order(op, backend, rng):
    """where(m, f(x), 0) with m false everywhere: no nan leaks out of f's derivatives."""
    if op.examples is None:
        found = [(special_inputs(op, "f8"), op.params)]
    else:  # structured rows: the values of their examples, and zeros where they are operands
        found = list(usable(op, "f8", rng))
        if all(low <= 0 for low, _ in domains(op)):
            found += [([x * 0 if x.dtype.kind == "f" else x for x in xs], p) for xs, p in found]
    for inputs, params in found:
        with tape(persistent=True) as outer:
            xs = outer.watch([tg.tensor(inputs[i]) for i in floats(inputs)])
            values = dict(zip(floats(inputs), xs))
            with tape() as t:
                y = run(op, *[values.get(i, x) for i, x in enumerate(inputs)], params=params)
                masked = tnp.where(np.zeros(y.shape, bool), y, y.dtype.type(0))
            first = t.gradient(masked, xs, unconnected_gradients="zero")
            total = sum((g * 3.0).sum() for g in first)
        second = outer.gradient(total, xs, unconnected_gradients="zero")
        pushed = outer.jvp(first, xs, [tg.tensor(np.ones(x.shape)) for x in xs])
        for order, grads in (("first", first), ("second", second), ("pushed second", pushed)):
            for i, g in zip(floats(inputs), grads):
                g = g.numpy()
                assert not g.any(), (
                    f"{describe(op, inputs, params)}, {order} order, {op.inputs[0]}..[{i}]: "
                    f"{g[g != 0][0]} at {inputs[i][g != 0][0]}"
                )


@every_row
def test_zero_tangents_stay_zero_at_poles(op, backend):
    if op.examples is not None:
        pytest.skip("not elementwise")
    inputs = special_inputs(op, "f8")
    t, y, xs = record(op, inputs, op.params)
    pushed = t.jvp(y, xs, [tg.tensor(np.zeros(x.shape)) for x in xs]).numpy()
    assert not pushed.any(), op.name


@every_row
def test_fused_kernels_give_the_bits_of_templates(op, each_isa, rng):
    """A sweep that nobody records uses C's partials, one that is recorded the Python rules."""
    for dtype in ("f4", "f8"):
        shapes = [(33,), (2, 3)] if op.examples is None else None
        for inputs, params in usable(op, dtype, rng, shapes):
            ct = None
            for isa in each_isa():
                t, y, xs = record(op, inputs, params)
                ct = cotangent(y, rng) if ct is None else ct
                fused = t.gradient(y, xs, ct)
                with tape() as outer:
                    outer.watch(ct)
                    by_template = t.gradient(y, xs, ct)
                for a, b in zip(fused, by_template):
                    assert bits(a) == bits(b), f"{describe(op, inputs, params)} on {isa}"


@every_row
def test_fused_kernels_give_the_bits_of_templates_at_special_values(op, native):
    if op.examples is not None:
        pytest.skip("not elementwise")
    for dtype in ("f4", "f8"):
        inputs = special_inputs(op, dtype)
        t, y, xs = record(op, inputs, op.params)
        ct = tg.tensor(np.full(y.shape, 1.25, dtype))
        fused = t.gradient(y, xs, ct)
        with tape() as outer:
            outer.watch(ct)
            by_template = t.gradient(y, xs, ct)
        for i, a, b in zip(floats(inputs), fused, by_template):
            a, b = a.numpy(), b.numpy()
            same = (a == b) & (np.signbit(a) == np.signbit(b)) | np.isnan(a) & np.isnan(b)
            assert same.all(), (
                f"{op.name} {dtype}, input {i}: fused {a[~same][0]}, template {b[~same][0]} at "
                f"{[x[~same][0] for x in inputs]}"
            )


@every_row
def test_derivatives_have_the_same_bits_on_every_instruction_set(op, each_isa, rng):
    if op.name not in tg.info()["c_ops"]:
        pytest.skip("no C row")
    for inputs, params in usable(op, "f4", rng, [(33,), (2, 3)]):
        found = {}
        ct = None
        for isa in each_isa():
            t, y, xs = record(op, inputs, params)
            ct = cotangent(y, rng) if ct is None else ct
            results = [*t.gradient(y, xs, ct), t.jvp(y, xs, xs)]
            found[isa] = [bits(r) for r in results]
        first, *others = found.values()
        assert all(o == first for o in others), (describe(op, inputs, params), list(found))


@every_row
def test_derivatives_do_not_depend_on_layout_nor_threads(op, native, threads, rng):
    if op.name not in tg.info()["c_ops"]:
        pytest.skip("no C row")
    if op.examples is None:
        found = list(usable(op, "f4", rng, [(200_003,)]))
    else:
        found = [([cast(x, "f4") for x in xs], p) for xs, p in op.large(rng)] if op.large else []
    for inputs, params in found:
        results = []
        ct = None
        for n, layout in ((1, "plain"), (2, "plain"), (2, "strided"), (1, "reversed")):
            threads(n)
            t, y, xs = record(op, inputs, params, layout)
            ct = cotangent(y, rng) if ct is None else ct
            results.append([bits(g) for g in t.gradient(y, xs, ct)])
        assert all(r == results[0] for r in results), describe(op, inputs, params)


@pytest.mark.parametrize("dtype", ["f4", "f8"])
@pytest.mark.parametrize(("name", "whole"), [("remainder", np.floor), ("fmod", np.trunc)])
def test_remainders_know_their_quotient(name, whole, dtype, backend, rng):
    a = (rng.normal(size=3000) * 10 ** rng.uniform(-6, 6, 3000)).astype(dtype)
    b = (rng.normal(size=3000) * 10 ** rng.uniform(-3, 3, 3000)).astype(dtype)
    f = getattr(tnp, name)
    da, db = tg.grad(lambda a, b: f(a, b).sum(), argnums=(0, 1))(tg.tensor(a), tg.tensor(b))
    quotient = whole(a.astype("longdouble") / b.astype("longdouble"))
    assert (da.numpy() == 1).all()
    np.testing.assert_allclose(db.numpy(), -quotient.astype(dtype), rtol=4 * np.finfo(dtype).eps)
