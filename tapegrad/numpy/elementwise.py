"""NumPy's functions of one element at a time."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..ops import complex, composite, linear, logic, trig, ufuncs
from ..ops import elementwise as e
from ..ops.axes import as_tensor
from ..ops.shapes import as_dtype, shared_dtype
from ..tensor import Tensor, tensor
from .registry import differentiable, plain
from .ufuncs import write_out

# --- rows -------------------------------------------------------------------------------------

for _function, *_examples in (
    (e.add, "add(x, y)", "add(x, v)", "add(x, s)", "add.reduce(x)", "add.accumulate(x, axis=1)",
     "add.outer(v, w)", "add.reduceat(x, [0, 2, 1], axis=1)",
     "(add.at(z := copy(x), ([0, 0, 2], [1, 1, 3]), v[:3]), z)[1]",
     "add(x, y, out=copy(x), where=m)"),
    (e.subtract, "subtract(x, y)", "subtract.reduce(x, axis=1)", "subtract(s, x)"),
    (e.multiply, "multiply(x, y)", "multiply.reduce(x)", "multiply.outer(v, x)",
     "multiply.accumulate(x)", "(multiply.at(z := copy(x), [0, 2, 0], v), z)[1]",
     "multiply.reduce(x, axis=1, where=m)"),
    (e.divide, "divide(x, p)", "divide.accumulate(p, axis=1)", "divide(s, p)"),
    (composite.power, "power(p, y)", "power(p, 3)", "power(x, 2)", "power(2.0, x)"),
    (e.negative, "negative(x)"),
    (e.square, "square(x)"),
    (e.reciprocal, "reciprocal(p)"),
    (e.sqrt, "sqrt(p)"),
    (ufuncs.cbrt, "cbrt(p)"),
    (e.absolute, "absolute(x)"),
    (e.exp, "exp(x)"), (ufuncs.exp2, "exp2(x)"), (e.expm1, "expm1(x)"),
    (e.log, "log(p)"), (e.log1p, "log1p(p)"), (e.log2, "log2(p)"), (e.log10, "log10(p)"),
    (e.sin, "sin(x)"), (e.cos, "cos(x)"), (trig.tan, "tan(u)"),
    (trig.arcsin, "arcsin(u)"), (trig.arccos, "arccos(u)"), (trig.arctan, "arctan(x)"),
    (trig.arctan2, "arctan2(x, p)", "arctan2(s, p)"),
    (e.sinh, "sinh(x)"), (e.cosh, "cosh(x)"), (e.tanh, "tanh(x)"),
    (trig.arcsinh, "arcsinh(x)"), (trig.arccosh, "arccosh(p + 1)"), (trig.arctanh, "arctanh(u)"),
    (ufuncs.hypot, "hypot(x, p)", "hypot.reduce(x, axis=1)"),
    (ufuncs.logaddexp, "logaddexp(x, y)", "logaddexp.reduce(x, axis=1)"),
    (ufuncs.logaddexp2, "logaddexp2(x, y)", "logaddexp2.accumulate(v)"),
    (e.maximum, "maximum(x, y)", "maximum.reduce(x, axis=1)", "maximum.accumulate(x)"),
    (e.minimum, "minimum(x, y)", "minimum(x, 0.1)", "minimum.reduce(x, axis=None)"),
    (logic.remainder, "remainder(p, 0.3)", "remainder(x, q)"),
    (ufuncs.fmod, "fmod(x, 0.7)", "fmod(x, q)"),
    (ufuncs.ldexp, "ldexp(x, i)"),
    (ufuncs.i0, "i0(x)"),
    (complex.real, "real(x + 1j * y)", "real(x)"),
    (complex.imag, "imag((1 + 2j) * x)", "imag(x * 1j + y)"),
    (complex.angle, "angle(x + 1j * p)", "angle(x + 1j * p, deg=True)"),
):  # fmt: skip
    differentiable(*_examples, name=_function.op.name if hasattr(_function, "op") else "")(
        _function
    )

differentiable("real(conjugate(x + 1j * y) * (y + 2j))", name="conjugate")(complex.conj)
plain(complex.sign, note="of complex numbers the direction x / |x|, which differentiates")
for _function in (
    e.floor, e.ceil, e.trunc, e.equal, e.not_equal, e.less, e.less_equal, e.greater,
    e.greater_equal, e.isnan, e.isinf, e.isfinite, logic.logical_not, logic.logical_and,
    logic.logical_or, logic.logical_xor, logic.bitwise_and, logic.bitwise_or, logic.bitwise_xor,
    logic.invert,
    logic.floor_divide, ufuncs.signbit, ufuncs.spacing, ufuncs.nextafter, ufuncs.heaviside,
    ufuncs.gcd, ufuncs.lcm, ufuncs.left_shift, ufuncs.right_shift, ufuncs.bitwise_count,
):  # fmt: skip
    plain(_function)
plain(e.round, "rint")
plain(e.trunc, "fix")


@plain
def round(a: Any, decimals: int = 0) -> Tensor:
    """Rounded to that many decimals, halves to even; integers stay integers."""
    x = as_tensor(a)
    if x.dtype.kind in "iu":
        return tensor(np.round(x.numpy(), decimals)) if decimals < 0 else linear.copy(x)
    if x.dtype.kind == "c":
        return round(complex.real(x), decimals) + 1j * round(complex.imag(x), decimals)
    return logic.round(x, decimals)


# --- compositions -----------------------------------------------------------------------------


@differentiable("positive(x)")
def positive(x: Any) -> Tensor:
    """+x, a copy."""
    return linear.copy(as_tensor(x))


@differentiable("fabs(x)")
def fabs(x: Any) -> Tensor:
    """|x| of real x, in floating point."""
    x = as_tensor(x)
    return e.absolute(x if x.dtype.kind == "f" else as_dtype(x, np.float64))


@differentiable("copysign(x, y)", "copysign(x, -1.0)")
def copysign(x1: Any, x2: Any) -> Tensor:
    """|x1| with x2's sign."""
    a, b = floating(x1, x2)
    return e.where(e.logical_xor(ufuncs.signbit(a), ufuncs.signbit(b)), -a, a)


@differentiable("fmax(x, y)", "fmax(where(m, x, nan), y)")
def fmax(x1: Any, x2: Any) -> Tensor:
    """The larger of x1 and x2; where one is nan, the other."""
    return e.where(e.isnan(x1), x2, e.where(e.isnan(x2), x1, e.maximum(x1, x2)))


@differentiable("fmin(x, y)", "fmin(x, where(m, y, nan))")
def fmin(x1: Any, x2: Any) -> Tensor:
    """The smaller of x1 and x2; where one is nan, the other."""
    return e.where(e.isnan(x1), x2, e.where(e.isnan(x2), x1, e.minimum(x1, x2)))


@differentiable("float_power(p, x)", "float_power(p, 3)")
def float_power(x1: Any, x2: Any) -> Tensor:
    """x1 ** x2, in float64 at least."""
    x1, x2 = as_tensor(x1), as_tensor(x2)
    dtype = np.result_type(x1.dtype, x2.dtype, np.float64)
    return e.power(as_dtype(x1, dtype), as_dtype(x2, dtype))


@differentiable("deg2rad(x)")
def deg2rad(x: Any) -> Tensor:
    """Degrees as radians."""
    return floating(x)[0] * (np.pi / 180)


@differentiable("rad2deg(x)")
def rad2deg(x: Any) -> Tensor:
    """Radians as degrees."""
    return floating(x)[0] * (180 / np.pi)


@differentiable("divmod(p, 0.3)[1]")
def divmod(x1: Any, x2: Any) -> tuple[Tensor, Tensor]:
    """floor_divide and remainder; the first has no derivative."""
    return logic.floor_divide(x1, x2), logic.remainder(x1, x2)


@differentiable("modf(x)[0]")
def modf(x: Any) -> tuple[Tensor, Tensor]:
    """The fractional and the integral part, both with x's sign; the second has no derivative."""
    (x,) = floating(x)
    return ufuncs.fraction(x), e.trunc(x)


@differentiable("frexp(x)[0]")
def frexp(x: Any) -> tuple[Tensor, Tensor]:
    """Mantissa in [0.5, 1) and exponent of x; the exponent has no derivative."""
    (x,) = floating(x)
    return ufuncs.frexp_mantissa(x), ufuncs.frexp_exponent(x)


# Taylor coefficients of sin(t) / t in t * t: below |t| = 1 they are exact to rounding, at any
# order of derivative that training asks for.
_SINC = [1.0]
for _k in range(1, 12):
    _SINC.append(-_SINC[-1] / (2 * _k * (2 * _k + 1)))


@differentiable("sinc(x)", "sinc(0.2 * x)", "sinc(0 * x)")
def sinc(x: Any) -> Tensor:
    """sin(pi x) / (pi x), and 1 at 0; its derivatives at 0 are right too."""
    x = as_tensor(x)
    t = (x if x.dtype.kind in "fc" else as_dtype(x, np.float64)) * np.pi
    near = e.absolute(t) < 1.0
    square = e.square(e.where(near, t, 0.0))
    series = _SINC[-1]
    for c in _SINC[-2::-1]:
        series = series * square + c
    far = e.where(near, 2.0, t)
    return e.where(near, series, e.sin(far) / far)


@differentiable("nan_to_num(where(m, x, nan))", "nan_to_num(x)")
def nan_to_num(
    x: Any, copy: bool = True, nan: Any = 0.0, posinf: Any = None, neginf: Any = None
) -> Tensor:
    """x with nan and the infinities replaced; no derivative flows where they were.

    copy=False writes the result into x, if that is a Tensor or an array.
    """
    if not copy and isinstance(x, (Tensor, np.ndarray)):
        return write_out(x, nan_to_num(x, True, nan, posinf, neginf), name="nan_to_num")
    x = as_tensor(x)
    if x.dtype.kind == "c":
        real, imag = x.real, x.imag
        parts = [nan_to_num(part, True, nan, posinf, neginf) for part in (real, imag)]
        return parts[0] + 1j * parts[1]
    if x.dtype.kind != "f":
        return linear.copy(x)
    limits = np.finfo(x.dtype)
    x = e.where(e.isnan(x), nan, x)
    x = e.where(x == np.inf, limits.max.item() if posinf is None else posinf, x)
    return e.where(x == -np.inf, limits.min.item() if neginf is None else neginf, x)


@differentiable(
    "clip(x, -0.5, 0.6)", "clip(x, v, None)", "clip(x, a_min=-p, a_max=q)", "clip(x, u - 1, u + 1)"
)
def clip(
    a: Any, /, min: Any = None, max: Any = None, *, a_min: Any = None, a_max: Any = None
) -> Tensor:
    """Values limited to min..max; passes the derivative at the edges."""
    return composite.clip(a, a_min if min is None else min, a_max if max is None else max)


@differentiable("real_if_close(x + 0j)", "real_if_close(x)")
def real_if_close(a: Any, tol: float = 100) -> Tensor:
    """The real part if every imaginary part is within tol machine epsilons of 0, else a."""
    a = as_tensor(a)
    if a.dtype.kind != "c":
        return a
    limit = tol * np.finfo(a.dtype).eps if tol > 1 else tol
    return complex.real(a) if (np.abs(complex.imag(a).numpy()) < limit).all() else a


@differentiable("where(m, x, y)", "where(x > 0, x, 0.0)", "where(m, s, v)")
def where(condition: Any, x: Any = None, y: Any = None, /) -> Any:
    """x where condition, else y; the condition alone: where it is true, as nonzero."""
    if x is None and y is None:
        from .plain import nonzero

        return nonzero(condition)
    if x is None or y is None:
        raise ValueError("where: give both x and y, or neither")
    condition = as_tensor(condition)
    if condition.dtype != np.bool_:
        condition = condition != 0
    return e.where(condition, x, y)


def floating(*xs: Any) -> list[Tensor]:
    """The operands as Tensors of one floating dtype, as a ufunc of floats promotes them."""
    dtype = shared_dtype(*xs)
    if dtype.kind not in "fc":
        dtype = np.result_type(dtype, np.float16 if dtype.itemsize == 1 else np.float32)
    return [as_dtype(x, dtype) for x in xs]
