"""The row of convolution, which SciPy computes; made when tapegrad.scipy.signal is imported."""

from __future__ import annotations

from scipy import signal

from .linear import slice_
from .rows import custom
from .shapes import flip

_METHODS = ("auto", "direct", "fft")


def _overlap(ct, other, size, params):
    """ct correlated with the other operand: the convolution's transpose, of shape `size`."""
    whole = convolution(ct, flip(other), params)
    box = [v for n, m in zip(other.shape, size) for v in (n - 1, m, 1)]
    return slice_(whole, tuple(box))


convolution = custom(  # params: (method,)
    "convolution",
    lambda a, b, method: signal.convolve(a, b, method=_METHODS[method]).astype(a.dtype, copy=False),
    inputs=("a", "b"),
    vjps=[
        lambda ct, a_like, b, params: _overlap(ct, b, a_like.shape, params),
        lambda ct, a, b_like, params: _overlap(ct, a, b_like.shape, params),
    ],
    jvps=[
        lambda t, b, params: convolution(t, b, params),
        lambda t, a, params: convolution(a, t, params),
    ],
    examples=lambda rng: [
        ([rng.uniform(-1, 1, a), rng.uniform(-1, 1, b)], (method,))
        for a, b, method in (((5,), (3,), 1), ((2,), (4,), 2), ((3, 4), (2, 2), 0))
    ],
    doc="The full convolution of two arrays of as many axes.",
)
