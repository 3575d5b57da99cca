"""scipy.special for Tensors: names, arguments and defaults are SciPy's.

Derivatives with respect to orders (n of polygamma, v of the Bessel functions) are not supported,
and raise when they are asked for.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..ops import reductions, structured
from ..ops.axes import as_tensor
from ..ops.elementwise import absolute, erf, exp, isfinite, log, sign, softplus, where
from ..ops.elementwise import sigmoid as expit
from ..ops.linear import stop_gradient
from ..ops.scipy_special import (
    beta,
    betainc,
    betaln,
    digamma,
    entr,
    erfc,
    erfcinv,
    erfcx,
    erfinv,
    exp1,
    expi,
    gamma,
    gammainc,
    gammaincc,
    gammaln,
    i0e,
    i1e,
    iv,
    ive,
    j0,
    j1,
    jv,
    kl_div,
    log_ndtr,
    loggamma,
    logit,
    ndtr,
    ndtri,
    polygamma,
    rel_entr,
    stdtr,
    xlog1py,
    xlogy,
    y0,
    y1,
)
from ..ops.shapes import ravel, reshape, squeeze
from ..ops.ufuncs import i0, i1
from ..tensor import Tensor

__all__ = [
    "beta", "betainc", "betaln", "digamma", "entr", "erf", "erfc", "erfcinv", "erfcx", "erfinv",
    "exp1", "expi", "expit", "gamma", "gammainc", "gammaincc", "gammaln", "i0", "i0e", "i1", "i1e",
    "iv", "ive", "j0", "j1", "jn", "jv", "kl_div", "log_expit", "log_ndtr", "log_softmax",
    "loggamma", "logit", "logsumexp", "multigammaln", "ndtr", "ndtri", "polygamma", "psi",
    "rel_entr", "softmax", "stdtr", "xlog1py", "xlogy", "y0", "y1",
]  # fmt: skip

psi = digamma
jn = jv


def log_expit(x: Any) -> Tensor:
    """log(expit(x)), without overflow."""
    return -softplus(-as_tensor(x))


def logsumexp(
    a: Any, axis: Any = None, b: Any = None, keepdims: bool = False, return_sign: bool = False
) -> Any:
    """log(sum(b * exp(a))) over axes (None: all), without overflow.

    Args:
        b: weights that broadcast to a; ones if None.
        return_sign: give (log|sum|, sign); without it a negative sum gives nan.
    """
    a = as_tensor(a)
    if b is None:
        y = reductions.logsumexp(a, axis, keepdims=keepdims)
        return (y, sign(y * 0.0 + 1.0)) if return_sign else y
    top = stop_gradient(reductions.max(a, axis, keepdims=True))
    top = where(isfinite(top), top, 0.0)
    total = (as_tensor(b) * exp(a - top)).sum(axis, keepdims=True)
    size = log(absolute(total) if return_sign else total) + top
    results = [size, sign(total)]
    if not keepdims:
        results = [squeeze(y, axis) for y in results]
    return tuple(results) if return_sign else results[0]


def softmax(x: Any, axis: int | None = None) -> Tensor:
    """exp(x) / sum(exp(x)) along axis; None: over all elements."""
    return _along(structured.softmax, x, axis)


def log_softmax(x: Any, axis: int | None = None) -> Tensor:
    """log(softmax(x)), without overflow."""
    return _along(structured.log_softmax, x, axis)


def _along(function: Any, x: Any, axis: int | None) -> Tensor:
    x = as_tensor(x)
    return function(x, axis) if axis is not None else reshape(function(ravel(x)), x.shape)


def multigammaln(a: Any, d: int) -> Tensor:
    """Logarithm of the multivariate gamma function of dimension d."""
    a = as_tensor(a)
    constant = d * (d - 1) * 0.25 * np.log(np.pi)
    return gammaln(reshape(a, (*a.shape, 1)) - 0.5 * np.arange(d, dtype=a.dtype)).sum(-1) + constant
