"""numpy.fft for Tensors: every transform is linear, with its transpose as the derivative's rule."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ..errors import ShapeError
from ..ops import fft as rows
from ..ops.axes import as_tensor, axes, one_axis
from ..ops.complex import conj
from ..ops.linear import pad as pad_row
from ..ops.shapes import as_dtype, concatenate
from ..tensor import Tensor, tensor
from .creation import check_device
from .registry import differentiable, plain

__all__ = [
    "fft", "fft2", "fftfreq", "fftn", "fftshift", "hfft", "ifft", "ifft2", "ifftn", "ifftshift",
    "ihfft", "irfft", "irfft2", "irfftn", "rfft", "rfft2", "rfftfreq", "rfftn",
]  # fmt: skip


def _norm(norm: str | None, name: str) -> int:
    if norm is None:
        return 0
    if norm not in rows.NORMS:
        raise ValueError(f"{name}: norm must be one of {', '.join(rows.NORMS)}, got {norm!r}")
    return rows.NORMS.index(norm)


def _inexact(a: Any) -> Tensor:
    a = as_tensor(a)
    return a if a.dtype.kind in "fc" else as_dtype(a, np.float64)


def _fitted(a: Tensor, n: int | None, axis: int, name: str) -> Tensor:
    """a cut or zero-padded to length n along axis."""
    length = a.shape[axis]
    n = length if n is None else int(n)
    if n < 1:
        raise ValueError(f"{name}: need at least one data point along an axis, got {n}")
    if n > length:
        widths = [w for i in range(a.ndim) for w in (0, n - length if i == axis else 0)]
        return pad_row(a, (*widths, 0.0))
    if n < length:
        return a[(*[slice(None)] * axis, slice(0, n))]
    return a


# --- one axis ---------------------------------------------------------------------------------


def _one(a: Any, n: int | None, axis: int, norm: str | None, inverse: int, name: str) -> Tensor:
    a = _inexact(a)
    axis = one_axis(axis, a.ndim, name)
    return rows.fft(_fitted(a, n, axis, name), (axis, inverse, _norm(norm, name)))


@differentiable("abs(fft.fft(x))", "real(fft.fft(x, 6, 0, 'ortho'))", "imag(fft.fft(x, 2))",
                name="fft.fft")  # fmt: skip
def fft(a: Any, n: int | None = None, axis: int = -1, norm: str | None = None) -> Tensor:
    """The discrete Fourier transform along an axis.

    Args:
        n: length to cut or zero-pad the axis to.
        norm: "backward" (default) scales the inverse by 1/n, "forward" the transform, "ortho"
            both by 1/sqrt(n).
    Raises:
        ValueError: for n < 1, or another norm.
    """
    return _one(a, n, axis, norm, 0, "fft")


@differentiable("real(fft.ifft(x))", "abs(fft.ifft(x, 5, norm='forward'))", name="fft.ifft")
def ifft(a: Any, n: int | None = None, axis: int = -1, norm: str | None = None) -> Tensor:
    """The inverse of fft; arguments as fft's."""
    return _one(a, n, axis, norm, 1, "ifft")


@differentiable("abs(fft.rfft(x))", "real(fft.rfft(x, 5, 0, 'ortho'))", name="fft.rfft")
def rfft(a: Any, n: int | None = None, axis: int = -1, norm: str | None = None) -> Tensor:
    """The first n // 2 + 1 frequencies of a real signal; arguments as fft's.

    Raises:
        TypeError: for complex a.
    """
    a = _inexact(a)
    if a.dtype.kind == "c":
        raise TypeError(f"rfft: the signal must be real, got {a.dtype}; use fft")
    axis = one_axis(axis, a.ndim, "rfft")
    return rows.rfft(_fitted(a, n, axis, "rfft"), (axis, _norm(norm, "rfft")))


@differentiable("fft.irfft(x)", "fft.irfft(x + 1j * y, 5, 0, 'ortho')", name="fft.irfft")
def irfft(a: Any, n: int | None = None, axis: int = -1, norm: str | None = None) -> Tensor:
    """The real signal of length n (by default 2 (m - 1)) whose rfft is a, of m frequencies."""
    a = _as_complex(_inexact(a))
    axis = one_axis(axis, a.ndim, "irfft")
    n = 2 * (a.shape[axis] - 1) if n is None else int(n)
    a = _fitted(a, n // 2 + 1 if n > 0 else n, axis, "irfft")
    return rows.irfft(a, (axis, n, _norm(norm, "irfft")))


def _as_complex(a: Tensor) -> Tensor:
    return a if a.dtype.kind == "c" else as_dtype(a, np.result_type(a.dtype, np.complex64))


@differentiable("fft.hfft(x)", "fft.hfft(x + 1j * y, 5, 0, 'ortho')", name="fft.hfft")
def hfft(a: Any, n: int | None = None, axis: int = -1, norm: str | None = None) -> Tensor:
    """The real spectrum of a signal with Hermitian symmetry, given by its first half."""
    return irfft(conj(_inexact(a)), n, axis, rows.NORMS[2 - _norm(norm, "hfft")])


@differentiable("real(fft.ihfft(x))", "imag(fft.ihfft(x, 5, 0))", name="fft.ihfft")
def ihfft(a: Any, n: int | None = None, axis: int = -1, norm: str | None = None) -> Tensor:
    """The inverse of hfft."""
    return conj(rfft(a, n, axis, rows.NORMS[2 - _norm(norm, "ihfft")]))


# --- several axes -----------------------------------------------------------------------------


def _lengths(a: Tensor, s: Any, axes_: Any, name: str) -> list[tuple[int | None, int]]:
    """(length or None, axis) of each axis to transform."""
    if axes_ is None:
        axes_ = range(a.ndim) if s is None else range(-len(s), 0)
    chosen = [one_axis(axis, a.ndim, name) for axis in axes_]
    lengths = [None] * len(chosen) if s is None else [None if n == -1 else n for n in s]
    if len(lengths) != len(chosen):
        raise ShapeError(f"{name}: {len(lengths)} lengths for {len(chosen)} axes")
    return list(zip(lengths, chosen))


def _each(one: Callable, a: Any, s: Any, axes_: Any, norm: str | None, name: str) -> Tensor:
    a = _inexact(a)
    for n, axis in reversed(_lengths(a, s, axes_, name)):
        a = one(a, n, axis, norm)
    return _as_complex(a)


@differentiable("abs(fft.fftn(x))", "real(fft.fftn(x, (2, 5), (0, 1)))", name="fft.fftn")
def fftn(a: Any, s: Any = None, axes: Any = None, norm: str | None = None) -> Tensor:
    """fft along several axes (None: all), cut or padded to lengths s."""
    return _each(fft, a, s, axes, norm, "fftn")


@differentiable("abs(fft.ifftn(x, norm='ortho'))", name="fft.ifftn")
def ifftn(a: Any, s: Any = None, axes: Any = None, norm: str | None = None) -> Tensor:
    """The inverse of fftn."""
    return _each(ifft, a, s, axes, norm, "ifftn")


@differentiable("abs(fft.fft2(x))", name="fft.fft2")
def fft2(a: Any, s: Any = None, axes: Any = (-2, -1), norm: str | None = None) -> Tensor:
    """fft along two axes."""
    return _each(fft, a, s, axes, norm, "fft2")


@differentiable("real(fft.ifft2(x))", name="fft.ifft2")
def ifft2(a: Any, s: Any = None, axes: Any = (-2, -1), norm: str | None = None) -> Tensor:
    """The inverse of fft2."""
    return _each(ifft, a, s, axes, norm, "ifft2")


@differentiable("abs(fft.rfftn(x))", "real(fft.rfftn(x, (2, 5), (1, 0)))", name="fft.rfftn")
def rfftn(a: Any, s: Any = None, axes: Any = None, norm: str | None = None) -> Tensor:
    """rfft along the last of several axes, then fft along the others."""
    a = _inexact(a)
    *others, (n, axis) = _lengths(a, s, axes, "rfftn")
    y = rfft(a, n, axis, norm)
    for n, axis in reversed(others):
        y = fft(y, n, axis, norm)
    return y


@differentiable("fft.irfftn(x)", "fft.irfftn(x + 1j * y, (5, 2), (1, 0))", name="fft.irfftn")
def irfftn(a: Any, s: Any = None, axes: Any = None, norm: str | None = None) -> Tensor:
    """The inverse of rfftn; the last of s is the length of the last axis of the result."""
    a = _inexact(a)
    *others, (n, axis) = _lengths(a, s, axes, "irfftn")
    for length, other in others:
        a = ifft(a, length, other, norm)
    return irfft(a, n, axis, norm)


@differentiable("abs(fft.rfft2(x))", name="fft.rfft2")
def rfft2(a: Any, s: Any = None, axes: Any = (-2, -1), norm: str | None = None) -> Tensor:
    """rfftn along two axes."""
    return rfftn(a, s, axes, norm)


@differentiable("fft.irfft2(x)", name="fft.irfft2")
def irfft2(a: Any, s: Any = None, axes: Any = (-2, -1), norm: str | None = None) -> Tensor:
    """The inverse of rfft2."""
    return irfftn(a, s, axes, norm)


# --- order and frequencies --------------------------------------------------------------------


def _rolled(x: Any, axes_: Any, inverse: bool, name: str) -> Tensor:
    x = as_tensor(x)
    for axis in axes(axes_, x.ndim, name):
        n = x.shape[axis]
        cut = n // 2 if inverse else n - n // 2
        if 0 < cut < n:
            box = [slice(None)] * axis
            x = concatenate([x[(*box, slice(cut, n))], x[(*box, slice(0, cut))]], axis)
    return x


@differentiable("fft.fftshift(x)", "fft.fftshift(x, 0)", name="fft.fftshift")
def fftshift(x: Any, axes: Any = None) -> Tensor:
    """The zero frequency moved to the middle of the axes (None: all)."""
    return _rolled(x, axes, False, "fftshift")


@differentiable("fft.ifftshift(x)", "fft.ifftshift(x, 0)", name="fft.ifftshift")
def ifftshift(x: Any, axes: Any = None) -> Tensor:
    """The inverse of fftshift."""
    return _rolled(x, axes, True, "ifftshift")


def fftfreq(n: int, d: float = 1.0, *, dtype: Any = None, device: Any = None) -> Tensor:
    """The frequencies of fft's result, for a sample spacing d."""
    check_device(device)
    return tensor(np.fft.fftfreq(n, d), dtype)


def rfftfreq(n: int, d: float = 1.0, *, dtype: Any = None, device: Any = None) -> Tensor:
    """The frequencies of rfft's result, for a sample spacing d."""
    check_device(device)
    return tensor(np.fft.rfftfreq(n, d), dtype)


plain(fftfreq, name="fft.fftfreq")
plain(rfftfreq, name="fft.rfftfreq")
