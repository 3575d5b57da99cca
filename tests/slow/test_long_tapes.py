"""Tapes of a million entries and more: nothing recurses, memory stays in bounds."""

import os

import numpy as np
import pytest

import tapegrad as tg
from tapegrad import tape

MEMORY = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


def chain(n):
    """d/dw of w + 1 + 1 ..., n times."""
    w = tg.parameter(1.0)
    with tape() as t:
        y = w
        for _ in range(n):
            y = y + 1.0
    assert len(t) == n
    return t.gradient(y, w).item()


@pytest.mark.slow
def test_a_million_entries_sweep(backend):
    assert chain(1_000_000 if backend == "native" else 50_000) == 1.0


@pytest.mark.slow
@pytest.mark.skipif(MEMORY < 6e9, reason="needs 3 GB")
def test_ten_million_entries_sweep(native):
    assert chain(10_000_000) == 1.0


@pytest.mark.slow
def test_a_long_tape_pushes_forward(backend):
    n = 300_000 if backend == "native" else 20_000
    w = tg.parameter(np.float64(0.5))
    with tape() as t:
        y = w
        for _ in range(n):
            y = y * 0.999999
    assert t.jvp(y, w, 1.0).item() == pytest.approx(0.999999**n)


@pytest.mark.slow
def test_a_wide_tape_sweeps(backend):
    n = 100_000 if backend == "native" else 20_000
    w = tg.parameter(2.0)
    with tape() as t:
        terms = [w * float(k) for k in range(n)]
        y = terms[0]
        for term in terms[1:]:
            y = y + term
    assert t.gradient(y, w).item() == n * (n - 1) / 2
