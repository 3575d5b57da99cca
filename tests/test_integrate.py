"""tapegrad.integrate.odeint: the solution, and the adjoint method's derivatives."""

import numpy as np
import pytest
from refusing import refuses

import tapegrad as tg
import tapegrad.numpy as tnp
from tapegrad import gradcheck, nn, tape
from tapegrad.errors import DTypeError, ShapeError, TapegradError
from tapegrad.integrate import odeint

TIMES = np.array([0.0, 0.3, 1.0])


def decay(y, t, rate):
    return -rate * y


def pendulum(y, t, length):
    return {"angle": y["speed"], "speed": -tnp.sin(y["angle"]) / length}


def forced(y, t, a):
    return -a * y + tnp.sin(3 * t)


def test_the_solution_is_exact_to_the_tolerance(backend):
    y = odeint(decay, np.array([1.0, 2.0]), TIMES, 0.7)
    want = np.exp(-0.7 * TIMES)[:, None] * [1.0, 2.0]
    np.testing.assert_allclose(y, want, rtol=1e-7)
    rough = odeint(decay, np.array([1.0, 2.0]), TIMES, 0.7, rtol=1e-3, atol=1e-3)
    np.testing.assert_allclose(rough, want, rtol=1e-3)
    assert np.abs(rough.numpy() - want).max() > 1e-8


def test_time_may_run_backwards(backend):
    there = odeint(forced, np.array([1.0, -0.5]), TIMES, 0.7)
    back = odeint(forced, there[-1], TIMES[::-1].copy(), 0.7)
    np.testing.assert_allclose(back[::-1], there, rtol=1e-6)


def test_the_state_may_be_nested_and_energy_is_kept(backend):
    start = {"angle": np.array(0.5), "speed": np.zeros(())}
    y = odeint(pendulum, start, np.linspace(0, 5, 4), 2.0)
    energy = 0.5 * y["speed"].numpy() ** 2 - np.cos(y["angle"].numpy()) / 2.0
    np.testing.assert_allclose(energy, energy[0], rtol=1e-6)


def test_one_time_is_the_start(backend):
    y = odeint(decay, np.ones(2), np.zeros(1), 1.0)
    assert y.tolist() == [[1.0, 1.0]]


def test_derivatives_with_respect_to_start_times_and_arguments(backend, rng):
    weights = rng.normal(size=(3, 2))

    def loss(y0, t, a):
        return (odeint(forced, y0, t, a) * weights).sum()

    gradcheck(loss, [np.array([1.0, -0.5]), TIMES + 0.1, np.array(0.7)], order=2, modes=("rev",))


def test_nested_arguments_have_derivatives(backend):
    def f(y, t, p):
        return p["w"] @ tnp.tanh(y) + p["b"][0]

    def loss(w, b, y0):
        return (odeint(f, y0, TIMES, {"w": w, "b": (b, "kept")}) ** 2).sum()

    args = [np.array([[-0.5, 0.2], [0.3, -1.0]]), np.array([0.1, -0.2]), np.array([1.0, 2.0])]
    gradcheck(loss, args, order=1)


@pytest.mark.parametrize("kind", [list, tuple])
def test_the_slope_may_be_a_list_of_its_parts(kind, backend):
    def swing(y, t, k):
        return kind((y[1], -k * y[0]))

    def listed(y, t):
        return kind([kind([0.0, 1.0]), y[0]])

    end = odeint(swing, np.array([1.0, 0.0]), TIMES, 1.0)[-1]
    np.testing.assert_allclose(end, [np.cos(TIMES[-1]), -np.sin(TIMES[-1])], rtol=1e-6)
    gradcheck(lambda y, k: odeint(swing, y, TIMES, k)[-1], [np.array([1.0, 0.5]), 0.7], order=1)
    assert odeint(listed, np.ones((2, 2)), TIMES).shape == (len(TIMES), 2, 2)


@pytest.mark.filterwarnings("ignore::tapegrad.DetachedWarning")
def test_a_slope_without_its_derivative_is_refused_where_one_is_wanted(backend):
    p = tg.parameter(np.array(-1.0))

    def swing(y, t, k=1.0):
        return np.array([y[1], -k * y[0]])

    def end(*args):
        return odeint(swing, np.array([1.0, 0.0]), TIMES, *args)[-1]

    np.testing.assert_allclose(end(), [np.cos(TIMES[-1]), -np.sin(TIMES[-1])], rtol=1e-6)
    for refused in (
        lambda: tg.grad(lambda k: end(k).sum())(1.0),
        lambda: tg.jacfwd(lambda y: odeint(swing, y, TIMES)[-1])(np.array([1.0, 0.0])),
        lambda: odeint(lambda y, t: np.array([y[1] * p, y[0]]), np.ones(2), TIMES),
    ):
        with tape(), pytest.raises(TypeError, match=r"an ndarray of shape \(2,\), which has no"):
            refused()
    slope = tg.grad(lambda y: odeint(lambda y, t: tg.tensor([1.0, 2.0]), y, TIMES)[-1].sum())
    assert slope(np.ones(2)).tolist() == [1.0, 1.0]


@pytest.mark.parametrize("outer", [tg.jacfwd, tg.jacrev])
@pytest.mark.parametrize("inner", [tg.jacfwd, tg.jacrev])
def test_modes_nest_in_any_order(outer, inner, backend):
    def end(a):  # e^-a
        return odeint(decay, np.ones(1), [0.0, 1.0], a, rtol=1e-4, atol=1e-4)[-1, 0]

    a, want = np.array(0.7), np.exp(-0.7)
    np.testing.assert_allclose(inner(end)(a), -want, rtol=1e-3)
    np.testing.assert_allclose(outer(inner(end))(a), want, rtol=1e-3)


def test_tapes_push_tangents_of_parameters_through_a_solution(backend):
    p = tg.parameter(np.array(0.7))
    with tape() as t:
        end = odeint(lambda y, t: -p * y, np.ones(1), TIMES)[-1]
    np.testing.assert_allclose(t.jvp(end, [p], [np.array(2.0)]), -2 * np.exp(-0.7), rtol=1e-6)


def test_parameters_that_the_function_reads_have_derivatives(backend):
    tg.manual_seed(0)
    net = nn.Linear(2, 2, dtype="f8")
    start = np.array([[1.0, -0.5], [0.3, 0.8]])

    def loss():
        return (odeint(lambda y, t: tnp.tanh(net(y)), start, TIMES)[-1] ** 2).sum()

    with tape() as t:
        value = loss()
    grads = t.gradient(value, [net.weight, net.bias])
    for p, g in zip((net.weight, net.bias), grads):
        direction = np.cos(np.arange(p.size)).reshape(p.shape)
        before, sides = p.numpy().copy(), []
        for sign in (1, -1):
            p.assign(before + sign * 1e-5 * direction)
            sides.append(loss().item())
        p.assign(before)
        want = (sides[0] - sides[1]) / 2e-5
        assert abs((g.numpy() * direction).sum() - want) < 1e-6 * (1 + abs(want))


def test_a_parameter_may_be_an_argument_too(backend):
    p = tg.parameter(np.array(0.7))
    with tape() as t:
        value = odeint(lambda y, t, a: -a * p * y, np.ones(1), TIMES, p)[-1].sum()
    want = -2 * 0.7 * np.exp(-(0.7**2))
    np.testing.assert_allclose(t.gradient(value, p), want, rtol=1e-6)


def test_single_precision_stays_single(backend):
    with tape() as t:
        a = t.watch(tg.tensor(0.5, "f4"))
        y = odeint(decay, np.ones(2, "f4"), TIMES, a)
        end = y[-1].sum()
    assert y.dtype == np.float32
    g = t.gradient(end, a)
    assert g.dtype == np.float32
    np.testing.assert_allclose(g, -2 * np.exp(-0.5), rtol=1e-4)


def test_a_recorded_tensor_that_is_no_argument_is_refused(backend):
    with tape() as t:
        a = t.watch(tg.tensor(0.5))
        for rate in (a, a * 2):
            with pytest.raises(TapegradError, match="is not among its arguments"):
                odeint(lambda y, t, rate=rate: -rate * y, np.ones(2), TIMES)
        twice = a * 2
        y = odeint(decay, np.ones(2), TIMES, twice)[-1].sum()
    np.testing.assert_allclose(t.gradient(y, a), -4 * np.exp(-1.0), rtol=1e-6)


def test_memory_of_a_recorded_solution_does_not_grow_with_its_steps(backend):
    lengths = []
    for speed in (1.0, 100.0):
        with tape() as t:
            a = t.watch(tg.tensor(speed))
            odeint(lambda y, t, a: tnp.sin(a * t) * y, np.ones(1), TIMES, a)
        lengths.append(len(t))
    assert lengths[0] == lengths[1]


test_bad_input_says_what_was_wrong = refuses(
    [
        (lambda: odeint(decay, np.ones(2), 1.0, 1.0), ShapeError, "vector of times"),
        (lambda: odeint(3, np.ones(2), TIMES), TypeError, "func must be a function"),
        (lambda: odeint(decay, np.ones(2), [0.0, np.nan], 1.0), ValueError, "finite times"),
        (lambda: odeint(decay, np.ones(2), TIMES, 1.0, rtol=-1.0), ValueError, "rtol and atol"),
        (lambda: odeint(decay, np.ones(2), TIMES, 1.0, mxstep=0), ValueError, "mxstep must be"),
        (lambda: odeint(decay, np.ones(2), TIMES, np.nan), TapegradError, "gives nan or inf"),
        (lambda: odeint(decay, np.array([1, 2]), TIMES, 1.0), DTypeError, "leaf of int64"),
        (lambda: odeint(decay, np.ones(2) + 0j, TIMES, 1.0), DTypeError, "real floats"),
        (lambda: odeint(lambda y, t: y[0], np.ones(2), TIMES), ShapeError, r"shape \(\) for a y"),
        (lambda: odeint(lambda y, t: {"y": y}, np.ones(2), TIMES), ShapeError, "func's result"),
        (lambda: odeint(lambda y, t: [y], np.ones(2), TIMES), ShapeError, r"shape \(1, 2\) for"),
        (lambda: odeint(lambda y, t: y * y, np.ones(1), np.array([0.0, 2.0])),
         TapegradError, "no step small enough at t = 1"),
        (lambda: odeint(decay, np.ones(2), TIMES, 50.0, mxstep=3), TapegradError, "mxstep = 3"),
    ]
)  # fmt: skip
