"""Forward mode, .grad, versions of parameters, and what stays alive."""

import gc
import weakref

import numpy as np
import pytest
from closeness import close

import tapegrad as tg
import tapegrad.numpy as tnp
from tapegrad import StaleValueError, TapeError, optim, tape

pytestmark = pytest.mark.usefixtures("backend")


# --- jvp -------------------------------------------------------------------------------------


def test_jvp_pushes_tangents_forward(w):
    with tape(persistent=True) as t:
        y = w @ w
        z = w.sum()
    v = np.array([[1.0, 0.0], [2.0, -1.0]])
    close(t.jvp(y, w, v), v @ w.numpy() + w.numpy() @ v)
    dy, dz = t.jvp((y, z), [w], [v])
    close(dz, v.sum())
    assert dy.shape == (2, 2)


def test_jvp_of_what_does_not_depend_on_the_sources_is_zero(w):
    b = tg.parameter([1.0])
    with tape() as t:
        y = w * 2
        b * 2
    close(t.jvp(y, b, np.array([3.0])), np.zeros((2, 2)))


# --- backward and .grad ----------------------------------------------------------------------


def test_backward_accumulates_into_grad(w):
    b = tg.parameter([1.0, 2.0])
    for k in (1, 2):
        with tape():
            loss = (w * b).sum()
        loss.backward()
        close(w.grad, k * np.broadcast_to(b.numpy(), (2, 2)))
    close(b.grad, 2 * w.numpy().sum(0))
    w.grad = None
    assert w.grad is None
    assert b.grad is not None


def test_backward_of_a_vector_needs_a_cotangent(w):
    with tape():
        y = w * 2
    with pytest.raises(tg.ShapeError, match="sum, mean"):
        y.backward()
    y.backward(np.ones((2, 2)))
    close(w.grad, np.full((2, 2), 2.0))


def test_backward_through_the_tape_object(w):
    with tape() as t:
        loss = (w * w).sum()
        t.backward(loss)
    close(w.grad, 2 * w.numpy())
    with pytest.raises(TapeError):
        loss.backward()


def test_grad_must_look_like_its_variable(w):
    with pytest.raises(tg.ShapeError, match="need shape"):
        w.grad = np.ones(3)
    w.grad = np.ones((2, 2))
    close(w.grad, np.ones((2, 2)))


def test_backward_uses_the_innermost_tape_that_recorded_the_loss(w):
    with tape() as outer, tape():
        loss = (w * w).sum()
    loss.backward()
    close(w.grad, 2 * w.numpy())
    close(outer.gradient(loss, w), 2 * w.numpy())


# --- versions --------------------------------------------------------------------------------


def test_writing_a_residual_before_the_sweep_raises(w):
    for write in (
        lambda: w.assign(np.zeros((2, 2))),
        lambda: w.__setitem__((0, 0), 1.0),
        lambda: setattr(w, "data", np.ones((2, 2))),
    ):
        with tape(lines=True) as t:
            y = (w * w).sum()
        write()
        with pytest.raises(StaleValueError, match="written since"):
            t.gradient(y, w)


def test_writing_what_no_rule_reads_is_fine(w):
    with tape() as t:
        y = (w * 3).sum() + w.sum()
    w.assign(np.zeros((2, 2)))
    close(t.gradient(y, w), np.full((2, 2), 4.0))


def test_a_view_of_a_parameter_keeps_its_values_when_the_parameter_is_written(w):
    before = w.numpy().copy()
    with tape(persistent=True) as t:
        view = w.T
        part = w[0]
        flat = w.reshape(4)
        y = (view * view).sum() + (part * part).sum() + (flat * flat).sum()
    w.assign(np.zeros((2, 2)))
    try:
        g = t.gradient(y, w).numpy()
    except StaleValueError:
        return  # refusing is right too; a silently wrong gradient is not
    close(g, 4 * before + 2 * before * [[1], [0]])


def test_a_live_view_of_the_data_cannot_change_a_gradient(w):
    before = w.numpy().copy()
    data = w.data
    with tape() as t:
        y = (w * w).sum()
    data[...] = 100.0
    try:
        g = t.gradient(y, w).numpy()
    except StaleValueError:
        return
    close(g, 2 * before)


def test_an_ndarray_operand_can_change_after_it_was_used(w):
    x = np.array([[1.0, 2.0], [3.0, 4.0]])
    with tape() as t:
        y = (w * x).sum()
    want = x.copy()
    x[...] = 0
    close(t.gradient(y, w), want)


def test_assigning_inside_a_tape_is_not_differentiated(w):
    with tape() as t:
        y = (w * 2).sum()
        w.assign(w * 0 + 1)
        z = (w * 3).sum()
    close(t.gradient([y, z], w), np.full((2, 2), 5.0))


# --- memory ----------------------------------------------------------------------------------


def test_a_view_outlives_its_tensor():
    view = tnp.arange(1000).numpy()
    part = tg.tensor(np.arange(500.0))[100:200].numpy()
    gc.collect()
    for k in range(50):
        tg.tensor(np.full(1000, float(k)))
    np.testing.assert_array_equal(view, np.arange(1000))
    np.testing.assert_array_equal(part, np.arange(100.0, 200.0))


def test_tensors_outlive_their_tape(w):
    with tape() as t:
        y = w * 2
    del t
    gc.collect()
    close(y, 2 * w.numpy())
    z = y + 1
    close(z, 2 * w.numpy() + 1)


def test_a_tape_and_its_tensors_are_freed_without_the_garbage_collector(w):
    gc.disable()
    try:
        with tape(persistent=True) as t:
            y = (w * w).sum()
        t.gradient(y, w)
        ref = weakref.ref(y)
        del y, t
        assert ref() is None
    finally:
        gc.enable()


def test_gradients_do_not_leak_between_tapes(w):
    with tape():
        old = w * 2
    with tape() as t:
        y = (old * w).sum()
    close(t.gradient(y, w), old.numpy())


# --- views of parameters are values -------------------------------------------------------------

VIEWS = {
    "detach": lambda p: p.detach(),
    "stop_gradient": tg.stop_gradient,
    "transpose": lambda p: p.T,
    "part": lambda p: p[0],
    "reversed": lambda p: p[::-1, ::-1],
    "reshape": lambda p: p.reshape(4),
    "broadcast": lambda p: tnp.broadcast_to(p, (3, 2, 2)),
    "view of a view": lambda p: p.T[0].reshape(2, 1),
}


def sgd_step(p):
    p.grad = np.ones((2, 2))
    optim.SGD([p], lr=1.0).step()


def adam_step(p):
    p.grad = np.ones((2, 2))
    optim.Adam([p], lr=1.0).step()


def write_data(p):
    p.data[...] = 7.0


def subtract_from_data(p):
    p.data -= 1.0


WRITES = {
    "assign": lambda p: p.assign(np.zeros((2, 2))),
    "setitem": lambda p: p.__setitem__((0, 0), 9.0),
    "write through data": write_data,
    "subtract from data": subtract_from_data,
    "SGD": sgd_step,
    "Adam": adam_step,
}


@pytest.mark.parametrize("write", WRITES.values(), ids=WRITES)
@pytest.mark.parametrize("view", VIEWS.values(), ids=VIEWS)
def test_a_view_somebody_holds_keeps_its_values(w, view, write):
    held, of_held = view(w), view(w).numpy()
    with tape():
        recorded = view(w)
    before, was = held.numpy().copy(), w.numpy().copy()
    for _ in range(2):
        write(w)
        assert (w.numpy() != was).any()
        for kept in (held, of_held, recorded):
            np.testing.assert_array_equal(np.asarray(kept), before)


def test_a_held_broadcast_view_stays_as_small_as_its_parameter(w):
    if tg.backend() != "native":
        pytest.skip("the NumPy engine copies views of parameters at once")
    held = tnp.broadcast_to(w[:, :1], (1000, 1000, 2, 3))
    w.assign(np.zeros((2, 2)))
    assert held.strides_in_elements == (0, 0, 1, 0)
    np.testing.assert_array_equal(held.numpy()[7, 5], [[1, 1, 1], [0.5, 0.5, 0.5]])


def test_a_held_view_that_a_tape_saved_gives_the_gradient_at_its_values(w):
    before = w.numpy().copy()
    with tape() as t:
        held = w.T
        y = (held * held).sum()
    w.assign(np.zeros((2, 2)))
    close(t.gradient(y, w), 2 * before)


# --- cotangents are added up, and written over, in place ------------------------------------


@pytest.mark.parametrize("n", [3, 40, 70_000])
def test_sweeps_leave_others_arrays_alone(n, backend):
    lent = np.ones(n)  # what a rule returns without a copy

    @tg.custom_vjp
    def f(x):
        return x * 1.0

    f.defvjp(lambda x: (f(x), None), lambda _, ct: (tnp.from_dlpack(lent),))
    x = tg.parameter(np.linspace(0.1, 1, n))
    given = tg.tensor(np.full(n, 2.0))
    with tape() as t:
        y = tnp.tanh(x)
        z = f(y) + f(y) + y
    g = t.gradient(z, x, given)
    np.testing.assert_array_equal(lent, np.ones(n))
    np.testing.assert_array_equal(given, np.full(n, 2.0))
    np.testing.assert_allclose(g, 4 * (1 - np.tanh(x.numpy()) ** 2), rtol=1e-12)
    with tape() as t:
        z = f(tnp.tanh(x))
    t.gradient(z, x)
    np.testing.assert_array_equal(lent, np.ones(n))


def test_a_cotangent_on_the_way_is_a_result_of_its_own(w):
    with tape() as t:
        h = w * 3.0
        y = tnp.exp(tnp.tanh(h))
    a, b = t.gradient(y, [h, w])
    want = (y * (1 - tnp.tanh(h) ** 2)).numpy()
    close(a, want)
    close(b, 3 * want)
