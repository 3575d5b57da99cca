"""The data sets that ship inside the package."""

import numpy as np

from tapegrad.data import load_digits


def test_digits_are_the_whole_set_in_documented_dtypes():
    x, y = load_digits()
    assert (x.shape, x.dtype) == ((1797, 64), np.float32)
    assert (y.shape, y.dtype) == ((1797,), np.int64)
    assert (x.min(), x.max()) == (0, 16)
    assert np.bincount(y).tolist() == [178, 182, 177, 183, 181, 182, 181, 179, 174, 180]


def test_digits_are_fresh_writable_arrays_at_each_call():
    first, labels = load_digits()
    first[:] = -1
    labels[:] = -1
    x, y = load_digits()
    assert x.min() == 0
    assert y.min() == 0
