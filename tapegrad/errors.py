"""The exceptions tapegrad raises. Each also derives from the built-in one users expect."""

import numpy as np


class TapegradError(Exception):
    """Base of every error tapegrad raises on purpose."""


class ShapeError(TapegradError, ValueError):
    """Shapes do not fit together."""


class DTypeError(TapegradError, TypeError):
    """A dtype that cannot live in a Tensor, or cannot be differentiated."""


class TapeError(TapegradError, RuntimeError):
    """A tape used out of order: swept twice, re-entered, or never recorded on."""


class StaleValueError(TapegradError, RuntimeError):
    """A residual that a sweep needs has been written or released since it was recorded."""


class EngineError(TapegradError, RuntimeError):
    """An engine, instruction set or thread count that this machine cannot provide."""


class MissingExtra(TapegradError, ImportError):
    """An optional dependency is not installed; the message names the extra that brings it."""


class StateDictError(TapegradError, RuntimeError):
    """A state dict that does not fit what it is loaded into."""


class ReplayError(TapegradError, RuntimeError):
    """A compiled function does what a replay could not repeat; the message names the line."""


class AxisError(ShapeError, np.exceptions.AxisError):
    """An axis that the array does not have. Also NumPy's AxisError, thus an IndexError."""


class UnsupportedError(TapegradError, TypeError):
    """A function of NumPy's, or an argument of one, that Tensors do not support."""


class DetachedWarning(UserWarning):
    """A Tensor that a tape records was made an ndarray: its derivative ends there."""


class ReplayWarning(UserWarning):
    """A compiled function is called so that it is recorded again and again."""
