"""The C vector math against mpmath: the error each function's comment in csrc/v*.inc.h states, over
the whole range, and the same bits from every instruction set."""

import re
from pathlib import Path

import numpy as np
import pytest

import tapegrad as tg
from tapegrad.engine.select import apply
from tapegrad.ops import special
from tapegrad.ops.table import OPS

mpmath = pytest.importorskip("mpmath")
mp = mpmath.mp

pytestmark = pytest.mark.usefixtures("native")

CSRC = Path(__file__).parents[2] / "csrc"
POINTS = 700


def mp_sigmoid(x):
    return 1 / (1 + mp.exp(-x))


def mp_gelu_tanh(x):
    return x * mp_sigmoid(2 * mp.sqrt(2 / mp.pi) * (x + mp.mpf("0.044715") * x**3))


# name: (mpmath's form, NumPy's in float64, where float32 is dense: intervals of x)
FUNCTIONS = {
    "exp": (mp.exp, np.exp, [(-104, 89), (-1, 1)]),
    "expm1": (mp.expm1, np.expm1, [(-20, 89), (-1, 1), (-1e-4, 1e-4)]),
    "sinh": (mp.sinh, np.sinh, [(-90, 90), (-2, 2)]),
    "cosh": (mp.cosh, np.cosh, [(-90, 90), (-2, 2)]),
    "tanh": (mp.tanh, np.tanh, [(-10, 10), (-1, 1), (-0.01, 0.01)]),
    "sigmoid": (mp_sigmoid, special.sigmoid, [(-104, 20), (-6, 6)]),
    "silu": (lambda x: x * mp_sigmoid(x), special.silu, [(-110, 20), (-6, 6)]),
    "softplus": (lambda x: mp.log1p(mp.exp(x)), special.softplus, [(-104, 20), (-6, 6)]),
    "log": (mp.log, np.log, [(0, 1e30), (0, 4), (0.9, 1.1)]),
    "log2": (lambda x: mp.log(x, 2), np.log2, [(0, 1e30), (0, 4), (0.9, 1.1)]),
    "log10": (mp.log10, np.log10, [(0, 1e30), (0, 4), (0.9, 1.1)]),
    "log1p": (mp.log1p, np.log1p, [(-1, 1e30), (-1, 4), (-0.1, 0.1)]),
    "sin": (mp.sin, np.sin, [(-7, 7), (-1e4, 1e4), (-1e9, 1e9)]),
    "cos": (mp.cos, np.cos, [(-7, 7), (-1e4, 1e4), (-1e9, 1e9)]),
    "erf": (mp.erf, special.erf, [(-4, 4), (-0.2, 0.2)]),
    "gelu": (lambda x: x * mp.ncdf(x), special.gelu, [(-14, 6), (-0.2, 0.2)]),
    "gelu_slope": (
        lambda x: mp.ncdf(x) + x * mp.npdf(x),
        special.gelu_slope,
        [(-14, 6), (-2, 0.2)],
    ),
    "gelu_tanh": (mp_gelu_tanh, special.gelu_tanh, [(-10, 6), (-0.2, 0.2)]),
}
# Of sums that cross 0, what errors count against beside the value: a term.
TERMS = {"gelu_slope": lambda x: abs(x) * np.exp(-x * x / 2) * 0.3989422804014327}
SPECIAL = [0.0, -0.0, np.inf, -np.inf, np.nan, 1.0, -1.0, 0.5, 2.0]
every_function = pytest.mark.parametrize("name", FUNCTIONS)
both_dtypes = pytest.mark.parametrize("dtype", ["f4", "f8"])


def stated_error(name):
    """The ULPs in the comment above the function."""
    text = "".join(path.read_text() for path in sorted(CSRC.glob("v*.inc.h")))
    comment = re.search(
        r"/\*((?:(?!\*/).)*)\*/\s*(?:#if[^\n]*\n/\*(?:(?!\*/).)*\*/\s*)?VFN V v" + name + r"\(",
        text, re.S,
    )  # fmt: skip
    found = re.search(r"Max error ([\d.]+)\s*ULP", re.sub(r"\s*\n \*\s*", " ", comment[1]))
    return float(found[1])


def native(name, *inputs):
    return apply(OPS[name].id, tuple(map(tg.tensor, inputs)), ()).numpy()


def points(name, dtype, rng, count):
    """Anywhere a float can be, the function's own intervals, and both sides of 0 down to it."""
    kind, bits = {"f4": (np.uint32, 32), "f8": (np.uint64, 64)}[dtype]
    parts = [rng.integers(0, 2**bits, count, kind, endpoint=False).view(dtype)]
    parts += [rng.uniform(lo, hi, count) for lo, hi in FUNCTIONS[name][2]]
    parts += [rng.choice([-1.0, 1.0], count) * 10.0 ** rng.uniform(-46, 3, count)]
    parts += [np.ldexp(1.0, np.arange(-1074, 10, 50)), SPECIAL]
    with np.errstate(over="ignore"):
        return np.concatenate([np.asarray(p).astype(dtype) for p in parts])


def spacing(value, dtype):
    """One unit in the last place of the exact value, subnormal ones included."""
    bits, lowest = {"f4": (24, -149), "f8": (53, -1074)}[dtype]
    exponent = int(mp.frexp(value)[1]) - bits if value else lowest
    return mp.ldexp(1, max(exponent, lowest))


def error(got, exact, dtype, term=0.0):
    """In ULPs of the exact value, or of a larger term; infinite where one is nan, or infinite
    against a normal float."""
    if mp.isnan(exact) or not mp.isfinite(exact):
        same = np.isnan(got) if mp.isnan(exact) else got == float(exact)
        return 0.0 if same else np.inf
    if not np.isfinite(got):  # overflow is right from half a unit above the largest float
        largest = mp.mpf(float(np.finfo(dtype).max))
        overflows = abs(exact) >= largest + spacing(largest, dtype) / 2
        return 0.0 if np.isinf(got) and (got > 0) == (exact > 0) and overflows else np.inf
    return float(abs(mp.mpf(float(got)) - exact) / spacing(max(abs(exact), term), dtype))


def exactly(name, x):
    """mpmath's value for a float, at the ends too, as C99 has it."""
    f = FUNCTIONS[name][0]
    if np.isnan(x) or (np.isinf(x) and name in ("sin", "cos")):
        return mp.nan
    if name.startswith("log"):
        shifted = x + 1 if name == "log1p" else x
        if shifted <= 0:
            return mp.nan if shifted < 0 else -mp.inf
    if np.isinf(x):
        at_low = {"exp": 0, "expm1": -1, "tanh": -1, "erf": -1, "cosh": mp.inf, "sinh": -mp.inf}
        at_high = {"tanh": 1, "erf": 1, "sigmoid": 1, "gelu_slope": 1}
        return mp.mpf(at_high.get(name, mp.inf) if x > 0 else at_low.get(name, 0))
    if abs(x) > 800 and not name.startswith(("log", "sin", "cos")):
        if name in ("silu", "softplus", "gelu", "gelu_tanh"):  # x above 0, 0 below
            return mp.mpf(max(float(x), 0.0))
        x = np.copysign(800.0, x)
    return f(mp.mpf(float(x)))


def of_terms(name, x):
    with np.errstate(all="ignore"):
        terms = TERMS.get(name, np.zeros_like)(x.astype("f8"))
    return np.where(np.isfinite(terms), terms, 0)


@both_dtypes
@every_function
def test_error_is_within_what_the_comment_states(name, dtype, rng):
    x = points(name, dtype, rng, POINTS // 4 if dtype == "f4" else POINTS)
    got = native(name, x)
    mp.prec = 160
    terms = of_terms(name, x)
    worst = max(
        (error(g, exactly(name, v), dtype, t), float(v))
        for g, v, t in zip(got.tolist(), x.tolist(), terms.tolist())
    )
    assert worst[0] <= stated_error(name), f"{name}({worst[1]!r}): {worst[0]:.3f} ULP"


# name: (mpmath's form, whose last place counts)
PAIRS = {
    "hypot": (lambda a, b: mp.sqrt(a * a + b * b), lambda exact, a, b: exact),
    "logaddexp": (
        lambda a, b: max(a, b) + mp.log1p(mp.exp(-abs(a - b))),
        lambda exact, a, b: max(abs(exact), abs(a), abs(b)),
    ),
}


@both_dtypes
@pytest.mark.parametrize("name", PAIRS)
def test_error_of_two_numbers_is_within_what_the_comment_states(name, dtype, rng):
    f, unit_of = PAIRS[name]
    largest = {"f4": 38.4, "f8": 308.2}[dtype]
    far = [
        rng.choice([-1.0, 1.0], POINTS) * 10.0 ** rng.uniform(-46, largest, POINTS) for _ in "ab"
    ]
    near = rng.normal(size=(2, POINTS)) * 10.0 ** rng.uniform(-40, 38, POINTS)
    a, b = np.concatenate([far, near, rng.normal(size=(2, POINTS))], 1).astype(dtype)
    mp.prec = 160
    worst = 0.0
    for got, *pair in zip(native(name, a, b).tolist(), a.tolist(), b.tolist()):
        pair = [mp.mpf(x) for x in pair]
        exact = f(*pair)
        unit = spacing(unit_of(exact, *pair), dtype) if np.isfinite(got) else 1
        worst = max(worst, error(got, exact, dtype) * float(spacing(exact, dtype) / unit))
    assert worst <= stated_error(name), f"{name}: {worst:.3f} ULP"


@every_function
def test_float32_is_within_what_the_comment_states_on_a_dense_grid(name):
    _, reference, intervals = FUNCTIONS[name]
    for lo, hi in intervals:
        x = np.linspace(lo, hi, 60_001).astype("f4")
        with np.errstate(all="ignore"):
            exact = reference(x.astype("f8"))
            size = np.maximum(np.abs(exact), of_terms(name, x))
            unit = np.spacing(size.astype("f4")).astype("f8")
            ulps = np.abs(native(name, x) - exact) / unit
        usual = np.isfinite(exact) & (np.abs(exact) < np.finfo("f4").max)
        i = np.argmax(np.where(usual, ulps, 0))
        assert ulps[i] <= stated_error(name) + 1e-3, (name, float(x[i]), float(ulps[i]))


@both_dtypes
def test_powers_are_within_what_the_comment_states(dtype, rng):
    count = 1500
    near, far = 1 + rng.uniform(-0.1, 0.1, count), np.exp(rng.uniform(-40, 40, count))
    a = np.concatenate([near, far, rng.uniform(0, 4, count)]).astype(dtype)
    b = np.concatenate([rng.uniform(-800, 800, count), *rng.uniform(-2, 2, (2, count))])
    b = b.astype(dtype)
    mp.prec = 160
    worst = max(
        (error(g, mp.power(x, y), dtype), x, y)
        for g, x, y in zip(native("power", a, b).tolist(), a.tolist(), b.tolist())
    )
    assert worst[0] <= stated_error("pow"), worst


@both_dtypes
def test_powers_of_special_operands_are_numpys(dtype):
    special = [0.0, -0.0, 1.0, -1.0, 2.0, -3.0, 0.5, -0.5, 1e-40, 1e30, 16777217.0, np.inf, -np.inf]
    special = np.array([*special, np.nan, 9007199254740993.0, 4.0, 5.0], dtype)
    a, b = (g.ravel().copy() for g in np.meshgrid(special, special))
    with np.errstate(all="ignore"):
        want = np.power(a.astype("f8"), b.astype("f8")).astype(dtype)
    got = native("power", a, b)
    assert np.array_equal(np.signbit(got) & (got == got), np.signbit(want) & (want == want))
    np.testing.assert_allclose(got, want, rtol=3e-7 if dtype == "f4" else 1e-15)


@both_dtypes
@pytest.mark.parametrize("name", ["sin", "cos"])
def test_huge_angles_are_reduced_exactly(name, dtype):
    x = np.array([3.0e4, 1e6, 1e9, 2.0**31, 1e15, 1e22, 1e30, 3e38], dtype)
    if dtype == "f8":
        x = np.append(x, [1e100, 6381956970095103.0 * 2.0**797, 1.7e308])  # Kahan's worst case
    mp.prec = 1300
    for g, v in zip(native(name, np.concatenate([x, -x])).tolist(), [*x.tolist(), *(-x).tolist()]):
        assert error(g, getattr(mp, name)(v), dtype) <= stated_error(name), (name, v)


@both_dtypes
@pytest.mark.parametrize("name", [*FUNCTIONS, *PAIRS, "power"])
def test_every_instruction_set_gives_the_same_bits_anywhere(name, dtype, rng, each_isa):
    if name == "power" or name in PAIRS:
        inputs = [points(n, dtype, rng, 4000) for n in ("log", "sin")]
        inputs = [x[: min(map(len, inputs))] for x in inputs]
    else:
        inputs = [points(name, dtype, rng, 4000)]
    found = {isa: native(name, *inputs).tobytes() for isa in each_isa()}
    assert len(set(found.values())) == 1, list(found)


@both_dtypes
@every_function
def test_an_element_does_not_depend_on_its_neighbours(name, dtype, rng):
    x = points(name, dtype, rng, 40)
    whole = native(name, x)
    alone = np.concatenate([native(name, x[i : i + 1]) for i in range(len(x))])
    assert whole.tobytes() == alone.tobytes()
