"""How often the configuration of modules and Tensors has changed, in this whole process.

Recorded steps compare one count before they look at any module: it rises after every change of
a Module's attribute (nn/module.py), of a Tensor's requires_grad, and of what a Tensor that is no
parameter holds (x[i] = v, out=x).
"""

# A list, so that a guard written in C can hold it. Two threads may raise it at once and count
# once: each has made its change by then, and neither leaves the count as it was.
config = [0]
