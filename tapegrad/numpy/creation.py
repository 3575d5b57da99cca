"""NumPy's functions that make arrays, returning Tensors.

`device` is "cpu" or None, as the array API standard has it.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..ops import elementwise as e
from ..ops import linear
from ..ops.axes import as_tensor, holds_tensors, shape_of
from ..ops.shapes import as_dtype, broadcast_to, expand_dims, moveaxis, shared_dtype, stacked
from ..tensor import Tensor, tensor
from .registry import differentiable, plain, values

_NOT_INTERCEPTED = "numpy's own cannot be intercepted"


def check_device(device: Any) -> None:
    """Raise unless device is the one there is."""
    if device not in (None, "cpu"):
        raise ValueError(f"device {device!r}: the only one is 'cpu'")


# --- from data --------------------------------------------------------------------------------


@differentiable("array([s, 2 * s])", "array([[s, 1.0], v[:2]])", note=_NOT_INTERCEPTED)
def array(object: Any, dtype: Any = None, *, copy: bool | None = True, ndmin: int = 0) -> Tensor:
    """A Tensor with a copy of the data; a Tensor given keeps its derivative.

    Nested sequences may hold Tensors: they are stacked.
    """
    if isinstance(object, Tensor):
        x = linear.copy(object) if copy else object
    elif isinstance(object, (list, tuple)) and holds_tensors(object):
        x = stacked(object)
    else:
        x = tensor(object, dtype)
    if dtype is not None:
        x = as_dtype(x, dtype)
    return x if x.ndim >= ndmin else linear.reshape(x, (1,) * (ndmin - x.ndim) + x.shape)


@differentiable("asarray([s, 2 * s])", "asarray(x)", note=_NOT_INTERCEPTED)
def asarray(
    a: Any, dtype: Any = None, order: Any = None, *, device: Any = None, copy: bool | None = None
) -> Tensor:
    """a itself if it is a Tensor of that dtype, else a Tensor of its values.

    Raises:
        ValueError: if copy is False and a is not a Tensor of that dtype.
    """
    check_device(device)
    if isinstance(a, Tensor) and (dtype is None or a.dtype == np.dtype(dtype)):
        return linear.copy(a) if copy else a
    if copy is False:
        raise ValueError(f"asarray: a Tensor of this {type(a).__name__} needs a copy")
    return array(a, dtype)


for _name in ("asanyarray", "ascontiguousarray", "asfortranarray"):
    differentiable(name=_name, note=_NOT_INTERCEPTED)(asarray)


@differentiable(note=_NOT_INTERCEPTED)
def asarray_chkfinite(a: Any, dtype: Any = None, order: Any = None) -> Tensor:
    """As asarray.

    Raises:
        ValueError: if a value is nan or infinite.
    """
    x = asarray(a, dtype)
    if not np.isfinite(x.numpy()).all():
        raise ValueError("array must not contain infs or NaNs")
    return x


@differentiable("require(x)")
def require(a: Any, dtype: Any = None, requirements: Any = None) -> Tensor:
    """a as a Tensor of that dtype; memory layout is tapegrad's own business."""
    return asarray(a, dtype)


# --- of one value -----------------------------------------------------------------------------


def _filled(name: str, value: int) -> Any:
    def function(shape: Any, dtype: Any = None, order: str = "C", *, device: Any = None) -> Tensor:
        check_device(device)
        return tensor(np.full(values(shape), value, float if dtype is None else dtype))

    function.__name__ = function.__qualname__ = name
    function.__doc__ = f"An array of that shape filled with {value}."
    return plain(function)


zeros, ones = _filled("zeros", 0), _filled("ones", 1)
empty = _filled("empty", 0)


@differentiable("full((2, 3), s)", "full((2, 4), v)", note=_NOT_INTERCEPTED)
def full(
    shape: Any, fill_value: Any, dtype: Any = None, order: str = "C", *, device: Any = None
) -> Tensor:
    """An array filled with a value, which broadcasts."""
    check_device(device)
    if isinstance(fill_value, Tensor):
        x = fill_value if dtype is None else as_dtype(fill_value, dtype)
        return broadcast_to(x, shape_of(shape, "full"))
    return tensor(np.full(values(shape), fill_value, dtype))


@differentiable("full_like(y, s)", "full_like(y, v)")
def full_like(
    a: Any, fill_value: Any, dtype: Any = None, order: str = "K", subok: bool = True,
    shape: Any = None, *, device: Any = None,
) -> Tensor:  # fmt: skip
    """An array of a's shape and dtype filled with a value, which broadcasts."""
    a = as_tensor(a)
    dtype = a.dtype if dtype is None else dtype
    return full(a.shape if shape is None else shape, fill_value, dtype, device=device)


def _filled_like(name: str, value: int) -> Any:
    def function(
        a: Any, dtype: Any = None, order: str = "K", subok: bool = True, shape: Any = None, *,
        device: Any = None,
    ) -> Tensor:  # fmt: skip
        return full_like(a, value, dtype, shape=shape, device=device)

    function.__name__ = function.__qualname__ = name
    function.__doc__ = f"An array of a's shape and dtype filled with {value}."
    return plain(function)


zeros_like, ones_like = _filled_like("zeros_like", 0), _filled_like("ones_like", 1)
empty_like = _filled_like("empty_like", 0)

# --- grids ------------------------------------------------------------------------------------


@plain
def arange(
    start: Any, stop: Any = None, step: Any = 1, dtype: Any = None, *, device: Any = None
) -> Tensor:
    """start, start + step, ... below stop; from 0 if only one bound is given."""
    check_device(device)
    if stop is None:
        start, stop = 0, start
    return tensor(np.arange(values(start), values(stop), values(step), dtype))


@plain
def eye(
    N: int, M: int | None = None, k: int = 0, dtype: Any = float, order: str = "C", *,
    device: Any = None,
) -> Tensor:  # fmt: skip
    """Ones on the k-th diagonal of an (N, M) matrix of zeros."""
    check_device(device)
    return tensor(np.eye(N, M, k, float if dtype is None else dtype))


@plain
def identity(n: int, dtype: Any = None) -> Tensor:
    """The (n, n) identity."""
    return tensor(np.identity(n, dtype))


@differentiable(
    "linspace(s, 3.0, 5)", "linspace(v, w, 4, axis=1)", "linspace(s, v, 3, endpoint=False)",
    "linspace(s, 2.0, 5, retstep=True)[1]", "linspace(s, v, 1)",
)  # fmt: skip
def linspace(
    start: Any, stop: Any, num: int = 50, endpoint: bool = True, retstep: bool = False,
    dtype: Any = None, axis: int = 0, *, device: Any = None,
) -> Any:  # fmt: skip
    """num evenly spaced numbers from start to stop, along a new axis; retstep: the step too.

    Of an integer dtype they are rounded down.
    """
    check_device(device)
    if not isinstance(start, Tensor) and not isinstance(stop, Tensor):
        found = np.linspace(start, stop, num, endpoint, retstep, dtype, axis)
        return (tensor(found[0]), tensor(found[1])) if retstep else tensor(found)
    start, stop = _ends(start, stop)
    n = num - 1 if endpoint else num
    step = (stop - start) / n if n > 0 else tensor(np.nan)
    y = _grid(start, stop, num, endpoint)
    if dtype is not None and np.issubdtype(dtype, np.integer):
        y = e.floor(y)
    y = moveaxis(y if dtype is None else as_dtype(y, dtype), 0, axis)
    return (y, step) if retstep else y


def _ends(start: Any, stop: Any) -> tuple[Tensor, Tensor]:
    dtype = shared_dtype(start, stop)
    if dtype.kind not in "fc":
        dtype = np.dtype(np.float64)
    start, stop = as_dtype(start, dtype), as_dtype(stop, dtype)
    shape = np.broadcast_shapes(start.shape, stop.shape)
    return broadcast_to(start, shape), broadcast_to(stop, shape)


def _grid(start: Tensor, stop: Tensor, num: int, endpoint: bool) -> Tensor:
    """The points of linspace along a new first axis; the last is stop, to the bit."""
    n = num - 1 if endpoint else num
    k = np.arange(num, dtype=start.dtype).reshape(-1, *(1,) * start.ndim)
    y = expand_dims(start, 0) + k * expand_dims((stop - start) / (n or 1), 0)
    return e.where(k == num - 1, stop, y) if endpoint and num > 1 else y


@differentiable("logspace(s, 3.0, 5)", "logspace(s, v, 4, base=2.0)")
def logspace(
    start: Any, stop: Any, num: int = 50, endpoint: bool = True, base: Any = 10.0,
    dtype: Any = None, axis: int = 0,
) -> Tensor:  # fmt: skip
    """base to the power of num evenly spaced numbers from start to stop."""
    y = e.power(base, linspace(start, stop, num, endpoint, axis=axis))
    return y if dtype is None else as_dtype(y, dtype)


@differentiable("geomspace(2.0 + s, 30.0, 5)", "geomspace(p[0], q[0], 3, endpoint=False)")
def geomspace(
    start: Any, stop: Any, num: int = 50, endpoint: bool = True, dtype: Any = None, axis: int = 0
) -> Tensor:
    """num numbers from start to stop, each the same multiple of the one before."""
    if not isinstance(start, Tensor) and not isinstance(stop, Tensor):
        return tensor(np.geomspace(start, stop, num, endpoint, dtype, axis))
    start, stop = _ends(start, stop)
    # relative to start, so that ends of either sign, and complex ones, have a logarithm
    y = _grid(start * 0.0, e.log(stop / start), num, endpoint)
    y = expand_dims(start, 0) * e.exp(y)
    if endpoint and num > 1:
        y = e.where(np.arange(num).reshape(-1, *(1,) * start.ndim) == num - 1, stop, y)
    y = moveaxis(y, 0, axis)
    return y if dtype is None else as_dtype(y, dtype)
