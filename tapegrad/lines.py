"""Which line of the user's code we are in: for errors and warnings that name it."""

from __future__ import annotations

import os
import sys

import numpy as np

_OURS = os.path.dirname(os.path.abspath(__file__)) + os.sep
_THEIRS = os.path.dirname(os.path.abspath(np.__file__)) + os.sep


def user_line() -> tuple[str, int]:
    """File and line number of the innermost frame outside tapegrad and NumPy."""
    frame = sys._getframe(1)
    while frame is not None and frame.f_code.co_filename.startswith((_OURS, _THEIRS)):
        frame = frame.f_back
    return (frame.f_code.co_filename, frame.f_lineno) if frame else ("unknown file", 0)
