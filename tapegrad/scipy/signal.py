"""scipy.signal for Tensors: convolution and correlation in any number of dimensions."""

from __future__ import annotations

from typing import Any

from ..errors import ShapeError
from ..numpy.norms import inexact
from ..ops.complex import conj
from ..ops.linear import slice_
from ..ops.scipy_signal import convolution
from ..ops.shapes import flip
from ..tensor import Tensor

__all__ = ["convolve", "correlate", "fftconvolve"]

_METHODS = {"auto": 0, "direct": 1, "fft": 2}


def convolve(in1: Any, in2: Any, mode: str = "full", method: str = "auto") -> Tensor:
    """Convolution of two arrays of as many axes.

    Args:
        mode: "full", "same" (in1's shape, centred) or "valid" (only where they overlap whole).
        method: "direct", "fft", or "auto" for the faster one.
    Raises:
        ShapeError: if the numbers of axes differ, or for "valid" neither is within the other.
    """
    a, b = _pair(in1, in2, "convolve")
    if method not in _METHODS:
        raise ValueError(f"convolve: method must be one of {', '.join(_METHODS)}, got {method!r}")
    return _part(convolution(a, b, (_METHODS[method],)), a.shape, b.shape, mode)


def fftconvolve(in1: Any, in2: Any, mode: str = "full") -> Tensor:
    """Convolution by Fourier transforms, over all axes; arguments as convolve's."""
    return convolve(in1, in2, mode, "fft")


def correlate(in1: Any, in2: Any, mode: str = "full", method: str = "auto") -> Tensor:
    """Cross-correlation: the convolution of in1 with in2 reversed and conjugated."""
    a, b = _pair(in1, in2, "correlate")
    return convolve(a, conj(flip(b)), mode, method)


def _pair(in1: Any, in2: Any, name: str) -> tuple[Tensor, Tensor]:
    a, b = inexact(in1), inexact(in2)
    if a.ndim != b.ndim:
        raise ShapeError(f"{name}: need as many axes, got shapes {a.shape} and {b.shape}")
    return a, b


def _part(full: Tensor, a: tuple, b: tuple, mode: str) -> Tensor:
    if mode == "full":
        return full
    if mode == "same":
        sizes = a
        starts = [(n - m) // 2 for n, m in zip(full.shape, a)]
    elif mode == "valid":
        if any(m > n for m, n in zip(a, b)) and any(m < n for m, n in zip(a, b)):
            raise ShapeError(f"convolve: for 'valid' one of {a} and {b} must contain the other")
        sizes = tuple(abs(m - n) + 1 for m, n in zip(a, b))
        starts = [min(m, n) - 1 for m, n in zip(a, b)]
    else:
        raise ValueError(f"convolve: mode must be 'full', 'same' or 'valid', got {mode!r}")
    return slice_(full, tuple(v for start, n in zip(starts, sizes) for v in (start, n, 1)))
