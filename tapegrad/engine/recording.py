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
