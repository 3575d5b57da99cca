"""Elementwise rows: one a line or two, with their partial derivatives.

The fused C kernels in csrc/ops.def state the same partials; a test compares the bits, so both must
be the same expression, term by term. Kinks: relu'(0) = abs'(0) = 0, ties of maximum and minimum
share evenly, clip passes at the edges (docs/kinks.md).
"""

from __future__ import annotations

import numpy as np

from ..engine.dtypes import CODES
from ..engine.select import apply
from . import special
from .rows import elementwise, nondifferentiable
from .table import OPS

LOG2_E = 1.4426950408889634
LOG10_E = 0.4342944819032518
SQRT_2_OVER_PI = 0.7978845608028654
INV_SQRT_2PI = 0.3989422804014327
TWO_OVER_SQRT_PI = 1.1283791670955126


def _number(mask, like):
    """1 where mask, 0 elsewhere, in like's dtype."""
    return apply(OPS["astype"].id, (mask,), (CODES[like.dtype],))


def _share(wins, ties, like):
    """The partial of max and min: 1 for the winner, one half each for a tie."""
    return _number(wins, like) + _number(ties, like) * 0.5


# --- arithmetic -------------------------------------------------------------------------------
add = elementwise("add", np.add, (1, 1), doc="Sum a + b.")
subtract = elementwise("subtract", np.subtract, (1, -1), doc="Difference a - b.")
negative = elementwise("negative", np.negative, (-1,), doc="-x.")
multiply = elementwise("multiply", np.multiply, (lambda b: b, lambda a: a), doc="Product a * b.")
divide = elementwise(
    "divide", np.divide, (lambda b: 1.0 / b, lambda b, y: -(y / b)),
    domain=((-2, 2), (0.5, 2)), doc="Quotient a / b.",
)  # fmt: skip
zmul = elementwise(
    "zmul", special.zmul, vjps=(lambda ct, b: zmul(ct, b), lambda ct, a: zzmul(ct, a)),
    inputs=("a", "b"), doc="a * b, and 0 where a is 0, whatever b.",
)  # fmt: skip
# zmul's rule for b: where a is 0 nothing depends on b, however wild b's own tangent.
zzmul = elementwise(
    "zzmul", special.zzmul, vjps=(lambda ct, b: zzmul(ct, b), lambda ct, a: zzmul(ct, a)),
    inputs=("a", "b"), doc="a * b, and 0 where a or b is 0, whatever the other.",
)  # fmt: skip
square = elementwise("square", np.square, (lambda x: 2.0 * x,), doc="x * x.")
reciprocal = elementwise(
    "reciprocal", np.reciprocal, (lambda y: -(y * y),), domain=(0.5, 2), doc="1 / x."
)
sqrt = elementwise("sqrt", np.sqrt, (lambda y: 0.5 / y,), domain=(0.5, 4), doc="Square root.")
rsqrt = elementwise(
    "rsqrt", special.rsqrt, (lambda y: -0.5 * (y * y * y),), domain=(0.5, 4), ulp=2,
    doc="x to the power -1/2: 1 / sqrt(x), but inf at -0 and 0 at -inf.",
)  # fmt: skip


def _power_by_exponent(a, y):
    """y log(a), and 0 where y is: log(0) must not meet what y's own derivatives bring."""
    return zmul(y, where(y == 0.0, 0.0, log(a)))


power = elementwise(
    "power", np.power,
    (lambda a, b: where(b == 0.0, 0.0, b * power(a, b - 1.0)), _power_by_exponent),
    domain=((0.5, 2), (-2, 2)), ulp=4, doc="a to the power b, elementwise.",
)  # fmt: skip


def _power_scalar_partial(x, params):
    if params[0] == 0:
        return power_scalar(x, (0.0,)) * 0.0
    return params[0] * power_scalar(x, (params[0] - 1.0,))


power_scalar = elementwise(
    "power_scalar", np.power, (_power_scalar_partial,),
    params=(2.5,), domain=(0.5, 2), ulp=4, doc="x to the power of a Python float.",
)  # fmt: skip

# --- absolute value and the parts of complex numbers (docs/complex.md) -------------------------


def _cast(x, like):
    return apply(OPS["astype"].id, (x,), (CODES[like.dtype],))


def _complex_examples(rng):
    return [([rng.uniform(-2, 2, s) + 1j * rng.uniform(-2, 2, s)], ()) for s in ((), (0,), (3, 4))]


real = elementwise(
    "real", np.real, vjps=(lambda ct, x_like: _cast(ct, x_like),), jvps=(lambda t: real(t),),
    examples=_complex_examples, doc="The real part of complex x.",
)  # fmt: skip
imag = elementwise(
    "imag", np.imag, vjps=(lambda ct, x_like: _cast(ct, x_like) * -1j,), jvps=(lambda t: imag(t),),
    examples=_complex_examples, doc="The imaginary part of complex x.",
)  # fmt: skip
conjugate = elementwise(
    "conjugate", np.conjugate, vjps=(lambda ct: conjugate(ct),),
    doc="The complex conjugate; x itself where it is real.",
)  # fmt: skip


def _size(x):
    """|x|, and 1 at 0: there is no direction, and its derivatives are 0."""
    return absolute(where(x == 0.0, 1.0, x))


phase = elementwise(  # along t the angle of x = |x| y changes by Im(t conj(y)) / |x|
    "phase", np.sign,
    vjps=(lambda ct, x, y: zmul(_cast(imag(ct * y), y), conjugate(y) * 1j / _size(x)),),
    jvps=(lambda t, x, y: zmul(_cast(imag(t * conjugate(y)), y), y * 1j / _size(x)),),
    examples=_complex_examples, doc="x / |x|, and 0 where x is 0: the direction of complex x.",
)  # fmt: skip


def _absolute_vjp(ct, x):
    if x.dtype.kind == "c":
        return zmul(_cast(ct, x), conjugate(phase(x)))
    return zmul(ct, sign(x))


def _absolute_jvp(t, x):
    return real(zmul(t, conjugate(phase(x)))) if x.dtype.kind == "c" else zmul(t, sign(x))


absolute = elementwise(
    "absolute", np.absolute, vjps=(_absolute_vjp,), jvps=(_absolute_jvp,), doc="|x|."
)

# --- exponentials and logarithms --------------------------------------------------------------
exp = elementwise("exp", np.exp, (lambda y: y,), ulp=4, doc="e to the power x.")
expm1 = elementwise("expm1", np.expm1, (lambda y: y + 1.0,), ulp=4, doc="exp(x) - 1, exact near 0.")
log = elementwise(
    "log", np.log, (lambda x: 1.0 / x,), domain=(0.5, 4), ulp=4, doc="Natural logarithm."
)
log1p = elementwise(
    "log1p", np.log1p, (lambda x: 1.0 / (1.0 + x),), domain=(-0.5, 4), ulp=4,
    doc="log(1 + x), exact near 0.",
)  # fmt: skip
log2 = elementwise(
    "log2", np.log2, (lambda x: LOG2_E / x,), domain=(0.5, 4), ulp=4, doc="Logarithm to base 2."
)
log10 = elementwise(
    "log10", np.log10, (lambda x: LOG10_E / x,), domain=(0.5, 4), ulp=4,
    doc="Logarithm to base 10.",
)  # fmt: skip

# --- trigonometric and hyperbolic -------------------------------------------------------------
sin = elementwise("sin", np.sin, (lambda x: cos(x),), ulp=4, doc="Sine of x in radians.")
cos = elementwise("cos", np.cos, (lambda x: -sin(x),), ulp=4, doc="Cosine of x in radians.")
sinh = elementwise("sinh", np.sinh, (lambda x: cosh(x),), ulp=4, doc="Hyperbolic sine.")
cosh = elementwise("cosh", np.cosh, (lambda x: sinh(x),), ulp=4, doc="Hyperbolic cosine.")
tanh = elementwise(
    "tanh", np.tanh, vjps=(lambda ct, y: tanh_vjp(ct, y),), ulp=4, doc="Hyperbolic tangent."
)
# A row of its own, so that sweeps of sweeps record one entry where there were three.
tanh_vjp = elementwise(
    "tanh_vjp", special.tanh_vjp,
    vjps=(lambda ct, b: tanh_vjp(ct, b), lambda ct, a, b: zmul(zzmul(ct, a), -2.0 * b)),
    inputs=("a", "b"), doc="a (1 - b^2), and 0 where a is 0: tanh's rule, of its result b.",
)  # fmt: skip

# --- activations ------------------------------------------------------------------------------
sigmoid = elementwise(
    "sigmoid",
    special.sigmoid,
    (lambda y: y * (1.0 - y),),
    ulp=4,
    complex=False,
    doc="1 / (1 + exp(-x)).",
)
relu = elementwise(
    "relu", lambda x: np.maximum(x, 0), (lambda y: sign(y),), complex=False, doc="max(x, 0)."
)
leaky_relu = elementwise(
    "leaky_relu", special.leaky_relu,
    (lambda a, b: where(a > 0.0, 1.0, b), lambda a: where(a > 0.0, 0.0, a)),
    complex=False, doc="a where positive, b * a elsewhere.",
)  # fmt: skip
elu = elementwise(
    "elu", special.elu,
    (lambda a, b, y: where(a > 0.0, 1.0, y + b), lambda a: where(a > 0.0, 0.0, expm1(a))),
    ulp=4, complex=False, doc="a where positive, b * (exp(a) - 1) elsewhere.",
)  # fmt: skip
erf = elementwise(
    "erf", special.erf, (lambda x: TWO_OVER_SQRT_PI * exp(-(x * x)),), ulp=4,
    complex=False, doc="The error function.",
)  # fmt: skip
gelu = elementwise(
    "gelu", special.gelu, (lambda x: gelu_slope(x),), ulp=8, complex=False,
    doc="x times the normal distribution function of x.",
)  # fmt: skip
gelu_slope = elementwise(
    "gelu_slope", special.gelu_slope,
    (lambda x: zmul(INV_SQRT_2PI * exp(-0.5 * (x * x)), 2.0 - x * x),),
    domain=(-0.5, 2), ulp=8, complex=False, doc="gelu's derivative.",
)  # fmt: skip
silu = elementwise(
    "silu", special.silu,
    (lambda x: sigmoid(x) * (1.0 + x * (1.0 - sigmoid(x))),), ulp=8, complex=False,
    doc="x * sigmoid(x).",
)  # fmt: skip
softplus = elementwise(
    "softplus",
    special.softplus,
    (lambda x: sigmoid(x),),
    ulp=4,
    complex=False,
    doc="log(1 + exp(x)).",
)
binary_cross_entropy_with_logits = elementwise(
    "binary_cross_entropy_with_logits", special.binary_cross_entropy_with_logits,
    (lambda a, b: sigmoid(a) - b, lambda a: -a), domain=((-2, 2), (0, 1)), ulp=4, complex=False,
    doc="-(b log p + (1 - b) log(1 - p)), p = sigmoid(a): the loss of logit a for target b.",
)  # fmt: skip


def _gelu_tanh_partial(x):
    square_x = x * x
    t = tanh(SQRT_2_OVER_PI * (x + 0.044715 * (square_x * x)))
    slope = SQRT_2_OVER_PI * (1.0 + 0.134145 * square_x)
    return 0.5 * (1.0 + t) + 0.5 * x * (1.0 - t * t) * slope


gelu_tanh = elementwise(
    "gelu_tanh",
    special.gelu_tanh,
    (_gelu_tanh_partial,),
    ulp=8,
    complex=False,
    doc="The tanh form of gelu.",
)

# --- choosing ---------------------------------------------------------------------------------
maximum = elementwise(
    "maximum", np.maximum,
    (lambda a, b: _share(b < a, a == b, a), lambda a, b: _share(a < b, a == b, b)),
    doc="The larger of a and b; nan if either is.",
)  # fmt: skip
minimum = elementwise(
    "minimum", np.minimum,
    (lambda a, b: _share(a < b, a == b, a), lambda a, b: _share(b < a, a == b, b)),
    doc="The smaller of a and b; nan if either is.",
)  # fmt: skip
clip = elementwise(
    "clip", np.clip,
    (lambda x, params: _number(logical_and(x >= params[0], x <= params[1]), x),),
    params=(-0.5, 0.75), doc="x limited to [low, high].",
)  # fmt: skip
where = elementwise(
    "where", np.where, inputs=("mask", "a", "b"), promotes=(1, 2),
    vjps=(None, lambda ct, mask: where(mask, ct, 0.0), lambda ct, mask: where(mask, 0.0, ct)),
    doc="a where mask, b elsewhere.",
)  # fmt: skip

# --- steps: derivative zero wherever there is one ---------------------------------------------
sign = nondifferentiable("sign", np.sign, doc="-1, 0 or 1.")
floor = nondifferentiable("floor", np.floor, doc="Largest integer not above x.")
ceil = nondifferentiable("ceil", np.ceil, doc="Smallest integer not below x.")
round = nondifferentiable("round", np.rint, doc="Nearest integer, ties to even.")
trunc = nondifferentiable("trunc", np.trunc, doc="x without its fraction.")

# --- tests: bool results ----------------------------------------------------------------------
_PAIR = {"inputs": ("a", "b")}
equal = nondifferentiable("equal", np.equal, **_PAIR, doc="a == b.")
not_equal = nondifferentiable("not_equal", np.not_equal, **_PAIR, doc="a != b.")
less = nondifferentiable("less", np.less, **_PAIR, doc="a < b.")
less_equal = nondifferentiable("less_equal", np.less_equal, **_PAIR, doc="a <= b.")
greater = nondifferentiable("greater", np.greater, **_PAIR, doc="a > b.")
greater_equal = nondifferentiable("greater_equal", np.greater_equal, **_PAIR, doc="a >= b.")
isnan = nondifferentiable("isnan", np.isnan, doc="Whether x is nan.")
isinf = nondifferentiable("isinf", np.isinf, doc="Whether x is infinite.")
isfinite = nondifferentiable("isfinite", np.isfinite, doc="Whether x is neither nan nor infinite.")
logical_not = nondifferentiable("logical_not", np.logical_not, doc="Not x.")
logical_and = nondifferentiable("logical_and", np.logical_and, **_PAIR, doc="a and b.")
logical_or = nondifferentiable("logical_or", np.logical_or, **_PAIR, doc="a or b.")
logical_xor = nondifferentiable("logical_xor", np.logical_xor, **_PAIR, doc="Exactly one of a, b.")
