"""Fit the polynomials of csrc/vmath*.inc.h. Needs mpmath.

    python tools/remez.py            every fit: coefficients and error
    python tools/remez.py exp_f32    one of them

Each fit is P(t) = sum c[i] t**powers[i] against a function on an interval, minimising the largest
weighted error (Lawson's iteration, which unlike Remez' exchange does not mind weights and bases
that vanish inside the interval), with the coefficients rounded to the dtype one by one, the lowest
power first and the others fitted again after each: what is left of the rounding error then goes
where it weighs least.
"""

import itertools
import struct
import sys
import textwrap
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from mpmath import mp, mpf

mp.prec = 160


def as_float(x, dtype):
    """x rounded to float32 or float64."""
    if dtype == "f32":
        return mpf(struct.unpack("f", struct.pack("f", float(x)))[0])
    return mpf(float(x))


def print_row(values, dtype):
    """One row of a table, in braces, wrapped."""
    text = "{" + ", ".join(literal(c, dtype) for c in values) + "},"
    print(textwrap.fill(text, 95, initial_indent="    ", subsequent_indent="     "))


def literal(c, dtype):
    """C's hexadecimal constant."""
    mantissa, exponent = float(c).hex().split("p")
    if dtype == "f32":
        mantissa = mantissa[:-7] if len(mantissa) > 12 else mantissa
    return f"{mantissa}p{exponent}{'f' if dtype == 'f32' else ''}"


@dataclass
class Fit:
    f: Callable
    lo: object
    hi: object
    powers: range
    dtype: str
    weight: Callable = lambda t: mpf(1)  # error counted as weight(t) * (P(t) - f(t))


def chebyshev_grid(lo, hi, n):
    half, middle = (mpf(hi) - lo) / 2, (mpf(hi) + lo) / 2
    return [middle - half * mp.cos(mp.pi * (2 * i + 1) / (2 * n)) for i in range(n)]


class Grid:
    """Weighted errors of coefficients at Chebyshev points, and the best free coefficients."""

    def __init__(self, fit, n):
        self.fit = fit
        self.points = chebyshev_grid(fit.lo, fit.hi, n)
        self.f = [fit.f(t) for t in self.points]
        self.weight = [fit.weight(t) for t in self.points]
        scale = max(abs(self.points[0]), abs(self.points[-1]))
        self.scales = [scale**p for p in fit.powers]
        self.basis = np.array(
            [
                [float(w * (t / scale) ** p) for p in fit.powers]
                for t, w in zip(self.points, self.weight)
            ]
        )

    def errors(self, coefficients):
        step = self.fit.powers.step
        errors = []
        for t, f, w in zip(self.points, self.f, self.weight):
            value = mp.polyval(coefficients[::-1], t**step) * t ** self.fit.powers[0]
            errors.append(w * (value - f))
        return errors

    def minimax(self, fixed, start, rounds=40):
        """Lawson's iteration: least squares, weights multiplied by the errors each round. The
        corrections are solved in float64, the errors they correct are exact."""
        n = len(fixed)
        current, best = list(start), None
        weights = np.ones(len(self.points))
        for _ in range(rounds):
            exact = self.errors(current)
            size = max(abs(e) for e in exact)
            errors = np.array([float(e / size) for e in exact])
            if best is None or size < best[1]:
                best = list(current), size
            root = np.sqrt(weights)
            delta = np.linalg.lstsq(self.basis[:, n:] * root[:, None], -errors * root, rcond=1e-15)[
                0
            ]
            for i, d in enumerate(delta):
                current[n + i] += mpf(float(d)) * size / self.scales[n + i]
            weights *= np.abs(errors + self.basis[:, n:] @ delta)
            weights /= weights.max()
            weights += 1e-12
        return best


def run(fit):
    grid = Grid(fit, 12 * len(fit.powers) + 60)
    zero = [mpf(0)] * len(fit.powers)
    best, ideal = grid.minimax([], zero, rounds=80)
    for i in range(len(best)):
        best[i] = as_float(best[i], fit.dtype)
        if i + 1 < len(best):
            best, _ = grid.minimax(best[: i + 1], best)
    return best, ideal, max(abs(e) for e in Grid(fit, 700).errors(best))


def safe(f, limit):
    """f, or its limit where 0 / 0."""
    return lambda t: f(t) if t != 0 else mpf(limit)


# A shade past the reduction's bound, and not symmetric: a node at 0, where some weights vanish,
# would make the system singular.
def around(bound):
    return {"lo": -mpf(bound) * mpf("1.0013"), "hi": mpf(bound) * mpf("1.001")}


def odd_tail(f, slope):
    """(f(x) / x - f'(0)) / z as a function of z = x^2."""
    return lambda z: (f(mp.sqrt(z)) / mp.sqrt(z) - slope) / z


def odd(f, bound, n, dtype, slope=1):
    """f(x) = x (slope + z P(z)), z = x^2, relative error."""
    return Fit(
        odd_tail(f, slope),
        mpf("1e-6"),
        mpf(bound) ** 2 * mpf("1.001"),
        range(n),
        dtype,
        weight=lambda z: z * mp.sqrt(z) / f(mp.sqrt(z)),
    )


def tail(u):
    """u exp(u^2 / 2) Phi(-u)"""
    return u * mp.exp(u * u / 2) * mp.erfc(u / mp.sqrt(2)) / 2


def slope_terms(u):
    """exp(u^2 / 2) times Phi(-u) and times u phi(u)"""
    return mp.exp(u * u / 2) * mp.erfc(u / mp.sqrt(2)) / 2, u / mp.sqrt(2 * mp.pi)


def slope(u):
    """exp(u^2 / 2) gelu'(-u)"""
    first, second = slope_terms(u)
    return first - second


def slope_size(u):
    return sum(slope_terms(u))


HALF_LN2 = mp.log(2) / 2
FITS = {}
for dtype, small in (("f32", True), ("f64", False)):

    def fit(name, *args, **kwargs):
        FITS[f"{name}_{dtype}"] = Fit(*args, dtype=dtype, **kwargs)

    # exp(r) = 1 + r + r^2 P(r), error relative to exp
    fit(
        "exp",
        safe(lambda r: (mp.expm1(r) - r) / r**2, 0.5),
        powers=range(5 if small else 10),
        weight=lambda r: r**2 / mp.exp(r),
        **around(HALF_LN2),
    )
    # the same, error relative to expm1
    fit(
        "expm1",
        safe(lambda r: (mp.expm1(r) - r) / r**2, 0.5),
        powers=range(6 if small else 11),
        weight=safe(lambda r: r**2 / mp.expm1(r), 0),
        **around(HALF_LN2),
    )
    # sinh(r) = r + r^3 P(r^2); cosh(r) = 1 + r^2 P(r^2)
    FITS[f"sinh_{dtype}"] = odd(mp.sinh, HALF_LN2, 2 if small else 5, dtype)
    fit(
        "cosh",
        lambda z: (mp.cosh(mp.sqrt(z)) - 1) / z,
        mpf("1e-6"),
        HALF_LN2**2 * mpf("1.001"),
        range(3 if small else 6),
        weight=lambda z: z,
    )
    # log_b(1 + f) = f / ln b + f^2 P(f) after the table's reduction
    for name, base in (("log", mp.e), ("log2", 2), ("log10", 10)):
        fit(
            name,
            safe(lambda f, b=base: (mp.log1p(f) - f) / f**2 / mp.log(b), -0.5 / mp.log(base)),
            powers=range(4 if small else 8),
            weight=safe(lambda f, b=base: f**2 * mp.log(b) / mp.log1p(f), 0),
            lo=mpf(-3) / 127,
            hi=mpf(3) / 63,
        )
    # sin(r) = r + r^3 P(r^2); cos(r) = 1 - r^2 / 2 + r^4 P(r^2)
    FITS[f"sin_{dtype}"] = odd(mp.sin, mp.pi / 4, 3 if small else 6, dtype)
    fit(
        "cos",
        lambda z: (mp.cos(mp.sqrt(z)) - 1 + z / 2) / z**2,
        mpf("1e-6"),
        (mp.pi / 4) ** 2 * mpf("1.001"),
        range(3 if small else 6),
        weight=lambda z: z**2 / mp.cos(mp.sqrt(z)),
    )
    # pow: log(1 + f) = f - f^2 / 2 + f^3 P(f); 2^r = 1 + r P(r)
    fit(
        "pow_log",
        safe(lambda f: (mp.log1p(f) - f + f**2 / 2) / f**3, mpf(1) / 3),
        powers=range(4 if small else 10),
        weight=safe(lambda f: f**3 / mp.log1p(f), 0),
        lo=mpf(-3) / 127,
        hi=mpf(3) / 63,
    )
    fit(
        "exp2",
        safe(lambda r: (mpf(2) ** r - 1) / r, mp.log(2)),
        powers=range(6 if small else 11),
        weight=lambda r: abs(r) / mpf(2) ** r,
        **around(0.5),
    )
FITS["erf_f32"] = Fit(
    lambda z: mp.erf(mp.sqrt(z)) / mp.sqrt(z) - 1,
    mpf("1e-6"),
    mpf("0.016"),
    range(3),
    "f32",
    weight=lambda z: mp.sqrt(z) / mp.erf(mp.sqrt(z)),
)
FITS["tanh_f64"] = odd(mp.tanh, mpf("0.625"), 11, "f64")
# erf(x) = x + x P(x^2) for |x| <= 1
FITS["erf_f64"] = Fit(
    lambda z: mp.erf(mp.sqrt(z)) / mp.sqrt(z) - 1,
    mpf("1e-6"),
    mpf("1.002"),
    range(13),
    "f64",
    weight=lambda z: mp.sqrt(z) / mp.erf(mp.sqrt(z)),
)


# A function from a table: quarters of binades up to where it rounds to a constant; below (entry
# 0) around 0. Each entry's base is a float near its middle where
# the function is very nearly a float, so that the constant term costs no half ULP.
def quarters(f, binades, end, degree, dtype, size=None):
    size = size or f  # what errors are relative to
    edges = [mpf(0)] + [mpf(2) ** e * (4 + q) / 4 for e in binades for q in range(4)]
    edges = [e for e in edges if e < mpf(end)] + [mpf(end)]
    columns = []
    for lo, hi in itertools.pairwise(edges):
        base = mpf(0)
        if lo:
            middle = as_float((lo + hi) / 2, dtype)
            step = mpf(2) ** (mp.floor(mp.log(lo, 2)) - (23 if dtype == "f32" else 52))
            near = [middle + step * i for i in range(-400, 400)]
            base = min(near, key=lambda b: abs(as_float(f(b), dtype) - f(b)))
        c0 = as_float(f(base), dtype)
        fit = Fit(
            safe(lambda d: (f(base + d) - c0) / d, mp.diff(f, 0)),
            lo - base,
            hi - base,
            range(degree),
            dtype,
            weight=lambda d: abs(d) / size(base + d),
        )
        if not lo:
            fit.lo, fit.weight = hi * mpf("1e-6"), lambda d: d / size(d)
        coefficients, _, worst = run(fit)
        columns.append([base, c0, *coefficients])
        print(f"/* [{float(lo):g}, {float(hi):g}): 2^{float(mp.log(worst, 2)):.1f} */")
    columns += [[mpf(0)] * len(columns[0])] * (32 - len(columns))
    for row in zip(*columns):
        print_row(row, dtype)


TABLES = {
    "tanh_table_f32": lambda: quarters(mp.tanh, range(-3, 4), "9.02", 5, "f32"),
    "erf_table_f32": lambda: quarters(mp.erf, range(-3, 2), "3.95", 5, "f32"),
    "tail_table_f32": lambda: quarters(tail, range(-3, 4), "15", 6, "f32"),
    "tail_table_f64": lambda: quarters(tail, range(-1, 6), "40", 13, "f64"),
    "slope_table_f32": lambda: quarters(slope, range(-3, 4), "15", 5, "f32", slope_size),
    "slope_table_f64": lambda: quarters(slope, range(-1, 6), "40", 12, "f64", slope_size),
}


# log_b(m) = log_b(m c) - log_b(c), c near 1 / m, for m in [0x1.6cp-1, 0x1.6cp+0) cut by the first
# five bits of its distance from the lower end, counted in floats. c is chosen so that log_b(c) is
# very nearly a float; in the three pieces around 1 it is 1, so that log_b(c) and what is left of m
# never cancel by more than a bit.
def log_table(name, dtype):
    base = {"log": mp.e, "log2": mpf(2), "log10": mpf(10)}[name]
    bits = 23 if dtype == "f32" else 52
    floats = [mpf(182 + i) / 256 if i <= 74 else 1 + mpf(i - 74) / 128 for i in range(129)]
    rows = [], []
    for lo, hi in zip(floats[0::4], floats[4::4]):
        c = as_float(2 / (lo + hi), dtype)
        step = mpf(2) ** (mp.floor(mp.log(c, 2)) - bits)
        # Strides without pattern: 1 / m is a simple fraction, and so neighbours' logarithms repeat.
        spread = 2**11 if dtype == "f32" else 2**40
        near = [c + step * (i * 2654435761 % spread) for i in range(4000)]
        if lo < mpf("1.04") and hi > mpf("0.98"):
            near = [mpf(1)]

        def rest(c):
            y = mp.log(c) / mp.log(base)
            return abs(as_float(y, dtype) - y) / abs(y) if y else 0

        c = min(near, key=rest)
        rows[0].append(c)
        rows[1].append(as_float(-mp.log(c) / mp.log(base), dtype))
    for row in rows:
        print_row(row, dtype)


if __name__ == "__main__":
    for name in sys.argv[1:] or FITS:
        if name in TABLES:
            TABLES[name]()
            continue
        if name.startswith("log_table"):
            log_table(*name.split("_")[2:])
            continue
        coefficients, ideal, worst = run(FITS[name])
        print(
            f"/* {name}: error {float(worst):.3g} = 2^{float(mp.log(worst, 2)):.1f}"
            f" (unrounded 2^{float(mp.log(ideal, 2)):.1f}) */"
        )
        for c in coefficients:
            print(f"    {literal(c, FITS[name].dtype)},")
