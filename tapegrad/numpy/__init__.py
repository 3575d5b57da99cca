"""NumPy's namespace for Tensors: `import tapegrad.numpy as np` runs code written for NumPy.

Functions have NumPy's names and arguments, take Tensors, arrays and scalars, and return Tensors.
The same registry (protocols.py) serves `numpy.sum(tensor)` and `numpy.ndarray * tensor`.
"""

import numpy as _np
from numpy import (
    bool_,
    complex64,
    complex128,
    dtype,
    e,
    finfo,
    float16,
    float32,
    float64,
    iinfo,
    inf,
    int8,
    int16,
    int32,
    int64,
    nan,
    newaxis,
    pi,
    uint8,
    uint16,
    uint32,
    uint64,
)

from ..ops import elementwise as _elementwise
from ..ops import trig as _trig
from ..ops.complex import angle, conj, imag, real, sign
from ..ops.composite import (
    clip,
    diagonal,
    dot,
    inner,
    outer,
    power,
    std,
    tensordot,
    trace,
    var,
    vdot,
)
from ..ops.einsum import einsum
from ..ops.indexing import take, take_along_axis
from ..ops.logic import (
    all,
    any,
    bitwise_and,
    bitwise_or,
    bitwise_xor,
    floor_divide,
    invert,
    remainder,
    round,
)
from ..ops.reductions import argmax, argmin, cumsum, max, mean, min, prod, sum
from ..ops.shapes import (
    astype,
    atleast_1d,
    atleast_2d,
    broadcast_arrays,
    broadcast_shapes,
    broadcast_to,
    concatenate,
    copy,
    expand_dims,
    flip,
    hstack,
    matrix_transpose,
    moveaxis,
    pad,
    ravel,
    repeat,
    reshape,
    split,
    squeeze,
    stack,
    swapaxes,
    tile,
    transpose,
    vstack,
)
from ..ops.structured import matmul
from ..tensor import Tensor as ndarray
from .creation import (
    arange,
    array,
    asarray,
    empty,
    empty_like,
    eye,
    full,
    full_like,
    identity,
    linspace,
    ones,
    ones_like,
    tril,
    triu,
    zeros,
    zeros_like,
)

# Every elementwise row that NumPy has too, but where a function above says more.
for _rows in (_elementwise, _trig):
    for _name, _function in vars(_rows).items():
        if hasattr(_function, "op") and hasattr(_np, _name):
            globals().setdefault(_name, _function)

# NumPy's and the array API's other names for the same functions.
_OTHER_NAMES = {
    "abs": "absolute", "acos": "arccos", "acosh": "arccosh", "amax": "max", "amin": "min",
    "around": "round", "asin": "arcsin", "asinh": "arcsinh", "atan": "arctan", "atan2": "arctan2",
    "atanh": "arctanh", "bitwise_invert": "invert", "bitwise_not": "invert",
    "concat": "concatenate", "conjugate": "conj", "mod": "remainder", "permute_dims": "transpose",
    "pow": "power", "rint": "round", "true_divide": "divide",
}  # fmt: skip
globals().update({name: globals()[same] for name, same in _OTHER_NAMES.items()})
