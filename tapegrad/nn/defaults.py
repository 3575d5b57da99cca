"""The dtype that layers make their parameters with."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..engine.dtypes import CODES, is_inexact
from ..errors import DTypeError

_default = np.dtype("f4")


def get_default_dtype() -> np.dtype:
    """The dtype `nn` layers use when they are given none; float32 at first."""
    return _default


def set_default_dtype(dtype: Any) -> None:
    """Change the dtype `nn` layers use when they are given none.

    Raises:
        DTypeError: if it has no derivative.
    """
    global _default
    _default = parameter_dtype(dtype)


def parameter_dtype(dtype: Any) -> np.dtype:
    """The dtype of a layer's parameters; None is the default one."""
    if dtype is None:
        return _default
    try:
        found = np.dtype(dtype)
    except TypeError as error:
        raise DTypeError(f"dtype={dtype!r}: {error}; choose 'f4' or 'f8'") from None
    if found not in CODES or not is_inexact(found):
        raise DTypeError(f"parameters of {found} have no derivative; choose 'f4' or 'f8'")
    return found
