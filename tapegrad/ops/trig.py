"""The tangent and the inverse trigonometric and hyperbolic functions: rows that NumPy computes."""

from __future__ import annotations

import numpy as np

from .elementwise import rsqrt, where
from .rows import elementwise

tan = elementwise(
    "tan", np.tan, (lambda y: 1 + y * y,), domain=(-1.2, 1.2), ulp=4, doc="Tangent of x in radians."
)
arcsin = elementwise(
    "arcsin",
    np.arcsin,
    (lambda x: rsqrt((1 - x) * (1 + x)),),
    domain=(-0.9, 0.9),
    ulp=4,
    doc="Inverse sine, in -pi/2..pi/2.",
)
arccos = elementwise(
    "arccos",
    np.arccos,
    (lambda x: -rsqrt((1 - x) * (1 + x)),),
    domain=(-0.9, 0.9),
    ulp=4,
    doc="Inverse cosine, in 0..pi.",
)
arctan = elementwise(
    "arctan",
    np.arctan,
    (lambda x: 1 / (1 + x * x),),
    ulp=4,
    doc="Inverse tangent, in -pi/2..pi/2.",
)
arcsinh = elementwise(
    "arcsinh",
    np.arcsinh,
    (lambda x: rsqrt(1 + x * x),),
    ulp=4,
    doc="Inverse hyperbolic sine.",
)
arccosh = elementwise(
    "arccosh",
    np.arccosh,
    (lambda x: rsqrt(x - 1) * rsqrt(x + 1),),  # of the product: wrong where x is complex
    domain=(1.2, 4.0),
    ulp=4,
    doc="Inverse hyperbolic cosine.",
)
arctanh = elementwise(
    "arctanh",
    np.arctanh,
    (lambda x: 1 / ((1 - x) * (1 + x)),),
    domain=(-0.9, 0.9),
    ulp=4,
    doc="Inverse hyperbolic tangent.",
)


def _radius(a, b):
    """a^2 + b^2, and infinite at the origin: there is no angle, and its derivatives are 0."""
    square = a * a + b * b
    return where(square == 0.0, np.inf, square)


arctan2 = elementwise(
    "arctan2",
    np.arctan2,
    (lambda a, b: b / _radius(a, b), lambda a, b: -(a / _radius(a, b))),
    domain=((0.2, 2.0), (-2.0, 2.0)),
    ulp=4,
    doc="Angle of the point (b, a), in -pi..pi.",
)
