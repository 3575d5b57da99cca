"""What a tape records, what its gradient gives, and when it refuses."""

import copy
import pickle
import re

import numpy as np
import pytest
from closeness import close

import tapegrad as tg
import tapegrad.numpy as tnp
from tapegrad import GradientTape, TapeError, tape

pytestmark = pytest.mark.usefixtures("backend")


# --- what is recorded ------------------------------------------------------------------------


def test_nothing_is_recorded_outside_a_tape(w):
    y = (w * w).sum()
    with tape() as t:
        pass
    assert len(t) == 0
    with pytest.raises(TapeError, match="no tape recorded this Tensor"):
        y.backward()


def test_ops_on_constants_are_not_recorded(w):
    with tape() as t:
        a = tg.tensor([1.0, 2.0])
        b = a * 2 + 1
        _ = w + b
    assert [e.op for e in t] == ["add"]


def test_length_counts_ops_not_leaves():
    a, b, c, f = (tg.parameter(float(v)) for v in (2, -3, 10, -2))
    with tape() as t:
        loss = (a * b + c) * f
    assert len(t) == 3
    assert [g.item() for g in t.gradient(loss, [a, b, c, f])] == [6.0, -4.0, -2.0, 4.0]


def test_parameters_are_watched_by_themselves_unless_told_otherwise(w):
    with tape(watch_accessed_variables=False) as t:
        w * 2
    assert len(t) == 0
    with tape(watch_accessed_variables=False) as t:
        t.watch(w)
        y = w * 2
    close(t.gradient(y, w), np.full((2, 2), 2.0))


def test_requires_grad_is_watched_by_itself():
    x = tg.tensor([1.0, 2.0], requires_grad=True)
    with tape() as t:
        y = (x * x).sum()
    close(t.gradient(y, x), [2.0, 4.0])
    x.requires_grad_(False)
    with tape() as t:
        x * x
    assert len(t) == 0


def test_watch_takes_nestings_and_arrays():
    with tape() as t:
        a, d = t.watch((np.array([1.0, 2.0]), {"k": tg.tensor(3.0)}))
        y = (a * d["k"]).sum()
    ga, gd = t.gradient(y, (a, d))
    close(ga, [3.0, 3.0])
    close(gd["k"], 3.0)


def test_an_intermediate_can_be_watched_and_differentiated_by(w):
    with tape() as t:
        h = w * 3
        t.watch(h)
        y = (h * h).sum()
    gh, gw = t.gradient(y, [h, w])
    close(gh, 2 * h.numpy())
    close(gw, 6 * h.numpy())


def test_watching_late_does_not_see_what_came_before():
    x = tg.tensor(2.0)
    with tape() as t:
        before = x * x
        t.watch(x)
        after = x * 3
    assert t.gradient([before, after], x).item() == 3.0


def test_stop_recording_pauses_for_a_block(w):
    with tape() as t:
        a = w * 2
        with t.stop_recording():
            b = a * a
        y = (a + b).sum()
    assert [e.op for e in t] == ["multiply", "add", "sum"]
    close(t.gradient(y, w), np.full((2, 2), 2.0))


def test_reset_forgets_everything(w):
    with tape() as t:
        w * 2
        t.reset()
        y = (w * w).sum()
    assert len(t) == 2
    close(t.gradient(y, w), 2 * w.numpy())
    with pytest.raises(TapeError):
        t.gradient(y, w)
    t.reset()
    with t:
        y = (w * 5).sum()
    close(t.gradient(y, w), np.full((2, 2), 5.0))


def test_watched_variables(w):
    b = tg.parameter([1.0, 1.0])
    x = tg.tensor([3.0, 4.0])
    with tape() as t:
        t.watch(x)
        x @ w + b
    found = t.watched_variables()
    assert sorted(v.shape for v in found) == [(2,), (2,), (2, 2)]


# --- gradient --------------------------------------------------------------------------------


def test_gradient_returns_the_structure_of_its_sources(w):
    b = tg.parameter([1.0, 2.0])
    with tape(persistent=True) as t:
        y = (w * b).sum()
    single = t.gradient(y, w)
    assert isinstance(single, tg.Tensor)
    assert isinstance(t.gradient(y, [w]), list)
    found = t.gradient(y, {"w": w, "rest": (b, [w])})
    assert list(found) == ["w", "rest"]
    close(found["rest"][0], w.numpy().sum(0))
    close(found["rest"][1][0], single.numpy())


def test_targets_are_summed(w):
    with tape(persistent=True) as t:
        a, b = w * 2, w * 3
    close(t.gradient([a, b], w), np.full((2, 2), 5.0))
    close(t.gradient({"a": a, "b": b}, w), np.full((2, 2), 5.0))
    close(t.gradient([a, a], w), np.full((2, 2), 4.0))


def test_output_gradients_weigh_the_targets(w):
    with tape(persistent=True) as t:
        a, b = w * 2, w.sum()
    ct = np.array([[1.0, 0.0], [0.0, 10.0]])
    close(t.gradient(a, w, ct), 2 * ct)
    close(t.gradient([a, b], w, [ct, 3.0]), 2 * ct + 3)
    close(t.gradient(a, w, tg.tensor(ct.astype("f4"))), 2 * ct)


def test_unconnected_sources_give_none_or_zeros(w):
    other = tg.parameter([1.0])
    with tape(persistent=True) as t:
        y = (w * 2).sum()
        later = (other * 2).sum()
    assert t.gradient(y, other) is None
    assert t.gradient([y, later], [w, other])[1] is not None
    zero = t.gradient(y, [w, other], unconnected_gradients="zero")[1]
    close(zero, [0.0])
    assert t.gradient(y, tg.tensor(1.0)) is None
    with pytest.raises(ValueError, match="choose 'none' or 'zero'"):
        t.gradient(y, w, unconnected_gradients="nil")


def test_gradient_of_a_leaf_by_itself_is_one(w):
    with tape() as t:
        w * 1
    close(t.gradient(w, w), np.ones((2, 2)))


def test_gradients_have_their_sources_dtype_when_dtypes_mix():
    a = tg.parameter(np.array([1.0, 2.0], "f4"))
    b = tg.parameter(np.array([3.0, 4.0], "f8"))
    with tape() as t:
        y = (a * b).sum()
    assert y.dtype == np.float64
    ga, gb = t.gradient(y, [a, b])
    assert (ga.dtype, gb.dtype) == (np.float32, np.float64)
    close(ga, [3.0, 4.0])
    close(gb, [1.0, 2.0])


def test_a_value_used_many_times_gathers_all_its_cotangents(w):
    with tape() as t:
        y = sum((w * k).sum() for k in range(1, 11))
    close(t.gradient(y, w), np.full((2, 2), 55.0))


def test_gradient_can_be_asked_inside_the_block_which_ends_the_tape(w):
    with tape() as t:
        y = (w * w).sum()
        g = t.gradient(y, w)
        w * 7
        assert len(t) == 0
    close(g, 2 * w.numpy())


def test_persistent_gradient_inside_the_block_goes_on_recording(w):
    with tape(persistent=True) as t:
        y = (w * w).sum()
        first = t.gradient(y, w)
        n = len(t)
        z = y * 3
    assert len(t) == n + 1, "the sweep itself must not be recorded by its own tape"
    close(first, 2 * w.numpy())
    close(t.gradient(z, w), 6 * w.numpy())


# --- refusals --------------------------------------------------------------------------------


def test_a_second_gradient_needs_a_persistent_tape(w):
    with tape() as t:
        y = (w * w).sum()
    t.gradient(y, w)
    for again in (lambda: t.gradient(y, w), lambda: t.backward(y), lambda: t.jvp(y, w, w)):
        with pytest.raises(TapeError, match="persistent=True"):
            again()


def test_entering_twice_raises(w):
    with tape() as t:
        with pytest.raises(TapeError, match="already recording"):
            t.__enter__()
        y = (w * 2).sum()
    with pytest.raises(TapeError, match="reset"), t:
        pass
    close(t.gradient(y, w), np.full((2, 2), 2.0))


def test_sweeping_a_tape_that_never_recorded_raises(w):
    with pytest.raises(TapeError, match="recorded nothing"):
        tape().gradient(w, w)


def test_errors_in_the_block_close_the_tape(w):
    with pytest.raises(ZeroDivisionError), tape() as t:
        1 / 0  # noqa: B018
    w * 2
    assert len(t) == 0


# --- looking at a tape -----------------------------------------------------------------------


def test_entries_tell_op_inputs_output_and_line(w):
    with tape(lines=True) as t:
        h = tnp.tanh(w)
        h.sum(axis=1)
    first, second = t
    assert (first.op, second.op) == ("tanh", "sum")
    assert first.output.shape == (2, 2)
    assert first.saved == ("y",)
    assert second.params == (0, 1)
    assert "test_tape.py:" in first.line


def test_a_tape_prints_as_a_table(w):
    with tape() as t:
        (tnp.tanh(w) * w).sum()
    lines = str(t).splitlines()
    assert len(lines) == 4
    assert "tanh" in lines[1]
    assert "v0" in lines[2]
    assert "3 entries" in repr(t)


def test_entries_print_whether_or_not_their_values_are_kept(w):
    with tape(lines=True) as t:
        (w * w + w**3).sum()
    product, *_, total = map(repr, t)
    shape = "float64[2, 2]"
    assert product.startswith(f"<multiply({shape}, {shape}) -> {shape}; saved a b; ")
    assert re.search(r"test_tape.py:\d+>$", product)
    assert total.startswith(f"<sum({shape}) -> float64[]; ")


def test_a_swept_tape_prints_that_it_is(w):
    with tape() as t:
        y = (w * w).sum()
    t.gradient(y, w)
    assert str(t) == "<tape: 0 entries, swept>"


def test_gradient_tape_is_an_alias():
    assert GradientTape is tape


@pytest.mark.parametrize("clone", [copy.copy, copy.deepcopy, pickle.dumps])
def test_a_tape_cannot_be_copied(clone, w):
    with tape() as t:
        y = (w * w).sum()
    with pytest.raises(TypeError, match="cannot be copied or pickled"):
        clone(t)
    close(t.gradient(y, w), 2 * w.numpy())
