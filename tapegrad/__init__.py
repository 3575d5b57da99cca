"""tapegrad: NumPy code plus `with tape():`, differentiated natively on the CPU."""

from importlib import import_module as _import_module

from ._version import __version__
from .engine import select as _select
from .engine.select import backend, use_backend
from .errors import (
    AxisError,
    DetachedWarning,
    DTypeError,
    EngineError,
    MissingExtra,
    ReplayError,
    ReplayWarning,
    ShapeError,
    StaleValueError,
    StateDictError,
    TapeError,
    TapegradError,
    UnsupportedError,
)
from .info import check_environment as _check_environment
from .info import get_num_threads, info, set_num_threads
from .ops.functions import (
    elu,
    erf,
    gelu,
    leaky_relu,
    linear,
    log_softmax,
    logsumexp,
    relu,
    rsqrt,
    sigmoid,
    silu,
    softmax,
    softplus,
    stop_gradient,
)
from .ops.table import OPS as _OPS
from .parameter import Parameter, parameter
from .tensor import Tensor, asarray, tensor

_select.start(list(_OPS.values()), Tensor)
_check_environment()

from .random import get_rng_state, manual_seed, set_rng_state  # noqa: E402
from .switches import enable_grad, no_grad  # noqa: E402
from .tape import GradientTape, tape  # noqa: E402

# Imported when first asked for, so that `import tapegrad` costs little more than NumPy's.
_LAZY = {
    "data": ("data", None),
    "nn": ("nn", None),
    "numpy": ("numpy", None),
    "optim": ("optim", None),
    "transforms": ("transforms", None),
    "integrate": ("integrate", None),
    "optimize": ("optimize", None),
    "scipy": ("scipy", None),
    "compile": ("replay", "compile"),
    "gradcheck": ("gradcheck", "gradcheck"),
    "get_default_dtype": ("nn.defaults", "get_default_dtype"),
    "set_default_dtype": ("nn.defaults", "set_default_dtype"),
    **{
        name: ("transforms", name)
        for name in (
            "checkpoint", "custom_jvp", "custom_vjp", "defjvp", "defvjp", "elementwise_grad",
            "grad", "hessian", "hvp", "jacfwd", "jacobian", "jacrev", "jvp",
            "linearize", "primitive", "value_and_grad", "vjp",
        )
    },
}  # fmt: skip


def __getattr__(name: str):
    if name not in _LAZY:
        raise AttributeError(f"module 'tapegrad' has no attribute {name!r}")
    module, attribute = _LAZY[name]
    found = _import_module(f".{module}", __name__)
    value = found if attribute is None else getattr(found, attribute)
    globals()[name] = value
    return value


def __dir__() -> list:
    return sorted({*__all__, *_LAZY})


__all__ = [
    "AxisError", "DTypeError", "DetachedWarning", "EngineError", "GradientTape",
    "MissingExtra", "Parameter", "ReplayError", "ReplayWarning", "ShapeError",
    "StaleValueError", "StateDictError", "TapeError", "TapegradError", "Tensor", "UnsupportedError",
    "__version__", "asarray", "backend", "checkpoint", "compile", "custom_jvp", "custom_vjp",
    "data", "defjvp", "defvjp", "elementwise_grad", "elu", "enable_grad", "erf", "gelu",
    "get_default_dtype", "get_num_threads", "get_rng_state", "grad", "gradcheck", "hessian",
    "hvp", "info", "jacfwd", "jacobian", "jacrev", "jvp", "leaky_relu", "linear", "linearize",
    "log_softmax", "logsumexp", "manual_seed", "nn", "no_grad", "numpy", "optim", "parameter",
    "primitive", "relu", "rsqrt", "set_default_dtype", "set_num_threads", "set_rng_state",
    "sigmoid", "silu", "softmax", "softplus", "stop_gradient", "tape", "tensor", "transforms",
    "use_backend", "value_and_grad", "vjp",
]  # fmt: skip
