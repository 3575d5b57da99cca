"""What NumPy's ufuncs have beyond a call: out=, where=, dtype=, and the methods reduce,
accumulate, reduceat, outer and at, all as compositions of the function they belong to.
"""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable
from typing import Any

import numpy as np

from .. import changes
from ..errors import ShapeError, UnsupportedError
from ..ops import elementwise as e
from ..ops.axes import as_tensor, axes, is_whole, one_axis
from ..ops.gather import take_transpose
from ..ops.indexing import positions, refuse_variable, updated
from ..ops.shapes import as_dtype, broadcast_to, concatenate, moveaxis, ravel, reshape, stack
from ..parameter import Parameter
from ..tensor import Tensor

# --- writing results --------------------------------------------------------------------------


def write_out(out: Any, y: Any, where: Any = True, name: str = "") -> Any:
    """Put y where `out` says, and give out back.

    A Tensor becomes the updated value: the update is recorded. An ndarray gets the values.

    Raises:
        UnsupportedError: for an ndarray if y is being recorded, or for a parameter: the
            derivative would be lost.
        TypeError: if y's dtype does not cast to out's.
        TapegradError: for a Tensor made with requires_grad=True.
    """
    if isinstance(out, tuple):
        if len(out) != 1:
            ys = y if isinstance(y, tuple) else (y,)
            return tuple(v if o is None else write_out(o, v, where, name) for o, v in zip(out, ys))
        out = out[0]
        if out is None:
            return y
    if isinstance(out, Parameter) or not isinstance(out, (Tensor, np.ndarray)):
        kind = "a Parameter (use p.assign)" if isinstance(out, Parameter) else type(out).__name__
        raise UnsupportedError(f"{name}: out= is {kind}; give a Tensor or an ndarray")
    y = as_tensor(y)
    if isinstance(out, np.ndarray):
        if y._is_tracked:
            raise UnsupportedError(
                f"{name}: cannot write into out= (or by an in-place operator on an ndarray) what "
                "a tape records: an array has no derivative; write y = x op t instead"
            )
        np.copyto(out, y.numpy(), casting="same_kind", where=_values(where))
        return out
    if not np.can_cast(y.dtype, out.dtype, "same_kind"):
        raise TypeError(f"{name}: cannot cast the result from {y.dtype} to out's {out.dtype}")
    refuse_variable(out, name)
    y = broadcast_to(as_dtype(y, out.dtype), out.shape)
    out._become(y if where is True else e.where(as_tensor(where), y, out))
    changes.config[0] += 1
    return out


def _values(x: Any) -> Any:
    return x.numpy() if isinstance(x, Tensor) else x


# --- a ufunc ----------------------------------------------------------------------------------


def as_ufunc(theirs: np.ufunc, function: Callable) -> Callable:
    """The function with a ufunc's keywords and methods."""
    name = theirs.__name__

    def full(inputs: tuple, out: Any, where: Any, dtype: Any, casting: str, **more: Any) -> Any:
        if dtype is not None:
            inputs = tuple(_cast(x, dtype, casting, name) for x in inputs)
        y = function(*inputs, **more)
        if out is None and where is not True:
            raise UnsupportedError(
                f"{name}: where= without out= leaves values unset; give out=, or use "
                f"where(mask, {name}(...), other)"
            )
        return y if out is None else write_out(out, y, where, name)

    if theirs.signature is not None:  # of vectors and matrices: no where=, but axis= and such

        def call(
            *args: Any, out: Any = None, dtype: Any = None, casting: str = "same_kind", **axes: Any
        ) -> Any:
            return full(args, out, True, dtype, casting, **axes)

        call.__signature__ = inspect.signature(function)  # type: ignore[attr-defined]

    elif theirs.nin == 1 and theirs.nout == 1:

        def call(  # type: ignore[misc]
            x: Any, /, out: Any = None, *, where: Any = True, dtype: Any = None,
            casting: str = "same_kind",
        ) -> Any:  # fmt: skip
            if out is None and where is True and dtype is None:
                return function(x)
            return full((x,), out, where, dtype, casting)

    elif theirs.nin == 2 and theirs.nout == 1:

        def call(  # type: ignore[misc]
            x1: Any, x2: Any, /, out: Any = None, *, where: Any = True, dtype: Any = None,
            casting: str = "same_kind",
        ) -> Any:  # fmt: skip
            if out is None and where is True and dtype is None:
                return function(x1, x2)
            return full((x1, x2), out, where, dtype, casting)

    else:

        def call(  # type: ignore[misc]
            *args: Any, out: Any = None, where: Any = True, dtype: Any = None,
            casting: str = "same_kind",
        ) -> Any:  # fmt: skip
            return full(args, out, where, dtype, casting)

    call.__name__ = call.__qualname__ = name
    call.__doc__ = function.__doc__
    if hasattr(function, "op"):
        call.op = function.op  # type: ignore[attr-defined]
    methods = UfuncMethods(theirs, function)
    for method in ("reduce", "accumulate", "reduceat", "outer", "at"):
        setattr(call, method, getattr(methods, method))
    for fact in ("nin", "nout", "identity"):
        setattr(call, fact, getattr(theirs, fact))
    return call


FOLDS: dict[str, Callable] = {}  # by ufunc name: the reduction over axes, where one is better
SCANS: dict[str, Callable] = {}  # by ufunc name: the running form along an axis


class UfuncMethods:
    """The methods of one ufunc, as NumPy defines them, of Tensors."""

    def __init__(self, theirs: np.ufunc, function: Callable):
        self.name, self.theirs = theirs.__name__, theirs
        self.function = function
        self.identity = theirs.identity
        self.nin, self.nout = theirs.nin, theirs.nout

    def _need_binary(self, method: str) -> None:
        if (self.nin, self.nout) != (2, 1):
            raise ValueError(f"{self.name}.{method}: only for functions of two arrays to one")

    def _operand(self, array: Any, dtype: Any) -> Tensor:
        """An operand to fold, in the dtype that NumPy folds it in.

        Raises:
            TypeError: as NumPy, if results cannot be operands (comparisons of numbers).
        """
        x = as_tensor(array)
        with np.errstate(all="ignore"):
            folded = self.theirs.reduce(np.ones(2, x.dtype), dtype=dtype)
        return as_dtype(x, np.asarray(folded).dtype)

    def reduce(
        self, array: Any, axis: Any = 0, dtype: Any = None, out: Any = None,
        keepdims: bool = False, initial: Any = None, where: Any = True,
    ) -> Any:  # fmt: skip
        """Fold the function over axes (by default the first; None: all), as ufunc.reduce."""
        self._need_binary("reduce")
        fold = FOLDS.get(self.name)
        x = _prepared(array, dtype) if fold else self._operand(array, dtype)
        if fold is not None:
            extra = {} if initial is None else {"initial": initial}
            if where is not True:
                extra["where"] = where
            y = fold(x, axis=axis, keepdims=keepdims, **extra)
        else:
            y = self._fold(x, axis, keepdims, initial, where)
        return y if out is None else write_out(out, y, name=f"{self.name}.reduce")

    def _fold(self, x: Tensor, axis: Any, keepdims: bool, initial: Any, where: Any) -> Tensor:
        axis = None if is_whole(axis, x.ndim) else axis
        gone = axes(axis, x.ndim, f"{self.name}.reduce")
        kept = tuple(n for i, n in enumerate(x.shape) if i not in gone)
        moved = moveaxis(x, gone, tuple(range(len(gone))))
        lines = reshape(moved, (math.prod(x.shape[i] for i in gone), *kept))
        masks = None
        if where is not True:
            mask = moveaxis(broadcast_to(as_tensor(where), x.shape), gone, tuple(range(len(gone))))
            masks = reshape(mask, lines.shape)
            if initial is None:
                initial = self.identity
        elif initial is None and not lines.shape[0]:
            initial = self.identity
        values = list(lines)
        if initial is not None:
            y = broadcast_to(as_dtype(as_tensor(initial), x.dtype), kept)
        elif values and masks is None:
            y = values.pop(0)
        else:
            raise ValueError(f"{self.name}.reduce: nothing to start from; give initial=")
        for k, value in enumerate(values):
            step = self.function(y, value)
            y = step if masks is None else e.where(masks[k], step, y)
        if keepdims:
            y = reshape(y, tuple(1 if i in gone else n for i, n in enumerate(x.shape)))
        return y

    def accumulate(self, array: Any, axis: int = 0, dtype: Any = None, out: Any = None) -> Any:
        """The results of folding the first 1, 2, 3 ... elements along axis."""
        self._need_binary("accumulate")
        scan = SCANS.get(self.name)
        x = _prepared(array, dtype) if scan else self._operand(array, dtype)
        axis = one_axis(axis, x.ndim, f"{self.name}.accumulate")
        if scan is not None:
            y = scan(x, axis=axis)
        else:
            y = self._scan(x, axis)
        return y if out is None else write_out(out, y, name=f"{self.name}.accumulate")

    def _scan(self, x: Tensor, axis: int) -> Tensor:
        lines = list(moveaxis(x, axis, 0))
        for k in range(1, len(lines)):
            lines[k] = self.function(lines[k - 1], lines[k])
        return stack(lines, axis) if lines else x

    def reduceat(
        self, array: Any, indices: Any, axis: int = 0, dtype: Any = None, out: Any = None
    ) -> Any:
        """Folds of the stretches between indices (where they do not grow, one element)."""
        self._need_binary("reduceat")
        x = _prepared(array, dtype) if self.name in FOLDS else self._operand(array, dtype)
        axis = one_axis(axis, x.ndim, f"{self.name}.reduceat")
        starts = np.asarray(_values(indices)).tolist()
        n = x.shape[axis]
        if any(not 0 <= i < n for i in starts):
            raise IndexError(f"{self.name}.reduceat: indices must be in 0..{n - 1}, got {starts}")
        before = (slice(None),) * axis
        if self.name == "add" and x.dtype.kind in "fc" and starts and (np.diff(starts) > 0).all():
            y = _sums_between(x[(*before, slice(starts[0], None))], starts, axis)
            return y if out is None else write_out(out, y, name=f"{self.name}.reduceat")
        parts = []
        for k, start in enumerate(starts):
            stop = starts[k + 1] if k + 1 < len(starts) else n
            part = x[(*before, slice(start, stop if stop > start else start + 1))]
            parts.append(self.reduce(part, axis=axis, keepdims=True))
        y = concatenate(parts, axis) if parts else x[(*before, slice(0, 0))]
        return y if out is None else write_out(out, y, name=f"{self.name}.reduceat")

    def outer(self, A: Any, B: Any, /, **kwargs: Any) -> Any:
        """The function of every pair of elements, of shape A.shape + B.shape."""
        a, b = as_tensor(A), as_tensor(B)
        out, dtype = kwargs.pop("out", None), kwargs.pop("dtype", None)
        if kwargs:
            raise UnsupportedError(f"{self.name}.outer: no argument {next(iter(kwargs))!r}")
        a = reshape(a, a.shape + (1,) * b.ndim)
        y = self.function(_prepared(a, dtype), _prepared(b, dtype))
        return y if out is None else write_out(out, y, name=f"{self.name}.outer")

    def at(self, a: Any, indices: Any, b: Any = None, /) -> None:
        """Update a[indices] by the function, one place after another where they repeat.

        A Tensor `a` becomes the updated value, and the update is recorded.

        Raises:
            UnsupportedError: for an ndarray `a` if the operand is being recorded.
        Cost: of add and subtract one scatter and one pass over a; of others a few ops for each
        time that the place that is named most often is named.
        """
        operand = None if b is None else as_tensor(b)
        if not isinstance(a, Tensor):
            if operand is not None and operand._is_tracked:
                raise UnsupportedError(
                    f"{self.name}.at: the array has no derivative; make it a Tensor first: "
                    "a = tapegrad.tensor(a)"
                )
            getattr(np, self.name).at(a, _index(indices), *(() if b is None else (_values(b),)))
            return
        if operand is not None and self.name in _SUMS and _have_sums(a, operand):
            a[...] = self._summed(a, indices, operand)
            return
        places = _places(a.shape, indices)
        if operand is not None:
            operand = ravel(self._fitted(operand, places.shape))
        flat = ravel(a)
        for turn in _turns(places.ravel()):
            where = places.ravel()[turn]
            values = flat[where]
            new = self.function(values) if operand is None else self.function(values, operand[turn])
            flat = updated(flat, where, new)
        a[...] = reshape(flat, a.shape)

    def _summed(self, a: Tensor, indices: Any, operand: Tensor) -> Tensor:
        """a with what each place is given added up first: one op, however often it is named."""
        if _is_along_first(a, indices):
            x, where = a, positions(indices, f"{self.name}.at")
        else:
            x, where = ravel(a), _places(a.shape, indices)
        operand = self._fitted(operand, where.shape + x.shape[1:])
        total = take_transpose(operand, where, (0, x.shape[0]))
        return reshape(self.function(x, total), a.shape)

    def _fitted(self, operand: Tensor, shape: tuple) -> Tensor:
        try:
            return broadcast_to(operand, shape)
        except ShapeError:
            raise ShapeError(
                f"{self.name}.at: operands of shape {operand.shape} do not fit a[indices] of "
                f"{shape}"
            ) from None


def _sums_between(x: Tensor, starts: Any, axis: int) -> Tensor:
    """Sums of the stretches of an axis that begin at growing starts, the first of them x's first.

    Stretches are added up in blocks, and those in blocks again: rounding grows with the logarithm
    of a stretch's length.
    """
    starts = np.subtract(starts, starts[0])
    while True:
        lengths = np.diff(starts, append=x.shape[axis])
        blocks = -(-lengths // 128)  # of each stretch
        first = np.cumsum(blocks) - blocks
        within = np.arange(x.shape[axis]) - np.repeat(starts, lengths)
        block = np.repeat(first, lengths) + within // 128
        x = take_transpose(x, block, (axis, int(blocks.sum())))
        if blocks.max() == 1:
            return x
        starts = first


_SUMS = ("add", "subtract")


def _have_sums(a: Tensor, operand: Tensor) -> bool:
    """Whether adding the sum of some operands to a is, but for rounding, to add one by one."""
    return a.dtype.kind + operand.dtype.kind in ("ff", "cc", "cf", "ii", "uu")


def _is_along_first(a: Tensor, indices: Any) -> bool:
    """Whether indices are integers along a's first axis, and no more."""
    if isinstance(indices, list):
        indices = np.asarray(indices)
    return a.ndim > 0 and isinstance(indices, (np.ndarray, Tensor)) and indices.dtype.kind in "iu"


def _prepared(x: Any, dtype: Any) -> Tensor:
    return as_tensor(x) if dtype is None else as_dtype(x, dtype)


def _cast(x: Any, dtype: Any, casting: str, name: str) -> Tensor:
    x = as_tensor(x)
    if not np.can_cast(x.dtype, dtype, casting):
        raise TypeError(
            f"{name}: cannot cast an operand from {x.dtype} to {np.dtype(dtype)} by the rule "
            f"{casting!r}"
        )
    return as_dtype(x, dtype)


def _index(index: Any) -> Any:
    if isinstance(index, tuple):
        return tuple(_index(i) for i in index)
    return _values(index)


def _places(shape: tuple, indices: Any) -> np.ndarray:
    """The flat positions that an index of an array of that shape selects, with repetitions."""
    size = int(np.prod(shape, dtype=np.int64))
    return np.asarray(np.arange(size).reshape(shape)[_index(indices)])


def _turns(places: np.ndarray) -> list[np.ndarray]:
    """Positions in `places`, in groups without repeated places, each place's in order."""
    if not places.size:
        return []
    order = np.argsort(places, kind="stable")
    ordered = places[order]
    first = np.r_[True, ordered[1:] != ordered[:-1]]
    start = np.maximum.accumulate(np.where(first, np.arange(len(ordered)), 0))
    turn = np.empty(len(places), np.int64)
    turn[order] = np.arange(len(ordered)) - start
    return [np.flatnonzero(turn == k) for k in range(turn.max() + 1)]
