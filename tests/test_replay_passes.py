"""Passes over recorded programs: each leaves the bits of every result, and does what it says."""

import numpy as np
import pytest
from recorded import FUNCTIONS, B, W, X, constants, kept_from, mlp_gradient, recorded, twice

import tapegrad as tg
import tapegrad.numpy as tnp
from tapegrad.ops.table import BY_ID, OPS
from tapegrad.replay import interpret, passes
from tapegrad.replay.ir import GRAD, GROUP, PRODUCT
from tapegrad.replay.plan import plan_memory


def outputs(program, *arrays):
    counters = [g.get_state() for g in program.generators]
    tensors = [tg.tensor(np.asarray(a)) for a in arrays]
    return [t.numpy().copy() for t in interpret.run(program, tensors, counters)]


def names(program):
    return [e.name for e in program.entries]


def fused_with_endings(program):
    return passes.join_endings(passes.fuse(program))


PASSES = [
    passes.keep_views, passes.drop_dead, passes.fold_constants, passes.skip_same_shape,
    passes.merge_common, passes.join_epilogues, passes.fuse, fused_with_endings, passes.optimise,
]  # fmt: skip


@pytest.mark.parametrize("function", FUNCTIONS, ids=lambda f: f.__name__)
@pytest.mark.parametrize("step", PASSES, ids=lambda f: f.__name__)
def test_a_pass_leaves_the_bits(step, function):
    program = recorded(function, X)
    for a, b in zip(outputs(program, X), outputs(step(program), X), strict=True):
        np.testing.assert_array_equal(a, b)
        assert a.dtype == b.dtype


def test_dead_entries_go_and_effects_stay():
    p = tg.parameter(np.ones(4, "f4"))

    def function(x):
        tnp.exp(x)
        p.assign(p * 2.0)
        return x + 1.0

    assert names(passes.drop_dead(recorded(function, X[0]))) == ["multiply", "assign", "add"]


def test_common_entries_are_computed_once():
    assert names(passes.merge_common(recorded(twice, X))).count("exp") == 1


def test_a_write_between_keeps_entries_apart():
    p = tg.parameter(np.ones(4, "f4"))

    def function(x):
        before = p * x
        p.assign(p + x)
        return before, p * x

    program = recorded(function, X[0])
    assert names(passes.merge_common(program)).count("multiply") == 2
    assert names(passes.optimise(program)) == ["group", "assign", "group"]


def test_constants_are_folded():
    assert names(passes.fold_constants(recorded(constants, X))) == ["multiply"]


def test_reshapes_to_the_shape_that_is_there_go():
    def function(x):
        return (x + 1.0).reshape(3, 4) * 2.0

    assert names(passes.skip_same_shape(recorded(function, X))) == ["add", "multiply"]


@pytest.mark.parametrize(("is_read", "entries"), [(False, ["linear"]), (True, ["linear", "tanh"])])
def test_an_activation_joins_the_linear_that_it_alone_reads(is_read, entries):
    def function(x):
        y = tg.linear(x, W, B)
        return (tnp.tanh(y), y) if is_read else tnp.tanh(y)

    assert names(passes.join_epilogues(recorded(function, X))) == entries


def test_a_bias_joins_the_product_and_then_its_activation():
    b, stack = tg.parameter(np.array([0.5, -2.0], "f4")), np.ones((2, 3, 4), "f4")

    def function(x, s):
        y = tnp.tanh(x @ W.T + b)
        z = b + x @ W.T
        return y, z, z * z, s @ W.T + b, x @ W.T + x[0, :2], x @ W.T + 1.0

    program = passes.join_epilogues(recorded(function, X, stack))
    assert names(program).count("add") == 2  # to a stack, of another row
    joined = [e for e in program.entries if e.kind == PRODUCT]
    assert [len(e.inputs) for e in joined] == [3, 3, 3]  # two biases, a number
    assert [e.extra[0] is None for e in joined] == [False, True, False]
    for a, b in zip(outputs(program, X, stack), outputs(recorded(function, X, stack), X, stack)):
        np.testing.assert_array_equal(a, b)


WIDE = np.linspace(-1, 1, 120000, dtype="f4").reshape(300, 400)
SCALE = tg.parameter(WIDE + 2)


def of_one_array(x):
    y = tnp.abs(x)
    return (y * y).sum() * y + x


def of_a_value_that_is_stored(x):
    e = tnp.exp(x)
    y = e + 1.0
    return y * (y * e).sum() + e


def by_two(x):
    y = x * x
    a = (y * y).sum() * y + x
    return a, (a * a).sum() * y - x


def of_two_rows(x):
    y = tnp.abs(x * 0.5)
    return (y * y).sum() * y + x


def dear(x):
    y = tnp.exp(x)
    return (y * y).sum() * y + x


def of_what_nobody_reads_later(x):
    y = x * x
    return (y * y).sum() * y


def read_by_one_that_does_not_read_x(x):
    y = x * x
    a = (y * y).sum() * y + x
    return (a * a).sum() * y


def a_result(x):
    y = x * x
    return y, (y * y).sum() * y + x


def read_by_a_reduction(x):
    y = x * x
    return y.sum() * y + x


def small(x):
    y = x[:150] * x[:150]
    return (y * y).sum() * y + x[:150]


def of_another_shape(x):
    y = x * x
    z = (y * y).sum() * y + x
    return tnp.stack([z, z]) * y + x


def of_what_is_written_between(x):
    y = SCALE * x
    SCALE.assign(tnp.exp(y * 0.01))
    return y * SCALE + x


AGAIN = [  # with the arrays of that size that are stored by groups
    (of_one_array, 1), (of_a_value_that_is_stored, 2), (by_two, 2),
    (of_two_rows, 2), (dear, 2),
    (of_what_nobody_reads_later, 2), (read_by_one_that_does_not_read_x, 2), (a_result, 2),
    (read_by_a_reduction, 2), (small, 2), (of_another_shape, 4), (of_what_is_written_between, 3),
]  # fmt: skip


@pytest.mark.skipif(tg.backend() != "native", reason="the C core says which rows are cheap")
@pytest.mark.parametrize(("function", "stored"), AGAIN, ids=lambda x: getattr(x, "__name__", x))
def test_groups_compute_again_what_they_have_at_hand(function, stored):
    before = SCALE.numpy().copy()
    program = recorded(function, WIDE)
    SCALE.assign(before)
    fused = passes.optimise(program)
    sizes = [program.values[v].nbytes for e in fused.entries for v in e.outputs if not e.view]
    assert sum(n >= WIDE.nbytes // 2 for n in sizes) == stored
    found = outputs(fused, WIDE)
    SCALE.assign(before)
    for a, b in zip(found, outputs(program, WIDE), strict=True):
        assert a.tobytes() == b.tobytes()


@pytest.mark.skipif(tg.backend() != "native", reason="rules are several entries on NumPy")
def test_derivatives_and_sums_of_gradients_join_products():
    v = tg.parameter(np.linspace(-1, 1, 16, dtype="f4").reshape(4, 4))

    def gradient(x):
        with tg.tape() as t:
            loss = tg.linear(tnp.tanh(tg.linear(x, v)), v).sum()
        return t.gradient(loss, v)

    program = passes.join_epilogues(recorded(gradient, X))
    joined = [i.extra[0] for i in program.entries if i.kind == PRODUCT]
    assert [(BY_ID[row].name, k) for row, k, *_ in joined] == [
        ("tanh", -1),
        ("tanh", 0),
        ("add", -1),
    ]
    np.testing.assert_array_equal(outputs(program, X)[0], gradient(tg.tensor(X)).numpy())
    assert not any(e.kind == PRODUCT for e in passes.join_epilogues(recorded(kept_from, X)).entries)


@pytest.mark.skipif(tg.backend() != "native", reason="memory is planned for the C core")
def test_products_are_added_to_a_gradient_in_its_place():
    v = tg.parameter(np.linspace(-1, 1, 16, dtype="f4").reshape(4, 4))

    def gradient(x):
        with tg.tape() as t:
            y = x
            for _ in range(4):
                y = tnp.tanh(y @ v)
            loss = y.sum()
        return t.gradient(loss, v) * 2.0

    program = passes.optimise(recorded(gradient, X))
    sums = [e for e in program.entries if e.kind == PRODUCT and e.extra[0][0] == OPS["add"].id]
    assert len(sums) == 3
    offset = {v: at for v, at, *_ in plan_memory(program).lifetimes}
    for e in sums:
        assert offset[e.outputs[0]] == offset[e.inputs[2]]


@pytest.mark.skipif(tg.backend() != "native", reason="memory is planned for the C core")
def test_a_derivative_lies_where_the_activation_was():
    program = passes.optimise(recorded(mlp_gradient, X))
    offset = {v: at for v, at, *_ in plan_memory(program).lifetimes}
    backward = [e for e in program.entries if e.kind == PRODUCT and e.extra[0][1] == 0]
    assert backward
    for e in backward:
        assert offset[e.outputs[0]] == offset[e.inputs[-1]]


@pytest.mark.skipif(tg.backend() != "native", reason="rules are several entries on NumPy")
def test_a_gradient_from_before_is_added_to_where_the_product_is_stored():
    w = tg.parameter(W.copy())
    w.grad = np.ones_like(W)

    def accumulate(x):
        with tg.tape():
            loss = tg.linear(x, w).sum()
        loss.backward()
        return loss

    program = passes.optimise(recorded(accumulate, X))
    (product,) = [e for e in program.entries if e.kind == PRODUCT]
    assert BY_ID[product.extra[0][0]].name == "add"
    assert program.values[product.inputs[2]].kind == GRAD


def test_a_chain_is_one_group():
    def function(x):
        for _ in range(5):
            x = tnp.tanh(x * 2.0 + 1.0)
        return x

    (group,) = passes.fuse(recorded(function, X)).entries
    assert group.kind == GROUP
    assert len(group.extra) == 15
    assert len(group.outputs) == 1


def test_a_group_ends_where_others_read_it():
    def function(x):
        y = x * 2.0
        return y + y.sum()

    assert names(passes.fuse(recorded(function, X))) == ["group", "sum", "group"]


@pytest.mark.parametrize("is_result", [False, True])
def test_a_view_keeps_its_values_when_its_variable_is_written(is_result):
    p = tg.parameter(np.arange(6, dtype="f4").reshape(2, 3))

    def step(x):
        view = p.T
        p.assign(p + x)
        return view if is_result else view * 1.0

    compiled = tg.compile(step)
    for n in range(5):
        held, before = p.T, p.numpy().T.copy()
        np.testing.assert_array_equal(compiled(np.float32(n)).numpy(), before)
        np.testing.assert_array_equal(held.numpy(), before)


def test_the_listing_names_entries_and_lines():
    text = str(passes.optimise(recorded(mlp_gradient, X)))
    assert "linear(x0" in text
    assert "recorded.py:" in text
    assert text.splitlines()[-1].startswith("return ")


@tg.custom_vjp
def cubed(x):
    return x * x * x


def cubed_vjp(x, ct):
    return (3.0 * x * x * ct,)


cubed.defvjp(lambda x: (x * x * x, x), cubed_vjp)


def line_of(function):
    """Of a function's first statement."""
    return f"test_replay_passes.py:{function.__code__.co_firstlineno + 1}"


def gradient(t, loss, x):
    return t.gradient(loss, x)


def test_entries_have_the_lines_of_what_they_differentiate():
    """Also where a rule is used for the first time (nobody else has the shape), where its operands
    are one, and where it runs in Python each time; but a user's rule has lines of its own."""
    x = np.linspace(-1, 1, 3 * 1013, dtype="f4").reshape(3, 1013)

    def function(x):
        with tg.tape() as t:
            t.watch(x)
            y = tnp.max(x @ x.T, axis=0) * tnp.sum(tnp.tanh(x) * x)
            z = tnp.linalg.solve(x @ x.T, cubed(y))
            loss = tnp.sum(z)
        return gradient(t, loss, x)

    *entries, _ = str(recorded(function, x)).splitlines()
    assert [text for text in entries if "test_replay_passes.py:" not in text] == []
    assert [text for text in entries if text.endswith(line_of(gradient))] == []
    assert [text for text in entries if text.endswith(line_of(cubed_vjp))] != []


def second_order(x):
    with tg.tape() as outer:
        outer.watch(x)
        with tg.tape() as inner:
            inner.watch(x)
            y = tnp.tanh(x * x) / 3.0
        slope = inner.gradient(y, x)
    return outer.gradient(slope, x)


def test_recordings_agree_whatever_templates_there_are():
    x = tg.tensor(X)
    expected = second_order(x).numpy()
    compiled = tg.compile(second_order)
    for _ in range(4):
        np.testing.assert_array_equal(compiled(x).numpy(), expected)
    assert "1 replaying" in compiled.explain()
