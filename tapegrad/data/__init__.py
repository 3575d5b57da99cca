"""Data sets that ship inside the package, as plain NumPy arrays."""

import gzip
from pathlib import Path

import numpy as np
import numpy.typing as npt

__all__ = ["load_digits"]


def load_digits() -> tuple[npt.NDArray[np.float32], npt.NDArray[np.int64]]:
    """Load 1,797 handwritten digits, 8 x 8 grey images, with their labels.

    Returns:
        (X, y): X (1797, 64) float32, pixels 0..16 in rows of 8; y (1797,) int64, 0..9. Fresh
        arrays at each call.
    Source: test part of the UCI "Optical Recognition of Handwritten Digits" data set
    (E. Alpaydin, C. Kaynak, 1998; CC BY 4.0; DOI 10.24432/C50P49).
    """
    with gzip.open(Path(__file__).with_name("digits.csv.gz"), "rt", encoding="ascii") as file:
        table = np.loadtxt(file, delimiter=",", dtype=np.int64)
    return table[:, :-1].astype(np.float32), table[:, -1].copy()
