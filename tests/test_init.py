"""Initialisers and the default dtype: spread, and what is refused."""

import numpy as np
import pytest
from refusing import refuses

import tapegrad as tg
from tapegrad.nn import init

pytestmark = pytest.mark.usefixtures("seed")


INITS = [
    (lambda p: init.xavier_uniform_(p), np.sqrt(6 / 500) / np.sqrt(3)),
    (lambda p: init.xavier_normal_(p, gain=2.0), 2 * np.sqrt(2 / 500)),
    (lambda p: init.kaiming_uniform_(p, nonlinearity="relu"), np.sqrt(2 / 200)),
    (lambda p: init.kaiming_normal_(p, mode="fan_out"), np.sqrt(2 / 300)),
    (lambda p: init.normal_(p, std=0.5), 0.5),
    (lambda p: init.uniform_(p, -1, 1), 1 / np.sqrt(3)),
    (lambda p: init.zeros_(p), 0.0),
]


@pytest.mark.parametrize(("fill", "std"), INITS)
def test_initialisation_has_the_standard_deviation_of_its_source(fill, std):
    p = init.empty(300, 200)
    assert fill(p) is p
    np.testing.assert_allclose(p.numpy().std(), std, rtol=0.01)
    assert abs(p.numpy().mean()) < 0.02 * (std or 1)


P = tg.parameter(np.ones((2, 3)))

REFUSED = [
    (lambda: init.zeros_(tg.tensor([1.0])), TypeError, "init writes Parameters, got Tensor"),
    (lambda: init.normal_(np.ones(2)), TypeError, "init writes Parameters, got ndarray"),
    (lambda: tg.set_default_dtype("bogus"), tg.DTypeError, "dtype='bogus'"),
    (lambda: init.xavier_normal_(tg.parameter(np.ones(3))), tg.ShapeError, r"\(3,\)"),
    (lambda: init.calculate_gain("swish"), ValueError, "swish"),
    (lambda: init.calculate_gain(["relu"]), ValueError, "nonlinearity=\\['relu'\\]: choose"),
    (lambda: init.kaiming_normal_(P, "a"), ValueError, "leaky_relu's slope='a': it must be a"),
    (lambda: init.xavier_uniform_(P, gain=None), ValueError, "gain=None: it must be a number"),
    (lambda: init.xavier_normal_(None), TypeError, "init writes Parameters, got NoneType"),
    (lambda: tg.set_default_dtype("i8"), tg.DTypeError, "int64"),
]


test_bad_input_is_refused_with_a_reason = refuses(REFUSED)
