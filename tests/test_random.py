"""tapegrad's random stream: Philox's published vectors, and one stream on both engines."""

import pickle
import threading

import numpy as np
import pytest

import tapegrad as tg
from tapegrad import random

try:
    from tapegrad import _core as core
except ImportError:
    core = None

# Random123's known answers: seed, counter words, output words
KNOWN = [
    (0, (0, 0, 0, 0), "6627e8d5 e169c58d bc57ac4c 9b00dbd8"),
    (2**64 - 1, (2**32 - 1,) * 4, "408f276d 41c83b0e a20bc7c6 6d5451fd"),
    (
        0x299F31D0A4093822,
        (0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344),
        "d16cfe09 94fdcceb 5001e420 24126ea1",
    ),
]
DRAWS = {
    "uniform f4": lambda g, shape: g.uniform(-2, 3, shape, "f4"),
    "uniform f8": lambda g, shape: g.uniform(-2, 3, shape),
    "bernoulli": lambda g, shape: g.bernoulli(0.3, shape),
    "integers": lambda g, shape: g.integers(-5, 10**17, shape),
    "integers, wide": lambda g, shape: g.integers(-(2**63), 2**63 - 1, shape),
    "permutation": lambda g, shape: g.permutation(int(np.prod(shape))),
}


def test_numpy_philox_gives_the_known_answer():
    seed, _, words = KNOWN[0]
    assert " ".join(f"{w:08x}" for w in random.philox(seed, 0, 1)[0]) == words


@pytest.mark.skipif(core is None, reason="the C core is not built")
@pytest.mark.parametrize(("seed", "counter", "words"), KNOWN)
def test_c_philox_gives_the_known_answers(seed, counter, words):
    out = core.ffi.new("uint32_t[4]")
    core.lib.tg_philox(out, seed, counter)
    assert " ".join(f"{w:08x}" for w in out) == words


@pytest.mark.skipif(core is None, reason="the C core is not built")
@pytest.mark.parametrize("shape", [0, 1, 3, 127, 129, 257, 1000, (7, 11)], ids=str)
class TestBothEngines:
    def draw(self, backend, draw, shape):
        with tg.use_backend(backend):
            generator = random.Generator(12345)
            generator.uniform(shape=3)  # not from the start
            return draw(generator, shape), generator.get_state()

    @pytest.mark.parametrize("kind", DRAWS)
    def test_draws_have_the_same_bits(self, kind, shape):
        native, after_native = self.draw("native", DRAWS[kind], shape)
        numpy, after_numpy = self.draw("numpy", DRAWS[kind], shape)
        assert native.dtype == numpy.dtype
        assert native.shape == numpy.shape
        assert native.tobytes() == numpy.tobytes()
        assert after_native == after_numpy

    @pytest.mark.parametrize(("dtype", "rtol"), [("f4", 1e-6), ("f8", 1e-14)])
    def test_normals_agree(self, dtype, rtol, shape):
        native, numpy = (
            self.draw(b, lambda g, shape: g.normal(1, 2, shape, dtype), shape)[0]
            for b in ("native", "numpy")
        )
        np.testing.assert_allclose(native, numpy, rtol=rtol, atol=rtol)


def test_normal_quantile_inverts_the_distribution():
    mpmath = pytest.importorskip("mpmath")
    for p in (1e-16, 1e-9, 1e-3, 0.07, 0.3, 0.5, 0.6, 0.93, 1 - 1e-9):
        x = random.normal_quantile(np.array(p))
        with mpmath.workdps(60):
            exact = mpmath.sqrt(2) * mpmath.erfinv(2 * mpmath.mpf(p) - 1)
        assert abs(x - exact) <= 2e-15 * max(abs(exact), 1)


def test_moments():
    g = random.Generator(7)
    n = 20000
    for x, mean, std in (
        (g.uniform(0, 1, n), 0.5, 12**-0.5),
        (g.normal(3, 2, n, "f4"), 3, 2),
        (g.bernoulli(0.25, n).astype("f8"), 0.25, (0.25 * 0.75) ** 0.5),
        (g.integers(0, 6, n).astype("f8"), 2.5, (35 / 12) ** 0.5),
    ):
        assert abs(x.mean() - mean) < 5 * std / n**0.5
        assert abs(x.std() / std - 1) < 0.05


def test_a_state_brings_the_stream_back():
    g = random.Generator(1)
    g.normal(shape=5)
    state = g.get_state()
    first = g.uniform(shape=4)
    g.set_state(state)
    assert np.array_equal(g.uniform(shape=4), first)
    g.set_state(state)
    assert np.array_equal(pickle.loads(pickle.dumps(g)).uniform(shape=4), first)


def test_manual_seed_governs_the_default_generator():
    before = tg.get_rng_state()
    try:
        tg.manual_seed(3)
        first = random.default_generator().uniform(shape=4)
        state = tg.get_rng_state()
        tg.manual_seed(3)
        assert np.array_equal(random.default_generator().uniform(shape=4), first)
        assert tg.get_rng_state() == state == (3, 2)
    finally:
        tg.set_rng_state(before)


def test_threads_never_draw_the_same_numbers():
    g, drawn = random.Generator(0), []
    work = [
        threading.Thread(target=lambda: drawn.extend(g.integers(0, 2**62, 4) for _ in range(50)))
        for _ in range(4)
    ]
    for thread in work:
        thread.start()
    for thread in work:
        thread.join()
    assert len(np.unique(np.concatenate(drawn))) == 4 * 50 * 4


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda g: g.uniform(dtype="i4"), TypeError, "float32 or float64"),
        (lambda g: g.uniform(-1e308, 1e308), ValueError, "no finite range"),
        (lambda g: g.uniform(0, 1e39, dtype="f4"), ValueError, "no finite range"),
        (lambda g: g.uniform(0, np.nan), ValueError, "no finite range"),
        (lambda g: g.normal(std=-1), ValueError, "std"),
        (lambda g: g.bernoulli(1.5), ValueError, r"\[0, 1\]"),
        (lambda g: g.integers(3, 3), ValueError, "empty"),
        (lambda g: g.integers(0, 2**64), ValueError, "int64"),
        (lambda g: g.permutation(-1), ValueError, "negative"),
        (lambda g: g.set_state((1, -1)), ValueError, "get_state"),
        (lambda g: g.manual_seed("x"), TypeError, "int"),
    ],
)
def test_bad_arguments(call, error, message):
    with pytest.raises(error, match=message):
        call(random.Generator(0))
