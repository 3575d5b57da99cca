"""Choosing an engine, an instruction set and a number of threads."""

import os
import subprocess
import sys

import numpy as np
import pytest

import tapegrad as tg

needs_core = pytest.mark.skipif(not tg.info()["native"], reason="the C core is not built")
SETTINGS = ("TAPEGRAD_BACKEND", "TAPEGRAD_ISA", "TAPEGRAD_NUM_THREADS", "TAPEGRAD_LINES")


def python(code, **environment):
    """Run code in a new interpreter: (exit status, what it printed, its last line of errors)."""
    clean = {k: v for k, v in os.environ.items() if k not in SETTINGS}
    done = subprocess.run(
        [sys.executable, "-c", code],
        env=clean | environment,
        cwd=os.sep,  # python -c would import the source tree it runs in
        capture_output=True,
        text=True,
    )
    return done.returncode, done.stdout.strip(), (done.stderr.strip().splitlines() or [""])[-1]


@pytest.mark.parametrize(
    ("variable", "value", "choices"),
    [
        ("TAPEGRAD_BACKEND", "torch", "native, numpy"),
        ("TAPEGRAD_ISA", "mmx", "generic, avx2, avx512, neon"),
        ("TAPEGRAD_NUM_THREADS", "many", "a positive integer"),
        ("TAPEGRAD_NUM_THREADS", "0", "a positive integer"),
        ("TAPEGRAD_LINES", "yes", "0, 1"),
    ],
)
def test_an_unknown_value_is_an_error_at_import(variable, value, choices):
    status, _, error = python("import tapegrad", **{variable: value})
    assert status == 1
    for part in ("EngineError", variable, repr(value), choices):
        assert part in error


def test_the_environment_chooses_the_numpy_engine():
    code = "import tapegrad as tg; print(tg.backend(), tg.tensor([1.0, 2.0]).sum().item())"
    assert python(code, TAPEGRAD_BACKEND="numpy")[:2] == (0, "numpy 3.0")


@needs_core
def test_the_environment_chooses_instruction_set_and_threads():
    code = "import tapegrad as tg; print(tg.backend(), tg.info()['isa'], tg.get_num_threads())"
    found = python(code, TAPEGRAD_ISA="generic", TAPEGRAD_NUM_THREADS="3")
    assert found[:2] == (0, "native generic 3")


@needs_core
def test_lines_can_be_kept_for_every_tape():
    code = (
        "import tapegrad as tg\n"
        "p = tg.parameter(1.0)\n"
        "with tg.tape() as t:\n"
        "    p * 2\n"
        "print(next(iter(t)).line)"
    )
    assert python(code, TAPEGRAD_LINES="1")[:2] == (0, "<string>:4")
    assert python(code)[:2] == (0, "")


@needs_core
def test_a_missing_core_is_the_numpy_engine_and_one_line():
    code = (
        "import sys; sys.modules['tapegrad._core'] = None\n"
        "import tapegrad as tg; print(tg.backend(), tg.info()['native'])"
    )
    status, out, error = python(code)
    assert (status, out) == (0, "numpy False")
    assert "C core was not built" in error
    status, _, error = python(code, TAPEGRAD_BACKEND="native")
    assert status == 1
    assert "install a C compiler" in error


@needs_core
def test_use_backend_for_a_block_and_for_good():
    before = tg.backend()
    with tg.use_backend("numpy"):
        assert tg.backend() == "numpy"
        with tg.use_backend("native"):
            assert tg.backend() == "native"
        assert tg.backend() == "numpy"
    assert tg.backend() == before
    tg.use_backend("numpy")
    try:
        assert tg.tensor([1.0]).handle == 0
    finally:
        tg.use_backend(before)
    assert tg.backend() == before


def test_use_backend_is_undone_after_an_error():
    before = tg.backend()
    with pytest.raises(ZeroDivisionError), tg.use_backend("numpy"):
        1 / 0  # noqa: B018
    assert tg.backend() == before


def test_info_prints_as_a_table_and_names_every_row():
    facts = tg.info()
    assert {"version", "engine", "native", "isa", "isas", "threads", "numpy"} <= set(facts)
    assert "engine" in repr(facts)
    assert len(facts["c_ops"]) + len(facts["numpy_ops"]) > 90


def test_numbers_of_threads_are_kept(threads):
    if not tg.info()["native"]:
        pytest.skip("the C core is not built")
    for n in (1, 3, np.int64(2)):
        threads(n)
        assert tg.get_num_threads() == n


def test_importing_tapegrad_imports_no_peer_and_no_namespace_of_its_own():
    code = (
        "import sys, tapegrad\n"
        "heavy = {'torch', 'jax', 'sklearn', 'matplotlib', 'scipy', 'tapegrad.nn',"
        " 'tapegrad.numpy', 'tapegrad.optim'}\n"
        "print(sorted(heavy & set(sys.modules)))"
    )
    assert python(code)[:2] == (0, "[]")
