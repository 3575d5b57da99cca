"""Functions of complex numbers: parts, conjugate, angle, direction. Real arrays are fine too.

The convention of all derivatives with respect to complex numbers is in docs/complex.md.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..tensor import Tensor, tensor
from . import elementwise as e
from .axes import as_tensor
from .shapes import as_dtype
from .trig import arctan2


def real(x: Any) -> Tensor:
    """The real part; x itself where it is real."""
    x = as_tensor(x)
    return e.real(x) if x.dtype.kind == "c" else x


def imag(x: Any) -> Tensor:
    """The imaginary part; zeros where x is real."""
    x = as_tensor(x)
    return e.imag(x) if x.dtype.kind == "c" else tensor(np.zeros(x.shape, x.dtype))


def conj(x: Any) -> Tensor:
    """The complex conjugate; x itself where it is real."""
    x = as_tensor(x)
    return e.conjugate(x) if x.dtype.kind == "c" else x


def angle(z: Any, deg: bool = False) -> Tensor:
    """The angle of z from the positive real axis, in radians (or degrees), in -pi..pi."""
    z = as_tensor(z)
    z = as_dtype(z, np.float64) if z.dtype.kind == "b" else z
    radians = arctan2(imag(z), real(z))
    return radians * (180 / np.pi) if deg else radians


def sign(x: Any) -> Tensor:
    """-1, 0 or 1; of complex x its direction x / |x|, and 0 where x is 0."""
    x = as_tensor(x)
    return e.phase(x) if x.dtype.kind == "c" else e.sign(x)
