"""What tests of tapes and of known values compare by."""

import numpy as np


def close(got, want, rtol=1e-12):
    np.testing.assert_allclose(got, want, rtol=rtol, atol=1e-14)
