"""Random numbers: one Philox 4x32-10 stream, the same on both engines.

The stream is a function of a seed and a counter (Salmon, Moraes, Dror & Shaw 2011, Parallel
random numbers: as easy as 1, 2, 3): word w of it is word w % 4 of block counter + w // 4. A draw
takes whole blocks and moves the counter on. The NumPy functions here are the specification;
csrc/random.c draws the same numbers when the native engine is in force: uniform, bernoulli,
integers and permutation bit for bit, normal to a few units in the last place.
"""

from __future__ import annotations

import operator
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from .engine import select
from .engine.dtypes import CODES
from .engine.recording import here
from .tensor import tensor

MASK32 = np.uint64(0xFFFFFFFF)
SHIFT32 = np.uint64(32)


# --- the stream


def philox(seed: int, counter: int, n_blocks: int) -> np.ndarray:
    """Blocks [counter, counter + n_blocks) of the seed's stream, (n_blocks, 4) uint32."""
    first = np.arange(n_blocks, dtype=np.uint64) + np.uint64(counter)
    x0, x1 = first & MASK32, first >> SHIFT32
    x2 = np.zeros(n_blocks, np.uint64)
    x3 = np.zeros(n_blocks, np.uint64)
    k0, k1 = seed & 0xFFFFFFFF, seed >> 32
    for _ in range(10):
        p0, p1 = np.uint64(0xD2511F53) * x0, np.uint64(0xCD9E8D57) * x2
        x0, x1 = (p1 >> SHIFT32) ^ x1 ^ np.uint64(k0), p1 & MASK32
        x2, x3 = (p0 >> SHIFT32) ^ x3 ^ np.uint64(k1), p0 & MASK32
        k0, k1 = (k0 + 0x9E3779B9) & 0xFFFFFFFF, (k1 + 0xBB67AE85) & 0xFFFFFFFF
    return np.stack([x0, x1, x2, x3], axis=1).astype(np.uint32)


def _words32(seed: int, counter: int, n: int) -> Any:
    return philox(seed, counter, -(-n // 4)).reshape(-1)[:n]


def _words64(seed: int, counter: int, n: int) -> Any:
    pairs = philox(seed, counter, -(-n // 2)).reshape(-1, 2).astype(np.uint64)[:n]
    return pairs[:, 0] | pairs[:, 1] << SHIFT32


def _below(words: np.ndarray, n: Any) -> np.ndarray:
    """Upper half of words * n, both uint64: uniform in [0, n), its bias below n / 2^64."""
    n = np.asarray(n, np.uint64)
    w_low, w_high, n_low, n_high = words & MASK32, words >> SHIFT32, n & MASK32, n >> SHIFT32
    middle = w_high * n_low + (w_low * n_low >> SHIFT32)
    other = w_low * n_high + (middle & MASK32)
    return w_high * n_high + (middle >> SHIFT32) + (other >> SHIFT32)


# Wichura (1988), algorithm AS 241: the normal quantile as ratios of polynomials, for the middle
# and for two pieces of the tails; constant terms first.
_MIDDLE = (
    (3.3871328727963666080e0, 1.3314166789178437745e2, 1.9715909503065514427e3,
     1.3731693765509461125e4, 4.5921953931549871457e4, 6.7265770927008700853e4,
     3.3430575583588128105e4, 2.5090809287301226727e3),
    (1.0, 4.2313330701600911252e1, 6.8718700749205790830e2, 5.3941960214247511077e3,
     2.1213794301586595867e4, 3.9307895800092710610e4, 2.8729085735721942674e4,
     5.2264952788528545610e3),
)  # fmt: skip
_NEAR_TAIL = (
    (1.42343711074968357734e0, 4.63033784615654529590e0, 5.76949722146069140550e0,
     3.64784832476320460504e0, 1.27045825245236838258e0, 2.41780725177450611770e-1,
     2.27238449892691845833e-2, 7.74545014278341407640e-4),
    (1.0, 2.05319162663775882187e0, 1.67638483018380384940e0, 6.89767334985100004550e-1,
     1.48103976427480074590e-1, 1.51986665636164571966e-2, 5.47593808499534494600e-4,
     1.05075007164441684324e-9),
)  # fmt: skip
_FAR_TAIL = (
    (6.65790464350110377720e0, 5.46378491116411436990e0, 1.78482653991729133580e0,
     2.96560571828504891230e-1, 2.65321895265761230930e-2, 1.24266094738807843860e-3,
     2.71155556874348757815e-5, 2.01033439929228813265e-7),
    (1.0, 5.99832206555887937690e-1, 1.36929880922735805310e-1, 1.48753612908506148525e-2,
     7.86869131145613259100e-4, 1.84631831751005468180e-5, 1.42151175831644588870e-7,
     2.04426310338993978564e-15),
)  # fmt: skip


def _ratio(coefficients: tuple, x: np.ndarray) -> np.ndarray:
    over, under = coefficients
    return np.polyval(over[::-1], x) / np.polyval(under[::-1], x)


def normal_quantile(p: np.ndarray) -> np.ndarray:
    """The x at which the standard normal distribution function is p, 0 < p < 1, float64."""
    q = p - 0.5
    r = np.sqrt(-np.log(np.where(q < 0, p, 1 - p)))
    tail = np.where(r <= 5, _ratio(_NEAR_TAIL, r - 1.6), _ratio(_FAR_TAIL, r - 5))
    return np.where(np.abs(q) < 0.425, q * _ratio(_MIDDLE, 0.180625 - q * q), np.copysign(tail, q))


# --- drawing: one function per kind and engine, filling `out`


class _NumpyDraws:
    """The specification."""

    @staticmethod
    def uniform(out: np.ndarray, low: float, width: float, seed: int, counter: int) -> None:
        if out.dtype == np.float32:
            bits, scale = _words32(seed, counter, out.size) >> np.uint32(8), 2.0**-24
        else:
            bits, scale = _words64(seed, counter, out.size) >> np.uint64(11), 2.0**-53
        unit = bits.astype(out.dtype) * out.dtype.type(scale)
        out[...] = (unit * out.dtype.type(width) + out.dtype.type(low)).reshape(out.shape)

    @staticmethod
    def normal(out: np.ndarray, mean: float, std: float, seed: int, counter: int) -> None:
        if out.dtype == np.float32:
            bits, scale = _words32(seed, counter, out.size), 2.0**-32
        else:
            bits, scale = _words64(seed, counter, out.size) >> np.uint64(12), 2.0**-52
        p = (bits.astype(np.float64) + 0.5) * scale
        x = normal_quantile(p).astype(out.dtype)
        out[...] = (x * out.dtype.type(std) + out.dtype.type(mean)).reshape(out.shape)

    @staticmethod
    def bernoulli(out: np.ndarray, p: float, seed: int, counter: int) -> None:
        words = _words32(seed, counter, out.size).astype(np.float64)
        out[...] = (words * 2.0**-32 < p).reshape(out.shape)

    @staticmethod
    def integers(out: np.ndarray, low: int, width: int, seed: int, counter: int) -> None:
        offset = _below(_words64(seed, counter, out.size), width)
        out[...] = (np.uint64(low % 2**64) + offset).view(np.int64).reshape(out.shape)

    @staticmethod
    def permutation(out: np.ndarray, seed: int, counter: int) -> None:
        """Fisher and Yates, from the last place down; each place takes the next 64-bit word."""
        n = out.size
        places = np.arange(n, 1, -1, dtype=np.uint64)  # place i draws among i + 1
        order = list(range(n))
        for i, j in zip(range(n - 1, 0, -1), _below(_words64(seed, counter, n - 1), places)):
            order[i], order[j] = order[j], order[i]
        out[...] = order


class _NativeDraws:
    """csrc/random.c, into NumPy's memory."""

    def __init__(self, core: Any):
        self._lib, self._ffi = core.lib, core.ffi

    def _at(self, ctype: str, out: np.ndarray) -> Any:
        return self._ffi.cast(ctype, out.ctypes.data)

    def uniform(self, out: np.ndarray, low: float, width: float, seed: int, counter: int) -> None:
        at, code = self._at("void *", out), CODES[out.dtype]
        self._lib.tg_random_uniform(code, at, out.size, low, width, seed, counter)

    def normal(self, out: np.ndarray, mean: float, std: float, seed: int, counter: int) -> None:
        at, code = self._at("void *", out), CODES[out.dtype]
        self._lib.tg_random_normal(code, at, out.size, mean, std, seed, counter)

    def bernoulli(self, out: np.ndarray, p: float, seed: int, counter: int) -> None:
        self._lib.tg_random_bernoulli(self._at("uint8_t *", out), out.size, p, seed, counter)

    def integers(self, out: np.ndarray, low: int, width: int, seed: int, counter: int) -> None:
        at = self._at("int64_t *", out)
        self._lib.tg_random_integers(at, out.size, low, width, seed, counter)

    def permutation(self, out: np.ndarray, seed: int, counter: int) -> None:
        self._lib.tg_random_permutation(self._at("int64_t *", out), out.size, seed, counter)


_numpy_draws = _NumpyDraws()
_native_draws = None if select._core is None else _NativeDraws(select._core)


def _draws() -> Any:
    native = _native_draws is not None and select.backend() == "native"
    return _native_draws if native else _numpy_draws


# --- generators


class _Followers(threading.local):
    """Of this thread: {generator: its state before}, for each block that wants to know."""

    def __init__(self) -> None:
        self.logs: list[dict[Generator, tuple[int, int]]] = []


_followers = _Followers()


@contextmanager
def following() -> Iterator[dict[Generator, tuple[int, int]]]:
    """Gives a dict that fills with the generators that draw, or are seeded, in the block, and the
    states they had before: going back to those draws the same numbers again."""
    log: dict[Generator, tuple[int, int]] = {}
    _followers.logs.append(log)
    try:
        yield log
    finally:
        _followers.logs = [other for other in _followers.logs if other is not log]


class Generator:
    """A stream of random numbers: a seed and a counter. Threads may share one.

    Args:
        seed: any int (taken modulo 2^64); None asks the operating system.
    """

    def __init__(self, seed: int | None = None):
        self._lock = threading.Lock()
        self._seed = self._counter = 0
        self.manual_seed(int.from_bytes(os.urandom(8), "little") if seed is None else seed)

    def manual_seed(self, seed: int) -> Generator:
        """Start the stream of this seed from its beginning; returns the generator."""
        try:
            seed = operator.index(seed)
        except TypeError:
            raise TypeError(f"seed: need an integer, got {seed!r}") from None
        _refuse_in_recordings()
        self.go_back((seed % 2**64, 0))
        return self

    def get_state(self) -> tuple[int, int]:
        """(seed, counter): everything set_state needs to draw the same numbers again."""
        with self._lock:
            return self._seed, self._counter

    def set_state(self, state: tuple[int, int]) -> None:
        """Go back to what get_state returned.

        Raises:
            ValueError: if state is not a pair of ints in [0, 2^64).
        """
        try:
            seed, counter = map(operator.index, state)
            fits = 0 <= seed < 2**64 and 0 <= counter < 2**64
        except (TypeError, ValueError):
            fits = False
        if not fits:
            raise ValueError(f"state: two ints in [0, 2**64), as get_state() gives; got {state!r}")
        _refuse_in_recordings()
        self.go_back((seed, counter))

    def go_back(self, state: tuple[int, int]) -> None:
        """set_state for checkpoints, which a recorded step may hold: the draws that follow are
        logged with where they are in the stream."""
        with self._lock:
            self._note()
            self._seed, self._counter = state

    def _note(self) -> None:
        for log in _followers.logs:
            log.setdefault(self, (self._seed, self._counter))

    def _take(self, words: int) -> tuple[int, int]:
        """Reserve that many 32-bit words: the seed, and the counter they start at."""
        with self._lock:
            self._note()
            start = self._counter
            self._counter = (start + -(-words // 4)) % 2**64
            return self._seed, start

    def uniform(
        self, low: float = 0.0, high: float = 1.0, shape: Any = (), dtype: Any = np.float64
    ) -> np.ndarray:
        """Floats in [low, high), float32 (24 random bits each) or float64 (53)."""
        out = _empty_float(shape, dtype)
        if not abs(high - low) <= float(np.finfo(out.dtype).max):
            raise ValueError(f"uniform: from {low} to {high} is no finite range of {out.dtype}")
        _draws().uniform(out, low, high - low, *self._take(out.nbytes // 4))
        return out

    def normal(
        self, mean: float = 0.0, std: float = 1.0, shape: Any = (), dtype: Any = np.float64
    ) -> np.ndarray:
        """Normal floats, float32 or float64, by inversion."""
        if not std >= 0:
            raise ValueError(f"normal: std is {std}; it must not be negative")
        out = _empty_float(shape, dtype)
        _draws().normal(out, mean, std, *self._take(out.nbytes // 4))
        return out

    def bernoulli(self, p: float = 0.5, shape: Any = ()) -> np.ndarray:
        """Bools, True with probability p (to 2^-32)."""
        if not 0 <= p <= 1:
            raise ValueError(f"bernoulli: p is {p}; it must be in [0, 1]")
        out = np.empty(shape, np.bool_)
        _draws().bernoulli(out, p, *self._take(out.size))
        return out

    def integers(self, low: int, high: int | None = None, shape: Any = ()) -> np.ndarray:
        """int64 in [low, high), or in [0, low) if high is None."""
        low, high = (0, low) if high is None else (low, high)
        low, high = operator.index(low), operator.index(high)
        if not -(2**63) <= low < high <= 2**63 or high - low == 2**64:
            raise ValueError(f"integers: [{low}, {high}) is empty or leaves int64")
        out = np.empty(shape, np.int64)
        _draws().integers(out, low, high - low, *self._take(2 * out.size))
        return out

    def permutation(self, n: int) -> np.ndarray:
        """The ints 0 .. n - 1 in random order, int64."""
        if operator.index(n) < 0:
            raise ValueError(f"permutation: n is {n}; it must not be negative")
        out = np.empty(n, np.int64)
        _draws().permutation(out, *self._take(2 * max(n - 1, 0)))
        return out

    def __getstate__(self) -> dict:
        return {"state": self.get_state()}

    def __setstate__(self, pickled: dict) -> None:
        self._lock = threading.Lock()
        self._seed = self._counter = 0
        self.set_state(pickled["state"])

    def __repr__(self) -> str:
        seed, counter = self.get_state()
        return f"Generator(seed={seed}, counter={counter})"


def bernoulli_tensor(generator: Generator, p: float, shape: Any, live: Any = None) -> Any:
    """generator.bernoulli as a Tensor: a step recorded for replay draws it anew at each run.

    live: where such a step finds p (engine.recording.Live).
    """
    before = generator.get_state()
    out = tensor(generator.bernoulli(p, shape))
    if here.recorder is not None:
        a = p if live is None else live
        here.recorder.random("bernoulli", generator, a, 0.0, before, out)
    return out


def _refuse_in_recordings() -> None:
    if here.recorder is not None:
        here.recorder.refuse(
            "seeds a random generator, which a replay would not: make and seed generators outside"
        )


def _empty_float(shape: Any, dtype: Any) -> np.ndarray:
    dtype = np.dtype(dtype)
    if dtype not in (np.float32, np.float64):
        raise TypeError(f"dtype is {dtype}; draw float32 or float64 and convert")
    return np.empty(shape, dtype)


_default = Generator()


def default_generator() -> Generator:
    """The generator behind nn's initial values, dropout and shuffling."""
    return _default


def generator_or_default(generator: Any) -> Generator:
    """What a `generator=` argument means.

    Raises:
        TypeError: if it is neither None nor a Generator.
    """
    if generator is None:
        return _default
    if not isinstance(generator, Generator):
        raise TypeError(f"generator: need a tapegrad.random.Generator, got {generator!r}")
    return generator


def manual_seed(seed: int) -> Generator:
    """Seed the default generator; returns it."""
    return _default.manual_seed(seed)


def get_rng_state() -> tuple[int, int]:
    """The default generator's state; see Generator.get_state."""
    if here.recorder is not None:
        here.recorder.refuse("reads a random generator's state, which is another one at each call")
    return _default.get_state()


def set_rng_state(state: tuple[int, int]) -> None:
    """Set the default generator's state; see Generator.set_state."""
    _default.set_state(state)
