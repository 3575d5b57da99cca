"""The op table: one row per op says everything Python needs to know about it.

A row holds the NumPy implementation, the derivative rules, and what tests and docs need. Rules
are plain functions of tapegrad ops, so that every order of derivative follows from them. A rule
asks for what it reads by the names of its arguments:

    ct          the cotangent of the output (in a jvp: t, the tangent of the input)
    x, a, b ..  an input's values, by the row's `inputs` names
    x_like      an input of which only shape and dtype are read; its values are not kept
    y           the output's values; y_like its shape and dtype
    params      the op's params, the flat tuple of ints and floats apply() was given

What no rule names is dropped when the op is recorded: the argument names are the residual list.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Callable, Sequence

SAVED_OUT = 1 << 15  # the output's bit in a residual mask; input i has bit i


class Rule:
    """One derivative rule: a function, and where its arguments come from."""

    __slots__ = ("function", "arguments", "mask")

    def __init__(self, function: Callable, inputs: Sequence[str]):
        code = function.__code__
        names = code.co_varnames[: code.co_argcount + code.co_kwonlyargcount]
        self.function = function
        self.arguments = tuple(names)
        self.mask = 0
        known = {name: 1 << i for i, name in enumerate(inputs)} | {"y": SAVED_OUT}
        for name in names:
            if name in known:
                self.mask |= known[name]
            elif name.removesuffix("_like") not in known and name not in ("ct", "t", "params"):
                raise TypeError(f"rule {function}: unknown argument {name!r}")

    def __call__(self, op: Op, ct: Any, out: Any, inputs: Sequence[Any], params: tuple) -> Any:
        """Run the rule on Tensors; ct is the cotangent, or the tangent in a jvp."""
        values = {"ct": ct, "t": ct, "y": out, "y_like": out, "params": params}
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

    def residuals(self, i: int) -> int:
        """Bits of what the rules for input i read."""
        return sum_bits(rule.mask for rule in (self.vjp(i), self.jvp(i)) if rule)


def sum_bits(masks) -> int:
    bits = 0
    for mask in masks:
        bits |= mask
    return bits


OPS: dict[str, Op] = {}
BY_ID: dict[int, Op] = {}


def add_row(op: Op) -> Op:
    """Put a row into the table. Engines give it its id when they start."""
    if op.name in OPS:
        raise ValueError(f"op {op.name!r} has a row already")
    OPS[op.name] = op
    return op


def _rules(functions: Sequence, inputs: Sequence[str]) -> tuple[Rule | None, ...]:
    return tuple(Rule(f, inputs) if f is not None else None for f in functions)


def elementwise(
    name: str,
    numpy: Callable,
    partials: Sequence = (),
    *,
    inputs: Sequence[str] | None = None,
    vjps: Sequence | None = None,
    **facts,
) -> Op:
    """Add an elementwise row from its partial derivatives.

    A partial is a function of x (a, b) and y by name, or the number 1 or -1. The vjp is
    zmul(ct, partial), the jvp zmul(t, partial): a zero cotangent stays zero even where the
    partial is infinite. `vjps` states the rules themselves instead, for rows that select.
    """
    count = len(vjps if vjps is not None else partials)
    names = tuple(inputs or (("x",), ("x",), ("a", "b"))[min(count, 2)])
    if vjps is None:
        rules = tuple(None if p is None else _partial_rule(p, names) for p in partials)
    else:
        rules = _rules(vjps, names)
    return add_row(Op(name, numpy, names, rules, rules, kind="elementwise", **facts))


def _partial_rule(partial, names) -> Rule:
    """The rule of one partial: ct times it, written once for all elementwise rows."""
    from .core import negative, zmul

    if partial == 1:
        return Rule(lambda ct: ct, names)
    if partial == -1:
        return Rule(lambda ct: negative(ct), names)
    inner = Rule(partial, names)

    def rule(ct, *values):
        return zmul(ct, partial(*values))

    outer = Rule(lambda ct: ct, names)
    outer.function, outer.mask = rule, inner.mask
    outer.arguments = ("ct", *inner.arguments)
    return outer


def linear(name: str, numpy: Callable, transpose: Callable, *, inputs=("x",), **facts) -> Op:
    """Add a row that is linear in its first input; `transpose` is its vjp, itself its jvp."""
    from .core import apply

    vjps = _rules([transpose], inputs)
    extra = [n for n in inputs[1:]]
    op = Op(name, numpy, tuple(inputs), kind="linear", **facts)
    jvp = Rule(lambda t, params: None, inputs)
    jvp.function = lambda t, params, *others: apply(op.id, (t, *others), params)
    jvp.arguments = ("t", "params", *extra)
    jvp.mask = sum_bits(1 << (i + 1) for i in range(len(extra)))
    op.vjps = vjps + (None,) * len(extra)
    op.jvps = (jvp,) + (None,) * len(extra)
    return add_row(op)


def custom(name: str, numpy: Callable, *, inputs, vjps, jvps, **facts) -> Op:
    """Add a row with its own rules, one vjp and one jvp per input (None: no derivative)."""
    return add_row(
        Op(name, numpy, tuple(inputs), _rules(vjps, inputs), _rules(jvps, inputs), **facts)
    )


def nondifferentiable(name: str, numpy: Callable, *, inputs=("x",), **facts) -> Op:
    """Add a row without derivative: its result is never tracked."""
    return add_row(Op(name, numpy, tuple(inputs), kind="nondifferentiable", **facts))
