"""The op table: one row per op says everything Python needs to know about it.

A row holds the NumPy implementation, the derivative rules, and what tests and docs need. Rules
are plain functions of tapegrad ops, so that every order of derivative follows from them. A rule
asks for what it reads by the names of its arguments:

    ct          the cotangent of the output (in a jvp: t, the tangent of the input)
    x, a, b ..  an input's values, by the row's `inputs` names
    x_like      an input of which only shape and dtype are read; its values are not kept
    y           the output's values; y_like its shape and dtype
    params      the op's params, the flat tuple of ints and floats apply() was given
    index       which input this is, in rows of any number of inputs
    inputs_like all inputs, shapes and dtypes only

What no rule names is dropped when the op is recorded: the argument names are the residual list.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

FREE = ("ct", "t", "params", "index", "inputs_like")
SAVED_OUT = 1 << 15  # the output's bit in a residual mask; input i has bit i, from 14 on bit 14
SAVED_ALL = SAVED_OUT - 1  # every input


class Rule:
    """One derivative rule: a function, and where its arguments come from."""

    __slots__ = ("function", "arguments", "mask")

    def __init__(self, function: Callable, inputs: Sequence[str], arguments: Sequence[str] = ()):
        code = function.__code__
        names = arguments or code.co_varnames[: code.co_argcount]
        known = {name: 1 << i for i, name in enumerate(inputs)} | {"y": SAVED_OUT}
        self.function = function
        self.arguments = tuple(names)
        self.mask = sum_bits(known.get(name, 0) for name in names)
        for name in names:
            if name.removesuffix("_like") not in known and name not in FREE:
                raise TypeError(f"rule {function}: unknown argument {name!r}")

    def __call__(
        self, op: Op, index: int, ct: Any, out: Any, inputs: Sequence[Any], params: tuple
    ) -> Any:
        """Run the rule on Tensors; ct is the cotangent, or the tangent in a jvp."""
        values = dict(zip(FREE, (ct, ct, params, index, inputs)), y=out, y_like=out)
        for name, value in zip(op.inputs, inputs):
            values[name] = values[name + "_like"] = value
        return self.function(*[values[name] for name in self.arguments])


@dataclass(eq=False)
class Op:
    """One row. `vjps[i]` and `jvps[i]` are the rules for input i, None where it has none."""

    name: str
    numpy: Callable  # numpy(*arrays, *params) -> array
    inputs: tuple[str, ...]
    vjps: tuple[Rule | None, ...] = ()
    jvps: tuple[Rule | None, ...] = ()
    kind: str = "custom"
    variadic: bool = False  # any number of inputs, all under the last input's rules
    promotes: tuple[int, ...] | None = None  # inputs that share one dtype; None: all
    domain: Any = (-2.0, 2.0)  # where tests draw inputs: one (low, high), or one per input
    ulp: float = 1.0  # native against NumPy, for elementwise rows
    params: tuple = ()  # params tests use
    examples: Callable | None = None  # examples(rng) -> [(inputs, params), ...] for other rows
    large: Callable | None = None  # the same, of sizes that threads share
    complex: bool = True  # whether complex operands have a value and a derivative
    doc: str = ""
    id: int = field(default=-1)

    def vjp(self, i: int) -> Rule | None:
        """The rule for input i."""
        return self.vjps[min(i, len(self.vjps) - 1)] if self.vjps else None

    def jvp(self, i: int) -> Rule | None:
        """The forward rule for input i."""
        return self.jvps[min(i, len(self.jvps) - 1)] if self.jvps else None

    @property
    def is_differentiable(self) -> bool:
        return any(self.vjps)

    @property
    def is_elementwise(self) -> bool:
        """Whether operands broadcast and each element of the result depends on one of each."""
        return self.kind == "elementwise" or (
            self.kind == "nondifferentiable" and self.examples is None
        )

    def residuals(self, i: int) -> int:
        """Bits of what the rules for input i read."""
        return sum_bits(rule.mask for rule in (self.vjp(i), self.jvp(i)) if rule)


def is_saved(mask: int, i: int) -> bool:
    """Whether a residual mask names input i."""
    return bool(mask >> (i if i < 14 else 14) & 1)


def sum_bits(masks) -> int:
    bits = 0
    for mask in masks:
        bits |= mask
    return bits


OPS: dict[str, Op] = {}
BY_ID: dict[int, Op] = {}


def add_row(op: Op) -> Op:
    """Put a row into the table. Engines give it its id when they start, or now if they have."""
    if op.name in OPS:
        raise ValueError(f"op {op.name!r} has a row already")
    OPS[op.name] = op
    if BY_ID:
        from ..engine import select

        select.add_row(op)
    return op
