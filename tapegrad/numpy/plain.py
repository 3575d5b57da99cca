"""NumPy's functions without a derivative: comparisons of whole arrays, searches, sets, counts,
bits, files, settings. NumPy computes them from the values.

`numpy.f(tensor)` gives what NumPy gives. tapegrad.numpy's function of that name gives Tensors for
arrays, so that code stays in one namespace.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import numpy as np

from ..engine.dtypes import CODES
from ..ops import ufuncs
from ..ops.axes import as_tensor
from ..ops.indexing import take
from ..ops.shapes import along, flip
from ..tensor import Tensor, tensor
from . import registry
from .registry import outlines, plain, values

OF_VALUES = (
    "allclose", "argwhere", "array_equal", "array_equiv", "bincount", "busday_count",
    "busday_offset", "datetime_as_string", "diag_indices_from", "digitize",
    "flatnonzero", "histogram", "histogram2d", "histogram_bin_edges", "histogramdd", "intersect1d",
    "in1d", "is_busday", "isclose", "iscomplex", "isfortran", "isin", "isneginf", "isnat",
    "isposinf", "isreal", "lexsort", "mask_indices", "nanargmax", "nanargmin", "ndim", "nonzero",
    "packbits", "ravel_multi_index", "setdiff1d", "setxor1d", "size", "tril_indices_from",
    "triu_indices_from", "union1d", "unique", "unique_all", "unique_counts", "unique_inverse",
    "unique_values", "unpackbits", "unravel_index",
)  # fmt: skip

# What makes arrays of no array: nothing to differentiate.
OF_NOTHING = (
    "bartlett", "blackman", "diag_indices", "frombuffer", "fromfile", "fromfunction", "fromiter",
    "fromregex", "fromstring", "genfromtxt", "hamming", "hanning", "indices", "kaiser", "load",
    "loadtxt", "tri", "tril_indices", "triu_indices",
)  # fmt: skip

# Types, texts, files, settings: their results are no numbers.
OF_NO_ARRAY = (
    "asmatrix", "bmat", "printoptions",
    "array2string", "array_repr", "array_str", "base_repr", "binary_repr", "can_cast",
    "common_type", "datetime_data", "einsum_path", "format_float_positional",
    "format_float_scientific", "frompyfunc", "get_include", "get_printoptions", "getbufsize",
    "geterr", "geterrcall", "info", "iscomplexobj", "isdtype", "isrealobj", "isscalar",
    "issubdtype", "iterable", "ix_", "may_share_memory", "min_scalar_type", "mintypecode",
    "nested_iters", "promote_types", "result_type", "save", "savetxt", "savez", "savez_compressed",
    "set_printoptions", "setbufsize", "seterr", "seterrcall", "shape", "shares_memory",
    "show_config", "show_runtime", "test", "typename",
)  # fmt: skip

# Of these all that look at no value, but at shapes and dtypes.
OF_SHAPES = (
    "common_type", "diag_indices_from", "einsum_path", "iscomplexobj", "isrealobj", "isscalar",
    "iterable", "ndim", "result_type", "shape", "size", "tril_indices_from", "triu_indices_from",
)  # fmt: skip


def tensors(x: Any) -> Any:
    """A result of NumPy's with its arrays as Tensors; what no Tensor can hold stays."""
    if isinstance(x, (np.ndarray, np.generic)):
        return tensor(x) if x.dtype in CODES else x
    if isinstance(x, tuple) and hasattr(x, "_fields"):
        return type(x)(*map(tensors, x))
    if type(x) in (list, tuple):
        return type(x)(map(tensors, x))
    return x


def on_values(name: str) -> Callable:
    """NumPy's function, given what it reads of Tensors and giving Tensors."""
    theirs, read = registry.numpys(name), registry.ENTRIES[name].read

    @functools.wraps(theirs)
    def call(*args: Any, **kwargs: Any) -> Any:
        return tensors(theirs(*read(args), **read(kwargs)))

    return call


for _name in (*OF_VALUES, *OF_NOTHING, *OF_NO_ARRAY):
    plain(_name, reads=outlines if _name in OF_SHAPES else values)


def computed() -> dict[str, Callable]:
    """The namespace's form of each function that NumPy computes from the values."""
    found = {}
    for name, entry in registry.ENTRIES.items():
        if entry.state == registry.PLAIN and entry.function is None:
            theirs = registry.numpys(name)
            if theirs is not None:
                found[name] = theirs if name in _UNCHANGED else on_values(name)
    return found


_UNCHANGED = frozenset(OF_NO_ARRAY) - {
    "array2string", "array_repr", "array_str", "can_cast", "common_type", "einsum_path", "info",
    "iscomplexobj", "isrealobj", "isscalar", "iterable", "ix_", "may_share_memory",
    "min_scalar_type", "result_type", "save", "savetxt", "savez", "savez_compressed", "shape",
    "shares_memory",
}  # fmt: skip


# --- with rows of their own: a recorded step replays them --------------------------------------


@plain
def argsort(
    a: Any, axis: int | None = -1, kind: str | None = None, order: None = None, *,
    stable: bool | None = None, descending: bool = False,
) -> Tensor:  # fmt: skip
    """Positions that sort the lines along axis (None: the flat array).

    Equal elements keep their order, as the array API has it, unless a kind says otherwise.
    """
    x = as_tensor(a)
    x, axis = along(x, axis, "argsort")
    is_stable = kind in (None, "stable", "mergesort") if stable is None else stable
    if not descending:
        return ufuncs.argsort_row(x, (axis, int(is_stable)))
    # so that equal elements keep their order: the reversed lines, counted from the other end
    last = x.shape[axis] - 1
    return flip(last - ufuncs.argsort_row(flip(x, axis), (axis, 1)), axis)


@plain
def argpartition(
    a: Any, kth: Any, axis: int | None = -1, kind: str = "introselect", order: None = None
) -> Tensor:
    """Positions that put the elements at kth in sorted place along axis (None: flat)."""
    x = as_tensor(a)
    x, axis = along(x, axis, "argpartition")
    places = np.atleast_1d(values(kth)).tolist()
    return ufuncs.argpartition_row(x, (axis, *places))


@plain
def searchsorted(a: Any, v: Any, side: str = "left", sorter: Any = None) -> Tensor:
    """Where in sorted a each v would go."""
    if side not in ("left", "right"):
        raise ValueError(f"searchsorted: side {side!r}: choose 'left' or 'right'")
    a = as_tensor(a)
    if sorter is not None:
        a = take(a, sorter)
    return ufuncs.searchsorted_row(a, v, (int(side == "right"),))


nonzero = on_values("nonzero")
