"""Values, shapes and dtypes of tapegrad.numpy's functions are NumPy's, for operands of every kind.

Calls are rows of text; each runs in both namespaces with the operands below in each dtype that
NumPy takes. Derivatives of the same functions are tested in test_numpy_registry.py.
"""

import re

import numpy as np
import pytest

import tapegrad as tg
import tapegrad.numpy as tnp
from tapegrad.numpy import fft, linalg

pytestmark = [
    pytest.mark.usefixtures("backend"),
    pytest.mark.filterwarnings("ignore::RuntimeWarning"),
]

DTYPES = ("?", "u1", "i4", "i8", "f2", "f4", "f8", "c8", "c16", "longdouble")

# x (3, 4), r: x reversed and strided, v (4,), s (), e (0, 3): values of both signs, with ties
CALLS = """
sum(x, initial=2.5) | prod(x, axis=0, initial=2) | max(x, axis=1, initial=2) | min(x, initial=-1)
sum(e, axis=0) | prod(e) | mean(x, dtype='i8') | mean(x, axis=0, where=x > 0) | std(x, axis=1)
var(x, where=x != 1) | nanstd(x, ddof=1) | nanvar(x, axis=0) | nansum(x, 1)
median(where(x.real == 2, nan, x), axis=1) | nanmax(where(x.real == 2, nan, x), axis=1)
nanvar(where(x.real == 2, nan, x), axis=1, ddof=3) | nanstd(where(x.real == 2, nan, x), ddof=12)
nanmin(where(x.real == 2, nan, x), initial=-1) | nanmin(where(x.real == 2, nan, x), axis=0)
nanprod(x, initial=2) | median(x) | nanmedian(x, axis=1) | nanmedian(e) | nanmedian(e, axis=1)
ptp(x, 0) | quantile(x, 0.3) | quantile(x, 0.3, method='lower')
quantile(x, 0.5, method='midpoint')
quantile(x, [0.1, 0.9], axis=1, method='averaged_inverted_cdf')
percentile(x, 10, method='nearest') | quantile(x, [[0.1, 1.0]], axis=0, method='inverted_cdf')
percentile(x, 40, method='closest_observation')
quantile(x, [0, 0.4, 1], weights=abs(r), method='inverted_cdf') | nanquantile(e, 0.2)
quantile(x, 0.6, axis=1, weights=[0.0, 1, 2, 1], method='inverted_cdf')
nanquantile(e, 0.2, axis=1) | nanpercentile(x, 60, axis=0, weights=abs(r), method='inverted_cdf')
cov(x) | cov(x, rowvar=False, ddof=0) | corrcoef(x) | average(x, axis=1)
average(x, 1, [1, 2, 0, 1])
average(x, 0, [1.5, 2, 0.5], returned=True) | cumsum(x) | cumprod(x, axis=1)
cumprod([1e-200, 1e200, 1e200, 1e-200]) | cumprod(x, dtype='i2')
cumulative_sum(v, include_initial=True) | diff(x, n=0, append=3) | diff(x, axis=0, prepend=x[:1])
ediff1d(x, to_end=2) | gradient(x, 2.0, edge_order=2) | gradient(x, axis=1) | trapezoid(x)
interp(x, [0, 1, 2], [1, 4, 2]) | interp(x, [0, 1, 2, 3], [1, inf, nan, 3])
interp(x, [-inf, -1, 1, inf], [1, 4, 2, inf]) | interp(x / 2, [0, 1, 2], [inf, inf, -inf])
interp(where(x.real == 0, nan, x), [0, inf], [2, 2])
convolve([1, nan, 3], v.real) | convolve([1, inf], v.real, 'same') | correlate(v, [nan, 1], 'full')
correlate([2.5, inf, -inf], v.real, 'same') | unwrap(x * 1.5)
interp(x, [0, 1, 2], [1, 4, 2], period=2.5)
convolve(v, [1, 2]) | correlate(v, v, 'same') | polyval(v, x) | polyadd(v, [1, 2])
polymul([0, 0, 2], v) | polyder(v) | polyint(v) | poly(v) | poly(x[:3, :3]) | poly(e.ravel())
vander(v) | vander([inf, nan, 2.0], 3) | vander(v, 1) | roots(v)
polydiv(v, [2.0, 1.0]) | polyfit([0, 1, 2, 3], v, 2)
polyfit([0, 1, 2, 3], x.T, 1, full=True) | polyfit([0, 1, 2, 3], v, 1, cov=True)
polyfit([0, 1, 2, 3], x.T, 1, cov='unscaled', w=[1, 2, 1, 1]) | linspace(s, 3, 4)
linspace(s, -3, 6, dtype='i4') | linspace(s, 3, 1, retstep=True)
linspace(v, 2.5, 3, axis=1) | sinc(x) | angle(x)
sort_complex(x) | sort(x, axis=0) | sort(x, axis=None) | argsort(x, kind='stable')
select([x > 1, x > 0], [x, 2]) | select([x > 1], [x], 1.5) | where(x > 0, x, 1.5) | clip(x, 0, 2)
diag(v) | diag(e.ravel(), 2) | diagflat(e) | squeeze(s, 0) | delete(v, []) | insert(v, [0, 2], 5)
delete(x, [True, False, True], axis=0) | append(v, 2.5) | concatenate([x, r], dtype='c16')
concatenate([x, [[1.5] * 4]]) | stack([v, [1, 2, 3, 4]], dtype='f8')
block([[x, x], [x, x * 2]]) | einsum('ij->j', x) | einsum('ii', x[:3, :3])
einsum('ij,kj->ik', x, r) | trace(x) | dot(x, v) | inner(x, v) | outer(v, v) | kron(v, v)
vdot(x, r) | tensordot(x, r.T, 1) | matmul(x, r.T) | sign(x) | sign(x * 1e-300) | reciprocal(x)
divide(x, 300) | equal(x, 300) | less(-3, x) | hypot(x, 2) | arctan2(x, 1) | floor_divide(x, 2)
remainder(x, 3) | power(x, 2) | square(r) | logaddexp(x, 1) | maximum(x, 1.5) | copysign(x, -1)
heaviside(x, 0.5) | ldexp(x, 2) | exp2(v) | nan_to_num(x) | round(x, 1) | rint(x) | trunc(x)
x.round() | x.round(1) | x.round(-1)
fix(x) | isclose(x, r) | clip(x, [0, nan, 1, 1], None) | clip(x, None, nan) | clip(x, -300, 300)
x.clip(1, 2**70) | trim_zeros(v) | trim_zeros(x * eye(3, 4, 1)[::-1]) | trim_zeros(x * 0)
trim_zeros(x * eye(3, 4, 1)[::-1], 'b') | trim_zeros(x * eye(3, 4, 1)[::-1], 'f', axis=1)
clip(x, nan, v) | real_if_close(x) | tril(x) | roll(r, 2) | repeat(x, 2, axis=1)
tile(r, 2) | flip(r) | rot90(r) | pad(x, 1, 'edge') | pad(x, ((1, 0), (0, 2)), 'linear_ramp')
pad(where(x.real == 0, nan, x), ((0, 0), (2, 1)), 'linear_ramp', end_values=(2.5, 1))
pad(where(x.real == 0, nan, x), 3, 'reflect', reflect_type='odd')
pad(where(x.real == 0, nan, x), 7, 'symmetric', reflect_type='odd')
pad(x, 1, 'mean') | ravel(r, order='F') | resize(r, (2, 7)) | take(x, [0, -1], axis=1)
take_along_axis(x, x.argsort(1), 1) | compress([0, 1, 1], r, axis=0) | count_nonzero(x, axis=0)
unique(x) | searchsorted(sort(v), [0, 1]) | histogram(v, 3)[0] | linalg.norm(x)
linalg.norm(e, -2, axis=0) | linalg.vector_norm(where(x > -9, inf, inf), ord=-0.5, axis=1)
linalg.norm(v, 1) | linalg.cond(zeros((2, 2)) * x[0, 0]) | linalg.cond(x[:, :1] * 0, -2)
linalg.cond(zeros((2, 2)) * x[0, 0], 'fro') | linalg.norm(x, 'nuc') | linalg.det(x[:3, :3])
linalg.inv(x[:3, :3] + 5 * eye(3)) | linalg.solve(x[:3, :3] + 5 * eye(3), v[:3])
linalg.svdvals(x) | linalg.matrix_power(x[:3, :3], 3) | linalg.slogdet(x[:3, :3])
linalg.pinv(x) | linalg.vector_norm(x) | fft.fft(x) | fft.rfft(x, 6, norm='ortho') | fft.ifft2(r)
fft.fftn(x, axes=(1, 0)) | fft.fftshift(r) | fft.irfft(fft.fft(x), 5, axis=0)
fft.hfft(fft.fft(x)) | fft.ihfft(x, norm='forward') | fft.irfftn(x, (4, 3), axes=(0, 1))
add.reduce(x) | add.accumulate(x, 1) | multiply.reduceat(v, [0, 2]) | add.reduceat(x, [1, 2], 1)
add.reduceat(v, [0]) | add.reduceat(x, [0, 1, 2]) | add.reduceat(r, [1, 0]) | subtract.outer(v, v)
logical_and.reduce(x) | logical_or.reduce(x, initial=False) | logical_xor.accumulate(v)
hypot.reduce(x, axis=1) | logaddexp.reduce(x, axis=1) | logaddexp.reduce(e) | divide.reduce(v)
add(x, v, dtype='f4', casting='unsafe') | exp(x, dtype='f8') | arctan2.accumulate(v)
subtract.reduce(e.T[:2], axis=1, initial=1) | subtract.reduce(zeros((2, 0)) * s)
maximum.reduce(x, axis=None, initial=2) | add.reduce(x, axis=(0, 1), keepdims=True)
sum(s, axis=0, keepdims=True) | prod(s, -1) | max(s, 0, initial=2) | min(s, -1) | all(s, 0)
any(s, -1) | argmax(s, 0) | ptp(s, 0) | cumsum(s, 0) | cumprod(s, -1) | cumulative_sum(s, axis=0)
nansum(s, 0) | nanmean(s, -1) | nanvar(s, 0) | nanmax(s, 0) | nancumprod(s, -1)
take(s, [0, 0], axis=0) | take(s, -3, axis=-1, mode='clip') | repeat(s, 3, axis=-1)
compress([True], s, axis=0) | argsort(s, 0) | argpartition(s, 0, axis=-1)
apply_over_axes(sum, s, 0) | add.reduce(s) | hypot.reduce(s, axis=-1) | logaddexp.reduce(s)
logical_and.reduce(s, axis=-1, keepdims=True)
repeat(r, 3, axis=-1) | repeat(x, 5) | flip(x, 1) + r
pad(x, 1) | pad(r, ((0, 2), (1, 0)), constant_values=2) | pad(s, 1, constant_values=-1.5)
pad(x, 1, constant_values=(nan, 2)) | pad(r, 3, 'wrap') | pad(r, ((0, 2), (0, 0)), 'symmetric')
logical_and(x, r) | logical_or(x, 0) | logical_xor(x, nan) | logical_not(x) | logical_and(2, v)
logical_not(where(x.real == 2, nan, x)) | all(where(x.real == 0, nan, x)) | all(r, axis=0)
any(r * 0, axis=1) | any(x, where=x.real == 0)
sum(x.real > 0, axis=0) | sum(r.real > 0) | mean(x == r) | mean(x.real > 0, axis=1)
count_nonzero(x) | count_nonzero(v, keepdims=True)
count_nonzero(where(x.real == 2, nan, x), axis=1)
signbit(x) | copysign(where(x.real == 2, nan, x), r) | copysign(2.0, -x)
convolve(v, x.ravel()) | convolve(r[0], [nan, 1, inf, 0], 'same') | correlate(x.ravel(), r[0])
searchsorted(sort(v), x, side='right') | searchsorted(sort(v)[::-1][::-1], r)
add(x * v, -r) | maximum(x, r) | where(x.real > r.real, x, v) | absolute(r) | square(x)
subtract(x, r) | equal(x, r) | less_equal(r.real, v.real) | add(x * 2**62, x)
gradient(x, 0.5, axis=0) | gradient(r, 3, edge_order=2) | gradient(x, 2 ** -20.0, axis=0)
gradient(x, 1.5, [0, 1, 3, 4], edge_order=2)[1] | trapezoid(r, dx=0.3)
"""
METHODS = {"reduce", "accumulate", "reduceat", "outer"}
NAMES = {name for module in (np, np.linalg, np.fft) for name in dir(module)}
ROWS = [row.strip() for row in CALLS.replace("\n", "|").split("|") if row.strip()]
ROWS = [row for row in ROWS if re.search(r"(\w+)\(", row)[1] in NAMES | METHODS]
VALUES = np.array([[2, -1, 0, 3], [1, 1, -2, 4], [5, -3, 2, 2]])


def operands(dtype):
    x = np.where(VALUES < 0, VALUES + 8, VALUES) if dtype in ("u1",) else VALUES
    x = x.astype(dtype)
    if x.dtype.kind == "c":
        x = x + 1j * x[::-1]
    wide = np.repeat(x, 2, axis=1)
    return {"x": x, "r": wide[::-1, ::-2], "v": x[1], "s": x[0, 0], "e": x[:0, :3]}


def names_of(module, parts):
    return {name: getattr(module, name) for name in dir(module)} | parts


NUMPYS = names_of(np, {"abs": np.abs})
OURS = names_of(tnp, {"linalg": linalg, "fft": fft})


def arrays(result):
    if isinstance(result, (tuple, list)):
        return [leaf for part in result for leaf in arrays(part)]
    return [result]


def tolerance(dtype):
    return 2e-3 if dtype == np.float16 else 2e-5 if dtype in (np.float32, np.complex64) else 1e-10


# Rows that NumPy got wrong before a version: nan at 0 in float16; the order of equal weights. And
# what it did not take: trim_zeros of several axes.
MENDED = {
    "sinc(x)": "2.3.0",
    "linalg.cond(zeros((2, 2)) * x[0, 0], 'fro')": "2.3.0",
    "trim_zeros(x * eye(3, 4, 1)[::-1])": "2.2.0",
    "trim_zeros(x * eye(3, 4, 1)[::-1], 'b')": "2.2.0",
    "trim_zeros(x * eye(3, 4, 1)[::-1], 'f', axis=1)": "2.2.0",
    "trim_zeros(x * 0)": "2.2.0",
    "quantile(x, [0, 0.4, 1], weights=abs(r), method='inverted_cdf')": "2.2.0",
}


@pytest.mark.parametrize("row", ROWS)
def test_results_are_numpys(row):
    taken, mended = 0, MENDED.get(row, "2.0.0")
    if np.lib.NumpyVersion(np.__version__) < mended:
        pytest.skip(f"NumPy has it right from {mended} on")
    for dtype in DTYPES:
        given = operands(dtype)
        try:
            want = arrays(eval(row, NUMPYS | given))
        except (TypeError, ValueError, OverflowError, np.linalg.LinAlgError):
            continue  # NumPy does not take these
        got = arrays(eval(row, OURS | {name: tg.tensor(a) for name, a in given.items()}))
        assert len(got) == len(want)
        for g, w in zip(got, map(np.asarray, want)):
            if w.ndim or isinstance(g, tg.Tensor):
                assert (dtype, g.dtype, g.shape) == (dtype, w.dtype, w.shape)
            size = float(np.max(np.abs(w[np.isfinite(w)]), initial=1.0))
            tol = tolerance(w.dtype) if w.dtype.kind in "fc" else 0
            np.testing.assert_allclose(g, w, rtol=tol, atol=tol * size, err_msg=dtype)
        taken += 1
    assert taken


@pytest.mark.parametrize("row", [
    "sum(s, 1)", "sum(s, (0,))", "max(s, (0,), initial=2)", "mean(s, 0)", "var(s, -1)",
    "median(s, 0)", "argsort(s, 1)", "take(s, 0, axis=-2)", "repeat(s, 2, axis=1)", "flip(s, 0)",
    "add.reduce(s, axis=(0,))", "hypot.reduce(s, axis=1)",
])  # fmt: skip
def test_scalars_have_no_axes_where_numpys_have_none(row):
    for names, s in ((NUMPYS, np.array(1.5)), (OURS, tg.tensor(1.5))):
        with pytest.raises(np.exceptions.AxisError):
            eval(row, names | {"s": s})


SPECIAL = [0.0, -0.0, np.inf, -np.inf, np.nan, 1e-310, -1e-40, 1e30, 1.0, -1.0]
UNARY = [
    name
    for name, f in vars(np).items()
    if isinstance(f, np.ufunc) and (f.nin, f.nout) == (1, 1) and any(t[0] == "d" for t in f.types)
]


@pytest.mark.parametrize("dtype", ["f4", "f8"])
@pytest.mark.parametrize("exponent", [-0.5, -1, 2, -2.5])
def test_powers_of_special_values_are_numpys(exponent, dtype):
    x = np.array(SPECIAL, dtype)
    for f in (lambda x: x**exponent, lambda x: np.power(x, exponent)):
        got, want = f(tg.tensor(x)).numpy(), f(x)
        np.testing.assert_allclose(got, want, rtol=4e-6 if dtype == "f4" else 1e-14)
        np.testing.assert_array_equal(np.signbit(got[want == 0]), np.signbit(want[want == 0]))


def test_both_zeros_have_one_slope_of_the_power_minus_one_half():
    assert tg.grad(lambda x: (x**-0.5).sum())(np.array([0.0, -0.0])).tolist() == [-np.inf] * 2


@pytest.mark.parametrize("dtype", ["f4", "f8", "c8", "c16"])
@pytest.mark.parametrize("name", UNARY)
def test_special_values_and_signs_of_zeros_are_numpys(name, dtype):
    ufunc = getattr(np, name)
    parts = np.array(SPECIAL, dtype)
    x = parts.real + 1j * parts.real[:, None] if parts.dtype.kind == "c" else parts
    x = x.astype(dtype)
    try:
        want = ufunc(x)
    except TypeError:
        assert parts.dtype.kind == "c"
        return
    got = getattr(tnp, name)(tg.tensor(x)).numpy()
    halves = ("real", "imag") if want.dtype.kind == "c" else ("real",)
    for half in halves:
        g, w = getattr(got, half), getattr(want, half)
        np.testing.assert_allclose(g, w, rtol=4e-6 if dtype in ("f4", "c8") else 1e-14, atol=1e-320)
        if w.dtype.kind == "f":
            np.testing.assert_array_equal(np.signbit(g[w == 0]), np.signbit(w[w == 0]))
