"""The functions that live in `tapegrad` itself: those that NumPy does not have.

Array functions with NumPy's names are in tapegrad.numpy. Importing this module completes the op
table and gives Tensor its methods.
"""

from . import correlation as _correlation  # noqa: F401
from . import methods as _methods  # noqa: F401
from . import trig as _trig  # noqa: F401
from . import ufuncs as _ufuncs  # noqa: F401
from .activations import elu, gelu, leaky_relu
from .composite import stop_gradient
from .elementwise import erf, relu, rsqrt, sigmoid, silu, softplus
from .reductions import logsumexp
from .structured import linear, log_softmax, softmax

__all__ = [
    "elu", "erf", "gelu", "leaky_relu", "linear", "log_softmax", "logsumexp", "relu", "rsqrt",
    "sigmoid", "silu", "softmax", "softplus", "stop_gradient",
]  # fmt: skip
