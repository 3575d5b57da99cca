"""Functions of SciPy's for Tensors: special, stats, linalg and signal, as in scipy.

SciPy computes the values; derivatives are of any order, in both modes. Needs the extra `scipy`.
"""

from importlib import import_module as _import_module

from ..errors import MissingExtra as _MissingExtra

try:
    import scipy as _scipy  # noqa: F401
except ImportError as error:
    raise _MissingExtra(
        "tapegrad.scipy computes with SciPy, which is not installed: pip install 'tapegrad[scipy]'"
    ) from error

__all__ = ["linalg", "signal", "special", "stats"]


def __getattr__(name: str):
    if name not in __all__:
        raise AttributeError(f"module 'tapegrad.scipy' has no attribute {name!r}")
    return _import_module(f".{name}", __name__)


def __dir__() -> list:
    return __all__
