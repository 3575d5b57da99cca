"""NumPy's sums, extremes and statistics that skip nan."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..ops import composite, logic
from ..ops import elementwise as e
from ..ops.axes import as_tensor
from ..tensor import Tensor
from .reductions import counted, cumprod, cumsum, max, mean, min, prod, sum, var
from .registry import differentiable


def _without_nan(a: Any, other: Any) -> Tensor:
    x = as_tensor(a)
    return e.where(e.isnan(x), other, x) if x.dtype.kind in "fc" else x


def _is_number(x: Any) -> Any:
    return e.logical_not(e.isnan(x))


@differentiable("nansum(n, axis=1)", "nansum(x)")
def nansum(
    a: Any, axis: Any = None, dtype: Any = None, keepdims: bool = False, initial: Any = None,
    where: Any = True,
) -> Tensor:  # fmt: skip
    """Sum, nan counting as 0."""
    return sum(_without_nan(a, 0), axis, dtype, keepdims, initial, where)


@differentiable("nanprod(n, axis=1)")
def nanprod(
    a: Any, axis: Any = None, dtype: Any = None, keepdims: bool = False, initial: Any = None,
    where: Any = True,
) -> Tensor:  # fmt: skip
    """Product, nan counting as 1."""
    return prod(_without_nan(a, 1), axis, dtype, keepdims, initial, where)


@differentiable("nancumsum(n)", "nancumsum(n, axis=1)")
def nancumsum(a: Any, axis: Any = None, dtype: Any = None) -> Tensor:
    """Running sum, nan counting as 0."""
    return cumsum(_without_nan(a, 0), axis, dtype)


@differentiable("nancumprod(n)", "nancumprod(n, axis=1)")
def nancumprod(a: Any, axis: Any = None, dtype: Any = None) -> Tensor:
    """Running product, nan counting as 1."""
    return cumprod(_without_nan(a, 1), axis, dtype)


@differentiable("nanmean(n)", "nanmean(n, axis=1)")
def nanmean(
    a: Any, axis: Any = None, dtype: Any = None, keepdims: bool = False, *, where: Any = True
) -> Tensor:
    """Mean of the elements that are not nan."""
    return mean(a, axis, dtype, keepdims, where=_both(where, a))


@differentiable("nanvar(n)", "nanvar(n, axis=1, ddof=1)")
def nanvar(
    a: Any, axis: Any = None, dtype: Any = None, ddof: float = 0, keepdims: bool = False, *,
    where: Any = True, mean: Any = None, correction: float | None = None,
) -> Tensor:  # fmt: skip
    """Mean squared distance from the mean, of the elements that are not nan; nan if those are
    not more than ddof."""
    ddof = ddof if correction is None else correction
    x, numbers = as_tensor(a), _both(where, a)
    y = var(x, axis, dtype, ddof, keepdims, where=numbers, mean=mean)
    if x.dtype.kind not in "fc":
        return y
    return e.where(counted(x, axis, keepdims, numbers) > ddof, y, np.nan)


@differentiable("nanstd(n)", "nanstd(n, axis=1, ddof=1)")
def nanstd(
    a: Any, axis: Any = None, dtype: Any = None, ddof: float = 0, keepdims: bool = False, *,
    where: Any = True, mean: Any = None, correction: float | None = None,
) -> Tensor:  # fmt: skip
    """Square root of nanvar, with its arguments."""
    ddof = ddof if correction is None else correction
    return composite.root(nanvar(a, axis, dtype, ddof, keepdims, where=where, mean=mean))


def _both(where: Any, a: Any) -> Any:
    numbers = _is_number(as_tensor(a))
    return numbers if where is True else e.logical_and(where, numbers)


@differentiable("nanmax(n)", "nanmax(n, axis=1)")
def nanmax(
    a: Any, axis: Any = None, keepdims: bool = False, initial: Any = None, where: Any = True
) -> Tensor:
    """Largest of the elements that are not nan; nan if there is none."""
    return _nan_extreme(max, -np.inf, a, axis, keepdims, initial, where)


@differentiable("nanmin(n)", "nanmin(n, axis=1)")
def nanmin(
    a: Any, axis: Any = None, keepdims: bool = False, initial: Any = None, where: Any = True
) -> Tensor:
    """Smallest of the elements that are not nan; nan if there is none."""
    return _nan_extreme(min, np.inf, a, axis, keepdims, initial, where)


def _nan_extreme(
    fold: Any, other: complex, a: Any, axis: Any, keepdims: bool, initial: Any, where: Any
) -> Tensor:
    x = as_tensor(a)
    if x.dtype.kind not in "fc":
        return fold(x, axis, keepdims, initial, where)
    if x.dtype.kind == "c":
        other = complex(other, other)
    y = fold(_without_nan(x, other), axis, keepdims, initial, where)
    nothing = logic.all(e.isnan(x), axis, keepdims)
    return e.where(nothing, np.nan, y) if initial is None else y
