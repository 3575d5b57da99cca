"""Transforms: functions that make derivatives of functions, with JAX's names and signatures.

grad, value_and_grad, elementwise_grad, vjp             reverse mode      first.py
jvp, linearize                                          forward mode      first.py
jacobian, jacrev, jacfwd, hessian, hvp                  whole matrices    jacobians.py
"""

from .first import elementwise_grad, grad, jvp, linearize, value_and_grad, vjp
from .jacobians import hessian, hvp, jacfwd, jacobian, jacrev

__all__ = [
    "elementwise_grad", "grad", "hessian", "hvp", "jacfwd", "jacobian", "jacrev", "jvp",
    "linearize", "value_and_grad", "vjp",
]  # fmt: skip
