"""What is not a function: dtypes and constants; and what the array API standard asks a
namespace to say about itself (version 2024.12).
"""

from numpy import (
    bool_,
    complex64,
    complex128,
    dtype,
    e,
    errstate,
    euler_gamma,
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
    int_,
    intp,
    longdouble,
    mgrid,
    nan,
    newaxis,
    ogrid,
    pi,
    uint8,
    uint16,
    uint32,
    uint64,
)

__all__ = [
    "bool_", "complex128", "complex64", "dtype", "e", "errstate", "euler_gamma", "finfo",
    "float16", "float32", "float64", "iinfo", "inf", "int16", "int32", "int64", "int8", "int_",
    "intp", "longdouble", "mgrid", "nan", "newaxis", "ogrid", "pi", "uint16", "uint32", "uint64",
    "uint8",
]  # fmt: skip
