"""Cases: values that Python looks at: branches on them, and what is refused."""

import numpy as np
from corpus import batch, case

import tapegrad as tg

X = (batch(),)
TWICE, OTHER = (2 * X[0],), (-X[0],)
ONES = np.ones(3, np.float32)

# --- branches


@case(runs=4)
def branch_on_data():
    def step(x):
        return x * 2 if x.sum() > 0 else x * 3

    return step, [X, X, X, OTHER, X, OTHER, OTHER, X, OTHER]


@case(runs=4)
def branch_on_data_before_an_update():
    w = tg.parameter(np.ones(3, np.float32))

    def step(x):
        y = (x * w).sum()
        if bool(y > 0):
            w.assign(w * 0.5)
        else:
            w.assign(w * 2)
        return y

    return step, [X, X, X, OTHER, X, OTHER, OTHER, X], lambda: [w.numpy()]


@case(runs=4)
def branch_on_nan():
    def step(x):
        if np.isnan(x).any():
            raise FloatingPointError("nan")
        return x * 2

    bad = (np.full((5, 3), np.nan, np.float32),)
    return step, [X, X, X, bad, X, bad, X]


@case(runs=4)
def branch_on_an_argument_itself():
    return lambda x, on: x * 2 if on else x, [(batch(), np.bool_(k % 2)) for k in range(8)]


@case(runs=4)
def branch_on_a_parameter_itself():
    w, on = tg.parameter(ONES), tg.parameter(1.0)

    def change():
        on.assign(1 - on)

    return lambda x: x * w * 2 if on else x * w, [X, change, X, change, X, X, change, X, change, X]


# --- what a replay could not see


@case(error="corpus_escapes.py")
def item():
    return lambda x: x * x.sum().item(), [X, X, TWICE]


@case(error="corpus_escapes.py")
def float_of_a_value():
    return lambda x: x * float(x.sum()), [X, X, TWICE]


@case(error="corpus_escapes.py")
def int_of_a_value():
    return lambda x: x * int(abs(x).sum()), [X, X, TWICE]


@case(error="corpus_escapes.py")
def numpy_of_a_value():
    return lambda x: x * np.cumprod((x * 2).numpy()[0]), [X, X, TWICE]


@case(error="corpus_escapes.py")
def list_of_values():
    return lambda x: x * x.sum(axis=0).tolist()[0], [X, X, TWICE]


@case(error="corpus_escapes.py")
def value_as_an_index():
    table = [1.0, 2.0, 3.0]
    return lambda x: x * table[x[0].argmax()], [X, X, OTHER]


@case(error="give it int(n) or float(x)")
def argument_that_chooses_an_axis():
    return lambda x, axis: x.sum(axis=axis), [(batch(), np.int64(k % 2)) for k in range(3)]


@case(error="tg.numpy.zeros(n)")
def values_stored_in_an_array_of_the_steps():
    def step(x):
        rows = np.zeros((2, 3))
        rows[1] = x.sum(axis=0)
        return rows

    return step, [X, X, TWICE]


@case(error="corpus_escapes.py")
def text_of_a_value():
    return lambda x: (x * 2, f"{x.sum()}"), [X, X, TWICE]
