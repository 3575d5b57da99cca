"""tapegrad: NumPy code plus `with tape():`, differentiated natively on the CPU."""

from ._version import __version__
from .engine.select import backend, start as _start, use_backend
from .errors import (
    DTypeError,
    EngineError,
    MissingExtra,
    ShapeError,
    StaleValueError,
    TapeError,
    TapegradError,
)
from .tensor import Parameter, Tensor, asarray, parameter, tensor
from .ops import FUNCTIONS as _FUNCTIONS
from .ops.table import OPS as _OPS

_start(list(_OPS.values()), Tensor)
globals().update(_FUNCTIONS)

from .tape import GradientTape, enable_grad, no_grad, tape  # noqa: E402
from .gradcheck import gradcheck  # noqa: E402
from .info import get_num_threads, info, set_num_threads  # noqa: E402
from .random import get_rng_state, manual_seed, set_rng_state  # noqa: E402
from .nn.defaults import get_default_dtype, set_default_dtype  # noqa: E402
