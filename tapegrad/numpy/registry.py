"""Every public function of numpy, numpy.linalg and numpy.fft, and what serves it for Tensors.

One entry a function. The two protocols (protocols.py), the namespace tapegrad.numpy, the page
docs/numpy-coverage.md and the tests are readings of this table. A function is

    differentiable   recorded; derivatives of any order in both modes
    plain            without a derivative by nature: computed from the values, never recorded
    missing          not served, for the reason its note gives

Examples are calls as users write them, of functions of NumPy's and of the operands that
tests/test_numpy_registry.py defines by letter; the tests check each one's value and derivatives.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..engine.recording import here
from ..tensor import Tensor
from .ufuncs import as_ufunc, write_out

DIFFERENTIABLE, PLAIN, MISSING = "differentiable", "plain", "missing"


def values(x: Any) -> Any:
    """A nesting of arguments with its Tensors as arrays."""
    return _with_arrays(x, Tensor.numpy)


def outlines(x: Any) -> Any:
    """The same with arrays of the Tensors' shapes and dtypes, and nobody knows which values: a
    compiled step may ask for shapes, and not look at values."""
    return _with_arrays(x, lambda t: np.broadcast_to(np.empty((), t.dtype), t.shape))


def _with_arrays(x: Any, array: Callable) -> Any:
    if isinstance(x, Tensor):
        return array(x)
    if type(x) in (list, tuple):
        return type(x)(_with_arrays(v, array) for v in x)
    if type(x) is dict:
        return {k: _with_arrays(v, array) for k, v in x.items()}
    if type(x) is slice:
        return slice(*[_with_arrays(v, array) for v in (x.start, x.stop, x.step)])
    return x


@dataclass(frozen=True)
class Entry:
    """What is known of one function of NumPy's, by its name after "numpy."."""

    name: str
    state: str
    function: Callable | None  # tapegrad's; None: NumPy's own, given the values
    examples: tuple[str, ...] = ()
    note: str = ""
    reads: Callable = values  # of Tensors, if the function is NumPy's own

    def read(self, x: Any) -> Any:
        """What NumPy's own function is given of a nesting of its arguments."""
        if here.recorder is not None and self.reads is values:
            _with_arrays(x, lambda t: t._escape(f"numpy.{self.name}"))  # refused by its name
        return self.reads(x)


ENTRIES: dict[str, Entry] = {}
SERVES: dict[Any, Entry] = {}  # by NumPy's function object, which several names may share


def differentiable(*examples: str, name: str = "", note: str = "") -> Callable[[Any], Any]:
    """Have a function serve NumPy's of the same name (or `name`, such as "linalg.det").

    The decorated function itself stays as it is. It leaves `out=` (and, for a ufunc, `where=`
    and `dtype=`) to the registry, and is given Tensors, arrays, scalars and nestings, as users
    write them.
    """

    def add(function: Callable) -> Callable:
        full = name or function.__name__
        _add(Entry(full, DIFFERENTIABLE, _served(full, function), examples, note))
        return function

    return add


def plain(
    function: Callable | str, name: str = "", note: str = "", reads: Callable = values
) -> Any:
    """Say that a function has no derivative. A name alone: NumPy's own does, on what it reads."""
    if isinstance(function, str):
        _add(Entry(function, PLAIN, None, (), note, reads))
    else:
        full = name or function.__name__
        _add(Entry(full, PLAIN, _served(full, function), (), note))
    return function


def missing(name: str, reason: str) -> None:
    """Say why a function is not served."""
    _add(Entry(name, MISSING, None, (), reason))


def _add(entry: Entry) -> None:
    if entry.name in ENTRIES:
        raise ValueError(f"numpy.{entry.name} has an entry already")
    ENTRIES[entry.name] = entry
    theirs = numpys(entry.name)
    if theirs is not None:
        SERVES.setdefault(theirs, entry)


def numpys(name: str) -> Any:
    """NumPy's object of a name such as "linalg.det"; None if this NumPy has none."""
    module: Any = np
    *path, last = name.split(".")
    for part in path:
        module = getattr(module, part)
    return vars(module).get(last)


def _served(name: str, function: Callable) -> Callable:
    """The function with the arguments that all of NumPy's kind share."""
    theirs = numpys(name)
    if isinstance(theirs, np.ufunc):
        return as_ufunc(theirs, function)
    if not callable(theirs) or isinstance(theirs, type):
        return function
    try:
        parameters = inspect.signature(theirs).parameters
    except ValueError:  # a builtin that does not say
        return function
    if "out" not in parameters or "out" in inspect.signature(function).parameters:
        return function
    is_positional = parameters["out"].kind is inspect.Parameter.POSITIONAL_OR_KEYWORD
    return _with_out(function, list(parameters).index("out") if is_positional else 1 << 30)


def _with_out(function: Callable, place: int) -> Callable:
    """The function with an `out` argument, by name or at that place among the positional ones."""

    @functools.wraps(function)
    def call(*args: Any, **kwargs: Any) -> Any:
        out = kwargs.pop("out", None)
        if len(args) > place:
            out, args = args[place], args[:place] + args[place + 1 :]
        y = function(*args, **kwargs)
        return y if out is None else write_out(out, y, name=function.__name__)

    parameters = list(inspect.signature(function).parameters.values())
    parameters.append(inspect.Parameter("out", inspect.Parameter.KEYWORD_ONLY, default=None))
    parameters.sort(key=lambda p: p.kind)
    call.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    return call


# The array API's and older NumPys' other names, for NumPys that have only one of them.
SAME = {
    "abs": "absolute", "alltrue": "all", "cumproduct": "cumprod", "product": "prod",
    "round_": "round", "sometrue": "any", "acos": "arccos", "acosh": "arccosh", "amax": "max",
    "amin": "min",
    "around": "round", "asin": "arcsin", "asinh": "arcsinh", "atan": "arctan", "atan2": "arctan2",
    "atanh": "arctanh", "bitwise_invert": "invert", "bitwise_left_shift": "left_shift",
    "bitwise_not": "invert", "bitwise_right_shift": "right_shift", "concat": "concatenate",
    "conj": "conjugate", "degrees": "rad2deg", "mod": "remainder", "permute_dims": "transpose",
    "pow": "power", "radians": "deg2rad", "row_stack": "vstack", "trapz": "trapezoid",
    "true_divide": "divide",
}  # fmt: skip


def link_other_names() -> None:
    """Give the functions that SAME names an entry too; called once every entry is in."""
    for other, name in SAME.items():
        if name not in ENTRIES:
            continue
        entry = ENTRIES[name]
        same = Entry(other, entry.state, entry.function, (), f"the same as {name}")
        ENTRIES.setdefault(other, same)
        theirs = numpys(other)
        if theirs is not None:
            SERVES.setdefault(theirs, same)


def functions(module: str = "") -> Iterator[tuple[str, Entry]]:
    """Last names and entries of numpy (module "") or one of its parts, such as "linalg"."""
    for name, entry in ENTRIES.items():
        path, _, last = name.rpartition(".")
        if path == module:
            yield last, entry
