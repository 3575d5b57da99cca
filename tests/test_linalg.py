"""numpy.linalg and numpy.fft on stacks and on complex matrices, and where derivatives end.

The registry's tests (test_numpy_registry.py) cover real matrices, one at a time.
"""

import numpy as np
import pytest
from directional import check

import tapegrad as tg
import tapegrad.numpy as tnp
from tapegrad import tape
from tapegrad.errors import ShapeError, UnsupportedError


def h(x):
    return tnp.swapaxes(x, -1, -2).conj()


def _projections(v):
    """What of orthonormal columns does not depend on their phases: v_i v_i^H, squared sizes."""
    return [abs(v) ** 2, v[..., :, None, 0] * v[..., None, :, 0].conj()]


def _svd_parts(a):
    u, s, vh = tnp.linalg.svd(a, full_matrices=False)
    return [*_projections(u), s, *_projections(h(vh)), u[..., :, :1] @ vh[..., :1, :]]


def _full_parts(a):
    u, s, vh = tnp.linalg.svd(a)
    m, n = a.shape[-2:]
    k = min(m, n)
    extra_u, extra_v = u[..., k:], h(vh)[..., k:]
    return [s, extra_u @ h(extra_u), extra_v @ h(extra_v)]


def _complete(a):
    q, r = tnp.linalg.qr(a, "complete")
    k = min(a.shape[-2:])
    return [q[..., k:] @ h(q[..., k:]), q @ r]


def _eig_parts(a):
    w, v = tnp.linalg.eig(a)
    return [w, abs(v) ** 2]


# Function, its operands: S square, R tall, W wide, H Hermitian, B (n, 2).
CASES = {
    "inv": (tnp.linalg.inv, "S"),
    "pinv, tall": (tnp.linalg.pinv, "R"),
    "pinv, wide": (tnp.linalg.pinv, "W"),
    "solve": (tnp.linalg.solve, "SB"),
    "det": (tnp.linalg.det, "S"),
    "slogdet": (tnp.linalg.slogdet, "S"),
    "cholesky": (lambda a: tnp.linalg.cholesky(a @ h(a)), "S"),
    "cholesky of a triangle": (lambda a: tnp.linalg.cholesky(a, upper=False), "H"),
    "cholesky, upper": (lambda a: tnp.linalg.cholesky(a, upper=True), "H"),
    "eigh": (lambda a: (lambda w, v: [w, *_projections(v)])(*tnp.linalg.eigh(a + h(a))), "S"),
    "eigvalsh": (lambda a: tnp.linalg.eigvalsh(a + h(a)), "S"),
    "eigvalsh of a triangle": (lambda a: tnp.linalg.eigvalsh(a, "U"), "H"),
    "eig": (_eig_parts, "S"),
    "eigvals": (tnp.linalg.eigvals, "S"),
    "svd, tall": (_svd_parts, "R"),
    "svd, wide": (_svd_parts, "W"),
    "svd, full": (_full_parts, "R"),
    "svd, full and wide": (_full_parts, "W"),
    "svdvals": (tnp.linalg.svdvals, "W"),
    "qr, tall": (tnp.linalg.qr, "R"),
    "qr, square": (tnp.linalg.qr, "S"),
    "qr, wide": (tnp.linalg.qr, "W"),
    "qr, complete": (_complete, "R"),
    "norms": (
        lambda a: [tnp.linalg.norm(a, ord, axis=(-2, -1)) for ord in ("fro", "nuc", 2, -2, 1)],
        "W",
    ),
    "vector norms": (
        lambda a: [tnp.linalg.vector_norm(a, axis=-1, ord=p) for p in (1, 2, 3.5, np.inf)], "W",
    ),
    "cond": (tnp.linalg.cond, "S"),
    "matrix_power": (lambda a: tnp.linalg.matrix_power(a, -3), "S"),
    "vecdot": (tnp.linalg.vecdot, "WW"),
    "trace": (lambda a: tnp.linalg.trace(a, offset=1), "S"),
    "fft": (lambda a: tnp.fft.fft(a, 4, axis=-2, norm="ortho"), "W"),
    "ifftn": (lambda a: tnp.fft.ifftn(a, axes=(-2, -1)), "W"),
    "irfft": (lambda a: [tnp.fft.irfft(a), tnp.fft.irfft(a, 5), tnp.fft.irfft(a, 8)], "W"),
    "hfft": (lambda a: tnp.fft.hfft(a, 5), "W"),
    "irfftn": (lambda a: tnp.fft.irfftn(a, (3, 4), axes=(-1, -2), norm="forward"), "W"),
    "fftshift": (lambda a: tnp.fft.fftshift(tnp.fft.fft2(a)), "W"),
}  # fmt: skip
REAL = {
    "rfft": (lambda a: [tnp.fft.rfft(a), tnp.fft.rfft(a, 2), tnp.fft.rfft(a, 6, axis=-2)], "W"),
    "rfftn": (lambda a: tnp.fft.rfftn(a, axes=(-1, -2), norm="ortho"), "W"),
    "ihfft": (tnp.fft.ihfft, "W"),
    "fft": (lambda a: tnp.fft.fft(a, 4, axis=-2, norm="ortho"), "W"),
    "eig": (_eig_parts, "S"),
    "lstsq": (lambda a, b: tnp.linalg.lstsq(a[0].mT, b[0])[:2], "SB"),
}


def _operand(letter, is_complex, stack, rng):
    m, n = {"S": (3, 3), "R": (3, 2), "W": (2, 3), "H": (3, 3), "B": (3, 2)}[letter]
    x = np.zeros((*stack, m, n))
    k = np.arange(min(m, n))
    x[..., k, k] = 2.0 + 2 * k  # singular values apart
    x = x + rng.uniform(-0.5, 0.5, x.shape)
    if is_complex:
        x = x + 1j * rng.uniform(-0.5, 0.5, x.shape)
    return x + np.swapaxes(x, -1, -2).conj() if letter == "H" else x


@pytest.mark.parametrize("name", CASES)
def test_complex_stacks_have_the_derivatives_of_directional_differences(name, backend, rng):
    f, letters = CASES[name]
    check(f, [_operand(letter, True, (2,), rng) for letter in letters], rng)


@pytest.mark.parametrize("name", REAL)
def test_real_stacks_with_complex_results_do_too(name, backend, rng):
    f, letters = REAL[name]
    check(f, [_operand(letter, False, (2,), rng) for letter in letters], rng)


def test_values_of_complex_stacks_are_numpys(rng):
    a = _operand("S", True, (2,), rng)
    t = tg.tensor(a)
    for f in (np.linalg.inv, np.linalg.det, np.linalg.slogdet, np.linalg.eigvals, np.linalg.pinv,
              np.linalg.svd, np.linalg.qr, np.linalg.eig, np.linalg.cond, np.fft.fft2,
              np.fft.irfftn, np.linalg.norm, np.fft.hfft):  # fmt: skip
        got, want = f(t), f(a)
        for g, w in zip(*((v,) if isinstance(v, (tg.Tensor, np.ndarray, np.generic)) else v
                          for v in (got, want))):  # fmt: skip
            assert isinstance(g, tg.Tensor), f.__name__
            assert g.dtype == w.dtype
            np.testing.assert_allclose(g, w, rtol=1e-11, atol=1e-13, err_msg=f.__name__)


@pytest.mark.parametrize("dtype", ["f4", "c8"])
def test_single_precision_stays_single(dtype, backend, rng):
    a = _operand("S", dtype == "c8", (), rng).astype(dtype)
    hermitian = a @ a.conj().T
    for f, x in [
        (np.linalg.inv, a), (np.linalg.det, a), (np.linalg.svd, a), (np.linalg.qr, a),
        (np.linalg.cholesky, hermitian), (np.linalg.eigh, hermitian), (np.linalg.norm, a),
        (np.linalg.pinv, a), (np.linalg.slogdet, a), (np.fft.fft, a), (np.fft.irfft, a),
    ]:  # fmt: skip
        with tape() as t:
            source = t.watch(tg.tensor(x))
            y = f(source)
        ys = list(y) if isinstance(y, tuple) else [y]
        assert all(v.dtype in (np.float32, np.complex64) for v in ys), f.__name__
        assert t.gradient(ys, source).dtype == dtype


# --- where derivatives end, or bend -----------------------------------------------------------


def gradient(f, x):
    with tape() as t:
        source = t.watch(tg.tensor(x))
        y = f(source)
    return t.gradient(y, source).numpy()


def test_the_gradient_of_a_hermitian_matrix_is_hermitian(backend, rng):
    a = _operand("H", False, (), rng)
    for f in (np.linalg.cholesky, np.linalg.eigvalsh, lambda a: np.linalg.eigh(a)[1]):
        g = gradient(lambda a, f=f: f(a)[..., :2].sum(), a)
        np.testing.assert_allclose(g, g.T, rtol=1e-12)


def test_a_named_triangle_has_all_of_the_gradient(backend, rng):
    a = _operand("H", False, (), rng)
    whole = gradient(lambda a: np.linalg.eigvalsh(a)[0], a)
    below = gradient(lambda a: np.linalg.eigvalsh(a, "L")[0], a)
    np.testing.assert_allclose(below, np.tril(whole + whole.T) - np.diag(np.diag(whole)))


@pytest.mark.parametrize(
    "f", [np.linalg.cholesky, np.linalg.eigh, np.linalg.eigvalsh], ids=lambda f: f.__name__
)
def test_a_matrix_that_is_not_hermitian_is_refused(f, rng):
    a = np.tril(_operand("H", False, (), rng))
    with pytest.raises(np.linalg.LinAlgError, match="not symmetric; to use one triangle"):
        f(tg.tensor(a))
    lower = {"upper": False} if f is np.linalg.cholesky else {"UPLO": "L"}
    got, want = f(tg.tensor(a), **lower), f(a)
    if f is np.linalg.eigh:
        got, want = got[0], want[0]
    np.testing.assert_allclose(got, want, rtol=1e-12)


def test_sums_over_equal_eigenvalues_have_their_gradient(backend):
    a = np.diag([2.0, 2.0, 5.0])
    for f in (np.linalg.eigvalsh, tnp.linalg.svdvals, lambda a: np.linalg.svd(a)[1]):
        np.testing.assert_allclose(gradient(lambda a, f=f: (f(a) ** 2).sum(), a), 2 * a)
    w = gradient(lambda a: np.linalg.eigh(a)[1].sum() * 0.0, a)
    assert np.isfinite(w).all()


def test_the_determinant_of_a_singular_matrix_has_its_gradient(backend, rng):
    a = rng.normal(size=(3, 3))
    a[2] = a[0] + a[1]
    cofactors = np.array([[np.linalg.det(np.delete(np.delete(a, i, 0), j, 1)) * (-1) ** (i + j)
                           for j in range(3)] for i in range(3)])  # fmt: skip
    np.testing.assert_allclose(gradient(np.linalg.det, a), cofactors, rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(gradient(np.linalg.det, np.zeros((2, 2))), np.zeros((2, 2)))


@pytest.mark.parametrize("ord", [None, 1, 2, 3, np.inf])
def test_norms_at_zero_have_the_gradient_zero(ord, backend):
    g = gradient(lambda x: np.linalg.norm(x, ord), np.zeros(3))
    assert not g.any()


@pytest.mark.parametrize(
    ("call", "error", "text"),
    [
        (lambda a: np.linalg.inv(a * 0), np.linalg.LinAlgError, "Singular"),
        (lambda a: np.linalg.inv(a[:2]), np.linalg.LinAlgError, "square"),
        (lambda a: np.linalg.inv(a[0]), np.linalg.LinAlgError, "inv: need a matrix"),
        (lambda a: np.linalg.cholesky(-a), np.linalg.LinAlgError, "positive definite"),
        (lambda a: np.linalg.solve(a, a[:2]), ShapeError, "solve"),
        (lambda a: np.linalg.eigh(a, "X"), ValueError, "UPLO"),
        (lambda a: np.linalg.norm(a, 7), ValueError, "no norm of order 7"),
        (lambda a: np.linalg.norm(a[0], "fro"), ValueError, "'fro'"),
        (lambda a: np.linalg.qr(a, "raw"), UnsupportedError, "reduced"),
        (lambda a: np.linalg.matrix_power(a[:2], 2), np.linalg.LinAlgError, "square"),
        (lambda a: np.linalg.multi_dot([a]), ValueError, "two arrays"),
        (lambda a: np.linalg.lstsq(a, a[:2]), np.linalg.LinAlgError, "lstsq: need"),
        (lambda a: np.linalg.tensorinv(a, 0), ValueError, "positive"),
        (lambda a: tnp.linalg.cross(a[:, :2], a[:, :2]), ValueError, "length 3"),
        (lambda a: np.fft.fft(a, 0), ValueError, "data point"),
        (lambda a: np.fft.fft(a, norm="x"), ValueError, "norm must be"),
        (lambda a: np.fft.rfft(a * 1j), TypeError, "must be real"),
        (lambda a: np.fft.fftn(a, (2,), (0, 1)), ValueError, "1 lengths for 2 axes"),
    ],
)
def test_bad_input_says_what_was_wrong(call, error, text):
    with pytest.raises(error, match=text):
        call(tg.tensor(np.eye(3)))


def test_results_have_numpys_names(rng):
    a = tg.tensor(_operand("S", False, (), rng))
    assert np.linalg.svd(a)._fields == ("U", "S", "Vh")
    assert np.linalg.eigh(a + a.T).eigenvectors.shape == (3, 3)
    assert np.linalg.slogdet(a).logabsdet.shape == ()
    assert np.linalg.qr(a).R.shape == (3, 3)
    assert np.linalg.matrix_rank(a) == 3
    assert tnp.linalg.multi_dot([np.ones(3), a, np.ones(3)]).shape == ()


@pytest.mark.parametrize("name", CASES)
def test_jacobians_by_blocks_agree_in_both_modes(name, backend, rng):
    f, letters = CASES[name]

    def real_parts(*xs):
        y = f(*xs)
        parts = list(y) if isinstance(y, (list, tuple)) else [y]
        return tnp.concatenate([tnp.real(v).ravel() for v in parts])

    xs = [_operand(letter, False, (), rng) for letter in letters]
    back, forth = tg.jacrev(real_parts)(*xs), tg.jacfwd(real_parts)(*xs)
    np.testing.assert_allclose(back, forth, rtol=1e-9, atol=1e-10)
