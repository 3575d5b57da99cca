"""What is not a function of arrays: dtypes, constants, and what the array API standard (2024.12)
asks a namespace to say about itself.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy import bool_ as bool
from numpy import (
    dtype,
    e,
    errstate,
    euler_gamma,
    index_exp,
    inf,
    mgrid,
    nan,
    ndindex,
    newaxis,
    ogrid,
    pi,
    s_,
    ufunc,
)

from ..tensor import Tensor

__array_api_version__ = "2024.12"

_TYPES = {
    name: kind
    for name, kind in vars(np).items()
    if isinstance(kind, type) and issubclass(kind, np.generic)
}
globals().update(_TYPES)


def __array_namespace_info__() -> Any:
    """What the array API standard's inspection gives: devices, dtypes, capabilities (NumPy 2.1)."""
    return np.__array_namespace_info__()


class finfo:
    """Limits of a floating dtype, or of an array's: numpy.finfo, with Python floats."""

    def __init__(self, type: Any, /):
        self._numpys = np.finfo(type.dtype if isinstance(type, (Tensor, np.ndarray)) else type)

    def __getattr__(self, name: str) -> Any:
        value = getattr(self._numpys, name)
        return float(value) if isinstance(value, (np.float16, np.float32)) else value

    def __repr__(self) -> str:
        return repr(self._numpys)


def iinfo(type: Any, /) -> np.iinfo:
    """Limits of an integer dtype, or of an array's."""
    return np.iinfo(type.dtype if isinstance(type, (Tensor, np.ndarray)) else type)


__all__ = [
    "__array_api_version__", "__array_namespace_info__", "bool", "dtype", "e", "errstate",
    "euler_gamma", "finfo", "iinfo", "index_exp", "inf", "mgrid", "nan", "ndindex", "newaxis",
    "ogrid", "pi", "s_", "ufunc", *_TYPES,
]  # fmt: skip
