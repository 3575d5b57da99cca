"""Whether this thread is recording a step as a program, and who does.

Code that lets a value escape into Python, draws random numbers or steps an optimizer asks
`here.recorder`; it is None unless tapegrad.compile is recording (replay/record.py).
"""

from __future__ import annotations

import threading
from typing import Any

from ..ops.table import Op

# The write of a variable: no row of the table, since users call p.assign(v), but an entry.
ASSIGN = Op("assign", lambda p, value: value, ("p", "value"), kind="nondifferentiable")
TRACED = 4  # in a Tensor's flags: computed in, or given to, the step being recorded


class _Here(threading.local):
    recorder: Any = None


here = _Here()


class Live:
    """A number that a program reads anew before each run: function(owner.name).

    fits: whether a program recorded with one value is right for another.
    """

    __slots__ = ("owner", "name", "function", "fits")

    def __init__(self, owner: Any, name: str, function: Any, fits: Any):
        self.owner = owner
        self.name = name
        self.function = function
        self.fits = fits

    def value(self) -> float:
        return self.function(getattr(self.owner, self.name))

    def is_fit(self) -> bool:
        return self.fits(getattr(self.owner, self.name))

    def is_as(self, other: Live) -> bool:
        """Whether both read the same number the same way."""
        return (self.owner, self.name, self.function) == (other.owner, other.name, other.function)
