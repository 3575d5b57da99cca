"""numpy.r_ and numpy.c_: arrays joined in square brackets."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..ops.axes import as_tensor
from ..ops.shapes import atleast_1d, concatenate, expand_dims
from ..tensor import Tensor, tensor


class _Joined:
    """What r_ and c_ are: index them with arrays, scalars and slices (which make ranges)."""

    def __init__(self, is_columns: bool):
        self._is_columns = is_columns

    def __getitem__(self, key: Any) -> Tensor:
        parts = []
        for item in key if isinstance(key, tuple) else (key,):
            if isinstance(item, str):
                raise TypeError(f"r_ and c_ take no directives here, got {item!r}; use concatenate")
            part = tensor(np.r_[item]) if isinstance(item, slice) else atleast_1d(as_tensor(item))
            parts.append(expand_dims(part, 1) if self._is_columns and part.ndim == 1 else part)
        return concatenate(parts, -1 if self._is_columns else 0)


r_ = _Joined(False)
c_ = _Joined(True)
