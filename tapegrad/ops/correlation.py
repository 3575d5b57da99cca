"""The row of np.correlate and np.convolve: sums of products with sliding windows.

Its derivatives are sums of the same kind, so that one kernel serves every order.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from .linear import slice_
from .rows import custom


def _correlate_numpy(a, v, before, n):
    first = len(v) - 1 - before
    return np.convolve(a, v[::-1])[first : first + n]


def _turned(v):
    n = v.shape[0]
    return slice_(v, (n - 1, n, -1))


def _slides(*cases):
    """(lengths of a and v, params) as an `examples` function."""
    return lambda rng: [([rng.uniform(-2, 2, n) for n in sizes], p) for sizes, p in cases]


correlate: Any = custom(  # params: (elements of the first window before a's first, windows)
    "correlate",
    _correlate_numpy,
    inputs=("a", "v"),
    vjps=[
        lambda ct, a_like, v, params: correlate(
            ct, _turned(v), (v.shape[0] - 1 - params[0], a_like.shape[0])
        ),
        lambda ct, a, v_like, params: correlate(a, ct, (params[0], v_like.shape[0])),
    ],
    jvps=[
        lambda t, v, params: correlate(t, v, params),
        lambda t, a, params: correlate(a, t, params),
    ],
    examples=_slides(
        ((7, 3), (0, 5)),
        ((7, 3), (2, 9)),
        ((7, 4), (2, 7)),
        ((3, 3), (2, 5)),
        ((5, 1), (0, 5)),
        ((40, 7), (6, 46)),
        ((150, 90), (89, 239)),
        ((1, 1), (0, 1)),
    ),
    large=_slides(((9001, 300), (299, 9300)), ((9001, 300), (0, 8702)), ((9000, 9300), (299, 300))),
    ulp=64,
    doc="Inner products of v with the windows of a; beyond a's ends there are no products.",
)
