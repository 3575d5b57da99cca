"""NumPy's namespace for Tensors: `import tapegrad.numpy as np` runs code written for NumPy.

Functions have NumPy's names and arguments, take Tensors, arrays and scalars, and return Tensors.
The same registry (protocols.py) serves `numpy.sum(tensor)` and `numpy.ndarray * tensor`.
"""

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
from ..ops.elementwise import (
    absolute,
    add,
    ceil,
    cos,
    cosh,
    divide,
    equal,
    exp,
    expm1,
    floor,
    greater,
    greater_equal,
    isfinite,
    isinf,
    isnan,
    less,
    less_equal,
    log,
    log1p,
    log2,
    log10,
    logical_and,
    logical_not,
    logical_or,
    logical_xor,
    maximum,
    minimum,
    multiply,
    negative,
    not_equal,
    reciprocal,
    sign,
    sin,
    sinh,
    sqrt,
    square,
    subtract,
    tanh,
    trunc,
    where,
)
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
from ..ops.trig import (
    arccos,
    arccosh,
    arcsin,
    arcsinh,
    arctan,
    arctan2,
    arctanh,
    tan,
)
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

# NumPy's and the array API's other names for the same functions.
abs = absolute
acos, asin, atan, atan2 = arccos, arcsin, arctan, arctan2
acosh, asinh, atanh = arccosh, arcsinh, arctanh
amax, amin, around = max, min, round
bitwise_invert = bitwise_not = invert
concat = concatenate
mod = remainder
permute_dims = transpose
pow = power
rint = round
true_divide = divide
