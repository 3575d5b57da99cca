"""The public checker: it passes what is right and names what is wrong."""

import numpy as np
import pytest
from refusing import refuses

import tapegrad as tg
import tapegrad.numpy as tnp
from tapegrad import gradcheck
from tapegrad.gradcheck import GradcheckError

pytestmark = pytest.mark.usefixtures("backend")


def half_wrong(x):
    """x^2 whose derivative is stopped in one factor, for x[1] only."""
    stopped = tnp.where(np.array([False, True, False]), tg.stop_gradient(x), x)
    return (stopped * x).sum()


def test_right_derivatives_pass(rng):
    assert gradcheck(lambda x, y: tnp.sin(x) * y, [rng.normal(size=(2, 3)), rng.normal(size=3)])
    assert gradcheck(lambda x: x**3, np.array([1.0, 2.0], "f4"))
    assert gradcheck(tnp.tanh, rng.normal(size=4), order=4, modes=("rev",))
    assert gradcheck(lambda x: {"a": x * 2, "b": [x.sum()]}, [tg.tensor([1.0, 2.0])])
    assert gradcheck(tnp.sin, 0.5)
    assert gradcheck(lambda p: p["w"] ** 3, {"w": np.array([1.0, 2.0])})
    assert gradcheck(lambda x, y: x * y, iter([np.ones(2), 0.5]))
    assert gradcheck(lambda x, i: x[i], [rng.normal(size=4), np.array([1, 1, 3])])


def test_a_wrong_derivative_is_named_by_argument_and_element():
    with pytest.raises(GradcheckError, match=r"order 1, reverse.*worst at argument 1\[1\]"):
        gradcheck(lambda k, x: half_wrong(x), [np.array([1]), np.array([1.0, 2.0, 3.0])])


def test_forward_mode_is_checked_by_itself():
    x = np.array([1.0, 2.0, 3.0])
    with pytest.raises(GradcheckError, match="order 1, forward"):
        gradcheck(half_wrong, x, modes=("fwd",))


def test_second_order_mistakes_show_at_order_two():
    def f(x):  # right slope 2x, but with its own derivative stopped
        frozen = tg.stop_gradient(x)
        return (2 * frozen * x - frozen * frozen).sum() + tg.stop_gradient((x - frozen) ** 2).sum()

    x = np.array([0.5, 1.0])
    values = [f(tg.tensor(v)).item() for v in (x, x + 1)]
    assert values[0] == pytest.approx(np.sum(x * x))
    assert gradcheck(f, x, order=1)
    with pytest.raises(GradcheckError, match="order 2"):
        gradcheck(f, x, order=2)


def test_it_can_answer_instead_of_raising():
    assert gradcheck(half_wrong, np.array([1.0, 2.0, 3.0]), raise_exception=False) is False
    assert gradcheck(tnp.exp, np.array([1.0]), raise_exception=False) is True


test_what_would_check_nothing_is_refused = refuses(
    [
        (lambda: gradcheck(tnp.exp, np.ones(2), order=0), ValueError, "order=0"),
        (lambda: gradcheck(tnp.exp, np.ones(2), order="2"), ValueError, "order='2'"),
        (lambda: gradcheck(tnp.exp, np.ones(2), modes=()), ValueError, r"modes=\(\)"),
        (lambda: gradcheck(tnp.exp, np.ones(2), modes=("up",)), ValueError, "'up'"),
        (lambda: gradcheck(lambda x: None, np.ones(2)), TypeError, "returned no floating Tensor"),
        (lambda: gradcheck(tnp.exp, [np.arange(2)]), tg.DTypeError, "no argument is floating"),
    ]
)


def test_it_is_an_assertion():
    with pytest.raises(AssertionError):
        gradcheck(half_wrong, np.array([1.0, 2.0, 3.0]))


def test_bad_arguments_raise():
    with pytest.raises(tg.DTypeError, match="nothing to differentiate"):
        gradcheck(lambda x: x, np.array([1, 2]))
    with pytest.raises(ValueError, match="'sideways'"):
        gradcheck(tnp.exp, np.array([1.0]), modes=("sideways",))


def test_tolerances_can_be_given():
    def slightly_wrong(x):
        return (x * 1.0 + tg.stop_gradient(x) * 1e-4).sum()

    x = np.array([1.0, 2.0])
    assert not gradcheck(slightly_wrong, x, order=1, raise_exception=False)
    assert gradcheck(slightly_wrong, x, order=1, rtol=1e-2)
    assert gradcheck(slightly_wrong, x, order=1, atol=1e-2)
    assert gradcheck(tnp.sin, x, eps=1e-4)


def test_complex_functions_are_checked(rng):
    z = rng.normal(size=(2, 2)) + 1j * rng.normal(size=(2, 2))
    assert gradcheck(lambda z: tnp.exp(z) @ z, [z])
    assert gradcheck(lambda z, x: abs(z * x), [z, rng.normal(size=2)])
    assert gradcheck(tnp.fft.rfft, [rng.normal(size=4)])
    assert gradcheck(tnp.sin, [z.astype("c8")], order=1)


def test_a_wrong_derivative_of_an_imaginary_part_is_named():
    def f(z):  # exp(z), but for the imaginary part of z[1]
        frozen = tnp.where(np.array([False, True]), tg.stop_gradient(z.imag), z.imag)
        return tnp.exp(z.real + 1j * frozen)

    with pytest.raises(GradcheckError, match=r"worst at argument 0\[1\], imaginary part"):
        gradcheck(f, [np.array([0.1 + 0.2j, 0.3 - 0.4j])])


def test_nestings_are_checked(rng):
    assert gradcheck(lambda p, k: p["w"][0] * k, [{"w": [rng.normal(size=3)]}, 2])
    with pytest.raises(GradcheckError, match=r"worst at argument 0\['w'\]\[1\]"):
        gradcheck(lambda p: half_wrong(p["w"]), [{"w": np.array([1.0, 2.0, 3.0])}])


def test_the_op_that_disagrees_is_named(backend):
    from tapegrad.ops.table import OPS, Rule

    op = OPS["sinh"]  # C has its own sinh: the rule is broken where neither engine fuses it
    right = op.vjps
    op.vjps = (Rule(lambda ct: ct * 3.0, ("x",)),)
    try:
        with tg.use_backend("numpy"), pytest.raises(GradcheckError, match="rules of sinh disagree"):
            gradcheck(lambda x: (tnp.sinh(x * 2) + x).sum(), np.array([0.5, 1.0]))
    finally:
        op.vjps = right


def test_a_custom_rule_that_disagrees_is_named():
    @tg.custom_vjp
    def third(x):
        return x * x

    third.defvjp(lambda x: (x * x, x), lambda x, ct: (3 * x * ct,))
    with pytest.raises(GradcheckError, match="look at the rules of custom_vjp third"):
        gradcheck(lambda x: third(x).sum(), np.array([0.5, 1.0]), order=1, modes=("rev",))
    with pytest.raises(GradcheckError, match="is something detached"):
        gradcheck(half_wrong, np.array([1.0, 2.0, 3.0]))
