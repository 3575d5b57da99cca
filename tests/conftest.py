"""Fixtures shared by all tests: the engines, instruction sets and dtypes a test runs on."""

import os
import signal

import cases  # noqa: F401  the table before a file of tests adds SciPy's rows, whose tests it has
import numpy as np
import pytest
from hypothesis import settings

import tapegrad as tg

settings.register_profile("tapegrad", deadline=None, max_examples=30, derandomize=True)
settings.load_profile("tapegrad")

HAS_CORE = tg.info()["native"]
ISAS = tg.info()["isas"]

# A run that names its engine or instruction set tests that one; else both engines are tested.
if os.environ.get("TAPEGRAD_BACKEND"):
    BACKENDS = [os.environ["TAPEGRAD_BACKEND"]]
elif os.environ.get("TAPEGRAD_ISA") or not HAS_CORE:
    BACKENDS = [tg.backend()]
else:
    BACKENDS = ["native", "numpy"]


# A run that a shell has put in the background has Ctrl-C ignored, and some tests send it.
signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(params=BACKENDS)
def backend(request):
    """Each engine in turn, in force for the test."""
    with tg.use_backend(request.param):
        yield request.param


@pytest.fixture
def native():
    """The native engine, in force for the test."""
    if not HAS_CORE:
        pytest.skip("the C core is not built")
    if "native" not in BACKENDS:
        pytest.skip("this run is of the NumPy engine")
    with tg.use_backend("native"):
        yield


@pytest.fixture
def each_isa(native):
    """Call it to loop over the instruction sets of this machine, each selected in turn."""
    from tapegrad import _core

    before = _core.lib.tg_isa_name()

    def loop():
        for name in ISAS:
            assert _core.lib.tg_isa_select(name.encode()) == 0
            yield name

    yield loop
    _core.lib.tg_isa_select(before)


@pytest.fixture
def threads():
    """set_num_threads, undone after the test."""
    before = tg.get_num_threads()
    yield tg.set_num_threads
    tg.set_num_threads(before)


@pytest.fixture
def seed():
    """What layers and tapegrad.random draw is the same in every run."""
    tg.manual_seed(0)


@pytest.fixture
def rng():
    return np.random.default_rng(0)


@pytest.fixture
def w():
    return tg.parameter(np.array([[1.0, -2.0], [0.5, 3.0]]))
