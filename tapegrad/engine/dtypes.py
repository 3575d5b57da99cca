"""The dtypes a Tensor can hold, in the order of the enum in csrc/tapegrad.h."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..errors import DTypeError

_NAMES = (
    "f4", "f8", "?", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "f2", "c8", "c16",
    "longdouble", "clongdouble",
)  # fmt: skip
DTYPES = tuple(np.dtype(name) for name in _NAMES)
CODES = {dtype: code for code, dtype in enumerate(DTYPES)}


def dtype_code(dtype: np.dtype) -> int:
    """The C core's code of a dtype, whatever its byte order.

    Raises:
        DTypeError: if no Tensor can hold it (objects, strings, dates, records).
    """
    code = CODES.get(dtype)
    if code is None:
        code = CODES.get(dtype.newbyteorder("="))
    if code is None:
        raise DTypeError(
            f"a Tensor cannot hold dtype {dtype}: it must be bool, integer, float or complex"
        )
    return code


def is_inexact(dtype: np.dtype) -> bool:
    """Whether values of this dtype can be differentiated."""
    return dtype.kind in "fc"


# Ops whose result is right for any integer, also one that the other operand's dtype cannot hold.
OF_ANY_INTEGERS = frozenset(
    ("divide", "equal", "not_equal", "less", "less_equal", "greater", "greater_equal", "arctan2",
     "hypot", "heaviside", "nextafter", "logical_and", "logical_or", "logical_xor")
)  # fmt: skip


def promoted(op: Any, strong: Sequence[np.dtype], weak: Sequence) -> np.dtype:
    """The dtype that operands of these dtypes and Python scalars share (NEP 50)."""
    dtype = np.result_type(*strong, *weak)
    if weak and dtype.kind in "iu" and op.name in OF_ANY_INTEGERS:
        limits = np.iinfo(dtype)
        if not all(limits.min <= value <= limits.max for value in weak):
            return np.result_type(dtype, *map(np.min_scalar_type, weak))
    return dtype
