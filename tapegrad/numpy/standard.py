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
    newaxis,
    ogrid,
    pi,
    s_,
)

__array_api_version__ = "2024.12"

_TYPES = {
    name: kind
    for name, kind in vars(np).items()
    if isinstance(kind, type) and issubclass(kind, np.generic)
}
globals().update(_TYPES)


def __array_namespace_info__() -> Any:
    """What the array API standard's inspection gives: devices, dtypes, capabilities (NumPy 2)."""
    return np.__array_namespace_info__()


def finfo(type: Any, /) -> np.finfo:
    """Limits of a floating dtype, or of an array's."""
    return np.finfo(getattr(type, "dtype", type) if hasattr(type, "numpy") else type)


def iinfo(type: Any, /) -> np.iinfo:
    """Limits of an integer dtype, or of an array's."""
    return np.iinfo(getattr(type, "dtype", type) if hasattr(type, "numpy") else type)


__all__ = [
    "__array_api_version__", "__array_namespace_info__", "bool", "dtype", "e", "errstate",
    "euler_gamma", "finfo", "iinfo", "index_exp", "inf", "mgrid", "nan", "newaxis", "ogrid", "pi",
    "s_", *_TYPES,
]  # fmt: skip
