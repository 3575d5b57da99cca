"""Transforms: functions that make derivatives of functions, with JAX's names and signatures.

grad, value_and_grad, elementwise_grad, vjp             reverse mode      first.py
jvp, linearize                                          forward mode      first.py
jacobian, jacrev, jacfwd, hessian, hvp                  whole matrices    jacobians.py
    checkpoint                                              recomputation     rematerialize.py
    custom_vjp, custom_jvp                                  rules for users'  custom.py
    primitive, defvjp, defjvp                               functions         primitives.py
"""

from .custom import custom_jvp, custom_vjp
from .first import elementwise_grad, grad, jvp, linearize, value_and_grad, vjp
from .jacobians import hessian, hvp, jacfwd, jacobian, jacrev
from .primitives import defjvp, defvjp, primitive
from .rematerialize import checkpoint

__all__ = [
    "checkpoint", "custom_jvp", "custom_vjp", "defjvp", "defvjp", "elementwise_grad",
    "grad", "hessian", "hvp", "jacfwd", "jacobian", "jacrev", "jvp",
    "linearize", "primitive", "value_and_grad", "vjp",
]  # fmt: skip
