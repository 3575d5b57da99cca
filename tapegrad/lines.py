"""Which line of the user's code we are in, and where recorded things happened: for errors,
warnings and print(tape)."""

from __future__ import annotations

import functools
import os
import sys

import numpy as np

from .errors import EngineError

_SETTING = os.environ.get("TAPEGRAD_LINES", "0")
if _SETTING not in ("0", "1", ""):
    raise EngineError(f"TAPEGRAD_LINES={_SETTING!r}: unknown; choose one of 0, 1")
ON_EVERY_TAPE = _SETTING == "1"  # not only where tape(lines=True) asks

_OURS = os.path.dirname(os.path.abspath(__file__)) + os.sep
_THEIRS = os.path.dirname(os.path.abspath(np.__file__)) + os.sep
# SciPy lies beside NumPy; importing it to ask would take longer than all of tapegrad.
_SCIPYS = os.path.join(os.path.dirname(os.path.dirname(_THEIRS)), "scipy") + os.sep
_PYTHONS = os.path.dirname(os.path.abspath(os.__file__)) + os.sep
_PACKAGES = tuple(os.path.join(_PYTHONS, name) for name in ("site-packages", "dist-packages"))


@functools.cache
def _is_passed(filename: str) -> bool:
    if filename.startswith(_PYTHONS) and not filename.startswith(_PACKAGES):
        return True  # logging, copy, functools: a user's line called them
    return filename.startswith((_OURS, _THEIRS, _SCIPYS))


def user_line() -> tuple[str, int]:
    """File and line number of the innermost frame outside tapegrad, NumPy, SciPy and Python's own
    library."""
    frame = sys._getframe(1)
    while frame is not None and _is_passed(frame.f_code.co_filename):
        frame = frame.f_back
    return (frame.f_code.co_filename, frame.f_lineno) if frame else ("unknown file", 0)


# --- lines by number: what entries keep ---------------------------------------------------------

_numbers: dict[tuple[str, int], int] = {}
_names: list[str] = [""]


def line_here() -> int:
    """The number of the user's line; line_name() turns it into text."""
    return _number(user_line())


def line_number(file: str, line: int) -> int:
    """The number of a line, or 0: the file is none of the user's. What csrc/pylines.c asks."""
    return 0 if _is_passed(file) else _number((file, line))


def _number(line: tuple[str, int]) -> int:
    number = _numbers.get(line)
    if number is None:
        number = _numbers[line] = len(_names)
        _names.append(f"{line[0]}:{line[1]}")
    return number


def line_name(number: int) -> str:
    """'file:line' of a number; '' for 0, which stands for a line that was not kept."""
    return _names[number] if number < len(_names) else ""


# --- lines of writes: for the error that a residual was written before the sweep ----------------

_AT_MOST = 4096  # parameters, the last written
_writes: dict[int, int] = {}
are_kept = ON_EVERY_TAPE  # whether any tape of this process has asked for lines


def keep() -> None:
    """Note the lines of writes to parameters from now on."""
    global are_kept
    are_kept = True


def wrote(parameter: int) -> None:
    """The user's line writes the parameter of this name (handle, or id of its node)."""
    _writes.pop(parameter, None)
    _writes[parameter] = line_here()
    if len(_writes) > _AT_MOST:
        del _writes[next(iter(_writes))]


def place(line: int, written: tuple[int, ...] = ()) -> str:
    """What an error of a sweep or a replay says of where its entry was recorded, and where the
    first of the parameters `written` of which that is known was written."""
    if not line:
        return " (tape(lines=True), or TAPEGRAD_LINES=1, keeps lines and names them here)"
    writes = [_writes[p] for p in written if p in _writes]
    return f" (recorded at {line_name(line)}" + (
        f", written at {line_name(writes[0])})" if writes else ")"
    )
