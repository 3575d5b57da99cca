"""The ways to write a row of the op table. Each returns the public function of the op.

Row kinds: elementwise (partial derivatives), linear (a transpose), custom (own rules), and
nondifferentiable. From a row come VJP, JVP, method, NumPy dispatch, documentation and tests.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol

from ..engine.select import apply
from .table import OPS, Op, Rule, add_row


class Function(Protocol):
    """The public function of an op, and its row."""

    op: Op

    def __call__(self, *operands: Any, params: tuple = ()) -> Any: ...


def elementwise(
    name: str,
    numpy: Callable,
    partials: Sequence = (),
    *,
    inputs: Sequence[str] | None = None,
    vjps: Sequence | None = None,
    jvps: Sequence | None = None,
    **facts,
) -> Function:
    """Add an elementwise row from its partial derivatives.

    A partial is a function of x (a, b), y and params by name, or the number 1 or -1, or None.
    The vjp is zmul(ct, partial), the jvp zmul(t, partial): a zero cotangent stays zero even
    where the partial is infinite. Rows that select rather than multiply give `vjps` instead:
    rules of ct that also serve as the jvps unless those are given, by rows that are real-linear
    only in complex operands. Without either, the row has no derivative.
    """
    count = len(vjps if vjps is not None else partials)
    names = tuple(inputs or (("x",), ("x",), ("a", "b"))[min(count, 2)])
    if vjps is None:
        rules = tuple(None if p is None else _partial_rule(p, names) for p in partials)
    else:
        rules = _rules(vjps, names)
    forward = rules if jvps is None else _rules(jvps, names)
    return _function(Op(name, numpy, names, rules, forward, kind="elementwise", **facts))


def linear(
    name: str,
    numpy: Callable,
    transpose: Callable,
    *,
    inputs: Sequence[str] = ("x",),
    jvp: Callable | None = None,
    **facts,
) -> Function:
    """Add a row that is linear in its first input: `transpose` is its vjp, itself its jvp, unless
    a shorter way is given."""
    op = Op(name, numpy, tuple(inputs), kind="linear", **facts)
    others = op.inputs[1:]
    itself = Rule(
        lambda t, params, *rest: apply(op.id, (t, *rest), params),
        inputs,
        arguments=("t", "params", *others),
    )
    op.vjps = _rules([transpose], inputs) + (None,) * len(others)
    op.jvps = (itself if jvp is None else Rule(jvp, inputs),) + (None,) * len(others)
    return _function(op)


def custom(name: str, numpy: Callable, *, inputs, vjps, jvps, **facts) -> Function:
    """Add a row with its own rules, one vjp and one jvp per input (None: no derivative)."""
    return _function(
        Op(name, numpy, tuple(inputs), _rules(vjps, inputs), _rules(jvps, inputs), **facts)
    )


def nondifferentiable(name: str, numpy: Callable, *, inputs=("x",), **facts) -> Function:
    """Add a row without derivative: its result is never tracked."""
    return _function(Op(name, numpy, tuple(inputs), kind="nondifferentiable", **facts))


def _rules(functions: Sequence, inputs: Sequence[str]) -> tuple[Rule | None, ...]:
    return tuple(None if f is None else Rule(f, inputs) for f in functions)


def _partial_rule(partial, names: Sequence[str]) -> Rule:
    """The rule that multiplies by one partial, written once for all elementwise rows."""
    if partial == 1:
        return Rule(lambda ct: ct, names)
    if partial == -1:
        return Rule(lambda ct: apply(OPS["negative"].id, (ct,)), names)
    read = Rule(partial, names).arguments
    return Rule(
        lambda ct, *values: apply(OPS["zmul"].id, (ct, partial(*values))),
        names,
        arguments=("ct", *read),
    )


def _function(op: Op) -> Function:
    """The op's public function: apply() of its operands, params last as a tuple.

    Rows whose users expect other arguments (axis=, keepdims=) wrap it in ops/*.py.
    """
    add_row(op)

    def of_one(x):
        return apply(op.id, (x,))

    def of_two(a, b):
        return apply(op.id, (a, b))

    def of_one_and_params(x, params=()):
        return apply(op.id, (x,), params)

    def of_two_and_params(a, b, params=()):
        return apply(op.id, (a, b), params)

    def of_many(*inputs, params=()):
        return apply(op.id, inputs, params)

    count = 0 if op.variadic else len(op.inputs)
    plain = op.is_elementwise and not op.params  # users call it as it is
    one, two = (of_one, of_two) if plain else (of_one_and_params, of_two_and_params)
    function: Any = one if count == 1 else two if count == 2 else of_many
    function.__name__ = function.__qualname__ = op.name
    function.__doc__ = op.doc
    function.op = op
    return function
