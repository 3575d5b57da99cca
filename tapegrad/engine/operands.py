"""Operands as users write them, for both engines: what is an array, and running a row by NumPy."""

from __future__ import annotations

import sys
from typing import Any

import numpy as np

from .. import errors
from .dtypes import CODES, DTYPES, dtype_code


def unmasked(x: Any, who: str) -> np.ndarray:
    """np.asarray(x), of other kinds of ndarray too.

    Raises:
        UnsupportedError: for a masked array, or one in a list: what lies under its mask is no
            value.
    """
    refuse_masks(x, who)
    return x if is_plain(x) else np.asarray(x)


def is_plain(x: Any) -> bool:
    """Whether it is an ndarray of no other kind but a memmap; one that is being observed
    (replay/observed.py) stays itself, where np.asarray would make another of it."""
    return x.__class__ in (np.ndarray, np.memmap)


def refuse_masks(x: Any, who: str) -> None:
    """See unmasked."""
    if isinstance(x, (list, tuple)):
        if "numpy.ma" in sys.modules:  # else there is none
            for part in x:
                if isinstance(part, (list, tuple, np.ndarray)):
                    refuse_masks(part, who)
        return
    is_odd = isinstance(x, np.ndarray) and type(x) is not np.ndarray  # or np.ma is not imported
    if is_odd and isinstance(x, np.ma.MaskedArray):
        raise errors.UnsupportedError(
            f"{who}: got a masked array of shape {x.shape}, and Tensors have no mask: give "
            "x.filled(0) and multiply what comes of it by ~np.ma.getmaskarray(x), or give "
            "x.compressed(), or x.data if nothing is masked"
        )


def as_array(x: Any, op: Any) -> np.ndarray:
    """An operand that is no Tensor, as an array in native byte order.

    Raises:
        ShapeError, DTypeError, UnsupportedError: naming the op, if it is no array, not of numbers
            or masked.
    """
    try:
        array = unmasked(x, op.name)
    except ValueError as error:
        raise errors.ShapeError(f"{op.name}: an operand is not an array: {error}") from None
    if array.dtype in CODES:
        return array
    try:
        return array.astype(DTYPES[dtype_code(array.dtype)])
    except errors.DTypeError as error:
        raise errors.DTypeError(f"{op.name} of {type(x).__name__}: {error}") from None


def as_scalar(x: Any, dtype: np.dtype) -> np.ndarray:
    """A Python number in the dtype of the Tensors beside it; too large a float is infinite."""
    with np.errstate(over="ignore"):
        return np.asarray(x, dtype)


# What operators take without a further look. ops/blocks.py adds its own operands.
known: tuple = (np.ndarray, np.generic, int, float, complex, list, tuple)


def is_foreign(x: Any) -> bool:
    """Whether an operator leaves it to x, by NotImplemented: x is no array of numbers, or does
    not want to be taken for one (`__array_ufunc__ = None`)."""
    if isinstance(x, known):
        return False
    if getattr(type(x), "__array_ufunc__", x) is None:
        return True
    return np.asarray(x).dtype.kind not in "biufc"


def run_numpy(op: Any, arrays: list, params: tuple) -> np.ndarray:
    """Run a row's NumPy implementation; its shape errors name the op."""
    if not op.complex and any(a.dtype.kind == "c" for a in arrays):
        raise errors.DTypeError(f"{op.name}: complex operands are not supported")
    try:
        with np.errstate(all="ignore"):  # C kernels do not warn of infinities either
            return np.asarray(op.numpy(*arrays, *params))
    except np.linalg.LinAlgError:
        raise  # singular, or did not converge: no matter of shapes
    except ValueError as error:
        shapes = ", ".join(str(a.shape) for a in arrays)
        raise errors.ShapeError(f"{op.name} of {shapes}: {error}") from None
