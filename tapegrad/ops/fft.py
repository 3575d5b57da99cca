"""Rows of discrete Fourier transforms along one axis. NumPy (pocketfft) computes them.

All are linear. The matrix of `fft` and `ifft` is symmetric, so each is its own transpose (without
a conjugate: docs/complex.md). rfft keeps the first half of the frequencies of a real signal; its
transpose is an irfft of weighted conjugates, and the other way round, where a frequency that stands
for itself and its mirror image weighs 2.

Params of a row end in a code of its norm: 0 "backward", 1 "ortho", 2 "forward".
"""

from __future__ import annotations

import numpy as np

from .complex import conj, real
from .rows import linear
from .shapes import as_dtype

NORMS = ("backward", "ortho", "forward")


def _fft_numpy(x, axis, is_inverse, norm):
    transform = np.fft.ifft if is_inverse else np.fft.fft
    return transform(x, axis=axis, norm=NORMS[norm])


def _fft_vjp(ct, x_like, params):
    y = fft(ct, params)
    return y if x_like.dtype.kind == "c" else as_dtype(real(y), x_like.dtype)


def _signals(*cases, is_complex):
    def examples(rng):
        return [
            ([rng.uniform(-1, 1, s) + (1j * rng.uniform(-1, 1, s) if is_complex else 0)], p)
            for s, p in cases
        ]

    return examples


fft = linear(  # params: (axis, whether inverse, norm)
    "fft",
    _fft_numpy,
    _fft_vjp,
    examples=_signals(
        ((4,), (0, 0, 0)), ((2, 3), (1, 1, 0)), ((5, 2), (0, 0, 1)), ((1,), (0, 1, 2)),
        is_complex=True,
    ),
    doc="The discrete Fourier transform along an axis, or its inverse.",
)  # fmt: skip


def _weighted(x, n, axis, weight):
    """Half a spectrum of n values times `weight` where a frequency is not its own mirror image."""
    m = x.shape[axis]
    weights = np.full(m, weight, np.empty(0, x.dtype).real.dtype)
    weights[0] = 1
    if n % 2 == 0:
        weights[-1] = 1
    return x * weights.reshape([m if i == axis else 1 for i in range(len(x.shape))])


def _rfft_vjp(ct, x_like, params):
    axis, norm = params
    n = x_like.shape[axis]
    y = irfft(conj(_weighted(ct, n, axis, 0.5)), (axis, n, 2 - norm))
    return as_dtype(y, x_like.dtype)  # of float16, whose transforms are complex64


rfft = linear(  # params: (axis, norm)
    "rfft",
    lambda x, axis, norm: np.fft.rfft(x, axis=axis, norm=NORMS[norm]),
    _rfft_vjp,
    examples=_signals(
        ((4,), (0, 0)), ((2, 5), (1, 1)), ((3, 2), (0, 2)), ((1,), (0, 0)), is_complex=False
    ),
    doc="The first half of the Fourier transform of a real signal along an axis.",
)


def _irfft_vjp(ct, params):
    axis, n, norm = params
    return _weighted(conj(rfft(ct, (axis, 2 - norm))), n, axis, 2.0)


irfft = linear(  # params: (axis, length of the result, norm)
    "irfft",
    lambda x, axis, n, norm: np.fft.irfft(x, n, axis, NORMS[norm]),
    _irfft_vjp,
    examples=_signals(
        ((3,), (0, 4, 0)), ((2, 3), (1, 5, 1)), ((2, 2), (0, 2, 2)), ((1,), (0, 1, 0)),
        is_complex=True,
    ),
    doc="The real signal along an axis whose Fourier transform begins with these n // 2 + 1.",
)  # fmt: skip
