"""Distributions of scipy.stats for Tensors: densities, distribution functions, and their logs.

Continuous ones have SciPy's methods `pdf logpdf cdf logcdf sf logsf`, each of
(x, *shapes, loc=0, scale=1); discrete ones `pmf logpmf cdf` of (k, *shapes, loc=0). Derivatives
with respect to x, loc, scale and shapes, of any order. Outside the support a density is 0, its
logarithm -inf, and the derivatives 0. Where a scale or shape is not positive, all is nan, as SciPy
has it. Arguments of distributions of vectors are not checked to be valid.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ..errors import ShapeError
from ..ops import elementwise as e
from ..ops import scipy_special as sp
from ..ops.axes import as_tensor
from ..ops.composite import diagonal
from ..ops.linalg import cholesky
from ..ops.shapes import as_dtype, concatenate, expand_dims, reshape
from ..ops.trig import arctan2
from ..tensor import Tensor, tensor
from .linalg import solve_triangular

LOG_TWO_PI = 1.8378770664093453
LOG_PI = 1.1447298858494002
LOG_TWO = 0.6931471805599453

__all__ = [
    "beta", "cauchy", "chi2", "dirichlet", "expon", "gamma", "laplace", "logistic",
    "multivariate_normal", "norm", "poisson", "t", "uniform",
]  # fmt: skip


def _inexact(x: Any) -> Tensor:
    x = as_tensor(x)
    return x if x.dtype.kind == "f" else as_dtype(x, np.float64)


class Continuous:
    """A distribution with location and scale, given by its standard form."""

    def __init__(
        self,
        shapes: str,
        logpdf: Callable,
        cdf: Callable,
        sf: Callable,
        logcdf: Callable | None = None,
        logsf: Callable | None = None,
        support: tuple[float, float] | None = None,
    ):
        self.shapes = tuple(shapes.split())
        self._logpdf, self._cdf = logpdf, cdf
        self._sf = sf
        self._logcdf, self._logsf = logcdf, logsf
        self.support = support

    def _standard(self, x: Any, args: tuple, kwargs: dict) -> tuple[Tensor, tuple, Any]:
        """(x - loc) / scale, the shapes and scale, from arguments as SciPy takes them."""
        names = (*self.shapes, "loc", "scale")
        given = {**dict(zip(names, args)), **kwargs}
        if len(args) > len(names) or set(given) - set(names) or len(given) < len(args):
            raise TypeError(
                f"need x, {', '.join(names)}; got {1 + len(args)} of them by position and "
                f"{', '.join(kwargs) or 'none'} by name"
            )
        missing = [name for name in self.shapes if name not in given]
        if missing:
            raise TypeError(f"missing shape arguments: {', '.join(missing)}")
        z, scale = _inexact(x), given.get("scale", 1.0)
        if "loc" in given:
            z = z - given["loc"]
        if "scale" in given:
            z = z / scale
        for value in [given[name] for name in (*self.shapes, "scale") if name in given]:
            if not (type(value) in (int, float) and value > 0):
                z = e.where(as_tensor(value) > 0.0, z, np.nan)
        return z, tuple(_like(given[name], z) for name in self.shapes), scale

    def logpdf(self, x: Any, *args: Any, **kwargs: Any) -> Tensor:
        """Logarithm of the density."""
        z, shapes, scale = self._standard(x, args, kwargs)
        y = self._logpdf(z, *shapes)
        if "scale" in kwargs or len(args) > len(self.shapes) + 1:
            y = y - e.log(_like(scale, z))
        if self.support is None:
            return y
        low, high = self.support
        return e.where(e.logical_or(z < low, z > high), -np.inf, y)  # nan is not outside

    def pdf(self, x: Any, *args: Any, **kwargs: Any) -> Tensor:
        """The density."""
        return e.exp(self.logpdf(x, *args, **kwargs))

    def cdf(self, x: Any, *args: Any, **kwargs: Any) -> Tensor:
        """The probability of values up to x."""
        z, shapes, _ = self._standard(x, args, kwargs)
        return self._cdf(self._limited(z), *shapes)

    def sf(self, x: Any, *args: Any, **kwargs: Any) -> Tensor:
        """The probability of values above x."""
        z, shapes, _ = self._standard(x, args, kwargs)
        return self._sf(self._limited(z), *shapes)

    def logcdf(self, x: Any, *args: Any, **kwargs: Any) -> Tensor:
        """Logarithm of cdf. Cost: where there is no shorter form, cdf and sf."""
        return self._log(self._logcdf, self._cdf, self._sf, x, args, kwargs)

    def logsf(self, x: Any, *args: Any, **kwargs: Any) -> Tensor:
        """Logarithm of sf. Cost: as of logcdf."""
        return self._log(self._logsf, self._sf, self._cdf, x, args, kwargs)

    def _log(
        self, own: Callable | None, f: Callable, rest: Callable, x: Any, args: tuple, kwargs: dict
    ) -> Tensor:
        """log(f) by a form of its own, or so that f close to 1 counts by what is left of it."""
        z, shapes, _ = self._standard(x, args, kwargs)
        z = self._limited(z)
        if own is not None:
            return own(z, *shapes)
        y = f(z, *shapes)
        return e.where(y > 0.5, e.log1p(-rest(z, *shapes)), e.log(y))

    def _limited(self, z: Tensor) -> Tensor:
        """z, and the nearest end of the support outside it: there probabilities stay."""
        if self.support is None:
            return z
        low, high = self.support
        z = e.where(z < low, low, z)
        return z if high == np.inf else e.where(z > high, high, z)


def _like(value: Any, x: Tensor) -> Tensor:
    """A number in x's dtype; an array in its own."""
    return tensor(value, x.dtype) if type(value) in (int, float) else _inexact(value)


def _gamma_logpdf(z: Tensor, a: Any) -> Tensor:
    return sp.xlogy(a - 1.0, z) - z - sp.gammaln(a)


def _beta_logpdf(z: Tensor, a: Any, b: Any) -> Tensor:
    return sp.xlog1py(b - 1.0, -z) + sp.xlogy(a - 1.0, z) - sp.betaln(a, b)


def _laplace_cdf(z: Tensor) -> Tensor:
    return e.where(z <= 0.0, 0.5 * e.exp(z), 1.0 - 0.5 * e.exp(-z))


def _laplace_logcdf(z: Tensor) -> Tensor:
    return e.where(z <= 0.0, z - LOG_TWO, e.log1p(-0.5 * e.exp(-z)))


norm = Continuous(
    "",
    lambda z: -0.5 * (e.square(z) + LOG_TWO_PI),
    sp.ndtr,
    lambda z: sp.ndtr(-z),
    sp.log_ndtr,
    lambda z: sp.log_ndtr(-z),
)
t = Continuous(
    "df",
    lambda z, df: sp.student_density(df, z),
    lambda z, df: sp.stdtr(df, z),
    lambda z, df: sp.stdtr(df, -z),
)
gamma = Continuous(
    "a",
    _gamma_logpdf,
    lambda z, a: sp.gammainc(a, z),
    lambda z, a: sp.gammaincc(a, z),
    support=(0.0, np.inf),
)
chi2 = Continuous(
    "df",
    lambda z, df: _gamma_logpdf(z * 0.5, df * 0.5) - LOG_TWO,
    lambda z, df: sp.gammainc(df * 0.5, z * 0.5),
    lambda z, df: sp.gammaincc(df * 0.5, z * 0.5),
    support=(0.0, np.inf),
)
beta = Continuous(
    "a b",
    _beta_logpdf,
    lambda z, a, b: sp.betainc(a, b, z),
    lambda z, a, b: sp.betainc(b, a, 1.0 - z),
    support=(0.0, 1.0),
)
expon = Continuous(
    "",
    lambda z: -z,
    lambda z: -e.expm1(-z),
    lambda z: e.exp(-z),
    logsf=lambda z: -z,
    support=(0.0, np.inf),
)
laplace = Continuous(
    "",
    lambda z: -e.absolute(z) - LOG_TWO,
    _laplace_cdf,
    lambda z: _laplace_cdf(-z),
    _laplace_logcdf,
    lambda z: _laplace_logcdf(-z),
)
logistic = Continuous(
    "",
    lambda z: -(e.softplus(z) + e.softplus(-z)),
    e.sigmoid,
    lambda z: e.sigmoid(-z),
    lambda z: -e.softplus(-z),
    lambda z: -e.softplus(z),
)
uniform = Continuous(
    "", lambda z: z * 0.0, lambda z: z * 1.0, lambda z: 1.0 - z, support=(0.0, 1.0)
)
cauchy = Continuous(
    "",
    lambda z: -e.log1p(e.square(z)) - LOG_PI,
    lambda z: arctan2(1.0, -z) / np.pi,
    lambda z: arctan2(1.0, z) / np.pi,
)


class Poisson:
    """Counts of events of rate mu; nan where that is negative."""

    def _counted(self, k: Any, mu: Any, loc: Any) -> Tensor:
        return e.where(as_tensor(mu) >= 0.0, _inexact(k) - loc, np.nan)

    def logpmf(self, k: Any, mu: Any, loc: Any = 0) -> Tensor:
        """Logarithm of the probability of k."""
        k = self._counted(k, mu, loc)
        y = sp.xlogy(k, mu) - sp.gammaln(k + 1.0) - mu
        return e.where(e.logical_or(k < 0.0, e.floor(k) < k), -np.inf, y)

    def pmf(self, k: Any, mu: Any, loc: Any = 0) -> Tensor:
        """The probability of k."""
        return e.exp(self.logpmf(k, mu, loc))

    def cdf(self, k: Any, mu: Any, loc: Any = 0) -> Tensor:
        """The probability of counts up to k."""
        k = e.floor(self._counted(k, mu, loc))
        y = e.where(k < 0.0, 0.0, sp.gammaincc(e.maximum(k, 0.0) + 1.0, _inexact(mu)))
        return e.where(e.isnan(k), np.nan, y)  # gammaincc(nan, 0) is 1 before SciPy 1.16


def _solved(low: Tensor, x: Tensor) -> Tensor:
    """low^-1 x for vectors x in the last axis."""
    n = x.shape[-1]
    columns = reshape(x, (-1, n)).mT
    return reshape(solve_triangular(low, columns, lower=True).mT, x.shape)


class MultivariateNormal:
    """The normal distribution of vectors."""

    def logpdf(self, x: Any, mean: Any = None, cov: Any = 1.0) -> Tensor:
        """Logarithm of the density at vectors x (..., n).

        Args:
            mean: (n,), zeros if None.
            cov: (n, n) positive definite, a vector of variances, or one variance.
        Raises:
            LinAlgError: if cov is not positive definite.
        """
        x = _inexact(x)
        cov = _like(cov, x)
        if mean is not None:
            x = x - mean
        if cov.ndim == 2:
            n = cov.shape[-1]
            if x.ndim == 0 or x.shape[-1] != n:
                raise ShapeError(f"logpdf: x of shape {x.shape} does not fit cov {cov.shape}")
            low = cholesky(cov)
            z = _solved(low, x)
            log_root = e.log(diagonal(low)).sum()
        else:
            n = x.shape[-1] if x.ndim else 1
            z = x / e.sqrt(cov)
            log_root = 0.5 * (e.log(cov).sum() * (1.0 if cov.ndim else float(n)))
        squares = e.square(z)
        return -0.5 * ((squares.sum(-1) if x.ndim else squares) + n * LOG_TWO_PI) - log_root

    def pdf(self, x: Any, mean: Any = None, cov: Any = 1.0) -> Tensor:
        """The density; arguments as logpdf's."""
        return e.exp(self.logpdf(x, mean, cov))


class Dirichlet:
    """Points of the simplex."""

    def logpdf(self, x: Any, alpha: Any) -> Tensor:
        """Logarithm of the density at x (n,) or (n, points), as SciPy has it.

        Args:
            x: columns that sum to 1; of one row less than alpha, the last is what is left.
            alpha: (n,).
        """
        x, alpha = _inexact(x), _inexact(alpha)
        if x.shape[0] + 1 == alpha.shape[0]:
            x = concatenate([x, expand_dims(1.0 - x.sum(0), 0)], 0)
        if x.shape[0] != alpha.shape[0]:
            raise ShapeError(f"logpdf: x of shape {x.shape} does not fit alpha {alpha.shape}")
        scale = sp.gammaln(alpha.sum()) - sp.gammaln(alpha).sum()
        powers = alpha - 1.0
        if x.ndim > 1:
            powers = expand_dims(powers, -1)
        return sp.xlogy(powers, x).sum(0) + scale

    def pdf(self, x: Any, alpha: Any) -> Tensor:
        """The density; arguments as logpdf's."""
        return e.exp(self.logpdf(x, alpha))


poisson = Poisson()
multivariate_normal = MultivariateNormal()
dirichlet = Dirichlet()
